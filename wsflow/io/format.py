"""One line of a recording: a JSON object whose first key is a checksum of all the rest.

    {"crc":"1c291ca3","seq":1,"t":0.0,"time":1795350248466469259,"kind":"req",...}

The checksum is CRC-32 (hexadecimal) over the bytes behind its comma, up to the line's end, so a
line that was cut or flipped anywhere is never taken for a row.
"""

from __future__ import annotations

import base64
import contextlib
import math
import re
import zlib
from collections.abc import Callable
from typing import Annotated, Any, Required, TypeAlias, TypedDict

import msgspec

from ..base.snapshot import Snapshot, describe, escaped, is_unicode
from ..errors import DamagedLineError

FORMAT = 1
"""The number of the file format; see `reader.CONVERTERS`."""

START = b'{"crc":"'
CHECKED = START + b'%08x",'
BODY = len(START) + 10
"""Where the part that is checked begins: behind the checksum, its quote and the comma."""

MAX_LINE = 64 * 2**20
"""Bytes a line may have; a message of 17 MiB in base64 has 24."""

MAX_DEPTH = 100
"""Values nested deeper than this are told as text."""

BYTES, TEXT, FLOAT, PLAIN = "$bytes", "$text", "$float", "$plain"
"""Only keys of objects that stand for what JSON has no word for: bytes as base64, text with lone
surrogates as the base64 of its bytes, numbers that are none ("nan"), objects that look like these.
"""


MAX_SECONDS = 10 * 366 * 86_400
"""How long a recording may be: what is longer has a clock that was set meanwhile."""

Number: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""What a column of a table can hold."""

Path: TypeAlias = Annotated[str, msgspec.Meta(pattern="^/")]


class Facts(TypedDict, total=False):
    """What a handshake has to look like; more keys may be there."""

    id: Required[str]
    path: Required[Path]
    peer: str
    method: str
    params: dict[str, str]
    query: dict[str, str | list[str]]
    headers: dict[str, str]
    time: Number


class Entry(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One line, read. A header has `wsflow`, a handshake `opened`, the rest are rows."""

    seq: Number = 0
    t: Annotated[float, msgspec.Meta(ge=0, le=MAX_SECONDS)] = 0.0
    """Seconds since the recording started; never goes back."""
    time: Number = 0
    """UTC in nanoseconds."""
    scope: Number = 0
    cause: Number = 0
    kind: str = ""
    node: str = ""
    port: str = ""
    session: str | None = None
    path: str = ""
    data: Any = None
    bytes: str | None = None
    size: Number = 0
    elapsed: float | None = None
    error: str | None = None
    code: Number | None = None
    reason: str = ""
    opened: dict[str, Any] | None = None
    wsflow: int | None = None

    @property
    def value(self) -> Any:
        """What travelled: `data`, or the bytes that stand as base64."""
        if self.bytes is not None:
            return base64.b64decode(self.bytes)
        if not isinstance(self.data, dict | list):
            return self.data
        try:
            return unwrapped(self.data)
        except RecursionError:  # deeper than a recorder writes
            return self.data


class NewEntry(msgspec.Struct, omit_defaults=True, gc=False):
    """A row to be written, as `Entry` is one that was read.

    `data` is ASCII or JSON already (see `data`), text is Unicode.
    """

    seq: int
    t: float
    time: int
    scope: int
    cause: int
    kind: str
    node: str
    port: str
    session: str | None = None
    path: str = ""
    size: int = -1  # no row has that: it is always written
    data: str | msgspec.Raw | None = None
    bytes: Any = None
    elapsed: float | None = None
    error: str | None = None
    code: int | None = None
    reason: str | None = None


def write_all(some: list[NewEntry | msgspec.Raw]) -> bytes:
    """Return the lines of rows, and of whatever else is JSON."""
    if not some:
        return b""
    written: list[bytes] = []
    for body in _encode_lines(some)[1:-1].split(b"\n{"):
        written += CHECKED % zlib.crc32(body), body, b"\n"
    return b"".join(written)


def write(body: bytes) -> bytes:
    """Return a line for the inside of a JSON object: `"seq":1,"t":0.0,...` without braces."""
    rest = body + b"}"
    return CHECKED % zlib.crc32(rest) + rest + b"\n"


def write_object(value: dict[str, Any]) -> bytes:
    """Return a line for a JSON object."""
    return write(msgspec.json.encode(value, enc_hook=str)[1:-1])


def read(line: bytes) -> Entry:
    """Return what a line (without its end) says.

    Raises:
        DamagedLineError: its checksum is wrong, or it is no line of a recording.
    """
    check_line(line)
    try:
        entry = _decode(line)
        if entry.bytes is not None:
            base64.b64decode(entry.bytes, validate=True)
        if entry.opened is not None:
            msgspec.convert(entry.opened, Facts)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DamagedLineError(f"it is no row: {error}") from error
    return entry


def read_all(some: list[bytes]) -> list[Entry] | None:
    """Return what lines say, or None where one of them is damaged: `read` finds out which.

    Takes half the time of reading each alone.
    """
    sums = tuple([zlib.crc32(line[BODY:]) for line in some])
    if b"".join([line[:BODY] for line in some]) != CHECKED * len(sums) % sums:
        return None
    try:
        entries = list(map(_decode, some))
        for encoded in [entry.bytes for entry in entries if entry.bytes is not None]:
            base64.b64decode(encoded, validate=True)
        for facts in [entry.opened for entry in entries if entry.opened is not None]:
            msgspec.convert(facts, Facts)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return entries


def read_object(line: bytes) -> dict[str, Any]:
    """Return a line as a plain dict, with the keys this version does not know.

    Raises:
        DamagedLineError: its checksum is wrong, or it is no line of a recording.
    """
    check_line(line)
    try:
        value = _decode_object(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise DamagedLineError(f"it is no row: {error}") from error
    value.pop("crc", None)
    return value


def check_line(line: bytes) -> None:
    """Raise `DamagedLineError` unless the checksum fits."""
    if line[: len(START)] != START or line[BODY - 2 : BODY] != b'",':
        raise DamagedLineError("it does not begin with a checksum")
    if line[len(START) : BODY - 2] != b"%08x" % zlib.crc32(memoryview(line)[BODY:]):
        raise DamagedLineError("its checksum is wrong")


# ---- values

_MORE_THAN_JSON = re.compile(rb"[$\xc4-\xcb\xd4-\xd8]")
"""In MessagePack: bytes, floats and extensions, or an object that could look special. Some letters
have these bytes too: their text takes the longer way.
"""


def data(value: Any) -> bytes:
    """Return any value as JSON that `Entry.value` turns back. Never raises."""
    try:
        return msgspec.json.encode(wrapped(value), enc_hook=str)
    except Exception:  # noqa: BLE001 (a hook, or a number of more digits than Python writes)
        return msgspec.json.encode(escaped(describe(value)))


def snapshot(taken: Snapshot) -> bytes:
    """Return what `data` returns for a snapshot, sooner where it has nothing but JSON's own."""
    value = taken.unpack()
    if not _MORE_THAN_JSON.search(taken.packed):
        with contextlib.suppress(TypeError):  # keys that JSON does not have
            body = msgspec.json.encode(value)
            if body.count(b"[") + body.count(b"{") < MAX_DEPTH:
                return body
    return data(value)


def wrapped(value: Any, depth: int = 0) -> Any:
    """Return a value for JSON: what JSON has no word for becomes `{"$bytes": base64}` or alike."""
    kind = type(value)
    if kind is str:
        return (
            value if is_unicode(value) else {TEXT: _base64(value.encode("utf-8", "surrogatepass"))}
        )
    if kind is bytes:
        return {BYTES: _base64(value)}
    if kind is float and not math.isfinite(value):
        return {FLOAT: str(value)}
    if depth > MAX_DEPTH:
        return describe(value)
    if isinstance(value, dict):
        plain = {
            key if type(key) is str else str(key): one
            if type(one) in _AS_IT_IS or (type(one) is str and one.isascii())
            else wrapped(one, depth + 1)
            for key, one in value.items()
        }
        return {PLAIN: plain} if _is_special(plain) else plain
    if isinstance(value, list | tuple):
        return [one if type(one) in _AS_IT_IS else wrapped(one, depth + 1) for one in value]
    return value


def unwrapped(value: Any) -> Any:
    """Return what was wrapped."""
    if isinstance(value, dict):
        if _is_special(value):
            ((key, one),) = value.items()
            try:
                return _SPECIAL[key](one)
            except (ValueError, TypeError, AttributeError, KeyError):
                pass  # not of our making
        return {key: unwrapped(one) if type(one) in _DEEP else one for key, one in value.items()}
    if isinstance(value, list):
        return [unwrapped(one) if type(one) in _DEEP else one for one in value]
    return value


def _is_special(value: dict[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith("$")


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _from_base64(value: str) -> bytes:
    return base64.b64decode(value, validate=True)


def _from_plain(value: dict[str, Any]) -> dict[str, Any]:
    return {key: unwrapped(one) for key, one in value.items()}


_AS_IT_IS = frozenset({int, bool, type(None)})
_DEEP = frozenset({dict, list})

_SPECIAL: dict[str, Callable[[Any], Any]] = {
    BYTES: _from_base64,
    TEXT: lambda value: _from_base64(value).decode("utf-8", "surrogatepass"),
    FLOAT: {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}.__getitem__,
    PLAIN: _from_plain,
}

_encode_lines = msgspec.json.Encoder().encode_lines
_decode = msgspec.json.Decoder(Entry).decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
