"""Catch: what handlers raised comes out of it, in the scope it failed in."""

from typing import Any

from tests.graph.conftest import errors
from wsflow import Context, Flow


async def test_catch_answers_the_client_whose_event_failed(flow: Flow) -> None:
    @flow.node
    def boom(ev: Any) -> None:
        raise ValueError("bad " + ev["message"])

    @flow.node
    def sorry(ev: Any, ctx: Context) -> None:
        keys = ("error", "type", "node", "port", "sessionId")
        ctx.emit("response", {"body": {key: ev[key] for key in keys}})

    flow.websocket("/").message >> boom
    flow.catch().out >> sorry
    client = await flow.client("/")
    await client.send("egg")
    assert await client.receive_json() == {
        "error": "bad egg",
        "type": "ValueError",
        "node": "boom",
        "port": "in",
        "sessionId": flow.sessions[0].id,
    }


async def test_catch_gets_the_value_and_the_traceback(flow: Flow) -> None:
    got: list[Any] = []

    @flow.node
    async def boom(ev: Any) -> None:
        raise LookupError("gone")

    flow.websocket("/").message >> boom
    flow.catch().out >> flow.node(lambda ev: got.append(ev), name="keep")
    await flow.client("/").send("egg")
    await flow.log.until(kind="error")
    await flow.stop()
    (event,) = got
    assert event["value"]["message"] == "egg"
    assert 'raise LookupError("gone")' in event["traceback"]


async def test_catch_hears_of_a_reply_that_can_not_be_sent(flow: Flow) -> None:
    @flow.node
    def bad(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": {1, 2}})

    @flow.node
    def sorry(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": ev["type"]})

    flow.websocket("/").message >> bad
    flow.catch().out >> sorry
    client = await flow.client("/")
    await client.send("x")
    assert await client.receive() == "ReplyError"


async def test_an_error_behind_catch_does_not_come_round_again(flow: Flow) -> None:
    calls: list[str] = []

    @flow.node
    def boom() -> None:
        raise ValueError("first")

    @flow.node
    def forward(ev: Any, ctx: Context) -> None:
        calls.append(ev["error"])
        ctx.route(ev)

    @flow.node
    def boom_again() -> None:
        raise ValueError("second")

    flow.websocket("/").message >> boom
    flow.catch().out >> forward >> boom_again
    await flow.client("/").send("x")
    assert calls == ["first"]
    assert len(errors(flow)) == 2


async def test_a_removed_catch_catches_no_more(flow: Flow) -> None:
    caught: list[Any] = []
    flow.websocket("/").message >> flow.node(lambda: 1 / 0, name="boom")
    catch = flow.catch()
    catch >> flow.node(lambda ev: caught.append(ev), name="keep")
    client = await flow.client("/")
    await client.send("x")
    flow.remove(catch)
    await client.send("x")
    assert len(caught) == 1
