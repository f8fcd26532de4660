"""Other recordings out of recordings: cut, split, put together, freed of secrets.

What is given is never changed: each function writes a new recording beside it. Keys of lines that
this version does not know are kept; damaged lines are left out (`Reader.damage` names them).
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import heapq
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import RecordingError
from . import format as lines
from .completeness import PROMISE, end_mark, in_a_line
from .folder import MAX_NAME, Draft, draft, resolve
from .format import FORMAT, MAX_SECONDS, write_object
from .reader import Reader
from .redaction import Redaction

HELD = 64 * 2**20
"""Bytes that all drafts of a split together keep before they write."""

OUR_KEYS = frozenset({"seq", "t", "time", "scope", "cause", "kind", "node", "port", "session",
    "path", "size", "elapsed", "code"})  # fmt: skip
"""Keys of rows that hold nothing a client said."""

# ---- secrets


def redact(reader: Reader, names: Iterable[str], to: str) -> Path:
    """Write a recording without the values of these JSON keys."""
    redaction = Redaction(names)
    there = reader.header.get("redacted")
    known = {*map(str, there if isinstance(there, list) else ()), *redaction.names}
    paths: dict[str, str] = {}
    with _new(reader, to, redacted=sorted(known)) as out:
        for line in reader.objects():
            out.write(write_object(_clean(line, redaction, paths)))
    return out.path


def _clean(line: dict[str, Any], redaction: Redaction, paths: dict[str, str]) -> dict[str, Any]:
    """Return a line without secrets; `paths` are those of sessions, which may hold some."""
    opened = line.get("opened")
    if isinstance(opened, dict):
        clean = redaction.clean_facts(opened)
        if clean.get("path") != opened.get("path"):
            paths[str(clean.get("id"))] = str(clean["path"])
        others: dict[str, Any] = redaction.clean({k: line[k] for k in line if k != "opened"})
        return others | {"opened": clean}
    fresh = dict(line)
    if line.get("session") in paths:
        fresh["path"] = paths[line["session"]]
    for key, value in line.items():
        if key == "bytes" and isinstance(value, str):
            fresh[key] = base64.b64encode(redaction.clean(base64.b64decode(value))).decode()
        elif key == "data":
            fresh[key] = lines.wrapped(redaction.clean(lines.unwrapped(value)))
        elif key not in OUR_KEYS:
            fresh |= redaction.clean({key: value})
    return fresh


# ---- cutting


def trim(reader: Reader, start: float | str, end: float | str | None, to: str) -> Path:
    """Write what happened from `start` to `end`: seconds, or the texts of marks.

    It begins at 0 then; sessions that were open before are open in it from their first row on.
    """
    first = _moment(reader, start)
    last = float("inf") if end is None else _moment(reader, end)
    if not 0 <= first < last:
        raise RecordingError(f"a slice goes from an earlier moment to a later one: {start}, {end}")
    present: set[str | None] = set()
    found, length = False, 0.0
    for row in reader.rows():
        length = max(length, row.t)
        if first <= row.t <= last:
            found = True
            present.add(row.session)
    if not found:
        raise RecordingError(f"no rows from {start} to {end} in {reader.path}: it has {length:g} s")
    began = _began(reader) + round(first * 1e9)
    with _new(reader, to, time=began, created=_iso(began)) as out:
        for line in reader.objects():
            opened, t = line.get("opened"), line.get("t", 0.0)
            if isinstance(opened, dict):
                if opened.get("id") in present:
                    out.write(write_object(line))
            elif first <= t <= last:
                out.write(write_object(line | {"t": round(t - first, 6)}))
    return out.path


def _moment(reader: Reader, where: float | str) -> float:
    """Return seconds from the start, also for the text of a mark."""
    if not isinstance(where, str):
        return float(where)
    marks = {str(row.value): row.t for row in reader.rows() if row.kind == "mark"}
    if where not in marks:
        known = ", ".join(map(repr, marks)) or "none"
        raise RecordingError(f"no mark {where!r} in {reader.path}; there are: {known}")
    return marks[where]


def copy(reader: Reader, to: str, folder: str | Path, **header: Any) -> Path:
    """Write it once more, into another folder, with more in its header."""
    with _begun(reader.header | header, to, Path(folder), [reader]) as out:
        for line in reader.objects():
            out.write(write_object(line))
    return out.path


# ---- one recording a session


def split(reader: Reader, to: str) -> dict[str, Path]:
    """Write a recording for each session, called `<to>-<session>`; marks are in all of them."""
    drafts: dict[str, Draft] = {}
    used: set[str] = set()
    marks: list[bytes] = []
    held = 0
    with contextlib.ExitStack() as open_drafts:
        for line in reader.objects():
            opened = line.get("opened")
            who = str(opened.get("id")) if isinstance(opened, dict) else line.get("session")
            if who is None and line.get("kind") != "mark":
                continue
            written = write_object(line)
            if who is None:
                marks.append(written)
            elif who not in drafts:
                name = _named(to, who, used)
                drafts[who] = open_drafts.enter_context(_new(reader, name))
                for mark in marks:
                    drafts[who].write(mark)
            for one in drafts.values() if who is None else [drafts[who]]:
                one.write(written)
                held += len(written)
            if held > HELD:
                held = 0
                for one in drafts.values():
                    one.flush()
        if not drafts:
            raise RecordingError(f"{reader.path}: no sessions in it, so nothing to split")
    return {who: one.path for who, one in drafts.items()}


def _named(to: str, who: str, used: set[str]) -> str:
    """Return a name for a session's recording that no other one of them has."""
    end = re.sub(r"[^A-Za-z0-9_-]+", "-", who)[:40]
    name, number = f"{to[: MAX_NAME - 50]}-{end}", 1
    while name in used:
        number += 1
        name = f"{to[: MAX_NAME - 50]}-{end}-{number}"
    used.add(name)
    return name


# ---- several in one


class Stamped(NamedTuple):
    """A line, when it was in the whole, and which recording it is of."""

    t: float
    of: int
    line: dict[str, Any]


def merge(readers: Sequence[Reader], to: str) -> Path:
    """Write recordings into one, in the order of time; rows and scopes get new numbers.

    Sessions of one id in several of them stay apart: the later ones are called `<id>~2`.
    """
    starts = [_began(one) for one in readers]
    first = min(filter(None, starts), default=0)
    apart = [max(0.0, (start - first) / 1e9) for start in starts]
    if max(apart) > MAX_SECONDS:
        raise RecordingError(
            f"they began {max(apart) / 86_400 / 365.25:,.0f} years apart: a clock was wrong; "
            "merge those that belong together"
        )
    streams = [
        _stamped(one, index, start)
        for index, (one, start) in enumerate(zip(readers, apart, strict=True))
    ]
    redacted = {
        str(name)
        for one in readers
        if isinstance(there := one.header.get("redacted"), list)
        for name in there
    }
    new = {"redacted": sorted(redacted), "merged": [one.name for one in readers]}
    numbers = [_Numbers() for _ in readers]
    sessions = _Sessions(len(readers))
    with _new(readers[0], to, time=first, created=_iso(first), others=readers, **new) as out:
        seq = 0
        for t, index, line in heapq.merge(*streams, key=lambda one: one.t):
            opened = line.get("opened")
            if isinstance(opened, dict):
                line["opened"] = opened | {"id": sessions.name(index, opened.get("id"))}
            else:
                seq += 1
                line |= {"t": round(t, 6), "cause": numbers[index].new(line.get("cause"))}
                numbers[index].add(line.get("seq"), seq)
                line["seq"] = seq
                if line.get("scope"):
                    line["scope"] = line["scope"] * len(readers) + index
                if line.get("session") is not None:
                    line["session"] = sessions.name(index, line["session"])
            out.write(write_object(line))
    return out.path


def _stamped(reader: Reader, index: int, offset: float) -> Iterator[Stamped]:
    t = offset
    for line in reader.objects():
        t = max(t, line.get("t", 0.0) + offset)
        yield Stamped(t, index, line)


class _Numbers:
    """Which row became which, in 16 bytes a row."""

    def __init__(self) -> None:
        self._old, self._new = array("q"), array("q")

    def add(self, old: Any, new: int) -> None:
        if isinstance(old, int) and (not self._old or old > self._old[-1]):
            self._old.append(old)
            self._new.append(new)

    def new(self, old: Any) -> int:
        """Return the new number of a row; 0 when it is not there."""
        at = bisect_left(self._old, old) if isinstance(old, int) else len(self._old)
        return self._new[at] if at < len(self._old) and self._old[at] == old else 0


class _Sessions:
    """Who is who: an id belongs to the first recording that has it."""

    def __init__(self, count: int) -> None:
        self._owner: dict[str, int] = {}
        self._names: list[dict[str, str]] = [{} for _ in range(count)]

    def name(self, index: int, who: Any) -> str:
        who = str(who)
        name = self._names[index].get(who)
        if name is None:
            name, number = who, 1
            while self._owner.setdefault(name, index) != index:
                number += 1
                name = f"{who}~{number}"
            self._names[index][who] = name
        return name


# ---- in common


def _new(
    reader: Reader, to: str, *, others: Iterable[Reader] = (), **header: Any
) -> contextlib.AbstractContextManager[Draft]:
    """Begin a recording beside another one, with its header."""
    folder = reader.path.parent
    if resolve(to, folder) in {one.path for one in (reader, *others)}:
        raise RecordingError(f"{to!r} is what it is made of; give another name: to='...'")
    return _begun(reader.header | header, to, folder, [reader, *others])


@contextlib.contextmanager
def _begun(
    header: dict[str, Any], to: str, folder: Path, sources: Iterable[Reader]
) -> Iterator[Draft]:
    """Begin a recording, and end it with what those it is made of lacked."""
    with draft(to, folder) as out:
        out.write(write_object(header | {"wsflow": FORMAT, "part": 1} | PROMISE))
        yield out
        lacked = {one.path: in_a_line(one.lacks, len(one.damage)) for one in sources}
        out.write(end_mark(f"{path.name} was {words}" for path, words in lacked.items() if words))


def _began(reader: Reader) -> int:
    """Return when a recording began, UTC in nanoseconds; from its first row where need be."""
    began = reader.header.get("time")
    if isinstance(began, int):
        return began
    row = next((row for row in reader.rows() if row.time), None)
    return 0 if row is None else row.time - round(row.t * 1e9)


def _iso(time: int) -> str:
    moment = datetime.datetime.fromtimestamp(max(0, min(time, 2**62)) / 1e9, datetime.UTC)
    return moment.isoformat(timespec="milliseconds")
