"""Ports and the wires between them.

An output knows its wires as a tuple that is replaced, never changed, so that a message on its way
sees either the old wiring or the new one, whichever thread rewired.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import WiringError

if TYPE_CHECKING:
    from .node import Node


class Wire:
    """A connection from an output to an input; `count` says how many events took it."""

    __slots__ = ("count", "source", "target")

    def __init__(self, source: Output, target: Input) -> None:
        self.source, self.target, self.count = source, target, 0

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Names that tell this wire from all others of a flow."""
        s, t = self.source, self.target
        return s.node.name, s.name, t.node.name, t.name

    def __repr__(self) -> str:
        return f"<Wire {self.source.label} >> {self.target.label} {self.count} events>"


class Port:
    """What inputs and outputs have in common: a name and the node they belong to."""

    __slots__ = ("name", "node")
    side = ""

    def __init__(self, node: Node, name: str) -> None:
        self.node, self.name = node, name

    @property
    def label(self) -> str:
        """The port as the user writes it."""
        return f"{self.node.name}.{self.name}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.label}>"


class Input(Port):
    """Where events come in."""

    __slots__ = ()
    side = "input"

    def __rshift__(self, other: Any) -> Any:
        raise WiringError(
            f"{self.label} is an input port and can not start a wire; "
            f"wires go from an output to an input: chat.message >> shout"
        )


class Output(Port):
    """Where events leave: `output >> node`, `output >> node.port`, `output >> [a, b]`."""

    __slots__ = ("place", "wires")
    side = "output"

    def __init__(self, node: Node, name: str, place: int) -> None:
        super().__init__(node, name)
        self.place = place
        self.wires: tuple[Wire, ...] = ()

    def __rshift__(self, target: Any) -> Any:
        return self.node.host.connect(self, target)

    def __gt__(self, other: object) -> NoReturn:
        raise WiringError(f"a wire is made with two signs: {self.label} >> ..., not >")

    def where(self, field: str, *, name: str | None = None) -> Any:
        """Wire a Switch to this port: it sorts events by a field of the JSON they carry.

        `actions = chat.message.where("action")`, then `actions["move"] >> move` and
        `actions.default >> complain` (see `nodes.switch.Switch`).
        """
        return self.node.host.where(self, field, name)
