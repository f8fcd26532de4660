"""An event loop whose time runs as fast as its work: sleeps cost nothing, order is kept.

While something is ready the loop works; when all wait for a time to come, that time comes. Sleeps,
time-outs and timers of handlers, whatever library they use, follow. Used by replay.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable
from typing import Any

from .clock import Alarm, Clock

PATIENCE = 0.002
"""Real seconds given to sockets and threads before time jumps over them."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """`speed` virtual seconds pass in a real one; None: as fast as possible.

    `frozen` stops time; `hurry_until` makes it run as fast as possible up to a moment.
    """

    def __init__(self, speed: float | None = None) -> None:
        self._skipper = _Selector(self)
        super().__init__(self._skipper)
        self.speed = speed
        self.frozen = False
        self.hurry_until = 0.0
        self.busy: Callable[[], bool] = lambda: False
        """Whether threads work for a handler, so that time must not jump ahead of them."""
        self._virtual = 0.0
        self._real = time.monotonic()

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._virtual

    @property
    def fast(self) -> bool:
        """Whether waiting is skipped at this moment."""
        return self.speed is None or self._virtual < self.hurry_until

    def jump(self, moment: float) -> bool:
        """Go to a moment at once, when nothing is ready and nothing comes before; say whether."""
        if not self.fast or self.frozen or self._ready or self.busy():  # type: ignore[attr-defined]
            return False
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        if scheduled and scheduled[0].when() <= moment:
            return False
        self._virtual = max(self._virtual, moment)
        return True

    def passed(self, events: list[Any], timeout: float) -> None:
        """A wait of `timeout` virtual seconds has ended, with events or without."""
        now = time.monotonic()
        real, self._real = now - self._real, now
        if self.frozen:
            return
        if self.fast:
            self._virtual += 0.0 if events else timeout
        else:
            assert self.speed is not None
            self._virtual += real * self.speed


class VirtualClock(Clock):
    """The clock of a flow that runs in a `VirtualLoop`; `start` is UTC in nanoseconds."""

    rings_itself = True

    def __init__(self, loop: VirtualLoop, start: int) -> None:
        super().__init__()
        self._loop, self._start = loop, start

    def now(self) -> float:
        return self._loop.time()

    def time_ns(self) -> int:
        return self._start + int(self._loop.time() * 1e9)

    def call_later(self, delay: float, action: Callable[[], object]) -> Alarm:
        alarm = Alarm(self, action)
        self._loop.call_later(delay, alarm.ring)
        return alarm


class _Selector(selectors.DefaultSelector):
    """A selector that does not wait where only time is waited for."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        loop = self._loop
        if timeout is None or timeout <= 0:
            events: list[Any] = super().select(timeout)
            loop.passed(events, 0.0)
            return events
        if loop.frozen:
            events = super().select(0.05)
        elif loop.fast:
            events = super().select(PATIENCE if self._others() or loop.busy() else 0)
            if not events and loop.busy():
                timeout = 0.0
        else:
            assert loop.speed is not None
            events = super().select(timeout / loop.speed)
        loop.passed(events, timeout)
        return events

    def _others(self) -> bool:
        """Whether sockets other than the loop's own wake-up are waited for."""
        return len(self.get_map()) > 1
