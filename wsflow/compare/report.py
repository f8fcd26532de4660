"""What a replay found: what is answered as before, and what is not, shown side by side."""

from __future__ import annotations

import contextlib
import html
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from ..base.display import plain
from ..io.reader import Damage
from ..log.blocks import Block
from ..log.log import Log
from .answer import AFTER, Answer, Pair, Said, Tally

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 50
"""Differences on a page; `report.diff` has ten thousand."""

MIDDLE, AROUND = 300, 60
"""Characters shown of what differs, and of what is the same before and behind it."""

WHOLE = 20_000
"""Characters up to which a text is looked at whole."""

LONGEST = MIDDLE + 2 * AROUND
"""Characters shown of an answer that has nothing beside it."""

OLD = "background:rgba(221,51,51,.25);text-decoration:line-through"
NEW = "background:rgba(46,160,67,.3);text-decoration:none"
WORD = "padding:0 .4em;border-radius:.3em;color:#fff;background:"
CELL = "text-align:left;vertical-align:top;white-space:pre-wrap;overflow-wrap:anywhere"

_PLACE = re.compile(r" \([^()]*(?::|, line )\d+\)$")
_WORD = re.compile(r"\w{1,40}(?:['.,:-]\w{1,40}){0,5}|\s+|.", re.DOTALL)
_JSON = re.compile(r"(?:\d{3} \S* )?[{[]")
_VALUE = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|\w{1,40}|\s+|.', re.DOTALL)


class Errors:
    """What handlers raised, then and now; also what the log of a long replay has forgotten."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.raised = 0
        self._next = 0
        self._now: Counter[tuple[str, str]] = Counter()
        self._then: Counter[tuple[str, str]] = Counter()
        self._text: dict[tuple[str, str], str] = {}
        log._store.dropping = self._look_at

    def expect(self, node: str, error: str) -> None:
        """Take an error that was recorded."""
        self._then[_kind_of(node, error)] += 1

    def look(self) -> None:
        """Take what was raised since the last look."""
        for block in self.log._store.blocks():
            self._look_at(block)

    def _look_at(self, block: Block) -> None:
        if block.last < self._next:
            return
        if block.error is not None:
            places = self.log._store.places()
            for seq, place, error in zip(
                count(block.first), block.place, block.error, strict=False
            ):
                if seq >= self._next and error is not None and places[place].kind == "error":
                    self._take(places[place].node, error)
        self._next = block.last + 1

    def _take(self, node: str, error: str) -> None:
        self.raised += 1
        kind = _kind_of(node, error)
        if kind in self._text or len(self._text) < 1_000:
            self._text.setdefault(kind, f"{node}: {error}")
            self._now[kind] += 1

    @property
    def new(self) -> list[str]:
        """Those that were raised more often than they were recorded, each once."""
        more = self._now - self._then
        return [
            text + (f" ({more[kind]} times)" if more[kind] > 1 else "")
            for kind, text in self._text.items()
            if more[kind]
        ]


@dataclass
class Report:
    """The outcome of a replay. `ok` when every answer is the same; `diff` is a DataFrame."""

    recording: str
    events: int = 0
    """Recorded events that were played."""
    seconds: float = 0.0
    """How long it took, in real seconds."""
    by_hand: int = 0
    """Recorded answers a person had sent; no handler is to blame that they did not come again."""
    errors: list[str] = field(default_factory=list)
    """What handlers raised now and did not raise then; the first hundred."""
    raised: int = 0
    """How often handlers raised, also what is recorded."""
    damage: list[str] = field(default_factory=list)
    """Lines of the recording that could not be read."""
    tally: Tally = field(default_factory=Tally)
    log: Log | None = None
    """All that happened in the replay."""

    def add(self, events: int, tally: Tally, errors: Errors, damage: list[Damage]) -> None:
        """Add what one round found."""
        self.events += events
        self.tally.merge(tally)
        errors.look()
        self.raised += errors.raised
        self.errors = list(dict.fromkeys([*self.errors, *errors.new]))[:100]
        self.by_hand = self.tally.excused[BY_HAND]
        self.damage, self.log = [str(one) for one in damage], errors.log

    @property
    def ok(self) -> bool:
        """Whether every answer came, and came the same."""
        return self.tally.differences == 0

    @property
    def diff(self) -> pd.DataFrame:
        """What differs, as a DataFrame: `session`, `status`, `t`, `old`, `new`."""
        from ..log.frame import Frame, objects

        pairs = self.tally.differing
        columns = {
            "session": [pair.session for pair in pairs],
            "status": [pair.status for pair in pairs],
            "t": [pair.t for pair in pairs],
            "old": objects([_body(pair.old) for pair in pairs]),
            "new": objects([_body(pair.new) for pair in pairs]),
        }
        return Frame(columns).astype({"t": float})

    def __bool__(self) -> bool:
        return self.ok

    @property
    def summary(self) -> str:
        """One line: what was played and what differs."""
        tally = self.tally
        counts = {
            "same": tally.same,
            "changed": tally.changed,
            "missing": tally.missing,
            "extra": tally.extra,
            "late": tally.late,
        }
        said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        raised = f"; {len(self.errors)} errors" if self.errors else ""
        played = f"{self.events} events in {self.seconds:.2f} s"
        return f"{self.recording}: {said or 'no answers to compare'}{raised} ({played})"

    @property
    def notes(self) -> list[str]:
        """What else there is to know, a line each."""
        shown = min(SHOWN, len(self.tally.differing))
        more = self.tally.differences - shown
        notes = [f"and {more} more; report.diff has them"] if more > 0 else []
        notes += [f"error: {one}" for one in self.errors[:5]]
        excused = {BY_HAND: self.by_hand} | self.tally.excused
        notes += [
            f"not compared: {count} answers {why}"
            for why, count in excused.items()
            if count and why not in UNTOLD
        ]
        notes += [f"damaged: {one}" for one in self.damage[:5]]
        if self.damage:
            notes.append(
                f"{len(self.damage)} lines could not be read and were left out; "
                f"Recording.open({self.recording!r}).repair() takes them out for good"
            )
        return notes

    def __repr__(self) -> str:
        lines = [f"<Replay {'ok' if self.ok else 'DIFFERENT'} {plain(self.summary)}>"]
        for pair in self.tally.differing[:10]:
            before, after = focused(_said(pair.old), _said(pair.new))
            lines.append(f"  {plain(pair.session):10} {pair.status:8} {before:.60} -> {after:.60}")
        if self.tally.differences > 10:
            lines.append(f"  and {self.tally.differences - 10} more; report.diff has them")
        lines += [f"  {plain(note):.200}" for note in self.notes if not note.startswith("and ")]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        colour, word = ("#1a7f37", "the same") if self.ok else ("#c22", "different")
        rows = "".join(_row(pair) for pair in self.tally.differing[:SHOWN])
        head = "".join(
            f"<th style='text-align:left'>{name}</th>"
            for name in ("session", "at", "", "then", "now")
        )
        table = (
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
        )
        foot = "".join(f"<div><small>{html.escape(plain(one))}</small></div>" for one in self.notes)
        return (
            f"<div><b style='{WORD}{colour}'>{word}</b> {html.escape(plain(self.summary))}"
            f"{table}{foot}</div>"
        )


BY_HAND = "sent by hand"
DROPPED = "dropped"

UNTOLD = frozenset({DROPPED, AFTER})
"""Excuses nobody needs to hear of."""


# ---- two texts side by side


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
    if isinstance(body, Answer):
        head = f"{body.status} {body.kind}".strip()
        return f"{head} {readable(body.body, limit)}"
    if isinstance(body, str) and body[:1] in {"{", "["}:
        with contextlib.suppress(ValueError, RecursionError):  # it only begins like JSON
            body = json.dumps(json.loads(body), ensure_ascii=False)
    text = plain(body if isinstance(body, str) else repr(body))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _row(pair: Pair) -> str:
    old, new = _said(pair.old), _said(pair.new)
    if pair.status == "changed":
        before, after = marked(old, new)
    else:
        before, after = (html.escape(_said(one, LONGEST)) for one in (pair.old, pair.new))
    cells = (html.escape(plain(pair.session)), f"{pair.t:.3f} s", pair.status)
    side = "text-align:left;vertical-align:top;white-space:nowrap"
    plain_cells = "".join(f"<td style='{side}'>{cell}</td>" for cell in cells)
    texts = "".join(f"<td style='{CELL}'><code>{one}</code></td>" for one in (before, after))
    return f"<tr>{plain_cells}{texts}</tr>"


def _said(said: Said | None, limit: int = 2**20) -> str:
    return "" if said is None else readable(said.body, limit)


def _body(said: Said | None) -> Any:
    """Return an answer for a cell of a table."""
    body = None if said is None else said.body
    return str(body) if isinstance(body, Answer) else body


def _kind_of(node: str, error: str) -> tuple[str, str]:
    """Return what makes two errors the same: not the line of the file, an edit moves it."""
    return node, _PLACE.sub("", error)
