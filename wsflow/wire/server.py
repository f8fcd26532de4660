"""The server: one bound address for one flow, with an order of stopping that keeps its word."""

from __future__ import annotations

import html
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel

from ..base.forks import hold
from ..base.interfaces import CLOSE_GOING_AWAY, FlowLoop
from ..errors import PortInUseError, ServeError, Spelled
from .endpoint import MAX_QUERY, MAX_SESSIONS, Endpoint
from .policy import Policy, check_bind, networks
from .session import DEFAULT_LIMITS, Limits
from .sessions import Sessions

STOP_ANSWER_TIMEOUT = 0.15
"""Seconds everybody gets to answer our Close frame; who has it and is mute is dropped then."""

STOP_READ_TIMEOUT = 4.0
"""Seconds after which a client that does not even read is dropped (promise P13)."""

BACKLOG = 64
"""Connections the system holds for us before we accept them (promise P11)."""

MAX_PORT = 65535

_BOUNDS = (
    ("port", 0, MAX_PORT),
    ("max_message_size", 1, sys.maxsize),
    ("max_backlog", 1, sys.maxsize),
    ("max_sessions", 1, sys.maxsize),
    ("max_query_size", 0, sys.maxsize),
)
"""Numbers among the options, and between what they lie."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Everything `serve` can be told; see `Flow.serve` for what it means."""

    host: str = "127.0.0.1"
    port: int = 0
    thread: bool = False
    max_message_size: int = DEFAULT_LIMITS.max_message_size
    max_backlog: int = DEFAULT_LIMITS.max_backlog
    max_sessions: int = MAX_SESSIONS
    max_query_size: int = MAX_QUERY
    compression: bool = False
    page: bool = False
    allowed_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    token: str | None = field(default=None, repr=False)
    allow_unauthenticated: bool = False
    trusted_proxies: tuple[str, ...] = ()
    certfile: str | None = None
    keyfile: str | None = None

    def __post_init__(self) -> None:
        for name, least, most in _BOUNDS:
            given = getattr(self, name)
            if type(given) is not int or not least <= given <= most:
                to = f" to {most}" if most == MAX_PORT else " on"
                raise ServeError(f"{name} is a whole number from {least}{to}, not {given!r}")
        if not isinstance(self.host, str):
            raise ServeError(f"host is text such as '127.0.0.1', not {self.host!r}")
        if self.token is not None and not isinstance(self.token, str):
            raise ServeError(f"token is text that clients bring, not {type(self.token).__name__}")

    def limits(self) -> Limits:
        """The bounds of each session."""
        return Limits(max_message_size=self.max_message_size, max_backlog=self.max_backlog)

    def policy(self) -> Policy:
        """Who may come in.

        Raises:
            UnsafeBindError, ServeError: these options let in more than anybody can mean.
        """
        check_bind(self.host, self.token, self.allow_unauthenticated)
        own_name = () if self.host in {"", "0.0.0.0", "::"} else (self.host.lower(),)
        return Policy(
            allowed_origins=self.allowed_origins,
            allowed_hosts=(*self.allowed_hosts, *own_name),
            token=self.token,
            trusted_proxies=networks(self.trusted_proxies),
        )


class Server(Spelled):
    """A running server. `port`, `url` and `sessions` tell; `stop()` ends it."""

    def __init__(
        self,
        options: Options,
        endpoint: Endpoint,
        app: Any,
        home: FlowLoop,
        paths: Callable[[], list[str]],
        answering: Callable[[], bool] = lambda: False,
    ) -> None:
        self.options, self._endpoint, self._home, self._paths = options, endpoint, home, paths
        self._answering = answering
        """Says whether handlers work on the answer to a request."""
        self.host, self.port = options.host, options.port
        self.running = False
        from .listener import Listener  # loads Hypercorn: on first use, not on import

        self._listener = Listener(
            endpoint,
            app,
            max_connections=options.max_sessions,
            compression=options.compression,
            certfile=options.certfile,
            keyfile=options.keyfile,
        )
        self._bound: socket.socket | None = None
        hold(self)

    @property
    def url(self) -> str:
        """Where clients connect: `ws://127.0.0.1:PORT`."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(self.host, self.host)
        host = f"[{host}]" if ":" in host and not host.startswith("[") else host
        return f"{'wss' if self.options.certfile else 'ws'}://{host}:{self.port}"

    @property
    def sessions(self) -> Sessions:
        """The sessions that are open."""
        return self._endpoint.sessions

    @property
    def policy(self) -> Policy | None:
        """Who may come in."""
        return self._endpoint.policy

    def bind(self) -> None:
        """Take the port, before anything else starts.

        Raises:
            PortInUseError: somebody has it, or it can not be had.
        """
        try:
            self._bound = bind(self.host, self.options.port)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise PortInUseError(self.host, self.options.port, reason) from error
        self.port = self._bound.getsockname()[1]

    def unbind(self) -> None:
        """Give the port back, when starting went wrong."""
        if self._bound is not None:
            self._bound.close()
            self._bound = None

    async def start(self) -> None:
        """Accept clients; called in the flow's loop."""
        sock, self._bound = self._bound, None
        assert sock is not None
        await self._listener.start(sock)
        self.running = True

    async def stop(self, code: int = CLOSE_GOING_AWAY, reason: str = "server stopped") -> None:
        """Stop: no new connections, Close to everybody, a bounded wait, then drop the rest.

        Returns within five seconds even when a client is blocked; the port is free at once.
        Harmless twice, and from any loop.
        """
        if self.running:
            self.running = False
            await self._home.run(self._stop, code, reason)

    async def _stop(self, code: int, reason: str) -> None:
        self._listener.close()
        self.sessions.close_all(code, reason)
        rest = STOP_READ_TIMEOUT - STOP_ANSWER_TIMEOUT
        for seconds, everybody in ((STOP_ANSWER_TIMEOUT, False), (rest, True)):
            with anyio.move_on_after(seconds):
                await self.sessions.emptied()
            for session in self.sessions:
                if everybody or session.transport.settled():
                    session.transport.abort()
        await anyio.lowlevel.checkpoint()  # connection_lost is called in the loop's next turn
        rest = time.monotonic() + STOP_READ_TIMEOUT
        await self._listener.drain(0.2, lambda: self._answering() and time.monotonic() < rest)

    def goodbye(self) -> None:
        """Say Close to everybody without waiting, because the loop is about to end."""
        if self.running:
            self.running = False
            self._listener.close()
            self.sessions.close_all(CLOSE_GOING_AWAY, "server stopped")
            for session in self.sessions:
                session.transport.abort()  # what the system has taken is still delivered

    def cut(self) -> None:
        """End without a word to anybody: its loop was closed while it ran."""
        if self.running:
            self.running = False
            self._listener.cut()

    forked = cut

    def __repr__(self) -> str:
        if not self.running:
            return f"<Server {self.url} stopped>"
        paths = " ".join(self.url + path for path in self._paths()[:3]) or self.url
        return f"<Server {paths} {len(self.sessions)} sessions>"

    def _repr_html_(self) -> str:
        state = f"{len(self.sessions)} sessions" if self.running else "stopped"
        paths = self._paths() or [""]
        links = "".join(f"<li><code>{html.escape(self.url + path)}</code></li>" for path in paths)
        return f"<div><b>Server</b> ({state})<ul style='margin:0.2em 0'>{links}</ul></div>"


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens, so that the port is known and errors reach the caller.

    `IPPROTO_TCP` is spelled out because asyncio sets TCP_NODELAY only then (broadcasts would
    stall by 40 ms).

    Raises:
        OSError: the address can not be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if hasattr(socket, "SO_REUSEPORT"):  # not on Windows, where REUSEADDR means sharing
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock
