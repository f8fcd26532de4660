"""What a replay found: what is answered as before, and what is not, shown side by side."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..base.display import plain
from ..io.completeness import in_a_line
from ..io.reader import Damage
from ..log.log import Log
from .answer import AFTER, BY_HAND, DROPPED, Answer, HttpAnswer, Pair, Tally
from .errors import Errors
from .side_by_side import ALONE, focused, marked, readable

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 50
"""Differences on a page; `report.diff` has ten thousand."""

WORD = "padding:0 .4em;border-radius:.3em;color:#fff;background:"
COLOURS = {"the same": "#1a7f37", "different": "#c22", "incomplete": "#9a6700"}
CELL = "text-align:left;vertical-align:top;white-space:pre-wrap;overflow-wrap:anywhere"


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
    lacks: list[str] = field(default_factory=list)
    """Why not all that happened was played: what the recording lacks, what had to be left out."""
    redacted: int = 0
    """Sessions and requests with secrets, which were not recorded: handlers saw `[redacted]`."""
    tally: Tally = field(default_factory=Tally)
    log: Log | None = None
    """All that happened in the replay."""

    def add(
        self,
        events: int,
        tally: Tally,
        errors: Errors,
        damage: list[Damage],
        lacks: Iterable[str] = (),
        redacted: int = 0,
    ) -> None:
        """Add what one round found."""
        self.events += events
        self.tally.merge(tally)
        errors.look()
        self.raised += errors.raised
        self.errors = list(dict.fromkeys([*self.errors, *errors.new]))[:100]
        self.by_hand = self.tally.excused[BY_HAND]
        self.damage, self.log = [str(one) for one in damage], errors.log
        self.lacks = list(dict.fromkeys([*self.lacks, *lacks]))
        self.redacted += redacted

    @property
    def ok(self) -> bool:
        """Whether all that was recorded was played, and every answer came, and came the same."""
        return self.tally.differences == 0 and not self.incomplete

    @property
    def incomplete(self) -> str:
        """In a line, why not all that happened was played; empty when it was (promise P29)."""
        return in_a_line(self.lacks, len(self.damage))

    @property
    def verdict(self) -> str:
        """In two words at most: the same, different, or incomplete where that is all."""
        differs = "different" if self.tally.differences else "incomplete"
        return "the same" if self.ok else differs

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
        whole = f"{self.incomplete}; " if self.incomplete else ""
        secret = f"; {self._secrets}" if self.redacted and tally.differences else ""
        played = f"{self.events} events in {self.seconds:.2f} s"
        said = said or "no answers to compare"
        return f"{self.recording}: {whole}{said}{secret}{raised} ({played})"

    @property
    def _secrets(self) -> str:
        return f"{self.redacted} sessions and requests had secrets, which were not recorded"

    @property
    def notes(self) -> list[str]:
        """What else there is to know, a line each."""
        shown = min(SHOWN, len(self.tally.differing))
        more = self.tally.differences - shown
        notes = [f"and {more} more; report.diff has them"] if more > 0 else []
        notes += [f"incomplete: {one}" for one in self.lacks[:5]]
        notes += [f"error: {one}" for one in self.errors[:5]]
        excused = {BY_HAND: self.by_hand} | self.tally.excused
        notes += [
            f"not compared: {count} answers {why}"
            for why, count in excused.items()
            if count and why not in UNTOLD
        ]
        notes += [self._secrets] if self.redacted else []
        notes += [f"damaged: {one}" for one in self.damage[:5]]
        if self.damage:
            notes.append(
                f"{len(self.damage)} lines could not be read and were left out; "
                f"Recording.open({self.recording!r}).repair() takes them out for good"
            )
        return notes

    def __repr__(self) -> str:
        word = "ok" if self.ok else self.verdict.upper()
        lines = [f"<Replay {word} {plain(self.summary)}>"]
        for pair in self.tally.differing[:10]:
            before, after = focused(_text(pair.old), _text(pair.new))
            lines.append(f"  {plain(pair.session):10} {pair.status:8} {before:.60} -> {after:.60}")
        if self.tally.differences > 10:
            lines.append(f"  and {self.tally.differences - 10} more; report.diff has them")
        lines += [f"  {plain(note):.200}" for note in self.notes if not note.startswith("and ")]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        word = self.verdict
        colour = COLOURS[word]
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


UNTOLD = frozenset({DROPPED, AFTER})
"""Excuses nobody needs to hear of."""


def _row(pair: Pair) -> str:
    old, new = _text(pair.old), _text(pair.new)
    if pair.status == "changed":
        before, after = marked(old, new)
    else:
        before, after = (html.escape(_text(one, ALONE)) for one in (pair.old, pair.new))
    cells = (html.escape(plain(pair.session)), f"{pair.t:.3f} s", pair.status)
    side = "text-align:left;vertical-align:top;white-space:nowrap"
    plain_cells = "".join(f"<td style='{side}'>{cell}</td>" for cell in cells)
    texts = "".join(f"<td style='{CELL}'><code>{one}</code></td>" for one in (before, after))
    return f"<tr>{plain_cells}{texts}</tr>"


def _text(answer: Answer | None, limit: int = 2**20) -> str:
    return "" if answer is None else readable(answer.body, limit)


def _body(answer: Answer | None) -> Any:
    """Return an answer for a cell of a table."""
    body = None if answer is None else answer.body
    return str(body) if isinstance(body, HttpAnswer) else body
