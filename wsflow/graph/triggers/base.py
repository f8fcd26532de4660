"""What triggers have in common: output ports only, and an engine to fire into."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from ...base.interfaces import SessionView, Tell
from ...errors import HandlerError
from ...types import Handler
from ..context import Context
from ..node import Host, Node
from ..port import Input, Output
from ..scope import Respond, Scope


class EngineView(Protocol):
    """The engine, as triggers know it."""

    tell: Tell
    catchers: list[Output]
    running: bool
    paused: bool

    def current(self) -> Context | None: ...

    def scope(self, session: SessionView | None, respond: Respond | None) -> Scope: ...

    def fire(self, output: Output, event: Any, scope: Scope, cause: int) -> None: ...

    def failed(self, ctx: Context, value: Any, error: BaseException) -> None: ...


class Trigger(Node):
    """A node that produces events from outside the flow."""

    def __init__(self, host: Host, name: str, engine: EngineView, outputs: Iterable[str]) -> None:
        super().__init__(host, name, (), outputs)
        self.engine = engine

    def define(self, function: Handler, **_: Any) -> None:
        raise HandlerError(f"{self.name!r} is a trigger and takes no handler; wire its ports")

    def setup(self, function: Handler) -> Handler:
        raise HandlerError(f"{self.name!r} is a trigger and takes no setup; give it to a node")

    def add_input(self, name: str) -> Input:
        raise HandlerError(f"{self.name!r} is a trigger: it has no input ports, so no {name!r}")
