"""Clients that mean harm, as real raw sockets: whoever they are, the others are served.

Frames that break the protocol are in `test_connection`, bombs in `test_deflate`, want of
descriptors in `test_acceptor`; here are crowds, floods and forgeries.
"""

import asyncio
import contextlib
import os
import resource
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.peers.raw import (
    BINARY,
    CONT,
    TEXT,
    Raw,
    close,
    descriptors,
    eventually,
    frame,
    handshake,
    request,
    text,
)
from tests.process.beats import Beats
from tests.process.memory import forget_peak, memory, peak
from wsflow import Context, Flow
from wsflow.log import places
from wsflow.wire.server import Server

LIMIT = 2**20


@pytest.fixture(autouse=True)
def many_descriptors() -> Iterator[None]:
    """Both ends of every connection are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 20_000 if hard == resource.RLIM_INFINITY else min(20_000, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
async def server(flow: Flow) -> Server:
    """An echo."""

    @flow.node
    def echo(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": ev["message"]})

    flow.websocket("/").message >> echo
    return await flow.serve()


async def answered(raw: Raw) -> float:
    """Return how many seconds an echo takes, of waiting and of work: no other process counts."""
    async with Beats() as beats:
        began = time.process_time()
        await raw.send(text("there?"))
        assert (await raw.frame()).payload == b"there?"
        return beats.seconds + time.process_time() - began


# ---- crowds


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_p11_3000_who_say_nothing_and_a_slowloris_are_gone_in_six_seconds(
    server: Server,
) -> None:
    loop = asyncio.get_running_loop()
    gone: list[float] = []

    async def silent(sock: socket.socket) -> None:
        since = beats.seconds
        with contextlib.suppress(ConnectionError):
            while await loop.sock_recv(sock, 100):
                pass
        sock.close()
        gone.append(beats.seconds - since)

    async def slow() -> None:
        async with Raw.tcp(server.port) as raw:
            since = beats.seconds
            with contextlib.suppress(ConnectionError):
                for byte in handshake()[:-2]:
                    await raw.send(bytes((byte,)))
                    await asyncio.sleep(0.1)  # a byte now and then is what a slowloris does
            gone.append(beats.seconds - since)

    async with Beats() as beats, Raw.websocket(server.port) as session:
        waits = [await answered(session)]
        slower = asyncio.create_task(slow())
        crowd = []
        for number in range(3000):
            sock = socket.socket()
            sock.setblocking(False)
            await loop.sock_connect(sock, ("127.0.0.1", server.port))
            crowd.append(asyncio.create_task(silent(sock)))
            if number % 100 == 0:
                waits.append(await answered(session))
        assert not slower.done() or gone
        while not all(one.done() for one in crowd):
            waits.append(await answered(session))
            await asyncio.sleep(0.05)  # a client that goes on with its work
        await slower
        assert len(gone) == 3001
        assert max(gone) < 6, f"the last one was dropped after {max(gone):.1f} s"
        assert sorted(waits)[len(waits) * 9 // 10] < 0.25
        await eventually(lambda: len(descriptors(server.port)) == 1)
        async with Raw.websocket(server.port) as newcomer:
            await answered(newcomer)


async def test_who_asks_and_never_reads_is_dropped_and_costs_the_others_nothing(
    flow: Flow, server: Server
) -> None:
    blob = frame(BINARY, bytes(LIMIT // 4))

    async def ask_on() -> None:
        async with Raw.websocket(server.port, receive_buffer=4096) as raw:
            with contextlib.suppress(ConnectionError):
                while True:
                    await raw.send(blob)

    async with Raw.websocket(server.port) as session:
        greedy = [asyncio.create_task(ask_on()) for _ in range(8)]
        try:
            await flow.log.until(kind="drop", node="", count=8, timeout=30)
            waits = [await answered(session) for _ in range(50)]
            assert sorted(waits)[45] < 0.25
            await eventually(lambda: len(server.sessions) == 1, 15)
            evicted = [row for row in flow.log.tail(10**6) if "closed with 1013" in str(row.error)]
            assert len(evicted) == 8
        finally:
            for one in greedy:
                one.cancel()
            await asyncio.gather(*greedy, return_exceptions=True)


async def test_clients_that_reset_in_the_middle_of_everything_leave_nothing(
    flow: Flow, server: Server
) -> None:
    stages = [
        b"",
        b"GET",
        handshake()[:40],
        handshake(),
        handshake() + text("hello")[:3],
        handshake() + frame(TEXT, b"half", fin=False),
        handshake() + frame(BINARY, bytes(5000))[:900],
        handshake() + text("x") * 50,
        handshake() + close(1000),
        handshake() + frame(TEXT, b"unmasked", mask=None),
        request("/nowhere"),
    ]
    for _ in range(10):
        for said in stages:
            async with Raw.tcp(server.port) as raw:
                await raw.send(said)
                raw.reset()
    async with Raw.websocket(server.port) as session:
        await answered(session)
    await eventually(lambda: descriptors(server.port) == [] and not server.sessions)
    assert [row for row in flow.log.tail(10_000) if row.kind == "error"] == []


# ---- floods


async def pushed(raw: Raw, size: int) -> int:
    """Push so many bytes; return how many were taken before we were dropped."""
    chunk, done = os.urandom(2**16), 0
    with contextlib.suppress(ConnectionError):
        while done < size:
            await raw.send(chunk)
            done += len(chunk)
    return done


@pytest.mark.parametrize(
    "start",
    [
        frame(BINARY, length=260 * 10**6),
        frame(TEXT, length=2**62),
        frame(BINARY, bytes(LIMIT // 2), fin=False) + frame(CONT, length=260 * 10**6, fin=False),
    ],
    ids=["one frame", "2**62 bytes of text", "fragments"],
)
async def test_p8_260_megabytes_pushed_at_a_limit_of_one_cost_less_than_ten(
    server: Server, start: bytes
) -> None:
    left = 260 * 10**6
    async with Raw.websocket(server.port) as warm:
        await answered(warm)
    before = memory()
    forget_peak()
    while left > 0:
        async with Raw.websocket(server.port) as raw:
            await raw.send(start)
            left -= await pushed(raw, left)
            with contextlib.suppress(ConnectionError):
                assert (await raw.closed()).code == 1009
    assert peak() - before < 10 * 2**20


async def test_p8_messages_of_exactly_the_limit_are_taken_and_one_byte_more_is_not(
    server: Server,
) -> None:
    async with Raw.websocket(server.port) as raw:
        await raw.send(frame(BINARY, bytes(LIMIT)))
        assert len((await raw.frame()).payload) == LIMIT
        await raw.send(frame(BINARY, bytes(LIMIT + 1)))
        assert (await raw.closed()).code == 1009


async def test_fragments_that_never_end_are_bounded_in_number_too(server: Server) -> None:
    crumb = frame(CONT, b"x", fin=False) * 1000
    async with Raw.websocket(server.port) as raw:
        before = memory()
        forget_peak()
        await raw.send(frame(TEXT, b"x", fin=False))
        with contextlib.suppress(ConnectionError):
            for _ in range(200):
                await raw.send(crumb)
        await raw.send(frame(CONT, b"end"))
        assert len((await raw.frame()).payload) == 200_004
        assert peak() - before < 10 * 2**20


async def test_headers_without_an_end_are_cut_off_and_others_served(server: Server) -> None:
    async def flood() -> int:
        async with Raw.tcp(server.port) as raw:
            await raw.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            return await raw.pour(b"X-Flood: " + b"y" * 4000 + b"\r\n")

    async with Raw.websocket(server.port) as session:
        floods = [asyncio.create_task(flood()) for _ in range(20)]
        waits = [await answered(session) for _ in range(50)]
        assert max(await asyncio.gather(*floods)) < 200 * 2**20  # most of it fits into buffers
        assert sorted(waits)[45] < 0.25
        await eventually(lambda: len(descriptors(server.port)) == 1)


async def test_paths_that_strangers_make_up_are_not_kept_for_ever(
    flow: Flow, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "MAX_FOREIGN", 20)
    for number in range(50):
        async with Raw.tcp(server.port) as raw:
            await raw.send(request(f"/made-up-{number}"))
            assert (await raw.response()).status == 404
    refused = [row for row in flow.log.tail(100) if row.kind == "drop"]
    assert [row.path for row in refused[:20]] == [f"/made-up-{number}" for number in range(20)]
    assert {row.path for row in refused[20:]} == {""}
    assert "(on '/made-up-49')" in str(refused[-1].error)
    assert len(flow.log._store.places()) < 50


# ---- forgeries


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100), {400, 505}),
        (handshake("/", [("Upgrade", "h2c")]), {426}),
        (handshake("/", [("Host", "evil.example")]), {400, 403}),
        (handshake("/", host="localhost@evil.example"), {403}),
        (handshake("/", host="localhost, evil.example"), {403}),
        (handshake("/", host="evil.example#localhost"), {403}),
        (handshake("/", host="127.0.0.1.evil.example"), {403}),
        (handshake("/", host="localhost:99999"), {403}),
        (handshake("/", host=None), {400}),
        (handshake("http://evil.example/", host="localhost"), {404, 400}),
        (handshake("/", [("Origin", "http://localhost.evil.example")]), {403}),
        (handshake("/", [("Origin", "http://evil.example#http://localhost")]), {403}),
        (handshake("/", [("Origin", "null")]), {403}),
        (handshake("/", [("Origin", "http://localhost"), ("Origin", "http://evil")]), {400, 403}),
        (handshake("/", [("X-Forwarded-Host", "localhost")], host="evil.example"), {403}),
        (handshake("/", [("Forwarded", "host=localhost")], host="evil.example"), {403}),
        (request("/", [("Content-Length", "5"), ("Transfer-Encoding", "chunked")]), {400, 426}),
        (request("/", [("Content-Length", "1"), ("Content-Length", "2")]), {400}),
        (request("/", [("Content-Length", "-1")]), {400}),
        (request("/", [("X-Bad\x01", "1")]), {400}),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n folded: yes\r\nX\x00: 1\r\n\r\n", {400}),
        (b"GET  / HTTP/1.1\r\n\r\n", {400}),
        (b"\x80\x01\x02\x03 / \r\n\r\n", {400}),
    ],
)
async def test_forged_requests_get_no_further(
    flow: Flow, server: Server, said: bytes, status: set[int]
) -> None:
    async with Raw.tcp(server.port) as raw:
        await raw.send(said)
        assert (await raw.response()).status in status
    assert not server.sessions
    assert [row for row in flow.log.tail(100) if row.kind in {"req", "message", "error"}] == []
    async with Raw.websocket(server.port) as session:
        await answered(session)


heads = st.sampled_from(
    [
        handshake(),
        handshake("/", [("Sec-WebSocket-Protocol", "a, b"), ("Origin", "http://localhost")]),
        request("/nowhere", [("Content-Type", "application/json")], method="POST", body=b"{}"),
        request("/", [("Transfer-Encoding", "chunked")], method="POST") + b"2\r\n{}\r\n0\r\n\r\n",
    ]
)


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    head=heads,
    bends=st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=3)), min_size=1, max_size=4),
    step=st.integers(1, 400),
)
async def test_heads_bent_anywhere_are_answered_in_http_or_dropped(
    flow: Flow, server: Server, head: bytes, bends: list[tuple[int, bytes]], step: int
) -> None:
    bent = bytearray(head)
    for at, bytes_ in bends:
        bent[at % len(bent) : at % len(bent) + 1] = bytes_
    async with Raw.tcp(server.port) as raw:
        with contextlib.suppress(ConnectionError):
            await raw.dribble(bytes(bent), step)
            raw.half_close()
        answer = b""
        with contextlib.suppress(ConnectionError):
            while data := await raw.receive():
                answer += data
    assert answer == b"" or answer.startswith(b"HTTP/1.1 ")
    assert [row for row in flow.log.tail(20) if row.kind == "error"] == []
    async with Raw.websocket(server.port) as session:
        await answered(session)


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Forwarded-For", "203.0.113.9")],
        [("Forwarded", "for=203.0.113.9")],
        [("X-Real-IP", "203.0.113.9")],
        [("X-Forwarded-For", "127.0.0.1\t, 203.0.113.9")],
    ],
)
async def test_p21_nobody_is_who_a_header_says(
    flow: Flow, server: Server, headers: list[tuple[str, str]]
) -> None:
    async with Raw.websocket(server.port, "/", headers):
        await flow.log.until(kind="req")
        assert server.sessions[0].peer == "127.0.0.1"
