"""Frames that are judged one at a time: control frames, fragments, and what breaks the protocol.

The other end is bytes by hand, never a client of ours.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from tests.peers.raw import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    Frame,
    Raw,
    close,
    fragments,
    frame,
    text,
)
from tests.process.beats import Beats
from tests.wire.echoing import LIMIT, Echo
from wsflow import Context, Flow
from wsflow.wire import connection

pytestmark = pytest.mark.usefixtures("quiet_loop")

PAGE = os.sysconf("SC_PAGESIZE")


def memory() -> int:
    """Return how many bytes of memory this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


# ---- fragments


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_fragments_with_pings_between_them_are_one_message(echo: Echo, opcode: int) -> None:
    parts = fragments(opcode, ["grün".encode()[:3], b"", "grün".encode()[3:], b"e Insel"])
    mixed = [parts[0], frame(PING, b"1"), parts[1], frame(PONG, b"no"), parts[2], frame(PING, b"2")]
    async with Raw.websocket(echo.port) as raw:
        await raw.send(*mixed, parts[3])
        first, second, whole = await raw.frames(3)
        assert (first, second) == (Frame(PONG, b"1", True), Frame(PONG, b"2", True))
        assert whole == Frame(opcode, "grüne Insel".encode(), True)
        await raw.send(text("a whole one after it"))
        assert (await raw.frame()).payload == b"a whole one after it"


async def test_a_close_between_fragments_keeps_the_client_s_own_code(echo: Echo) -> None:
    async with Raw.websocket(echo.port) as raw:
        await raw.send(frame(TEXT, b"half a mess", fin=False), close(1001, "away"))
        ending = await raw.closed()
        assert (ending.code, ending.reason) == (1001, "away")
    assert "in the middle of a message" in str((await echo.close_row()).error)
    assert [(ev["code"], ev["reason"]) for ev in echo.closes] == [(1001, "away")]
    assert echo.heard == []


async def test_an_answer_to_our_close_between_fragments_ends_it_in_order() -> None:
    flow, closes = Flow("end"), list[Any]()
    socket = flow.websocket("/")

    @flow.node
    def bye(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"end": True, "code": 4005})

    flow.connect(socket.req, bye)
    flow.connect(socket.close, flow.node(closes.append, name="closes"))
    async with flow.serving() as server, Raw.websocket(server.port) as raw:
        assert (await raw.frame()).code == 4005
        await raw.send(frame(TEXT, b"half a mess", fin=False), close(4005))
        assert await raw.rest() == b""
        await flow.log.until(kind="close")
        assert [ev["code"] for ev in closes] == [4005]


# ---- control frames


@pytest.mark.parametrize("size", [0, 1, 125])
async def test_a_ping_is_answered_with_its_own_payload(echo: Echo, size: int) -> None:
    payload = os.urandom(size)
    async with Raw.websocket(echo.port) as raw:
        await raw.send(frame(PING, payload))
        assert await raw.frame() == Frame(PONG, payload, True)


async def test_pings_and_replies_keep_their_order(echo: Echo) -> None:
    async with Raw.websocket(echo.port) as raw:
        await raw.send(text("a"), frame(PING, b"1"), text("b"), frame(PING, b"2"), text("c"))
        assert [one.payload for one in await raw.frames(5)] == [b"a", b"1", b"b", b"2", b"c"]


async def test_a_pong_nobody_asked_for_is_ignored(echo: Echo) -> None:
    async with Raw.websocket(echo.port) as raw:
        await raw.send(frame(PONG, b"unasked"), text("next"))
        assert (await raw.frame()).payload == b"next"


async def test_a_waiting_handler_stops_neither_pongs_nor_the_close_event() -> None:
    flow, let_go, ended = Flow("slow"), asyncio.Event(), asyncio.Event()
    socket = flow.websocket("/")

    @flow.node
    async def slow() -> None:
        await let_go.wait()
        ended.set()

    flow.connect(socket.message, slow)
    async with flow.serving() as server:
        async with Raw.websocket(server.port) as raw:
            await raw.send(text("work"), frame(PING, b"there?"))
            assert await raw.frame() == Frame(PONG, b"there?", True)
            await raw.send(close(4000))
            assert (await raw.closed()).code == 4000
        await flow.log.until(kind="close")
        assert not ended.is_set()
        let_go.set()
        await ended.wait()


async def test_a_flood_of_pings_from_a_client_that_never_reads_costs_no_memory(echo: Echo) -> None:
    thousand = frame(PING, bytes(125)) * 1000
    async with Raw.websocket(echo.port, receive_buffer=4096) as raw:
        await raw.send(thousand * 10)
        before = memory()
        for _ in range(90):
            await raw.send(thousand)
        await raw.send(text("over"))
        await echo.flow.log.until(kind="message", timeout=55)
        assert memory() - before < 8 * 2**20, "pongs pile up"
        got = await raw.frame()
        while got.opcode == PONG:
            got = await raw.frame()
        assert got.payload == b"over"


# ---- violations


VIOLATIONS: dict[str, tuple[bytes, int, str]] = {
    "unmasked text": (frame(TEXT, b"hello", mask=None), 1002, "mask"),
    "unmasked ping of two bytes": (frame(PING, mask=None), 1002, "mask"),
    "unmasked text of two bytes": (frame(TEXT, mask=None), 1002, "mask"),
    "unmasked close": (frame(CLOSE, b"\x03\xe8", mask=None), 1002, "mask"),
    "unmasked text of a megabyte": (
        frame(TEXT, b"and so on", length=LIMIT, mask=None),
        1002,
        "mask",
    ),
    "first reserved bit": (frame(TEXT, b"hello", rsv=4), 1002, "reserved"),
    "second reserved bit": (frame(BINARY, b"hello", rsv=2), 1002, "reserved"),
    "third reserved bit": (frame(PING, b"hello", rsv=1), 1002, "reserved"),
    "data opcode 3": (frame(3, b"hello"), 1002, "opcode"),
    "data opcode 7": (frame(7), 1002, "opcode"),
    "control opcode 11": (frame(11, b"hello"), 1002, "opcode"),
    "control opcode 15": (frame(15), 1002, "opcode"),
    "fragmented ping": (frame(PING, b"hello", fin=False), 1002, "fragment"),
    "fragmented close": (frame(CLOSE, b"\x03\xe8", fin=False), 1002, "fragment"),
    "ping of 126 bytes": (frame(PING, bytes(126)), 1002, "control frame"),
    "pong of 70,000 bytes": (frame(PONG, b"", length=70_000), 1002, "control frame"),
    "close of 126 bytes": (close(1000, "x" * 124), 1002, "control frame"),
    "continuation of nothing": (frame(CONT, b"hello"), 1002, "continuation"),
    "last continuation twice": (
        b"".join(fragments(TEXT, [b"a", b"b"])) + frame(CONT, b"c"),
        1002,
        "continuation",
    ),
    "text inside a message": (frame(TEXT, b"a", fin=False) + text("b"), 1002, "continuation"),
    "binary fragment inside a message": (
        frame(TEXT, b"a", fin=False) + frame(BINARY, b"b", fin=False),
        1002,
        "continuation",
    ),
    "text that is not UTF-8": (frame(TEXT, b"caf\xe9 au lait"), 1007, "UTF-8"),
    "text with a surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007, "UTF-8"),
    "text that stops inside a letter": (frame(TEXT, "€".encode()[:2]), 1007, "UTF-8"),
    "overlong text": (frame(TEXT, b"\xc0\xaf"), 1007, "UTF-8"),
    "fragments that are not UTF-8": (b"".join(fragments(TEXT, [b"ok", b"\xff"])), 1007, "UTF-8"),
    "close reason that is not UTF-8": (close(1000, b"\xff\xfe"), 1007, ""),
    "close of one byte": (frame(CLOSE, b"\x03"), 1002, "close"),
    **{
        f"close code {code}": (close(code), 1002, "code")
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
    },
    "declared length 2**62": (frame(BINARY, b"", length=2**62), 1009, "limit|size"),
    "declared length 2**62 of text": (frame(TEXT, b"", length=2**62), 1009, "limit|size"),
    "declared length 2**63": (frame(BINARY, b"", length=2**63), 1009, "limit|size"),
    "first fragment of 2**62": (frame(TEXT, b"", length=2**62, fin=False), 1009, "limit|size"),
    "one byte too many": (frame(BINARY, bytes(LIMIT + 1)), 1009, "limit|size"),
    "one letter too many": (frame(TEXT, "é".encode() * (LIMIT // 2) + b"x"), 1009, "limit|size"),
    "one byte too many in fragments": (
        b"".join(fragments(BINARY, [bytes(LIMIT // 2), bytes(LIMIT // 2), b"x"])),
        1009,
        "limit|size",
    ),
    "fragment that declares more than is left": (
        frame(BINARY, bytes(LIMIT - 10), fin=False) + frame(CONT, b"", length=11, fin=False),
        1009,
        "limit|size",
    ),
}


@pytest.mark.usefixtures("lingering")
@pytest.mark.parametrize("name", VIOLATIONS)
async def test_a_violation_is_answered_with_its_code_then_fin_and_never_a_reset(
    echo: Echo, name: str
) -> None:
    sent, code, fault = VIOLATIONS[name]
    async with Raw.websocket(echo.port) as raw:
        await raw.send(text("before"), sent)
        assert (await raw.frame()).payload == b"before"
        ending = await raw.closed()
        assert ending.code == code
        assert ending.reason, "a person at the other end wants to know why"
        await raw.send(text("after"), bytes(300_000))  # discarded, not reset
        assert await raw.rest() == b""
        assert raw.error() == 0
    row = await echo.close_row()
    assert any(word in str(row.error) for word in fault.split("|")), row.error
    assert [ev["code"] for ev in echo.closes] == [code]
    assert [heard for heard in echo.heard if heard not in {"before", "ab"}] == []
    assert len(echo.server.sessions) == 0


@pytest.mark.parametrize("name", VIOLATIONS)
async def test_nothing_in_the_same_read_behind_a_violation_is_heard(echo: Echo, name: str) -> None:
    sent, code, _ = VIOLATIONS[name]
    async with Raw.websocket(echo.port) as raw:
        await raw.send(sent, text("behind") * 3)
        assert (await raw.closed()).code == code
    await echo.close_row()
    assert "behind" not in echo.heard


@pytest.mark.usefixtures("lingering")
@pytest.mark.parametrize("name", VIOLATIONS)
async def test_a_violation_is_found_when_it_arrives_in_crumbs(echo: Echo, name: str) -> None:
    sent, code, _ = VIOLATIONS[name]
    async with Raw.websocket(echo.port) as raw:
        await raw.dribble(sent, 1 if len(sent) < 200 else 50_000)
        assert (await raw.closed()).code == code


async def test_text_that_is_not_utf8_is_found_in_its_fragment_not_at_the_end(echo: Echo) -> None:
    async with Raw.websocket(echo.port) as raw:
        await raw.send(frame(TEXT, "grün".encode()[:3], fin=False), frame(PING, b"so far so good"))
        assert (await raw.frame()).opcode == PONG
        await raw.send(frame(CONT, b"\xff", fin=False))
        ending = await raw.closed()
        assert (ending.code, ending.reason) == (1007, "text is not UTF-8 at byte 2")


async def test_the_largest_message_may_come_in_fragments(echo: Echo) -> None:
    parts = fragments(BINARY, [bytes(LIMIT // 4)] * 4)
    async with Raw.websocket(echo.port) as raw:
        await raw.send(*parts)
        assert len((await raw.frame()).payload) == LIMIT


async def test_a_violation_after_our_own_close_keeps_our_code() -> None:
    flow, closes = Flow("end"), list[Any]()
    socket = flow.websocket("/")

    @flow.node
    def bye(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"end": True, "code": 4004, "reason": "enough"})

    flow.connect(socket.req, bye)
    flow.connect(socket.close, flow.node(closes.append, name="closes"))
    async with flow.serving() as server, Raw.websocket(server.port) as raw:
        assert (await raw.frame()).code == 4004
        await raw.send(frame(TEXT, b"unmasked", mask=None))
        assert await raw.rest() == b""
        await flow.log.until(kind="close")
        assert [ev["code"] for ev in closes] == [4004]


async def test_who_goes_on_pouring_after_a_violation_is_cut_off_and_costs_no_memory(
    echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a busy machine pours little in a second
    monkeypatch.setattr(connection, "DISCARD_TIMEOUT", 3.0)
    async with Raw.websocket(echo.port) as raw:
        await raw.send(frame(BINARY, b"", length=2**62))
        assert (await raw.closed()).code == 1009
        before = memory()
        async with Beats() as beats:
            poured = await raw.pour(bytes(2**16))
            assert beats.seconds < 8
        assert poured > 10 * 2**20
        assert memory() - before < 8 * 2**20


@pytest.mark.parametrize("sent", [frame(TEXT, mask=None), frame(TEXT, b"\xff"), close(4000)])
async def test_the_code_of_a_close_event_is_a_plain_number(echo: Echo, sent: bytes) -> None:
    async with Raw.websocket(echo.port) as raw:
        await raw.send(sent)
        await raw.closed()
    await echo.close_row()
    assert [type(ev["code"]) for ev in echo.closes] == [int], "no enum of a library of ours"


async def test_a_violation_of_one_client_is_nothing_to_another(echo: Echo) -> None:
    async with Raw.websocket(echo.port) as good, Raw.websocket(echo.port) as bad:
        await bad.send(frame(TEXT, b"hello", mask=None))
        assert (await bad.closed()).code == 1002
        await good.send(text("hello"))
        assert (await good.frame()).payload == b"hello"
