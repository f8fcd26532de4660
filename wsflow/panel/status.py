"""The head of every panel: which flow, where, how it does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .part import News, Part, text

if TYPE_CHECKING:
    from .host import Flow


class StatusPart(Part):
    """Name, address, state, how much happened, and what blocks the loop."""

    name = "status"
    actions = ("pause", "resume")

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow)
        self._told: News = {}
        self._rated_at, self._rated, self._rate = time.monotonic(), flow.log.seq, 0.0

    def news(self) -> News | None:
        flow = self.flow
        server = flow.server
        news: News = {
            "flow": text(flow.name),
            "url": None if server is None else server.url,
            "paths": [text(path) for path in self.host.paths[:20]],
            "state": "paused" if self.host.paused else "running" if flow.running else "stopped",
            "sessions": len(flow.sessions),
            "events": flow.log.seq,
            "rate": self._events_a_second(),
            "dropped": flow.log.dropped,
            "held": flow.panel.freezes.waiting(),
            "blocked": None,
        }
        blocked = self.host.blocked
        if blocked is not None:
            news["blocked"] = {
                "where": text(blocked.where),
                "node": text(blocked.node, 60),
                "advice": text(blocked.advice, 500),
            }
        if news == self._told:
            return None
        self._told = news
        return news

    def _events_a_second(self) -> int:
        """Return how many rows a second were told lately; looked at once a second."""
        now, seq = time.monotonic(), self.flow.log.seq
        if now - self._rated_at >= 1.0:
            self._rate = (seq - self._rated) / (now - self._rated_at)
            self._rated_at, self._rated = now, seq
        return round(self._rate)

    def pause(self) -> None:
        """Hold triggers back."""
        self.flow.pause()

    def resume(self) -> None:
        """Go on."""
        self.flow.resume()
