"""Debounce: of a burst of events of one session only the last goes on, once it is quiet.

Events go on in their own scope: a reply behind them reaches the client that sent them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ...clock import Alarm, checked_seconds
from ...errors import HandlerError
from ...types import Handler
from ..context import Context, NodeContext
from ..node import Node

if TYPE_CHECKING:
    from ..host import Host


class Waiting:
    """The last event of a session, and when it will have been quiet for long enough."""

    __slots__ = ("alarm", "ctx", "due", "event")

    def __init__(self, event: Any, ctx: Context, due: float, alarm: Alarm) -> None:
        self.event, self.ctx, self.due, self.alarm = event, ctx, due, alarm


class Debounce(Node):
    """Make one with `flow.debounce(0.5)`: input `in`, outputs `out` and `dropped`.

    An event waits until its session has been quiet for `seconds`, then goes to `out`; when another
    comes before, that one waits instead and the first goes to `dropped`. When the session closes,
    or the flow stops, what waits goes on at once. Events without a session (HTTP, timers) count as
    those of one. What is kept of a session goes when it closes.
    """

    def __init__(self, host: Host, name: str, seconds: float) -> None:
        super().__init__(host, name, ("in",), ("out", "dropped"))
        self.retime(seconds)
        self._clock = host.clock
        self._waiting: dict[int, Waiting] = {}
        """By the session's number; 0 is no session."""
        self._known: set[int] = set()
        """The sessions that tell us when they close."""
        self.define(self._hold, setup=self._set_up)

    def retime(self, seconds: float) -> None:
        """Wait for so many quiet seconds, from the next event on."""
        self.seconds = checked_seconds(seconds, "a debounce takes")

    def setup(self, function: Handler) -> Handler:
        raise HandlerError(f"{self.name!r} brings its own setup; give yours to another node")

    def removed(self) -> None:
        for one in list(self._waiting.values()):
            one.alarm.cancel()
        self._waiting.clear()

    def _set_up(self, ctx: NodeContext) -> None:
        ctx.events.on("stop", self._let_go)

    def _hold(self, event: Any, ctx: Context) -> None:
        number, session = ctx._scope.session_number, ctx._scope.session
        due = self._clock.now() + self.seconds
        there = self._waiting.get(number)
        if there is not None:  # its alarm finds out that it has to wait longer
            there.ctx.route(there.event, "dropped")
            there.event, there.ctx, there.due = event, ctx, due
            return
        if session is not None and number not in self._known:
            if not session.when_closed(partial(self._forget, number)):
                ctx.route(event)  # nothing will come after it
                return
            self._known.add(number)
        alarm = self._clock.call_later(self.seconds, partial(self._look, number))
        self._waiting[number] = Waiting(event, ctx, due, alarm)

    def _look(self, number: int) -> None:
        there = self._waiting.get(number)
        if there is None:
            return
        rest = there.due - self._clock.now()
        if rest > 0:
            there.alarm = self._clock.call_later(rest, partial(self._look, number))
        else:
            self._release(number)

    def _release(self, number: int) -> None:
        there = self._waiting.pop(number, None)
        if there is not None:
            there.alarm.cancel()
            there.ctx.route(there.event)

    def _forget(self, number: int) -> None:
        self._known.discard(number)
        self._release(number)

    def _let_go(self) -> None:
        for number in list(self._waiting):
            self._release(number)

    def __repr__(self) -> str:
        return f"<Debounce {self.name} after {self.seconds:g} s, {len(self._waiting)} waiting>"
