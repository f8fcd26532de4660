"""Writes what happens to a file, as it happens: append-only, a line a row.

One `write` a turn of the loop, at most one turn behind, and before the log drops what was not
written yet; `fsync` once a second in a thread. After `kill -9` every line that was written is
there; after a power cut at most a second is missing. Opposite: `reader.py` reads.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from ..base.forks import blind, hold
from ..base.snapshot import escaped
from ..base.threads import started
from ..errors import RecordingError
from ..log.store import OVERHEAD, Store
from ..tracebacks import named
from ..types import texts
from . import format as lines
from .completeness import PROMISE, end_mark, lost_rows
from .folder import FOLDER, SUFFIX, create, keep_previous, part, release, resolve, unwritable
from .format import FORMAT, NewEntry
from .redaction import Redaction

PART_BYTES = 256 * 2**20
"""A recording goes on in another file when its file has grown to this."""

SYNC_SECONDS = 1.0

PARTING = 0.1
"""Seconds `stop` waits for the disk; a slower one is left to the thread."""

MAX_ERROR = 2**20
"""Characters of an error's text that are kept."""

BATCH_BYTES = 4 * 2**20
"""Bytes of rows that are made lines of at once: a burst takes several rounds, not much memory."""

SHORT = 2**16
"""Bytes of text that is surely not too long for a line."""

UNABLE = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}
"""What `fsync` says where there is nothing to sync."""


class Chunk(NamedTuple):
    """Rows that were told since the last one, as lines."""

    data: bytes
    rows: int
    next: int
    """The `seq` that comes after them."""


class Head(NamedTuple):
    """What rows of one session at one place share."""

    kind: str
    node: str
    port: str
    session: str | None
    path: str


class Recorder:
    """A recording in the making. Starts at once; stop it, or use it with `with`.

    A recording of the same name that was there is kept beside it under a number (`lesson1-1`).
    `rows` says how many rows are in the file: those survive a crash of this process.
    """

    def __init__(
        self,
        name: str,
        store: Store,
        describe: Callable[[], dict[str, Any]],
        *,
        folder: str | Path = FOLDER,
        redact: Iterable[str] = (),
        part_bytes: int = PART_BYTES,
        on_stop: Callable[[], object] = lambda: None,
        call: Callable[[Callable[[], object]], object] | None = None,
    ) -> None:
        self.path = resolve(name, folder)
        self.name = self.path.name.removesuffix(SUFFIX)
        self.rows = 0
        self.failed: str | None = None
        """Why it stopped by itself, if it did."""
        self._store, self._describe, self._on_stop = store, describe, on_stop
        self._call = call
        self._redaction = Redaction(texts(redact))
        self._part_bytes, self._part = part_bytes, 0
        self._file = -1
        self._size = 0
        self._retired: list[int] = []
        self._trouble: OSError | None = None
        self._began = time.monotonic_ns()
        self._last_t = 0
        self._next = store.seq + 1
        self._present: dict[int, dict[str, Any]] = {}
        """The handshakes that are in the file, by the session's number."""
        self._heads: dict[int, dict[int, Head]] = {}
        """What rows of a session and a place share."""
        self._lost = self._long = 0
        """Rows that were dropped unseen, and data that was too long for a line."""
        self._lock = threading.Lock()
        self._over = threading.Event()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.kept = keep_previous(self.path)
            self._open_part()
        except OSError as error:
            self._undo()
            raise unwritable(self.path, error) from error
        except BaseException:
            self._undo()
            raise
        self._detach = store.attach(self.flush)
        hold(self)
        self._syncer = started(self._sync, f"wsflow recorder {self.name}")

    @property
    def running(self) -> bool:
        """Whether rows are still written."""
        return self._file >= 0

    @property
    def seconds(self) -> float:
        """How long ago it began."""
        return (time.monotonic_ns() - self._began) / 1e9

    def mark(self, text: str) -> None:
        """Write a remark, to find the place again: `recording.mark("lesson 2 starts")`.

        Raises:
            RecordingError: the recording has stopped.
        """
        if self.running:
            self._here(lambda: self._mark(text))
        if not self.running:
            why = f": {self.failed}" if self.failed else "; a mark would be lost"
            raise RecordingError(f"recording {self.name!r} has stopped{why}")

    def stop(self) -> Path:
        """Write what is left, close the file and return its path. Harmless twice, in any thread."""
        if self.running:
            self._flush(last=True)
            self._finish()
            if self._syncer is None:  # nobody else could: this once the loop waits for the disk
                self._sync()
            else:
                self._syncer.join(PARTING)
            if self._trouble is not None and self.failed is None:
                self._fail(self._trouble)
        return self.path

    def _here(self, do: Callable[[], object]) -> None:
        """Do something in the flow's loop: only there the store is told."""
        if self._call is None:
            do()
        else:
            self._call(do)

    def _mark(self, text: str) -> None:
        place = self._store.place("mark", "", "recording")
        self._store.tell(place, 0, 0, 0, text, len(text))
        self.flush()

    # ---- writing

    def flush(self) -> None:
        """Write the rows that were told since; a full disk ends the recording, nothing else."""
        self._flush()

    def _flush(self, *, last: bool = False) -> None:
        with self._lock:
            if not self.running:
                return
            try:
                if self._trouble is not None:
                    raise self._trouble  # noqa: TRY301 (what the thread found is met here)
                told = self._store.since(self._next)
                while (batch := self._batch(told)).data:
                    self._put_batch(batch)
                if last:
                    self._write(end_mark(lost_rows(self._lost, self._long)))
                    self._retire()
                return
            except Exception as error:  # noqa: BLE001 (law 3: an observer breaks nothing)
                wrong = error
            self._retire()
        self._finish()
        self._fail(wrong)

    def _put_batch(self, batch: Chunk) -> None:
        """Write a batch; on a full disk as many lines of it as there is room for."""
        before = self._size
        try:
            self._write(batch.data)
        except OSError:
            kept = map(lines.read, batch.data[: self._size - before].split(b"\n")[:-1])
            rows = [entry for entry in kept if entry.opened is None]
            if rows:
                self.rows, self._next = self.rows + len(rows), rows[-1].seq + 1
            raise
        self.rows, self._next = self.rows + batch.rows, batch.next
        if self._size >= self._part_bytes:
            self._open_part()

    def _batch(self, told: Iterator[tuple[Any, ...]]) -> Chunk:
        """Return what was told since the last batch, as much of it as is good for one."""
        expected, last, rows, room = self._next, self._last_t, 0, BATCH_BYTES
        offset = time.monotonic_ns() - self._began - self._store.now()
        heads, is_plain = self._heads, not self._redaction.has_own
        written: list[NewEntry | Raw] = []
        put = written.append
        for seq, when, place, session, scope, cause, data, size, elapsed, error in told:
            if when + offset > last:
                last = when + offset
            if seq > expected:
                put(_gap(expected, seq - expected, when, last))
                self._lost += seq - expected
                rows += 1
            expected, rows, t = seq + 1, rows + 1, last // 1000 / 1e6
            try:
                head = heads[session][place]
            except KeyError:
                head = self._new_head(place, session, put)
            kind, node, port, who, path = head
            # what comes by the million is told here, all else with more care
            if type(data) is str and is_plain and size < SHORT and data.isascii():
                line = NewEntry(seq, t, when, scope, cause, kind, node, port, who, path, size, data)
            else:
                line = NewEntry(seq, t, when, scope, cause, kind, node, port, who, path, size)
                self._put_data(line, data)
            if elapsed is not None or error is not None or kind == "close":
                self._put_rest(line, session, elapsed, error)
            put(line)
            room -= size + OVERHEAD
            if room < 0:
                break
        self._last_t = last
        return Chunk(lines.write_all(written), rows, expected)

    def _put_data(self, line: NewEntry, data: Any) -> None:
        json, raw = self._redaction.field(data)
        if len(json or b"") + len(raw or b"") * 4 // 3 > lines.MAX_LINE - 2**20:
            self._long += 1
            line.error = f"data of {line.size} bytes is too long for a recording"
        elif json is not None:
            line.data = Raw(json)
        else:
            line.bytes = raw

    def _put_rest(
        self, line: NewEntry, session: int, elapsed: float | None, error: str | None
    ) -> None:
        if elapsed is not None:
            line.elapsed = round(elapsed, 6)
        if error is not None:
            line.error = escaped(self._redaction.text(error)[:MAX_ERROR])
        if session and line.kind == "close":
            self._put_ending(line, session)

    def _put_ending(self, line: NewEntry, session: int) -> None:
        """Tell how a session ended, and forget it: a server may see millions of them."""
        del self._present[session], self._heads[session]
        known = self._store.known(session)
        if known is not None and known.code is not None:
            line.code, line.reason = known.code, escaped(self._redaction.text(known.reason))

    def _new_head(self, place: int, session: int, put: Callable[[Raw], object]) -> Head:
        """Return what rows of a place and a session share; before the session's first row its
        handshake is written.
        """
        if session and session not in self._present:
            facts = self._present[session] = self._facts(session)
            if facts:
                put(Raw(msgspec.json.encode({"opened": facts}, enc_hook=str)))
        facts = self._present.get(session, {})
        where = self._store.places()[place]
        head = Head(
            where.kind,
            escaped(where.node),
            escaped(where.port),
            facts.get("id"),
            escaped(facts.get("path", where.path)),
        )
        self._heads.setdefault(session, {})[place] = head
        return head

    def _facts(self, session: int) -> dict[str, Any]:
        known = self._store.known(session)
        return {} if known is None else self._redaction.facts(known)

    def _header(self) -> bytes:
        return lines.write_object(
            {
                "wsflow": FORMAT,
                "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
                "time": self._store.now(),
                "part": self._part,
                "flow": self._describe(),
                "redacted": self._redaction.names,
                **PROMISE,
            }
        )

    def _open_part(self) -> None:
        self._retire()
        self._part += 1
        self._file = create(part(self.path, self._part))
        self._size = 0
        self._present.clear()  # each part can be read alone
        self._heads.clear()
        self._write(self._header())

    def _write(self, data: bytes) -> None:
        """Write all of it; where the disk is full, as many lines as there is room for."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            kept = data.rfind(b"\n", 0, len(data) - len(view)) + 1
            self._size += kept
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)

    # ---- ending

    def _finish(self) -> None:
        self._here(self._detach)
        with self._lock:
            self._retire()
        self._over.set()
        self._on_stop()

    def _retire(self) -> None:
        """Leave the file that is open to the thread, which syncs and closes it."""
        if self._file >= 0:
            release(self._file)
            self._retired.append(self._file)
            self._file = -1

    def _undo(self) -> None:
        """Leave nothing of a recording that could not begin."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            self.path.unlink(missing_ok=True)

    def _fail(self, error: Exception) -> None:
        """Say loudly, once, what is not in the file."""
        why = error.strerror if isinstance(error, OSError) else None
        self.failed = f"{self.path}: {why or named(error)}"
        store, name = self._store, self.path.name

        def tell() -> None:
            for kind, text in (
                ("error", f"recording {self.name!r} stopped: {self.failed}"),
                ("gap", f"nothing from row {self._next} on is in {name}"),
            ):
                store.tell(store.place(kind, "", "recording"), 0, 0, 0, None, 0, None, text)

        self._here(tell)

    # ---- the thread: a slow disk is waited for here

    def _sync(self) -> None:
        synced = 0
        over = False
        while not over:
            over = self._over.wait(SYNC_SECONDS)
            with self._lock:
                retired, self._retired = self._retired, []
                size = self._size
                file = os.dup(self._file) if self._file >= 0 else -1
            for old in retired:
                self._to_disk(old)
            if file >= 0 and size != synced:
                self._to_disk(file)
                synced = size
            elif file >= 0:
                self._look(file)
            if self._trouble is not None and not over and self._call is not None:
                with contextlib.suppress(Exception):  # the loop is blocked: the next row tells it
                    self._call(self.flush)

    def _to_disk(self, file: int) -> None:
        try:
            os.fsync(file)
        except OSError as error:
            if error.errno not in UNABLE:
                self._trouble = error
        self._look(file)

    def _look(self, file: int) -> None:
        """See whether a file still has a name, and close it."""
        if os.fstat(file).st_nlink == 0:
            self._trouble = OSError(errno.ENOENT, "the file was deleted")
        os.close(file)

    def forked(self) -> None:
        """This is a child now: what it does is not recorded, nor may it write or lock this file."""
        blind([self._file, *self._retired])
        self._lock, self._file, self._retired = threading.Lock(), -1, []
        self._detach()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "recording" if self.running else f"failed: {self.failed}" if self.failed else "done"
        kept = f", the previous one is {self.kept.name}" if self.kept else ""
        return f"<Recorder {self.name} {state} {self.rows} rows in {self.path}{kept}>"


def _gap(seq: int, missing: int, when: int, t: int) -> Raw:
    text = f"{missing} rows were dropped before they could be recorded"
    row = {"seq": seq, "t": t / 1e9, "time": when, "kind": "gap", "error": text}
    return Raw(msgspec.json.encode(row))
