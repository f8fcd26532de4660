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
from .layout import Key, Picture, Shape, arrange

CHARACTER, PADDING = 7.2, 12
"""Pixels: a character of a title on the mean, and what is left free on each side of it."""

NARROW, LONGEST = 96, 40
"""Pixels of the narrowest box, characters of the longest title."""

HEAD, STEP = 30, 18
"""Pixels: a box's title, and each of its ports below."""

MOST = 100
"""Nodes that are drawn."""


class Drawing:
    """Draws a graph; where everything stands is found anew only when the graph is another one."""

    def __init__(self) -> None:
        self._seen: object = None
        self._picture = Picture()
        self._shapes: dict[str, Shape] = {}

    def svg(self, nodes: Iterable[Node]) -> str:
        """Return the picture: triggers rounded, failing nodes of class `failed`, counts on wires.

        It brings no style: classes are `box`, `trigger`, `failed`, `port`, `wire`, `count`. Every
        name is text.
        """
        drawn = list(nodes)[:MOST]
        wires = {wire.key: wire for node in drawn for wire in node.wires()}
        shapes = {node.name: _shape(node) for node in drawn}
        seen = (shapes, list(wires))
        if seen != self._seen:
            self._seen = seen
            self._shapes = _even(shapes, wires)
            self._picture = arrange(self._shapes, wires)
        picture = self._picture
        parts = [_line(wires[key], picture) for key in picture.lines]
        parts += [_box(node, self._shapes[node.name], picture) for node in drawn]
        size = f"{picture.width:.0f} {picture.height:.0f}"
        label = f"graph of {len(drawn)} nodes and {len(picture.lines)} wires"
        return (
            f'<svg viewBox="0 0 {size}" width="{picture.width:.0f}" role="img" '
            f'aria-label="{label}">{"".join(parts)}</svg>'
        )


def _even(shapes: dict[str, Shape], wires: Iterable[Key]) -> dict[str, Shape]:
    """Return the boxes, those of one column equally wide."""
    columns = arrange(shapes, wires).columns
    widths: dict[int, int] = {}
    for name, shape in shapes.items():
        widths[columns[name]] = max(shape.width, widths.get(columns[name], 0))
    return {name: replace(one, width=widths[columns[name]]) for name, one in shapes.items()}


def _shape(node: Node) -> Shape:
    ports = max(len(node.inputs), len(node.outputs))
    names = len(_name(node)) * CHARACTER
    beside = 0.0
    if node.inputs or node.outputs:
        longest = [max(map(len, side), default=0) for side in (node.inputs, node.outputs)]
        beside = sum(min(one, LONGEST) for one in longest) * CHARACTER * 0.85 + PADDING
    return Shape(
        width=round(max(NARROW, names + 2 * PADDING, beside + 2 * PADDING)),
        height=HEAD + STEP * ports + 4,
        leads=isinstance(node, Trigger),
        inputs=_places(node.inputs),
        outputs=_places(node.outputs),
    )


def _places(ports: Mapping[str, object]) -> dict[str, int]:
    return {name: HEAD + STEP * number + STEP // 2 for number, name in enumerate(ports)}


def _box(node: Node, shape: Shape, picture: Picture) -> str:
    x, y = picture.boxes[node.name]
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


def _line(wire: Wire, picture: Picture) -> str:
    line = picture.lines[wire.key]
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
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
