"""What a handler sees: `ctx`, bound to one node, one scope and, on sockets, one session.

A context may be kept and used after its handler returned, and from other scopes: that is how
connection managers work. It may be used in any thread: what it does happens in the flow's loop.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from threading import get_ident
from typing import TYPE_CHECKING, Any

from ..errors import UnknownNameError, WiringError
from .lifecycle import NodeEvents
from .state import State

if TYPE_CHECKING:
    from ..base.interfaces import SessionView
    from .engine import Engine
    from .node import Node
    from .scope import Scope


class NodeContext:
    """What `setup(ctx)` gets: the node's surroundings, without an event."""

    __slots__ = ("_engine", "_node", "_own_helpers")

    def __init__(self, engine: Engine, node: Node) -> None:
        self._engine, self._node = engine, node
        self._own_helpers: dict[str, Any] | None = None

    @property
    def node(self) -> str:
        """The node's name."""
        return self._node.name

    @property
    def flow(self) -> str:
        """The flow's name."""
        return self._engine.flow

    @property
    def inputs(self) -> list[str]:
        """The names of the node's input ports."""
        return list(self._node.inputs)

    @property
    def outputs(self) -> list[str]:
        """The names of the node's output ports."""
        return list(self._node.outputs)

    @property
    def params(self) -> Mapping[str, Any]:
        """The node's settings, read-only."""
        return self._node.params

    @property
    def env(self) -> Mapping[str, str]:
        """The flow's environment variables, read-only."""
        return self._engine.env

    @property
    def state(self) -> State:
        """The key/value store all nodes share."""
        return self._engine.state

    @property
    def log(self) -> logging.Logger:
        """A logger whose lines also become `mark` rows of the flow's log."""
        return self._engine.faults.logger(self._node.name)

    @property
    def session(self) -> SessionView | None:
        """The session behind the originating event; None outside sockets."""
        return None

    @property
    def events(self) -> NodeEvents:
        """The flow's lifecycle: `ctx.events.on("stop", callback)`."""
        return NodeEvents(self._engine.lifecycle, self._node.name)

    def add_helper(self, name: str, factory: Callable[[Any], Any]) -> None:
        """Let every handler of the flow find `factory(ctx)` as `ctx.<name>`; made on first use.

        Raises:
            WiringError: the name is taken, or can not be an attribute.
        """
        taken = self._engine.helpers.get(name)
        if not name.isidentifier() or name.startswith("_") or hasattr(Context, name):
            raise WiringError(f"a helper can not be named {name!r}: ctx has or needs that itself")
        if taken is not None and taken[0] != self._node.name:
            raise WiringError(f"helper {name!r} was added by node {taken[0]!r} already")
        self._engine.helpers[name] = (self._node.name, factory)

    def __getattr__(self, name: str) -> Any:
        made = self._own_helpers
        if made is None:
            made = self._own_helpers = {}
        if name not in made:
            if name not in self._engine.helpers:
                known = ", ".join(self._engine.helpers) or "none"
                raise UnknownNameError(f"ctx has no {name!r}; helpers of this flow: {known}")
            made[name] = self._engine.helpers[name][1](self)
        return made[name]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._engine.flow}.{self._node.name}>"


class Context(NodeContext):
    """What a handler gets beside its event."""

    __slots__ = ("_caught", "_cause", "_hops", "_scope", "_started", "input")

    def __init__(
        self,
        engine: Engine,
        node: Node,
        input: str,
        scope: Scope,
        cause: int,
        hops: int,
        caught: bool,
    ) -> None:
        self._engine, self._node, self._own_helpers = engine, node, None
        self.input = input
        """The input port the event came in on."""
        self._scope, self._cause, self._hops, self._caught = scope, cause, hops, caught
        self._started: float | None = None

    @property
    def session(self) -> SessionView | None:
        """The session behind the originating event; None outside sockets."""
        return self._scope.session

    @property
    def elapsed(self) -> float | None:
        """Seconds since an `async def` handler started; None in a plain function."""
        return None if self._started is None else time.perf_counter() - self._started

    def route(self, value: Any, port: str = "out") -> None:
        """Send `value` to every wire of an output port.

        The receivers start after the current synchronous stretch of this handler (its end, or its
        next await), in the order of routing. Values travel by reference.

        Raises:
            UnknownPortError: the node has no such output port.
        """
        engine = self._engine
        if get_ident() != engine.thread:
            engine.from_elsewhere(engine.route, self, value, port)
        else:
            engine.route(self, value, port)

    def emit(self, signal: str, *args: Any) -> int:
        """Call every listener of `signal` in this scope, at once, and return how many took it.

        `emit("response", {"body": ..., "end": ...})` answers the client behind the originating
        event. Valid after the handler returned. With nobody listening it is a recorded no-op.
        """
        engine = self._engine
        if get_ident() != engine.thread:
            return engine.from_elsewhere(engine.emit, self, signal, args) or 0
        return engine.emit(self, signal, args)

    def once(self, signal: str, callback: Callable[..., Any], timeout: float = 30.0) -> None:
        """Call `callback(*args)` the next time `signal` is emitted in this scope.

        After `timeout` seconds it is gone without being called.
        """
        engine = self._engine
        engine.from_elsewhere(engine.once, self, signal, callback, timeout)
