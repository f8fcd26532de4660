"""Where the boxes and wires of a graph stand: in columns from left to right, loops drawn back.

A box's column is the longest way to it, boxes in a column are sorted so that few wires cross, and
a wire that passes a column has a place there like a box. What stood somewhere stays there: only
what is new looks for a gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from .wire_path import Point, WirePath, back_path, forward_path

MARGIN = 24
COLUMN_GAP = 96
"""Between two columns: a wire's count stands there."""
ROW_GAP = 18
LOOP_GAP = 20
"""Between two wires that lead back."""
SWEEPS = 8

Key: TypeAlias = tuple[str, str, str, str]
"""A wire: node and port it leaves, node and port it ends at."""

Item: TypeAlias = str | tuple[Key, int]
"""What has a place in a column: a node by its name, or a wire that passes."""


@dataclass(frozen=True)
class Box:
    """A box as it is to be drawn; `inputs` and `outputs` say how far below its top ports are."""

    width: int
    height: int
    leads: bool = False
    """Whether it belongs into the first column."""
    inputs: Mapping[str, int] = field(default_factory=dict)
    outputs: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Layout:
    """Where everything stands; give it to the next `arrange`, so that it stays there."""

    width: float = 0
    height: float = 0
    boxes: dict[str, Point] = field(default_factory=dict)
    widths: dict[str, int] = field(default_factory=dict)
    """All boxes of a column are as wide as the widest."""
    paths: dict[Key, WirePath] = field(default_factory=dict)
    columns: dict[Item, int] = field(default_factory=dict)
    tops: dict[Item, float] = field(default_factory=dict)


def arrange(
    shapes: Mapping[str, Box], wires: Iterable[Key], before: Layout | None = None
) -> Layout:
    """Return where boxes and wires stand; what `before` has stays where it was, if it can."""
    wires = [wire for wire in wires if wire[0] in shapes and wire[2] in shapes]
    back = backwards(shapes, wires)
    forward = [wire for wire in wires if wire not in back]
    columns = columns_of(shapes, forward)
    graph = _Graph(shapes, forward, columns)
    if before is not None and _stays(graph, before):
        tops = _kept(graph, before)
    else:
        tops = _aligned(graph, _sorted(graph))
    return _drawn(graph, tops, [wire for wire in wires if wire in back])


# ---- columns


def backwards(shapes: Mapping[str, Box], wires: Sequence[Key]) -> set[Key]:
    """Return the wires that close a loop, walking from those that lead."""
    leaving: dict[str, list[Key]] = {name: [] for name in shapes}
    for wire in wires:
        leaving[wire[0]].append(wire)
    found: set[Key] = set()
    done: set[str] = set()
    entered = {wire[2] for wire in wires}
    ordered = sorted(shapes, key=lambda name: (not shapes[name].leads, name in entered))
    for start in ordered:
        if start in done:
            continue
        way = {start}
        walk = [(start, iter(leaving[start]))]
        while walk:
            name, rest = walk[-1]
            for wire in rest:
                if wire[2] in way:
                    found.add(wire)
                elif wire[2] not in done:
                    way.add(wire[2])
                    walk.append((wire[2], iter(leaving[wire[2]])))
                    break
            else:
                walk.pop()
                way.discard(name)
                done.add(name)
    return found


def columns_of(shapes: Mapping[str, Box], forward: Sequence[Key]) -> dict[str, int]:
    """Return the column of each box: one further than the furthest that leads to it."""
    second = 1 if any(shape.leads for shape in shapes.values()) else 0
    columns = {name: 0 if shape.leads else second for name, shape in shapes.items()}
    waiting = dict.fromkeys(shapes, 0)
    leaving: dict[str, list[str]] = {name: [] for name in shapes}
    for source, _, target, _ in forward:
        waiting[target] += 1
        leaving[source].append(target)
    ready = [name for name, number in waiting.items() if not number]
    while ready:
        name = ready.pop()
        for target in leaving[name]:
            columns[target] = max(columns[target], columns[name] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return columns


class _Graph:
    """Boxes and the passing wires between them, column by column."""

    def __init__(
        self, shapes: Mapping[str, Box], forward: Sequence[Key], columns: Mapping[str, int]
    ) -> None:
        self.shapes, self.forward = shapes, forward
        self.columns: dict[Item, int] = {}
        self.columns.update(columns)
        self.links: list[tuple[Item, float, Item, float]] = []
        """From an item, so far below its top, to one in the next column."""
        self.ways: dict[Key, list[Item]] = {}
        for wire in forward:
            source, out, target, entrance = wire
            way: list[Item] = [source]
            for column in range(columns[source] + 1, columns[target]):
                self.columns[wire, column] = column
                way.append((wire, column))
            way.append(target)
            self.ways[wire] = way
            leaves = shapes[source].outputs.get(out, 0)
            enters = shapes[target].inputs.get(entrance, 0)
            offsets = [leaves, *[0] * (len(way) - 2), enters]
            steps = zip(way, offsets, way[1:], offsets[1:], strict=False)
            self.links += [(one, float(a), two, float(b)) for one, a, two, b in steps]
        self.before: dict[Item, list[tuple[Item, float, float]]] = {}
        self.behind: dict[Item, list[tuple[Item, float, float]]] = {}
        for one, a, two, b in self.links:
            self.behind.setdefault(one, []).append((two, b, a))
            self.before.setdefault(two, []).append((one, a, b))

    def height(self, item: Item) -> int:
        return self.shapes[item].height if isinstance(item, str) else 0

    def stacks(self) -> list[list[Item]]:
        """Return the items of each column, in the order of their declaration."""
        stacks: list[list[Item]] = [[] for _ in range(max(self.columns.values(), default=-1) + 1)]
        for item, column in self.columns.items():
            stacks[column].append(item)
        return stacks


# ---- the order in a column


def _sorted(graph: _Graph) -> list[list[Item]]:
    """Return the columns in the order with the fewest crossings that was found."""
    stacks = graph.stacks()
    best, fewest = [stack[:] for stack in stacks], _crossings(graph, stacks)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        rightwards = sweep % 2 == 0
        sides = graph.before if rightwards else graph.behind
        for stack in stacks if rightwards else reversed(stacks):
            at = _ranks(graph, stacks)
            middles = {item: _middle(sides.get(item, ()), at, at[item]) for item in stack}
            stack.sort(key=middles.__getitem__)
        crossings = _crossings(graph, stacks)
        if crossings < fewest:
            best, fewest = [stack[:] for stack in stacks], crossings
    return best


def _ranks(graph: _Graph, stacks: Iterable[Sequence[Item]]) -> dict[Item, float]:
    return {item: float(rank) for stack in stacks for rank, item in enumerate(stack)}


def _middle(
    links: Iterable[tuple[Item, float, float]], at: Mapping[Item, float], alone: float
) -> float:
    """Return the mean rank of the ports a box is wired to; its own rank when it is to none."""
    ranks = [at[item] + offset / 1000 for item, offset, _ in links]
    return sum(ranks) / len(ranks) if ranks else alone


def _crossings(graph: _Graph, stacks: Sequence[Sequence[Item]]) -> int:
    at = _ranks(graph, stacks)
    by_column: dict[int, list[tuple[float, float]]] = {}
    for one, a, two, b in graph.links:
        ends = (at[one] + a / 1000, at[two] + b / 1000)
        by_column.setdefault(graph.columns[one], []).append(ends)
    return sum(
        (a - c) * (b - d) < 0
        for ends in by_column.values()
        for index, (a, b) in enumerate(ends)
        for c, d in ends[:index]
    )


# ---- how high


def _aligned(graph: _Graph, stacks: Sequence[Sequence[Item]]) -> dict[Item, float]:
    """Return the top of each item: near those it is wired to, in the order of its column."""
    tops: dict[Item, float] = {}
    for stack in stacks:
        top = 0.0
        for item in stack:
            tops[item] = top
            top += graph.height(item) + ROW_GAP
    for sweep in range(SWEEPS):
        sides = graph.before if sweep % 2 == 0 else graph.behind
        for stack in stacks if sweep % 2 == 0 else reversed(stacks):
            wished = [_wish(item, sides, tops) for item in stack]
            heights = [graph.height(item) + ROW_GAP for item in stack]
            tops.update(zip(stack, _spread(wished, heights), strict=True))
    least = min(tops.values(), default=0.0)
    for stack in stacks:
        below = float("-inf")
        for item in stack:  # whole pixels, so that what is arranged again stays to the dot
            tops[item] = max(round(tops[item] - least) + MARGIN, below)
            below = tops[item] + graph.height(item) + ROW_GAP
    return tops


def _wish(
    item: Item, sides: Mapping[Item, list[tuple[Item, float, float]]], tops: Mapping[Item, float]
) -> float:
    """Return the top with which an item's wires to one side would be straight, on the mean."""
    links = sides.get(item)
    if not links:
        return tops[item]
    return sum(tops[other] + theirs - mine for other, theirs, mine in links) / len(links)


def _spread(wished: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Return tops in this order, none over another, as near to the wished ones as they get."""
    groups: list[list[float]] = []  # [sum of wishes less offsets, members, height]
    for wish, height in zip(wished, heights, strict=True):
        groups.append([wish, 1, height])
        while len(groups) > 1:
            (sum_a, n_a, height_a), (sum_b, n_b, height_b) = groups[-2:]
            if sum_a / n_a + height_a <= sum_b / n_b:
                break
            groups[-2:] = [[sum_a + sum_b - n_b * height_a, n_a + n_b, height_a + height_b]]
    tops: list[float] = []
    rest = iter(heights)
    for total, members, _ in groups:
        top = total / members
        for _ in range(int(members)):
            tops.append(top)
            top += next(rest)
    return tops


def _stays(graph: _Graph, before: Layout) -> bool:
    """Say whether enough is as it was for the layout to be the same one."""
    names = [name for name in graph.shapes if name in before.boxes]
    return bool(names) and 2 * len(names) >= max(len(graph.shapes), len(before.boxes))


def _kept(graph: _Graph, before: Layout) -> dict[Item, float]:
    """Return the old tops, and those of new items in gaps near what they are wired to."""
    tops: dict[Item, float] = {}
    for item, column in graph.columns.items():
        if before.columns.get(item) == column:
            tops[item] = before.tops[item]
    for stack in graph.stacks():
        old = sorted((item for item in stack if item in tops), key=tops.__getitem__)
        below = float("-inf")
        for item in old:  # one that has grown pushes those below it
            tops[item] = max(tops[item], below)
            below = tops[item] + graph.height(item) + ROW_GAP
        for item in stack:
            if item not in tops:
                taken = [(tops[one], tops[one] + graph.height(one)) for one in old]
                tops[item] = _gap(_near(item, graph, tops, before), graph.height(item), taken)
                old.append(item)
    return tops


def _near(item: Item, graph: _Graph, tops: Mapping[Item, float], before: Layout) -> float:
    links = [*graph.before.get(item, ()), *graph.behind.get(item, ())]
    wishes = [tops[other] + theirs - mine for other, theirs, mine in links if other in tops]
    return round(sum(wishes) / len(wishes)) if wishes else before.tops.get(item, MARGIN)


def _gap(wished: float, height: int, taken: Sequence[tuple[float, float]]) -> float:
    """Return the top nearest to the wished one at which so much is free."""
    candidates = [wished]
    for top, bottom in taken:
        candidates += [bottom + ROW_GAP, top - height - ROW_GAP]

    def is_free(at: float) -> bool:
        return at >= MARGIN and all(
            at + height + ROW_GAP <= top or bottom + ROW_GAP <= at for top, bottom in taken
        )

    free = [at for at in candidates if is_free(at)]
    if free:
        return min(free, key=lambda at: (abs(at - wished), at))
    return max((bottom for _, bottom in taken), default=MARGIN - ROW_GAP) + ROW_GAP


# ---- drawing


def _drawn(graph: _Graph, tops: dict[Item, float], back: Sequence[Key]) -> Layout:
    shapes, columns = graph.shapes, graph.columns
    widths = [0] * (max(columns.values(), default=-1) + 1)
    bottoms = [0.0] * len(widths)
    for name, shape in shapes.items():
        column = columns[name]
        widths[column] = max(widths[column], shape.width)
        bottoms[column] = max(bottoms[column], tops[name] + shape.height)
    lefts, left = [], float(MARGIN)
    for width in widths:
        lefts.append(left)
        left += width + COLUMN_GAP
    layout = Layout(max(left - COLUMN_GAP, MARGIN) + MARGIN, columns=columns, tops=tops)
    layout.boxes = {name: Point(lefts[columns[name]], tops[name]) for name in shapes}
    layout.widths = {name: widths[columns[name]] for name in shapes}
    labels: list[Point] = []
    for wire, way in graph.ways.items():
        start, end = _ends(wire, shapes, layout)
        points = [start]
        for item in way[1:-1]:
            x, y = lefts[columns[item]], tops[item]
            points += [Point(x, y), Point(x + widths[columns[item]], y)]
        points.append(end)
        layout.paths[wire] = forward_path(points, labels)
    lowest = max(bottoms, default=0.0)
    levels: list[tuple[int, int, float]] = []
    for wire in sorted(back, key=lambda one: columns[one[0]] - columns[one[2]]):
        start, end = _ends(wire, shapes, layout)
        low, high = columns[wire[2]], columns[wire[0]]
        level = max(bottoms[low : high + 1]) + LOOP_GAP
        while any(a <= high and low <= b and abs(level - y) < LOOP_GAP for a, b, y in levels):
            level += LOOP_GAP
        levels.append((low, high, level))
        lowest = max(lowest, level)
        layout.paths[wire] = back_path(start, end, level)
    layout.height = lowest + MARGIN
    return layout


def _ends(wire: Key, shapes: Mapping[str, Box], layout: Layout) -> tuple[Point, Point]:
    """Return where a wire leaves its source and where it enters its target."""
    source, out, target, entrance = wire
    one, two = layout.boxes[source], layout.boxes[target]
    start = Point(one.x + layout.widths[source], one.y + shapes[source].outputs.get(out, 0))
    return start, Point(two.x, two.y + shapes[target].inputs.get(entrance, 0))
