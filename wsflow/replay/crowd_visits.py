"""A ghost's visit: it comes, sends and listens as planned, and leaves; what came of it is noted.

Two ways in: to a flow in memory, in a loop with virtual time, and to any server over sockets.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlencode

import anyio
import anyio.to_thread

from ..base.threads import aside
from ..errors import RefusedError, SessionClosedError
from ..types import Data
from .address import Address
from .crowd_report import CrowdReport, Ghost, Visit
from .player import GRACE
from .virtual_time import VirtualLoop

if TYPE_CHECKING:
    from ..log.log import Log

SLOW = 10.0
"""Seconds a slow ghost takes over an answer: longer than most servers are patient."""

OVERTIME = 30.0
"""Seconds beyond its plan after which a ghost is taken away: something holds it."""

CLOSE = 2.0
"""Seconds a ghost on a socket waits for the answer to its Close."""


# ---- one visit


class GhostConnection(Protocol):
    """A connection as a ghost uses it, whatever carries it."""

    async def send(self, data: Data) -> None: ...

    async def receive(self) -> Data: ...

    async def close(self, code: int, reason: str) -> None: ...

    def drop(self) -> None: ...

    @property
    def closed(self) -> tuple[int | None, str] | None: ...


Connect = Callable[[Ghost], AbstractAsyncContextManager[GhostConnection]]


async def _visit(visit: Visit, connect: Connect, speed: float) -> None:
    """Do what the plan says, and write down what comes of it."""
    ghost = visit.ghost
    await anyio.sleep(ghost.arrives / speed)
    began = anyio.current_time()
    with anyio.move_on_after(ghost.leaves / speed + OVERTIME) as held:
        try:
            async with connect(ghost) as connection:
                visit.connected = True
                await _talk(visit, connection, began, speed)
        except (RefusedError, OSError) as error:
            visit.error = str(error)
    if held.cancelled_caught:
        visit.error = f"was held for {OVERTIME:g} s longer than planned"
    visit.seconds = (anyio.current_time() - began) * speed


async def _talk(visit: Visit, connection: GhostConnection, began: float, speed: float) -> None:
    ghost = visit.ghost
    async with anyio.create_task_group() as group:
        group.start_soon(_listen, visit, connection, speed, group.cancel_scope.cancel)
        try:
            for step in ghost.steps:
                await _until(began + step.at / speed)
                await connection.send(step.data)
                visit.sent += 1
            await _until(began + ghost.leaves / speed)
            if ghost.code is None:
                connection.drop()
            else:
                await connection.close(ghost.code, ghost.reason)
        except SessionClosedError:
            pass  # sent away; the code tells why
        group.cancel_scope.cancel()
    visit.code, visit.reason = connection.closed or (None, "")


async def _listen(
    visit: Visit, connection: GhostConnection, speed: float, ended: Callable[[], None]
) -> None:
    slow = "slow" in visit.ghost.faults
    while True:
        try:
            await connection.receive()
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


async def in_memory(flow: Playable, report: CrowdReport, began: int) -> None:
    """Run the visits in a loop with virtual time, in a thread."""
    loop = VirtualLoop()
    over = anyio.CancelScope()

    async def main() -> None:
        with over:
            await _in_sandbox(flow, report, loop, began)

    run = partial(anyio.run, main, backend_options={"loop_factory": lambda: loop})
    try:
        await aside(run, abandon_on_cancel=True)
    except BaseException:
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            loop.call_soon_threadsafe(over.cancel)  # an interrupted cell does not leave it running
        raise


async def _in_sandbox(flow: Playable, report: CrowdReport, loop: VirtualLoop, began: int) -> None:
    sandbox, log = flow._sandbox(loop, began)
    loop.busy = lambda: anyio.to_thread.current_default_thread_limiter().borrowed_tokens > 0
    await sandbox.start()
    try:
        async with anyio.create_task_group() as watch:
            watch.start_soon(_watch, sandbox.flow)
            async with anyio.create_task_group() as group:
                for visit in report.visits:
                    group.start_soon(_visit, visit, partial(_remembered, sandbox.flow), 1.0)
            watch.cancel_scope.cancel()
        with anyio.move_on_after(GRACE):
            await sandbox.idle()
    finally:
        with anyio.CancelScope(shield=True):
            await sandbox.stop()
    report.log = log
    failed = (f"{row.node}: {row.error}" for row in log if row.kind == "error")
    report.raised = list(islice(failed, 100))


async def _watch(flow: Any) -> None:
    """Let go of who does not read: a flow in virtual time has no ticker of its own."""
    while True:
        await anyio.sleep(1.0)
        flow.sessions.check(flow.sessions.now())


@asynccontextmanager
async def _remembered(flow: Any, ghost: Ghost) -> AsyncIterator[GhostConnection]:
    """Connect a ghost to a flow in memory."""
    query = f"?{urlencode(ghost.query)}" if ghost.query else ""
    client = flow.client(
        quote(ghost.path) + query, headers=dict(ghost.headers), peer=f"ghost {ghost.number}"
    )
    async with client:
        yield _Memory(client)


class MemoryClient(Protocol):
    """A client in memory (see `memory.Client`)."""

    session: Any
    closed: tuple[int | None, str] | None

    async def send(self, message: Data) -> None: ...

    async def receive(self, timeout: float | None) -> Data: ...

    async def close(self, code: int, reason: str) -> None: ...


class _Memory:
    """A ghost's connection in memory."""

    def __init__(self, client: MemoryClient) -> None:
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


async def over_sockets(url: str, report: CrowdReport, speed: float) -> None:
    """Let the visits go to a server, in real time.

    Raises:
        ReplayError: it is no address of a WebSocket server, or nobody listens there.
    """
    address = Address.of(url)
    await aside(address.reach)
    async with anyio.create_task_group() as group:
        for visit in report.visits:
            group.start_soon(_visit, visit, partial(_connected, address), speed)


@asynccontextmanager
async def _connected(address: Address, ghost: Ghost) -> AsyncIterator[GhostConnection]:
    """Connect a ghost over a socket."""
    way = address.connect(
        ghost.path,
        ghost.query,
        ghost.headers,
        max_size=None,
        max_queue=1 if "slow" in ghost.faults else 16,
        close_timeout=CLOSE,
    )
    async with way as connection:
        yield _Socket(connection, ghost.path)


class _Socket:
    """A ghost's connection over a socket."""

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
