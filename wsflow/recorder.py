"""Writes what happens to a file, as it happens: append-only, a line a row.

One `write` a turn of the loop, at most one turn behind; `fsync` once a second in a thread. After
`kill -9` every line that was written is there; after a power cut at most a second is missing.
Opposite: `recording.py` reads.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from . import lines
from .errors import RecordingError
from .folder import FOLDER, keep_previous, part, resolve
from .snapshot import REDACTED, SECRET_HEADERS, SECRET_QUERY, Snapshot
from .tape import Known, Place, Tape

FORMAT = 1
"""The number of the file format; see `recording.CONVERTERS`."""

PART_BYTES = 256 * 2**20
"""A recording goes on in another file when its file has grown to this."""

SYNC_SECONDS = 1.0


class Recorder:
    """A recording in the making. Starts at once; stop it, or use it with `with`.

    A recording of the same name that was there is kept beside it under a number (`lesson1-1`).
    """

    def __init__(
        self,
        name: str,
        tape: Tape,
        describe: Callable[[], dict[str, Any]],
        *,
        folder: str | Path = FOLDER,
        redact: Iterable[str] = (),
        part_bytes: int = PART_BYTES,
        on_stop: Callable[[], object] = lambda: None,
    ) -> None:
        self.path = resolve(name, folder)
        self.name = self.path.name.removesuffix(".jsonl")
        self.rows = 0
        self.failed: str | None = None
        """Why it stopped by itself, if it did."""
        self._tape, self._describe, self._on_stop = tape, describe, on_stop
        self._redact = _Redaction(redact)
        self._part_bytes, self._part = part_bytes, 0
        self._file = -1
        self._size = 0
        self._began = time.monotonic()
        self._last_t = 0.0
        self._next = tape.seq + 1
        self._known: set[int] = set()
        self._heads: dict[tuple[int, int], bytes] = {}
        self._places: list[Place] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.kept = keep_previous(self.path)
            self._open_part()
        except OSError as error:
            raise RecordingError(f"{self.path}: can not be written: {error.strerror}") from error
        self._detach = tape.attach(self.flush)
        self._syncer = threading.Thread(
            target=self._sync, name=f"wsflow recorder {self.name}", daemon=True
        )
        self._syncer.start()

    @property
    def running(self) -> bool:
        """Whether rows are still written."""
        return self._file >= 0

    def mark(self, text: str) -> None:
        """Write a remark, to find the place again: `recording.mark("lesson 2 starts")`."""
        if not self.running:
            raise RecordingError(f"recording {self.name!r} has stopped; a mark would be lost")
        place = self._tape.place("mark", "", "recording")
        self._tape.tell(place, 0, 0, 0, text, len(text))
        self.flush()

    def stop(self) -> Path:
        """Write what is left, close the file and return its path. Harmless twice."""
        if self.running:
            self.flush()
            self._finish()
        return self.path

    # ---- writing

    def flush(self) -> None:
        """Write the rows that were told since; a full disk ends the recording, nothing else."""
        with self._lock:
            if not self.running:
                return
            try:
                self._write(self._new_lines())
                if self._size >= self._part_bytes:
                    self._open_part()
                return
            except OSError as error:
                self.failed = f"{self.path}: {error.strerror or error}"
        self._finish()
        self._tell_failure()

    def _new_lines(self) -> bytes:
        tape, written = self._tape, []
        offset = time.monotonic() - self._began - tape.now() / 1e9
        self._places = tape.places()
        for row in tape.since(self._next):
            if row[0] > self._next:
                written.append(self._gap(row[0] - self._next))
            self._next = row[0] + 1
            written.append(self._line(row, offset))
        self.rows += len(written)
        return b"".join(written)

    def _line(self, row: tuple[Any, ...], offset: float) -> bytes:
        seq, when, place, session, scope, cause, data, size, elapsed, error = row
        before = b""
        if session and session not in self._known:
            before = self._handshake(session)
        head = self._heads.get((place, session))
        if head is None:
            head = self._heads[place, session] = self._head(place, session)
        t = self._last_t = max(self._last_t, when / 1e9 + offset)
        body = b'"seq":%d,"t":%.6f,"time":%d,"scope":%d,"cause":%d,%b,"size":%d%b' % (
            seq, t, when, scope, cause, head, size, self._redact.data(data)
        )  # fmt: skip
        if elapsed is not None or error is not None:
            body += self._rest(elapsed, error)
        if session and self._places[place].kind == "close":
            body += self._ending(session)
        return before + lines.write(body)

    def _head(self, place: int, session: int) -> bytes:
        where = self._places[place]
        known = self._tape.known(session) if session else None
        fields: dict[str, Any] = {"kind": where.kind, "node": where.node, "port": where.port}
        if known is not None:
            fields |= {"session": known.id, "path": known.path}
        elif where.path:
            fields["path"] = where.path
        return msgspec.json.encode(fields)[1:-1]

    def _handshake(self, session: int) -> bytes:
        self._known.add(session)
        known = self._tape.known(session)
        return b"" if known is None else lines.write_object({"opened": self._redact.facts(known)})

    def _rest(self, elapsed: float | None, error: str | None) -> bytes:
        body = b"" if elapsed is None else b',"elapsed":%.6f' % elapsed
        return body if error is None else body + b',"error":' + msgspec.json.encode(error)

    def _ending(self, session: int) -> bytes:
        known = self._tape.known(session)
        if known is None or known.code is None:
            return b""
        return b',"code":%d,"reason":%b' % (known.code, msgspec.json.encode(known.reason))

    def _gap(self, missing: int) -> bytes:
        text = f"{missing} rows were dropped before they could be recorded"
        return lines.write_object(
            {"seq": self._next, "t": self._last_t, "kind": "gap", "error": text}
        )

    def _header(self) -> bytes:
        return lines.write_object(
            {
                "wsflow": FORMAT,
                "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
                "time": self._tape.now(),
                "part": self._part,
                "flow": self._describe(),
                "redacted": self._redact.names,
            }
        )

    def _open_part(self) -> None:
        """Begin a file: ours alone (0600), never through a link, never over another one."""
        self._close_file()
        self._part += 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        self._file = os.open(part(self.path, self._part), flags, 0o600)
        self._size = 0
        self._known.clear()  # each part can be read alone
        self._write(self._header())

    def _write(self, data: bytes) -> None:
        """Write all of it, or leave the file as if none had been."""
        start, view = self._size, memoryview(data)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, start)
            raise
        self._size += len(data)

    # ---- ending

    def _finish(self) -> None:
        self._detach()
        self._over.set()
        with self._lock:
            self._close_file()
        self._on_stop()

    def _close_file(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            with contextlib.suppress(OSError):
                os.fsync(file)
            os.close(file)

    def _tell_failure(self) -> None:
        tape, text = self._tape, f"recording {self.name!r} stopped: {self.failed}"
        tape.tell(tape.place("error", "", "recording"), 0, 0, 0, None, 0, None, text)
        missing = f"nothing after row {self._next - 1} is in {self.path.name}"
        tape.tell(tape.place("gap", "", "recording"), 0, 0, 0, None, 0, None, missing)

    def _sync(self) -> None:
        synced = 0
        while not self._over.wait(SYNC_SECONDS):
            with self._lock:
                file, size = (os.dup(self._file) if self._file >= 0 else -1), self._size
            if file >= 0:
                with contextlib.suppress(OSError):
                    if size != synced:
                        os.fsync(file)
                        synced = size
                os.close(file)

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


class _Redaction:
    """What leaves at capture: the handshake's usual secrets, and JSON keys the user named."""

    def __init__(self, names: Iterable[str]) -> None:
        self._own = frozenset(name.lower() for name in names)

    @property
    def names(self) -> list[str]:
        """What the header says was taken out."""
        return sorted({*SECRET_HEADERS, *SECRET_QUERY, *self._own})

    def data(self, data: Any) -> bytes:
        """Return `,"data":...` or `,"bytes":...` for what travelled."""
        kind = type(data)
        if kind is str:
            text = msgspec.json.encode(data)
            if self._own and any(name in data.lower() for name in self._own):
                text = self._text(data, text)
            return b',"data":' + text
        if data is None:
            return b""
        if kind is bytes:
            return b',"bytes":' + msgspec.json.encode(data)
        value = data.unpack() if kind is Snapshot else data
        if self._own:
            value = self.clean(value)
        return b',"data":' + msgspec.json.encode(lines.wrapped(value), enc_hook=str)

    def _text(self, data: str, text: bytes) -> bytes:
        """Redact inside a message that is JSON; other text is left as it is."""
        try:
            value = msgspec.json.decode(data)
        except msgspec.DecodeError:
            return text
        clean = self.clean(value)
        return text if clean == value else msgspec.json.encode(msgspec.json.encode(clean).decode())

    def clean(self, value: Any) -> Any:
        """Return a value without the secrets the user named, however deep."""
        if isinstance(value, dict):
            return {
                key: REDACTED if str(key).lower() in self._own else self.clean(one)
                for key, one in value.items()
            }
        return [self.clean(one) for one in value] if isinstance(value, list) else value

    def facts(self, known: Known) -> dict[str, Any]:
        """Return a handshake for its line; its usual secrets went when it was told."""
        facts = {
            "id": known.id,
            "peer": known.peer,
            "path": known.path,
            "method": known.method,
            "params": known.params,
            "query": known.query,
            "headers": known.headers,
            "time": known.opened,
        }
        clean: dict[str, Any] = self.clean(facts)
        return clean
