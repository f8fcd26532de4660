"""The colours of Mermaid pictures: chosen to be read on white and on black.

A notebook keeps a picture as it was first drawn, in the colours of the theme of that moment; who
then changes the theme, or opens the notebook in another one, would see black lines on black.
"""

from __future__ import annotations

import json

PAPER, TEXT, LINE = "#e6eef8", "#1b1f24", "#74787e"
"""What boxes are filled with, what stands in them, and what is drawn on the page itself."""

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


def coloured(source: str) -> str:
    """Return Mermaid source that says in which colours it is to be drawn."""
    return f"%%{{init: {_DIRECTIVE}}}%%\n{source}"
