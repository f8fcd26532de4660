"""What a flow's author declares: triggers, nodes, managers, and the wires between them.

The part of `Flow` that the graph can give alone. Declaring is safe at any time, also while events
are on their way. Opposite: `host.py`, what the nodes ask of their flow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, overload

from ..base.urls import PathTemplate
from ..errors import WiringError
from ..types import Handler
from .host import Host
from .node import Node
from .nodes.barrier import Barrier
from .nodes.connections import Connections
from .nodes.debounce import Debounce
from .nodes.throttle import Throttle
from .port import Input, Output
from .schema import Schema
from .triggers.catch import Catch
from .triggers.http import METHODS, HttpTrigger
from .triggers.inject import Inject
from .triggers.multi import MultiTrigger
from .triggers.timer import Timer
from .triggers.websocket import WebSocketTrigger


class Declarations:
    """Everything of a flow that exists before it runs."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def name(self) -> str:
        """What the flow is called in logs and displays.

        >>> Flow("chat").name
        'chat'
        """
        return self._host.name

    # ---- declaring

    def websocket(
        self, path: str, *, name: str | None = None, subprotocols: Iterable[str] = ()
    ) -> WebSocketTrigger:
        """Register a WebSocket route and return its trigger (ports `req`, `message`, `close`).

        Raises:
            PathError: the pattern is malformed, or another trigger has it.
        """
        template, spoken = PathTemplate(path), tuple(subprotocols)
        made = self._host.graph.declare(
            name or path,
            WebSocketTrigger,
            lambda: WebSocketTrigger(self._host, name or path, template),
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
        return self._host.graph.declare(
            known,
            HttpTrigger,
            lambda: HttpTrigger(self._host, known, template, method),
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
        made = self._host.graph.declare(
            known,
            MultiTrigger,
            lambda: MultiTrigger(self._host, known, template),
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
        made = self._host.graph.declare(name, Timer, lambda: Timer(self._host, name, seconds))
        made.retime(seconds)
        return made

    def inject(self, payload: Any = None, *, name: str = "inject") -> Inject:
        """Return a trigger that fires when it is called, or its button is pressed (port `out`).

        `push = flow.inject({"text": "hi"})`, then `push()`, or `push(another)`, from any thread.

        Raises:
            WiringError: the payload can not be copied.
        """
        made = self._host.graph.declare(name, Inject, lambda: Inject(self._host, name, payload))
        made.hold(payload)
        return made

    def catch(self, *, name: str = "catch") -> Catch:
        """Return a trigger whose port `out` gets the flow's error events."""
        return self._host.graph.declare(name, Catch, lambda: Catch(self._host, name))

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
        return self._host.node(function, name, inputs, outputs, params, setup)

    # ---- ready-made nodes

    def connections(self, *, name: str = "connections") -> Connections:
        """Return a connection manager (inputs `req`, `close`, `broadcast`)."""
        return self._host.graph.declare(name, Connections, lambda: Connections(self._host, name))

    def barrier(
        self, tasks: Iterable[str], *, name: str = "barrier", limit: float = 30.0
    ) -> Barrier:
        """Return a barrier: `in` goes to every task port, `out` gets `{task: value}`.

        Each task emits `{task}_done` with its value, in the scope of the event; an event whose
        tasks are not all done within `limit` seconds is dropped, and recorded.
        """
        wanted = tuple(tasks)
        made = self._host.graph.declare(
            name, Barrier, lambda: Barrier(self._host, name, wanted, limit)
        )
        made.rearrange(wanted, limit)
        return made

    def throttle(self, seconds: float, *, name: str = "throttle") -> Throttle:
        """Return a node that lets one event of a session pass in so many seconds, the first.

        Ports: `in`, `out`, and `dropped` for the others.
        """
        made = self._host.graph.declare(name, Throttle, lambda: Throttle(self._host, name, seconds))
        made.retime(seconds)
        return made

    def debounce(self, seconds: float, *, name: str = "debounce") -> Debounce:
        """Return a node that lets the last event of a burst pass, once its session is quiet.

        Ports: `in`, `out`, and `dropped` for the others.
        """
        made = self._host.graph.declare(name, Debounce, lambda: Debounce(self._host, name, seconds))
        made.retime(seconds)
        return made

    # ---- wires

    def connect(self, source: Output | Node, target: Any) -> Any:
        """Wire an output to an input and return the target's node, so that `a >> b >> c` works.

        A node stands for its `in` or `out` (or its only port); a plain function becomes a node; a
        list is wired to each of its members.

        >>> def shout(ev, ctx): ctx.emit("response", {"body": ev["message"].upper()})
        >>> flow.connect(flow.websocket("/chat").message, shout)
        <Node shout in=0 out=0>

        Raises:
            WiringError: these can not be wired.
        """
        return self._host.connect(source, target)

    def disconnect(self, source: Output | Node, target: Input | Node) -> None:
        """Take the wire between two ports away; harmless when there is none."""
        self._host.graph.disconnect(source, target)

    def remove(self, node: Node) -> None:
        """Take a node out, and its wires with it."""
        self._host.graph.remove(node)

    @property
    def nodes(self) -> dict[str, Node]:
        """The nodes by name, triggers included.

        >>> everybody = flow.connections(name="everybody")
        >>> flow.nodes["everybody"] is everybody
        True
        """
        return self._host.nodes
