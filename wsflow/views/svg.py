"""The graph as an SVG that stands alone: for pages that no front end draws for."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..base.display import plain
from ..graph.node import Node
from ..graph.port import Wire
from ..graph.triggers.base import Trigger
from .diagram import title
from .layout import Box, Key, Layout, arrange

CHARACTER_WIDTH, PADDING = 7.2, 12
"""Pixels: a character of a title on the mean, and what is left free on each side of it."""

MIN_WIDTH, TITLE_LENGTH = 96, 40
"""Pixels of the narrowest box, characters of the longest title."""

HEAD_HEIGHT, PORT_HEIGHT = 30, 18
"""Pixels: a box's title, and each of its ports below."""

MAX_NODES = 100
"""Nodes that are drawn."""


class Drawing:
    """Draws a graph; where everything stands is found anew only when the graph is another one."""

    def __init__(self) -> None:
        self._seen: object = None
        self._layout = Layout()
        self._shapes: dict[str, Box] = {}

    def svg(self, nodes: Iterable[Node]) -> str:
        """Return the picture: triggers rounded, failing nodes of class `failed`, counts on wires.

        It brings no style: classes are `box`, `trigger`, `failed`, `port`, `wire`, `count`. Every
        name is text.
        """
        drawn = list(nodes)[:MAX_NODES]
        wires = {wire.key: wire for node in drawn for wire in node.wires()}
        shapes = {node.name: _shape(node) for node in drawn}
        seen = (shapes, list(wires))
        if seen != self._seen:
            self._seen = seen
            self._shapes = _even(shapes, wires)
            self._layout = arrange(self._shapes, wires)
        layout = self._layout
        parts = [_line(wires[key], layout) for key in layout.paths]
        parts += [_box(node, self._shapes[node.name], layout) for node in drawn]
        size = f"{layout.width:.0f} {layout.height:.0f}"
        label = f"graph of {len(drawn)} nodes and {len(layout.paths)} wires"
        return (
            f'<svg viewBox="0 0 {size}" width="{layout.width:.0f}" role="img" '
            f'aria-label="{label}">{"".join(parts)}</svg>'
        )


def _even(shapes: dict[str, Box], wires: Iterable[Key]) -> dict[str, Box]:
    """Return the boxes, those of one column equally wide."""
    columns = arrange(shapes, wires).columns
    widths: dict[int, int] = {}
    for name, shape in shapes.items():
        widths[columns[name]] = max(shape.width, widths.get(columns[name], 0))
    return {name: replace(one, width=widths[columns[name]]) for name, one in shapes.items()}


def _shape(node: Node) -> Box:
    ports = max(len(node.inputs), len(node.outputs))
    names = len(_name(node)) * CHARACTER_WIDTH
    beside = 0.0
    if node.inputs or node.outputs:
        longest = [max(map(len, side), default=0) for side in (node.inputs, node.outputs)]
        beside = sum(min(one, TITLE_LENGTH) for one in longest) * CHARACTER_WIDTH * 0.85 + PADDING
    return Box(
        width=round(max(MIN_WIDTH, names + 2 * PADDING, beside + 2 * PADDING)),
        height=HEAD_HEIGHT + PORT_HEIGHT * ports + 4,
        leads=isinstance(node, Trigger),
        inputs=_places(node.inputs),
        outputs=_places(node.outputs),
    )


def _places(ports: Mapping[str, object]) -> dict[str, int]:
    return {
        name: HEAD_HEIGHT + PORT_HEIGHT * number + PORT_HEIGHT // 2
        for number, name in enumerate(ports)
    }


def _box(node: Node, shape: Box, layout: Layout) -> str:
    x, y = layout.boxes[node.name]
    kinds = ["box", "trigger" * isinstance(node, Trigger), "failed" * bool(node.errors)]
    radius = 14 if isinstance(node, Trigger) else 4
    lines = [
        f'<g class="{" ".join(filter(None, kinds))}">',
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{shape.width}" height="{shape.height}" '
        f'rx="{radius}"/>',
        _text(x + shape.width / 2, y + 20, _name(node), "middle", "name"),
    ]
    lines += [_text(x + 8, y + at + 4, name, "start", "port") for name, at in shape.inputs.items()]
    right = x + shape.width - 8
    lines += [_text(right, y + at + 4, name, "end", "port") for name, at in shape.outputs.items()]
    return "".join([*lines, "</g>"])


def _line(wire: Wire, layout: Layout) -> str:
    line = layout.paths[wire.key]
    drawn = f'<path class="wire" d="{line.path}"/>'
    if wire.count:
        drawn += _text(line.label.x, line.label.y - 3, str(wire.count), "middle", "count")
    return drawn


def _text(x: float, y: float, text: str, anchor: str, kind: str) -> str:
    shown = html.escape(_cut(plain(text)))
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{shown}</text>'


def _name(node: Node) -> str:
    return _cut(plain(title(node)))


def _cut(text: str) -> str:
    return text if len(text) <= TITLE_LENGTH else text[: TITLE_LENGTH - 1] + "…"
