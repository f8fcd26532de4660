"""What a flow's author takes from the shelf: the ready-made nodes.

The part of `Declarations` that makes no trigger and takes no function.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..base.interfaces import Tell
from ..clock import Clock
from .graph import Graph
from .node import Host, Node
from .nodes.barrier import Barrier
from .nodes.connections import Connections
from .nodes.debounce import Debounce
from .nodes.switch import Switch
from .nodes.throttle import Throttle
from .port import Output

if TYPE_CHECKING:
    from .engine import Engine


class ReadyMade(Host):
    """Ready-made nodes, declared like all others: by name, changed in place by a cell run again."""

    _graph: Graph
    _engine: Engine
    _tell: Tell
    _clock: Clock

    def connections(self, *, name: str = "connections") -> Connections:
        """Return a connection manager (inputs `req`, `close`, `broadcast`)."""
        return self._graph.declare(
            name, Connections, lambda: Connections(self, name, self._tell, self._engine.current)
        )

    def barrier(
        self, tasks: Iterable[str], *, name: str = "barrier", limit: float = 30.0
    ) -> Barrier:
        """Return a barrier: `in` goes to every task port, `out` gets `{task: value}`.

        Each task emits `{task}_done` with its value, in the scope of the event; an event whose
        tasks are not all done within `limit` seconds is dropped, and recorded.
        """
        wanted = tuple(tasks)
        made = self._graph.declare(
            name, Barrier, lambda: Barrier(self, name, wanted, limit, self._tell, self._clock)
        )
        made.rearrange(wanted, limit)
        return made

    def switch(self, field: str, *, name: str | None = None) -> Switch:
        """Return a node that sorts events by a field of the JSON they carry.

        `actions = flow.switch("action")`, then `actions["move"] >> move`; what fits no case leaves
        by `actions.default`. `chat.message.where("action")` makes one and wires it.

        Raises:
            WiringError: `field` names none.
        """
        known = name or f"where {field}"
        made = self._graph.declare(known, Switch, lambda: Switch(self, known, field))
        made.look_at(field)
        return made

    def where(self, source: Output, field: str, name: str | None = None) -> Switch:
        """Return a Switch that is wired to an output (see `Output.where`)."""
        made = self.switch(field, name=name or f"{source.label} where {field}")
        self.connect(source, made)
        return made

    def throttle(self, seconds: float, *, name: str = "throttle") -> Throttle:
        """Return a node that lets one event of a session pass in so many seconds, the first.

        Ports: `in`, `out`, and `dropped` for the others.
        """
        made = self._graph.declare(
            name, Throttle, lambda: Throttle(self, name, seconds, self._clock)
        )
        made.retime(seconds)
        return made

    def debounce(self, seconds: float, *, name: str = "debounce") -> Debounce:
        """Return a node that lets the last event of a burst pass, once its session is quiet.

        Ports: `in`, `out`, and `dropped` for the others.
        """
        made = self._graph.declare(
            name, Debounce, lambda: Debounce(self, name, seconds, self._clock)
        )
        made.retime(seconds)
        return made

    @abstractmethod
    def connect(self, source: Output | Node, target: Any) -> Any:
        """Wire an output to an input and return the target's node."""
