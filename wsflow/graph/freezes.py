"""All freezes of one flow: what they wait for, hold and let go, in the flow's loop.

The engine asks about each firing while there are any (`Engine.gate`), and never else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..base.fence import fenced
from ..base.interfaces import SessionView
from ..base.snapshot import describe, snapshot
from ..clock import checked_seconds
from ..errors import FreezeError, ReceiveTimeoutError, SessionClosedError, WiringError
from ..tracebacks import named
from .freeze import Freeze, Key, Match
from .node import Node
from .port import Input, Output
from .scope import Scope
from .triggers.base import Trigger
from .triggers.catch import Catch

if TYPE_CHECKING:
    from .engine import Firing
    from .host import Host


class Freezes:
    """Makes freezes and keeps those that wait or hold, by what they wait for."""

    def __init__(self, host: Host, find: Callable[[str], SessionView]) -> None:
        self._engine, self._place, self._clock = host.engine, host.place, host.clock
        self._call, self._nodes, self._find = host.call, host.graph.nodes, find
        self._freezes: dict[Key, Freeze] = {}

    def all(self) -> list[Freeze]:
        """Return those that wait or hold, oldest first."""
        return list(self._freezes.values())

    def freeze(
        self,
        port: Any,
        session: Any,
        match: Match | None,
        on_held: Callable[[Any], object] | None,
        timeout: float | None,
        hold: float | None,
    ) -> Freeze:
        """Wait for an event from now on (see `Serving.freeze`)."""
        output = self._checked(port)
        for name, seconds in (("timeout", timeout), ("hold", hold)):
            if seconds is not None:
                checked_seconds(seconds, f"{name}= of a freeze takes")
        who = None if session is None else self._session(session, output)
        made = Freeze(self, output, who, match, on_held, timeout, hold)
        there = self._freezes.get(made.key)
        if there is not None:
            self.end(there, FreezeError(f"{there!r} was replaced: the same freeze was made again"))
        self._freezes[made.key] = made
        made.ring_in(self._clock, timeout, lambda: self._time_out(made))
        self._engine.gate = self.look
        return made

    def _checked(self, port: Any) -> Output:
        output = port.default_output() if isinstance(port, Node) else port
        example = "freeze what a trigger sends, such as chat.message"
        if isinstance(output, Input):
            raise WiringError(f"{output.label} is an input port; {example}")
        if not isinstance(output, Output):
            raise WiringError(f"{describe(port)} is no port; {example}")
        node = output.node
        if not isinstance(node, Trigger) or isinstance(node, Catch):
            raise WiringError(
                f"{output.label} can not be frozen: {node.name!r} does not bring events in from "
                f"outside, so no session would wait in order; {example}"
            )
        if self._nodes.get(node.name) is not node:
            raise WiringError(f"{output.label} is not part of this flow (any more)")
        return output

    def _session(self, session: Any, output: Output) -> SessionView:
        id = session if isinstance(session, str) else getattr(session, "id", None)
        if not isinstance(id, str):
            raise WiringError(
                f"session= takes a session or its id such as 's3', not {describe(session)}"
            )
        who = self._find(id)
        node = output.node
        if getattr(who, "route", None) is not node:
            raise WiringError(
                f"session {who.id!r} ({who.path}) never comes out of {output.label}: "
                f"it is no session of {node.name!r}"
            )
        if output.name == "req":
            raise WiringError(
                f"session {who.id!r} is open, so its `req` has gone by; "
                f"freeze {output.label} without session= to hold the next client's"
            )
        return who

    # ---- what the engine calls

    def look(self, output: Output, event: Any, scope: Scope, cause: int) -> bool:
        """Say whether somebody holds this event from now on."""
        session = scope.session
        if session is not None and output.name == "close":
            self._session_ended(session, output, event)
        for freeze in self.all():
            if fenced(partial(self._misjudged, freeze), freeze.wants, output, event, session):
                self._hold(freeze, (output, event, scope, cause))
                return True
        return False

    def _session_ended(self, session: SessionView, output: Output, event: Any) -> None:
        """Who waits for another event of this session waits in vain."""
        for freeze in self.all():
            if freeze.session is session and freeze.port is not output and not freeze.is_holding:
                self.end(freeze, SessionClosedError(session.path, event["code"], event["reason"]))

    def _hold(self, freeze: Freeze, firing: Firing) -> None:
        output, _, scope, cause = firing
        session = scope.session
        if session is not None:
            session.waiting.appendleft(firing)  # all later ones queue up behind it
            session.starting += 1
        text = "held until it is let go: flow.freeze"
        place = self._place("mark", output.node.name, output.name)
        self._engine.tell(place, scope.session_number, scope.number, cause, text, len(text))
        freeze.ring_in(self._clock, freeze.hold, lambda: self._held_too_long(freeze))
        fenced(partial(self._fault, output, "on_held"), freeze.take, firing)

    def _misjudged(self, freeze: Freeze, error: BaseException) -> None:
        self._fault(freeze.port, "match", error)
        self.end(freeze, FreezeError(f"match= of {freeze!r} raised {named(error)}"))

    def _fault(self, output: Output, what: str, error: BaseException) -> None:
        text = f"{what}= of flow.freeze raised {named(error)}"
        self._engine.faults.wrong(output.node.name, output.name, text)

    # ---- what freezes ask for, from any thread

    def let_go(self, freeze: Freeze, event: Any, *, again: bool = False) -> bool:
        """Let the held event go on, edited; `again`: and wait for the next one."""
        return self._call(self._let_go, freeze, event, again)

    def drop(self, freeze: Freeze, *, again: bool = False) -> bool:
        """Let no handler see the held event; `again`: and wait for the next one."""
        return self._call(self._drop, freeze, again)

    def cancel(self, freeze: Freeze) -> None:
        """Wait no more; what is held goes on as it came."""
        self._call(self.end, freeze, FreezeError(f"{freeze!r} was cancelled"))

    def time_out(self, freeze: Freeze) -> None:
        """Nothing came in time."""
        self._call(self._time_out, freeze)

    # ---- letting go, in the flow's loop

    def _let_go(self, freeze: Freeze, event: Any, again: bool) -> bool:
        if freeze.state != "holding":
            return False
        edited = freeze.give(event)
        if isinstance(edited[1], Mapping) is not isinstance(freeze.held, Mapping):
            raise FreezeError(
                f"{freeze.port.label} sends {describe(freeze.held)}; "
                f"{describe(edited[1])} can not go on in its place"
            )
        self._leave(freeze, again)
        self._go_on(edited)
        return True

    def _leave(self, freeze: Freeze, again: bool) -> Firing:
        firing = freeze.leave("waiting" if again else "over")
        if again:
            freeze.ring_in(self._clock, freeze.timeout, lambda: self._time_out(freeze))
        else:
            self._forget(freeze)
        return firing

    def _go_on(self, firing: Firing) -> None:
        output, event, scope, cause = firing
        data, size = snapshot(event)
        number = scope.session_number
        seq = self._engine.tell(output.place, number, scope.number, cause, data, size)
        self._engine.let_go(scope.session, (output, event, scope, seq))

    def _drop(self, freeze: Freeze, again: bool) -> bool:
        if freeze.state != "holding":
            return False
        output, event, scope, cause = self._leave(freeze, again)
        data, size = snapshot(event)
        place = self._place("drop", output.node.name, output.name)
        why, number = "dropped by hand while it was held", scope.session_number
        self._engine.tell(place, number, scope.number, cause, data, size, None, why)
        self._engine.let_go(scope.session, None)
        return True

    def end(self, freeze: Freeze, error: Exception, *, fire: bool = True) -> None:
        """Wait no more; what is held goes on as it came."""
        if freeze.state == "holding":
            firing = freeze.leave("over", f"the event went on as it came ({error})")
            self._forget(freeze)
            if fire:
                self._go_on(firing)
        elif freeze.state == "waiting":
            self._forget(freeze)
            freeze.fail(error)

    def _time_out(self, freeze: Freeze) -> None:
        if freeze.state == "waiting":
            text = f"no event came out of {freeze.port.label} within {freeze.timeout:g} s"
            self.end(freeze, ReceiveTimeoutError(text))

    def _held_too_long(self, freeze: Freeze) -> None:
        self.end(freeze, FreezeError(f"held for {freeze.hold:g} s"))

    def thaw(self, why: str, *, fire: bool = True) -> None:
        """End them all."""
        for freeze in self.all():
            self.end(freeze, FreezeError(why), fire=fire)

    def forget(self, node: Node) -> None:
        """A node was taken out of the flow."""
        for freeze in self.all():
            if freeze.port.node is node:
                self.end(freeze, FreezeError(f"trigger {node.name!r} was taken out of the flow"))

    def _forget(self, freeze: Freeze) -> None:
        if self._freezes.get(freeze.key) is freeze:
            del self._freezes[freeze.key]
        if not self._freezes:
            self._engine.gate = None
