"""A recording as a picture: one line a session, a tick a message, in light and dark pages."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Protocol

WIDTH, LEFT, ROW = 720, 96, 18
MAX_SESSIONS, MAX_TICKS = 24, 4_000

COLOURS = {"message": "#2f7ed8", "response": "#3a9b5c", "send": "#3a9b5c", "error": "#d33"}


class Told(Protocol):
    """A row that knows when it was."""

    @property
    def t(self) -> float: ...

    @property
    def kind(self) -> str: ...

    @property
    def session(self) -> str | None: ...


def timeline(rows: Iterable[Told], seconds: float) -> str:
    """Return an SVG: messages in blue, responses in green, errors in red; marks across."""
    lines: dict[str, int] = {}
    parts: list[str] = []
    scale = (WIDTH - LEFT - 8) / max(seconds, 1e-9)
    for number, row in enumerate(rows):
        if number >= MAX_TICKS:
            break
        x = LEFT + row.t * scale
        if row.session is None:
            if row.kind == "mark":
                parts.append(_stroke(x, 0, 10_000, "#b8860b"))
            continue
        line = lines.setdefault(row.session, len(lines))
        if line < MAX_SESSIONS:
            parts.append(_tick(x, line, row.kind))
    shown = list(lines.items())[:MAX_SESSIONS]
    labels = "".join(
        f"<text x='0' y='{line * ROW + 13}' font-size='11'>{html.escape(name[:14])}</text>"
        for name, line in shown
    )
    height = max(1, len(shown)) * ROW + 4
    more = f"<small>and {len(lines) - MAX_SESSIONS} more</small>" * (len(lines) > MAX_SESSIONS)
    return (
        f"<svg viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}' role='img' "
        f"aria-label='{len(lines)} sessions over {seconds:.1f} seconds' fill='currentColor' "
        f"style='max-width:100%'>{labels}{''.join(parts)}</svg>{more}"
    )


def _tick(x: float, line: int, kind: str) -> str:
    top = line * ROW
    if kind == "req":
        return f"<circle cx='{x:.1f}' cy='{top + 9}' r='3' fill='none' stroke='currentColor'/>"
    if kind == "close":
        return f"<circle cx='{x:.1f}' cy='{top + 9}' r='3'/>"
    colour = COLOURS.get(kind)
    return _stroke(x, top + 3, 12, colour) if colour else ""


def _stroke(x: float, top: float, height: float, colour: str) -> str:
    return (
        f"<rect x='{x:.1f}' y='{top}' width='1.5' height='{height}' fill='{colour}' opacity='0.8'/>"
    )
