"""permessage-deflate: what is agreed, that messages survive it, and that a bomb costs nothing.

The other end is the `websockets` library, or zlib and bytes by hand.
"""

import asyncio
import gc
import time
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from tests.peers.raw import (
    BINARY,
    CONT,
    PING,
    PONG,
    TEXT,
    Frame,
    Raw,
    close,
    frame,
    handshake,
    text,
)
from tests.process.memory import forget_peak, memory, peak
from wsflow import Context, Flow
from wsflow.wire import deflate
from wsflow.wire.deflate import negotiate
from wsflow.wire.server import Server

LIMIT = 2**20
OFFER = [("Sec-WebSocket-Extensions", "permessage-deflate")]


@pytest.fixture
async def server(flow: Flow) -> Server:
    """An echo that agrees to compression."""

    @flow.node
    def echo(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": ev["message"]})

    flow.websocket("/").message >> echo
    return await flow.serve(compression=True)


def deflated(data: bytes) -> bytes:
    """Compress as RFC 7692 section 7.2.1 says."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (engine.compress(data) + engine.flush(zlib.Z_SYNC_FLUSH))[:-4]


def inflated(data: bytes) -> bytes:
    """Undo it (section 7.2.2)."""
    return zlib.decompressobj(-15).decompress(data + b"\x00\x00\xff\xff")


def packed(opcode: int, data: bytes) -> bytes:
    """Build a compressed message in one frame."""
    return frame(opcode, deflated(data), rsv=4)


async def heard(raw: Raw) -> bytes:
    """Read one compressed message."""
    first, length = await raw.exactly(2)
    assert first & 0x70 == 0x40, "not compressed"
    if length >= 126:
        length = int.from_bytes(await raw.exactly(2 if length == 126 else 8))
    return inflated(await raw.exactly(length))


# ---- what is agreed


@pytest.mark.parametrize(
    ("offers", "answer"),
    [
        (None, None),
        ("", None),
        ("permessage-bzip2", None),
        ("permessage-deflate; what=ever", None),
        ("permessage-deflate; server_max_window_bits=8", None),
        ("permessage-deflate; server_max_window_bits=99", None),
        (";;;", None),
        ("permessage-deflate", ""),
        ("x-gzip, permessage-deflate; client_max_window_bits", ""),
        ("permessage-deflate; server_max_window_bits=10", "; server_max_window_bits=10"),
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", ""),
        ("permessage-deflate; client_max_window_bits=12", "; client_max_window_bits=12"),
    ],
)
def test_the_first_offer_that_can_be_kept_is_accepted_and_no_window_is_kept(
    offers: str | None, answer: str | None
) -> None:
    granted = negotiate(offers)
    if answer is None:
        assert granted is None
        return
    assert granted is not None
    none_kept = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    assert granted[0] == none_kept + answer


async def test_it_is_off_unless_asked_for(flow: Flow) -> None:
    flow.websocket("/")
    server = await flow.serve()
    async with Raw.tcp(server.port) as raw:
        await raw.send(handshake("/", OFFER))
        response = await raw.response()
        assert response.status == 101
        assert "sec-websocket-extensions" not in response.headers
        await raw.send(packed(TEXT, b"hello"))
        assert (await raw.closed()).code == 1002


async def test_who_does_not_offer_it_speaks_plainly(server: Server) -> None:
    async with Raw.websocket(server.port) as raw:
        await raw.send(text("plain"))
        assert await raw.frame() == Frame(TEXT, b"plain", True)


# ---- messages


@pytest.mark.parametrize("bits", [9, 12, 15])
async def test_messages_survive_it_whatever_window_the_client_wants(
    server: Server, bits: int
) -> None:
    offer = ClientPerMessageDeflateFactory(
        server_max_window_bits=bits, client_max_window_bits=max(bits, 9)
    )
    async with connect(f"{server.url}/", extensions=[offer], compression=None) as peer:
        assert peer.protocol.extensions
        for size in (0, 1, 100, 70_000, LIMIT // 2):
            words = "grüne Insel " * (size // 12)
            await peer.send(words)
            assert await peer.recv() == words
            await peer.send(words.encode())
            assert await peer.recv() == words.encode()


async def test_plain_frames_fragments_and_pings_may_be_mixed_in(server: Server) -> None:
    whole = deflated(b"in three parts" * 50)
    parts = [whole[:10], whole[10:20], whole[20:]]
    async with Raw.websocket(server.port, "/", OFFER) as raw:
        await raw.send(
            text("plain"),
            frame(TEXT, parts[0], rsv=4, fin=False),
            frame(PING, b"?"),
            frame(CONT, parts[1], fin=False),
            frame(CONT, parts[2]),
            packed(BINARY, b"\x00\xff"),
        )
        assert await heard(raw) == b"plain"
        assert await raw.frame() == Frame(PONG, b"?", True)
        assert await heard(raw) == b"in three parts" * 50
        assert await heard(raw) == b"\x00\xff"
        await raw.send(close(1000))
        assert (await raw.closed()).code == 1000


async def test_a_broadcast_is_compressed_once_for_all(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    pack = deflate._packed

    def counting(payload: bytes, head: int, bits: int) -> bytes:
        counted.append(bits)
        return pack(payload, head, bits)

    monkeypatch.setattr(deflate, "_packed", counting)
    trigger, everybody = flow.websocket("/"), flow.connections()
    trigger.req >> everybody.req
    server = await flow.serve(compression=True)
    peers = [await connect(f"{server.url}/") for _ in range(10)]
    await flow.log.until(kind="req", count=10)
    everybody.broadcast("to all of you " * 20)
    assert [await peer.recv() for peer in peers] == ["to all of you " * 20] * 10
    assert counted == [15]
    await asyncio.gather(*(peer.close() for peer in peers))


@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    story=st.lists(st.binary(max_size=3000), max_size=6),
    cuts=st.lists(st.integers(1, 500), min_size=1, max_size=5),
)
async def test_whatever_is_sent_comes_back_however_it_is_cut(
    server: Server, story: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(packed(BINARY, one) for one in story)
    async with Raw.websocket(server.port, "/", OFFER) as raw:
        position, turn = 0, 0
        while position < len(stream):
            size = cuts[turn % len(cuts)]
            await raw.dribble(stream[position : position + size], size)
            position, turn = position + size, turn + 1
        assert [await heard(raw) for _ in story] == story


# ---- bombs and garbage


async def longest_stall(until: asyncio.Task[Any]) -> float:
    """Return how long this loop did not turn, at most, in seconds of CPU."""
    worst = 0.0
    gc.freeze()  # what other tests left is not to be looked through meanwhile
    try:
        while not until.done():
            before = time.thread_time()
            await asyncio.sleep(0)
            worst = max(worst, time.thread_time() - before)
    finally:
        gc.unfreeze()
    return worst


async def test_p8_half_a_megabyte_that_inflates_to_500_ends_with_1009_and_costs_nothing(
    server: Server,
) -> None:
    bomb = packed(TEXT, bytes(500 * 2**20))
    assert len(bomb) > 480_000
    async with Raw.websocket(server.port, "/", OFFER) as raw:
        before = memory()
        forget_peak()

        async def throw() -> None:
            await raw.send(bomb)
            assert (await raw.closed()).code == 1009

        thrown = asyncio.create_task(throw())
        stall = await longest_stall(thrown)
        await thrown
        assert peak() - before < 10 * 2**20
        assert stall < 0.1


async def test_p8_a_bomb_in_fragments_is_stopped_at_the_limit(server: Server) -> None:
    whole = deflated(bytes(500 * 2**20))
    async with Raw.websocket(server.port, "/", OFFER) as raw:
        before = memory()
        forget_peak()
        await raw.send(frame(TEXT, whole[:900], rsv=4, fin=False))
        await raw.dribble(
            b"".join(frame(CONT, whole[i : i + 90], fin=False) for i in range(900, 9000, 90)), 900
        )
        assert (await raw.closed()).code == 1009
        assert peak() - before < 10 * 2**20


async def test_many_small_bombs_at_once_leave_everybody_a_turn(flow: Flow) -> None:
    flow.websocket("/")
    server = await flow.serve(compression=True)
    bombs = packed(BINARY, bytes(LIMIT)) * 100
    async with Raw.websocket(server.port, "/", OFFER) as raw:

        async def throw() -> None:
            await raw.send(bombs)
            await flow.log.until(kind="message", count=100, timeout=30)

        thrown = asyncio.create_task(throw())
        stall = await longest_stall(thrown)
        await thrown
        assert stall < 0.1


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(TEXT, b"\xff\xff\xff\xff", rsv=4), 1002),
        (packed(TEXT, b"caf\xe9"), 1007),
        (packed(BINARY, bytes(LIMIT + 1)), 1009),
        (frame(PING, b"compressed?", rsv=4), 1002),
        (frame(TEXT, b"x", fin=False) + frame(CONT, b"y", rsv=4), 1002),
        (frame(TEXT, b"hello", rsv=2), 1002),
        (frame(BINARY, b"", rsv=4, length=2**62), 1009),
    ],
)
async def test_a_violation_is_answered_with_its_code(
    server: Server, sent: bytes, code: int
) -> None:
    async with Raw.websocket(server.port, "/", OFFER) as raw:
        await raw.send(sent)
        assert (await raw.closed()).code == code
        await raw.send(bytes(100_000))
        assert raw.error() == 0
