"""What a recorded row carried, as it went over the wire: messages, answers, requests.

Opposite: `io/recorder.py` wrote it down.
"""

from __future__ import annotations

import json
from typing import Any, Literal, Required, TypedDict
from urllib.parse import urlencode

import msgspec

from ..base.bodies import content_type, to_data
from ..base.secrets import REDACTED
from ..compare.answer import HttpAnswer
from ..events import is_reply
from ..io.format import Entry, Path
from ..types import Data


class Asked(TypedDict, total=False):
    """What a recorded HTTP request has to look like; more keys may be there."""

    method: Required[Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]]
    path: Required[Path]
    query: dict[str, str | list[str]] | None
    headers: dict[str, str] | None


def request_of(entry: Entry) -> dict[str, Any] | None:
    """Return the HTTP request that an event was, or None when it was none."""
    event = entry.value if entry.session is None else None
    if not isinstance(event, dict):
        return None
    try:
        msgspec.convert(event, Asked)
    except (msgspec.ValidationError, RecursionError):
        return None
    return event


def has_secrets(value: Any, depth: int = 5) -> bool:
    """Whether something of a handshake, or of a request, was replaced when it was recorded."""
    if isinstance(value, str):
        return REDACTED in value
    if not depth:
        return False
    if isinstance(value, dict):
        value = list(value.values())
    return isinstance(value, list) and any(has_secrets(one, depth - 1) for one in value)


def sent(entry: Entry) -> Data:
    """Return a message or an answer as it went over the wire."""
    data = entry.data
    if type(data) is str and entry.bytes is None:
        return data
    value = entry.value
    return value if isinstance(value, str | bytes) else to_data(value)


def answered(entry: Entry) -> HttpAnswer:
    """Return a recorded HTTP response; its row is the body alone where all else is as usual."""
    told, body = entry.value, entry.value
    status, headers = 200, dict[str, Any]()
    if is_reply(told) and isinstance(told["headers"], dict) and type(told["status"]) is int:
        status, headers, body = told["status"], told["headers"], told["body"]
    data = b"" if body is None and not entry.size else to_data(body)
    content = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    return HttpAnswer.of(status, str(headers.get("content-type") or content_type(body)), content)


def body_of(event: dict[str, Any]) -> bytes:
    """Return the body of a recorded request as bytes again."""
    body = event.get("body")
    kind = str((event.get("headers") or {}).get("content-type", ""))
    if body is None:
        return b""
    if isinstance(body, bytes):
        return body
    if "json" in kind:
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if isinstance(body, dict):
        return urlencode(body, doseq=True).encode()
    return str(body).encode("utf-8", "surrogatepass")
