"""Recordings at the command line: to look at, to mend and to convert.

Opposite: `serve.py` makes them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..base.display import plain
from ..io.completeness import BROKE_OFF
from ..io.folder import SUFFIX
from ..recording import Damage, Info, Recording
from .terminal import DONE, CommandError, alias, counted, rows_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from ..io.format import Entry

MAX_ROWS = 200
"""Rows that are shown unless more are asked for."""

MAX_NOTES = 10
"""Marks and damaged lines that are shown; of more the number is told."""

HAR = ".har"

FROM_RECORDING: dict[str, Callable[[Recording, Path], object]] = {
    ".csv": Recording.to_csv,
    HAR: Recording.to_har,
    ".parquet": Recording.to_parquet,
}
"""What makes a file with that suffix out of a recording."""


@dataclass(frozen=True)
class Choice:
    """Which rows are shown: those that fit all that is given. Times are seconds from the start."""

    start: float = 0.0
    end: float = float("inf")
    session: str | None = None
    kinds: tuple[str, ...] = ()
    rows: int = MAX_ROWS

    def fits(self, row: Entry) -> bool:
        """Say whether a row is one of them."""
        return (
            self.start <= row.t <= self.end
            and self.session in {None, row.session, alias(row)}
            and (not self.kinds or row.kind in self.kinds)
        )


def find(name: str) -> Recording:
    """Return a recording by its name in `recordings/`, or by the path of its file.

    Raises:
        CommandError: it can not be read.
        RecordingError: there is no such recording, or it is something else.
    """
    here = Path(name)
    with _readable():
        return Recording.open(here if here.suffix == SUFFIX and here.is_file() else name)


# ---- show


def show(name: str, choice: Choice, out: Console) -> int:
    """Print what a recording is and the rows chosen, each below the one that caused it.

    Raises:
        CommandError: it has no such session, or can not be read.
    """
    recording = find(name)
    chosen: list[Entry] = []
    following: Entry | None = None
    left, sessions = 0, dict[str, None]()
    with _readable():
        info = recording.info()
        for row in recording.rows():
            if row.session is not None:
                sessions[row.session] = None
            if not choice.fits(row):
                continue
            if len(chosen) < choice.rows:
                chosen.append(row)
            else:
                following, left = following or row, left + 1
    if choice.session is not None:
        _check_session(choice.session, sessions, recording)
    out.print(_facts(name, recording, info), soft_wrap=True)
    if chosen:
        out.print(rows_table(chosen, "      s", lambda row: f"{row.t:7.3f}"))
    else:
        out.print("no rows fit" if info.rows else "no rows")
    if following is not None:
        ways = f"--from {int(following.t * 1000) / 1000:.3f}, or --rows {choice.rows + left}"
        more = f"… {counted(left, 'row')} more: {ways}"
        out.print(more, style="dim")
    return DONE


def _check_session(wanted: str, sessions: Iterable[str], recording: Recording) -> None:
    if not any(wanted in {one, one.partition("-")[0]} for one in sessions):
        known = ", ".join(map(plain, sessions)) or "none"
        raise CommandError(f"no session {wanted!r} in {recording.name}; there are: {known}")


def _facts(given: str, recording: Recording, info: Info) -> Text:
    from rich.text import Text

    nodes = ", ".join(str(node.get("name")) for node in info.flow.get("nodes", ()))
    wires = counted(len(info.flow.get("wires", ())), "wire")
    facts = [
        ("created", info.created or "unknown"),
        ("flow", f"{info.flow.get('name')}: {nodes or 'no nodes'}; {wires}" if info.flow else ""),
        ("length", f"{info.seconds:.1f} s"),
        ("holds", ", ".join(_counts(info))),
        ("size", f"{info.bytes:,} bytes" + (f" in {info.parts} files" if info.parts > 1 else "")),
        ("redacted", ", ".join(info.redacted)),
    ]
    marks = [("mark", f"{t:.3f} s: {text}") for t, text in info.marks[:MAX_NOTES]]
    if len(info.marks) > MAX_NOTES:
        marks.append(
            ("", f"… and {counted(len(info.marks) - MAX_NOTES, 'mark')} more: --kind mark")
        )
    text = Text.assemble((f"{recording.name}", "bold"), f"  {plain(recording.path)}")
    if info.incomplete:
        text.append(f"  {plain(info.incomplete)}", "bold red")
    text.append("\n")
    for name, fact in (*facts, *marks):
        if fact:
            text.append(f"  {name:8}", "dim").append(f" {plain(fact)}\n")
    for fact in info.lacks:
        text.append("  missing ", "bold red").append(f" {plain(fact)}\n")
    for fact in _damage(info.damage, "left out"):
        text.append("  damage  ", "bold red").append(f" {fact}\n")
    if BROKE_OFF in info.lacks:
        text.append(f"           wsflow repair {plain(given)} takes it for whole as it is\n")
    if info.damage:
        text.append(f"           wsflow repair {plain(given)} takes damaged lines out\n")
    return text


def _counts(info: Info) -> list[str]:
    return [
        counted(info.rows, "row"),
        counted(info.sessions, "session"),
        counted(info.messages, "message"),
        counted(info.responses, "response"),
        counted(info.errors, "error"),
    ]


def _damage(damage: list[Damage], what: str) -> Iterator[str]:
    """Give a line for each line that could not be read, and one for all beyond the first few."""
    yield from (plain(one) for one in damage[:MAX_NOTES])
    if len(damage) > MAX_NOTES:
        yield f"… and {counted(len(damage) - MAX_NOTES, 'line')} more {what}"


# ---- repair


def repair(name: str, out: Console) -> int:
    """Take out what can not be read, and print what that was and where the file is as it was.

    Raises:
        CommandError: it can not be written.
    """
    recording = find(name)
    before = _kept(recording)
    with _readable():
        damage = recording.repair()
    if not damage:
        out.print(f"nothing to repair in {plain(recording.path)}", soft_wrap=True)
        return DONE
    for one in _damage(damage, "cut out"):
        out.print(one, soft_wrap=True)
    lines = counted(sum(1 for one in damage if one.line), "line")
    out.print(f"repaired: {lines} cut out; as it was:", soft_wrap=True)
    for path in sorted(_kept(recording) - before):
        out.print(f"  {plain(path)}", soft_wrap=True)
    return DONE


def _kept(recording: Recording) -> set[Path]:
    """Return the damaged files that earlier repairs have kept."""
    there = recording.path.parent.glob("*.damaged*")
    return {path for path in there if path.name.startswith(recording.name)}


# ---- convert


def convert(source: str, target: str, out: Console, *, force: bool = False) -> int:
    """Write a recording as another file, or a HAR as a recording; the suffixes say which.

    Raises:
        CommandError: there is no such conversion, or `target` is there already.
        RecordingError: `source` can not be read, or has nothing for such a file.
    """
    path, from_har = Path(target), Path(source).suffix == HAR
    if path.suffix not in ({SUFFIX} if from_har else FROM_RECORDING):
        raise CommandError(
            f"{source} does not become {path.suffix or target!r}: "
            f"a recording becomes {', '.join(FROM_RECORDING)}, and {HAR} becomes {SUFFIX}"
        )
    if not path.parent.is_dir():
        raise CommandError(f"there is no folder {str(path.parent)!r} to write {path.name} to")
    if path.exists() and not force:
        raise CommandError(f"{path} is there already; --force writes over it")
    with _readable():
        if from_har:
            recording = Recording.from_har(source, path.stem, folder=path.parent)
        else:
            recording = find(source)
            FROM_RECORDING[path.suffix](recording, path)
    for one in _damage(recording.damage, "left out"):
        out.print(f"left out: {one}", soft_wrap=True)
    for lack in recording.lacks:
        out.print(f"incomplete: {plain(lack)}", soft_wrap=True)
    out.print(f"wrote {plain(path)}, {path.stat().st_size:,} bytes", soft_wrap=True)
    return DONE


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Tell which file can not be had, instead of raising `OSError`."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise CommandError(f"{where}{error.strerror or error}") from error
