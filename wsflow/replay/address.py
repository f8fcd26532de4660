"""The address of a live server: how recorded sessions and requests get there, and leave again.

Replay and ghosts both go by it. Secrets were never recorded; what a server wants instead stands in
the address, as its query.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import SplitResult, parse_qsl, quote, quote_plus, urlencode, urlsplit

from ..base.secrets import REDACTED
from ..compare.answer import HttpAnswer
from ..errors import RefusedError, ReplayError

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection, connect

REACH = 5.0
"""Seconds after which nobody listens there, or a request has no response."""

MAX_ANSWER = 64 * 2**20
"""Bytes an answer to a request may have."""

HANDSHAKE = {"host", "upgrade", "connection", "origin", "content-length", "user-agent",
    "transfer-encoding", "te", "trailer", "expect", "keep-alive",
    "proxy-connection", "proxy-authorization"}  # fmt: skip
"""Headers that belong to a connection; each makes its own. So does all that is `sec-websocket-`."""

MIN_SECRET = 4
"""Characters a value in the address has at least that is taken out of all that is told."""

_USER = re.compile(r"//[^/@]*@")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\uffff]*")

SUBPROTOCOLS = "sec-websocket-protocol"
"""But for this one: which subprotocols are offered is the client's to say."""

Pairs: TypeAlias = tuple[tuple[str, str], ...]


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
        shown = _USER.sub("//", url.partition("?")[0].partition("#")[0])
        raise ReplayError(f"{shown!r} is no address of a WebSocket server: ws://host:port")

    @property
    def is_secure(self) -> bool:
        """Whether TLS is spoken there."""
        return self.parts.scheme == "wss"

    @property
    def port(self) -> int:
        """The TCP port."""
        return self.parts.port or (443 if self.is_secure else 80)

    @property
    def netloc(self) -> str:
        """Host and port, and nothing that is secret."""
        return self.parts.netloc.rpartition("@")[2]

    def hidden(self, text: str) -> str:
        """Return a text without what is secret in this address: values of its query, a password."""
        told = [value for _, value in parse_qsl(self.parts.query)]
        for secret in (*told, self.parts.password or ""):
            for spelling in {secret, quote(secret), quote_plus(secret)}:
                if len(spelling) >= MIN_SECRET:
                    text = text.replace(spelling, REDACTED)
        return text

    def check(self, path: str, headers: Pairs = ()) -> None:
        """Raise `ReplayError` where a recorded request could reach more than this server.

        What stands in a file may be a stranger's: a path that is none continues the port, or
        names another host; a line break in a header begins another one.
        """
        if not path.startswith("/") or path.startswith(("//", "/\\")):
            raise ReplayError(
                f"{path!r:.200} is no path on a server, and nothing else is asked for; "
                "leave it out: replay(..., sessions=[...])"
            )
        for name, value in headers:
            if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
                raise ReplayError(
                    f"the header {name!r:.80} with {value!r:.80} is none that can be sent; "
                    "leave it out: replay(..., sessions=[...])"
                )

    def target(self, path: str, query: Pairs) -> str:
        """Return path and query of a recorded request, for this server."""
        self.check(path)
        pairs = urlencode([*query, *parse_qsl(self.parts.query)])
        return f"{self.parts.path.rstrip('/')}{quote(path)}{'?' if pairs else ''}{pairs}"

    def reach(self) -> None:
        """Raise `ReplayError` unless somebody listens there."""
        try:
            socket.create_connection((str(self.parts.hostname), self.port), REACH).close()
        except OSError as error:
            there = f"{self.parts.scheme}://{self.netloc}"
            raise ReplayError(
                f"nobody listens at {there} ({error.strerror or error}); start that server first"
            ) from error

    @asynccontextmanager
    async def connect(
        self, path: str, query: Pairs, headers: Pairs, **options: Any
    ) -> AsyncIterator[ClientConnection]:
        """Connect as a recorded session did; `options` go to `websockets.connect`.

        Raises:
            RefusedError: the server does not want it.
            OSError: there is no connection.
            ReplayError: the path or a header is none.
        """
        from websockets.exceptions import InvalidStatus, WebSocketException
        from websockets.typing import Subprotocol

        offered = ",".join(one for key, one in headers if key.lower() == SUBPROTOCOLS).split(",")
        self.check(path, headers)
        target = self.target(path, query)
        try:
            connection = await _straight()(
                f"{self.parts.scheme}://{self.parts.netloc}{target}",
                additional_headers=[one for one in headers if one[0].lower() != SUBPROTOCOLS],
                subprotocols=[Subprotocol(one.strip()) for one in offered if one.strip()] or None,
                proxy=None,
                ping_interval=None,
                **options,
            )
        except InvalidStatus as error:
            told = (error.response.body or b"").decode(errors="replace")
            raise RefusedError(path, error.response.status_code, self.hidden(told)) from None
        except (WebSocketException, ValueError, TimeoutError) as error:
            raise ConnectionError(f"no WebSocket at {path!r}: {self.hidden(str(error))}") from None
        try:
            yield connection
        finally:
            connection.transport.abort()

    def ask(self, event: dict[str, Any], body: bytes) -> HttpAnswer:
        """Make a recorded HTTP request and return the response."""
        make = http.client.HTTPSConnection if self.is_secure else http.client.HTTPConnection
        connection = make(str(self.parts.hostname), self.port, timeout=REACH)
        headers = dict(own_headers(event.get("headers")))
        self.check(str(event["path"]), tuple(headers.items()))
        with contextlib.closing(connection):
            target = self.target(str(event["path"]), known_pairs(event.get("query")))
            connection.request(event["method"], target, body or None, headers)
            response = connection.getresponse()
            kind = response.getheader("content-type")
            return HttpAnswer.of(response.status, kind, response.read())


def _straight() -> type[connect]:
    """Return a `connect` that goes where it is told, and not where an answer sends it."""
    from websockets.asyncio.client import connect

    class Straight(connect):
        def process_redirect(self, exc: Exception) -> Exception:
            return exc

    return Straight


def known_pairs(values: Any) -> Pairs:
    """Return the pairs of a recorded query, or of headers, without those that were redacted."""
    pairs = (
        (str(key), str(one))
        for key, value in (values or {}).items()
        for one in (value if isinstance(value, list) else [value])
    )
    return tuple(pair for pair in pairs if REDACTED not in pair[1])


def own_headers(headers: Any) -> Pairs:
    """Return the recorded headers that a client brings again."""
    return tuple(pair for pair in known_pairs(headers) if _is_own(pair[0].lower()))


def _is_own(name: str) -> bool:
    return name == SUBPROTOCOLS or not (name in HANDSHAKE or name.startswith("sec-websocket-"))


def sendable(code: int | None, reason: str) -> tuple[int | None, str]:
    """Return the Close a client may send for what was recorded (RFC 6455 section 7.4).

    Without a code it sends none.
    """
    if code is None or code == 1006:
        return None, ""
    return (code, reason) if code == 1000 or 3000 <= code <= 4999 else (1000, "")
