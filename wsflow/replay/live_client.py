"""A client of a live server: a recorded session that is there again.

It does what it is told when it is told; when that is, its host decides (`live.py`).
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import anyio

from ..errors import RefusedError
from ..types import Data
from .address import MAX_ANSWER, Address, known_pairs, own_headers, sendable

if TYPE_CHECKING:
    from anyio.abc import TaskGroup
    from websockets.asyncio.client import ClientConnection

BACKLOG = 10_000
"""Messages that may wait for a server that takes none; what comes then is told and left out."""


class Turns(Protocol):
    """Who has clients, and decides whose turn it is."""

    address: Address
    group: TaskGroup
    due: Counter[str]
    left_out: Counter[str]

    def later(self, who: str, do: Callable[[], None]) -> None: ...

    def reckon(self, session: str) -> None: ...

    def heard(self, who: str) -> None: ...

    def moved(self) -> None: ...

    def fault(self, who: str, error: Exception) -> None: ...


class Leave(NamedTuple):
    """How a session ends; without a code nothing is said."""

    code: int | None
    reason: str


class LiveClient:
    """A recorded session at a live server."""

    def __init__(self, facts: dict[str, Any], hear: Callable[[Data], None], server: Turns) -> None:
        self.id = str(facts["id"])
        self.is_open = True
        self._facts, self._hear, self._server = facts, hear, server
        self._came = self._forgiven = self._undone = 0
        self._put, self._todo = anyio.create_memory_object_stream[Data | Leave](BACKLOG)

    # ---- what is asked for

    def begin(self) -> None:
        """Connect."""
        self._undone += 1
        self._server.group.start_soon(self._visit)
        self._server.reckon(self.id)

    def receive(self, data: Data, size: int, scope: int = 0) -> None:
        """Send a message to the server, when it is its turn."""
        self._server.later(self.id, partial(self.do, data))

    def lost(
        self, code: int | None, reason: str = "", error: str | None = None, scope: int = 0
    ) -> None:
        """Leave as it was left then, when it is its turn."""
        leave = Leave(*sendable(code, reason))
        self._server.later(self.id, partial(self.do, leave))

    def do(self, what: Data | Leave) -> None:
        """Send, or leave, unless the server has left."""
        if self.is_open:
            try:
                self._put.send_nowait(what)
            except anyio.WouldBlock as error:  # the patience with it came to an end long ago
                self._server.fault(self.id, error)
                self._leave_out(what)
            else:
                self._add(1)
        else:
            self._leave_out(what)

    def _leave_out(self, what: Data | Leave) -> None:
        if not isinstance(what, Leave):
            self._server.left_out["messages to a server that takes none"] += 1

    # ---- what is waited for

    @property
    def is_waiting(self) -> bool:
        """Whether the server has not done all it had done then."""
        missing = self._server.due[self.id] - self._came - self._forgiven
        return self.is_open and (self._undone > 0 or missing > 0)

    def forgive(self) -> None:
        """Wait no longer for what has not come."""
        self._forgiven = max(0, self._server.due[self.id] - self._came)
        self._undone = 0
        self._server.reckon(self.id)

    def _add(self, undone: int) -> None:
        self._undone = max(0, self._undone + undone)
        self._server.reckon(self.id)
        self._server.moved()

    # ---- at the server

    async def _visit(self) -> None:
        """Connect, say what is to be said, hear what is answered, and leave."""
        try:
            async with self._connected() as connection:
                self._add(-1)
                async with anyio.create_task_group() as group:
                    group.start_soon(self._listen, connection)
                    await self._talk(connection)
        except (RefusedError, OSError) as error:
            self._server.left_out["sessions that were refused or broke"] += 1
            self._server.fault(self.id, error)
        finally:
            self.close()
            self._add(-1)

    def _connected(self) -> AbstractAsyncContextManager[ClientConnection]:
        facts = self._facts
        return self._server.address.connect(
            str(facts["path"]),
            known_pairs(facts.get("query")),
            own_headers(facts.get("headers")),
            compression=None,
            max_size=MAX_ANSWER,
            open_timeout=None,  # time is virtual here: the target has the patience
            close_timeout=None,
        )

    async def _talk(self, connection: ClientConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        with contextlib.suppress(ConnectionClosed):  # the server has left
            async for what in self._todo:
                if not isinstance(what, Leave):
                    await connection.send(what)
                elif what.code is None:
                    connection.transport.abort()
                else:
                    await connection.close(what.code, what.reason)
                self._add(-1)

    async def _listen(self, connection: ClientConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        with contextlib.suppress(ConnectionClosed):
            async for data in connection:
                self._came += 1
                self._hear(data)
                self._server.reckon(self.id)
                self._server.heard(self.id)
        self.is_open = False
        self._put.close()

    def close(self) -> None:
        """Say that it is over; harmless twice."""
        self.is_open = False
        self._put.close()
        with contextlib.suppress(anyio.WouldBlock, anyio.EndOfStream, anyio.ClosedResourceError):
            while True:
                self._leave_out(self._todo.receive_nowait())
        self._todo.close()
