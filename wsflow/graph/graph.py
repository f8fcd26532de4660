"""The nodes of a flow, the wires between them, and the tables of their routes.

Declaring is all that happens here; nothing runs. Names identify: in a notebook a node or trigger
declared again is changed in place, and what a cell no longer declares is taken out at its end. The
cell itself sees no more of that as soon as it runs: what it shows is what it declares now.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from ..base.interfaces import HttpRoute, SocketRoute
from ..base.urls import PathTable
from ..errors import PathError, WiringError
from .cells import Ledger, interactive, notebook
from .node import Node
from .port import Input, Output, Port, Wire
from .triggers.base import Trigger
from .triggers.http import RequestTrigger
from .triggers.websocket import WebSocketTrigger

N = TypeVar("N", bound=Node)


class Graph:
    """What was declared. Wires change by replacing tuples, so readers in a loop never see half."""

    def __init__(
        self,
        flow: str,
        removed: Callable[[Node], object],
        remark: Callable[[str], object] = lambda text: None,
        *,
        apart: bool = False,
    ) -> None:
        self.flow, self._removed, self._remark = flow, removed, remark
        self._apart = apart
        """Whether it is nobody's but its maker's: no cell owns what is in it."""
        self.nodes: dict[str, Node] = {}
        self._sockets: PathTable[WebSocketTrigger] = PathTable()
        self._requests: PathTable[dict[str, RequestTrigger]] = PathTable()
        self._ledger = Ledger()
        self._aside: dict[tuple[str, str, str, str], Wire] = {}
        """Wires by key that the running cell has replaced: back if it fails, else gone."""
        self._of_others: dict[Hashable, set[str]] = {}
        """What was there when the running cell began, with the other cells that declare it."""
        if not apart:
            notebook.watch(self)

    # ---- nodes

    def declare(
        self,
        name: str,
        kind: type[N],
        make: Callable[[], N],
        fits: Callable[[N], bool] = lambda node: True,
    ) -> N:
        """Return the node of that name to change in place, or the new one `make` gives.

        `fits` says whether a node that is there can be changed into what is declared; one that
        can not (a trigger that moves to another path) is replaced by a new one.

        Raises:
            WiringError: the name is no name, or declared twice at once.
            PathError: another trigger has the path.
        """
        if not isinstance(name, str) or not name or not name.isprintable():
            raise WiringError(f"a node needs a name, not {name!r}")
        there = self.nodes.get(name)
        key = ("node", name)
        if there is not None and (self._apart or not (interactive() and self._is_first(key))):
            wrong = PathError if isinstance(there, Trigger) else WiringError
            raise wrong(
                f"flow {self.flow!r} has a node {name!r} already: {there!r}; "
                "give this one another with name='...'"
            )
        if isinstance(there, kind) and type(there) is kind and fits(there):
            declared = there
        else:
            declared = make()
            self._free(declared, there)
            if there is not None:
                self.remove(there)
            self._enter(declared)
        if not self._apart:
            self._ledger.declare(key, notebook.cell)
        return declared

    def declared(self) -> dict[str, Node]:
        """Return the nodes by name; to a cell that runs, without what it no longer declares."""
        stale = self._stale()
        return {name: node for name, node in self.nodes.items() if ("node", name) not in stale}

    def renew(self, node: Node) -> None:
        """Count a node that the running cell had made, and uses, as declared by it again."""
        if ("node", node.name) in self._stale():
            self._ledger.declare(("node", node.name), notebook.cell)

    def _stale(self) -> set[Hashable]:
        return self._ledger.stale if notebook.asks else set()

    def _is_first(self, key: Hashable) -> bool:
        return notebook.cell is None or self._ledger.declare(key, notebook.cell)

    def _free(self, node: Node, besides: Node | None) -> None:
        """Raise `PathError` when another trigger than `besides` has the path of `node`."""
        taken: Node | None = None
        if isinstance(node, WebSocketTrigger):
            taken = self._sockets.same(node.template)
        elif isinstance(node, RequestTrigger):
            there = self._requests.same(node.template) or {}
            others = (there[method] for method in node.methods if method in there)
            taken = next((one for one in others if one is not besides), None)
        if taken is not None and ("node", taken.name) in self._stale():
            self.remove(taken)  # this very cell gives the path another name
        elif taken is not None and taken is not besides:
            pattern = getattr(node, "template", node).pattern
            raise PathError(
                f"path {pattern!r} is taken by {taken!r}: "
                "wire the ports of that one, or choose another path"
            )

    def _enter(self, node: Node) -> None:
        if isinstance(node, WebSocketTrigger):
            self._sockets.add(node.template, node)
        elif isinstance(node, RequestTrigger):
            by_method = self._requests.same(node.template)
            if by_method is None:
                by_method = {}
                self._requests.add(node.template, by_method)
            by_method.update(dict.fromkeys(node.methods, node))
        self.nodes[node.name] = node

    def remove(self, node: Node) -> None:
        """Take a node out, and its wires and routes with it."""
        for port in (*node.inputs.values(), *node.outputs.values()):
            self.disconnect_port(port)
        if isinstance(node, WebSocketTrigger):
            self._sockets.remove(node.template)
        elif isinstance(node, RequestTrigger):
            by_method = self._requests.same(node.template) or {}
            for method in node.methods:
                by_method.pop(method, None)
            if not by_method:
                self._requests.remove(node.template)
        node.removed()
        self.nodes.pop(node.name, None)
        self._ledger.forget(("node", node.name))
        self._removed(node)

    def clear(self) -> None:
        """Take everything out."""
        self._of_others.clear()
        for node in list(self.nodes.values()):
            self.remove(node)

    # ---- routes

    def socket(self, path: str) -> tuple[SocketRoute, dict[str, str]] | None:
        """Return the WebSocket Trigger behind a raw path, and the path's parameters."""
        return self._sockets.find(path)

    def http(self, path: str) -> tuple[dict[str, HttpRoute], dict[str, str]] | None:
        """Return the HTTP Triggers behind a raw path by method, and the path's parameters."""
        found = self._requests.find(path)
        if found is None:
            return None
        by_method, params = found
        return {method: one for method, one in by_method.items() if one.takes(method)}, params

    def is_page(self, path: str) -> bool:
        """Say whether a page of ours is there: a graph has none."""
        return False

    def paths(self) -> list[str]:
        """Return the patterns clients can connect to."""
        return self._sockets.patterns()

    def routes(self) -> list[str]:
        """Return what clients can ask for, in words: `WebSocket /chat`, `POST /push`."""
        return [f"WebSocket {pattern}" for pattern in self.paths()] + [
            f"{method} {one.pattern}"
            for one in list(self.nodes.values())
            if isinstance(one, RequestTrigger)
            for method in one.methods
            if one.takes(method)
        ]

    # ---- wires

    def connect(self, source: Output | Node, target: Input | Node) -> Wire:
        """Put a wire from an output to an input, or return the one that is there.

        Raises:
            WiringError: these two can not be wired.
        """
        output = _output(source)
        entrance = _input(target, output)
        for end in (output, entrance):
            if self.nodes.get(end.node.name) is not end.node:
                raise WiringError(f"{end.label} is not part of flow {self.flow!r} (any more)")
        wire = next((w for w in output.wires if w.target is entrance), None)
        if wire is None:
            wire = self._replace(output, Wire(output, entrance))
        if not self._apart:
            self._ledger.declare(("wire", wire.key), notebook.cell, shared=True)
        return wire

    def _replace(self, output: Output, wire: Wire) -> Wire:
        """Put a wire in place of those of its port that the cell has not declared again.

        So its next line, a client's message, meets the new handler alone. A wire that comes back
        below is the one it was.
        """
        stale = self._stale()
        aside = {one.key: one for one in output.wires if ("wire", one.key) in stale}
        wire = self._aside.pop(wire.key, wire)
        output.wires = (*(one for one in output.wires if one.key not in aside), wire)
        self._aside |= aside
        return wire

    def disconnect(self, source: Output | Node, target: Input | Node) -> None:
        """Take the wire between two ports away; harmless when there is none."""
        output = _output(source)
        entrance = _input(target, output)
        for wire in output.wires:
            if wire.target is entrance:
                self._of_others.pop(("wire", wire.key), None)
                self._cut(wire)

    def _cut(self, wire: Wire) -> None:
        """Take a wire away; events on their way still arrive."""
        wire.source.wires = tuple(w for w in wire.source.wires if w is not wire)
        self._aside.pop(wire.key, None)
        self._ledger.forget(("wire", wire.key))

    def disconnect_port(self, port: Port) -> None:
        """Take away every wire of a port."""
        for wire in self._wires():
            if wire.source is port or wire.target is port:
                self._cut(wire)

    def wires(self) -> list[Wire]:
        """Return the wires between the nodes that are `declared`, by the nodes they leave."""
        return [wire for node in self.declared().values() for wire in self.leaving(node)]

    def leaving(self, node: Node) -> list[Wire]:
        """Return the wires that leave a node; to a cell that runs, as its nodes are."""
        wires, stale = _leaving(node), self._stale()
        if not stale:
            return wires
        return [
            wire
            for wire in wires
            if ("wire", wire.key) not in stale and ("node", wire.target.node.name) not in stale
        ]

    def _wires(self) -> list[Wire]:
        return [wire for node in list(self.nodes.values()) for wire in _leaving(node)]

    # ---- cells (see `cells.CellListener`)

    def cell_started(self, cell: str) -> None:
        """A cell starts to run."""
        self._ledger.begin(cell)
        self._aside.clear()
        self._of_others = self._ledger.others(cell)

    def cell_ended(self, cell: str, ok: bool) -> None:
        """A cell has run: what it no longer declares goes."""
        aside, self._aside = self._aside, {}
        for wire in () if ok else aside.values():
            if all(self.nodes.get(end.node.name) is end.node for end in (wire.source, wire.target)):
                wire.source.wires = (*wire.source.wires, wire)
        for key in self._ledger.end(cell, ok):
            assert isinstance(key, tuple)
            kind, what = key
            if kind == "node" and what in self.nodes:
                self.remove(self.nodes[what])
            elif kind == "wire":
                for wire in [wire for wire in self._wires() if wire.key == what]:
                    self._cut(wire)
        self._tell_of_lost_wires()

    def _tell_of_lost_wires(self) -> None:
        """Say which wires of other cells went, with a node or a port that this one had."""
        there = {("wire", wire.key) for wire in self._wires()}
        lost: dict[tuple[Any, ...], set[str]] = {
            key[1]: cells
            for key, cells in self._of_others.items()
            if isinstance(key, tuple) and key[0] == "wire" and key not in there
        }
        if lost:
            wires = ", ".join(
                f"{source}.{port} >> {target}.{entrance}" for source, port, target, entrance in lost
            )
            cells = notebook.named(set().union(*lost.values()))
            text = (
                f"flow {self.flow!r}: this cell no longer declares an end of wires of {cells}, "
                f"and they are gone: {wires}. Run {cells} again to wire what is there now"
            )
            self._remark(text)
            sys.stderr.write(f"{text}\n")  # below the cell: who runs it looks there


def _leaving(node: Node) -> list[Wire]:
    return [wire for output in node.outputs.values() for wire in output.wires]


def _output(source: Any) -> Output:
    if isinstance(source, Output):
        return source
    if isinstance(source, Node):
        return source.default_output()
    raise WiringError(f"a wire starts at an output port such as chat.message, not at {source!r}")


def _input(target: Any, source: Output) -> Input:
    if isinstance(target, Input):
        return target
    method_of = getattr(target, "__self__", None)  # manager.broadcast names a method and a port
    if isinstance(method_of, Node) and getattr(target, "__name__", "") in method_of.inputs:
        return method_of.inputs[target.__name__]
    if isinstance(target, Node):
        if not target.inputs:
            raise WiringError(
                f"{target.name!r} is a trigger and has no input port; "
                f"{source.label} can not be wired to it"
            )
        return target.default_input()
    if target is source:
        raise WiringError(f"{source.label} can not be wired to itself; wire it to an input port")
    if isinstance(target, Output):
        raise WiringError(
            f"{target.label} is an output port; a wire ends at an input port, "
            f"as in {source.label} >> shout"
        )
    raise WiringError(f"{source.label} can not be wired to {target!r}: it is no node or input port")
