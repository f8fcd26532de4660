"""A recording as a picture: one line a session, a tick a message, in light and dark pages."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Protocol

from .plain import plain

WIDTH, LEFT, ROW = 720, 96, 18
STEP = 2
"""Units across in which ticks of one kind become one, so that no recording draws too much."""

MAX_SESSIONS = 24

COLOURS = {"message": "#2f7ed8", "response": "#3a9b5c", "send": "#3a9b5c", "error": "#d33"}
MARK = "#b8860b"


class Told(Protocol):
    """A row that knows when it was."""

    @property
    def t(self) -> float: ...

    @property
    def kind(self) -> str: ...

    @property
    def session(self) -> str | None: ...


def timeline(rows: Iterable[Told], seconds: float) -> str:
    """Return an SVG: messages in blue, responses in green, errors in red; marks across.

    A ring is where a session began, a dot where it ended.
    """
    lines: dict[str, int] = {}
    ticks: dict[str, set[tuple[int, int]]] = {colour: set() for colour in COLOURS.values()}
    circles: dict[tuple[int, int, bool], None] = {}
    marks: set[int] = set()
    scale = (WIDTH - LEFT - 8) / max(seconds, 1e-9) / STEP
    for row in rows:
        x = LEFT + STEP * round(row.t * scale)
        if row.session is None:
            if row.kind == "mark":
                marks.add(x)
            continue
        line = lines.setdefault(row.session, len(lines))
        if line >= MAX_SESSIONS:
            continue
        if row.kind in COLOURS:
            ticks[COLOURS[row.kind]].add((x, line))
        elif row.kind in {"req", "close"}:
            circles[x, line, row.kind == "close"] = None
    shown = list(lines)[:MAX_SESSIONS]
    height = max(1, len(shown)) * ROW + 4
    strokes = [_strokes({(x, 0) for x in marks}, height, MARK)]
    strokes += [_strokes(where, 12, colour, 3) for colour, where in ticks.items()]
    labels = "".join(
        f"<text x='0' y='{line * ROW + 13}' font-size='11'>{html.escape(plain(name[:14]))}</text>"
        for line, name in enumerate(shown)
    )
    more = f"<small>and {len(lines) - MAX_SESSIONS} more</small>" * (len(lines) > MAX_SESSIONS)
    return (
        f"<svg viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}' role='img' "
        f"aria-label='{len(lines)} sessions over {seconds:.1f} seconds' fill='currentColor' "
        f"style='max-width:100%'>{labels}{''.join(strokes)}{''.join(map(_circle, circles))}</svg>"
        f"{more}"
    )


def _strokes(where: set[tuple[int, int]], height: int, colour: str, down: int = 0) -> str:
    """Return all strokes of one colour as one path."""
    if not where:
        return ""
    path = "".join(f"M{x},{line * ROW + down}v{height}" for x, line in sorted(where))
    return f"<path d='{path}' stroke='{colour}' stroke-width='1.5' opacity='0.8'/>"


def _circle(circle: tuple[int, int, bool]) -> str:
    x, line, is_end = circle
    look = "" if is_end else " fill='none' stroke='currentColor'"
    return f"<circle cx='{x}' cy='{line * ROW + 9}' r='3'{look}/>"
