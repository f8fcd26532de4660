"""One trigger firing and all that follows from it: its number and who listens in it.

A scope holds listeners; the engine calls them. Nothing holds a scope but the contexts made in it,
so a session that sent 10,000 messages leaves none behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from ..base.interfaces import SessionView

if TYPE_CHECKING:
    from .context import Context


class Respond(Protocol):
    """The trigger's own listener of `response`: it is in place before the event is routed."""

    def __call__(self, scope: Scope, ctx: Context, reply: Any) -> bool: ...


Listener: TypeAlias = "tuple[float, Callable[..., Any], Context]"
"""When it expires, what to call, and the context that asked."""


class Scope:
    """One firing. `number` is unique in the flow; `session` is None outside sockets."""

    __slots__ = (
        "deliveries",
        "number",
        "respond",
        "running",
        "session",
        "session_number",
        "waits",
    )

    def __init__(self, number: int, session: SessionView | None, respond: Respond | None) -> None:
        self.number = number
        self.session = session
        self.session_number = 0 if session is None else session.number
        self.respond = respond
        self.deliveries = self.running = 0
        """How often a value was handed to a node, and how many async handlers wait or run."""
        self.waits: dict[str, list[Listener]] | None = None
        """Who waits for which signal; None while nobody ever did."""

    def once(self, signal: str, listener: Listener, now: float) -> None:
        """Add a one-shot listener, and let go of those of this signal that have expired."""
        if self.waits is None:
            self.waits = {}
        waiting = self.waits.get(signal, ())
        self.waits[signal] = [*(one for one in waiting if one[0] > now), listener]

    def take(self, signal: str, now: float) -> list[Listener]:
        """Return the listeners still waiting for `signal`, in order; they are gone afterwards."""
        if self.waits is None:
            return []
        return [one for one in self.waits.pop(signal, ()) if one[0] > now]
