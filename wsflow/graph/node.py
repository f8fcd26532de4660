"""A node: a function with input and output ports.

The function may be swapped while events are on their way; ports and wires stay. What a node asks
of its flow (wiring, threads, the log) it asks through `Host`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from ..base.current import current_flow
from ..errors import HandlerError, UnknownNameError, UnknownPortError, WiringError
from ..types import Handler
from .port import Input, Output, Port, Wire

if TYPE_CHECKING:
    from .context import NodeContext
    from .host import Host


class Node:
    """A named function in a flow. Make one with `flow.node`.

    `node.port_name` and `node["port name"]` give its ports; `a >> b` wires `out` to `in`.
    """

    def __init__(
        self,
        host: Host,
        name: str,
        inputs: Iterable[str] = ("in",),
        outputs: Iterable[str] = ("out",),
    ) -> None:
        self.host, self.name = host, name
        self.inputs: dict[str, Input] = {}
        self.outputs: dict[str, Output] = {}
        self.params: Mapping[str, Any] = MappingProxyType({})
        self.call: Callable[[Any, Any], Any] = _nothing
        self.function: Handler = _nothing
        self.is_async = False
        self.prepare: Handler | None = None
        self.events_in = self.errors = 0
        self.hinted: set[str] = set()
        """What its author was told of already."""
        self.response_place = host.place("response", name, "response")
        self.drop_place = host.place("drop", name, "response")
        for port in inputs:
            self.add_input(port)
        for port in outputs:
            self.add_output(port)

    def here(self) -> Self:
        """Return this node, or in a replay the one that plays its part."""
        host = current_flow.get()
        if host is None or host is self.host:
            return self
        playing = host.nodes.get(self.name)
        return playing if type(playing) is type(self) else self

    # ---- the function

    def define(
        self,
        function: Handler,
        *,
        setup: Handler | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        """Take `function` as the handler from the next event on.

        Raises:
            HandlerError: its parameters are none of `(event, ctx)`, `(event)`, `()`.
        """
        call = _normalised(function, self.name)
        if setup is not None:
            arity(setup, f"setup of {self.name!r}", ("(ctx)", "()"))
        self.call, self.function = call, function
        self.is_async = is_async(function)
        self.prepare, self.hinted = setup, set()
        self.params = MappingProxyType(dict(params or {}))
        self.host.redefined(self)

    def setup(self, function: Handler) -> Handler:
        """Run `function(ctx)` once a start, before the first event. Works as a decorator."""
        arity(function, f"setup of {self.name!r}", ("(ctx)", "()"))
        self.prepare = function
        self.host.redefined(self)
        return function

    def removed(self) -> None:
        """The node was taken out of its flow: a place to let go of what it holds."""

    # ---- ports

    def add_input(self, name: str) -> Input:
        """Add an input port, or return the one of that name."""
        self._free(name, self.outputs)
        return self.inputs.setdefault(name, Input(self, name))

    def add_output(self, name: str) -> Output:
        """Add an output port, or return the one of that name."""
        self._free(name, self.inputs)
        place = self.host.place("route", self.name, name)
        return self.outputs.setdefault(name, Output(self, name, place))

    def rename_port(self, old: str, new: str) -> None:
        """Give a port another name; its wires stay."""
        port = self._port(old)
        self._free(new, {**self.inputs, **self.outputs})
        port.name = new
        if isinstance(port, Output):
            port.place = self.host.place("route", self.name, new)
            self.outputs = {port.name: port for port in self.outputs.values()}
        else:
            self.inputs = {port.name: port for port in self.inputs.values()}

    def remove_port(self, name: str) -> None:
        """Take a port away, and its wires with it."""
        port = self._port(name)
        self.host.disconnect_port(port)
        (self.outputs if isinstance(port, Output) else self.inputs).pop(name)

    def reshape(self, inputs: Iterable[str], outputs: Iterable[str]) -> None:
        """Have exactly these ports; wires of ports that stay, stay."""
        wanted = {*inputs, *outputs}
        for name in [name for name in (*self.inputs, *self.outputs) if name not in wanted]:
            self.remove_port(name)
        for name in inputs:
            self.add_input(name)
        for name in outputs:
            self.add_output(name)

    def input(self, name: str) -> Input:
        """Return an input port, or raise `UnknownPortError` naming those there are."""
        port = self.inputs.get(name)
        if port is None:
            raise UnknownPortError(self.name, "input", name, self.inputs)
        return port

    def output(self, name: str) -> Output:
        """Return an output port, or raise `UnknownPortError` naming those there are."""
        port = self.outputs.get(name)
        if port is None:
            raise UnknownPortError(self.name, "output", name, self.outputs)
        return port

    def default_input(self) -> Input:
        """Return `in`, or the only input there is."""
        if "in" not in self.inputs and len(self.inputs) == 1:
            return next(iter(self.inputs.values()))
        return self.input("in")

    def default_output(self) -> Output:
        """Return `out`, or the only output there is."""
        if "out" not in self.outputs and len(self.outputs) == 1:
            return next(iter(self.outputs.values()))
        return self.output("out")

    def wires(self) -> list[Wire]:
        """Return the wires that leave this node (see `Graph.leaving`)."""
        return self.host.graph.leaving(self)

    def _free(self, name: str, taken: Mapping[str, Port]) -> None:
        if not isinstance(name, str) or not name or not name.isprintable():
            raise WiringError(f"a port of node {self.name!r} needs a name, not {name!r}")
        if name in taken:
            raise WiringError(
                f"node {self.name!r} has a port {name!r} already; "
                f"inputs and outputs share their names"
            )

    def __getitem__(self, name: str) -> Input | Output:
        return self._port(name)

    def _port(self, name: str) -> Input | Output:
        port = self.inputs.get(name) or self.outputs.get(name)
        if port is None:
            raise UnknownPortError(self.name, "", name, (*self.inputs, *self.outputs))
        return port

    def __getattr__(self, name: str) -> Any:
        ports = self.__dict__.get("inputs", {}) | self.__dict__.get("outputs", {})
        if name in ports:
            return ports[name]
        hint = f"; its ports: {', '.join(ports)}" if ports else ""
        raise UnknownNameError(f"node {self.__dict__.get('name')!r} has no {name!r}{hint}")

    def __rshift__(self, target: Any) -> Any:
        return self.host.connect(self, target)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the plain function, as if it had never become a node."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        out = sum(wire.count for wire in self.wires())
        errors = f" errors={self.errors}" if self.errors else ""
        return f"<{type(self).__name__} {self.name} in={self.events_in} out={out}{errors}>"


def is_async(function: Handler) -> bool:
    """Say whether calling `function` gives a coroutine; asked once, when it is wired."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 (asks what kind it is, not whether)
    )


def arity(
    function: Handler, what: str, forms: tuple[str, ...] = ("(event, ctx)", "(event)", "()")
) -> int:
    """Return with how many arguments `function` is to be called.

    Raises:
        HandlerError: it is no function, or needs more, or other, arguments than a node gives.
    """
    if not callable(function):
        raise HandlerError(f"{what} must be a function, not {function!r}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise HandlerError(
            f"{what} is a generator; instead of `yield`, call ctx.route(value) or ctx.emit(...)"
        )
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a built-in that does not tell: give it the event
        return 1
    most = len(forms) - 1
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    count = sum(p.default is p.empty for p in positional)
    if needed or count > most:
        raise HandlerError(
            f"{what} has parameters {inspect.signature(function)}; "
            f"a node calls it with {', '.join(forms[:-1])} or {forms[-1]}"
        )
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return most
    if count < most and len(positional) > count and positional[count].name == "ctx":
        return count + 1
    return count


def handler_arity(function: Handler, name: str) -> int:
    """Return `arity` of a node's function; one parameter called `ctx` is a misunderstanding."""
    count = arity(function, f"handler {name!r}")
    if count == 1 and next(iter(_parameter_names(function)), "") == "ctx":
        raise HandlerError(
            f"handler {name!r} takes one parameter, and that is the event; "
            "for the context too, write (event, ctx)"
        )
    return count


def _parameter_names(function: Handler) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # a built-in that does not tell
        return []


def _normalised(function: Handler, name: str) -> Callable[[Any, Any], Any]:
    """Return the function as `(event, ctx)`, without a wrapper where it has that form already."""
    match handler_arity(function, name):
        case 2:
            return function
        case 1:
            return lambda event, _ctx: function(event)
        case _:
            return lambda _event, _ctx: function()


def _nothing(_event: Any = None, _ctx: NodeContext | None = None) -> None:
    """Do nothing: what a node does before it is defined."""
