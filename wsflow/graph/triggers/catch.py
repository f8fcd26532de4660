"""The Catch trigger: the flow's error events come out of its port `out`.

The event stays in the scope it failed in, so a node behind Catch can still answer the client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Trigger

if TYPE_CHECKING:
    from ..host import Host


class Catch(Trigger):
    """Where errors go. Make one with `flow.catch()`.

    Port `out`: `{"error", "type", "node", "port", "value", "sessionId", "traceback"}`: what a
    handler raised, where, and with which value. Errors behind it are not caught again.
    """

    def __init__(self, host: Host, name: str) -> None:
        super().__init__(host, name, ("out",))
        host.engine.catchers.append(self.outputs["out"])

    def removed(self) -> None:
        """Catch no more."""
        if self.outputs["out"] in self.engine.catchers:
            self.engine.catchers.remove(self.outputs["out"])
