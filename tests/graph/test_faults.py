"""Faults: an error of a handler is a row that names it, a returned value gets one hint."""

from typing import Any

import anyio
import anyio.lowlevel
import pytest

from tests.graph.conftest import errors, marks
from wsflow import Context, Flow
from wsflow.graph.faults import MAX_HINTS

FAULTS = (ValueError, SystemExit, KeyboardInterrupt, GeneratorExit)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_handler_that_raises_costs_a_row_and_nothing_else(
    flow: Flow, fault: type[BaseException]
) -> None:
    @flow.node
    def boom(ev: Any, ctx: Context) -> None:
        if ev["message"] == "boom":
            raise fault("on purpose")
        ctx.emit("response", {"body": "alive"})

    flow.websocket("/").message >> boom
    client = await flow.client("/")
    await client.send("boom")
    await client.send("x")
    assert await client.receive() == "alive"
    (error,) = errors(flow)
    assert error.startswith(f"{fault.__name__}: on purpose (test_faults.py:")


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_async_handler_that_raises_costs_a_row_and_nothing_else(
    flow: Flow, fault: type[BaseException]
) -> None:
    @flow.node
    async def boom(ev: Any, ctx: Context) -> None:
        await anyio.lowlevel.checkpoint()
        if ev["message"] == "boom":
            raise fault("on purpose")
        ctx.emit("response", {"body": "alive"})

    flow.websocket("/").message >> boom
    client = await flow.client("/")
    await client.send("boom")
    await flow.log.until(kind="error", node="boom")
    await client.send("x")
    assert await client.receive() == "alive"


async def test_an_error_row_tells_node_port_value_session_and_cause(flow: Flow) -> None:
    def fail() -> None:
        raise ValueError("no")

    boom = flow.node(fail, name="boom", inputs=("entry",))
    flow.websocket("/room").message >> boom
    client = await flow.client("/room")
    await client.send("x")
    message, row = flow.log.tail(2)
    assert (message.kind, row.kind) == ("message", "error")
    assert (row.node, row.port, row.path) == ("boom", "entry", "/room")
    assert row.data["message"] == "x"
    assert (row.cause, row.session, row.scope) == (message.seq, message.session, message.scope)


async def test_a_once_callback_that_raises_costs_a_row_and_the_next_is_called(flow: Flow) -> None:
    got: list[str] = []

    def boom() -> None:
        raise SystemExit

    @flow.node
    def listen(ev: Any, ctx: Context) -> None:
        ctx.once("ready", boom)
        ctx.once("ready", lambda: got.append("second"))
        ctx.emit("ready")

    flow.websocket("/").message >> listen
    await flow.client("/").send("x")
    assert got == ["second"]
    assert len(errors(flow)) == 1


async def test_a_route_to_an_unknown_port_is_an_error_that_names_the_ports(flow: Flow) -> None:
    def choose(ev: Any, ctx: Context) -> None:
        ctx.route(ev, "maybe")

    flow.websocket("/").message >> flow.node(choose, outputs=("yes", "no"))
    await flow.client("/").send("x")
    (error,) = errors(flow)
    assert "'maybe'" in error
    assert "'yes', 'no'" in error


@pytest.mark.parametrize("given", ["text", b"raw", {"body": 1}, [1]])
async def test_a_returned_value_gives_one_hint(flow: Flow, given: Any) -> None:
    flow.websocket("/").message >> flow.node(lambda: given, name="learner")
    client = await flow.client("/")
    await client.send("x")
    await client.send("y")
    (hint,) = marks(flow)
    assert "'learner' returned" in hint
    assert "ctx.emit" in hint
    assert "ctx.route" in hint


async def test_a_changed_handler_is_hinted_at_again(flow: Flow) -> None:
    learner = flow.node(lambda: "one", name="learner")
    flow.websocket("/").message >> learner
    client = await flow.client("/")
    await client.send("x")
    learner.define(lambda: "two")
    await client.send("x")
    assert [text.count("'one'") for text in marks(flow)] == [1, 0]


async def test_none_and_numbers_give_no_hint(flow: Flow) -> None:
    flow.websocket("/").message >> [
        flow.node(lambda: None, name="none"),
        flow.node(lambda: 3, name="number"),
    ]
    await flow.client("/").send("x")
    assert marks(flow) == []


async def test_what_an_async_handler_returns_is_told_once(flow: Flow) -> None:
    """As of a plain one: the commonest mistake of who comes from other frameworks."""

    async def shout(ev: Any, ctx: Context) -> dict[str, str]:
        return {"body": ev["message"]}

    flow.websocket("/chat", name="chat").message >> flow.node(shout)
    async with flow.client("/chat") as client:
        await client.send("a")
        await client.send("b")
        await flow.log.until(kind="message", count=2)
    await flow.stop()
    (told,) = marks(flow)
    assert told.startswith("handler 'shout' returned {'body': 'a'}; returned values go nowhere")


# ---- signals and replies that nobody understands


@pytest.mark.parametrize(
    ("signal", "hint"),
    [
        ("reponse", "nobody listens to 'reponse'; did you mean 'response'?"),
        ("redy", "nobody listens to 'redy'; did you mean 'ready'?"),
        ("left_dne", "nobody listens to 'left_dne'; did you mean 'left_done'?"),
        ("zebra", "nobody listens to 'zebra'"),
    ],
)
async def test_a_signal_nobody_waits_for_is_told_once(flow: Flow, signal: str, hint: str) -> None:
    """found D9."""

    def shout(ev: Any, ctx: Context) -> None:
        ctx.once("ready", lambda: None)
        ctx.emit(signal, {"body": "x"})

    flow.barrier(["left"])
    flow.websocket("/").message >> flow.node(shout, name="shout")
    client = await flow.client("/")
    await client.send("x")
    await client.send("y")
    assert marks(flow) == [f"handler 'shout' emitted {signal!r}: {hint}"]
    (mark,) = [row for row in flow.log.tail(20) if row.kind == "mark"]
    (first, *_) = [row for row in flow.log.tail(20) if row.kind == "message"]
    assert (mark.node, mark.cause) == ("shout", first.seq)


async def test_a_signal_that_somebody_waits_for_is_not_told_of(flow: Flow) -> None:
    """found D9: nor one of a ready-made node's, nor one that came too late."""

    def shout(ev: Any, ctx: Context) -> None:
        ctx.once("ready", lambda: None)
        for signal in ("ready", "ready", "left_done", "right_done"):
            ctx.emit(signal)

    flow.barrier(["left", "right"])
    flow.websocket("/").message >> flow.node(shout)
    await flow.client("/").send("x")
    assert marks(flow) == []


@pytest.mark.parametrize(
    ("reply", "hint"),
    [
        ({"bdy": "x"}, "with 'bdy': nothing was sent; did you mean {'body': ...}?"),
        ({}, "with nothing to send: nothing was sent; did you mean {'body': ...}?"),
        ({"code": 4000}, "with nothing to send: nothing was sent; did you mean {'body': ...}?"),
        ({"body": "x", "ende": True}, "with 'ende', which nobody reads; did you mean 'end'?"),
        (
            {"body": "x", "colour": 1},
            "with 'colour', which nobody reads; a reply has: body, end, code, reason",
        ),
    ],
)
async def test_a_reply_that_is_misspelt_is_told_once_a_node(
    flow: Flow, reply: dict[str, Any], hint: str
) -> None:
    """found D9."""
    flow.websocket("/").message >> flow.node(
        lambda ev, ctx: ctx.emit("response", reply), name="shout"
    )
    client = await flow.client("/")
    await client.send("x")
    await client.send("y")
    assert marks(flow) == [f"handler 'shout' emitted 'response' {hint}"]


@pytest.mark.parametrize(
    "reply", [{"body": None}, {"body": "x", "end": False}, {"end": True, "code": 4000}]
)
async def test_a_reply_that_is_understood_is_not_told_of(flow: Flow, reply: dict[str, Any]) -> None:
    flow.websocket("/").message >> flow.node(lambda ev, ctx: ctx.emit("response", reply), name="n")
    await flow.client("/").send("x")
    assert marks(flow) == []


async def test_an_answer_to_an_event_without_a_client_is_told_of(flow: Flow) -> None:
    """found D9: a timer's, or one of an inject."""
    push = flow.inject("x")
    push >> flow.node(lambda ev, ctx: ctx.emit("response", {"body": ev}), name="shout")
    await flow.start()
    push()
    push()
    (hint,) = marks(flow)
    assert "no client is behind this event" in hint
    assert "broadcast" in hint


async def test_a_handler_that_makes_up_signals_gets_few_hints(flow: Flow) -> None:
    def shout(ev: Any, ctx: Context) -> None:
        for number in range(MAX_HINTS + 1):
            ctx.emit(f"no {number}")

    flow.websocket("/").message >> flow.node(shout)
    await flow.client("/").send("x")
    assert len(marks(flow)) == MAX_HINTS
