"""Making recordings to replay: of real flows over real sockets, in memory, or written by hand."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import anyio
from websockets.asyncio.client import ClientConnection, connect

from wsflow import Flow, Recording
from wsflow.io import format as lines
from wsflow.wire.memory import Client
from wsflow.wire.server import Server


def open_client(server: Server, path: str, **options: Any) -> connect:
    """Return a client of the `websockets` package: `async with open_client(server, "/x") as a`."""
    return connect(server.url + path, proxy=None, close_timeout=2, **options)


async def ask(client: ClientConnection, *messages: str | bytes) -> list[str | bytes]:
    """Send messages, each after the answer to the one before; return the answers."""
    answers = []
    for message in messages:
        await client.send(message)
        answers.append(await hear(client))
    return answers


async def hear(client: ClientConnection) -> str | bytes:
    with anyio.fail_after(20):
        return await client.recv()


async def record(
    flow: Flow, folder: Path, talk: Callable[[Server], Awaitable[object]], name: str = "lesson"
) -> Recording:
    """Serve a flow, record what is said until everybody has left, and stop it again."""
    async with flow.serving() as server:
        with flow.record(name, folder=folder):
            await talk(server)
            with anyio.fail_after(20):
                await flow.sessions.emptied()
            flow.log.tail(1)
    return Recording.open(name, folder=folder)


@contextlib.asynccontextmanager
async def recording_in_memory(
    flow: Flow, folder: Path, name: str = "lesson"
) -> AsyncIterator[None]:
    """Record what clients in memory say in the block."""
    await flow.start()
    with flow.record(name, folder=folder):
        yield


async def tell(client: Client, *messages: str | bytes) -> list[str | bytes]:
    """The same as `ask` for a client in memory."""
    answers = []
    for message in messages:
        await client.send(message)
        answers.append(await client.receive())
    return answers


def rewritten(
    recording: Recording, name: str, change: Callable[[dict[str, Any]], dict[str, Any] | None]
) -> Recording:
    """Write a recording anew, line by line; a line that becomes None is left out."""
    changed = [change(lines.read_object(line)) for line in recording.path.read_bytes().splitlines()]
    path = recording.path.with_name(f"{name}.jsonl")
    path.write_bytes(b"".join(lines.write_object(one) for one in changed if one is not None))
    return Recording.open(path)


class Script:
    """A recording written by hand, row by row, with times of its own.

    What handlers answered is `answers`; `says` and the others return the row's number, for `cause`.
    """

    def __init__(self, path: Path, **header: Any) -> None:
        self._path = path
        self._lines = [lines.write_object({"wsflow": 1, "time": 10**18, **header})]
        self._scopes: dict[int, int] = {}
        self.seq = 0

    def row(self, t: float, kind: str, session: str | None = None, **rest: Any) -> int:
        """Write any row."""
        self.seq = rest.pop("seq", self.seq + 1)
        scope = self._scopes.get(rest.get("cause", 0), self.seq)
        self._scopes[self.seq] = scope = rest.pop("scope", scope)
        row = {"seq": self.seq, "t": t, "scope": scope, "kind": kind, "session": session}
        self._lines.append(lines.write_object(row | rest))
        return self.seq

    def opens(self, session: str, t: float = 0.0, path: str = "/chat", **facts: Any) -> int:
        self.known(session, path, time=10**18 + round(t * 1e9), **facts)
        return self.row(t, "req", session, path=path)

    def known(self, session: str, path: str = "/chat", **facts: Any) -> None:
        """Write a handshake alone."""
        whole = {"id": session, "path": path, "peer": "p", "params": {}, "query": {}, "headers": {}}
        self._lines.append(lines.write_object({"opened": whole | facts}))

    def says(self, session: str, data: str, t: float) -> int:
        return self.row(t, "message", session, data=data, size=len(data))

    def hears(self, session: str, data: str, t: float, cause: int = 0, **rest: Any) -> int:
        return self.row(t, "response", session, data=data, cause=cause or self.seq, **rest)

    def leaves(self, session: str, t: float, code: int | None = 1000) -> int:
        return self.row(t, "close", session, code=code, reason="")

    def raw(self, line: bytes) -> Self:
        """Write a line that is no good."""
        self._lines.append(line + b"\n")
        return self

    def recording(self) -> Recording:
        self._path.write_bytes(b"".join(self._lines))
        return Recording.open(self._path)
