"""Holds a trigger's next event until somebody has looked at it, edited it, or dropped it.

Only the event's own session waits, its later events and its close behind it, in order. An event
that is not let go in words (an error in the block, `cancel`, too long a time, the end of the flow)
goes on as it came.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import anyio

from ..base.interfaces import SessionView
from ..base.wake import threadsafe_wakeup
from ..clock import Alarm, Clock
from ..errors import FreezeError
from .port import Output

if TYPE_CHECKING:
    from .engine import Firing
    from .freezes import Freezes

Match: TypeAlias = Callable[[Any], object]
Key: TypeAlias = tuple[str, str, str | None]


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
        freezes: Freezes,
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
        self._freezes, self._match, self._on_held = freezes, match, on_held
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
        return self._freezes.let_go(self, event)

    def step(self, event: Any = None) -> bool:
        """Let the held event go on, and hold the next one."""
        return self._freezes.let_go(self, event, again=True)

    def drop(self, *, again: bool = False) -> bool:
        """Take the held event out of the flow, with a `drop` row; False when nothing is held.

        With `again` the next one is held.
        """
        return self._freezes.drop(self, again=again)

    def cancel(self) -> None:
        """Wait no more; an event that is held goes on as it came. Harmless twice."""
        self._freezes.cancel(self)

    # ---- for a coroutine

    async def wait(self) -> Any:
        """Wait until an event is held, and return it.

        Raises:
            ReceiveTimeoutError: none came within `timeout` seconds.
            SessionClosedError: its session has ended.
            FreezeError: the freeze ended for another reason; it says which.
        """
        wake, wait = threadsafe_wakeup()
        self._wakes = (*self._wakes, wake)
        with anyio.move_on_after(self.timeout):
            if self.state == "waiting":
                await wait()
        if self.state == "waiting":
            self._freezes.time_out(self)
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

    def ring_in(self, clock: Clock, seconds: float | None, action: Callable[[], object]) -> None:
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


def _copied(event: Any) -> Any:
    """Return a copy to edit; what can not be copied is edited itself."""
    try:
        return copy.deepcopy(event)
    except BaseException:  # noqa: BLE001 (a user's own object)
        return event


def _differs(edited: Any, event: Any) -> bool:
    """Say whether an event was edited; who can not be compared may have been."""
    try:
        return bool(edited != event)
    except BaseException:  # noqa: BLE001 (a user's own object)
        return True
