"""What a log keeps: sealed rows in typed columns, where rows happen, and who sessions are.

Opposite: `store.py` writes them and lets them go. They never change, save for a session's end.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, repeat
from typing import Any, NamedTuple

WIDTH = 9
"""Fields a row: time, place, session, scope, cause, data, size, elapsed, error."""


class Place(NamedTuple):
    """Where rows of one kind happen."""

    kind: str
    node: str
    port: str
    path: str


@dataclass(frozen=True)
class Block:
    """Sealed rows, a column each; `first` is the `seq` of the first."""

    first: int
    time: array[int]
    place: array[int]
    session: array[int]
    scope: array[int]
    cause: array[int]
    data: list[Any]
    size: array[int]
    elapsed: list[float | None] | None
    error: list[str | None] | None
    weight: int

    @property
    def sessions(self) -> frozenset[int]:
        """The numbers of the sessions these rows speak of."""
        return frozenset(self.session)

    def raw(self) -> Iterator[tuple[Any, ...]]:
        """Give each row as its `seq` and its raw fields."""
        return zip(
            count(self.first),
            self.time,
            self.place,
            self.session,
            self.scope,
            self.cause,
            self.data,
            self.size,
            self.elapsed or repeat(None),
            self.error or repeat(None),
            strict=False,
        )

    @property
    def last(self) -> int:
        """The `seq` of its last row."""
        return self.first + len(self.time) - 1

    def __len__(self) -> int:
        return len(self.time)


class Known(NamedTuple):
    """The facts of a session's handshake, secrets redacted, kept once."""

    id: str
    peer: str
    path: str
    method: str
    params: dict[str, str]
    query: dict[str, Any]
    headers: dict[str, str]
    opened: int
    closed: int | None = None
    code: int | None = None
    reason: str = ""


def block_of(first: int, rows: list[Any], weight: int = 0) -> Block:
    """Seal rows that lie one field behind the other, `WIDTH` a row."""
    elapsed, error = rows[7::WIDTH], rows[8::WIDTH]
    return Block(
        first=first,
        time=array("q", rows[0::WIDTH]),
        place=array("i", rows[1::WIDTH]),
        session=array("q", rows[2::WIDTH]),
        scope=array("q", rows[3::WIDTH]),
        cause=array("q", rows[4::WIDTH]),
        data=rows[5::WIDTH],
        size=array("q", rows[6::WIDTH]),
        elapsed=None if elapsed.count(None) == len(elapsed) else elapsed,
        error=None if error.count(None) == len(error) else error,
        weight=weight,
    )
