"""The address of a live server: how recorded sessions and requests get there.

Secrets were never recorded; what a server wants instead stands in the address, as its query.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

from ..compare.answer import Answer
from ..errors import RefusedError, ReplayError
from .crowd import _is_own, _known

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

REACH = 5.0
"""Seconds after which nobody listens there, or a request has no response."""

MAX_ANSWER = 64 * 2**20
"""Bytes an answer may have."""


@dataclass(frozen=True)
class Address:
    """Where a server is, and what is added to every path and query."""

    parts: SplitResult

    @classmethod
    def of(cls, url: str) -> Address:
        """Return the address in `ws://host:port/prefix?query`.

        Raises:
            ReplayError: it is none.
        """
        with contextlib.suppress(ValueError):  # a port that is no number
            parts = urlsplit(url)
            if parts.scheme in {"ws", "wss"} and parts.hostname and parts.port != 0:
                return cls(parts)
        raise ReplayError(f"{url!r} is no address of a WebSocket server: ws://host:port")

    @property
    def is_secure(self) -> bool:
        """Whether TLS is spoken there."""
        return self.parts.scheme == "wss"

    @property
    def port(self) -> int:
        """The TCP port."""
        return self.parts.port or (443 if self.is_secure else 80)

    def target(self, path: str, query: Any) -> str:
        """Return path and query of a recorded request, for this server."""
        pairs = urlencode([*_known(query), *parse_qsl(self.parts.query)])
        return f"{self.parts.path.rstrip('/')}{quote(path)}{'?' if pairs else ''}{pairs}"

    def reach(self) -> None:
        """Raise `ReplayError` unless somebody listens there."""
        try:
            socket.create_connection((str(self.parts.hostname), self.port), REACH).close()
        except OSError as error:
            there = f"{self.parts.scheme}://{self.parts.netloc}"
            raise ReplayError(
                f"nobody listens at {there} ({error.strerror or error}); start that server first"
            ) from error

    @asynccontextmanager
    async def connect(self, facts: dict[str, Any]) -> AsyncIterator[ClientConnection]:
        """Connect as a recorded session did.

        Raises:
            RefusedError: the server does not want it.
            OSError: there is no connection.
        """
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus, WebSocketException
        from websockets.typing import Subprotocol

        headers = {key.lower(): one for key, one in _known(facts.get("headers")) if _is_own(key)}
        offered = headers.pop("sec-websocket-protocol", "").split(",")
        target = self.target(str(facts["path"]), facts.get("query"))
        try:
            connection = await connect(
                f"{self.parts.scheme}://{self.parts.netloc}{target}",
                additional_headers=headers,
                subprotocols=[Subprotocol(one.strip()) for one in offered if one.strip()] or None,
                compression=None,
                proxy=None,
                max_size=MAX_ANSWER,
                open_timeout=None,  # time is virtual here: the target has the patience
                ping_interval=None,
                close_timeout=None,
            )
        except InvalidStatus as error:
            told = (error.response.body or b"").decode(errors="replace")
            raise RefusedError(target, error.response.status_code, told) from error
        except (WebSocketException, ValueError) as error:
            raise ConnectionError(f"no WebSocket at {target!r}: {error}") from error
        try:
            yield connection
        finally:
            connection.transport.abort()

    def ask(self, event: dict[str, Any], body: bytes) -> Answer:
        """Make a recorded HTTP request and return the response."""
        make = http.client.HTTPSConnection if self.is_secure else http.client.HTTPConnection
        connection = make(str(self.parts.hostname), self.port, timeout=REACH)
        headers = {key: one for key, one in _known(event.get("headers")) if _is_own(key)}
        with contextlib.closing(connection):
            target = self.target(str(event["path"]), event.get("query"))
            connection.request(event["method"], target, body or None, headers)
            response = connection.getresponse()
            kind = response.getheader("content-type")
            return Answer.of(response.status, kind, response.read())
