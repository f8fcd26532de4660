"""What a value was at one moment, safe from what handlers do to it later.

Text, bytes and numbers are their own snapshots; everything else is packed at once (MessagePack,
about 0.3 µs for an event) and unpacked only when somebody looks. What is secret (`secrets.py`)
leaves on the way.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable
from typing import Any

from .secrets import SECRET_HEADERS, SECRET_QUERY, TOKEN_SUBPROTOCOL, redacted

_SECRETS = re.compile(
    b"|".join(
        re.escape(bytes([0xA0 | len(name)]) + name.encode())
        for name in sorted(SECRET_HEADERS | SECRET_QUERY)
    )
    + b"|"
    + re.escape(TOKEN_SUBPROTOCOL.encode())
)
"""A secret's name in lower case as MessagePack writes a short string; five times as fast as to
ignore the case."""

_HEADERS, _QUERY = b"\xa7headers", b"\xa5query"
"""What a handshake looks like in there: where neither is, no secret is looked for."""

_IMMUTABLE = frozenset({str, bytes, int, float, bool, type(None)})


class Snapshot:
    """A packed value; `unpack()` gives a fresh copy each time."""

    __slots__ = ("packed",)

    def __init__(self, packed: bytes) -> None:
        self.packed = packed

    def unpack(self) -> Any:
        """Return the value as it was; what could not be packed comes back as its repr."""
        return _decode(self.packed)

    def __repr__(self) -> str:
        return reprlib.repr(self.unpack())


def snapshot(value: Any) -> tuple[Any, int]:
    """Return an immutable picture of `value` and its size in bytes. Never raises.

    A value that travels on as it was is the same picture again: packing shows whether it is.
    """
    global _latest
    kind = type(value)
    if kind is bytes or (kind is str and value.isascii()):
        return value, len(value)
    if kind is str:
        return value, len(value.encode("utf-8", "surrogatepass"))
    if kind in _IMMUTABLE:
        return value, 8
    try:
        packed = _encode(value)
        if packed == _latest.packed:
            return _latest, len(packed)
        if (_HEADERS in packed or _QUERY in packed) and _SECRETS.search(packed.lower()):
            packed = _encode(redacted(_decode(packed)))
            return Snapshot(packed), len(packed)
    except BaseException:  # noqa: BLE001 (a repr, a hook or a depth the user's object brought along)
        packed = _encode(describe(value))
    _latest = Snapshot(packed)
    return _latest, len(packed)


_latest = Snapshot(b"")
"""The newest picture that hides nothing."""


def unpack(data: Any) -> Any:
    """Return what a snapshot holds; other values as they are."""
    return data.unpack() if type(data) is Snapshot else data


def describe(value: Any) -> str:
    """Return a short text for a value of any type, at a price that does not grow with it."""
    try:
        shape = getattr(type(value), "shape", None) and getattr(value, "shape", None)
        if isinstance(shape, tuple) and shape:
            return f"<{type(value).__name__} {shape}>"  # a frame's repr costs milliseconds
        return reprlib.repr(value)
    except BaseException:  # noqa: BLE001 (a user's __repr__ may raise anything)
        return f"<{type(value).__name__}>"


def _load(value: Any) -> bytes:
    """Load msgspec at the first use and encode with it from then on: a third of our import time."""
    global _encode
    import msgspec

    _encode = msgspec.msgpack.Encoder(enc_hook=describe).encode
    return _encode(value)


def _decode(packed: bytes) -> Any:
    import msgspec

    return msgspec.msgpack.decode(packed, strict=False)


_encode: Callable[[Any], bytes] = _load
