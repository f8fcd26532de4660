"""Inject: what is sent by a call or a button enters the flow, is recorded, and replays."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from tests.process.turns import turns
from tests.recorded.playing import recording_in_memory
from wsflow import Context, Flow, NotRunningError, Recording, WiringError
from wsflow.replay.live import replay_to
from wsflow.replay.player import BY_ITSELF


def keeping(flow: Flow, payload: Any = None) -> tuple[Any, list[Any]]:
    """Return an inject, and what comes out of it."""
    kept: list[Any] = []
    push = flow.inject(payload, name="push")
    push.out >> flow.node(lambda ev: kept.append(ev), name="keep")
    return push, kept


async def test_a_call_sends_the_payload_or_another_value(flow: Flow) -> None:
    push, kept = keeping(flow, {"text": "hi"})
    await flow.start()
    push()
    push({"text": "another"})
    push(None)
    assert kept == [{"text": "hi"}, {"text": "another"}, None]
    assert repr(push) == "<Inject push {'text': 'hi'} sent 3 times>"


async def test_each_event_is_a_copy_of_the_payload(flow: Flow) -> None:
    mine = {"items": [1]}
    push, kept = keeping(flow, mine)
    await flow.start()
    mine["items"].append(2)
    push()
    kept[0]["items"].append(3)
    push()
    assert kept[1] == {"items": [1]}


async def test_its_row_begins_the_trace_of_all_it_brings_about(flow: Flow) -> None:
    @flow.node
    def double(ev: Any, ctx: Context) -> None:
        ctx.route(ev * 2)
        assert ctx.emit("response", {"body": "nobody asked"}) == 0
        assert (ctx.session, ctx.input) == (None, "in")

    push = flow.inject(name="push")
    push.out >> double
    await flow.start()
    rows = flow.log.trace(push(21))
    assert [(row.kind, row.node, row.data) for row in rows[:2]] == [
        ("fire", "push", 21),
        ("route", "double", 42),
    ]


async def test_any_thread_may_call(flow: Flow) -> None:
    here: list[int] = []
    push = flow.inject("x", name="push")
    push.out >> flow.node(lambda: here.append(threading.get_ident()), name="where")
    await flow.start()
    seq = await anyio.to_thread.run_sync(push)
    assert here == [threading.get_ident()]
    assert flow.log.trace(seq)[0].cause == 0


async def test_a_flow_in_a_thread_of_its_own_takes_it_too(flow: Flow) -> None:
    push, kept = keeping(flow, 1)
    await flow.serve(thread=True)
    push()
    assert kept == [1]


async def test_a_handler_may_call_and_is_the_cause(flow: Flow) -> None:
    push, kept = keeping(flow, "go")

    @flow.node
    def plain(ev: Any) -> None:
        push("plain")
        assert kept == [], "it starts after this stretch"

    @flow.node
    async def later(ev: Any) -> None:
        await asyncio.sleep(0)
        push("async")

    flow.websocket("/").message >> [plain, later]
    client = await flow.client("/")
    await client.send("x")
    await turns()
    assert kept == ["plain", "async"]
    (message,) = flow.log.frame(kind="message")["seq"]
    assert list(flow.log.frame(kind="fire")["cause"]) == [message, message]


async def test_what_a_paused_flow_is_sent_waits(flow: Flow) -> None:
    push, kept = keeping(flow, "x")
    await flow.start()
    flow.pause()
    push()
    assert kept == []
    flow.resume()
    assert kept == ["x"]


async def test_a_flow_that_does_not_run_says_so(flow: Flow) -> None:
    push, kept = keeping(flow)
    with pytest.raises(NotRunningError, match=r"nothing can enter by 'push': await flow\.serve"):
        push()
    assert (kept, len(flow.log)) == ([], 0)


def test_a_payload_that_can_not_be_copied_is_refused(flow: Flow) -> None:
    with pytest.raises(WiringError, match=r"give it at the call instead: push\(value\)"):
        flow.inject(threading.Lock(), name="push")
    assert flow.nodes == {}


# ---- the button


async def test_its_button_sends_the_payload(flow: Flow) -> None:
    push, kept = keeping(flow, {"text": "<b>"})
    button = push.button()
    assert (button.description, button.tooltip) == ("push ▶", "send {'text': '<b>'}")
    button.click()
    assert button.button_style == "warning"
    assert "does not run" in button.tooltip
    await flow.start()
    button.click()
    await turns()
    assert kept == [{"text": "<b>"}]
    assert button.button_style == ""
    await anyio.to_thread.run_sync(button.click)
    await turns()
    assert len(kept) == 2


def test_a_cell_that_ends_with_it_shows_the_button(flow: Flow) -> None:
    bundle = flow.inject(name="push")._repr_mimebundle_(include=None, exclude=None)
    assert bundle["text/plain"] == "<Inject push None sent 0 times>"
    assert "application/vnd.jupyter.widget-view+json" in bundle


# ---- replay


def announcing(flow: Flow) -> Any:
    """Broadcast what is injected; a message may inject too."""
    chat, manager = flow.websocket("/chat"), flow.connections()
    chat.req >> manager.req
    chat.close >> manager.close
    push = flow.inject({"news": 1}, name="push")
    push.out >> manager.broadcast

    @flow.node
    def repeat(ev: Any) -> None:
        push({"body": ev["message"]})

    chat.message >> repeat
    return push


async def test_a_replay_injects_what_was_injected_and_once(flow: Flow, tmp_path: Path) -> None:
    push = announcing(flow)
    async with recording_in_memory(flow, tmp_path), flow.client("/chat") as alice:
        push()
        assert await alice.receive() == '{"news":1}'
        await alice.send("by a handler")
        assert await alice.receive() == "by a handler"
        push(b"\x00")
        assert await alice.receive() == b"\x00"
    heard = len(flow.log)
    for speed in (None, 100.0):
        report = await flow.replay("lesson", folder=tmp_path, speed=speed)
        assert report.ok, report.diff
        assert (report.tally.same, report.by_hand) == (3, 0)
    assert len(flow.log) == heard, "nothing of it reached the live flow"


async def test_what_is_changed_behind_it_shows(flow: Flow, tmp_path: Path) -> None:
    push = announcing(flow)
    async with recording_in_memory(flow, tmp_path), flow.client("/chat") as alice:
        push("x")
        await alice.receive()
    flow.remove(push)
    report = await flow.replay("lesson", folder=tmp_path)
    assert (report.ok, report.tally.missing) == (False, 1)


async def test_a_live_server_is_not_blamed_for_what_nobody_can_inject_there(
    flow: Flow, tmp_path: Path
) -> None:
    push = announcing(flow)
    push.out >> flow.node(lambda ev, ctx: ctx.route("routed"), name="further")
    flow.nodes["further"] >> flow.nodes["connections"].broadcast
    async with recording_in_memory(flow, tmp_path), flow.client("/chat") as alice:
        push("x")
        assert [await alice.receive() for _ in range(2)] == ["x", "routed"]
        await alice.send("asked")
        assert [await alice.receive() for _ in range(2)] == ["asked", "routed"]
    server = await flow.serve()
    report = await replay_to(server.url, Recording.open("lesson", folder=tmp_path))
    assert report.ok, report.diff
    assert (report.tally.same, report.tally.excused[BY_ITSELF]) == (2, 2)
