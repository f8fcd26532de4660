"""How a comparison stands: the pairs of answers counted, and those kept that differ."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import get_args

from .alignment import STEPS
from .answer import Pair, Status


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
    steps: int = STEPS
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
