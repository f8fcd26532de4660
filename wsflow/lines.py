"""One line of a recording: a JSON object whose first key is a checksum of all the rest.

    {"crc":"1c291ca3","seq":1,"t":0.0,"time":1795350248466469259,"kind":"req",...}

The checksum is CRC-32 (hexadecimal) over the bytes behind its comma, up to the line's end, so a
line that was cut or flipped anywhere is never taken for a row.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Any

import msgspec

from .errors import DamagedLineError

START = b'{"crc":"'
BODY = len(START) + 10
"""Where the part that is checked begins: behind the checksum, its quote and the comma."""

MAX_LINE = 64 * 2**20
"""Bytes a line may have; a message of 17 MiB in base64 has 24."""

RAW = "$bytes"
"""The key under which bytes inside other data stand, as base64."""


class Entry(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One line, read. A header has `wsflow`, a handshake `opened`, the rest are rows."""

    seq: int = 0
    t: float = 0.0
    """Seconds since the recording started; never goes back."""
    time: int = 0
    """UTC in nanoseconds."""
    scope: int = 0
    cause: int = 0
    kind: str = ""
    node: str = ""
    port: str = ""
    session: str | None = None
    path: str = ""
    data: Any = None
    bytes: str | None = None
    size: int = 0
    elapsed: float | None = None
    error: str | None = None
    code: int | None = None
    reason: str = ""
    opened: dict[str, Any] | None = None
    wsflow: int | None = None

    @property
    def value(self) -> Any:
        """What travelled: `data`, or the bytes that stand as base64."""
        if self.bytes is not None:
            return base64.b64decode(self.bytes)
        return _unwrapped(self.data) if isinstance(self.data, dict | list) else self.data


def write(body: bytes) -> bytes:
    """Return a line for the inside of a JSON object: `"seq":1,"t":0.0,...` without braces."""
    rest = body + b"}"
    return b'%b%08x",%b\n' % (START, zlib.crc32(rest), rest)


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
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise DamagedLineError(f"it is no row: {error}") from error
    return entry


def read_object(line: bytes) -> dict[str, Any]:
    """Return a line as a plain dict, with the keys this version does not know."""
    check_line(line)
    value = msgspec.json.decode(line)
    assert isinstance(value, dict)
    del value["crc"]
    return value


def check_line(line: bytes) -> None:
    """Raise `DamagedLineError` unless the checksum fits."""
    if line[: len(START)] != START or line[BODY - 2 : BODY] != b'",':
        raise DamagedLineError("it does not begin with a checksum")
    if line[len(START) : BODY - 2] != b"%08x" % zlib.crc32(memoryview(line)[BODY:]):
        raise DamagedLineError("its checksum is wrong")


def wrapped(value: Any) -> Any:
    """Return a value for JSON: bytes inside it become `{"$bytes": base64}`."""
    if isinstance(value, bytes):
        return {RAW: base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {str(key): wrapped(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [wrapped(one) for one in value]
    return value


def _unwrapped(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {RAW} and isinstance(value[RAW], str):
            return base64.b64decode(value[RAW])
        return {key: _unwrapped(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_unwrapped(one) for one in value]
    return value


_decode = msgspec.json.Decoder(Entry).decode
