"""Making recordings to replay: of real flows over real sockets, in memory, or written by hand."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import anyio
import anyio.to_thread
import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from wsflow import Context, Flow, Recording
from wsflow.compare.report import Report
from wsflow.io import format as lines
from wsflow.types import CloseEvent, HttpEvent, MessageEvent, SocketEvent
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


SPEEDS = [None, 20.0]


EVERY_SPEED = pytest.mark.parametrize("speed", SPEEDS)


def chat() -> Flow:
    """A flow with a bit of everything: answers at once, later, to all, on request, by two nodes."""
    flow = Flow("chat")
    room = flow.websocket("/chat/{name}", name="room")
    manager = flow.connections()
    push = flow.http("/push", method="POST")

    @flow.node
    def greet(event: SocketEvent, ctx: Context) -> None:
        ctx.state.set("guests", (ctx.state.get("guests") or 0) + 1)
        ctx.emit("response", {"body": f"guest {ctx.state.get('guests')} in {event['params']}"})

    @flow.node
    def shout(event: MessageEvent, ctx: Context) -> None:
        message = event["message"]
        if isinstance(message, bytes):
            ctx.emit("response", {"body": message[::-1]})
        elif message == "bye":
            ctx.emit("response", {"body": "see you", "end": True, "code": 4001, "reason": "bye"})
        else:
            ctx.emit("response", {"body": message.upper()})
            ctx.route(event)

    @flow.node
    async def later(event: MessageEvent) -> None:
        await asyncio.sleep(0.02)
        manager.broadcast({"from": event["sessionId"], "text": event["message"]})

    @flow.node
    async def patient(event: MessageEvent, ctx: Context) -> None:
        with anyio.move_on_after(0.03) as scope:
            await anyio.sleep(1.0 if event["message"] == "slow" else 0.01)
        ctx.emit("response", {"body": "too slow" if scope.cancelled_caught else "in time"})

    @flow.node
    def announce(event: HttpEvent, ctx: Context) -> None:
        manager.broadcast(event["body"])
        ctx.emit("response", {"status": 201, "body": {"told": len(manager.sessions)}})

    @flow.node
    def farewell(event: CloseEvent) -> None:
        manager.broadcast(f"{event['sessionId'].split('-')[0]} left with {event['code']}")

    room.req >> [manager.req, greet]
    room.message >> shout >> [later, patient]
    room.close >> manager.close
    room.close >> farewell
    push.out >> announce
    return flow


async def chatter(server: Server) -> None:
    """Three clients talk, one is ended by the server, one vanishes, one leaves politely."""
    async with open_client(server, "/chat/red?a=1&a=2") as alice:
        await hear(alice)
        async with open_client(server, "/chat/blue") as bob:
            await hear(bob)
            await alice.send("hi")
            for _ in range(3):
                await hear(alice)
            await hear(bob)
            await bob.send("slow")
            await bob.send(b"\x00\x01\xff")
            for _ in range(4):
                await hear(bob)
            await hear(alice)
            url = server.url.replace("ws", "http")
            async with httpx.AsyncClient() as http:
                answer = await http.post(f"{url}/push", json={"news": "snow ❄"})
                assert answer.json() == {"told": 2}
            await hear(alice)
            await hear(bob)
            carol = await open_client(server, "/chat/green")
            await hear(carol)
            carol.transport.abort()
            await hear(bob)
            await bob.send("bye")
            assert await hear(bob) == "see you"
            await bob.wait_closed()
        await hear(alice)
        await hear(alice)


def outcome(report: Report) -> tuple[Any, ...]:
    """Return what has to be equal when a recording is played again."""
    tally = report.tally
    return (
        report.events,
        tally.same,
        tally.differences,
        tally.excused,
        [(pair.session, pair.status, pair.new) for pair in tally.differing],
        report.raised,
    )


def answers(recording: Recording) -> int:
    return sum(row.kind in {"response", "send"} for row in recording.rows())


async def assert_same(flow: Flow, recording: Recording, **options: Any) -> Report:
    """Replay twice: everything is as recorded, and the second time as the first."""
    first, second = [await flow.replay(recording, **options) for _ in range(2)]
    assert first.ok, first
    excused = first.tally.excused - Counter(first.tally.excused.get("dropped", 0) * ["dropped"])
    assert first.tally.same + excused.total() == answers(recording), first
    assert outcome(first) == outcome(second)
    return first


def rows(report: Report) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in report.diff.itertuples(index=False)]


def welcoming() -> Flow:
    """Greets, ticks, and passes on what is said."""
    flow = Flow("welcoming")
    chat, manager = flow.websocket("/chat/{name}"), flow.connections()

    @flow.node
    def greet(event: SocketEvent, ctx: Context) -> None:
        ctx.emit("response", {"body": f"welcome {event['params']['name']}"})

    @flow.node
    async def tick(event: SocketEvent, ctx: Context) -> None:
        number = 0
        while True:
            number += 1
            ctx.emit("response", {"body": f"tick {number}"})
            await anyio.sleep(0.03)

    @flow.node
    def say(event: MessageEvent) -> None:
        manager.broadcast(event["message"])

    @flow.node
    def left(event: CloseEvent) -> None:
        manager.broadcast(f"{event['params']['name']} left")

    chat.req >> [manager.req, greet, tick]
    chat.message >> say
    chat.close >> manager.close
    chat.close >> left
    return flow


Talk = Callable[[Server], Awaitable[object]]


def says(*messages: str | bytes, path: str = "/chat", count: int | None = None) -> Talk:
    """One client says all of it at once and waits for so many answers."""

    async def talk(server: Server) -> None:
        async with open_client(server, path) as client:
            for message in messages:
                await client.send(message)
            for _ in range(len(messages) if count is None else count):
                await hear(client)

    return talk


def raising(flow: Flow) -> Talk:
    """Handlers that raise, and a Catch that answers."""

    @flow.node
    async def fail(event: MessageEvent) -> None:
        raise ValueError(event["message"])

    @flow.node
    def sorry(event: dict[str, str], ctx: Context) -> None:
        ctx.emit("response", {"body": f"{event['type']}: {event['error']}"})

    flow.websocket("/chat").message >> fail
    flow.catch().out >> sorry
    return says("a", "b")
