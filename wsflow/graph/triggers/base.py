"""What triggers have in common: output ports only, and an engine to fire into."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ...errors import HandlerError
from ...types import Handler
from ..node import Node
from ..port import Input

if TYPE_CHECKING:
    from ..host import Host


class Trigger(Node):
    """A node that produces events from outside the flow."""

    def __init__(self, host: Host, name: str, outputs: Iterable[str]) -> None:
        super().__init__(host, name, (), outputs)
        self.engine = host.engine

    def define(self, function: Handler, **_: Any) -> None:
        raise HandlerError(f"{self.name!r} is a trigger and takes no handler; wire its ports")

    def setup(self, function: Handler) -> Handler:
        raise HandlerError(f"{self.name!r} is a trigger and takes no setup; give it to a node")

    def add_input(self, name: str) -> Input:
        raise HandlerError(f"{self.name!r} is a trigger: it has no input ports, so no {name!r}")
