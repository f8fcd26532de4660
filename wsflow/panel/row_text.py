"""A row's data as a page shows it: one line of it, or all of it, at a price that is bounded."""

from __future__ import annotations

from typing import Any

from ..base.snapshot import Snapshot
from ..log.rows import data_text
from .part import CELL_LENGTH, News, text

MAX_TEXT = 64 * 1024
"""Characters of data on a page that asks for all of it."""

MAX_DUMP = MAX_TEXT // 5
"""Bytes of which a hex dump is that long."""

DUMP_WIDTH = 16
"""Bytes a line of a hex dump."""

_BINARY = (b"\xc4", b"\xc5", b"\xc6")
"""How MessagePack begins bytes; without one of these there are none."""


class Budget:
    """Bytes of packed data that are unpacked at one time, so that large events stop nothing."""

    def __init__(self, bytes: int = 256 * 1024) -> None:
        self._left = bytes

    def takes(self, bytes: int) -> bool:
        """Say whether so much may be unpacked yet, and if so, spend it."""
        if bytes > self._left:
            return False
        self._left -= bytes
        return True


def one_line(data: Any, size: int, budget: Budget) -> str:
    """Return the beginning of a row's data: text as it is, values as JSON, bytes as a literal."""
    if data is None:
        return ""
    kind = type(data)
    if kind is str:
        return text(data)
    if kind is bytes:
        return text(repr(data[:CELL_LENGTH]) + ("…" if len(data) > CELL_LENGTH else ""))
    if kind is Snapshot:
        if not budget.takes(size):
            return f"({size:,} bytes: open the row)"
        return text(_compact(data.packed, data.unpack()))
    return text(data_text(data))


def _compact(packed: bytes, value: Any) -> str:
    """Return a value as JSON, which is three times as fast as its repr."""
    if any(sign in packed for sign in _BINARY):
        return data_text(value)  # JSON would show bytes as base64
    import msgspec

    return msgspec.json.encode(value)[: CELL_LENGTH * 4].decode("utf-8", "ignore")


def whole(data: Any) -> News:
    """Return a row's data in full, up to 64 KB: `form`, `text`, and whether it was cut."""
    if data is None:
        return {"form": "none", "text": "", "cut": False}
    if isinstance(data, bytes):
        return {"form": "hex", "text": dump(data[:MAX_DUMP]), "cut": len(data) > MAX_DUMP}
    if isinstance(data, str):
        pretty = _pretty(data.encode("utf-8", "replace")) if data[:1] in ("{", "[") else None
        shown = data if pretty is None else pretty
        return _cut("text" if pretty is None else "json", shown)
    pretty = _pretty_value(data)
    return _cut("text", _literal(data)) if pretty is None else _cut("json", pretty)


def _cut(form: str, shown: str) -> News:
    return {"form": form, "text": text(shown, MAX_TEXT), "cut": len(shown) > MAX_TEXT}


def _pretty(json: bytes) -> str | None:
    """Return JSON with indents; None when it is none."""
    import msgspec

    if len(json) > MAX_TEXT:
        return None
    try:
        return msgspec.json.format(json, indent=2).decode("utf-8", "replace")
    except (msgspec.MsgspecError, RecursionError):
        return None


def _pretty_value(value: Any) -> str | None:
    """Return a value as JSON with indents; None when it holds what JSON can not."""
    import msgspec

    if _has_bytes(value):
        return None
    try:
        json = msgspec.json.encode(value)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        return None
    return _pretty(json) or json[: MAX_TEXT * 4].decode("utf-8", "ignore")


def _has_bytes(value: Any) -> bool:
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, bytes):
            return True
        if isinstance(one, dict):
            todo += one.values()
        elif isinstance(one, list):
            todo += one
    return False


def _literal(value: Any) -> str:
    """Return a value as Python writes it, a line a key."""
    import pprint

    try:
        return pprint.pformat(value, width=100, sort_dicts=False)
    except ValueError:  # a number of more digits than Python is willing to write
        return data_text(value)


def dump(data: bytes) -> str:
    """Return bytes as hexadecimal, with what is text in them beside."""
    lines = []
    for at in range(0, len(data), DUMP_WIDTH):
        piece = data[at : at + DUMP_WIDTH]
        words = "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in piece)
        lines.append(f"{at:08x}  {piece.hex(' '):<{DUMP_WIDTH * 3 - 1}}  {words}")
    return "\n".join(lines)
