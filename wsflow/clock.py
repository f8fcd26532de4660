"""Time as the flow sees it: `now()` in seconds, `time_ns()` for the log, and alarms.

Nothing here sleeps or makes tasks: whoever owns the loop calls `ring()` now and then, and alarms
that are due go off there. Tests and replay move a `ManualClock` by hand.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections.abc import Callable
from typing import Any

from .errors import WiringError

SHORTEST_PERIOD = 0.001
"""Seconds a period may have at least: what an event loop can keep."""


class Alarm:
    """One call to come; `cancel()` takes it back."""

    __slots__ = ("_clock", "action")

    def __init__(self, clock: Clock, action: Callable[[], object]) -> None:
        self._clock = clock
        self.action: Callable[[], object] | None = action

    def ring(self) -> None:
        """Do it, once, unless it was cancelled."""
        action, self.action = self.action, None
        if action is not None:
            action()

    def cancel(self) -> None:
        """Never ring. Harmless when it already rang."""
        if self.action is not None:
            self.action = None
            self._clock.cancelled()


class Clock:
    """The machine's clock: monotonic seconds for intervals, UTC nanoseconds for the log."""

    rings_itself = False
    """Whether alarms go off without anybody calling `ring`."""

    def __init__(self) -> None:
        self._alarms: list[tuple[float, int, Alarm]] = []
        self._order = itertools.count()
        self._cancelled = 0

    def now(self) -> float:
        """Return seconds on a clock that never goes back."""
        return time.monotonic()

    time_ns: Callable[[], int] = staticmethod(time.time_ns)
    """Returns UTC in nanoseconds since 1970; the bare function: the log asks twice a message."""

    def call_later(self, delay: float, action: Callable[[], object]) -> Alarm:
        """Call `action` once `delay` seconds have passed, at the next `ring()` after that."""
        alarm = Alarm(self, action)
        heapq.heappush(self._alarms, (self.now() + delay, next(self._order), alarm))
        return alarm

    def rest(self, most: float) -> float:
        """Return how many seconds may pass before the next `ring()`: `most`, or less."""
        due = self._alarms[0][0] if self._alarms else math.inf
        return min(most, max(0.0, due - self.now()))

    def ring(self) -> None:
        """Let go off what is due."""
        while self._alarms and self._alarms[0][0] <= self.now():
            alarm = heapq.heappop(self._alarms)[2]
            if alarm.action is None:
                self._cancelled -= 1
            alarm.ring()

    def cancelled(self) -> None:
        """An alarm was cancelled; sweep them out once they are the most of what is kept."""
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled * 2 > len(self._alarms):
            self._alarms = [entry for entry in self._alarms if entry[2].action is not None]
            heapq.heapify(self._alarms)
            self._cancelled = 0


class ManualClock(Clock):
    """A clock that stands still until it is told to `advance`.

    >>> clock = ManualClock()
    >>> clock.advance(30.0)
    >>> clock.now()
    30.0
    """

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self._now = start

    def now(self) -> float:
        return self._now

    def time_ns(self) -> int:
        return int(self._now * 1e9)

    def rest(self, most: float) -> float:
        return most

    def advance(self, seconds: float) -> None:
        """Move on, stopping at each alarm on the way so that it sees its own time."""
        end = self._now + seconds
        while self._alarms and self._alarms[0][0] <= end:
            self._now = max(self._now, self._alarms[0][0])
            self.ring()
        self._now = end


def checked_seconds(seconds: Any, who: str) -> float:
    """Return a period; `who` begins the message when it is none that can be kept.

    Raises:
        WiringError: it is no number from `SHORTEST_PERIOD` on.
    """
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not SHORTEST_PERIOD <= seconds < math.inf:
        raise WiringError(f"{who} a number of seconds from {SHORTEST_PERIOD:g} on, not {seconds!r}")
    return float(seconds)
