"""A flow that runs: served on a port, mounted in another server, or with clients in memory.

What `Flow` is between its declarations and its recordings.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import anyio

from .base.current import current_flow
from .base.interfaces import CLOSE_RESTART, SessionView
from .errors import ServeError
from .graph.cells import interactive
from .graph.declarations import Declarations
from .graph.freeze import Freeze
from .graph.node import Node
from .graph.port import Output
from .host import FlowHost
from .types import texts
from .wire.asgi import AsgiApp
from .wire.memory import Client
from .wire.policy import Policy
from .wire.server import Options, Server
from .wire.sessions import Sessions

_stand_ins: list[Callable[[Any], Awaitable[Any]]] = []
"""Who answers `serve` in place of a server: the newest (see `served_by`)."""


@contextlib.contextmanager
def served_by(stand_in: Callable[[Any], Awaitable[Any]]) -> Iterator[None]:
    """Have each `flow.serve()` of this process return what `stand_in(flow)` gives, in any thread.

    Where code of somebody else runs and no port may be taken; its options do not matter then.
    """
    _stand_ins.append(stand_in)
    try:
        yield
    finally:
        _stand_ins.remove(stand_in)


def _refuse_import() -> None:
    """See that this is no child of `multiprocessing` that imports its parent's script.

    Raises:
        ServeError: it is; there would be a second server.
    """
    multiprocessing: Any = sys.modules.get("multiprocessing.process")
    if multiprocessing and getattr(multiprocessing.current_process(), "_inheriting", False):
        raise ServeError(
            "this is a child process that only imports your script: what serves there belongs "
            "under `if __name__ == '__main__':`"
        )


class Serving(Declarations):
    """Starting, stopping, pausing; and the ways in."""

    _host: FlowHost

    def __init__(self, host: FlowHost) -> None:
        super().__init__(host)
        self._one_at_a_time = anyio.Lock()

    @property
    def sessions(self) -> Sessions:
        """The sessions that are open; in a handler that is replayed, those of the replay."""
        sessions: Sessions = (current_flow.get() or self._host).sessions
        return sessions

    # ---- running

    async def serve(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        thread: bool = False,
        max_message_size: int = Options.max_message_size,
        max_backlog: int = Options.max_backlog,
        max_sessions: int = Options.max_sessions,
        max_query_size: int = Options.max_query_size,
        compression: bool = False,
        page: bool = False,
        allowed_origins: Iterable[str] = (),
        allowed_hosts: Iterable[str] = (),
        token: str | None = None,
        allow_unauthenticated: bool = False,
        trusted_proxies: Iterable[str] = (),
        certfile: str | None = None,
        keyfile: str | None = None,
        record: str | None = None,
    ) -> Server:
        """Serve in the running loop, or with `thread=True` in a thread with a loop of its own.

        The port is taken and clients are answered when this returns. Called again with the same
        options it returns the same server; in a notebook other options replace it on its port.

        Args:
            host: the address to bind; outside loopback a `token` is needed (or
                `allow_unauthenticated=True`).
            port: 0 for a free one.
            thread: answer even while a cell blocks; handlers then run in that thread.
            max_message_size: bytes; a larger message closes its session with 1009.
            max_backlog: bytes that may wait for one client; beyond, it is closed with 1013.
            max_sessions: sessions and requests at a time; beyond, 503.
            max_query_size: bytes of a query (`?a=b`); beyond, 414.
            compression: agree to permessage-deflate where a client offers it. Saves bytes on the
                wire and costs CPU; limits count what is inflated.
            page: answer `GET /` with a page: the routes, the graph, and a client to try them with.
                An HTTP trigger on `/` goes before it.
            allowed_origins: web pages that may connect, besides those of this very server.
            allowed_hosts: names this server is called by, besides loopback ones.
            token: what clients must bring: `?token=`, `Authorization: Bearer`, or a subprotocol.
            trusted_proxies: networks whose `X-Forwarded-For` is believed.
            certfile, keyfile: PEM files; the server then speaks `wss://` and `https://`.
            record: the name of a recording that runs as long as the flow (see `Flow.record`).

        Raises:
            PortInUseError: the address can not be had.
            UnsafeBindError: an open door to other machines.
            ServeError: the flow serves already, with other options.
        """
        self._host.meet()
        _refuse_import()
        if _stand_ins:
            stand_in: Server = await _stand_ins[-1](self)
            return stand_in
        options = Options(
            host=host,
            port=port,
            thread=thread,
            max_message_size=max_message_size,
            max_backlog=max_backlog,
            max_sessions=max_sessions,
            max_query_size=max_query_size,
            compression=compression,
            page=page,
            allowed_origins=texts(allowed_origins),
            allowed_hosts=texts(allowed_hosts),
            token=token,
            allow_unauthenticated=allow_unauthenticated,
            trusted_proxies=texts(trusted_proxies),
            certfile=certfile,
            keyfile=keyfile,
        )
        policy = replace(options.policy(), reported_origins=self._host.origins)
        async with self._one_at_a_time:
            server = await self._serve_or_keep(options, policy)
        if record is not None:
            self._host.keep_recording(record)
        return server

    async def _serve_or_keep(self, options: Options, policy: Policy) -> Server:
        there = self.server
        if there is not None:
            options = replace(options, port=options.port or there.port)
            if options == replace(there.options, port=there.port):
                return there
            if not interactive():
                raise ServeError(
                    f"flow {self.name!r} serves at {there.url} already, with other options; "
                    "await flow.stop() first"
                )
            await there.stop(CLOSE_RESTART, "server restarted with other options")
        return await self._serve(options, policy)

    async def _serve(self, options: Options, policy: Policy) -> Server:
        owner, endpoint = self._host.owner, self._host.endpoint(policy, options)
        app = AsgiApp(endpoint, self.start, self.stop)
        server = Server(options, endpoint, app, owner, self._host.graph.paths, self._host.answering)
        server.bind()
        try:
            if owner.running and owner.in_thread != options.thread:
                await owner.stop()
            await owner.start(thread=options.thread)
            await owner.run(server.start)
        except BaseException:
            server.unbind()
            raise
        self._host.server = server
        return server

    @contextlib.asynccontextmanager
    async def serving(self, **options: Any) -> AsyncIterator[Server]:
        """Serve while the block runs, then stop: `async with flow.serving() as server: ...`."""
        server = await self.serve(**options)
        try:
            yield server
        finally:
            await self.stop()

    @property
    def server(self) -> Server | None:
        """The server that runs now, or None.

        >>> (await flow.serve()) is flow.server
        True
        """
        server = self._host.server
        return server if server is not None and server.running else None

    @property
    def asgi(self) -> AsgiApp:
        """The flow as an ASGI application, to mount in any ASGI server or framework.

        The Host header is that server's business, as are keep-alive, compression and how large a
        message it reads before we see it; Origin is checked (same host only).
        """
        return AsgiApp(self._host.endpoint(Policy(check_host=False)), self.start, self.stop)

    def client(
        self, path: str, *, headers: Mapping[str, str] | None = None, peer: str = "memory"
    ) -> Client:
        """Return a client in memory: no port, the same way through the flow as from a socket.

        It connects at its first await; the flow is started if it was not.
        """
        host = self._host
        return Client(host.endpoint(None), self.start, host.owner, path, headers or {}, peer)

    async def start(self) -> None:
        """Run without a port: `setup` of each node, then events may come. Harmless twice.

        >>> await flow.start()
        >>> flow
        <Flow chat 0 nodes>
        """
        self._host.meet()
        await self._host.owner.start(thread=self._host.owner.in_thread)

    async def stop(self) -> None:
        """Stop the server and all that runs; sessions are closed with 1001. Harmless twice."""
        self._host.meet()
        await self._host.owner.stop()
        self._host.owner.in_thread = False
        self._host.stop_recorders()

    @property
    def running(self) -> bool:
        """Whether handlers can run: the flow is served, started, or has a client in memory.

        >>> flow.running
        False
        """
        return self._host.engine.running

    def pause(self) -> None:
        """Hold triggers back: clients stay connected, what they send waits. Harmless twice.

        >>> flow.pause()
        >>> flow
        <Flow chat 0 nodes paused>
        """
        if not self._host.paused:
            self._host.call(self._host.pause, True)

    def resume(self) -> None:
        """Go on, with what came in meanwhile first. Harmless twice.

        >>> flow.pause()
        >>> flow.resume()
        """
        if self._host.paused:
            self._host.call(self._host.pause, False)

    def freeze(
        self,
        port: Output | Node,
        *,
        session: str | SessionView | None = None,
        match: Callable[[Any], object] | None = None,
        on_held: Callable[[Any], object] | None = None,
        timeout: float | None = None,
        hold: float | None = None,
    ) -> Freeze:
        """Hold a trigger's next event: `async with flow.freeze(chat.message) as ev: ...`.

        `ev` is the event, a dict to look at and to edit. Leaving the block lets it go on so, and an
        error in the block as it came; `ev.drop()` takes it out. Without a block: keep what this
        returns, and see its `held`, `release()`, `step()`, `drop()` and `cancel()`.

        Only its session waits: later events of it stay behind in order, and when it has as many as
        may be in flight, it is not read from. All others go on. In the log the event's own row is
        there when it comes in; a `mark` says that it is held, a `route` row of the port what went
        on, a `drop` row that nothing did. The same freeze again takes the place of the first.

        Args:
            port: a trigger's output; a trigger itself where it has only one.
            session: a session or its id, `"s3"`; None: of whichever client comes first.
            match: hold only an event for which `match(event)` is true.
            on_held: called with the event in the flow's loop, once it is held.
            timeout: seconds to wait for an event.
            hold: seconds an event may be held; then it goes on as it came.

        Raises:
            WiringError: the port is none of a trigger, or never sends events of that session.
            WsflowError: there is no such session.
        """
        host = self._host
        return host.call(host.freezes.freeze, port, session, match, on_held, timeout, hold)
