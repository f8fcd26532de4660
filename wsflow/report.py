"""What a replay found: what is answered as before, and what is not, shown side by side."""

from __future__ import annotations

import contextlib
import html
import json
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from .compare import Pair, Said, Tally
from .log import Log, data_text
from .plain import plain

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 50
OLD = "background:rgba(221,51,51,.25);text-decoration:line-through"
NEW = "background:rgba(46,160,67,.3)"


@dataclass
class Report:
    """The outcome of a replay. `ok` when every answer is the same; `diff` is a DataFrame."""

    recording: str
    events: int = 0
    """Recorded events that were played."""
    seconds: float = 0.0
    """How long it took, in real seconds."""
    by_hand: int = 0
    """Answers a person had sent; no handler is to blame for them, so they are not compared."""
    errors: list[str] = field(default_factory=list)
    """What handlers raised, as the log tells it; the first hundred."""
    damage: list[str] = field(default_factory=list)
    """Lines of the recording that could not be read."""
    tally: Tally = field(default_factory=Tally)
    log: Log | None = None
    """All that happened in the replay."""

    @property
    def ok(self) -> bool:
        """Whether every answer came, and came the same."""
        return self.tally.differences == 0

    @property
    def diff(self) -> pd.DataFrame:
        """What differs, as a DataFrame: `session`, `status`, `t`, `old`, `new`."""
        from .frame import of_pairs

        return of_pairs(self.tally.differing)

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

    def __repr__(self) -> str:
        lines = [f"<Replay {'ok' if self.ok else 'DIFFERENT'} {self.summary}>"]
        for pair in self.tally.differing[:10]:
            lines.append(
                f"  {pair.session:10} {pair.status:8} {_before(pair):.60} -> {_after(pair):.60}"
            )
        lines += [f"  error: {error:.120}" for error in self.errors[:5]]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        colour, word = ("#2ea043", "the same") if self.ok else ("#d33", "different")
        rows = "".join(_row(pair) for pair in self.tally.differing[:SHOWN])
        more = self.tally.differences - min(SHOWN, len(self.tally.differing))
        head = "".join(
            f"<th style='text-align:left'>{name}</th>" for name in ("session", "", "then", "now")
        )
        table = (
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
        )
        notes = [f"and {more} more: report.diff"] if more > 0 else []
        notes += [f"{self.by_hand} answers sent by hand were not compared"] if self.by_hand else []
        notes += [f"error: {one}" for one in self.errors[:5]] + self.damage[:5]
        foot = "".join(f"<br><small>{html.escape(plain(note))}</small>" for note in notes)
        return (
            f"<div><b style='color:{colour}'>{word}</b> {html.escape(plain(self.summary))}"
            f"{table}{foot}</div>"
        )


def marked(old: str, new: str) -> tuple[str, str]:
    """Return two texts as HTML with the parts that differ marked in each."""
    before, after = "", ""
    for tag, a1, a2, b1, b2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        gone, came = html.escape(old[a1:a2]), html.escape(new[b1:b2])
        if tag == "equal":
            before, after = before + gone, after + came
        else:
            before += f"<del style='{OLD}'>{gone}</del>" if gone else ""
            after += f"<ins style='{NEW}'>{came}</ins>" if came else ""
    return before, after


def readable(body: Any, limit: int = 400) -> str:
    """Return an answer for reading: JSON with spaces, bytes as their repr, one line."""
    if isinstance(body, str) and body[:1] in "{[":
        with contextlib.suppress(ValueError):  # text that only begins like JSON
            body = json.dumps(json.loads(body), ensure_ascii=False)
    text = plain(body) if isinstance(body, str) else data_text(body)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _row(pair: Pair) -> str:
    before, after = _before(pair), _after(pair)
    if pair.status == "changed":
        old, new = marked(before, after)
    else:
        old, new = html.escape(before), html.escape(after)
    cells = f"<td>{html.escape(plain(pair.session))}</td><td>{pair.status}</td>"
    code = "<td style='text-align:left'><code>{}</code></td>"
    return f"<tr>{cells}{code.format(old)}{code.format(new)}</tr>"


def _before(pair: Pair) -> str:
    return _said(pair.old)


def _after(pair: Pair) -> str:
    return _said(pair.new)


def _said(said: Said | None) -> str:
    return "" if said is None else readable(said.body)
