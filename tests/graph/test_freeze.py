"""Freezing: one event waits until it is let go, edited or dropped, and its session behind it."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.graph.conftest import later, shouting, started
from tests.process.turns import turns
from wsflow import (
    Context,
    Flow,
    FreezeError,
    ManualClock,
    ReceiveTimeoutError,
)
from wsflow.base.interfaces import Request

# ---- in a block


async def test_what_is_edited_in_the_block_goes_on_when_it_ends(
    flow: Flow, seen: list[Any]
) -> None:
    alice = await flow.client("/chat")
    async with anyio.create_task_group() as group:
        group.start_soon(alice.send, "helo")
        async with flow.freeze(flow.nodes["chat"].message) as ev:
            await turns()
            assert seen == ["req"]
            assert ev["message"] == "helo"
            assert ev["sessionId"] == started(alice)
            ev["message"] = "hello"
    assert await alice.receive() == "HELLO"
    await alice.send("second")
    assert await alice.receive() == "SECOND"


async def test_the_log_tells_what_came_that_it_was_held_and_what_went_on(
    flow: Flow, seen: list[Any]
) -> None:
    alice = await flow.client("/chat")
    freeze = flow.freeze(flow.nodes["chat"].message)
    await alice.send("helo")
    freeze.held["message"] = "hello"
    assert freeze.release()
    message, mark, route, response = flow.log.tail(4)
    assert [row.kind for row in (message, mark, route, response)] == [
        "message",
        "mark",
        "route",
        "response",
    ]
    assert message.data == "helo"
    assert (route.node, route.port) == ("chat", "message")
    assert route.data["message"] == "hello"
    assert mark.cause == route.cause == message.seq
    assert response.cause == route.seq
    assert {row.session for row in (mark, route)} == {started(alice)}
    assert len(flow.log.trace(message.seq)) == 4


async def test_an_error_in_the_block_lets_it_go_on_as_it_came(flow: Flow, seen: list[Any]) -> None:
    alice = await flow.client("/chat")

    async def edit() -> None:
        async with flow.freeze(flow.nodes["chat"].message) as ev:
            ev["message"] = "edited"
            ev["headers"].clear()
            raise ZeroDivisionError

    task = asyncio.create_task(edit())
    await turns(3)
    await alice.send("x")
    with pytest.raises(ZeroDivisionError):
        await task
    assert await alice.receive() == "X"
    assert flow.log.tail(2)[0].data["headers"]


async def test_a_dropped_event_reaches_no_handler(flow: Flow, seen: list[Any]) -> None:
    alice = await flow.client("/chat")
    async with anyio.create_task_group() as group:
        group.start_soon(alice.send, "x")
        async with flow.freeze(flow.nodes["chat"].message) as ev:
            assert ev.drop()
            assert not ev.drop()
            assert not ev.release()
    await alice.send("y")
    assert await alice.receive() == "Y"
    assert seen == ["req", "y"]
    (row,) = [row for row in flow.log.tail(100) if row.kind == "drop"]
    assert (row.node, row.port, row.data["message"]) == ("chat", "message", "x")
    assert row.error == "dropped by hand while it was held"


async def test_an_interrupted_wait_is_over(flow: Flow, seen: list[Any]) -> None:
    alice = await flow.client("/chat")
    task, _ = await later(flow.freeze(flow.nodes["chat"].message))
    task.cancel()
    await asyncio.wait([task])
    assert flow._host.freezes.all() == []
    await alice.send("x")
    assert await alice.receive() == "X"


async def test_an_event_with_other_parts_edited_arrives_as_a_plain_dict(flow: Flow) -> None:
    got: list[Any] = []
    flow.websocket("/{room}", name="chat").req >> flow.node(got.append, name="got")
    flow.freeze(flow.nodes["chat"].req, on_held=lambda ev: (ev.update(room=1), ev.release()))
    await flow.client("/red")
    assert type(got[0]) is dict
    assert got[0]["room"] == 1


# ---- without a block


async def test_a_freeze_shows_what_it_does(flow: Flow, seen: list[Any]) -> None:
    alice = await flow.client("/chat")
    freeze = flow.freeze(flow.nodes["chat"].message, session=alice.session)
    assert flow._host.freezes.all() == [freeze]
    assert str(freeze.held) == "None"
    assert repr(freeze) == f"<Freeze chat.message of {started(alice)} waiting>"
    assert not freeze.release()
    assert not freeze.drop()
    await alice.send("x")
    assert freeze.is_holding
    assert type(freeze.held).__name__ == "Held"
    freeze.release()
    assert repr(freeze).endswith("over>")
    assert freeze.held is None
    assert flow._host.freezes.all() == []
    assert not freeze.release()
    freeze.cancel()


async def test_another_event_can_go_on_in_its_place(flow: Flow, seen: list[Any]) -> None:
    alice = await flow.client("/chat")
    freeze = flow.freeze(flow.nodes["chat"].message)
    await alice.send("x")
    with pytest.raises(FreezeError, match=r"chat.message sends {.*'hello' can not go on"):
        freeze.release("hello")
    assert freeze.release({**freeze.held, "message": "other"})
    assert await alice.receive() == "OTHER"


async def test_step_lets_one_go_and_holds_the_next(flow: Flow, seen: list[Any]) -> None:
    alice = await flow.client("/chat")
    freeze = flow.freeze(flow.nodes["chat"].message)
    for number in "123":
        await alice.send(number)
    for number in "123":
        assert freeze.held["message"] == number
        freeze.held["message"] += "!"
        assert freeze.step()
        await turns()
    assert (freeze.held, freeze.state) == (None, "waiting")
    assert seen == ["req", "1!", "2!", "3!"]
    await alice.send("4")
    assert (await freeze.wait())["message"] == "4"
    freeze.cancel()
    assert seen[-1] == "4"


async def test_drop_can_hold_the_next_one_too(flow: Flow, seen: list[Any]) -> None:
    alice = await flow.client("/chat")
    freeze = flow.freeze(flow.nodes["chat"].message)
    for number in "123":
        await alice.send(number)
    assert freeze.drop(again=True)
    assert await freeze.wait() == freeze.held
    assert (freeze.held["message"], freeze.state) == ("2", "holding")
    assert freeze.drop(again=True)
    await turns()
    assert freeze.held["message"] == "3"
    freeze.release()
    await turns()
    assert seen == ["req", "3"]


async def test_cancel_lets_it_go_on_as_it_came(flow: Flow, seen: list[Any]) -> None:
    alice = await flow.client("/chat")
    freeze = flow.freeze(flow.nodes["chat"].message)
    await alice.send("x")
    freeze.held["message"] = "edited"
    freeze.cancel()
    assert seen == ["req", "x"]
    assert flow._host.freezes.all() == []


async def test_who_asked_is_called_with_the_event_and_may_let_it_go_there(
    flow: Flow, seen: list[Any]
) -> None:
    alice = await flow.client("/chat")
    got: list[Any] = []

    def held(ev: Any) -> None:
        got.append(ev["message"])
        ev["message"] += "!"
        freeze.step()

    freeze = flow.freeze(flow.nodes["chat"].message, on_held=held)
    for number in "12":
        await alice.send(number)
    await turns()
    assert got == ["1", "2"]
    assert seen == ["req", "1!", "2!"]
    assert alice.session is not None
    assert alice.session.inflight == 0


async def test_a_callback_that_raises_costs_a_row_and_the_event_is_held(
    flow: Flow, seen: list[Any]
) -> None:
    def broken(_: object) -> None:
        raise SystemExit("no")

    alice = await flow.client("/chat")
    freeze = flow.freeze(flow.nodes["chat"].message, on_held=broken)
    await alice.send("x")
    assert flow.log.tail(1)[0].error == "on_held= of flow.freeze raised SystemExit: no"
    assert freeze.release()
    assert seen == ["req", "x"]


async def test_only_what_matches_is_held(flow: Flow, seen: list[Any]) -> None:
    alice = await flow.client("/chat")
    freeze = flow.freeze(flow.nodes["chat"].message, match=lambda ev: "!" in ev["message"])
    await alice.send("quiet")
    await alice.send("loud!")
    assert freeze.held["message"] == "loud!"
    assert seen == ["req", "quiet"]


async def test_a_match_that_raises_ends_the_freeze_and_lets_the_event_pass(
    flow: Flow, seen: list[Any]
) -> None:
    alice = await flow.client("/chat")
    task, got = await later(flow.freeze(flow.nodes["chat"].message, match=lambda ev: ev["nothing"]))
    await alice.send("x")
    await task
    assert await alice.receive() == "X"
    assert "match= of <Freeze chat.message waiting> raised KeyError: 'nothing'" in str(got[0])
    assert "match= of flow.freeze raised KeyError: 'nothing'" in str(flow.log.tail(2)[0].error)


@pytest.mark.parametrize("thread", [False, True])
async def test_another_thread_can_look_edit_and_let_go(flow: Flow, thread: bool) -> None:
    seen = shouting(flow)
    await flow.serve(thread=thread)
    alice = await flow.client("/chat")
    freeze = flow.freeze(flow.nodes["chat"].message)
    done: list[Any] = []
    held = threading.Event()

    def elsewhere() -> None:
        assert held.wait(30)
        freeze.held["message"] += "!"
        done.append(freeze.release())

    await alice.send("x")
    held.set()
    await anyio.to_thread.run_sync(elsewhere)
    assert await alice.receive() == "X!"
    assert done == [True]
    assert seen == ["req", "x!"]


async def test_a_block_here_holds_an_event_of_a_flow_in_a_thread(flow: Flow) -> None:
    shouting(flow)
    await flow.serve(thread=True)
    alice = await flow.client("/chat")
    async with anyio.create_task_group() as group:
        group.start_soon(alice.send, "x")
        async with flow.freeze(flow.nodes["chat"].message, timeout=10) as ev:
            ev["message"] = "edited"
    assert await alice.receive() == "EDITED"


# ---- how else it ends


async def test_edits_that_came_too_late_are_an_error(flow: Flow, seen: list[Any]) -> None:
    alice = await flow.client("/chat")
    async with anyio.create_task_group() as group:
        group.start_soon(alice.send, "1")
        freeze = flow.freeze(flow.nodes["chat"].message)
        ev = await freeze.__aenter__()
        ev["message"] = "edited"
        await flow.stop()
        with pytest.raises(FreezeError, match=r"too late: the event went on as it came .*stopped"):
            await freeze.__aexit__(None, None, None)
    assert seen == ["req", "1", "close"]


async def test_a_held_request_still_times_out(clock: ManualClock, timed: Flow) -> None:
    push = timed.http("/push", method="POST", name="push")

    @timed.node
    def answer(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": "done"})

    push.out >> answer
    await timed.start()
    freeze = timed.freeze(push)
    task = asyncio.create_task(push.requested(Request("POST", "/push", "", (), ""), {}, b""))
    await turns(3)
    assert freeze.held["routePath"] == "/push"
    clock.advance(200)
    reply = await task
    assert reply.status == 504
    assert freeze.release()
    assert timed.log.tail(1)[0].kind == "drop"


async def test_a_request_is_answered_as_it_was_edited(flow: Flow) -> None:
    push = flow.http("/push", method="POST", name="push")
    push.out >> flow.node(lambda ev, ctx: ctx.emit("response", {"body": ev["body"]}), name="answer")
    await flow.start()
    flow.freeze(push.out, on_held=lambda ev: (ev.update(body="edited"), ev.release()))
    reply = await push.requested(Request("POST", "/push", "", (), ""), {}, b"text")
    assert reply.body == b"edited"


async def test_nothing_within_the_timeout(flow: Flow, seen: list[Any]) -> None:
    await flow.start()
    with pytest.raises(ReceiveTimeoutError, match=r"no event came out of chat.req within 0.05 s"):
        async with flow.freeze(flow.nodes["chat"].req, timeout=0.05):
            pass
    assert flow._host.freezes.all() == []


async def test_a_freeze_nobody_waits_for_ends_after_its_timeout(
    clock: ManualClock, timed: Flow
) -> None:
    shouting(timed)
    freeze = timed.freeze(timed.nodes["chat"].message, timeout=30)
    clock.advance(30)
    assert freeze.state == "over"
    assert isinstance(freeze.error, ReceiveTimeoutError)


async def test_an_event_held_for_too_long_goes_on_as_it_came(
    clock: ManualClock, timed: Flow
) -> None:
    seen = shouting(timed)
    alice = await timed.client("/chat")
    freeze = timed.freeze(timed.nodes["chat"].message, timeout=30, hold=60)
    await alice.send("x")
    clock.advance(59)
    assert freeze.is_holding
    freeze.held["message"] = "edited"
    clock.advance(1)
    assert seen == ["req", "x"]
    assert freeze.state == "over"


# ---- the rest of the house


async def test_what_was_held_unedited_replays_as_it_was(flow: Flow, tmp_path: Path) -> None:
    shouting(flow)
    with flow.record("held", folder=tmp_path) as recorder:
        alice = await flow.client("/chat")
        freeze = flow.freeze(flow.nodes["chat"].message)
        for number in "123":
            await alice.send(number)
        freeze.release()
        for number in "123":
            assert await alice.receive() == number
        await alice.close()
    report = await flow.replay(recorder.path)
    assert report.ok


async def test_an_injected_value_of_any_kind_can_be_held(flow: Flow) -> None:
    got: list[Any] = []
    button = flow.inject("hello", name="button")
    button.out >> flow.node(got.append, name="got")
    await flow.start()
    freeze = flow.freeze(button)
    button()
    assert freeze.held == "hello"
    freeze.release("other")
    button(object())
    assert got[0] == "other"
