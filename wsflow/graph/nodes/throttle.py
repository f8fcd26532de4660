"""Throttle: of each session at most one event in so many seconds goes on, the first one.

Events go on in their own scope: a reply behind them reaches the client that sent them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...clock import checked_seconds
from ..context import Context
from ..node import Node

if TYPE_CHECKING:
    from ..host import Host


class Throttle(Node):
    """Make one with `flow.throttle(1.0)`: input `in`, outputs `out` and `dropped`.

    An event of a session goes to `out` when `seconds` have passed since the last one that did, and
    to `dropped` otherwise: wire that to tell clients, or leave it. Events without a session (HTTP,
    timers) count as those of one. What is kept of a session goes when it closes.
    """

    def __init__(self, host: Host, name: str, seconds: float) -> None:
        super().__init__(host, name, ("in",), ("out", "dropped"))
        self.retime(seconds)
        self._clock = host.clock
        self._last: dict[int, float] = {}
        """When an event last went on, by the session's number; 0 is no session."""
        self.define(self._pass)

    def retime(self, seconds: float) -> None:
        """Let one event pass in so many seconds, from the next one on."""
        self.seconds = checked_seconds(seconds, "a throttle takes")

    def _pass(self, event: Any, ctx: Context) -> None:
        now, number = self._clock.now(), ctx._scope.session_number
        last = self._last.get(number)
        if last is not None and now - last < self.seconds:
            ctx.route(event, "dropped")
            return
        session = ctx._scope.session
        if (
            last is not None
            or session is None
            or session.when_closed(lambda: self._last.pop(number, None))
        ):
            self._last[number] = now
        ctx.route(event)

    def __repr__(self) -> str:
        return f"<Throttle {self.name} one in {self.seconds:g} s, {len(self._last)} sessions>"
