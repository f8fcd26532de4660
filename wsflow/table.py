"""A small HTML table in which everything is text: what clients send is never markup (P22)."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from .plain import plain

MAX_CELL = 200
"""Characters of one cell that are shown."""


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, note: str = "") -> str:
    """Return a table in the front end's own style; numbers stand right, long text is cut."""
    top = "".join(f"<th style='text-align:left'>{_text(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    foot = f"<p style='margin:0.3em 0'><small>{_text(note)}</small></p>" if note else ""
    return f"<div><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>{foot}</div>"


def _cell(value: object) -> str:
    side = "right" if isinstance(value, int | float) else "left"
    return f"<td style='text-align:{side}'>{_text(value)}</td>"


def _text(value: object) -> str:
    text = "" if value is None else str(value)
    if len(text) > MAX_CELL:
        text = text[: MAX_CELL - 1] + "…"
    return html.escape(plain(text))
