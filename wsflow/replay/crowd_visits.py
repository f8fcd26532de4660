"""A ghost's visit: it comes, sends and listens as planned, and leaves; what came of it is noted.

Two ways in: to a flow in memory, in a loop with virtual time, and to any server over sockets.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import anyio
import anyio.to_thread

from ..errors import RefusedError, ReplayError, SessionClosedError
from ..types import Data
from .crowd_report import CrowdReport, Ghost, Visit
from .virtual_time import VirtualLoop

if TYPE_CHECKING:
    from ..log.log import Log

SLOW = 10.0
"""Seconds a slow ghost takes over an answer: longer than most servers are patient."""

PATIENCE = 30.0
"""Seconds beyond its plan after which a ghost is taken away: something holds it."""

CLOSE = 2.0
"""Seconds a ghost on a socket waits for the answer to its Close."""

GRACE = 5.0
"""Virtual seconds handlers get to end after the last ghost has left."""


# ---- one visit


class Line(Protocol):
    """A connection as a ghost uses it, whatever carries it."""

    async def send(self, data: Data) -> None: ...

    async def receive(self) -> Data: ...

    async def close(self, code: int, reason: str) -> None: ...

    def drop(self) -> None: ...

    @property
    def closed(self) -> tuple[int | None, str] | None: ...


Connect = Callable[[Ghost], AbstractAsyncContextManager[Line]]


async def _visit(visit: Visit, connect: Connect, speed: float) -> None:
    """Do what the plan says, and write down what comes of it."""
    ghost = visit.ghost
    await anyio.sleep(ghost.arrives / speed)
    began = anyio.current_time()
    with anyio.move_on_after(ghost.leaves / speed + PATIENCE) as held:
        try:
            async with connect(ghost) as line:
                visit.connected = True
                await _talk(visit, line, began, speed)
        except (RefusedError, OSError) as error:
            visit.error = str(error)
    if held.cancelled_caught:
        visit.error = f"was held for {PATIENCE:g} s longer than planned"
    visit.seconds = (anyio.current_time() - began) * speed


async def _talk(visit: Visit, line: Line, began: float, speed: float) -> None:
    ghost = visit.ghost
    async with anyio.create_task_group() as group:
        group.start_soon(_listen, visit, line, speed, group.cancel_scope.cancel)
        try:
            for step in ghost.steps:
                await _until(began + step.at / speed)
                await line.send(step.data)
                visit.sent += 1
            await _until(began + ghost.leaves / speed)
            if ghost.code is None:
                line.drop()
            else:
                await line.close(ghost.code, ghost.reason)
        except SessionClosedError:
            pass  # sent away; the code tells why
        group.cancel_scope.cancel()
    visit.code, visit.reason = line.closed or (None, "")


async def _listen(visit: Visit, line: Line, speed: float, ended: Callable[[], None]) -> None:
    slow = "slow" in visit.ghost.faults
    while True:
        try:
            await line.receive()
        except SessionClosedError:
            return ended()
        visit.answers += 1
        if slow:
            await anyio.sleep(SLOW / speed)


async def _until(moment: float) -> None:
    await anyio.sleep(max(0.0, moment - anyio.current_time()))


# ---- in memory


class Playable(Protocol):
    """A flow: it makes a flow of its own for a replay."""

    def _sandbox(self, loop: VirtualLoop, began: int) -> tuple[Any, Log]: ...


async def in_memory(flow: Playable, haunting: CrowdReport, began: int) -> None:
    """Run the visits in a loop with virtual time, in a thread."""
    loop = VirtualLoop()
    over = anyio.CancelScope()

    async def main() -> None:
        with over:
            await _on_stage(flow, haunting, loop, began)

    run = partial(anyio.run, main, backend_options={"loop_factory": lambda: loop})
    try:
        await anyio.to_thread.run_sync(run, abandon_on_cancel=True)
    except BaseException:
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            loop.call_soon_threadsafe(over.cancel)  # an interrupted cell does not leave it running
        raise


async def _on_stage(flow: Playable, haunting: CrowdReport, loop: VirtualLoop, began: int) -> None:
    sandbox, log = flow._sandbox(loop, began)
    loop.busy = lambda: anyio.to_thread.current_default_thread_limiter().borrowed_tokens > 0
    await sandbox.start()
    try:
        async with anyio.create_task_group() as watch:
            watch.start_soon(_watch, sandbox.flow)
            async with anyio.create_task_group() as group:
                for visit in haunting.visits:
                    group.start_soon(_visit, visit, partial(_remembered, sandbox.flow), 1.0)
            watch.cancel_scope.cancel()
        with anyio.move_on_after(GRACE):
            await sandbox.idle()
    finally:
        with anyio.CancelScope(shield=True):
            await sandbox.stop()
    haunting.log = log
    failed = (f"{row.node}: {row.error}" for row in log if row.kind == "error")
    haunting.raised = list(islice(failed, 100))


async def _watch(flow: Any) -> None:
    """Let go of who does not read: a flow in virtual time has no ticker of its own."""
    while True:
        await anyio.sleep(1.0)
        flow.sessions.check(flow.sessions.now())


@asynccontextmanager
async def _remembered(flow: Any, ghost: Ghost) -> AsyncIterator[Line]:
    """Connect a ghost to a flow in memory."""
    query = f"?{urlencode(ghost.query)}" if ghost.query else ""
    client = flow.client(
        quote(ghost.path) + query, headers=dict(ghost.headers), peer=f"ghost {ghost.number}"
    )
    async with client:
        yield _Memory(client)


class Client(Protocol):
    """A client in memory (see `memory.Client`)."""

    session: Any
    closed: tuple[int | None, str] | None

    async def send(self, message: Data) -> None: ...

    async def receive(self, timeout: float | None) -> Data: ...

    async def close(self, code: int, reason: str) -> None: ...


class _Memory:
    """A ghost's line in memory."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.send, self.close = client.send, client.close

    async def receive(self) -> Data:
        return await self._client.receive(timeout=None)

    def drop(self) -> None:
        self._client.session.transport.abort()

    @property
    def closed(self) -> tuple[int | None, str] | None:
        return self._client.closed


# ---- over sockets


async def over_sockets(url: str, haunting: CrowdReport, speed: float) -> None:
    """Let the visits go to a server, in real time.

    Raises:
        ReplayError: the address is no WebSocket address.
    """
    address = _Address.of(url)
    async with anyio.create_task_group() as group:
        for visit in haunting.visits:
            group.start_soon(_visit, visit, address.connect, speed)


@dataclass(frozen=True)
class _Address:
    """Where a server is, and what every ghost adds to its path and query."""

    base: str
    path: str
    query: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, url: str) -> _Address:
        parts = urlsplit(url)
        if parts.scheme not in {"ws", "wss"} or not parts.netloc:
            raise ReplayError(f"ghosts haunt a flow, or a server at ws:// or wss://, not {url!r}")
        base = f"{parts.scheme}://{parts.netloc}"
        return cls(base, parts.path.rstrip("/"), tuple(parse_qsl(parts.query)))

    @asynccontextmanager
    async def connect(self, ghost: Ghost) -> AsyncIterator[Line]:
        """Connect a ghost over a socket."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidHandshake, InvalidStatus
        from websockets.typing import Subprotocol

        query = urlencode([*ghost.query, *self.query])
        url = f"{self.base}{self.path}{quote(ghost.path)}" + (f"?{query}" if query else "")
        names = dict(ghost.headers).get("sec-websocket-protocol", "")
        offered = [Subprotocol(name.strip()) for name in names.split(",") if name.strip()] or None
        try:
            connection = await connect(
                url,
                additional_headers=[p for p in ghost.headers if p[0] != "sec-websocket-protocol"],
                subprotocols=offered,
                proxy=None,
                max_size=None,
                max_queue=1 if "slow" in ghost.faults else 16,
                ping_interval=None,
                close_timeout=CLOSE,
            )
        except InvalidStatus as error:
            told = (error.response.body or b"").decode(errors="replace")
            raise RefusedError(ghost.path, error.response.status_code, told) from error
        except (InvalidHandshake, TimeoutError) as error:
            raise ConnectionError(f"no handshake on {url}: {error}") from error
        try:
            yield _Socket(connection, ghost.path)
        finally:
            connection.transport.abort()


class _Socket:
    """A ghost's line over a socket."""

    def __init__(self, connection: Any, path: str) -> None:
        self._connection, self._path = connection, path

    async def send(self, data: Data) -> None:
        await self._do(self._connection.send(data))

    async def receive(self) -> Data:
        data: Data = await self._do(self._connection.recv())
        return data

    async def _do(self, action: Awaitable[Any]) -> Any:
        from websockets.exceptions import ConnectionClosed

        try:
            return await action
        except ConnectionClosed as error:
            raise SessionClosedError(self._path, *(self.closed or (None, ""))) from error

    async def close(self, code: int, reason: str) -> None:
        await self._connection.close(code, reason)

    def drop(self) -> None:
        self._connection.transport.abort()

    @property
    def closed(self) -> tuple[int | None, str] | None:
        code = self._connection.close_code
        if code is None:
            return None
        return (None, "") if code == 1006 else (code, self._connection.close_reason or "")
