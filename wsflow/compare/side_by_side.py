"""Two answers side by side, for reading: what they share, what differs, what of it is shown.

It judges nothing; `report.py` shows what it makes.
"""

from __future__ import annotations

import contextlib
import html
import json
import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from ..base.display import plain
from .answer import HttpAnswer

MIDDLE, AROUND = 300, 60
"""Characters shown of what differs, and of what is the same before and behind it."""

WHOLE = 20_000
"""Characters up to which a text is looked at whole."""

ALONE = MIDDLE + 2 * AROUND
"""Characters shown of an answer that has nothing beside it."""

OLD = "background:rgba(221,51,51,.25);text-decoration:line-through"
NEW = "background:rgba(46,160,67,.3);text-decoration:none"

_WORD = re.compile(r"\w{1,40}(?:['.,:-]\w{1,40}){0,5}|\s+|.", re.DOTALL)
_JSON = re.compile(r"(?:\d{3} \S* )?[{[]")
_VALUE = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|\w{1,40}|\s+|.', re.DOTALL)


class Piece(NamedTuple):
    """A part of a text, and whether the other one has something else there."""

    text: str
    differs: bool


def marked(old: str, new: str) -> tuple[str, str]:
    """Return two texts as HTML with the words that differ marked in each; long ones are cut."""
    before, after = pieces(old, new)
    return _html(before, "del", OLD), _html(after, "ins", NEW)


def pieces(old: str, new: str) -> tuple[list[Piece], list[Piece]]:
    """Return two texts as what they share and what not, in order; long ones are cut.

    Whole words differ, in JSON whole values.
    """
    if max(len(old), len(new)) > WHOLE:
        old, new = _around(old, new)
    left, right = _words(old), _words(new)
    start = _shared(left, right)
    end = _shared(left[start:][::-1], right[start:][::-1])
    head, tail = "".join(left[:start]), "".join(left[len(left) - end :])
    head = head if len(head) <= AROUND else "…" + head[-AROUND:]
    tail = tail if len(tail) <= AROUND else tail[:AROUND] + "…"
    gone, came = (_cut(one[start : len(one) - end]) for one in (left, right))
    before, after = [Piece(head, False)], [Piece(head, False)]
    for tag, a1, a2, b1, b2 in SequenceMatcher(None, gone, came, autojunk=False).get_opcodes():
        before.append(Piece("".join(gone[a1:a2]), tag != "equal"))
        after.append(Piece("".join(came[b1:b2]), tag != "equal"))
    for side in (before, after):
        side.append(Piece(tail, False))
    return [one for one in before if one.text], [one for one in after if one.text]


def _html(some: list[Piece], tag: str, style: str) -> str:
    texts = ((html.escape(text), differs) for text, differs in some)
    return "".join(f"<{tag} style='{style}'>{t}</{tag}>" if differs else t for t, differs in texts)


def _words(text: str) -> list[str]:
    """Return the words of a text; a value of JSON is one unless it is a long text itself."""
    words: list[str] = []
    for word in (_VALUE if _JSON.match(text) else _WORD).findall(text):
        words += _WORD.findall(word) if len(word) > AROUND else [word]
    return words


def _around(old: str, new: str) -> tuple[str, str]:
    """Return of two long texts what is from shortly before they differ on, up to a word's end."""
    start = max(0, _shared(old, new) - 2 * AROUND)
    cut = "…" * (start > 0)
    return cut + old[start : start + WHOLE], cut + new[start : start + WHOLE]


def _cut(words: list[str]) -> list[str]:
    """Return the first words of a middle part that is too long to be shown."""
    size = 0
    for at, word in enumerate(words):
        size += len(word)
        if size > MIDDLE:
            return [*words[:at], word[: MIDDLE - size] if at == 0 else "", "…"]
    return words


def focused(old: str, new: str) -> tuple[str, str]:
    """Return two texts, long ones from shortly before where they differ."""
    if len(old) <= AROUND and len(new) <= AROUND:
        return old, new
    start = max(0, _shared(old, new) - AROUND // 3)
    cut = "…" * (start > 0)
    return cut + old[start:], cut + new[start:]


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many characters, or words, two texts begin with in common."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def readable(body: Any, limit: int = 2**20) -> str:
    """Return an answer for reading, as one line: JSON with spaces, bytes as their repr."""
    if isinstance(body, HttpAnswer):
        head = f"{body.status} {body.kind}".strip()
        return f"{head} {readable(body.body, limit)}"
    if isinstance(body, str) and body[:1] in {"{", "["}:
        with contextlib.suppress(ValueError, RecursionError):  # it only begins like JSON
            body = json.dumps(json.loads(body), ensure_ascii=False)
    text = plain(body if isinstance(body, str) else repr(body))
    return text if len(text) <= limit else text[: limit - 1] + "…"
