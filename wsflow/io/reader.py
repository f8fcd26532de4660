"""The files of a recording, read line by line: nothing is loaded whole, nothing is guessed at.

A line whose checksum is wrong is left out and named. `repair` writes the others anew.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeAlias, TypeVar

import msgspec

from ..errors import DamagedLineError, NewerRecordingError, NotARecordingError, RecordingError
from . import format as lines
from .completeness import BROKE_OFF, end_mark, lacking
from .folder import FOLDER, SUFFIX, create, find, is_live, part_number, parts, unwritable
from .format import FORMAT, MAX_LINE, Entry

T = TypeVar("T")

Converter: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]

CONVERTERS: dict[int, Converter] = {}
"""How a line of an older format becomes one of the next: `{from_version: converter}`."""

CHUNK = 2**16
"""Bytes read at once: what becomes of them still fits into a processor's cache."""

OPENED = b'","opened":'
"""What stands behind the checksum of a handshake."""

GAP = b'"kind":"gap"'

FIRST_LINES = 100
"""Lines among which one must be good, or the file is something else."""


@dataclass(frozen=True)
class Damage:
    """What could not be read: file, line (from 1; 0: none of them) and why.

    `torn` is an unfinished last line.
    """

    path: Path
    line: int
    why: str
    torn: bool = False

    def __str__(self) -> str:
        where = f"{self.path}, line {self.line}" if self.line else f"{self.path}"
        return f"{where}: {self.why}"


class Handshake(NamedTuple):
    """The facts of a session, and where they stand."""

    path: Path
    line: int
    facts: dict[str, Any]


@dataclass
class Reader:
    """A recording's files and header. Rows stream from the files each time.

    `damage` tells what the last pass could not read.
    """

    path: Path
    header: dict[str, Any]
    damage: list[Damage] = field(default_factory=list)
    gaps: int = 0
    """How many gaps it tells of: places where rows were lost before they could be recorded."""
    progress: float = 0.0
    """How much of it the pass under way has read, from 0 to 1."""

    @classmethod
    def open(cls, name_or_path: str | Path, *, folder: str | Path = FOLDER) -> Self:
        """Return a recording by its name in `folder`, or by a path.

        Raises:
            RecordingNotFoundError: there is no such file.
            RecordingNameError: the name leads out of the folder.
            NotARecordingError: the file is something else.
            NewerRecordingError: a later wsflow wrote it.
        """
        path = find(name_or_path, folder)
        try:
            return cls(path, _header(path))
        except OSError as error:
            raise RecordingError(f"{path}: can not be read: {error.strerror}") from error

    @property
    def name(self) -> str:
        """The recording's name: its file's, without the suffix."""
        return self.path.name.removesuffix(SUFFIX)

    @property
    def created(self) -> str:
        """When it was made, as ISO 8601; empty when that is not known."""
        return str(self.header.get("created", ""))

    def parts(self) -> list[Path]:
        """Return the files it consists of, first to last."""
        return parts(self.path)

    @property
    def lacks(self) -> list[str]:
        """What of it is not there, in words: a part, its end, rows that were lost.

        What a pass over its rows finds counts once there was one.
        """
        try:
            return lacking(self.parts(), self.header, self.gaps)
        except OSError:
            return []

    def entries(self) -> Iterator[Entry]:
        """Give handshakes and rows in the order they were written, all parts in one."""
        return chain.from_iterable(self.blocks())

    def rows(self) -> Iterator[Entry]:
        """Give the rows in the order they were written."""
        blocks = self.blocks()
        return chain.from_iterable([row for row in some if row.opened is None] for some in blocks)

    def blocks(self) -> Iterator[list[Entry]]:
        """Give what `entries` gives, some hundred at a time."""
        if self._version == FORMAT:
            blocks = self._good(lines.read, lines.read_all)
        else:
            blocks = self._good(self._entry)
        return ([entry for entry in some if entry.wsflow is None] for some in blocks)

    def handshakes(self) -> Iterator[Handshake]:
        """Give the handshakes alone; rows are not even looked at."""
        current = self._version == FORMAT
        read = lines.read if current else self._entry
        for path in self.parts():
            for block in _blocks(path, OPENED if current else b""):
                for number, line in enumerate(block.lines, block.first):
                    if current and not line.startswith(OPENED, lines.BODY - 2):
                        continue
                    with contextlib.suppress(DamagedLineError):
                        opened = read(line).opened
                        if opened is not None:
                            yield Handshake(path, number, opened)

    def objects(self) -> Iterator[dict[str, Any]]:
        """Give the same lines as plain dicts, with keys this version does not know."""
        for line in chain.from_iterable(self._good(self._object)):
            if "wsflow" not in line:
                yield line

    # ---- lines

    def _good(
        self,
        read: Callable[[bytes], T],
        read_all: Callable[[list[bytes]], list[T] | None] = lambda some: None,
    ) -> Iterator[list[T]]:
        """Give what `read` makes of the lines; those it can not read go to `damage`.

        Where `read_all` can read a block's lines, `read` is not asked.
        """
        self.damage, self.gaps = [], 0
        paths = self.parts()
        total = sum(path.stat().st_size for path in paths) or 1
        done = 0
        for path in paths:
            for block in _blocks(path):
                done += block.size
                self.progress = done / total
                if block.gaps:
                    self.gaps += sum(map(_is_gap, block.lines))
                good = None if block.torn else read_all(block.lines)
                yield self._each(path, block, read) if good is None else good

    def _each(self, path: Path, block: Lines, read: Callable[[bytes], T]) -> list[T]:
        good = []
        last = block.first + len(block.lines) - 1
        for number, line in enumerate(block.lines, block.first):
            try:
                good.append(read(line))
            except DamagedLineError as error:
                torn = block.torn and number == last
                why = "the last line was not finished" if torn else str(error)
                self.damage.append(Damage(path, number, why, torn))
        return good

    def _entry(self, line: bytes) -> Entry:
        return lines.read(lines.write_object(self._object(line))[:-1])

    def _object(self, line: bytes) -> dict[str, Any]:
        value = _converted(lines.read_object(line), self._version)
        lines.read(line if self._version == FORMAT else lines.write_object(value)[:-1])
        return value

    @property
    def _version(self) -> int:
        version: int = self.header.get("wsflow", FORMAT)
        return version

    # ---- mending

    def repair(self) -> list[Damage]:
        """Rewrite the files without what can not be read, and return what that was.

        A file as it was is kept beside it (`lesson1.jsonl.damaged`). One that broke off gets its
        end mark: from now on what is there counts as all there was.

        Raises:
            RecordingError: it is being recorded, or can not be written.
        """
        if is_live(self.path):
            raise RecordingError(f"{self.path} is being recorded; stop that, then repair it")
        for _ in self._good(self._object):
            pass  # what is damaged is told by the way
        paths = self.parts()
        if BROKE_OFF in self.lacks:
            self.damage.append(Damage(paths[-1], 0, BROKE_OFF))
        for path in paths:
            bad = {one.line for one in self.damage if one.path == path}
            if bad:
                good = (line for line, at, _ in _lines(path) if at not in bad)
                number = part_number(path) or 1
                made_up = {"wsflow": self._version, "part": number, "repaired": True}
                header = [lines.write_object(self.header | made_up)[:-1]] if 1 in bad else []
                end = [end_mark()[:-1]] if 0 in bad else []
                _replace(path, chain(header, good, end))
        found, self.damage = self.damage, []
        return found


class Lines(NamedTuple):
    """Lines without their ends; `first` is the number of the first, from 1."""

    first: int
    lines: list[bytes]
    size: int
    torn: bool
    """Whether the last one has no end: it was not finished."""
    gaps: bool
    """Whether one of them may tell of a gap."""


def _blocks(path: Path, having: bytes = b"") -> Iterator[Lines]:
    """Give the lines, as many at a time as one reading of the file has; or only where `having` is.

    Of a line beyond `MAX_LINE` only so much is given that nobody takes it for whole.
    """
    first, skipped = 1, 0
    with path.open("rb", CHUNK) as file:
        while chunk := file.read(CHUNK):
            begun = len(chunk) - chunk.rfind(b"\n") - 1
            if begun:
                chunk += file.readline(max(0, MAX_LINE + 2 - begun))
            whole = chunk.endswith(b"\n")
            torn = not whole and len(chunk) - chunk.rfind(b"\n") - 1 <= MAX_LINE
            if having in chunk:
                lines = chunk.split(b"\n")[: -1 if whole else None]
                if b"\r" in chunk:  # a system gave lines other ends; JSON has no such character
                    lines = [line.removesuffix(b"\r") for line in lines]
                count = len(lines)
                yield Lines(first, lines, len(chunk) + skipped, torn, GAP in chunk)
            else:
                count = chunk.count(b"\n") + (not whole)
            first, skipped = first + count, 0
            while not (whole or torn) and (rest := file.readline(CHUNK)):
                skipped += len(rest)
                whole = rest.endswith(b"\n")


def _lines(path: Path) -> Iterator[tuple[bytes, int, bool]]:
    """Give each line, its number from 1, and whether it is a last line without an end."""
    for block in _blocks(path):
        last = block.first + len(block.lines) - 1
        for number, line in enumerate(block.lines, block.first):
            yield line, number, block.torn and number == last


def _is_gap(line: bytes) -> bool:
    """Whether a line is the row of a gap; data may look like one."""
    try:
        return GAP in line and lines.read_object(line).get("kind") == "gap"
    except DamagedLineError:
        return False


def _header(path: Path) -> dict[str, Any]:
    """Return the first line; `{}` when it is damaged and others are good."""
    number = 0
    for line, number, torn in islice(_lines(path), FIRST_LINES):
        try:
            found = lines.read_object(line)
        except DamagedLineError:
            if torn and number == 1 and lines.START.startswith(line[: len(lines.START)]):
                return {}  # cut inside its first line: an empty recording
            if len(line) > MAX_LINE:
                break
            continue
        return _checked(path, found) if number == 1 and "wsflow" in found else {}
    if number == 0:
        return {}
    raise NotARecordingError(
        path,
        number,
        "no line so far has a right checksum; `flow.record(name)` makes recordings, "
        "`Recording.from_har(path, name)` turns a HAR into one",
    )


def _checked(path: Path, header: dict[str, Any]) -> dict[str, Any]:
    version = header["wsflow"]
    if type(version) is not int:
        raise NotARecordingError(path, 1, f"its format is {version!r}, which is no number")
    if version > FORMAT:
        raise NewerRecordingError(path, version, FORMAT)
    if not all(step in CONVERTERS for step in range(version, FORMAT)):
        raise NotARecordingError(path, 1, f"nothing converts format {version}")
    return _trusted(_converted(header, version)) | {"wsflow": version}


class _Header(msgspec.Struct):
    """What a header has to look like; what looks otherwise is left out of it."""

    created: str = ""
    time: lines.Number = 0
    part: lines.Number = 1
    redacted: list[str] = []
    flow: dict[str, Any] = {}


class _Flow(msgspec.Struct):
    """What a header tells of the flow, in the same way."""

    name: str = ""
    nodes: list[dict[str, Any]] = []
    wires: list[list[str]] = []


def _trusted(header: dict[str, Any]) -> dict[str, Any]:
    """Return a header in which all that somebody reads is what it has to be."""
    fit = _fitting(header, _Header)
    return fit | {"flow": _fitting(fit["flow"], _Flow)} if "flow" in fit else fit


def _fitting(values: dict[str, Any], shape: type[msgspec.Struct]) -> dict[str, Any]:
    fit = dict(values)
    for key in values.keys() & set(shape.__struct_fields__):
        try:
            msgspec.convert({key: values[key]}, shape)
        except msgspec.ValidationError:
            del fit[key]
    return fit


def _converted(value: dict[str, Any], version: int) -> dict[str, Any]:
    for step in range(version, FORMAT):
        try:
            value = CONVERTERS[step](value)
        except Exception as error:
            raise DamagedLineError(f"it is no row of format {step}: {error!r}") from error
    return value


def _replace(path: Path, good: Iterator[bytes]) -> None:
    """Write the good lines where the file was, all or nothing, and keep the file aside."""
    fresh, aside = path.with_name(f".{path.name}.repaired"), path.with_name(path.name + ".damaged")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged{number}")
    try:
        fresh.unlink(missing_ok=True)
        with os.fdopen(create(fresh), "wb") as out:
            out.writelines(line + b"\n" for line in good)
            out.flush()
            os.fsync(out.fileno())
        path.rename(aside)
        fresh.rename(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
