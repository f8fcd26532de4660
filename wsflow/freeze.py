"""Holds a trigger's next event until somebody has looked at it, edited it, or dropped it.

Only the event's own session waits, its later events and its close behind it, in order. An event
that is not let go in words (an error in the block, `cancel`, too long a time, the end of the flow)
goes on as it came.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import anyio

from .clock import Alarm
from .errors import FreezeError, ReceiveTimeoutError, SessionClosedError, WiringError
from .node import Node
from .owner import waker
from .port import Input, Output
from .scope import Scope
from .snapshot import describe, snapshot
from .triggers.base import Trigger
from .triggers.catch import Catch
from .types import Places, SessionView, Tell

R = TypeVar("R")

Firing: TypeAlias = tuple[Output, Any, Scope, int]
Match: TypeAlias = Callable[[Any], object]
Key: TypeAlias = tuple[str, str, str | None]


class House(Protocol):
    """What a freeze asks of its engine."""

    tell: Tell
    gate: Callable[[Output, Any, Scope, int], bool] | None

    def let_go(self, session: SessionView | None, firing: Firing | None) -> None: ...

    def wrong(self, node: str, port: str, text: str) -> None: ...


class Call(Protocol):
    """The way into the flow's loop from any thread."""

    def __call__(self, function: Callable[..., R], *args: Any) -> R: ...


class Alarms(Protocol):
    """The one thing a freeze asks of a clock."""

    def call_later(self, delay: float, action: Callable[[], object]) -> Alarm: ...


class Held(dict[str, Any]):
    """An event that waits: a dict to look at and to edit.

    Leaving the `async with` block, or `release()`, lets it go on as it is then.
    """

    __slots__ = ("_freeze",)

    def __init__(self, event: Mapping[str, Any], freeze: Freeze) -> None:
        super().__init__(event)
        self._freeze = freeze

    def release(self) -> bool:
        """Let it go on as it is now; False when it does not wait any more."""
        return self._freeze.held is self and self._freeze.release()

    def drop(self) -> bool:
        """Let no handler see it; False when it does not wait any more."""
        return self._freeze.held is self and self._freeze.drop()


class Freeze:
    """Waits for an event and holds it. Make one with `flow.freeze(chat.message)`.

        async with flow.freeze(chat.message) as ev:     # waits until one comes
            ev["message"] = "edited"                    # leaving the block lets it go on

    Or without a block, and from any thread: `held`, `release()`, `step()`, `drop()`, `cancel()`.
    """

    def __init__(
        self,
        freezer: Freezer,
        output: Output,
        session: SessionView | None,
        match: Match | None,
        on_held: Callable[[Any], object] | None,
        timeout: float | None,
        hold: float | None,
    ) -> None:
        self.port, self.session, self.timeout, self.hold = output, session, timeout, hold
        self.state: Literal["waiting", "holding", "over"] = "waiting"
        self.held: Any = None
        """The event that waits now: a dict to edit (what an Inject sent may be any value)."""
        self.error: Exception | None = None
        """Why it ended without having held anything."""
        self._freezer, self._match, self._on_held = freezer, match, on_held
        self._firing: Firing | None = None
        self._got: Any = None
        self._lost = ""
        self._alarm: Alarm | None = None
        self._wakes: tuple[Callable[[], None], ...] = ()

    # ---- from any thread

    def release(self, event: Any = None) -> bool:
        """Let the held event go on as it was edited, or `event` in its place.

        False when nothing is held. Handlers that are plain functions have run when it returns.
        """
        return self._freezer.call(self._freezer.let_go, self, event, False)

    def step(self, event: Any = None) -> bool:
        """Let the held event go on, and hold the next one."""
        return self._freezer.call(self._freezer.let_go, self, event, True)

    def drop(self) -> bool:
        """Take the held event out of the flow, with a `drop` row; False when nothing is held."""
        return self._freezer.call(self._freezer.drop, self)

    def cancel(self) -> None:
        """Wait no more; an event that is held goes on as it came. Harmless twice."""
        self._freezer.call(self._freezer.end, self, FreezeError(f"{self!r} was cancelled"))

    # ---- for a coroutine

    async def wait(self) -> Any:
        """Wait until an event is held, and return it.

        Raises:
            ReceiveTimeoutError: none came within `timeout` seconds.
            SessionClosedError: its session has ended.
            FreezeError: the freeze ended for another reason; it says which.
        """
        wake, wait = waker()
        self._wakes = (*self._wakes, wake)
        with anyio.move_on_after(self.timeout):
            if self.state == "waiting":
                await wait()
        if self.state == "waiting":
            self._freezer.call(self._freezer.time_out, self)
        if self._got is None and self.error is not None:
            raise self.error
        return self._got

    async def __aenter__(self) -> Any:
        try:
            return await self.wait()
        except BaseException:
            self.cancel()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.cancel()
        elif not self.release() and self._lost:
            raise FreezeError(f"your edits came too late: {self._lost}")

    # ---- for the freezer, in the flow's loop

    def wants(self, output: Output, event: Any, session: SessionView | None) -> bool:
        """Say whether this is the event it waits for."""
        return (
            self.state == "waiting"
            and output is self.port
            and (self.session is None or session is self.session)
            and (self._match is None or bool(self._match(event)))
        )

    def take(self, firing: Firing) -> None:
        """Hold an event."""
        event = _copied(firing[1])
        self._firing = firing
        self._got = self.held = Held(event, self) if isinstance(event, dict) else event
        self.state, self._lost = "holding", ""
        self._wake()
        if self._on_held is not None:
            self._on_held(self.held)

    def give(self, event: Any) -> Firing:
        """Return the event as it is to go on: edited, or another."""
        assert self._firing is not None
        output, _, scope, cause = self._firing
        edited = self.held if event is None else event
        return output, dict(edited) if isinstance(edited, Held) else edited, scope, cause

    def leave(self, state: Literal["waiting", "over"], why: str = "") -> Firing:
        """Return the event as it came; `why` says so to who has edited it in vain."""
        assert self._firing is not None
        firing, self._firing = self._firing, None
        self._lost = why if why and _differs(self.held, firing[1]) else ""
        self.held, self.state = None, state
        self._end_alarm()
        if state == "waiting":
            self._got = None
        return firing

    def ring_in(self, clock: Alarms, seconds: float | None, action: Callable[[], object]) -> None:
        """Have `action` called in so many seconds, in place of what was to be called."""
        self._end_alarm()
        if seconds is not None:
            self._alarm = clock.call_later(seconds, action)

    def fail(self, error: Exception) -> None:
        """End without an event."""
        self.state, self.error = "over", error
        self._end_alarm()
        self._wake()

    def _end_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _wake(self) -> None:
        wakes, self._wakes = self._wakes, ()
        for wake in wakes:
            wake()

    @property
    def is_holding(self) -> bool:
        """Whether an event waits to be let go."""
        return self.state == "holding"

    @property
    def key(self) -> Key:
        """What it waits for, by name: the same freeze again takes its place."""
        session = None if self.session is None else self.session.id
        return self.port.node.name, self.port.name, session

    def __repr__(self) -> str:
        whose = f" of {self.session.id}" if self.session is not None else ""
        return f"<Freeze {self.port.label:.40}{whose} {self.state}>"


class Freezer:
    """All freezes of one flow. The engine asks it about each firing while there are any."""

    def __init__(
        self,
        engine: House,
        place: Places,
        clock: Alarms,
        call: Call,
        nodes: Callable[[], Mapping[str, Node]],
        find: Callable[[str], SessionView],
    ) -> None:
        self._engine, self._place, self._clock = engine, place, clock
        self.call = call
        self._nodes, self._find = nodes, find
        self._freezes: dict[Key, Freeze] = {}

    def freezes(self) -> list[Freeze]:
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
        who = None if session is None else self._session(session, output)
        made = Freeze(self, output, who, match, on_held, timeout, hold)
        there = self._freezes.get(made.key)
        if there is not None:
            self.end(there, FreezeError(f"{there!r} was replaced: the same freeze was made again"))
        self._freezes[made.key] = made
        made.ring_in(self._clock, timeout, lambda: self.time_out(made))
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
        if self._nodes().get(node.name) is not node:
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
        for freeze in self.freezes():
            try:
                wanted = freeze.wants(output, event, session)
            except BaseException as error:  # noqa: BLE001 (promise P4)
                self._fault(output, "match", error)
                self.end(freeze, FreezeError(f"match= of {freeze!r} raised {error!r}"))
                continue
            if wanted:
                self._hold(freeze, (output, event, scope, cause))
                return True
        return False

    def _session_ended(self, session: SessionView, output: Output, event: Any) -> None:
        """Who waits for another event of this session waits in vain."""
        for freeze in self.freezes():
            if freeze.session is session and freeze.port is not output and not freeze.is_holding:
                self.end(
                    freeze, SessionClosedError(session.path, event["code"], event["reason"])
                )

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
        try:
            freeze.take(firing)
        except BaseException as error:  # noqa: BLE001 (promise P4)
            self._fault(output, "on_held", error)

    def _fault(self, output: Output, what: str, error: BaseException) -> None:
        text = f"{what}= of flow.freeze raised {type(error).__name__}: {error}"
        self._engine.wrong(output.node.name, output.name, text)

    # ---- letting go, in the flow's loop

    def let_go(self, freeze: Freeze, event: Any, again: bool) -> bool:
        """Let the held event go on, edited; `again`: and wait for the next one."""
        if freeze.state != "holding":
            return False
        edited = freeze.give(event)
        if isinstance(edited[1], Mapping) is not isinstance(freeze.held, Mapping):
            raise FreezeError(
                f"{freeze.port.label} sends {describe(freeze.held)}; "
                f"{describe(edited[1])} can not go on in its place"
            )
        freeze.leave("waiting" if again else "over")
        if again:
            freeze.ring_in(self._clock, freeze.timeout, lambda: self.time_out(freeze))
        else:
            self._forget(freeze)
        self._go_on(edited)
        return True

    def _go_on(self, firing: Firing) -> None:
        output, event, scope, cause = firing
        data, size = snapshot(event)
        number = scope.session_number
        seq = self._engine.tell(output.place, number, scope.number, cause, data, size)
        self._engine.let_go(scope.session, (output, event, scope, seq))

    def drop(self, freeze: Freeze) -> bool:
        """Let no handler see the held event."""
        if freeze.state != "holding":
            return False
        output, event, scope, cause = freeze.leave("over")
        self._forget(freeze)
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

    def time_out(self, freeze: Freeze) -> None:
        """Nothing came in time."""
        if freeze.state == "waiting":
            text = f"no event came out of {freeze.port.label} within {freeze.timeout:g} s"
            self.end(freeze, ReceiveTimeoutError(text))

    def _held_too_long(self, freeze: Freeze) -> None:
        self.end(freeze, FreezeError(f"held for {freeze.hold:g} s"))

    def thaw(self, why: str, *, fire: bool = True) -> None:
        """End them all."""
        for freeze in self.freezes():
            self.end(freeze, FreezeError(why), fire=fire)

    def forget(self, node: Node) -> None:
        """A node was taken out of the flow."""
        for freeze in self.freezes():
            if freeze.port.node is node:
                self.end(freeze, FreezeError(f"trigger {node.name!r} was taken out of the flow"))

    def _forget(self, freeze: Freeze) -> None:
        if self._freezes.get(freeze.key) is freeze:
            del self._freezes[freeze.key]
        if not self._freezes:
            self._engine.gate = None


def _copied(event: Any) -> Any:
    """Return a copy to edit; what can not be copied is edited itself."""
    try:
        return copy.deepcopy(event)
    except Exception:  # noqa: BLE001 (a user's own object)
        return event


def _differs(edited: Any, event: Any) -> bool:
    """Say whether an event was edited; who can not be compared may have been."""
    try:
        return bool(edited != event)
    except Exception:  # noqa: BLE001 (a user's own object)
        return True
