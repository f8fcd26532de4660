"""The way of a wire on a picture: an SVG path, and where the count of what took it may stand.

Opposite: `layout.py`, which says where its ends are. It knows no boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

REACH = 24
"""Pixels a wire that leads back bends out beyond its ends."""


class Point(NamedTuple):
    x: float
    y: float


@dataclass(frozen=True)
class WirePath:
    """A wire: an SVG path, where its count may stand, and whether it leads back."""

    path: str
    label: Point
    back: bool


def forward_path(points: Sequence[Point], placed: list[Point]) -> WirePath:
    """Return the way through these points; `placed` are the counts there are, and gets its own."""
    return WirePath(_curve(points), _label(points, placed), False)


def back_path(start: Point, end: Point, level: float) -> WirePath:
    """Return a way that leads back, at this level below what is between its ends."""
    label = Point(round((start.x + end.x) / 2), level)
    return WirePath(_loop(start, end, level), label, True)


def _curve(points: Sequence[Point]) -> str:
    path = [f"M{points[0].x:.0f} {points[0].y:.0f}"]
    for one, two in pairwise(points):
        bend = (two.x - one.x) / 2
        path.append(
            f"C{one.x + bend:.0f} {one.y:.0f} {two.x - bend:.0f} {two.y:.0f} "
            f"{two.x:.0f} {two.y:.0f}"
        )
    return "".join(path)


def _loop(start: Point, end: Point, level: float) -> str:
    """Return the path of a wire that leads back, below what is between its ends."""
    return (
        f"M{start.x:.0f} {start.y:.0f}"
        f"C{start.x + REACH:.0f} {start.y:.0f} {start.x + REACH:.0f} {level:.0f} "
        f"{start.x:.0f} {level:.0f}"
        f"L{end.x:.0f} {level:.0f}"
        f"C{end.x - REACH:.0f} {level:.0f} {end.x - REACH:.0f} {end.y:.0f} "
        f"{end.x:.0f} {end.y:.0f}"
    )


def _label(points: Sequence[Point], placed: list[Point]) -> Point:
    """Return a place on a wire where no other count stands yet: where it is flat, or halfway."""
    flat = len(points) // 2 - 1 if len(points) > 2 else 0
    flat += 1 - flat % 2 if len(points) > 2 else 0
    one, two = points[flat], points[flat + 1]
    best = _on(one, two, 0.5)
    for at in (0.5, 0.62, 0.38, 0.72, 0.28):
        spot = _on(one, two, at)
        if all(abs(spot.x - other.x) > 70 or abs(spot.y - other.y) > 13 for other in placed):
            best = spot
            break
    placed.append(best)
    return best


def _on(one: Point, two: Point, at: float) -> Point:
    """Return a point of the curve that `_curve` draws between two points."""
    bend = (two.x - one.x) / 2
    xs, ys = (one.x, one.x + bend, two.x - bend, two.x), (one.y, one.y, two.y, two.y)
    rest = 1 - at
    weights = (rest**3, 3 * rest**2 * at, 3 * rest * at**2, at**3)
    x = sum(weight * value for weight, value in zip(weights, xs, strict=True))
    y = sum(weight * value for weight, value in zip(weights, ys, strict=True))
    return Point(round(x), round(y))
