"""The promises of wsflow that a socket can judge, each under its own number.

What other files prove in detail (frames in `test_connection`, stopping in `test_server`) stands
here once more in one telling case.
"""

import asyncio
import contextlib
import random
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.peers.raw import (
    CLOSE,
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
from wsflow import Context, Flow, ManualClock, PathError, ReplyError, Row, UnsafeBindError
from wsflow.graph.nodes.connections import Connections

SECRET = "hunter2secret"


@pytest.fixture
async def flow() -> AsyncIterator[Flow]:
    flow = Flow("promise")
    yield flow
    await flow.stop()


def rows(flow: Flow, *kinds: str) -> list[Row]:
    """Return the rows of these kinds, oldest first."""
    return [row for row in flow.log.tail(1_000_000) if not kinds or row.kind in kinds]


def managed(flow: Flow, path: str = "/") -> Connections:
    """Give the flow a route whose clients a connection manager knows."""
    trigger, everybody = flow.websocket(path), flow.connections(name="everybody")
    trigger.req >> everybody.req
    trigger.close >> everybody.close
    return everybody


def echoing(flow: Flow, path: str = "/") -> None:
    """Give the flow a route that answers each message with itself."""

    @flow.node
    def echo(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": ev["message"]})

    flow.websocket(path).message >> echo


# ---- delivery and order


async def test_p1_every_reply_reaches_its_own_session_exactly_once(flow: Flow) -> None:
    dice = random.Random(1)
    clients, each = 40, 25

    @flow.node
    async def later(ev: Any, ctx: Context) -> None:
        for _ in range(dice.randrange(6)):
            await asyncio.sleep(0)
        ctx.emit("response", {"body": ev["message"]})

    flow.websocket("/").message >> later
    server = await flow.serve()

    async def talk(number: int) -> None:
        async with connect(f"{server.url}/") as peer:
            sent = [f"{number}:{i}" for i in range(each)]
            for one in sent:
                await peer.send(one)
            assert sorted([str(await peer.recv()) for _ in sent]) == sorted(sent)
            await (await peer.ping())
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await peer.recv()

    await asyncio.gather(*map(talk, range(clients)))
    assert len(rows(flow, "response")) == clients * each


async def test_p1_a_reply_to_a_client_that_left_is_dropped_counted_and_in_the_log(
    flow: Flow,
) -> None:
    kept: list[Context] = []
    flow.websocket("/").req >> flow.node(lambda ev, ctx: kept.append(ctx), name="keep")
    server = await flow.serve()
    async with Raw.websocket(server.port) as raw:
        await flow.log.until(kind="req")
        session = server.sessions[0]
        raw.reset()
    await flow.log.until(kind="close")
    assert kept[0].emit("response", {"body": "too late"}) == 0
    assert kept[0].emit("response", {"end": True}) in {0, 1}
    assert session.dropped == 1
    (row,) = rows(flow, "drop")
    assert (row.data, row.session) == ("too late", session.id)


@pytest.mark.parametrize("is_async", [False, True])
async def test_p2_a_session_is_req_then_its_messages_then_close(flow: Flow, is_async: bool) -> None:
    seen: defaultdict[str, list[Any]] = defaultdict(list)
    dice = random.Random(2)

    def note(ev: Any, ctx: Context) -> None:
        kind = "close" if "code" in ev else ev.get("message", "req")
        seen[ev["sessionId"]].append(kind)

    async def note_later(ev: Any, ctx: Context) -> None:
        note(ev, ctx)
        await asyncio.sleep(0)

    trigger = flow.websocket("/")
    node = flow.node(note_later if is_async else note, name="note")
    for port in (trigger.req, trigger.message, trigger.close):
        port >> node
    server = await flow.serve()
    sent = [str(i) for i in range(150)]

    async def talk(ending: str) -> None:
        async with Raw.websocket(server.port) as raw:
            await raw.dribble(b"".join(map(text, sent)), dice.randrange(50, 500))
            if ending == "close":
                await raw.send(close(1000))
                await raw.closed()
            elif ending == "fin":
                raw.half_close()
                await raw.rest()
            elif ending == "violation":
                await raw.send(frame(TEXT, mask=None))
                await raw.closed()

    endings = ["close", "fin", "violation"] * 7
    await asyncio.gather(*map(talk, endings))
    await flow.log.until(kind="close", count=len(endings))
    await eventually(lambda: sum(map(len, seen.values())) == len(endings) * 152)
    assert all(events == ["req", *sent, "close"] for events in seen.values())
    kinds: defaultdict[str | None, list[str]] = defaultdict(list)
    for row in rows(flow, "req", "message", "close"):
        kinds[row.session].append(row.kind)
    assert list(kinds.values()) == [["req", *["message"] * 150, "close"]] * len(endings)


async def test_p2_the_body_goes_before_the_close_frame(flow: Flow) -> None:
    @flow.node
    def bye(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": "x" * 300_000, "end": True})
        ctx.emit("response", {"body": "never"})

    flow.websocket("/").message >> bye
    server = await flow.serve()
    async with Raw.websocket(server.port) as raw:
        await raw.send(text("?"), text("more"))
        first, second = await raw.frames(2)
        assert (len(first.payload), second.opcode, second.code) == (300_000, CLOSE, 1000)
        await raw.send(close(1000))
        assert await raw.rest() == b""


async def busy(flow: Flow) -> None:
    """Make rows of every kind there is on the wire and in the graph."""
    everybody = managed(flow)

    def fork(ev: Any, ctx: Context) -> None:
        ctx.route({"n": ev["message"]})
        ctx.route([1, 2, {"x": b"y"}], "side")
        ctx.emit("ping", ev["message"])
        if ev["message"].endswith("7"):
            raise ValueError(ev["message"])
        ctx.emit("response", {"body": ev["message"]})
        ctx.log.info("a remark")

    trigger = flow.nodes["/"]
    trigger.outputs["message"] >> flow.node(fork, outputs=("out", "side"))
    push = flow.http("/push", method="POST")
    push.out >> everybody.broadcast
    push.out >> flow.node(lambda ev, ctx: ctx.emit("response", {"status": 202}), name="ok")
    server = await flow.serve()

    async def talk(number: int) -> None:
        async with Raw.websocket(server.port) as raw:
            await raw.send(*(text(f"{number}.{i}") for i in range(20)))
            await raw.frames(18)
            if number % 3:
                await raw.send(close(1000))
                await raw.closed()

    for number in range(12):
        await talk(number)
    async with httpx.AsyncClient() as client:
        for _ in range(5):
            url = f"http://127.0.0.1:{server.port}"
            assert (await client.post(f"{url}/push", json={"a": 1})).status_code == 202
            assert (await client.get(f"{url}/nowhere")).status_code == 404
    await eventually(lambda: len(flow.sessions) == 0)
    flow.pause()
    flow.resume()
    await flow.stop()


async def test_p3_every_event_has_a_row_and_the_numbers_have_no_gaps(flow: Flow) -> None:
    await busy(flow)
    everything = rows(flow)
    assert [row.seq for row in everything] == list(range(1, len(everything) + 1))
    assert list(flow.log.frame()["seq"]) == [row.seq for row in everything]
    counts: defaultdict[str, int] = defaultdict(int)
    for row in everything:
        counts[row.kind] += 1
    assert counts["req"] == 12 + 5
    assert counts["close"] == 12
    assert counts["message"] == 12 * 20
    assert counts["route"] == 2 * counts["message"]
    assert counts["signal"] == counts["message"]
    assert counts["error"] == sum(1 for i in range(20) if str(i).endswith("7")) * 12
    assert counts["broadcast"] == 5
    assert flow.log.dropped == 0


async def test_p3_rows_that_had_to_go_are_counted_exactly() -> None:
    flow = Flow("small", log_rows=100)
    await busy(flow)
    kept = [row.seq for row in rows(flow) if row.kind != "gap"]
    assert len(flow.log) <= 100
    assert kept == list(range(kept[0], kept[-1] + 1))
    assert flow.log.dropped == kept[0] - 1


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    "fault",
    [ValueError, SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit, MemoryError],
)
async def test_p4_a_handler_that_raises_costs_one_row_and_nothing_else(
    flow: Flow, fault: type[BaseException], is_async: bool
) -> None:
    def burst(ev: Any, ctx: Context) -> None:
        if ev["message"] == "boom":
            raise fault("on purpose")
        ctx.emit("response", {"body": ev["message"]})

    async def burst_later(ev: Any, ctx: Context) -> None:
        await asyncio.sleep(0)
        burst(ev, ctx)

    flow.websocket("/").message >> flow.node(burst_later if is_async else burst, name="burst")
    server = await flow.serve()
    others = [await connect(f"{server.url}/") for _ in range(99)]
    async with Raw.websocket(server.port) as own:
        await own.send(text("before"), text("boom"), text("after"))
        assert {(await own.frame()).payload for _ in range(2)} == {b"before", b"after"}
        for number, peer in enumerate(others):
            await peer.send(str(number))
        assert [await peer.recv() for peer in others] == [str(i) for i in range(99)]
        assert len(server.sessions) == 100
    (row,) = rows(flow, "error")
    assert str(row.error).startswith(f"{fault.__name__}: on purpose (test_promises.py:")
    assert row.node == "burst"
    await asyncio.gather(*(peer.close() for peer in others))


@pytest.mark.parametrize("fault", [SystemExit, KeyboardInterrupt])
async def test_p4_faults_in_callbacks_and_close_handlers_are_fenced_too(
    flow: Flow, fault: type[BaseException]
) -> None:
    def burst(*_: Any) -> None:
        raise fault("on purpose")

    trigger = flow.websocket("/")

    @flow.node
    def wait(ev: Any, ctx: Context) -> None:
        ctx.once("done", burst)
        ctx.emit("done")
        ctx.emit("response", {"body": "still here"})

    trigger.message >> wait
    trigger.close >> flow.node(burst, name="burst")
    server = await flow.serve()
    async with Raw.websocket(server.port) as raw:
        await raw.send(text("?"))
        assert (await raw.frame()).payload == b"still here"
    await flow.log.until(kind="error", count=2)
    async with Raw.websocket(server.port) as raw:
        await raw.send(text("?"))
        assert (await raw.frame()).payload == b"still here"


@pytest.mark.slow
async def test_p5_a_client_that_never_reads_delays_nobody_and_is_gone_in_ten_seconds(
    flow: Flow,
) -> None:
    everybody, closes = managed(flow), list[Any]()
    flow.nodes["/"].outputs["close"] >> flow.node(closes.append, name="closes")
    server = await flow.serve()
    body, count = "x" * 60_000, 200

    async def listen(peer: ClientConnection) -> float:
        for number in range(count):
            assert await peer.recv() == f"{number} {body}"
        return beats.seconds

    async with Beats() as beats, Raw.websocket(server.port, receive_buffer=4096):
        await flow.log.until(kind="req")
        bad = server.sessions[0]
        peers = [await connect(f"{server.url}/", compression=None) for _ in range(5)]
        listening = [asyncio.create_task(listen(peer)) for peer in peers]
        started = beats.seconds
        for number in range(count):
            assert everybody.broadcast(f"{number} {body}")
            await asyncio.sleep(0)
        done = [await one - started for one in listening]
        assert max(done) < 5
        assert bad.backlog > 2**20
        row = await flow.log.until(kind="drop", timeout=40)
        assert row.session == bad.id
        assert "closed with 1013" in str(row.error)
        await flow.log.until(kind="close", timeout=40)
        assert (bad.state, bad.backlog) == ("closed", 0)
        assert [(ev["sessionId"], ev["code"]) for ev in closes] == [(bad.id, 1013)]
        assert beats.seconds - started < 10
        await eventually(lambda: len(descriptors(server.port)) == len(peers), 1)
        assert len(server.sessions) == len(peers)
        assert dict(everybody.broadcast("on we go").missed) == {}
        assert [await peer.recv() for peer in peers] == ["on we go"] * len(peers)
    await asyncio.gather(*(peer.close() for peer in peers))


async def test_p5_what_may_wait_for_one_client_is_bounded(flow: Flow) -> None:
    everybody = managed(flow)
    server = await flow.serve(max_backlog=2**20)
    async with (
        Raw.websocket(server.port, receive_buffer=4096),
        connect(f"{server.url}/", compression=None) as good,
    ):
        await flow.log.until(kind="req", count=2)
        bad = server.sessions[0]
        reading = asyncio.create_task(_take(good, 200))
        missed: dict[str, str] = {}
        for _ in range(200):
            missed |= everybody.broadcast(bytes(60_000)).missed
            assert bad.backlog <= 2**20
            await asyncio.sleep(0)
        await reading
        assert missed == {bad.id: "does not keep up"} or missed == {bad.id: "session has ended"}
        (row,) = [row for row in rows(flow, "drop") if "1013" in str(row.error)]
        assert row.session == bad.id
        assert bad.dropped > 0


async def _take(peer: ClientConnection, count: int) -> None:
    for _ in range(count):
        await peer.recv()


def deep() -> list[Any]:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


def circular() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


POISONS: dict[str, Callable[[], Any]] = {
    "lone surrogate": lambda: "caf\ud800",
    "lone surrogate in JSON": lambda: {"name": "\udfff"},
    "lone surrogate as a key": lambda: {"\ud800": 1},
    "NaN": lambda: float("nan"),
    "1e999": lambda: {"value": 1e999},
    "minus infinity": lambda: [float("-inf")],
    "100,000 brackets": deep,
    "a ring": circular,
    "bytes in a dict": lambda: {"blob": b"\x00\xff"},
    "a set": lambda: {"one", "two"},
    "an object": object,
    "a number of 5,000 digits": lambda: 10**5000,
}


@pytest.mark.parametrize("name", POISONS)
async def test_p6_a_poisoned_broadcast_harms_no_session(flow: Flow, name: str) -> None:
    poison = POISONS[name]()
    everybody = managed(flow)

    @flow.node
    def reply(ev: Any, ctx: Context) -> None:
        ctx.route(poison)
        ctx.emit("response", {"body": poison})

    flow.nodes["/"].outputs["message"] >> reply
    reply >> everybody.broadcast
    server = await flow.serve()
    peers = [await connect(f"{server.url}/") for _ in range(5)]
    await flow.log.until(kind="req", count=5)

    with pytest.raises(ReplyError):
        everybody.broadcast(poison)
    await peers[0].send("poison me")
    await flow.log.until(kind="error", count=2)
    with pytest.raises(ReplyError):
        everybody.send(server.sessions[0], poison)

    assert len(everybody.broadcast("well").reached) == 5
    assert [await peer.recv() for peer in peers] == ["well"] * 5
    assert all(session.state == "open" for session in server.sessions)
    assert [row.node for row in rows(flow, "error")] == ["reply", "everybody"]
    assert len(repr(flow.log)) < 10_000
    assert len(flow.log.frame()) == len(flow.log)
    assert flow.log._repr_html_()
    await asyncio.gather(*(peer.close() for peer in peers))


@pytest.mark.parametrize("name", POISONS)
async def test_p6_poison_sent_by_hand_is_its_author_s_error(flow: Flow, name: str) -> None:
    flow.websocket("/")
    server = await flow.serve()
    async with Raw.websocket(server.port) as raw:
        await flow.log.until(kind="req")
        with pytest.raises(ReplyError):
            server.sessions[0].send(POISONS[name]())
        assert server.sessions[0].send("well")
        assert (await raw.frame()).payload == b"well"


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b"[" * 50_000 + b"]" * 50_000, b"NaN", b"1e", b"\xff\xfe", b"9" * 10_000],
)
async def test_p6_a_poisoned_request_is_the_client_s_own_fault(flow: Flow, body: bytes) -> None:
    everybody = managed(flow)
    flow.http("/push", method="POST").out >> everybody.broadcast
    server = await flow.serve()
    async with connect(f"{server.url}/") as peer, httpx.AsyncClient() as client:
        headers = {"content-type": "application/json"}
        url = f"http://127.0.0.1:{server.port}/push"
        response = await client.post(url, content=body, headers=headers)
        assert response.status_code == 400
        await flow.log.until(kind="req")
        assert everybody.broadcast("well")
        assert await peer.recv() == "well"
    assert rows(flow, "error") == []


# ---- the wire


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (close(1000), (1000, "")),
        (close(1001, "tab closed"), (1001, "tab closed")),
        (close(4321, "für immer"), (4321, "für immer")),
        (close(), (1005, "")),
        (b"", (None, "")),
        (text("half")[:3], (None, "")),
    ],
)
async def test_p9_the_close_port_gets_what_the_client_really_said(
    flow: Flow, sent: bytes, told: tuple[int | None, str]
) -> None:
    closes: list[Any] = []
    flow.websocket("/").close >> flow.node(closes.append, name="closes")
    server = await flow.serve()
    async with Raw.websocket(server.port) as raw:
        await raw.send(sent)
        raw.half_close()
        await raw.rest()
    await flow.log.until(kind="close")
    assert [(ev["code"], ev["reason"]) for ev in closes] == [told]
    known = flow.log.sessions()
    assert known["reason"][0] == told[1]


async def test_p13_stop_says_1001_to_all_and_frees_the_port_again_and_again(flow: Flow) -> None:
    echoing(flow)
    port = 0
    for _ in range(5):
        server = await flow.serve(port=port)
        port = server.port
        peers = [await connect(f"{server.url}/") for _ in range(20)]
        await peers[-1].send("hello")
        assert await peers[-1].recv() == "hello"
        async with Beats() as beats:
            await flow.stop()
            assert beats.seconds < 0.5
        await asyncio.gather(*(peer.wait_closed() for peer in peers))
        assert {peer.close_code for peer in peers} == {1001}
        assert descriptors(port) == []


# ---- the notebook


@pytest.mark.parametrize("thread", [False, True])
async def test_p16_a_handler_that_blocks_for_more_than_a_second_is_named(
    flow: Flow, thread: bool
) -> None:
    @flow.node
    def slow(ev: Any, ctx: Context) -> None:
        end = time.monotonic() + 1.2
        while (
            time.monotonic() < end or flow._host.blocked is None
        ):  # a busy machine is slow to see it
            time.sleep(0.05)  # the line to name
        ctx.emit("response", {"body": "at last"})

    flow.websocket("/").message >> slow
    server = await flow.serve(thread=thread)
    async with connect(server.url, proxy=None) as client:
        await client.send("x")
        assert await client.recv() == "at last"
        row = await flow.log.until(kind="mark", node="slow")
    assert "test_promises.py:" in row.data
    assert "time.sleep(0.05)" in row.data
    assert row.elapsed is not None
    assert row.elapsed > 1


# ---- security


async def test_p18_only_this_machine_is_let_in_unless_told_otherwise(flow: Flow) -> None:
    echoing(flow)
    server = await flow.serve()
    assert server.host == "127.0.0.1"
    for host in ("0.0.0.0", "::", "", "10.0.0.1"):
        other = Flow("open")
        with pytest.raises(UnsafeBindError, match=r"token='...'.*allow_unauthenticated=True"):
            await other.serve(host=host)
        with pytest.raises(UnsafeBindError):
            await other.serve(host=host, token="")


@pytest.mark.parametrize(
    ("host", "headers", "advice"),
    [
        ("rebound.example", [], "allowed_hosts=['rebound.example']"),
        ("127.0.0.1.nip.io", [], "allowed_hosts=['127.0.0.1.nip.io']"),
        ("localhost", [("Origin", "null")], "allowed_origins=['null']"),
        ("localhost", [("Origin", "file://")], "allowed_origins=['file://']"),
        ("localhost", [("Origin", "https://a.example")], "allowed_origins=['https://a.example']"),
        ("rebound.example", [("Origin", "http://rebound.example")], "allowed_hosts="),
    ],
)
async def test_p19_strange_pages_and_names_get_403_before_anything_happens(
    flow: Flow, host: str, headers: list[tuple[str, str]], advice: str
) -> None:
    reached: list[Any] = []
    flow.websocket("/").req >> flow.node(reached.append, name="reached")
    server = await flow.serve()
    async with Raw.tcp(server.port) as raw:
        await raw.send(handshake("/", headers, host=host), text("eager"))
        response = await raw.response()
        assert response.status == 403
        assert advice in response.body.decode()
    (row,) = rows(flow)
    assert row.kind == "drop"
    assert advice in str(row.error)
    assert reached == []
    assert len(flow.log.sessions()) == 0


WAYS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "query": (f"?token={SECRET}&a=b", []),
    "query, twice": (f"?token=x&token={SECRET}", []),
    "header": ("", [("Authorization", f"Bearer {SECRET}")]),
    "subprotocol": ("", [("Sec-WebSocket-Protocol", f"wsflow.token.{SECRET}")]),
}


@pytest.mark.parametrize("way", WAYS)
async def test_p20_the_token_opens_the_door_and_is_seen_nowhere(flow: Flow, way: str) -> None:
    query, headers = WAYS[way]
    seen: list[str] = []

    @flow.node
    def pass_on(ev: Any, ctx: Context) -> None:
        ctx.route(ev)
        ctx.emit("note", ev)

    @flow.node
    def fail(ev: Any, ctx: Context) -> None:
        raise ValueError("on purpose")

    trigger = flow.websocket("/")
    for port in (trigger.req, trigger.message, trigger.close):
        port >> pass_on
    pass_on >> fail
    server = await flow.serve(token=SECRET)
    async with Raw.websocket(server.port, f"/{query}", headers) as raw:
        await raw.send(text("hello"))
        await flow.log.until(kind="error", count=2)
        session = server.sessions[0]
        seen += [repr(session), session._repr_html_(), repr(server.sessions)]
        seen += [repr(server), repr(flow), server._repr_html_(), server.sessions._repr_html_()]
    await flow.log.until(kind="error", count=3)
    seen += [repr(row) for row in rows(flow)] + [repr(row.data) for row in rows(flow)]
    seen += [repr(flow.log), flow.log._repr_html_(), flow.log.sequence()]
    seen += [table.to_csv() for table in (flow.log.frame(), flow.log.sessions())]
    assert [text for text in seen if SECRET in text] == []


async def test_p20_the_token_is_in_no_repr_of_what_a_server_was_told(flow: Flow) -> None:
    server = await flow.serve(token=SECRET)
    assert SECRET not in repr(server.options)
    assert SECRET not in repr(server.policy)


@pytest.mark.parametrize("way", WAYS)
async def test_p20_the_token_stays_hidden_inside_other_values(flow: Flow, way: str) -> None:
    query, headers = WAYS[way]

    @flow.node
    def wrap(ev: Any, ctx: Context) -> Any:
        ctx.route({"event": ev})
        ctx.route([ev])
        ctx.emit("note", ev, ev)
        return ev

    flow.websocket("/").req >> wrap
    server = await flow.serve(token=SECRET)
    async with Raw.websocket(server.port, f"/{query}", headers):
        await flow.log.until(kind="mark")
    leaks = [row for row in rows(flow) if SECRET in repr(row)]
    assert leaks == []


@pytest.mark.parametrize("way", WAYS)
async def test_p20_a_refused_token_is_not_written_down_either(flow: Flow, way: str) -> None:
    query, headers = WAYS[way]
    flow.websocket("/")
    server = await flow.serve(token="another one")
    async with Raw.tcp(server.port) as raw:
        await raw.send(handshake(f"/{query}", headers))
        response = await raw.response()
        assert response.status == 401
        assert SECRET not in response.body.decode()
        assert "another one" not in response.body.decode()
    (row,) = rows(flow)
    assert SECRET not in repr(row)
    assert "another one" not in repr(row)


VECTORS: list[tuple[tuple[str, ...], list[tuple[str, str]], str]] = [
    ((), [("X-Forwarded-For", "203.0.113.9")], "127.0.0.1"),
    (("10.0.0.0/8",), [("X-Forwarded-For", "203.0.113.9")], "127.0.0.1"),
    (("127.0.0.1",), [], "127.0.0.1"),
    (("127.0.0.1",), [("X-Forwarded-For", "203.0.113.9")], "203.0.113.9, 127.0.0.1"),
    (
        ("127.0.0.1",),
        [("X-Forwarded-For", "6.6.6.6, 203.0.113.9")],
        "203.0.113.9, 127.0.0.1",
    ),
    (
        ("127.0.0.0/8", "10.0.0.0/8"),
        [("X-Forwarded-For", "6.6.6.6, 203.0.113.9, 10.1.2.3")],
        "203.0.113.9, 10.1.2.3, 127.0.0.1",
    ),
    (
        ("127.0.0.1",),
        [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "203.0.113.9")],
        "203.0.113.9, 127.0.0.1",
    ),
    (
        ("127.0.0.1",),
        [("Forwarded", 'for="203.0.113.9:4711";proto=http')],
        "203.0.113.9, 127.0.0.1",
    ),
    (("127.0.0.1",), [("Forwarded", 'for="[2001:db8::7]:4711"')], "2001:db8::7, 127.0.0.1"),
    (("127.0.0.1",), [("X-Forwarded-For", "<img src=x>, unknown")], "127.0.0.1"),
    (("127.0.0.1",), [("X-Forwarded-For", ", ".join(["10.0.0.1"] * 500))], "10.0.0.1, 127.0.0.1"),
]


@pytest.mark.parametrize(("trusted", "headers", "peer"), VECTORS)
async def test_p21_forwarded_addresses_are_believed_only_from_trusted_proxies(
    flow: Flow, trusted: tuple[str, ...], headers: list[tuple[str, str]], peer: str
) -> None:
    @flow.node
    def who(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": ev["peer"]})

    flow.websocket("/").req >> who
    server = await flow.serve(trusted_proxies=trusted)
    async with Raw.websocket(server.port, "/", headers) as raw:
        assert (await raw.frame()).payload.decode() == peer
        assert server.sessions[0].peer == peer


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/a%00b", [], 400),
        ("/%2500", [], 404),
        ("/" + "a" * 2047, [], 404),
        ("/" + "a" * 2048, [], 414),
        ("/" + "%41" * 1000, [], 414),
        ("/", [(f"X-{i}", "y") for i in range(94)], 101),
        ("/", [(f"X-{i}", "y") for i in range(96)], 431),
        ("/", [("X-Long", "y" * 15_000)], 101),
        ("/", [("X-Long", "y" * 16_385)], 431),
        ("/", [("X-Long", "y" * 300_000)], 431),
        ("/?" + "a&" * 2000, [], 400),
        ("/?" + "a" * 8192, [], 101),
        ("/?" + "a" * 8193, [], 414),
        ("/?" + "a" * 60_000, [], 414),
    ],
)
@pytest.mark.parametrize("token", [None, SECRET])
async def test_p24_what_a_request_may_bring_is_bounded(
    flow: Flow, path: str, headers: list[tuple[str, str]], status: int, token: str | None
) -> None:
    flow.websocket("/")
    server = await flow.serve(token=token)
    given = headers if token is None else [*headers, ("Authorization", f"Bearer {token}")]
    async with Raw.tcp(server.port) as raw:
        with contextlib.suppress(ConnectionError):  # refused before the last byte had left
            await raw.send(handshake(path, given))
        assert (await raw.response()).status == status
    assert len(rows(flow, "drop")) == (status != 101)
    assert rows(flow, "error") == []


async def test_p24_how_long_a_query_may_be_is_the_user_s_to_say(flow: Flow) -> None:
    flow.websocket("/")
    server = await flow.serve(max_query_size=10)
    for query, status in (("a" * 10, 101), ("a" * 11, 414)):
        async with Raw.tcp(server.port) as raw:
            await raw.send(handshake(f"/?{query}"))
            assert (await raw.response()).status == status
    (row,) = rows(flow, "drop")
    assert "longer than 10 bytes" in str(row.error)


async def test_p24_a_pattern_is_a_template_and_never_a_regular_expression(flow: Flow) -> None:
    for pattern in ("/x/{id:[0-9]+}", "/x/*", "/x/{a}{b}", "/x/{.*}", "/x/y?", "x"):
        with pytest.raises(PathError, match="path"):
            flow.websocket(pattern)
    flow.websocket("/a.c")
    flow.websocket("/(x|y)+")
    server = await flow.serve()
    for path, status in (("/abc", 404), ("/a.c", 101), ("/x", 404), ("/(x|y)+", 101)):
        async with Raw.tcp(server.port) as raw:
            await raw.send(handshake(path))
            assert (await raw.response()).status == status


async def test_p25_a_request_whose_handler_failed_learns_nothing_of_it() -> None:
    clock = ManualClock()
    flow = Flow("inside", clock=clock)

    @flow.node
    def broken(ev: Any) -> None:
        raise RuntimeError("password of the database: tiger")

    flow.http("/").out >> broken
    async with flow.serving() as server, Raw.tcp(server.port) as raw:
        await raw.send(request("/"))
        await flow.log.until(kind="error")
        clock.advance(121)
        response = await raw.response()
        assert response.status == 504
        _tells_nothing(response.body, response.headers)


async def test_p25_a_client_whose_handler_failed_learns_nothing_of_it(flow: Flow) -> None:
    @flow.node
    def broken(ev: Any) -> None:
        raise RuntimeError("password of the database: tiger")

    flow.websocket("/").message >> broken
    server = await flow.serve()
    async with Raw.websocket(server.port) as raw:
        await raw.send(text("?"), close(1000))
        ending = await raw.frame()
        assert (ending.code, ending.reason) == (1000, "")


@pytest.mark.parametrize("head", [handshake("/"), request("/"), request("/nowhere")])
async def test_p25_a_fault_of_ours_is_a_plain_500_and_a_row(
    flow: Flow, head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("password of the database: tiger")

    flow.websocket("/")
    server = await flow.serve()
    monkeypatch.setattr("wsflow.wire.endpoint.Endpoint._judge", broken)
    async with Raw.tcp(server.port) as raw:
        await raw.send(head)
        response = await raw.response()
        assert response.status == 500
        _tells_nothing(response.body, response.headers)
    (row,) = rows(flow, "error")
    assert "tiger" in str(row.error)
    monkeypatch.undo()
    async with Raw.websocket(server.port):
        pass


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "head",
    [
        handshake("/nowhere"),
        handshake("/", without=["Sec-WebSocket-Key"]),
        handshake("/", [("Sec-WebSocket-Version", "8")]),
        handshake("/", [("Origin", "null")]),
        request("/nowhere"),
        request("/"),
        request("/push"),
        request("/push", [("Content-Type", "application/json")], method="POST", body=b"{]"),
        request("/push", [("Content-Type", "application/json")], method="POST", body=b"[" * 99_999),
        request("/push", [("Content-Type", "application/json")], method="POST", body=b"7" * 5_000),
        request("/push", [("Content-Type", "a/x+json")], method="POST", body=b"[NaN]"),
        request("/push", [("Content-Type", "application/json")], method="POST", body=b"\xff\xfe"),
        request("/push", [("Content-Type", "text/plain")], method="POST", body=b"\xff"),
        request("/push", [("Content-Type", FORM)], method="POST", body=b"\xff=1"),
        request("/push", [("Content-Type", FORM)], method="POST", body=b"a&" * 2_000),
        request("/push?" + "a&" * 2_000, method="POST", body=b"x"),
        request("/push", method="POST", body=b"x" * (2**20 + 1)),
        request("/judged", [("Content-Type", "application/json")], method="POST", body=b"{}"),
        request("/judged", [("Content-Type", "text/plain")], method="POST", body=b"x"),
        request("/push", [("Sec-Fetch-Site", "cross-site")]),
        request("/", host="evil.example"),
        request("/", [("Origin", "http://evil.example")]),
        request("/%00"),
        request("/" + "a" * 2_049),
        request("/?" + "a" * 9_000),
        request("/", [(f"X-{number}", "y") for number in range(101)]),
        handshake("/", [("Sec-WebSocket-Key", "short")]),
        handshake("/", version="1.0"),
        handshake("/push"),
        request("/", [("Content-Length", "x")], method="POST"),
        request("/", [("Transfer-Encoding", "x")], method="POST"),
        request("/", version="3.0"),
        b"PRI * HTTP/2.0\r\n\r\nSM",
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_p25_refusals_name_neither_software_nor_files(flow: Flow, head: bytes) -> None:
    flow.websocket("/")
    flow.http("/push", method="POST")
    judged = flow.multi("/judged", schema={"type": "object", "required": ["name"]})
    judged["post"] >> flow.node(lambda ev: None, name="never")
    server = await flow.serve()
    async with Raw.tcp(server.port) as raw:
        await raw.send(head, b"\r\n\r\n" if head.startswith(b"\x16") else b"")
        response = await raw.response()
        assert response.status >= 400
        _tells_nothing(response.body, response.headers)


LANGUAGE = (
    *("traceback", "tiger", "runtimeerror", ".py", "hypercorn", "h11", "python", "0x", "codec"),
    *("recursion", "sys.", "int_max", "max number", "expecting", "exception", "nonetype"),
)
"""Words of what wsflow is made of."""


def _tells_nothing(body: bytes, headers: dict[str, str]) -> None:
    said = (body.decode() + repr(headers)).lower()
    for word in LANGUAGE:
        assert word not in said
    assert "server" not in headers


# ---- the table

TABLE = Path(__file__).with_name("PROMISES.md")


def test_every_promise_stands_in_the_table_once() -> None:
    numbers = re.findall(r"(?m)^\| P(\d+) \|", TABLE.read_text())
    assert numbers[:30] == [str(number) for number in range(1, 31)]
    assert numbers == sorted(set(numbers), key=int)


def test_the_table_names_tests_that_are_there() -> None:
    named = set(re.findall(r"`([\w/]+\.py)::(test_\w+)`", TABLE.read_text()))
    there = {
        (path.relative_to(TABLE.parent).as_posix(), name)
        for path in TABLE.parent.rglob("test_*.py")
        for name in re.findall(r"(?m)^(?:async )?def (test_\w+)", path.read_text())
    }
    assert named - there == set()
