"""What a value was at one moment, safe from what handlers do to it later.

Text, bytes and numbers are their own snapshots; everything else is packed at once (MessagePack,
about 0.3 µs for an event) and unpacked only when somebody looks. What is secret (`secrets.py`)
leaves on the way.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable
from functools import cache
from typing import Any

from .secrets import REDACTED, SECRET_NAMES, SUBPROTOCOLS, is_secret, redacted

_HEADERS, _QUERY = b"\xa7headers", b"\xa5query"
"""What a handshake looks like in there: where neither is, no secret is looked for."""

_IMMUTABLE = frozenset({str, bytes, int, float, bool, type(None)})


MAX_BITS = 256
"""Bits of a whole number that is kept as one. Python writes out no more than 4,300 digits."""


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
        try:
            return value, len(value.encode())
        except UnicodeEncodeError:
            return snapshot(escaped(value))
    if kind in _IMMUTABLE:
        if kind is not int or value.bit_length() <= MAX_BITS:
            return value, 8
        text = describe(value)
        return text, len(text)
    try:
        packed = _encode(value)
        if packed == _latest.packed:
            return _latest, len(packed)
        if (_HEADERS in packed or _QUERY in packed) and _names_a_secret(packed):
            packed = _encode(redacted(_decode(packed)))
            return Snapshot(packed), len(packed)
    except BaseException:  # noqa: BLE001 (a repr, a hook or a depth the user's object brought along)
        packed = _encode(describe(value))
    _latest = Snapshot(packed)
    return _latest, len(packed)


def is_unicode(text: str) -> bool:
    """Say whether UTF-8 can carry a text: whether it is one without lone surrogates."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def escaped(text: str) -> str:
    """Return a text as files and pages can carry it: a lone surrogate stands as its escape."""
    return text if is_unicode(text) else text.encode("utf-8", "backslashreplace").decode()


_latest = Snapshot(b"")
"""The newest picture that hides nothing."""


def remade(picture: Snapshot, text: Callable[[str], str]) -> Snapshot:
    """Return a picture in which each text, however deep inside, is what `text` makes of it."""
    try:
        return Snapshot(_encode(made_anew(picture.unpack(), text)))
    except RecursionError:  # better nothing of it than a secret
        return Snapshot(_encode(REDACTED))


def made_anew(value: Any, text: Callable[[str], str]) -> Any:
    """Return a value in which each text, however deep inside, is what `text` makes of it."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, bytes):
        return text(str(value, "latin1")).encode("latin1")
    if isinstance(value, list):
        return [made_anew(one, text) for one in value]
    if isinstance(value, dict):
        return {made_anew(key, text): made_anew(one, text) for key, one in value.items()}
    return value


def unpack(data: Any) -> Any:
    """Return what a snapshot holds; other values as they are."""
    return data.unpack() if type(data) is Snapshot else data


def describe(value: Any) -> str:
    """Return a short text for a value of any type, at a price that does not grow with it."""
    try:
        shape = getattr(type(value), "shape", None) and getattr(value, "shape", None)
        if isinstance(shape, tuple) and shape:
            return f"<{type(value).__name__} {shape}>"  # a frame's repr costs milliseconds
        return _described(value)
    except BaseException:  # noqa: BLE001 (a user's __repr__ may raise anything)
        return f"<{type(value).__name__}>"


class _Describing(reprlib.Repr):
    """A short repr that leaves out what goes by a secret's name: cut, it could not be found any
    more (P20)."""

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        clean = {key: REDACTED if is_secret(key) else one for key, one in x.items()}
        return super().repr_dict(clean, level)


_described = _Describing().repr


@cache
def _secret_names() -> re.Pattern[bytes]:
    """Return what finds a secret's name in lower case as MessagePack writes a short string.

    Five times as fast as to ignore the case, and names share their beginnings: it grows with
    neither their number nor what they have in common.
    """
    names = SECRET_NAMES - _EVENT_KEYS
    return re.compile(_tree([bytes([0xA0 | len(name)]) + name.encode() for name in names]))


@cache
def _secret_offers() -> re.Pattern[bytes]:
    """Return what finds a token among the subprotocols that a client offers."""
    names = _tree([name.encode() for name in SECRET_NAMES])
    starts = [re.escape(one.encode()) for one in SUBPROTOCOLS]
    return re.compile(b"|".join([*starts, b"eyj", names + rb"\s*,"]))


_EVENT_KEYS = frozenset({"sessionid"})
"""Secrets' names that each event has as a key of its own, in another case."""

_STEMS = (
    *(b"auth", b"bearer", b"jwt", b"assertion", b"cookie", b"session", b"sid", b"token", b"csrf"),
    *(b"xsrf", b"key", b"secret", b"pass", b"pwd", b"otp", b"credential", b"sig"),
)
"""Each secret's name has one of these in it: to look for them is far cheaper than for names."""


def _names_a_secret(packed: bytes) -> bool:
    lower = packed.lower()
    if lower.count(b"\xa9sessionid") > packed.count(b"\xa9sessionId"):
        return True
    rest = lower.replace(b"\xa9sessionid", b"").replace(b"\xb1sec-websocket-key", b"")
    for stem in _STEMS:
        if stem in rest:
            if _secret_names().search(rest) is not None:
                return True
            break
    return b"sec-websocket-protocol" in rest and _secret_offers().search(rest) is not None


def _tree(names: list[bytes]) -> bytes:
    """Return a pattern of these names in which each beginning stands once."""
    rests: dict[bytes, list[bytes]] = {}
    for name in names:
        rests.setdefault(name[:1], []).append(name[1:])
    branches = [re.escape(first) + _tree(rest) for first, rest in sorted(rests.items()) if first]
    tree = b"(?:" + b"|".join(branches) + b")" if branches else b""
    return tree + b"?" if tree and b"" in rests else tree


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
