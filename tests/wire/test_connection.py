"""One WebSocket on a real socket: what arrives, what leaves, and how it ends.

The other end is the `websockets` library or bytes by hand, never a client of ours.
"""

import asyncio
import gc
import os
import time
from asyncio import selector_events
from contextlib import AsyncExitStack
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect

from tests.peers.raw import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    Raw,
    close,
    descriptors,
    eventually,
    fragments,
    frame,
    handshake,
    masked,
    text,
)
from tests.wire.echoing import LIMIT, Echo
from wsflow import Context, Flow, ManualClock, Row
from wsflow.wire import connection
from wsflow.wire.connection import CROWD

pytestmark = pytest.mark.usefixtures("quiet_loop")


def newest(flow: Flow) -> int:
    """Return the number of the newest row."""
    rows = flow.log.tail(1)
    return rows[0].seq if rows else 0


# ---- messages


@pytest.mark.parametrize("size", [0, 1, 2, 125, 126, 127, 65535, 65536, LIMIT])
async def test_text_and_binary_come_back_at_every_length_of_header(echo: Echo, size: int) -> None:
    words = ("wörter " * (size // 8 + 1)).encode()[:size].decode(errors="ignore")
    words += "x" * (size - len(words.encode()))
    blob = os.urandom(size)
    async with connect(f"{echo.server.url}/", max_size=LIMIT, compression=None) as peer:
        await peer.send(words)
        assert await peer.recv() == words
        await peer.send(blob)
        assert await peer.recv() == blob
    assert echo.heard == [words, blob]


async def test_compression_is_offered_in_vain(echo: Echo) -> None:
    async with connect(f"{echo.server.url}/", compression="deflate") as peer:
        await peer.send("plain" * 100)
        assert await peer.recv() == "plain" * 100
        assert peer.protocol.extensions == []


@pytest.mark.parametrize("step", [1, 2, 3, 7])
async def test_frames_that_arrive_in_crumbs_are_put_together(echo: Echo, step: int) -> None:
    story = [
        text("short"),
        frame(BINARY, bytes(130)),
        frame(PING, b"?"),
        frame(TEXT),
        *fragments(TEXT, [b"in ", b"two"]),
        close(1000),
    ]
    async with Raw.websocket(echo.port) as raw:
        await raw.dribble(b"".join(story), step)
        got = await raw.frames(6)
        assert [one.payload for one in got[:-1]] == [b"short", bytes(130), b"?", b"", b"in two"]
        assert got[-1].code == 1000
        assert await raw.rest() == b""


async def test_a_large_frame_may_arrive_in_many_reads(echo: Echo) -> None:
    blob = os.urandom(LIMIT)
    async with Raw.websocket(echo.port) as raw:
        await raw.dribble(frame(BINARY, blob), 30_000)
        assert (await raw.frame()).payload == blob


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each write of a server took to a socket, as long as the test runs."""
    sizes: list[int] = []
    write = selector_events._SelectorSocketTransport.write  # type: ignore[attr-defined]

    def counting(self: Any, data: bytes) -> None:
        sizes.append(len(data))
        write(self, data)

    monkeypatch.setattr(selector_events._SelectorSocketTransport, "write", counting)  # type: ignore[attr-defined]
    return sizes


async def test_replies_to_one_read_leave_in_order_and_in_one_write(
    echo: Echo, writes: list[int]
) -> None:
    async with Raw.websocket(echo.port) as raw:
        writes.clear()
        await raw.send(*(text(f"message {i}") for i in range(500)))
        got = [(await raw.frame()).payload.decode() for _ in range(500)]
    assert got == [f"message {i}" for i in range(500)]
    assert len(writes) <= 3, "500 replies ought to travel together"


@pytest.mark.parametrize(("messages", "at_once"), [(1, False), (2, True)])
async def test_a_crowd_is_written_to_before_its_last_member_is_told_and_once_a_read(
    writes: list[int], messages: int, at_once: bool
) -> None:
    flow = Flow("crowd")
    socket, everybody = flow.websocket("/"), flow.connections()
    socket.req >> everybody.req
    socket.message >> everybody.broadcast
    told_before: list[int] = []

    def watch(row: Row) -> None:
        if row.kind == "response" and row.data == "1" and not writes:
            told_before.append(row.seq)

    async with flow.serving() as server, AsyncExitStack() as stack:
        crowd = [
            await stack.enter_async_context(Raw.websocket(server.port)) for _ in range(3 * CROWD)
        ]
        await eventually(lambda: len(everybody.sessions) == len(crowd))
        flow.log.watch(watch)
        writes.clear()
        await crowd[0].send(*(text(f"{number}") for number in range(1, messages + 1)))
        for one in crowd:
            assert [frame.payload for frame in await one.frames(messages)] == [b"1", b"2"][
                :messages
            ]
    assert (len(told_before) == len(crowd)) is at_once
    assert len([size for size in writes if size == 3 * messages]) == len(crowd)


async def test_messages_sent_with_the_handshake_are_not_lost(echo: Echo) -> None:
    async with Raw.tcp(echo.port) as raw:
        await raw.send(handshake(), text("early"), text("bird"), frame(TEXT, b"cut")[:4])
        assert (await raw.response()).status == 101
        assert [one.payload for one in await raw.frames(2)] == [b"early", b"bird"]
        await raw.send(frame(TEXT, b"cut")[4:])
        assert (await raw.frame()).payload == b"cut"


async def test_a_connection_outlives_a_garbage_collection(echo: Echo) -> None:
    async with Raw.websocket(echo.port) as raw:
        gc.collect()
        await raw.send(text("still here"))
        assert (await raw.frame()).payload == b"still here"


async def test_text_of_a_subclass_of_str_is_sent_as_text() -> None:
    class Colour(StrEnum):
        RED = "red"

    flow = Flow("colours")
    socket = flow.websocket("/")

    @flow.node
    def greet(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": Colour.RED})

    flow.connect(socket.req, greet)
    async with flow.serving() as server, Raw.websocket(server.port) as raw:
        await raw.send(frame(PING, b"end"))
        assert await raw.frame() == Frame(TEXT, b"red", True)


# ---- keeping alive


async def test_a_silent_client_is_pinged_after_20_seconds_and_dropped_after_45() -> None:
    clock = ManualClock()
    flow = Flow("watch", clock=clock)
    flow.websocket("/")
    async with flow.serving() as server, Raw.websocket(server.port) as raw:
        await flow.log.until(kind="req")
        clock.advance(21)
        assert await raw.frame() == Frame(PING, b"", True)
        clock.advance(25)
        await raw.gone()
        row = await flow.log.until(kind="drop")
        assert "not heard of for 46 s" in str(row.error)
        assert (await flow.log.until(kind="close")).session == row.session


async def test_a_client_that_answers_pings_stays(echo: Echo) -> None:
    now = time.monotonic()
    async with Raw.websocket(echo.port) as raw:
        for _ in range(5):
            now += 21
            echo.flow.sessions.check(now)
            assert (await raw.frame()).opcode == PING
            await raw.send(frame(PONG), text("and a word"))
            assert (await raw.frame()).payload == b"and a word"
            echo.flow.sessions.check(now)
        assert len(echo.server.sessions) == 1


async def test_a_pause_of_the_flow_does_not_make_its_clients_look_dead(echo: Echo) -> None:
    now = time.monotonic()
    async with Raw.websocket(echo.port) as raw:
        echo.flow.pause()
        await raw.send(text("waits"))
        for _ in range(100):
            await asyncio.sleep(0)  # the server has read it, and reads no further
        for _ in range(8):
            now += 21
            echo.flow.sessions.check(now)
        assert len(echo.server.sessions) == 1, "dropped for not being heard while nobody listened"
        echo.flow.resume()
        got = await raw.frame()
        while got.opcode == PING:
            got = await raw.frame()
        assert got.payload == b"waits"


# ---- how it ends


@pytest.mark.parametrize(
    ("sent", "code", "reason"),
    [
        (close(1000), 1000, ""),
        (close(1001, "page left"), 1001, "page left"),
        (close(4001, "schluß jetzt"), 4001, "schluß jetzt"),
        (close(3000, "x" * 123), 3000, "x" * 123),
    ],
)
async def test_a_client_s_close_is_echoed_and_told_to_the_flow(
    echo: Echo, sent: bytes, code: int, reason: str
) -> None:
    async with Raw.websocket(echo.port) as raw:
        await raw.send(text("last words"), sent, text("too late"))
        assert (await raw.frame()).payload == b"last words"
        ending = await raw.closed()
        assert (ending.code, ending.reason) == (code, reason)
    row = await echo.close_row()
    assert row.error is None
    assert [(ev["code"], ev["reason"]) for ev in echo.closes] == [(code, reason)]
    assert echo.heard == ["last words"]


async def test_an_empty_close_is_code_1005(echo: Echo) -> None:
    async with Raw.websocket(echo.port) as raw:
        await raw.send(close())
        assert (await raw.closed()).code is None
    await echo.close_row()
    assert [(ev["code"], ev["reason"]) for ev in echo.closes] == [(1005, "")]


async def test_our_close_follows_the_last_message_and_waits_for_the_answer() -> None:
    flow, closes = Flow("bye"), list[Any]()
    socket = flow.websocket("/")

    @flow.node
    def bye(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": "bye", "end": True, "code": 4002, "reason": "done"})

    flow.connect(socket.message, bye)
    flow.connect(socket.close, flow.node(closes.append, name="closes"))
    async with flow.serving() as server, Raw.websocket(server.port) as raw:
        await raw.send(text("?"))
        assert (await raw.frame()).payload == b"bye"
        ending = await raw.frame()
        assert (ending.opcode, ending.code, ending.reason) == (CLOSE, 4002, "done")
        await raw.send(frame(PING, b"still open"), text("not heard"))
        assert len(server.sessions) == 1
        await raw.send(close(4002, "done"))
        while data := await raw.receive():
            assert Frame(PONG, b"still open", True).payload in data
        await flow.log.until(kind="close")
        assert [(ev["code"], ev["reason"]) for ev in closes] == [(4002, "done")]
        assert not [row for row in flow.log.tail(100) if row.data == "not heard"]


async def test_a_client_that_never_answers_our_close_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "CLOSE_TIMEOUT", 0.2)
    flow, closes = Flow("mute"), list[Any]()
    socket = flow.websocket("/")

    @flow.node
    def bye(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"end": True, "code": 4003})

    flow.connect(socket.req, bye)
    flow.connect(socket.close, flow.node(closes.append, name="closes"))
    async with flow.serving() as server, Raw.websocket(server.port) as raw:
        assert (await raw.frame()).code == 4003
        await raw.gone()
        assert (await flow.log.until(kind="close")).error is None
        assert [ev["code"] for ev in closes] == [4003]


@pytest.mark.parametrize("how", ["fin", "reset"])
@pytest.mark.parametrize(
    ("sent", "where"),
    [
        (b"", ""),
        (text("whole"), ""),
        (text("in the header")[:1], " in the middle of a message"),
        (frame(BINARY, bytes(300))[:3], " in the middle of a message"),
        (frame(BINARY, bytes(300))[:100], " in the middle of a message"),
        (frame(TEXT, b"only a fragment", fin=False), " in the middle of a message"),
    ],
)
async def test_a_connection_cut_anywhere_gives_one_close_event_without_a_code(
    echo: Echo, sent: bytes, where: str, how: str
) -> None:
    async with Raw.websocket(echo.port) as raw:
        await raw.send(sent, b"")
        for _ in range(20):
            await asyncio.sleep(0)  # let it be read, so that a reset does not overtake it
        if how == "reset":
            raw.reset()
        else:
            raw.half_close()
            await raw.rest()
    row = await echo.close_row()
    assert str(row.error).startswith(f"connection lost{where} without a Close frame")
    assert [(ev["code"], ev["reason"]) for ev in echo.closes] == [(None, "")]
    assert len(echo.server.sessions) == 0


async def test_a_client_that_half_closes_and_never_reads_keeps_no_descriptor(
    echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CLOSE_TIMEOUT", 0.2)
    monkeypatch.setattr(connection, "DISCARD_TIMEOUT", 0.2)
    blob = frame(BINARY, bytes(LIMIT))
    async with Raw.websocket(echo.port, receive_buffer=4096) as raw:
        for _ in range(8):
            await raw.send(blob)
        await echo.flow.log.until(kind="message", count=8)
        assert len(descriptors(echo.port)) == 1
        raw.half_close()
        await echo.close_row()
        await eventually(lambda: descriptors(echo.port) == [])


# ---- back-pressure


async def test_reading_stops_while_a_hundred_handlers_run_and_goes_on_in_order() -> None:
    flow, gate, started = Flow("gate"), asyncio.Event(), list[str]()
    socket = flow.websocket("/")
    full = asyncio.Event()

    @flow.node
    async def wait(ev: Any, ctx: Context) -> None:
        started.append(ev["message"])
        if len(started) == 100:
            full.set()
        await gate.wait()
        ctx.emit("response", {"body": ev["message"]})

    flow.connect(socket.message, wait)
    async with flow.serving() as server, Raw.websocket(server.port) as raw:
        wanted = [str(number) for number in range(1000)]
        await raw.send(*map(text, wanted), close(1000))
        await full.wait()
        assert server.sessions[0].inflight == 100
        assert server.sessions[0].messages_in == 100
        gate.set()
        await flow.log.until(kind="close")
        assert started == wanted
        replies = [row.data for row in flow.log.tail(5000) if row.kind == "message"]
        assert replies == wanted


async def test_a_paused_flow_reads_on_where_it_stopped(echo: Echo) -> None:
    async with Raw.websocket(echo.port) as raw:
        await raw.send(text("one"))
        assert (await raw.frame()).payload == b"one"
        echo.flow.pause()
        await raw.dribble(text("two") + text("three") + frame(PING, b"four") + text("five"), 9)
        assert echo.heard == ["one"]
        echo.flow.resume()
        got = [(await raw.frame()).payload for _ in range(4)]
        assert got == [b"two", b"three", b"four", b"five"]


async def test_a_client_that_pours_tiny_messages_leaves_others_a_turn(echo: Echo) -> None:
    flood = text("") * 30_000  # 180 kB: what one read may bring
    async with Raw.websocket(echo.port) as pouring, Raw.websocket(echo.port) as other:
        await pouring.send(flood)
        await other.send(text("in between"))
        assert (await other.frame()).payload == b"in between"
        heard = echo.heard.index("in between")
        assert heard < 5000, f"{heard} messages came first"
        assert [one.payload for one in await pouring.frames(30_000)] == [b""] * 30_000


# ---- any bytes at all


@dataclass
class Message:
    """A message, how it is cut into frames, and the pings that come between them."""

    opcode: int
    parts: list[bytes]
    pings: list[bytes | None]
    mask: bytes

    def stream(self) -> bytes:
        frames = fragments(self.opcode, self.parts)
        pings = [b"" if ping is None else frame(PING, ping, mask=self.mask) for ping in self.pings]
        return b"".join(one + ping for one, ping in zip(frames, pings, strict=True))

    def replies(self) -> list[Frame]:
        whole = Frame(self.opcode, b"".join(self.parts), True)
        *inside, behind = self.pings
        pongs = [Frame(PONG, ping, True) for ping in inside if ping is not None]
        return [*pongs, whole, *([] if behind is None else [Frame(PONG, behind, True)])]


@st.composite
def messages(draw: st.DrawFn) -> Message:
    opcode = draw(st.sampled_from([TEXT, BINARY]))
    payload = draw(st.text(max_size=80)).encode() if opcode == TEXT else draw(st.binary())
    payload *= draw(st.sampled_from([1, 1, 1, 5, 900]))
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=4)))
    parts = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    ping = st.none() | st.binary(max_size=125)
    pings = draw(st.lists(ping, min_size=len(parts), max_size=len(parts)))
    return Message(opcode, parts, pings, draw(st.binary(min_size=4, max_size=4)))


examples = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@examples
@given(story=st.lists(messages(), max_size=8), pieces=st.lists(st.integers(1, 400), min_size=1))
async def test_whatever_is_valid_arrives_exactly_however_it_is_cut(
    echo: Echo, story: list[Message], pieces: list[int]
) -> None:
    stream = b"".join(one.stream() for one in story) + close(1000)
    async with Raw.websocket(echo.port) as raw:
        position, turn = 0, 0
        while position < len(stream):
            size = pieces[turn % len(pieces)] * (1 if turn < 200 else 1000)
            await raw.send(stream[position : position + size])
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            position, turn = position + size, turn + 1
        for wanted in (reply for one in story for reply in one.replies()):
            assert await raw.frame() == wanted
        assert (await raw.closed()).code == 1000


def bent(valid: bytes, where: int, value: int) -> bytes:
    """Return a valid frame with one byte of its head changed."""
    data = bytearray(valid)
    data[where % min(len(data), 14)] = value
    return bytes(data)


garbage = st.binary(min_size=1, max_size=2000) | st.lists(
    st.builds(bent, messages().map(Message.stream), st.integers(0, 13), st.integers(0, 255)),
    min_size=1,
    max_size=4,
).map(b"".join)


@pytest.mark.usefixtures("lingering")
@examples
@given(junk=garbage, step=st.integers(1, 3000))
async def test_garbage_ends_its_own_session_and_nothing_else(
    echo: Echo, junk: bytes, step: int
) -> None:
    after = newest(echo.flow)
    loop = asyncio.get_running_loop()
    async with Raw.websocket(echo.port) as raw:
        await raw.dribble(junk, max(step, len(junk) // 200))
        raw.half_close()
        await raw.rest()
    await echo.close_row(after)
    assert [ev for ev in echo.flow.log.tail(50) if ev.kind == "error"] == []
    async with Raw.websocket(echo.port) as raw:
        await raw.send(text("serves on"))
        assert (await raw.frame()).payload == b"serves on"
        await raw.send(close(1000))
        await raw.closed()
    assert loop.is_running()


def test_the_peer_of_these_tests_masks_as_the_standard_says() -> None:
    assert masked(b"Hello", b"\x37\xfa\x21\x3d") == b"\x7f\x9f\x4d\x51\x58"  # RFC 6455 section 5.7
    assert text("Hello") == b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
