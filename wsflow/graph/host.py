"""What nodes and triggers ask of their flow: wiring, the way into its loop, engine, log, clock.

Opposite: `declarations.py`, what the flow's author asks of it. A user never holds this.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from ..base.interfaces import Places, Tell
from ..clock import Clock
from ..errors import HandlerError
from ..types import Handler
from .engine import Engine
from .graph import Graph
from .node import Node, handler_arity
from .nodes.switch import Switch
from .port import Output, Port
from .runtime import Runtime

R = TypeVar("R")


class Host:
    """One flow, as its nodes know it."""

    def __init__(
        self,
        name: str,
        tell: Tell,
        place: Places,
        clock: Clock,
        env: Mapping[str, str],
        *,
        apart: bool = False,
    ) -> None:
        self.name, self.tell, self.place, self.clock = name, tell, place, clock
        self.engine = Engine(name, tell, place, clock, env)
        self.graph = Graph(name, self.forget, lambda text: self._line("", text), apart=apart)
        self.runtime = Runtime(
            name,
            self.engine,
            clock,
            self.graph.nodes.values,
            self.check,
            self.close,
            self.goodbye,
        )
        self.owner = self.runtime.owner
        self.engine.faults.line = self._line

    @property
    def nodes(self) -> dict[str, Node]:
        """The nodes by name, triggers included (see `Graph.declared`)."""
        return self.graph.declared()

    # ---- wiring

    def connect(self, source: Output | Node, target: Any) -> Any:
        """Wire an output to what was written after `>>` (see `Declarations.connect`)."""
        if isinstance(target, list | tuple):
            return [self.connect(source, one) for one in target]
        if inspect.isfunction(target):
            there = (node for node in self.graph.nodes.values() if node.function is target)
            node = next(there, None)
            if node is not None:
                self.graph.renew(node)
            target = node or self.node(target)
        return self.graph.connect(source, target).target.node

    def node(
        self,
        function: Handler,
        name: str | None = None,
        inputs: Iterable[str] = ("in",),
        outputs: Iterable[str] = ("out",),
        params: Mapping[str, Any] | None = None,
        setup: Handler | None = None,
    ) -> Node:
        """Make a node of a function, or give the node of that name another one."""
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
        made = self.graph.declare(known, Node, lambda: Node(self, known, ins, outs))
        made.reshape(ins, outs)
        made.define(function, setup=setup, params=params)
        return made

    def switch(self, field: str, name: str) -> Switch:
        """Return a node that sorts events by a field of the JSON they carry."""
        made = self.graph.declare(name, Switch, lambda: Switch(self, name, field))
        made.look_at(field)
        return made

    def where(self, source: Output, field: str, name: str | None) -> Switch:
        """Return a Switch that is wired to an output (see `Output.where`)."""
        made = self.switch(field, name or f"{source.label} where {field}")
        self.connect(source, made)
        return made

    def disconnect_port(self, port: Port) -> None:
        """Take away every wire of a port."""
        self.graph.disconnect_port(port)

    # ---- what happens to a node

    def redefined(self, node: Node) -> None:
        """A node got another function."""
        self.runtime.redefined(node)

    def forget(self, node: Node) -> None:
        """A node is gone: so is what its `setup` asked for."""
        self.engine.forget(node)

    # ---- the way in from other threads

    def call(self, function: Callable[..., R], *args: Any) -> R:
        """Call a plain function in the flow's loop, from any thread, and return its result."""
        return self.owner.call(function, *args)

    def post(self, function: Callable[..., object], *args: Any) -> None:
        """Have a plain function called in the flow's loop, from any thread, and go on at once.

        When nothing runs it is called here.
        """
        if self.owner.running:
            self.owner.post(function, *args)
        else:
            function(*args)

    def _line(self, node: str, text: str) -> None:
        """Write a line of `ctx.log` down; handlers may have logged from a thread of their own."""
        if self.owner.is_here:
            self.engine.faults.mark(node, text)
        else:
            self.owner.post(self.engine.faults.mark, node, text)

    # ---- the flow's life, for what knows of sessions and files

    def check(self, now: float) -> None:
        """About a second has passed while the flow runs."""

    async def close(self) -> None:
        """The flow ends; handlers still run."""

    def goodbye(self) -> None:
        """The flow ends and there is no time left."""
