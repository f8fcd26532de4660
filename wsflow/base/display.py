"""A small HTML table in which everything is text: what clients send is never markup (P22)."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from .plain import plain

MAX_CELL = 200
"""Characters of one cell that are shown."""


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
