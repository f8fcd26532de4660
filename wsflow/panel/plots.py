"""The plots on a page: a flow's last ten minutes, a line of numbers a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .part import News, Part

if TYPE_CHECKING:
    from .host import Flow


class PlotsPart(Part):
    """Messages a second, time in handlers, what waits, and errors."""

    name = "plots"

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow)
        self._rates = flow.panel.rates
        self._next = 0

    def news(self) -> News | None:
        self._rates.look()
        seconds = self._rates.since(self._next)
        if not seconds:
            return None
        first = not self._next
        self._next = seconds[-1][0] + 1
        return {"first": first, "at": seconds[0][0], "values": [list(v) for _, v in seconds]}
