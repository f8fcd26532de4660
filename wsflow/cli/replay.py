"""A replay at the command line: what is answered now as it was then, and what is not.

Opposite: `report.py` shows the same in a notebook.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from ..base.display import plain
from ..compare.answer import Answer, Pair
from ..compare.report import Report
from ..compare.side_by_side import readable
from ..errors import SetupError
from ..replay.replay import Replay
from ..tracebacks import told
from .app import CodeError
from .terminal import DONE, RAISED, table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

MAX_PAIRS = 50
"""Differences that are shown; of more the number is told."""

MAX_NOTES = 5
"""Errors and damaged lines that are shown."""

BAR_AFTER, LOOK_SECONDS = 1.0, 0.2
"""Seconds until a bar is shown, and between two looks at how far it is."""

CONTEXT_LENGTH = 24
"""Characters shown before and after the first and last difference of two answers."""

ANSWER_LENGTH = 400
"""Characters shown of an answer."""

VERDICTS = {"the same": "bold green", "different": "bold red", "incomplete": "bold yellow"}

STYLES = {"changed": "yellow", "missing": "red", "extra": "green", "late": "yellow"}

MARKS = {"red": ("[-", "-]"), "green": ("{+", "+}")}
"""What stands around what is gone, and what came, where there are no colours."""


def play(replay: Replay, out: Console) -> int:
    """Play, print what came of it, and return the exit status: 1 when an answer is not the same.

    Raises:
        CodeError: a `setup` of the flow raised.
        ReplayError: it can not be played there.
    """
    try:
        report = _watched(replay, out)
    except SetupError as error:
        raise CodeError(f"{error}\n{told(error.__cause__ or error)}") from error
    finally:
        replay.stop()
    show(report, out)
    return DONE if report.ok else RAISED


def _watched(replay: Replay, out: Console) -> Report:
    """Wait for the report; a terminal gets a bar when that takes long."""
    from rich.progress import Progress

    report = _look(replay, BAR_AFTER)
    hidden = report is not None or not out.is_terminal
    with Progress(console=out, transient=True, disable=hidden) as bar:
        task = bar.add_task(f"replay {plain(replay.recording.name)}", total=1.0)
        while report is None:
            bar.update(task, completed=replay.recording.progress)
            report = _look(replay, LOOK_SECONDS)
    return report


def _look(replay: Replay, seconds: float) -> Report | None:
    """Return the report, or None when there is none yet."""
    with contextlib.suppress(TimeoutError):
        return replay.result(seconds)
    return replay.result() if replay.done else None


def show(report: Report, out: Console) -> None:
    """Print a summary, a table of what differs, and what else is to be known."""
    from rich.text import Text

    word = report.verdict
    out.print(Text.assemble((word, VERDICTS[word]), "  ", plain(report.summary)), soft_wrap=True)
    pairs = report.tally.differing[:MAX_PAIRS]
    if pairs:
        out.print(_differences(pairs, coloured=out.is_terminal and not out.no_color))
    if report.tally.differences > len(pairs):
        out.print(f"… and {report.tally.differences - len(pairs):,} more", style="dim")
    if report.by_hand:
        out.print(f"{report.by_hand:,} answers sent by hand were not compared", style="dim")
    told = (("missing", report.lacks), ("error", report.errors), ("damage", report.damage))
    for name, notes in told:
        for note in notes[:MAX_NOTES]:
            out.print(Text.assemble((f"{name} ", "red"), plain(note)), soft_wrap=True)
        if len(notes) > MAX_NOTES:
            out.print(f"… and {len(notes) - MAX_NOTES:,} more", style="dim")


def _differences(pairs: list[Pair], *, coloured: bool) -> Table:
    from rich.text import Text

    made = table("session", "what", "      s", "then, and now")
    made.columns[-1].no_wrap = False  # the one to give way; its lines are cut all the same
    for pair in pairs:
        made.add_row(
            plain(pair.session.partition("-")[0]),
            Text(pair.status, STYLES.get(pair.status, "")),
            f"{pair.t:7.3f}",
            _both(pair, coloured=coloured),
        )
    return made


def _both(pair: Pair, *, coloured: bool) -> Text:
    """Return what was answered then below a `-`, and what is answered now below a `+`."""
    from rich.text import Text

    mark = _colour if coloured else _bracket
    lines = []
    if pair.old is not None and pair.new is not None and pair.status == "changed":
        before, after = marked(_full(pair.old), _full(pair.new), mark)
        lines = [Text.assemble(("- ", "red"), before), Text.assemble(("+ ", "green"), after)]
    elif pair.old is not None:
        lines = [Text.assemble(("- ", "red"), readable(pair.old.body, ANSWER_LENGTH))]
    elif pair.new is not None:
        lines = [Text.assemble(("+ ", "green"), readable(pair.new.body, ANSWER_LENGTH))]
    both = Text("\n").join(lines)
    both.no_wrap, both.overflow = True, "ellipsis"
    return both


def _full(said: Answer) -> str:
    """Return a whole answer as one line: what differs may stand far behind."""
    return readable(said.body, 2**20)


_WORD = re.compile(r"\w+|\W")

Mark = Callable[[str, str], "Text"]
"""Mark a part of an answer in a colour."""


def _colour(part: str, colour: str) -> Text:
    from rich.text import Text

    return Text(part, f"{colour} strike" if colour == "red" else f"bold {colour}")


def _bracket(part: str, colour: str) -> Text:
    from rich.text import Text

    before, after = MARKS[colour]
    return Text(f"{before}{part}{after}")


def marked(old: str, new: str, mark: Mark) -> tuple[Text, Text]:
    """Return two texts with the words that differ marked, and what they share around cut."""
    from rich.text import Text

    start = _shared(old, new)
    end = min(_shared(old[::-1], new[::-1]), min(len(old), len(new)) - start)
    before = ("…" if start > CONTEXT_LENGTH else "") + old[max(0, start - CONTEXT_LENGTH) : start]
    after = new[len(new) - end :][:CONTEXT_LENGTH] + ("…" if end > CONTEXT_LENGTH else "")

    def whole(text: str, middle: Text) -> Text:
        cut = "…" if len(text) - start - end > ANSWER_LENGTH else ""
        return Text.assemble(before, middle, cut, after)

    were, are = (_WORD.findall(one[start : len(one) - end][:ANSWER_LENGTH]) for one in (old, new))
    gone, came = _marks(were, are, mark)
    return whole(old, gone), whole(new, came)


def _marks(old: list[str], new: list[str], mark: Mark) -> tuple[Text, Text]:
    from rich.text import Text

    before, after = Text(), Text()
    for tag, a1, a2, b1, b2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        for text, part, colour in ((before, old[a1:a2], "red"), (after, new[b1:b2], "green")):
            words = "".join(part)
            if words:
                text.append(words if tag == "equal" else mark(words, colour))
    return before, after


def _shared(one: str, other: str) -> int:
    """Return how many characters two texts begin with alike, up to the end of a word."""
    pairs = zip(one, other, strict=False)
    same = next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
    if not (one[same : same + 1] + other[same : same + 1]).isalnum():
        return same  # both words have ended
    word = re.search(rf"\w{{1,{CONTEXT_LENGTH}}}\Z", one[max(0, same - CONTEXT_LENGTH) : same])
    return same - len(word[0]) if word and len(word[0]) < CONTEXT_LENGTH else same
