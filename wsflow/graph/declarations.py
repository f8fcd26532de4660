"""What a flow's author declares: triggers, nodes, managers, and the wires between them.

The part of `Flow` that the flow tower can give alone. Declaring is safe at any time, also while
events are on their way.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, overload

from ..base.interfaces import Places, Tell
from ..base.urls import PathTemplate
from ..clock import Clock
from ..errors import HandlerError, WiringError
from ..types import Handler
from .engine import Engine
from .graph import Graph
from .node import Node, handler_arity
from .port import Input, Output, Port, Wire
from .schema import Schema
from .shelf import ReadyMade
from .triggers.catch import Catch
from .triggers.http import METHODS, HttpTrigger
from .triggers.inject import Inject
from .triggers.multi import MultiTrigger
from .triggers.timer import Timer
from .triggers.websocket import WebSocketTrigger

R = TypeVar("R")


class Declarations(ReadyMade):
    """Everything of a flow that exists before it runs (and is a `node.Host` to its nodes)."""

    def __init__(
        self,
        name: str,
        engine: Engine,
        tell: Tell,
        place: Places,
        clock: Clock,
        *,
        apart: bool = False,
    ) -> None:
        self.name = name
        self.place = place
        self._engine, self._tell, self._clock = engine, tell, clock
        self._graph = Graph(name, self.forget, apart=apart)

    # ---- declaring

    def websocket(
        self, path: str, *, name: str | None = None, subprotocols: Iterable[str] = ()
    ) -> WebSocketTrigger:
        """Register a WebSocket route and return its trigger (ports `req`, `message`, `close`).

        Raises:
            PathError: the pattern is malformed, or another trigger has it.
        """
        template, spoken = PathTemplate(path), tuple(subprotocols)
        made = self._graph.declare(
            name or path,
            WebSocketTrigger,
            lambda: WebSocketTrigger(self, name or path, self._engine, template),
            lambda there: there.template.pattern == path,
        )
        made.subprotocols = spoken
        return made

    def http(self, path: str, *, method: str = "GET", name: str | None = None) -> HttpTrigger:
        """Register an HTTP route and return its trigger (port `out`).

        Raises:
            PathError: the pattern is malformed, or another trigger has it.
        """
        template, method = PathTemplate(path), method.upper()
        if method not in METHODS:
            raise WiringError(f"no HTTP method {method!r}; there are: {', '.join(METHODS)}")
        known = name or f"{method} {path}"
        return self._graph.declare(
            known,
            HttpTrigger,
            lambda: HttpTrigger(self, known, self._engine, template, method, self._clock),
            lambda there: (there.pattern, there.method) == (path, method),
        )

    def multi(
        self,
        path: str,
        *,
        schema: Mapping[str, Any] | bool | None = None,
        name: str | None = None,
    ) -> MultiTrigger:
        """Register an HTTP route and return its trigger (`get`, `post`, `put`, `patch`, `delete`).

        A method whose port has no wire gets 405. With a JSON Schema (needs
        `pip install wsflow[schema]`) a body of POST, PUT or PATCH that fails gets 422 with the
        reasons, `{"errors": [{"path": "$.name", "reason": ...}]}`, and nothing is routed.

        Raises:
            PathError: the pattern is malformed, or another trigger has it.
            WiringError: it is no JSON Schema.
        """
        template, known = PathTemplate(path), name or path
        judge = None if schema is None else Schema(schema)
        made = self._graph.declare(
            known,
            MultiTrigger,
            lambda: MultiTrigger(self, known, self._engine, template, self._clock),
            lambda there: there.pattern == path,
        )
        made.schema = judge
        return made

    def timer(self, seconds: float, *, name: str = "timer") -> Timer:
        """Return a trigger that fires every so many seconds while the flow runs (port `out`).

        It keeps to its beat, and ticks do not pile up behind a handler that is slow (see `Timer`).

        Raises:
            WiringError: `seconds` is no number from 0.001 on.
        """
        made = self._graph.declare(
            name, Timer, lambda: Timer(self, name, self._engine, seconds, self._clock)
        )
        made.retime(seconds)
        return made

    def inject(self, payload: Any = None, *, name: str = "inject") -> Inject:
        """Return a trigger that fires when it is called, or its button is pressed (port `out`).

        `push = flow.inject({"text": "hi"})`, then `push()`, or `push(another)`, from any thread.

        Raises:
            WiringError: the payload can not be copied.
        """
        made = self._graph.declare(name, Inject, lambda: Inject(self, name, self._engine, payload))
        made.hold(payload)
        return made

    def catch(self, *, name: str = "catch") -> Catch:
        """Return a trigger whose port `out` gets the flow's error events."""
        return self._graph.declare(name, Catch, lambda: Catch(self, name, self._engine))

    @overload
    def node(
        self,
        function: Handler,
        *,
        name: str | None = None,
        inputs: Iterable[str] = ("in",),
        outputs: Iterable[str] = ("out",),
        params: Mapping[str, Any] | None = None,
        setup: Handler | None = None,
    ) -> Node: ...

    @overload
    def node(
        self,
        function: None = None,
        *,
        name: str | None = None,
        inputs: Iterable[str] = ("in",),
        outputs: Iterable[str] = ("out",),
        params: Mapping[str, Any] | None = None,
        setup: Handler | None = None,
    ) -> Callable[[Handler], Node]: ...

    def node(
        self,
        function: Handler | None = None,
        *,
        name: str | None = None,
        inputs: Iterable[str] = ("in",),
        outputs: Iterable[str] = ("out",),
        params: Mapping[str, Any] | None = None,
        setup: Handler | None = None,
    ) -> Node | Callable[[Handler], Node]:
        """Make a node of a function `(event, ctx)`, `(event)` or `()`. Works as a decorator.

        Raises:
            HandlerError: it is no function a node can call.
            WiringError: the name is taken.
        """
        if function is None:
            return lambda function: self.node(
                function, name=name, inputs=inputs, outputs=outputs, params=params, setup=setup
            )
        known = name or getattr(function, "__name__", None)
        if known is None and not callable(function):
            raise HandlerError(
                f"flow.node takes a function, not {function!r}: @flow.node, or "
                "@flow.node(name='...', outputs=(...)) above a def"
            )
        if known is None or (known == "<lambda>" and name is None):
            raise HandlerError(f"{function!r} has no name of its own: flow.node(..., name='...')")
        handler_arity(function, known)
        ins, outs = tuple(inputs), tuple(outputs)
        made = self._graph.declare(known, Node, lambda: Node(self, known, ins, outs))
        made.reshape(ins, outs)
        made.define(function, setup=setup, params=params)
        return made

    def connect(self, source: Output | Node, target: Any) -> Any:
        """Wire an output to an input and return the target's node, so that `a >> b >> c` works.

        A node stands for its `in` or `out` (or its only port); a plain function becomes a node; a
        list is wired to each of its members.

        Raises:
            WiringError: these can not be wired.
        """
        if isinstance(target, list | tuple):
            return [self.connect(source, one) for one in target]
        if inspect.isfunction(target):
            there = (node for node in self._graph.nodes.values() if node.function is target)
            target = next(there, None) or self.node(target)
        return self._graph.connect(source, target).target.node

    def disconnect(self, source: Output | Node, target: Input | Node) -> None:
        """Take the wire between two ports away; harmless when there is none."""
        self._graph.disconnect(source, target)

    def remove(self, node: Node) -> None:
        """Take a node out, and its wires with it."""
        self._graph.remove(node)

    @property
    def nodes(self) -> dict[str, Node]:
        """The nodes by name, triggers included."""
        return dict(self._graph.nodes)

    @property
    def wires(self) -> list[Wire]:
        """The wires there are."""
        return self._graph.wires()

    # ---- what nodes ask of their flow (see `node.Host`)

    def disconnect_port(self, port: Port) -> None:
        """Take away every wire of a port."""
        self._graph.disconnect_port(port)

    def forget(self, node: Node) -> None:
        """A node is gone: so is what its `setup` asked for."""
        self._engine.forget(node)

    @abstractmethod
    def call(self, function: Callable[..., R], *args: Any) -> R:
        """Call a plain function in the flow's loop, from any thread, and return its result."""

    @abstractmethod
    def redefined(self, node: Node) -> None:
        """A node got another function."""
