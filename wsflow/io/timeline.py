"""A recording as a picture: one line a session, a tick a message, in light and dark pages."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from ..base.display import plain
from ..events import ANSWERS

WIDTH, LEFT, ROW = 720, 96, 22
STEP = 2
"""Units across in which ticks of one kind become one, so that no recording draws too much."""

MAX_SESSIONS = 24


class Tick(NamedTuple):
    """How rows of a kind are drawn: what was said above a session's line, what it was told below
    it, errors on it, so that none hides another.
    """

    name: str
    colour: str
    top: float
    height: float
    width: float = 1.5


MESSAGE = Tick("messages", "#2f7ed8", 2, 7)
ANSWER = Tick("answers", "#3a9b5c", 13, 7)
ERROR = Tick("errors", "#d33", 8, 6, 3)
MARK = Tick("marks", "#b8860b", 0, 0, 1)

TICKS = {"message": MESSAGE, **dict.fromkeys(ANSWERS, ANSWER), "error": ERROR}


class Timed(Protocol):
    """A row that knows when it was."""

    @property
    def t(self) -> float: ...

    @property
    def kind(self) -> str: ...

    @property
    def session(self) -> str | None: ...


def timeline(rows: Iterable[Timed], seconds: float) -> str:
    """Return an SVG and what its colours mean: a line a session, a tick a message.

    A ring is where a session began, a dot where it ended.
    """
    lines: dict[str, list[int]] = {}
    ticks: dict[Tick, set[tuple[int, int]]] = {MESSAGE: set(), ANSWER: set(), ERROR: set()}
    circles: dict[tuple[int, int, bool], None] = {}
    marks: set[tuple[int, int]] = set()
    scale = (WIDTH - LEFT - 8) / max(seconds, 1e-9) / STEP
    for row in rows:
        x = LEFT + STEP * round(row.t * scale)
        if row.session is None:
            if row.kind == "mark":
                marks.add((x, 0))
            continue
        line, _, span = lines.setdefault(row.session, [len(lines), x, x])
        if line >= MAX_SESSIONS:
            continue
        lines[row.session][2] = max(x, span)
        if row.kind in TICKS:
            ticks[TICKS[row.kind]].add((x, line))
        elif row.kind in {"req", "close"}:
            circles[x, line, row.kind == "close"] = None
    shown = list(lines.items())[:MAX_SESSIONS]
    height = max(1, len(shown)) * ROW
    ticks[MARK._replace(height=height)] = marks
    drawn = [_life(*life) for _, life in shown]
    drawn += [_strokes(tick, where) for tick, where in reversed(ticks.items()) if where]
    labels = "".join(
        f"<text x='0' y='{line * ROW + 15}' font-size='11'>{html.escape(plain(name[:14]))}</text>"
        for name, (line, _, _) in shown
    )
    more = len(lines) - len(shown)
    return (
        f"<svg viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}' role='img' "
        f"aria-label='{len(lines)} sessions over {seconds:.1f} seconds' fill='currentColor' "
        f"style='max-width:100%;display:block'>{labels}{''.join(drawn)}"
        f"{''.join(map(_circle, circles))}</svg>"
        f"<small>{_legend(ticks, seconds)}{f'; and {more} more sessions' * (more > 0)}</small>"
    )


def _legend(ticks: dict[Tick, set[tuple[int, int]]], seconds: float) -> str:
    """Return what the colours there are mean."""
    told = (
        f"<span style='color:{tick.colour}' aria-hidden='true'>▍</span>{tick.name}"
        for tick, where in ticks.items()
        if where
    )
    return " ".join((f"0 to {seconds:.{1 if seconds >= 1 else 3}f} s", *told))


def _life(line: int, start: int, end: int) -> str:
    y = line * ROW + ROW // 2
    return f"<line x1='{start}' x2='{end}' y1='{y}' y2='{y}' stroke='currentColor' opacity='0.3'/>"


def _strokes(tick: Tick, where: set[tuple[int, int]]) -> str:
    """Return all ticks of a kind as one path."""
    path = "".join(f"M{x},{line * ROW + tick.top:g}v{tick.height:g}" for x, line in sorted(where))
    return f"<path d='{path}' stroke='{tick.colour}' stroke-width='{tick.width:g}'/>"


def _circle(circle: tuple[int, int, bool]) -> str:
    x, line, is_end = circle
    look = "" if is_end else " fill='none' stroke='currentColor'"
    return f"<circle cx='{x}' cy='{line * ROW + ROW // 2}' r='3'{look}/>"
