"""The head of a request as bytes: is it a handshake, a proper one, and how one is answered.

Opposite: `listener.py`, which has the socket, and `endpoint.py`, which decides who may come in.
Source: RFC 6455 section 4.2.
"""

from __future__ import annotations

import base64
import binascii

import h11
from websockets.utils import accept_key

from ..base.interfaces import Refusal, Request


def whole_handshake(data: bytes) -> tuple[h11.Request, bytes] | None:
    """Return a handshake that is there as a whole, and what follows it; None for anything else."""
    end = data.find(b"\r\n\r\n")
    if end < 0 or b"websocket" not in data[:end].lower():
        return None
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(data)
    try:
        event = parser.next_event()
    except h11.RemoteProtocolError:
        return None
    if not isinstance(event, h11.Request) or not asks_for_websocket(event):
        return None
    return event, parser.trailing_data[0]


def request_of(request: h11.Request, client: str, local: str) -> Request:
    """Return a request in our words; `client` and `local` are the ends of its socket."""
    path, _, query = request.target.decode("latin1").partition("?")
    return Request(
        method=request.method.decode("ascii"),
        path=path,
        query=query,
        headers=tuple((k.decode("latin1"), v.decode("latin1")) for k, v in request.headers),
        client=client,
        local=local,
    )


def asks_for_websocket(request: h11.Request) -> bool:
    """Say whether a request is meant as a handshake, a proper one or not."""
    headers = {name.lower(): value for name, value in request.headers}
    tokens = [token.strip().lower() for token in headers.get(b"connection", b"").split(b",")]
    upgrade = headers.get(b"upgrade", b"").strip().lower()
    return request.method == b"GET" and b"upgrade" in tokens and upgrade == b"websocket"


def key_of(request: Request, version: bytes) -> str | Refusal:
    """Return the client's key, or why this is no handshake (RFC 6455 section 4.2.1)."""
    if version != b"1.1":
        return Refusal(400, "a WebSocket handshake needs HTTP/1.1\n")
    if request.header("sec-websocket-version") != "13":
        wanted = (("sec-websocket-version", "13"),)
        return Refusal(426, "this server speaks WebSocket version 13\n", wanted)
    key = request.header("sec-websocket-key") or ""
    try:
        fits = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        fits = False
    return key if fits else Refusal(400, "Sec-WebSocket-Key must be 16 bytes in base64\n")


def switching(key: str, subprotocol: str | None, extension: str | None) -> bytes:
    """Return the answer to a handshake that is granted."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "upgrade: websocket",
        "connection: Upgrade",
        f"sec-websocket-accept: {accept_key(key)}",
    ]
    if subprotocol is not None:
        lines.append(f"sec-websocket-protocol: {subprotocol}")
    if extension is not None:
        lines.append(f"sec-websocket-extensions: {extension}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin1")
