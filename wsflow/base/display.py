"""How a text is shown: as a line of a terminal, as a cell of a small HTML table, in a picture.

What clients send is never markup (P22) and never obeyed: control characters could drive a terminal,
direction marks could draw over their neighbours.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from itertools import zip_longest

MAX_CELL = 200
"""Characters of one cell that are shown."""

PAPER, TEXT, LINE = "#e6eef8", "#1b1f24", "#74787e"
"""The colours of Mermaid pictures, read on white and on black: what boxes are filled with, what
stands in them, and what is drawn on the page itself. A notebook keeps a picture in the colours of
the theme in which it was first drawn; another theme would show black lines on black."""

_COLOURS = {
    "primaryColor": PAPER,
    "primaryTextColor": TEXT,
    "primaryBorderColor": LINE,
    "nodeTextColor": TEXT,
    "lineColor": LINE,
    "textColor": LINE,
    "edgeLabelBackground": PAPER,
    "actorBkg": PAPER,
    "actorBorder": LINE,
    "actorTextColor": TEXT,
    "actorLineColor": LINE,
    "signalColor": LINE,
    "signalTextColor": LINE,
    "noteBkgColor": "#fff3c4",
    "noteBorderColor": LINE,
    "noteTextColor": TEXT,
}

_DIRECTIVE = json.dumps({"theme": "base", "themeVariables": _COLOURS}, separators=(",", ":"))


def plain(text: object) -> str:
    """Return one line of printable text; other characters as `\\x1b`, `\\u202e`, `\\n`."""
    whole = str(text)
    if whole.isprintable():
        return whole
    return "".join(one if one.isprintable() else _escaped(one) for one in whole)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, note: str = "") -> str:
    """Return a table in the front end's own style; columns of numbers stand right, long text is
    cut.
    """
    lines = [tuple(row) for row in rows]
    sides = ["right" if _are_numbers(column) else "left" for column in zip_longest(*lines)]
    top = "".join(_cell("th", side, name) for side, name in zip_longest(sides, head) if name)
    body = "".join(
        f"<tr>{''.join(_cell('td', *one) for one in zip(sides, line, strict=False))}</tr>"
        for line in lines
    )
    foot = f"<p style='margin:0.3em 0'><small>{_text(note)}</small></p>" if note else ""
    return f"<div><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>{foot}</div>"


def _are_numbers(column: Iterable[object]) -> bool:
    known = [value for value in column if value is not None and value != ""]
    return bool(known) and all(isinstance(value, int | float) for value in known)


def _cell(tag: str, side: str | None, value: object) -> str:
    return f"<{tag} style='text-align:{side or 'left'}'>{_text(value)}</{tag}>"


def _text(value: object) -> str:
    text = "" if value is None else str(value)
    if len(text) > MAX_CELL:
        text = text[: MAX_CELL - 1] + "…"
    return html.escape(plain(text))


def coloured(source: str) -> str:
    """Return Mermaid source that says in which colours it is to be drawn."""
    return f"%%{{init: {_DIRECTIVE}}}%%\n{source}"
