"""Clients in the page: what a page needs to connect, and the bridge for one that can not.

A browser reaches a port on its own machine or through Jupyter's proxy. Where it reaches neither,
its messages take the widget's channel and enter by the front door here, as a client in memory
does: a `Bridge` is a transport like any other.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, ClassVar, NamedTuple
from urllib.parse import quote

from ..base.bodies import size_of
from ..base.interfaces import (
    CLOSE_GOING_AWAY,
    CLOSE_NORMAL,
    Refusal,
    Request,
    check_close,
)
from ..errors import RefusedError, WsflowError
from ..types import Data
from ..wire.loopback import Loopback
from .body import message
from .part import News, Part, preview, text

if TYPE_CHECKING:
    from .host import Flow, Host

MAX_CLIENTS = 32
"""Bridged clients of one page."""

MAX_MESSAGES = 200
"""Messages of one client that a page is told at a time: as many as its transcript holds."""

MESSAGE_LENGTH = 4_000
"""Characters of one message."""

MAX_QUEUE = 4096
MAX_QUEUE_BYTES = 8 * 2**20
"""What may wait for a page before the session holds back; it looks ten times a second."""

MAX_AHEAD = 100
"""Messages that may wait for a session that does not read (a paused flow, busy handlers)."""


PATH_CHARACTERS = "/%:@!$&'()*+,;=~"
"""What a person may have encoded already, or need not encode (RFC 3986 section 3.3)."""


class Arrived(NamedTuple):
    """A message on its way to a page."""

    data: Data
    size: int


class Bridge(Loopback):
    """The session's way to a client in a page; a page that is gone is noticed by its panel."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host
        self._queue: deque[Arrived] = deque()
        self._put = self._got = 0
        """Bytes put here (in the loop) and got from here (by the ticker)."""
        self._full = self._told_closed = False
        self._ahead: deque[tuple[Data, int]] = deque()

    # ---- what the session calls, in the flow's loop

    def send(self, data: Data) -> int:
        size = size_of(data)
        self._queue.append(Arrived(data, size))
        self._put += size
        if not self._full and self._is_much:
            self._full = True
            self.session.block()
        return size

    @property
    def _is_much(self) -> bool:
        return len(self._queue) >= MAX_QUEUE or self._put - self._got >= MAX_QUEUE_BYTES

    def resume(self) -> None:
        self._host.post(self._catch_up)

    # ---- what the page asks, in the flow's loop

    def receive(self, data: Data) -> None:
        """Take a message of the page.

        Raises:
            WsflowError: the connection has ended, or the flow is too far behind.
        """
        session = self.session
        if self.closed is not None or not session.is_open:
            raise WsflowError("the connection is closed: nothing was sent")
        size = size_of(data)
        if not session.allows(size):
            return
        if not session.halted and not self._ahead:
            session.receive(data, size)
        elif len(self._ahead) < MAX_AHEAD:
            self._ahead.append((data, size))
        else:
            raise WsflowError(f"{MAX_AHEAD} messages wait already: is the flow paused?")

    def _catch_up(self) -> None:
        while self._ahead and self.session.is_open and not self.session.halted:
            self.session.receive(*self._ahead.popleft())

    # ---- what the page is told, in the ticker's thread

    def news(self) -> News | None:
        """Return what arrived, the newest of it, and how it ended; None when there is nothing."""
        closed = self.closed  # looked at first: what came before it is in the queue already
        waiting = len(self._queue)
        if not waiting and (closed is None or self._told_closed):
            return None
        arrived = [self._take() for _ in range(waiting)]
        if self._full:
            self._host.post(self._taken_all)
        news: News = {
            "messages": [
                (
                    "text" if isinstance(one.data, str) else "binary",
                    preview(one.data, MESSAGE_LENGTH),
                    one.size,
                )
                for one in arrived[-MAX_MESSAGES:]
            ],
            "skipped": max(0, waiting - MAX_MESSAGES),
        }
        if closed is not None:
            self._told_closed = True
            news["closed"] = (closed[0], text(closed[1]))
        return news

    def _take(self) -> Arrived:
        one = self._queue.popleft()
        self._got += one.size
        self._taken += 1
        return one

    def _taken_all(self) -> None:
        """The page has taken what there was: the session may go on."""
        if self._full and not self._is_much:
            self._full = False
            self.session.unblock()


class ClientPart(Part):
    """Where the server is, which routes there are, and the bridges of one page."""

    name: ClassVar[str] = "client"
    actions: ClassVar[tuple[str, ...]] = ("connect", "send", "leave")

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow)
        self._told: News = {}
        self._bridges: dict[str, Bridge] = {}

    # ---- what it tells

    def news(self) -> News | None:
        flow = self.flow
        server = flow.server
        now: News = {
            "running": flow.running,
            "server": None
            if server is None
            else {"url": text(server.url), "port": server.port, "token": server.options.token},
            "routes": [text(path) for path in self.host.paths[:100]],
        }
        news: News = {key: value for key, value in now.items() if self._told.get(key, ...) != value}
        self._told = now
        clients = {}
        for name, bridge in list(self._bridges.items()):
            if (found := bridge.news()) is not None:
                clients[name] = found
                if "closed" in found:
                    self._forget(name, bridge)
        if clients:
            news["clients"] = clients
        return news or None

    def _forget(self, name: str, bridge: Bridge) -> None:
        if self._bridges.get(name) is bridge:
            self._bridges.pop(name, None)

    # ---- what it is asked

    def connect(self, client: str, path: str) -> News:
        """Open a session whose other end is this page."""
        client = text(client, 40)
        if not self.flow.running:
            raise WsflowError("the flow does not run: await flow.serve() in a cell")
        if len(self._bridges) >= MAX_CLIENTS:
            raise WsflowError(f"{MAX_CLIENTS} clients of this page are connected: disconnect one")
        if client in self._bridges:
            raise WsflowError("this client is connected already")
        bridge = self._open(path)
        self._bridges[client] = bridge
        bridge.session.start()
        return {"session": bridge.session.id}

    def _open(self, path: str) -> Bridge:
        """Do the handshake.

        Raises:
            RefusedError: there is no such route, or it takes nobody now.
        """
        server = self.flow.server
        endpoint = self.host.endpoint(None, None if server is None else server.options)
        route, _, query = path.partition("#")[0].partition("?")
        route = quote(route, safe=PATH_CHARACTERS, errors="replace")
        verdict = endpoint.admit(Request("GET", route, query, (("host", "panel"),), "panel"))
        if isinstance(verdict, Refusal):
            known = ", ".join(self.host.paths) or "none"
            hint = f"; routes: {known}" if verdict.status == 404 else ""
            raise RefusedError(path, verdict.status, verdict.body.strip() + hint)
        bridge = Bridge(self.host)
        bridge.session = endpoint.open(verdict, bridge)
        return bridge

    def send(self, client: str, kind: str, body: str) -> None:
        """Send a message as that client."""
        self._find(client).receive(message(kind, body))

    def leave(self, client: str, code: int = CLOSE_NORMAL, reason: str = "") -> None:
        """Close the connection from the client's side."""
        how = check_close(code, reason)
        self._find(client).end(*how)

    def _find(self, client: str) -> Bridge:
        bridge = self._bridges.get(client)
        if bridge is None:
            raise WsflowError("this client is not connected (any more): connect it again")
        return bridge

    def close(self) -> None:
        """The page is gone, and its clients with it."""
        for bridge in list(self._bridges.values()):
            bridge.end(CLOSE_GOING_AWAY, "the page was closed")
        self._bridges.clear()
