"""Recordings to and from HAR 1.2 as browsers save it (`_webSocketMessages` of Chrome's DevTools).

There "send" and "receive" are the client's: what it sent is a `message` here. Opcode 1 is text, any
other base64; times are seconds since 1970. Keys of our own stand under `_wsflow`.
"""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote, unquote, urlencode, urlsplit

import msgspec

from ..base.urls import parse_query
from ..errors import RecordingError
from ..events import ANSWERS
from .completeness import PROMISE, end_mark
from .folder import FOLDER, draft, unwritable
from .format import FORMAT, MAX_SECONDS, Entry, write_object
from .reader import Reader
from .redaction import Redaction

SENT = {"message": "send", **dict.fromkeys(ANSWERS, "receive")}
"""Kinds of our rows, and what the client calls them."""

TEXT, BINARY, CLOSE = 1, 2, 8
MAX_HAR = 2**30
"""Bytes a HAR may have: it is read whole."""

CONTROL = frozenset({CLOSE, 9, 10})

SAVE = (
    "open the browser's network panel before the page connects, then save all as HAR with content"
)

# ---- out


def to_har(reader: Reader, path: str | Path) -> Path:
    """Write the sessions of a recording as a HAR and return where.

    Raises:
        RecordingError: it has no sessions, or the file can not be written.
    """
    sockets: dict[str, dict[str, Any]] = {}
    for entry in reader.entries():
        if entry.opened is not None:
            who = str(entry.opened.get("id"))
            if who not in sockets:
                sockets[who] = _socket(entry.opened)
        elif entry.session in sockets:
            _add(sockets[entry.session], entry)
    if not sockets:
        raise RecordingError(f"{reader.path}: no sessions in it, so nothing for a HAR")
    creator = {"name": "wsflow", "version": str(FORMAT)}
    har = {"log": {"version": "1.2", "creator": creator, "entries": list(sockets.values())}}
    target = Path(path)
    try:
        target.write_bytes(msgspec.json.format(msgspec.json.encode(har), indent=1) + b"\n")
    except OSError as error:
        raise unwritable(target, error) from error
    return target


def _socket(facts: dict[str, Any]) -> dict[str, Any]:
    headers = {str(name): str(value) for name, value in _dict(facts.get("headers")).items()}
    query = urlencode(_dict(facts.get("query")), doseq=True)
    host = headers.get("host", "recorded")
    url = f"ws://{host}{quote(str(facts.get('path', '/')))}" + (f"?{query}" if query else "")
    nothing = {"headersSize": -1, "bodySize": -1, "cookies": [], "httpVersion": "HTTP/1.1"}
    own = {name: facts[name] for name in ("id", "peer", "params", "time") if name in facts}
    return {
        "_resourceType": "websocket",
        "startedDateTime": _moment(facts.get("time")),
        "time": 0.0,
        "request": nothing
        | {
            "method": str(facts.get("method", "GET")),
            "url": url,
            "headers": [{"name": name, "value": value} for name, value in headers.items()],
            "queryString": [
                {"name": str(name), "value": str(one)}
                for name, value in _dict(facts.get("query")).items()
                for one in (value if isinstance(value, list) else [value])
            ],
        },
        "response": nothing
        | {
            "status": 101,
            "statusText": "Switching Protocols",
            "headers": [],
            "content": {"size": 0, "mimeType": "x-unknown"},
            "redirectURL": "",
        },
        "cache": {},
        "timings": {"send": 0, "wait": 0, "receive": 0},
        "_webSocketMessages": [],
        "_wsflow": own,
    }


def _add(socket: dict[str, Any], entry: Entry) -> None:
    """Add a row to the entry of its session."""
    own = socket["_wsflow"]
    if entry.kind == "close":
        own["close"] = {"time": entry.time, "code": entry.code, "reason": entry.reason}
    elif entry.kind in SENT:
        value = entry.value
        is_text = not isinstance(value, bytes)
        text = value if isinstance(value, str) else json.dumps(value) if is_text else _base64(value)
        socket["_webSocketMessages"].append(
            {
                "type": SENT[entry.kind],
                "time": entry.time / 1e9,
                "opcode": TEXT if is_text else BINARY,
                "data": text.encode("utf-8", "replace").decode(),
            }
        )
    began = own.get("time")
    if isinstance(began, int):
        socket["time"] = socket["timings"]["receive"] = max(0.0, (entry.time - began) / 1e6)


# ---- in


class HarRow(NamedTuple):
    """A row to be, at a UTC time in nanoseconds."""

    time: int
    fields: dict[str, Any]


@dataclass
class Socket:
    """One entry of a HAR, read: a handshake, and its rows in order."""

    facts: dict[str, Any]
    rows: list[HarRow] = field(default_factory=list)

    def add(self, time: int, kind: str, **fields: Any) -> None:
        """Add a row; it is never before the one before."""
        time = max(time, self.rows[-1].time if self.rows else self.facts["time"])
        where = {"kind": kind, "node": "", "port": kind}
        who = {"session": self.facts["id"], "path": self.facts["path"]}
        self.rows.append(HarRow(time, where | who | fields))


def from_har(path: str | Path, name: str, folder: str | Path = FOLDER) -> Path:
    """Make a recording of the WebSocket connections in a HAR and return its file.

    Cookies, tokens and the like are replaced as at any capture.

    Raises:
        RecordingError: it is no HAR, has no messages, or is wrong somewhere; it says where.
        RecordingNameError: the name leads out of the folder.
    """
    har = _Har(Path(path))
    sockets = list(har.sockets())
    if not sockets:
        har.wrong(f"a HAR without WebSocket connections; {SAVE}")
    began = min(one.facts["time"] for one in sockets)
    end = max(one.rows[-1].time for one in sockets)
    if began < 0 or end - began > MAX_SECONDS * 10**9:
        har.wrong(
            f"it began {_moment(began)[:10]} and is {(end - began) / 1e9 / 86_400:,.0f} days long: "
            "a clock was wrong; correct its startedDateTime, or take that entry out"
        )
    order = sorted(
        (
            (row.time, number, at)
            for number, one in enumerate(sockets)
            for at, row in enumerate(one.rows)
        )
    )
    with draft(name, folder) as out:
        out.write(
            write_object(
                {
                    "wsflow": FORMAT,
                    "created": _moment(began),
                    "time": began,
                    "part": 1,
                    "flow": {},
                    "redacted": Redaction().names,
                    "from": {"har": Path(path).name, "creator": har.creator},
                    **PROMISE,
                }
            )
        )
        for seq, (time, number, at) in enumerate(order, 1):
            socket = sockets[number]
            if at == 0:
                out.write(write_object({"opened": socket.facts}))
            row = {"seq": seq, "t": round((time - began) / 1e9, 6), "time": time, "scope": seq}
            out.write(write_object(row | socket.rows[at].fields))
        out.write(end_mark())
    return out.path


class _Har:
    """A HAR file: read, checked, and able to say where something is wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if path.exists() and not path.is_file():
                self.wrong("a HAR is a file, which this is not")
            if path.stat().st_size > MAX_HAR:
                self.wrong(
                    f"it has {path.stat().st_size / 2**20:,.0f} MiB, and at most "
                    f"{MAX_HAR / 2**20:,.0f} are read; save fewer entries"
                )
            self.raw = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
        except OSError as error:
            raise RecordingError(f"{path}: can not be read: {error.strerror}") from error
        log = _dict(_dict(self._decoded()).get("log"))
        entries = log.get("entries")
        if not isinstance(entries, list):
            self.wrong(f"no HAR: there is no list at log.entries; {SAVE}")
        self.entries: list[Any] = entries
        self.creator = str(_dict(log.get("creator")).get("name", ""))
        self._ids: set[str] = set()

    def _decoded(self) -> Any:
        try:
            return msgspec.json.decode(self.raw)
        except RecursionError:
            self.wrong("no HAR: it is nested too deep")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            why, line = str(error), 1
            try:
                json.loads(self.raw)
            except json.JSONDecodeError as better:
                why, line = better.msg, better.lineno
            except UnicodeDecodeError as better:
                why, line = better.reason, self.raw.count(b"\n", 0, better.start) + 1
            self.wrong(f"no JSON, so no HAR: {why}; was it saved whole?", line=line)

    def wrong(self, why: str, *, near: Any = None, line: int = 1) -> NoReturn:
        """Raise, naming file, line and reason."""
        if near is not None:
            at = self.raw.find(msgspec.json.encode(near))
            line = self.raw.count(b"\n", 0, max(0, at)) + 1
        raise RecordingError(f"{self.path}, line {line}: {why}")

    def sockets(self) -> Iterator[Socket]:
        """Give the WebSocket connections."""
        for number, entry in enumerate(self.entries, 1):
            if not isinstance(entry, dict):
                self.wrong(f"entry {number} is no object", near=entry)
            messages = entry.get("_webSocketMessages")
            if messages is None and entry.get("_resourceType") != "websocket":
                continue
            if _refused(entry, messages):
                continue
            if not isinstance(messages, list):
                url = _dict(entry.get("request")).get("url")
                self.wrong(
                    f"the messages of entry {number} ({url}) were not saved; {SAVE}", near=url
                )
            yield self._socket(number, entry, messages)

    def _socket(self, number: int, entry: dict[str, Any], messages: list[Any]) -> Socket:
        own = _dict(entry.get("_wsflow"))
        request = _dict(entry.get("request"))
        socket = Socket(self._facts(number, entry, request, own))
        socket.add(socket.facts["time"], "req")
        for at, message in enumerate(messages, 1):
            if not isinstance(message, dict):
                self.wrong(f"entry {number}, message {at} is no object", near=message)
            self._message(socket, message, f"entry {number}, message {at}")
        closed = own.get("close", {} if "_wsflow" not in entry else None)
        if isinstance(closed, dict):
            end = socket.facts["time"] + (_nanoseconds(entry.get("time"), 1e6) or 0)
            code, reason = closed.get("code"), str(closed.get("reason") or "")
            fields = {"code": code, "reason": reason} if isinstance(code, int) else {}
            socket.add(_nanoseconds(closed.get("time"), 1) or end, "close", **fields)
        return socket

    def _facts(
        self, number: int, entry: dict[str, Any], request: dict[str, Any], own: dict[str, Any]
    ) -> dict[str, Any]:
        url, started = request.get("url"), entry.get("startedDateTime")
        try:
            parts = urlsplit(str(url))
            if parts.path and not parts.path.startswith("/"):
                self.wrong(f"entry {number}: {url!r:.100} is no ws:// address; {SAVE}", near=url)
            query = parse_query(parts.query)
            began = datetime.datetime.fromisoformat(str(started))
        except ValueError as error:
            self.wrong(f"entry {number}: {error}; {SAVE}", near=url)
        if began.tzinfo is None:
            began = began.replace(tzinfo=datetime.UTC)
        who = str(own.get("id") or f"h{number}")
        if who in self._ids:
            who = f"{who}~{number}"
        self._ids.add(who)
        headers = request.get("headers")
        return Redaction().clean_facts(
            {
                "id": who,
                "peer": str(own.get("peer", "")),
                "path": unquote(parts.path) or "/",
                "method": str(request.get("method") or "GET"),
                "params": {name: str(value) for name, value in _dict(own.get("params")).items()},
                "query": query,
                "headers": {
                    str(one["name"]).lower(): str(one.get("value", ""))
                    for one in (headers if isinstance(headers, list) else [])
                    if isinstance(one, dict) and "name" in one
                },
                "time": _nanoseconds(own.get("time"), 1) or _utc(began),
            }
        )

    def _message(self, socket: Socket, message: dict[str, Any], where: str) -> None:
        kind, opcode, data = message.get("type"), message.get("opcode"), message.get("data")
        time = _nanoseconds(message.get("time"), 1e9)
        if time is None:
            self.wrong(f"{where} has no time in seconds; {SAVE}", near=message)
        if kind == "error":
            socket.add(time, "error", error=str(data))
            return
        if kind not in {"send", "receive"}:
            self.wrong(f"{where} was neither sent nor received: {kind!r}", near=kind)
        if opcode in CONTROL:
            return
        if not isinstance(data, str) or not isinstance(opcode, int):
            self.wrong(f"{where} has no data; {SAVE}", near=data)
        ours = "message" if kind == "send" else "response"
        if opcode == TEXT:
            socket.add(time, ours, data=data, size=len(data.encode()))
            return
        try:
            size = len(base64.b64decode(data, validate=True))
        except ValueError as error:
            self.wrong(
                f"{where} is binary (opcode {opcode}), but its data is no base64: {error}; "
                "save the HAR again, or take this message out",
                near=data,
            )
        socket.add(time, ours, bytes=data, size=size)


# ---- small things


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _refused(entry: dict[str, Any], messages: Any) -> bool:
    """Whether a handshake came to nothing: its status says so, and no message was seen."""
    status = _dict(entry.get("response")).get("status")
    seen = messages if isinstance(messages, list) else []
    return (
        isinstance(status, int)
        and (status == 0 or status >= 300)
        and all(isinstance(one, dict) and one.get("type") == "error" for one in seen)
    )


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _nanoseconds(value: Any, unit: float) -> int | None:
    """Return a time in nanoseconds; None when it is none, or beyond all calendars."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value * unit < 2**63:
        return round(value * unit)
    return None


def _utc(moment: datetime.datetime) -> int:
    since = moment - datetime.datetime.fromtimestamp(0, datetime.UTC)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1_000


def _moment(time: Any) -> str:
    """Return a UTC time in nanoseconds as ISO 8601, to the millisecond."""
    seconds = (_nanoseconds(time, 1) or 0) / 1e9
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
