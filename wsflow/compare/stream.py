"""The answers of one session as they come, paired at once as far as they are equal.

What is left in the end `compare` pairs, which sees all of a session.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any, Protocol

from .answer import AFTER, EXCUSES, Answer, Pair, Tally
from .pairs import NEAR, compare
from .rules import Rules


class Newest(Protocol):
    """What tells of the answers: `seq` is its newest row when one is heard."""

    seq: int


class Unseen:
    """Nothing tells of them."""

    seq = 0


class Stream:
    """The answers of one session as they come: what is equal is counted and forgotten at once.

    `origin` says which event the answer was for that was heard at a row, once it was told: 0 when
    that is not known, `NOBODY` when it was for none, `EARLIER` when it was none of the recording.
    """

    __slots__ = (
        "_behind",
        "_in_order",
        "_late",
        "_now",
        "_origin",
        "_rows",
        "_rules",
        "_tally",
        "clean",
        "heard",
        "new",
        "old",
        "who",
    )

    def __init__(
        self,
        who: str,
        rules: Rules,
        tally: Tally,
        now: Callable[[], float],
        rows: Newest = Unseen,
        origin: Callable[[int], int] = lambda _: 0,
    ) -> None:
        self.who = who
        self.old: deque[tuple[float, Any, str, int]] = deque()
        """Time, body, excuse, and the event that was answered."""
        self.new: deque[tuple[float, Any, str, int]] = deque()
        """Time, body, excuse, and the newest row at that moment."""
        self.heard: Callable[[], object] | None = None
        """Called when it is behind no more."""
        self._rules, self._tally, self._now = rules, tally, now
        self._rows, self._origin = rows, origin
        self._in_order = not rules.any_order
        self._late = math.inf if rules.late is None else rules.late
        self._behind = 0

    @property
    def behind(self) -> bool:
        """Whether answers are recorded that have not been heard."""
        return self._behind > 0

    def hear(self, body: Any, excuse: str = "") -> None:
        """Take an answer that is given now."""
        self.new.append((self._now(), body, excuse, self._rows.seq))
        self._behind -= 1
        if self.old:
            self._pair(nearby=False)  # what it was for is told right after this
        if self.heard is not None and self._behind <= 0:
            self.heard()

    def expect(self, t: float, body: Any, excuse: str = "", event: int = 0) -> None:
        """Take an answer that was given then, to some event."""
        new = self.new
        if new and not self.old and new[0][1] == body and self._in_order:
            self._behind += not excuse  # mostly it has been heard, and is the next one
            if new[0][0] - t > self._late:
                self._count((t, body, excuse, event), new.popleft())
            else:
                new.popleft()
                self._tally.same += 1
            return
        self.old.append((t, body, excuse, event))
        if not excuse:
            self._behind += 1
        if self.new:
            self._pair()

    def catch_up(self) -> None:
        """Wait no longer for what is missing or late; the next one may be there."""
        self._behind = min(self._behind, 0)

    def forget(self) -> None:
        """Forget what was heard."""
        self.new.clear()
        self._behind = 0

    def _pair(self, *, nearby: bool = True) -> None:
        """Count what is equal from the start on, as far as it goes."""
        old, new = self.old, self.new
        while old and new and self._in_order:
            at = 0 if self._equal(old[0], new[0]) else self._nearby() if nearby else -1
            if at < 0:
                return
            then = old[at]
            del old[at]
            self._count(then, new.popleft())

    def _count(self, then: tuple[float, Any, str, int], now: tuple[float, Any, str, int]) -> None:
        """Count two that are equal."""
        if now[0] - then[0] > self._late:
            self._tally.add(Pair(self.who, "late", Answer(*then), Answer(*now[:3])))
        else:
            self._tally.same += 1

    def _equal(self, then: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
        normal = self._rules.normal
        return then[1] == now[1] or (not self._rules.plain and normal(then[1]) == normal(now[1]))

    def _nearby(self) -> int:
        """Return where the answer heard now was among those that came at the same moment.

        The answers to one event keep their order; -1 when it was not there.
        """
        now, passed = self.new[0], set[int]()
        event = -1
        for at, then in enumerate(islice(self.old, 16)):
            if then[0] - self.old[0][0] > NEAR:
                break
            if then[3] not in passed and self._equal(then, now):
                if event < 0:
                    event = self._origin(now[3])
                if not event or then[3] in {0, event}:
                    return at
            passed.add(then[3])
        return -1

    def _answer(self, t: float, body: Any, excuse: str, row: int) -> Answer:
        event = self._origin(row)
        return Answer(t, body, excuse or EXCUSES.get(event, ""), max(0, event))

    def finish(self, end: float) -> None:
        """Pair what is left; what was answered after `end` may or may not have been recorded."""
        self._pair()
        old = [Answer(*one) for one in self.old]
        new = [self._answer(*one) for one in self.new]
        new = [one if one.t <= end else one._replace(excuse=AFTER) for one in new]
        for pair in compare(self.who, old, new, self._rules, self._tally):
            self._tally.add(pair)
