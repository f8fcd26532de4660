"""The graph as a picture: Mermaid source for front ends that draw it, plain text for the rest."""

from __future__ import annotations

from collections.abc import Iterable

from ..graph.node import Node
from ..graph.nodes.barrier import Barrier
from ..graph.nodes.debounce import Debounce
from ..graph.nodes.switch import Switch
from ..graph.nodes.throttle import Throttle
from ..graph.port import Wire
from ..graph.triggers.base import Trigger
from ..graph.triggers.http import HttpTrigger
from ..graph.triggers.multi import MultiTrigger
from ..graph.triggers.timer import Timer
from ..graph.triggers.websocket import WebSocketTrigger


def mermaid(nodes: Iterable[Node]) -> str:
    """Return a Mermaid flowchart: triggers rounded, failing nodes red, counts on the wires."""
    nodes = list(nodes)
    ids = {node.name: f"n{index}" for index, node in enumerate(nodes)}
    lines = ["flowchart LR"]
    lines += [f"    {_box(node, ids[node.name])}" for node in nodes]
    lines += [f"    {_arrow(wire, ids)}" for node in nodes for wire in node.wires()]
    failing = ",".join(ids[node.name] for node in nodes if node.errors)
    if failing:
        lines.append(f"    class {failing} failed")
        lines.append("    classDef failed stroke:#d33,stroke-width:3px")
    return "\n".join(lines)


def text(nodes: Iterable[Node]) -> str:
    """Return one line a node, and below it one a wire with the events it carried."""
    lines = []
    for node in nodes:
        failed = f"  ({node.errors} errors)" if node.errors else ""
        lines.append(f"  {title(node)}{failed}")
        lines += [
            f"    {wire.source.name} ─▶ {wire.target.label}  ({wire.count})"
            for wire in node.wires()
        ]
    return "\n".join(lines) or "  (no nodes yet: flow.websocket('/chat') makes the first)"


def title(node: Node) -> str:
    """Return what stands on a node's box: its name, and what it is where that says more."""
    if isinstance(node, WebSocketTrigger):
        path = node.template.pattern
        return f"WebSocket {path}" if node.name == path else f"{node.name} (WebSocket {path})"
    match node:
        case HttpTrigger():
            return f"{node.method} {node.pattern}"
        case MultiTrigger():
            return f"HTTP {node.pattern}"
        case Timer() | Throttle() | Debounce():
            return f"{node.name} ({_RHYTHM[type(node)]} {node.seconds:g} s)"
        case Switch():
            return node.name if node.field in node.name else f"{node.name} ({node.field})"
    return node.name


_RHYTHM: dict[type[Node], str] = {
    Timer: "every",
    Throttle: "one in",
    Debounce: "quiet for",
}


def _box(node: Node, identity: str) -> str:
    """Return a node in its shape: triggers rounded, a switch a rhombus, who waits a hexagon."""
    left, right = "[", "]"
    if isinstance(node, Trigger):
        left, right = "([", "])"
    elif isinstance(node, Switch):
        left, right = "{", "}"
    elif isinstance(node, Throttle | Debounce | Barrier):
        left, right = "{{", "}}"
    return f'{identity}{left}"{_escaped(title(node))}"{right}'


def _arrow(wire: Wire, ids: dict[str, str]) -> str:
    source, target = wire.source, wire.target
    ports = source.name if target.name == "in" else f"{source.name} → {target.name}"
    label = ports if ports != "out" else ""
    count = f"{label} · {wire.count}" if label and wire.count else label or (wire.count or "")
    middle = f'-- "{_escaped(str(count))}" -->' if count else "-->"
    return f"{ids[source.node.name]} {middle} {ids[target.node.name]}"


def _escaped(label: str) -> str:
    """Return a label that Mermaid takes as text: its own escape is `#name;`."""
    for sign, code in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;"), ("`", "#96;")):
        label = label.replace(sign, code)
    return " ".join(label.split())
