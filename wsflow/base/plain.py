"""Text of clients made safe to show: what is no printable character becomes its escape.

Control characters could drive a terminal, direction marks could draw over their neighbours.
"""

from __future__ import annotations


def plain(text: object) -> str:
    """Return one line of printable text; other characters as `\\x1b`, `\\u202e`, `\\n`."""
    whole = str(text)
    if whole.isprintable():
        return whole
    return "".join(one if one.isprintable() else _escaped(one) for one in whole)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
