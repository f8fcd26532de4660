"""What lies in the folder of recordings: looked at every second, in a thread of its own.

Each recording is read once, in small steps that leave the flow its time; long ones only when
somebody wants to see them. Whoever asks gets what is known so far, at once, from any thread.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from ..base.threads import started
from ..errors import RecordingError
from ..io.folder import FOLDER, SUFFIX, find, is_live, names, parts, resolve
from ..recording import Recording
from ..tracebacks import named, said
from .part import News, text
from .summary import Summary

MAX_RECORDINGS = 200
"""Recordings on a page: the newest."""

LOOK_SECONDS = 1.0
"""Seconds between two looks into the folder."""

LARGE_BYTES = 32 * 2**20
"""Bytes up to which a recording is read before somebody asks for it."""

SETTLED_SECONDS = 2.0
"""Seconds nobody wrote to a file that is not small before it is read, where no lock tells."""

SMALL_BYTES = 2**20
"""Bytes that are read at once and again."""

PAUSE_SECONDS = 0.0002
"""Seconds between two steps of reading in which others may run."""

PROGRESS_SECONDS = 0.2
"""Seconds between two words on how far a long reading is."""

MAX_SUMMARIES = 8
"""Pictures that are kept."""

Signature = tuple[tuple[int, int], ...]
"""Size and date of each part."""


@dataclass
class RecordingFile:
    """One recording: its files as they were seen, and what was read of them."""

    name: str
    path: Path
    signature: Signature
    state: str = "new"
    """`new`, `large`, `live`, `read` or `wrong`."""
    facts: News = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Return how large it is."""
        return sum(size for size, _ in self.signature)

    @property
    def date(self) -> float:
        """Return when it was last written to, in seconds since 1970."""
        return max(when for _, when in self.signature) / 1e9

    def listed(self) -> News:
        """Return it as a page lists it."""
        named = {"name": text(self.name), "bytes": self.bytes, "date": round(self.date, 3)}
        return named | {"state": self.state} | self.facts


class Recordings:
    """The recordings of a folder, the newest first; `summary` is the picture of the chosen one."""

    def __init__(self, folder: str | Path = FOLDER) -> None:
        self.folder = Path(folder)
        self.listed: list[News] = []
        self.chosen: str | None = None
        self._files: dict[str, RecordingFile] = {}
        self._summaries: dict[str, News] = {}
        self._lookers = 0
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._alone = False
        """Whether none could be started: then whoever asks reads, and waits."""

    @property
    def summary(self) -> News | None:
        """The picture of the chosen recording; None while it is being read."""
        return None if self.chosen is None else self._summaries.get(self.chosen)

    # ---- for pages, from any thread

    def open(self) -> None:
        """Somebody looks: keep an eye on the folder."""
        with self._lock:
            self._lookers += 1
            if self._thread is None:
                self._thread = started(self._run, "wsflow recordings")
                self._alone = self._thread is None
        self.look()

    def close(self) -> None:
        """One looks no more."""
        with self._lock:
            self._lookers -= 1
        self._wake.set()

    def choose(self, name: str) -> None:
        """Read this one next.

        Raises:
            RecordingNotFoundError: there is none of that name.
        """
        find(name, self.folder)
        self.chosen = name
        self.look()

    def look(self) -> None:
        """Look again, now."""
        if self._alone:
            self._wake.clear()
            self._look()
        else:
            self._wake.set()

    def free(self, name: str) -> str:
        """Return the first name that is free: `chat-take1`, `chat-take2`."""
        number = 1
        while f"{name}-take{number}" in self._files:
            number += 1
        return f"{name}-take{number}"

    # ---- the thread

    def _run(self) -> None:
        while True:
            self._wake.clear()
            with contextlib.suppress(OSError):  # the folder went away while we looked
                self._look()
            with self._lock:
                if not self._lookers:
                    self._thread = None
                    return
            self._wake.wait(LOOK_SECONDS)

    def _look(self) -> None:
        files: dict[str, RecordingFile] = {}
        for name in self._names():
            with contextlib.suppress(OSError):  # just gone
                files[name] = self._found(name)
        newest = sorted(files.values(), key=lambda file: file.date, reverse=True)[:MAX_RECORDINGS]
        self._files = {file.name: file for file in newest}
        for name in [name for name in self._summaries if name not in self._files]:
            del self._summaries[name]
        self._publish()
        for file in sorted(newest, key=lambda file: file.name != self.chosen):
            if self._due(file):
                self._read(file)
                self._publish()
            if self._wake.is_set():
                return  # something else comes first
        self._publish()

    def _names(self) -> list[str]:
        """Return the names of all files that look like recordings; further parts do not count."""
        stems = (path.name.removesuffix(SUFFIX) for path in self.folder.glob(f"*{SUFFIX}"))
        odd = {stem for stem in stems if not Path(stem).suffix.startswith(".part")}
        return [*names(self.folder), *sorted(odd.difference(names(self.folder)))]

    def _found(self, name: str) -> RecordingFile:
        try:
            path = resolve(name, self.folder)
        except RecordingError as error:  # no such name can be played; or a link leads out
            path = self.folder / (name + SUFFIX)
            when = path.lstat()
            size = ((when.st_size, when.st_mtime_ns),)
            return RecordingFile(name, path, size, "wrong", {"why": text(error, 400)})
        seen = tuple((s.st_size, s.st_mtime_ns) for s in (one.stat() for one in parts(path)))
        file = self._files.get(name)
        if file is None or file.signature != seen:
            self._summaries.pop(name, None)
            file = RecordingFile(name, path, seen)
        return file

    def _due(self, file: RecordingFile) -> bool:
        chosen = file.name == self.chosen
        if file.state == "wrong" or (file.state == "read" and not chosen):
            return False
        if file.state == "read":
            return file.name not in self._summaries
        if is_live(file.path) or (
            file.bytes > SMALL_BYTES and time.time() - file.date < SETTLED_SECONDS
        ):
            file.state = "live"
        elif file.bytes > LARGE_BYTES and not chosen:
            file.state = "large"
        else:
            return True
        return False

    def _read(self, file: RecordingFile) -> None:
        try:
            recording = Recording.open(file.path)
            summary = Summary()
            told = time.monotonic()
            for block in recording.blocks():
                summary.add(block)
                time.sleep(PAUSE_SECONDS)
                if self._wake.is_set() and not (self._lookers and self.chosen == file.name):
                    file.facts = {}
                    return
                if time.monotonic() - told > PROGRESS_SECONDS:
                    told = time.monotonic()
                    file.facts = {"share": round(recording.progress, 3)}
                    self._publish()
        except Exception as error:  # noqa: BLE001 (a file may hold anything: the others go on)
            file.state, file.facts = "wrong", {"why": text(_sentence(error), 400)}
            return
        file.state = "read"
        file.facts = {
            "date": _date(recording, file),
            "seconds": summary.seconds,
            "sessions": summary.sessions,
            "rows": summary.rows,
            "damage": [text(one) for one in recording.damage[:5]],
            "damaged": len(recording.damage),
        }
        self._summaries.pop(file.name, None)
        while len(self._summaries) >= MAX_SUMMARIES:
            del self._summaries[next(iter(self._summaries))]
        self._summaries[file.name] = summary.news(file.name)

    def _publish(self) -> None:
        self.listed = [file.listed() for file in self._files.values()]


def _date(recording: Recording, file: RecordingFile) -> float:
    """Return when it began; a file that was copied has a date of its own."""
    began = recording.header.get("time")
    return round(began / 1e9, 3) if isinstance(began, int) and 0 < began < 2**63 else file.date


def _sentence(error: Exception) -> str:
    return said(error) if isinstance(error, RecordingError) else named(error)
