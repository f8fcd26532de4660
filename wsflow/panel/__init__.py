"""The panel: what a flow does, live in a notebook's page, and a hand that reaches into it.

`flow.panel()` shows all parts together, `flow.panel.sessions()` and its like one alone. Every part
is a Python class here and an ES module of the same name; they speak by custom messages only.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from ..errors import Spelled, WsflowError
from .composer import History

if TYPE_CHECKING:
    from .freezes import PanelFreezes
    from .host import Flow, Host
    from .playback import Playback
    from .rates import Rates
    from .widget import Panel

PARTS = ("sessions", "composer", "log", "diagram", "plots", "freezer", "client", "player")
"""In the order in which they stand on a page."""


class Panels(Spelled):
    """The panels of one flow. Call it for the whole; its methods give the parts alone.

    The same parts give the same widget: a cell that is run again shows it again.
    """

    def __init__(self, flow: Flow, host: Host) -> None:
        self._flow = flow
        self.host = host
        """What the parts ask of the flow, besides what its user sees."""
        self._made: dict[tuple[str, ...], Panel] = {}
        self.history = History()
        """What was sent by hand."""

    def __call__(self, *parts: str) -> Panel:
        """Return a panel with these parts, or with all of them.

        Raises:
            WsflowError: there is no such part.
        """
        for part in parts:
            if part not in PARTS:
                raise WsflowError(f"a panel has no part {part!r}; parts: {', '.join(PARTS)}")
        chosen = tuple(dict.fromkeys(parts)) or PARTS
        made = self._made.get(chosen)
        if made is None or made.closed:
            from .widget import Panel

            made = self._made[chosen] = Panel(self._flow, chosen)
        return made

    @cached_property
    def playback(self) -> Playback:
        """What records and plays for all pages."""
        from .playback import Playback

        return Playback(self._flow)

    @cached_property
    def rates(self) -> Rates:
        """What counts for all pages."""
        from .rates import Rates

        return Rates(self._flow)

    @cached_property
    def freezes(self) -> PanelFreezes:
        """What is frozen, for all pages."""
        from .freezes import PanelFreezes

        return PanelFreezes(self._flow)

    def sessions(self) -> Panel:
        """Who is connected: a live table; select a session, or close it."""
        return self("sessions")

    def composer(self) -> Panel:
        """Write to one client, a group, or all of them."""
        return self("composer")

    def log(self) -> Panel:
        """Every event as it passes; filter, pause, and follow what one event caused."""
        return self("log")

    def diagram(self) -> Panel:
        """The graph, with counts and rates on its wires and errors in red."""
        return self("diagram")

    def plots(self) -> Panel:
        """Messages a second, time in handlers, backlog."""
        return self("plots")

    def freezer(self) -> Panel:
        """Hold the next event that matches, look at it, change it, let it go or drop it."""
        return self("freezer")

    def client(self) -> Panel:
        """WebSocket clients in the page."""
        return self("client")

    def player(self) -> Panel:
        """Play recordings and see what changed."""
        return self("player")

    def __repr__(self) -> str:
        return f"<Panels of {self._flow.name}: all with flow.panel(), or a part>"
