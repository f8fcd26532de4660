"""A recording on disk, read lazily: rows stream by, nothing is loaded whole unless asked for.

Damage is reported, never guessed at: a line whose checksum is wrong is left out and named.
Opposite: `recorder.py` writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from . import lines
from .errors import DamagedLineError, NewerRecordingError, NotARecordingError, RecordingError
from .folder import FOLDER, find, part
from .lines import Entry
from .recorder import FORMAT
from .timeline import timeline

if TYPE_CHECKING:
    import pandas as pd

Converter: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]

CONVERTERS: dict[int, Converter] = {}
"""How a line of an older format becomes one of the next: `{from_version: converter}`."""

CHUNK = 2**20


@dataclass(frozen=True)
class Damage:
    """What could not be read: file, line (from 1) and why. `torn` is an unfinished last line."""

    path: Path
    line: int
    why: str
    torn: bool = False

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self.why}"


@dataclass(frozen=True)
class Info:
    """What a recording is, without its rows."""

    name: str
    created: str
    flow: dict[str, Any]
    redacted: list[str]
    rows: int
    seconds: float
    sessions: int
    messages: int
    responses: int
    errors: int
    bytes: int
    parts: int
    marks: list[tuple[float, str]]
    damage: list[Damage]


@dataclass
class Recording:
    """Open one with `Recording.open("lesson1")`; `flow.replay("lesson1")` plays it.

    Rows stream from the file each time; `damage` tells what the last pass could not read.
    """

    path: Path
    header: dict[str, Any]
    damage: list[Damage] = field(default_factory=list)
    progress: float = 0.0
    """How much of it the pass under way has read, from 0 to 1."""

    @classmethod
    def open(cls, name_or_path: str | Path, *, folder: str | Path = FOLDER) -> Recording:
        """Return a recording by its name in `folder`, or by a path.

        Raises:
            RecordingNotFoundError: there is no such file.
            RecordingNameError: the name leads out of the folder.
            NotARecordingError: the file is something else.
            NewerRecordingError: a later wsflow wrote it.
        """
        path = find(name_or_path, folder)
        return cls(path, _header(path))

    @property
    def name(self) -> str:
        """The recording's name: its file's, without the suffix."""
        return self.path.name.removesuffix(".jsonl")

    # ---- reading

    def entries(self) -> Iterator[Entry]:
        """Give handshakes and rows in the order they were written, all parts in one."""
        self.damage = []
        total = sum(path.stat().st_size for path in self.parts()) or 1
        done = 0
        for path in self.parts():
            for line, number, torn in _lines(path):
                done += len(line) + 1
                self.progress = done / total
                entry = self._entry(path, line, number, torn)
                if entry is not None and entry.wsflow is None:
                    yield entry

    def rows(self) -> Iterator[Entry]:
        """Give the rows in the order they were written."""
        return (entry for entry in self.entries() if entry.opened is None)

    def parts(self) -> list[Path]:
        """Return the files it consists of, first to last."""
        found = [self.path]
        while (following := part(self.path, len(found) + 1)).is_file():
            found.append(following)
        return found

    def _entry(self, path: Path, line: bytes, number: int, torn: bool) -> Entry | None:
        try:
            if self._version < FORMAT:
                return _converted(line, self._version)
            return lines.read(line)
        except DamagedLineError as error:
            why = "the last line was not finished" if torn else str(error)
            self.damage.append(Damage(path, number, why, torn))
            return None

    @property
    def _version(self) -> int:
        version = self.header.get("wsflow", FORMAT)
        assert isinstance(version, int)
        return version

    # ---- looking

    def frame(self) -> pd.DataFrame:
        """Return all rows as a DataFrame: the log's columns, and `t`, seconds since the start."""
        from .frame import of_recording

        return of_recording(list(self.entries()))

    def sessions(self) -> pd.DataFrame:
        """Return one row a session: its handshake, and when and how it ended."""
        from .frame import of_handshakes

        return of_handshakes(list(self.entries()))

    def info(self) -> Info:
        """Return what it is and how much of what it holds; reads it once, keeps nothing."""
        counts = dict.fromkeys(("rows", "message", "response", "error"), 0)
        seconds, sessions, marks = 0.0, set[str](), list[tuple[float, str]]()
        for row in self.rows():
            counts["rows"] += 1
            counts[row.kind] = counts.get(row.kind, 0) + 1
            seconds = row.t
            if row.session is not None:
                sessions.add(row.session)
            if row.kind == "mark":
                marks.append((row.t, str(row.value)))
        parts = self.parts()
        return Info(
            name=self.name,
            created=str(self.header.get("created", "")),
            flow=self.header.get("flow") or {},
            redacted=list(self.header.get("redacted") or []),
            rows=counts["rows"],
            seconds=seconds,
            sessions=len(sessions),
            messages=counts["message"],
            responses=counts["response"] + counts.get("send", 0),
            errors=counts["error"],
            bytes=sum(path.stat().st_size for path in parts),
            parts=len(parts),
            marks=marks,
            damage=list(self.damage),
        )

    def sequence(self, start: float = 0.0, end: float | None = None, newest: int = 200) -> Any:
        """Return a Mermaid sequence diagram of a slice in seconds, one lifeline a session."""
        from .sequence import diagram

        chosen = (r for r in self.rows() if r.t >= start and (end is None or r.t <= end))
        return diagram(islice(chosen, newest))

    def to_csv(self, path: str | Path) -> Path:
        """Write its rows as CSV and return where; text that a spreadsheet would run is defused."""
        from .frame import write_csv

        return write_csv(self.frame(), path)

    def to_parquet(self, path: str | Path) -> Path:
        """Write its rows as Parquet (needs `pip install wsflow[parquet]`) and return where."""
        from .frame import write_parquet

        return write_parquet(self.frame(), path)

    # ---- mending

    def repair(self) -> list[Damage]:
        """Rewrite the file without what can not be read, and return what that was.

        The file as it was is kept beside it (`lesson1.jsonl.damaged`).
        """
        found: list[Damage] = []
        for path in self.parts():
            damaged = Recording(path, self.header)
            good = [
                line
                for line, number, torn in _lines(path)
                if damaged._entry(path, line, number, torn) is not None
            ]
            if damaged.damage:
                _replace(path, good)
                found += damaged.damage
        self.damage = []
        return found

    def __len__(self) -> int:
        return sum(1 for _ in self.rows())

    def __repr__(self) -> str:
        return f"<Recording {self.name} {self.header.get('created', '')} {self.path}>"

    def _repr_html_(self) -> str:
        from .table import table

        info = self.info()
        facts = [
            ("created", info.created),
            ("length", f"{info.seconds:.1f} s"),
            ("sessions", info.sessions),
            ("messages", info.messages),
            ("responses", info.responses),
            ("errors", info.errors),
            ("size", f"{info.bytes:,} bytes"),
            *((f"mark at {t:.1f} s", text) for t, text in info.marks[:10]),
            *(("damage", str(one)) for one in info.damage[:10]),
        ]
        return timeline(self.rows(), info.seconds) + table(("recording", self.name), facts)


def recordings(folder: str | Path = FOLDER) -> pd.DataFrame:
    """Return the recordings of a folder as a table; one that can not be read says why."""
    from .folder import names, resolve
    from .frame import of_infos

    found: list[tuple[str, Info | str]] = []
    for name in names(folder):
        try:
            found.append((name, Recording.open(resolve(name, folder)).info()))
        except RecordingError as error:
            found.append((name, str(error)))
    return of_infos(found)


def _lines(path: Path) -> Iterator[tuple[bytes, int, bool]]:
    """Give each line, its number from 1, and whether it is a last line without an end."""
    rest, number = b"", 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            *whole, rest = (rest + chunk).split(b"\n") if rest else chunk.split(b"\n")
            for line in whole:
                number += 1
                yield line, number, False
            if len(rest) > lines.MAX_LINE:
                raise NotARecordingError(path, number + 1, f"a line beyond {lines.MAX_LINE} bytes")
    if rest:
        yield rest, number + 1, True


def _header(path: Path) -> dict[str, Any]:
    """Return the first line; a damaged one is made up for when other lines are good."""
    for line, number, torn in islice(_lines(path), 100):
        try:
            found = lines.read_object(line)
        except DamagedLineError as error:
            if torn and lines.START.startswith(line[: len(lines.START)]):
                return {}  # cut inside its first line: an empty recording
            if number == 1 and not line.startswith(lines.START[:1]):
                raise NotARecordingError(path, number, str(error)) from None
            continue
        version = found.get("wsflow")
        if number == 1 and isinstance(version, int) and version > FORMAT:
            raise NewerRecordingError(path, version, FORMAT)
        return found if number == 1 and version is not None else {}
    if path.stat().st_size:
        raise NotARecordingError(path, 1, "no line has a right checksum")
    return {}


def _converted(line: bytes, version: int) -> Entry:
    value = lines.read_object(line)
    for step in range(version, FORMAT):
        value = CONVERTERS[step](value)
    return lines.read(lines.write_object(value).rstrip(b"\n"))


def _replace(path: Path, good: list[bytes]) -> None:
    """Write the good lines where the file was, all or nothing, and keep the file aside."""
    fresh = path.with_suffix(".repaired")
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "wb") as out:
        out.writelines(line + b"\n" for line in good)
        out.flush()
        os.fsync(out.fileno())
    path.rename(path.with_name(path.name + ".damaged"))
    fresh.rename(path)
