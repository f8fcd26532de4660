"""What a person typed, as the message it stands for: text, JSON, or bytes as hex or base64.

`body.js` decides the same in the page, so that most mistakes are told before anything is sent.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import NoReturn

from ..errors import ReplyError
from ..types import Data

BODY_KINDS = ("text", "json", "hex", "base64")

MAX_BODY = 8_000_000
"""Bytes; Jupyter's own socket closes at ten million, and the panel with it."""

_NO_HEX = re.compile(r"[^0-9a-fA-F]")
_BETWEEN = re.compile(r"0[xX]|[\s:,_-]")
_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/_-]")


def message(kind: str, body: str) -> Data:
    """Return the message that `body`, typed as a `kind`, stands for.

    JSON is only judged: it travels as it was typed, so that 1.10 does not become 1.1.

    Raises:
        ReplyError: it does not stand for one; the text says where and what to do.
    """
    if not isinstance(body, str) or kind not in BODY_KINDS:
        raise ReplyError(f"a body is text, JSON, hex or base64, not {kind!r:.40}")
    try:
        size = len(body.encode())
    except UnicodeEncodeError as error:
        raise ReplyError(f"character {error.start + 1} is half of a pair: no text") from error
    if size > MAX_BODY:
        raise ReplyError(
            f"{size / 1e6:.1f} MB are more than a panel carries ({MAX_BODY / 1e6:.0f} MB): "
            "send it from a cell, session.send(...)"
        )
    if kind == "json":
        return _json(body)
    if kind == "hex":
        return _hex(body)
    return _base64(body) if kind == "base64" else body


def _json(body: str) -> str:
    body = body.strip()
    if not body:
        raise ReplyError("not JSON: there is nothing; choose Text to send an empty message")
    try:
        json.loads(body, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise ReplyError(
            f"not JSON: {where}: {error.msg}; choose Text to send it as it is"
        ) from error
    except RecursionError as error:
        raise ReplyError("this JSON is nested too deeply to be checked") from error
    return body


def _no_constant(name: str) -> NoReturn:
    raise ReplyError(f"not JSON: {name} is Python's; choose Text to send it as it is")


def _hex(body: str) -> bytes:
    digits = _BETWEEN.sub("", body)
    wrong = _NO_HEX.search(digits)
    if wrong is not None:
        raise ReplyError(
            f"not hex: {wrong[0]!r} is none of 0-9 and a-f; choose Text to send it as it is"
        )
    if len(digits) % 2:
        raise ReplyError(f"not hex: two digits make a byte, and there are {len(digits)}")
    return bytes.fromhex(digits)


def _base64(body: str) -> bytes:
    signs = re.sub(r"\s", "", body).rstrip("=")
    wrong = _NO_BASE64.search(signs)
    if wrong is not None:
        raise ReplyError(
            f"not base64: {wrong[0]!r} is no sign of it; choose Text to send it as it is"
        )
    plain = signs.replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error as error:
        raise ReplyError(f"not base64: {len(signs)} signs can not be whole bytes") from error
