"""The Timer: an event on `out` every so many seconds, while the flow runs.

It keeps to its beat however late one tick is, makes up for none that it missed, and stands still
while the flow is paused. In a replay it ticks when it ticked then, or else in virtual time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...base.snapshot import snapshot
from ...clock import Alarm, checked_seconds
from ...types import TimerEvent
from ..context import NodeContext
from ..scope import Scope
from .base import Trigger

if TYPE_CHECKING:
    from ..host import Host


class Timer(Trigger):
    """A trigger that fires by the clock. Make one with `flow.timer(5)`.

    Port `out`: `{"count": 1, "time": ...}`, every `seconds`, first one interval after the start.
    `count` says which tick since the start of the flow this is, `time` is UTC in seconds since
    1970.

    Ticks do not pile up: while async handlers of the tick before still run, and after something
    blocked the loop, ticks are left out, and a `drop` row says so.
    """

    def __init__(self, host: Host, name: str, seconds: float) -> None:
        super().__init__(host, name, ("out",))
        self.seconds = checked_seconds(seconds, "a timer takes")
        self.count = 0
        """How often it has fired since the flow started."""
        self.recorded = False
        """Whether a recording says when it ticks (see `replay/clone.py`)."""
        self._clock = host.clock
        self._place, self._left_out = (
            host.place("fire", name, "out"),
            host.place("drop", name, "out"),
        )
        self._alarm: Alarm | None = None
        self._due, self._rest = 0.0, 0.0
        self._scope: Scope | None = None
        self.prepare = self._set_up
        host.redefined(self)

    def retime(self, seconds: float) -> None:
        """Tick every `seconds` from now on; the beat stays when they are what they were."""
        if seconds != self.seconds:
            self.seconds = checked_seconds(seconds, "a timer takes")
            self.host.redefined(self)

    def fire(self, event: TimerEvent) -> None:
        """Tick now."""
        self.count = event["count"]
        self._scope = scope = self.engine.scope(None, None)
        data, size = snapshot(event)
        seq = self.engine.tell(self._place, 0, scope.number, 0, data, size)
        self.engine.fire(self.outputs["out"], event, scope, seq)

    def removed(self) -> None:
        self._end()

    # ---- with the flow

    def _set_up(self, ctx: NodeContext) -> None:
        self._end()
        for moment, action in (
            ("start", self._begin),
            ("stop", self._end),
            ("pause", self._pause),
            ("resume", self._resume),
        ):
            ctx.events.on(moment, action)
        if self.engine.running:  # it was declared, or changed, in a flow that runs
            self._arm()

    def _begin(self) -> None:
        self.count, self._scope = 0, None
        self._arm()

    def _arm(self) -> None:
        self._rest = self.seconds
        if not self.engine.paused:
            self._resume()

    def _end(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _pause(self) -> None:
        if self._alarm is not None:
            self._rest = max(0.0, self._due - self._clock.now())
            self._end()

    def _resume(self) -> None:
        if self._alarm is None and not self.recorded:
            self._due = self._clock.now() + self._rest
            self._wait()

    # ---- ticking

    def _wait(self) -> None:
        self._alarm = self._clock.call_later(self._due - self._clock.now(), self._tick)

    def _tick(self) -> None:
        self._alarm = None
        if not self.engine.running:
            return  # the flow ended without a farewell
        missed = math.floor((self._clock.now() - self._due) / self.seconds)
        if missed > 0:
            self._leave_out(missed, "the loop was blocked, or the machine asleep")
        self._due += self.seconds * (max(0, missed) + 1)
        self._wait()
        if self._scope is not None and self._scope.running:
            self._leave_out(1, "handlers of the tick before still run")
        else:
            self.fire({"count": self.count + 1, "time": self._clock.time_ns() / 1e9})

    def _leave_out(self, ticks: int, why: str) -> None:
        what = "a tick was" if ticks == 1 else f"{ticks} ticks were"
        self.engine.tell(self._left_out, 0, 0, 0, None, 0, None, f"{what} left out: {why}")

    def __repr__(self) -> str:
        return f"<Timer {self.name} every {self.seconds:g} s, {self.count} ticks>"
