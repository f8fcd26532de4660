"""The thirteen tests that tell a right trigger model from a wrong one (trigger-model section 6).

Over real sockets, with the `websockets` library as the client wherever a socket is involved.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import weakref
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from wsflow import Context, Flow, ManualClock


@pytest.fixture
async def flow() -> AsyncIterator[Flow]:
    flow = Flow("contract")
    yield flow
    await flow.stop()


async def replies(client: ClientConnection, count: int) -> list[str | bytes]:
    return [await asyncio.wait_for(client.recv(), 30) for _ in range(count)]


async def ends(client: ClientConnection) -> tuple[int, str]:
    """Wait for the end of a connection; return the close code and reason the client saw."""
    with pytest.raises(ConnectionClosed):
        await asyncio.wait_for(client.recv(), 30)
    return client.close_code or 0, client.close_reason or ""


async def test_1_crossed_and_delayed_replies_reach_their_own_client(flow: Flow) -> None:
    chat = flow.websocket("/chat")
    turns = {"alice": asyncio.Event(), "bob": asyncio.Event()}

    @flow.node
    async def answer(ev: Any, ctx: Context) -> None:
        await turns[ev["message"]].wait()
        ctx.emit("response", {"body": f"for {ev['message']}"})

    chat.message >> answer
    server = await flow.serve()
    async with connect(f"{server.url}/chat") as alice, connect(f"{server.url}/chat") as bob:
        await alice.send("alice")
        await bob.send("bob")
        await flow.log.until(kind="message", count=2)
        turns["bob"].set()  # the later one is answered first
        assert await replies(bob, 1) == ["for bob"]
        turns["alice"].set()
        assert await replies(alice, 1) == ["for alice"]


async def test_2_a_reply_from_three_nodes_away_after_another_value_was_routed(flow: Flow) -> None:
    chat = flow.websocket("/chat")

    @flow.node
    def first(ev: Any, ctx: Context) -> None:
        ctx.route(len(ev["message"]))

    @flow.node
    async def second(length: int, ctx: Context) -> None:
        await asyncio.sleep(0)
        ctx.route({"length": length})

    @flow.node
    def third(value: dict[str, int], ctx: Context) -> None:
        ctx.emit("response", {"body": value["length"]})

    chat.message >> first >> second >> third
    server = await flow.serve()
    async with connect(f"{server.url}/chat") as alice, connect(f"{server.url}/chat") as bob:
        await alice.send("four")
        await bob.send("seventh")
        assert await replies(alice, 1) == ["4"]
        assert await replies(bob, 1) == ["7"]


async def test_3_five_emissions_give_five_messages_in_order(flow: Flow) -> None:
    chat = flow.websocket("/chat")

    @flow.node
    def five(ev: Any, ctx: Context) -> None:
        for number in range(5):
            assert ctx.emit("response", {"body": f"{ev['message']} {number}"}) == 1

    chat.message >> five
    server = await flow.serve()
    async with connect(f"{server.url}/chat") as client:
        await client.send("n")
        assert await replies(client, 5) == ["n 0", "n 1", "n 2", "n 3", "n 4"]


async def test_4_a_req_scope_still_delivers_after_any_time_out() -> None:
    clock = ManualClock()
    flow = Flow("patient", clock=clock)
    chat = flow.websocket("/chat")
    remembered: list[Context] = []
    chat.req >> flow.node(lambda ev, ctx: remembered.append(ctx), name="remember")
    server = await flow.serve()
    async with connect(f"{server.url}/chat") as client:
        await flow.log.until(kind="req")
        clock.advance(365 * 24 * 3600)
        assert remembered[0].emit("response", {"body": "after a year"}) == 1
        assert await replies(client, 1) == ["after a year"]
    await flow.stop()


async def test_5_an_http_event_broadcasts_to_sockets_and_answers_its_own_request(
    flow: Flow,
) -> None:
    chat = flow.websocket("/chat")
    push = flow.http("/push", method="POST")
    manager = flow.connections()

    @flow.node
    def announce(ev: Any, ctx: Context) -> None:
        ctx.route(ev["body"])
        ctx.emit("response", {"status": 202, "body": "told"})

    chat.req >> manager.req
    chat.close >> manager.close
    push.out >> announce >> manager.broadcast
    server = await flow.serve()
    async with connect(f"{server.url}/chat") as alice, connect(f"{server.url}/chat") as bob:
        await flow.log.until(kind="req", node="/chat", count=2)
        async with httpx.AsyncClient() as http:
            url = server.url.replace("ws://", "http://")
            answer = await http.post(f"{url}/push", content="news", headers={"host": "localhost"})
        assert (answer.status_code, answer.text) == (202, "told")
        assert await replies(alice, 1) == ["news"]
        assert await replies(bob, 1) == ["news"]


async def test_6_a_node_that_replies_synchronously_is_heard(flow: Flow) -> None:
    chat = flow.websocket("/chat")

    @flow.node
    def greet(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": "welcome"})

    chat.req >> greet
    server = await flow.serve()
    async with connect(f"{server.url}/chat") as client:
        assert await replies(client, 1) == ["welcome"]


@pytest.mark.parametrize(
    ("reply", "messages", "close"),
    [
        ({"body": "bye", "end": True}, ["bye"], (1000, "")),
        ({"end": 1}, [], (1000, "")),
        ({"body": "bye", "end": True, "code": 4001, "reason": "enough"}, ["bye"], (4001, "enough")),
    ],
)
async def test_7_body_and_end_and_emissions_after_it(
    flow: Flow, reply: dict[str, Any], messages: list[str], close: tuple[int, str]
) -> None:
    chat = flow.websocket("/chat")

    @flow.node
    def leave(ev: Any, ctx: Context) -> None:
        ctx.emit("response", reply)
        assert ctx.emit("response", {"body": "too late"}) == 0

    chat.message >> leave
    server = await flow.serve()
    async with connect(f"{server.url}/chat") as client:
        await client.send("?")
        assert await replies(client, len(messages)) == messages
        assert await ends(client) == close
    row = await flow.log.until(kind="drop")
    assert row.data == "too late"


async def test_8_an_abrupt_disconnect_gives_one_close_and_later_emits_are_harmless(
    flow: Flow,
) -> None:
    chat = flow.websocket("/chat")
    remembered: list[Context] = []
    closes: list[Any] = []
    chat.req >> flow.node(lambda ev, ctx: remembered.append(ctx), name="remember")
    chat.close >> flow.node(closes.append, name="closes")
    server = await flow.serve()
    client = await connect(f"{server.url}/chat")
    await flow.log.until(kind="req")
    client.transport.abort()
    await flow.log.until(kind="close")
    assert remembered[0].emit("response", {"body": "anybody?"}) == 0
    assert remembered[0].emit("response", {"end": True}) in {0, 1}
    await flow.stop()
    assert [(event["code"], event["reason"]) for event in closes] == [(None, "")]
    assert flow.log.frame(kind="close").shape[0] == 1


async def test_9_a_once_listener_is_gone_after_its_time_out() -> None:
    clock = ManualClock()
    flow = Flow("once", clock=clock)
    chat = flow.websocket("/chat")
    heard: list[str] = []
    contexts: list[Context] = []

    @flow.node
    def listen(ev: Any, ctx: Context) -> None:
        ctx.once("approved", lambda: heard.append("early"), timeout=30)
        ctx.once("approved", lambda: heard.append("late"), timeout=60)
        contexts.append(ctx)

    chat.message >> listen
    async with flow.client("/chat") as client:
        await client.send("?")
        clock.advance(31)
        assert contexts[0].emit("approved") == 1
        assert contexts[0].emit("approved") == 0, "once is once"
    await flow.stop()
    assert heard == ["late"]


async def test_10_a_raising_handler_costs_an_error_row_and_nothing_else(flow: Flow) -> None:
    chat = flow.websocket("/chat")

    @flow.node
    def fragile(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": str(1 // int(ev["message"]))})

    chat.message >> fragile
    server = await flow.serve()
    async with connect(f"{server.url}/chat") as alice, connect(f"{server.url}/chat") as bob:
        await alice.send("0")
        row = await flow.log.until(kind="error", node="fragile")
        assert "ZeroDivisionError" in (row.error or "")
        await alice.send("1")
        await bob.send("1")
        assert await replies(alice, 1) == ["1"]
        assert await replies(bob, 1) == ["1"]


async def test_11_ten_thousand_messages_leave_no_growth(flow: Flow) -> None:
    chat = flow.websocket("/chat")
    scopes: weakref.WeakSet[Any] = weakref.WeakSet()

    class Marker:
        """Something a scope holds on to, to see the scope go."""

    @flow.node
    def listen(ev: Any, ctx: Context) -> None:
        marker = Marker()
        scopes.add(marker)
        ctx.once("never", lambda marker=marker: marker)
        if ev["message"] == "last":
            ctx.emit("response", {"body": "done"})

    chat.message >> listen
    server = await flow.serve()
    async with connect(f"{server.url}/chat") as client:
        for _ in range(9_999):
            await client.send("x")
        await client.send("last")
        assert await replies(client, 1) == ["done"]
        gc.collect()
        assert len(scopes) < 10
        assert server.sessions[0].messages_in == 10_000
    await flow.log.until(kind="close")
    gc.collect()
    assert len(scopes) == 0


UNSERIALISABLE = [object(), {1, 2}, {"raw": b"bytes"}, math.nan, {"x": math.inf}, "\ud800"]


@pytest.mark.parametrize(
    ("body", "frame"),
    [
        ("", ""),
        ("x", "x"),
        (b"", b""),
        (b"\x00\xff", b"\x00\xff"),
        (0, "0"),
        (False, "false"),
        (None, "null"),
        ({}, "{}"),
        ([], "[]"),
        ({"a": [1, {"b": None}]}, '{"a":[1,{"b":null}]}'),
        ({"é": "日本"}, '{"é":"日本"}'),
        *[(body, None) for body in UNSERIALISABLE],
    ],
    ids=lambda value: repr(value).partition(" at 0x")[0],
)
async def test_12_bodies(flow: Flow, body: Any, frame: str | bytes | None) -> None:
    chat = flow.websocket("/chat")

    @flow.node
    def reply(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": body})
        ctx.emit("response", {"body": "next"})

    chat.message >> reply
    server = await flow.serve()
    async with connect(f"{server.url}/chat") as client:
        await client.send("?")
        if frame is None:
            await flow.log.until(kind="error", node="reply")
            assert await replies(client, 1) == ["next"], "nothing was sent, the session is kept"
        else:
            assert await replies(client, 2) == [frame, "next"]


async def test_12_a_reply_without_body_sends_nothing_and_no_mapping_is_an_error(
    flow: Flow,
) -> None:
    chat = flow.websocket("/chat")

    @flow.node
    def reply(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {})
        ctx.emit("response", {"unknown": "ignored"})
        ctx.emit("response", "hello")
        ctx.emit("response", {"body": "next"})

    chat.message >> reply
    server = await flow.serve()
    async with connect(f"{server.url}/chat") as client:
        await client.send("?")
        assert await replies(client, 1) == ["next"]
        row = await flow.log.until(kind="error")
        assert "takes a mapping" in (row.error or "")
        assert "'hello'" in (row.error or "")


async def test_13_two_barriers_at_once_do_not_mix(flow: Flow) -> None:
    chat = flow.websocket("/chat")
    barrier = flow.barrier(("left", "right"))
    go = {"one": asyncio.Event(), "two": asyncio.Event()}

    @flow.node
    async def left(ev: Any, ctx: Context) -> None:
        await go[ev["message"]].wait()
        ctx.emit("left_done", f"left {ev['message']}")

    @flow.node
    def right(ev: Any, ctx: Context) -> None:
        ctx.emit("right_done", f"right {ev['message']}")

    @flow.node
    def answer(both: dict[str, str], ctx: Context) -> None:
        ctx.emit("response", {"body": both})

    chat.message >> barrier
    barrier.left >> left
    barrier.right >> right
    barrier.out >> answer
    server = await flow.serve()
    async with connect(f"{server.url}/chat") as one, connect(f"{server.url}/chat") as two:
        await one.send("one")
        await two.send("two")
        await flow.log.until(kind="signal", count=2)
        go["two"].set()
        assert json.loads((await replies(two, 1))[0]) == {"left": "left two", "right": "right two"}
        go["one"].set()
        assert json.loads((await replies(one, 1))[0]) == {"left": "left one", "right": "right one"}


async def test_a_broadcast_made_in_a_handler_belongs_to_the_trace_of_its_event(flow: Flow) -> None:
    chat = flow.websocket("/chat")
    manager = flow.connections()
    chat.req >> manager.req

    @flow.node
    def plain(ev: Any) -> None:
        manager.broadcast("plain")

    @flow.node
    async def later(ev: Any) -> None:
        await asyncio.sleep(0)
        manager.broadcast("later")

    chat.message >> [plain, later]
    async with flow.client("/chat") as client:
        await client.send("?")
        assert [await client.receive(), await client.receive()] == ["plain", "later"]
    message = next(row for row in flow.log.tail(100) if row.kind == "message")
    traced = [(row.kind, row.node) for row in flow.log.trace(message.seq)]
    assert traced == [
        ("message", "/chat"),
        *[("broadcast", "connections"), ("response", "connections")] * 2,
    ]
    assert manager.broadcast("from outside").reached == ()
    outside = [row for row in flow.log.tail(100) if row.kind == "broadcast"][-1]
    assert outside.cause == 0
