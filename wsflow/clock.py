"""Time as the flow sees it: `now()` in seconds, `time_ns()` for the log, and alarms.

Nothing here sleeps or makes tasks: whoever owns the loop calls `ring()` now and then, and alarms
that are due go off there. Tests and replay move a `ManualClock` by hand.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable


class Alarm:
    """One call to come; `cancel()` takes it back."""

    __slots__ = ("action",)

    def __init__(self, action: Callable[[], object]) -> None:
        self.action: Callable[[], object] | None = action

    def cancel(self) -> None:
        """Never ring. Harmless when it already rang."""
        self.action = None


class Clock:
    """The machine's clock: monotonic seconds for intervals, UTC nanoseconds for the log."""

    def __init__(self) -> None:
        self._alarms: list[tuple[float, int, Alarm]] = []
        self._order = itertools.count()

    def now(self) -> float:
        """Return seconds on a clock that never goes back."""
        return time.monotonic()

    def time_ns(self) -> int:
        """Return UTC in nanoseconds since 1970."""
        return time.time_ns()

    def call_later(self, delay: float, action: Callable[[], object]) -> Alarm:
        """Call `action` once `delay` seconds have passed, at the next `ring()` after that."""
        alarm = Alarm(action)
        heapq.heappush(self._alarms, (self.now() + delay, next(self._order), alarm))
        return alarm

    def ring(self) -> None:
        """Let go off what is due."""
        while self._alarms and self._alarms[0][0] <= self.now():
            alarm = heapq.heappop(self._alarms)[2]
            action, alarm.action = alarm.action, None
            if action is not None:
                action()


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

    def advance(self, seconds: float) -> None:
        """Move on, stopping at each alarm on the way so that it sees its own time."""
        end = self._now + seconds
        while self._alarms and self._alarms[0][0] <= end:
            self._now = max(self._now, self._alarms[0][0])
            self.ring()
        self._now = end
