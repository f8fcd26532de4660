"""From the body of a response to what travels: text, bytes, or JSON as text.

The standard library's encoder is used on purpose: it refuses what JSON cannot hold (NaN, sets,
bytes inside a dict), where faster ones write something else and say nothing.
"""

from __future__ import annotations

import json
from typing import Any

from ..errors import ReplyError
from ..types import Data
from .snapshot import describe

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def to_json(body: Any) -> str:
    """Return `body` as compact JSON, non-ASCII kept.

    Raises:
        ReplyError: JSON can not hold it.
    """
    try:
        return _encode(body)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ReplyError(f"body {describe(body)} can not be sent as JSON: {why}") from error


def to_sendable(body: Any) -> Data:
    """Return `to_data(body)`, made sure that every transport can carry it.

    Raises:
        ReplyError: JSON can not hold it, or the text is no UTF-8 (a lone surrogate).
    """
    data = to_data(body)
    try:
        if isinstance(data, str):
            data.encode()
    except UnicodeEncodeError as error:
        raise ReplyError(f"body {describe(body)} is no text UTF-8 can carry: {error}") from error
    return data


def to_data(body: Any) -> Data:
    """Return what a client gets for `body`: `str` as is, bytes as is, all else as JSON text."""
    if isinstance(body, str):
        return body if type(body) is str else str.__str__(body)
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    return to_json(body)


def content_type(body: Any) -> str:
    """Return the content type of an HTTP answer that names none, by the kind of its body."""
    if isinstance(body, str):
        return "text/plain; charset=utf-8"
    if isinstance(body, bytes | bytearray | memoryview):
        return "application/octet-stream"
    return "application/json"


def size_of(data: Data) -> int:
    """Return how many bytes a message has on the wire, its frame's head apart.

    Raises:
        UnicodeEncodeError: the text is no UTF-8 (a lone surrogate).
    """
    return len(data.encode()) if isinstance(data, str) and not data.isascii() else len(data)
