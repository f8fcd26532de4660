"""What an answer is: when it was given and what it was; then and now it makes a pair.

It also holds the excuses: why an answer need not be on the other side. It judges nothing; that is
the business of `compare`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from .alignment import MAX_STEPS

Status: TypeAlias = Literal["same", "changed", "missing", "extra", "late"]

AFTER = "after the end"
"""Why an answer is excused that came when nothing was recorded any more."""

BY_HAND = "sent by hand"
DROPPED = "dropped"

UNCAUSED = "caused by no event"
"""Why an answer is excused that a task of its own gave, or a person."""

NOBODY, EARLIER = -1, -2
"""The event of such an answer, and of one that a handler gave who had begun before."""

BEFORE = "begun before the recording"

EXCUSES = {NOBODY: UNCAUSED, EARLIER: BEFORE}


class Answer(NamedTuple):
    """One answer: when (seconds), what, and why it is none of the handlers' business, if so."""

    t: float
    body: Any
    excuse: str = ""
    """It need not be on the other side: sent by hand, said after the end, and the like."""
    event: int = 0
    """The recorded number of the event that was answered; 0: not known."""


class HttpAnswer(NamedTuple):
    """The answer to an HTTP request: its status, its content type without parameters, its body."""

    status: int
    kind: str
    body: Any

    @classmethod
    def of(cls, status: int, content_type: str | None, body: bytes) -> HttpAnswer:
        """Return the answer with its body as text, where it is text."""
        try:
            readable: Any = body.decode()
        except UnicodeDecodeError:
            readable = body
        return cls(status, (content_type or "").partition(";")[0].strip().lower(), readable)

    def __str__(self) -> str:
        return f"{self.status} {self.kind} {self.body}"


class Pair(NamedTuple):
    """An answer then and now; None stands where there is none."""

    session: str
    status: Status
    old: Answer | None
    new: Answer | None

    @property
    def t(self) -> float:
        """When it was given then; now, where there was none."""
        return (self.old or self.new or Answer(0.0, None)).t


@dataclass
class Tally:
    """How many pairs of each kind, and those that differ (the first ten thousand)."""

    same: int = 0
    changed: int = 0
    missing: int = 0
    extra: int = 0
    late: int = 0
    excused: Counter[str] = field(default_factory=Counter)
    """Answers that were not compared, and why."""
    differing: list[Pair] = field(default_factory=list)
    kept: int = 10_000
    steps: int = MAX_STEPS
    """What is left of the work that may go into pairing what differs."""

    def add(self, pair: Pair) -> None:
        """Count a pair."""
        setattr(self, pair.status, getattr(self, pair.status) + 1)
        if pair.status != "same" and len(self.differing) < self.kept:
            self.differing.append(pair)

    def merge(self, other: Tally) -> None:
        """Add the pairs of another round."""
        for pair_status in get_args(Status):
            setattr(self, pair_status, getattr(self, pair_status) + getattr(other, pair_status))
        self.excused.update(other.excused)
        both = sorted([*self.differing, *other.differing], key=lambda pair: pair.t)
        self.differing = both[: self.kept]

    @property
    def differences(self) -> int:
        """How many pairs are not the same."""
        return self.changed + self.missing + self.extra + self.late
