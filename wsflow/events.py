"""What happened: the row of the log, as readers and observers see it.

A row is a plain immutable fact. Who writes rows is the store's business (`store.py`).
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, get_args

Kind: TypeAlias = Literal[
    "req",
    "message",
    "close",
    "fire",
    "route",
    "response",
    "send",
    "broadcast",
    "signal",
    "error",
    "drop",
    "gap",
    "mark",
]

KINDS: tuple[Kind, ...] = get_args(Kind)

EVENTS: frozenset[str] = frozenset({"req", "message", "close", "fire"})
"""Kinds of rows of what comes in from outside: a replay makes them happen again."""

ANSWERS: frozenset[str] = frozenset({"response", "send"})
"""Kinds of rows of what a client is answered: a replay compares them."""

HAND = "hand"
"""The port of a `response` that a person gave in a panel: no handler did, nor will in a replay."""


class Told(Protocol):
    """A row, of a log or of a recording, as far as both have it."""

    @property
    def seq(self) -> int: ...

    @property
    def time(self) -> int: ...

    @property
    def scope(self) -> int: ...

    @property
    def cause(self) -> int: ...

    @property
    def kind(self) -> str: ...

    @property
    def node(self) -> str: ...

    @property
    def port(self) -> str: ...

    @property
    def session(self) -> str | None: ...

    @property
    def path(self) -> str: ...

    @property
    def value(self) -> Any: ...

    @property
    def size(self) -> int: ...

    @property
    def elapsed(self) -> float | None: ...

    @property
    def error(self) -> str | None: ...


class Row(NamedTuple):
    """One port event.

    `seq` counts from 1 without gaps; `time` is UTC in nanoseconds; `cause` is the `seq` of the row
    that led to this one (0: nothing did); `scope` is the trigger firing it belongs to (0: none);
    `size` is in bytes; `elapsed` in seconds, where a handler had awaited something.
    """

    seq: int
    time: int
    scope: int
    cause: int
    kind: str
    node: str
    port: str
    session: str | None
    path: str
    data: Any
    size: int
    elapsed: float | None
    error: str | None

    @property
    def value(self) -> Any:
        """What travelled: the same as `data` (a recorded row decodes it on demand)."""
        return self.data


def is_by_hand(row: Told) -> bool:
    """Whether a person answered, in a panel or from a cell: nothing that came in led to it."""
    return row.port == HAND or (not row.cause and row.kind in {"send", "broadcast"})


REPLY = frozenset({"status", "headers", "body"})


def is_reply(data: Any) -> bool:
    """Whether the row of an HTTP response tells of all of it, because its status is not 200 or its
    headers are its own; elsewhere the row has its body alone.
    """
    return isinstance(data, dict) and data.keys() == REPLY
