"""The door: who is let in, who is refused with a word, and what happens when descriptors run out.

Exhaustion is played in a process of its own with a small limit (promise P11).
"""

import asyncio
import contextlib
import errno
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.peers.raw import Raw, close, descriptors, eventually, handshake, text
from tests.process.beats import Beats
from wsflow import Context, Flow
from wsflow.wire import acceptor
from wsflow.wire.acceptor import Acceptor
from wsflow.wire.server import bind


class Door:
    """An acceptor, and what it did with those who came."""

    def __init__(self) -> None:
        self.sock = bind("127.0.0.1", 0)
        self.port = self.sock.getsockname()[1]
        self.inside: list[socket.socket] = []
        self.notes: list[str] = []
        self.why: str | None = None
        self.acceptor = Acceptor(self.sock, self.inside.append, lambda: self.why, self.notes.append)


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    door = Door()
    door.acceptor.start()
    yield door
    door.acceptor.close()
    for sock in door.inside:
        sock.close()


async def test_who_finds_room_is_let_in_and_does_not_block(door: Door) -> None:
    async with Raw.tcp(door.port):
        await eventually(lambda: len(door.inside) == 1)
        assert not door.inside[0].getblocking()
        assert door.inside[0].proto == socket.IPPROTO_TCP, "asyncio sets TCP_NODELAY only then"
    assert door.notes == []


async def test_who_is_refused_hears_503_and_no_reset(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptor, "REFUSED_TIMEOUT", 30.0)
    door.why = "the house is full"
    async with Raw.tcp(door.port) as raw:
        response = await raw.response()
        assert (response.status, response.headers["retry-after"]) == (503, "1")
        await raw.send(handshake(), bytes(100_000))  # discarded, not reset
        assert await raw.rest() == b""
        assert raw.error() == 0
        assert door.notes == ["the house is full: 1 refused with 503"]
    await eventually(lambda: descriptors(door.port) == [])


async def test_who_is_refused_and_stays_is_let_go(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptor, "REFUSED_TIMEOUT", 0.05)
    door.why = "full"
    async with Raw.tcp(door.port) as raw:
        assert (await raw.response()).status == 503
        await eventually(lambda: descriptors(door.port) == [])


async def test_only_so_many_of_the_refused_may_linger(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptor, "MAX_REFUSED", 3)
    door.why = "full"
    async with contextlib.AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(Raw.tcp(door.port)) for _ in range(10)]
        for peer in peers:
            assert (await peer.response()).status == 503
        assert len(descriptors(door.port)) == 3


async def test_a_flood_of_the_refused_is_told_once_a_second(door: Door) -> None:
    def told() -> list[int]:
        return [int(note.split()[1]) for note in door.notes]

    door.why, began = "full", time.monotonic()
    for _ in range(50):
        async with Raw.tcp(door.port) as raw:
            assert (await raw.response()).status == 503
    await eventually(lambda: sum(told()) >= 50)
    assert door.notes[0] == "full: 1 refused with 503"
    assert sum(told()) == 50
    assert len(told()) <= 2 + time.monotonic() - began


async def test_where_tls_is_spoken_nobody_is_answered_in_plain_text() -> None:
    notes: list[str] = []
    sock = bind("127.0.0.1", 0)
    port = sock.getsockname()[1]
    closed = Acceptor(sock, lambda sock: None, lambda: "full", notes.append, b"")
    closed.start()
    async with Raw.tcp(port) as raw:
        assert await raw.rest() == b""
    closed.close()
    assert notes == ["full: 1 refused with 503"]


async def test_closing_twice_is_harmless_and_frees_the_port() -> None:
    door = Door()
    door.why = "full"
    door.acceptor.start()
    async with Raw.tcp(door.port) as raw:
        assert (await raw.response()).status == 503
        door.acceptor.close()
        door.acceptor.close()
        assert await raw.rest() == b""
    with contextlib.closing(bind("127.0.0.1", door.port)):
        pass


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENOMEM, errno.EPERM])
async def test_a_door_that_can_not_open_tries_again(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptor, "RETRY_PAUSE", 0.05)
    monkeypatch.setattr(Acceptor, "_hold_reserve", lambda self: None)
    faults = [1, 2, 3]
    accept = socket.socket.accept

    def failing(self: socket.socket) -> tuple[socket.socket, object]:
        if faults:
            faults.pop()
            raise OSError(code, os.strerror(code))
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", failing)
    door = Door()
    door.acceptor.start()
    async with Raw.tcp(door.port):
        await eventually(lambda: len(door.inside) == 1)
    door.acceptor.close()
    door.inside[0].close()
    assert os.strerror(code) in door.notes[0]


async def test_a_loop_that_watches_no_sockets_is_served_by_asyncio(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_here(self: object) -> None:
        raise NotImplementedError

    @flow.node
    def greet(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": "hello"})

    flow.websocket("/").req >> greet
    monkeypatch.setattr(Acceptor, "start", not_here)
    server = await flow.serve()
    async with Raw.websocket(server.port) as raw:
        assert (await raw.frame()).payload == b"hello"
        await raw.send(close(1000))
        assert (await raw.closed()).code == 1000


# ---- out of descriptors

STARVED = """
import asyncio, os, resource
from wsflow import Flow

async def main():
    flow = Flow("starved")

    @flow.node
    def echo(ev, ctx):
        ctx.emit("response", {"body": ev["message"]})

    flow.websocket("/").message >> echo
    server = await flow.serve()
    resource.setrlimit(resource.RLIMIT_NOFILE, (MOST, MOST))
    print(server.port, flush=True)
    hoard = []
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def asked():
        match os.read(0, 1):
            case b"h":
                try:
                    while True:
                        hoard.append(os.open(os.devnull, os.O_RDONLY))
                except OSError:
                    print("none left", flush=True)
            case b"g":
                while hoard:
                    os.close(hoard.pop())
                print("given back", flush=True)
            case _:
                done.set()

    loop.add_reader(0, asked)
    await done.wait()
    await flow.stop()
    for row in flow.log.tail(10_000):
        if row.kind in {"drop", "error"}:
            print(row.kind, row.error, flush=True)

asyncio.run(main())
"""


class Starved:
    """A server in a process with few descriptors, which it can be told to hoard."""

    def __init__(self, limit: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", STARVED.replace("MOST", str(limit))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.port = int(self.line())

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def tell(self, letter: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(letter)
        self.process.stdin.flush()
        return self.line().strip()

    def end(self) -> tuple[list[str], str]:
        """Stop it; return what it told of drops and errors, and its stderr."""
        out, complaints = self.process.communicate("q", timeout=50)
        return out.splitlines(), complaints


@pytest.fixture
def starved() -> Iterator[Starved]:
    starved = Starved(100)
    yield starved
    starved.process.kill()
    starved.process.communicate()


async def refused(port: int) -> bool:
    """Say whether a newcomer was answered 503; False: it was let in."""
    async with Raw.tcp(port) as raw:
        await raw.send(handshake())
        status = (await raw.response()).status
        assert status in {101, 503}
        return status == 503


async def test_p11_out_of_descriptors_by_clients_some_are_left_for_the_flow(
    starved: Starved,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        inside: list[Raw] = []
        for _ in range(150):
            raw = await stack.enter_async_context(Raw.tcp(starved.port))
            await raw.send(handshake())
            if (await raw.response()).status == 101:
                inside.append(raw)
        assert 50 < len(inside) < 100 - acceptor.SPARE_DESCRIPTORS
        for raw in inside:
            await raw.send(text("still served"))
            assert (await raw.frame()).payload == b"still served"
        for raw in inside[:10]:
            await raw.send(close(1000))
            await raw.closed()
        async with Beats() as beats:
            while await refused(starved.port):
                assert beats.seconds < 2
                await asyncio.sleep(0.05)  # a client that comes again
    told, complaints = starved.end()
    assert complaints == ""
    assert told
    assert [line for line in told if "file descriptors are left" not in line] == []


async def test_p11_out_of_descriptors_by_others_newcomers_hear_503_and_it_recovers(
    starved: Starved,
) -> None:
    async with Raw.websocket(starved.port) as before:
        assert starved.tell("h") == "none left"
        for _ in range(30):
            assert await refused(starved.port)
            await before.send(text("still served"))
            assert (await before.frame()).payload == b"still served"
        assert starved.tell("g") == "given back"
        async with Beats() as beats:
            assert not await refused(starved.port)
            assert beats.seconds < 2
        await before.send(text("and on"))
        assert (await before.frame()).payload == b"and on"
    told, complaints = starved.end()
    assert complaints == ""
    assert [line for line in told if "Too many open files" not in line] == []
    assert sum(int(line.split(": ")[-1].split()[0]) for line in told) == 30
