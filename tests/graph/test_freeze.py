"""Freezing: one event waits until it is let go, edited or dropped, and its session behind it."""

import asyncio
import threading
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest

from tests.turns import turns
from wsflow import (
    Client,
    Context,
    Flow,
    FreezeError,
    ManualClock,
    ReceiveTimeoutError,
    SessionClosedError,
    UnknownPortError,
    WiringError,
    WsflowError,
)
from wsflow.base.interfaces import Request
from wsflow.graph.freeze import Freeze


@pytest.fixture
def seen(flow: Flow) -> list[Any]:
    """What the handlers of `flow` see, `req` and `close` too."""
    return shouting(flow)


def shouting(flow: Flow) -> list[Any]:
    seen: list[Any] = []
    chat = flow.websocket("/chat", name="chat")

    @flow.node
    def shout(ev: Any, ctx: Context) -> None:
        seen.append(ev["message"])
        ctx.emit("response", {"body": ev["message"].upper()})

    chat.message >> shout
    chat.req >> flow.node(lambda ev: seen.append("req"), name="req")
    chat.close >> flow.node(lambda ev: seen.append("close"), name="gone")
    return seen


def rows(flow: Flow, *kinds: str) -> list[tuple[str, str, str, Any]]:
    """Return the rows of some kinds, without the answers' times."""
    return [
        (row.kind, row.node, row.port, row.data) for row in flow.log.tail(1000) if row.kind in kinds
    ]


def started(client: Client) -> str:
    assert client.session is not None
    return client.session.id


async def later(freeze: Freeze) -> tuple[asyncio.Task[None], list[Any]]:
    """Enter `async with freeze` in a task that doubles the message."""
    got: list[Any] = []

    async def edit() -> None:
        try:
            async with freeze as ev:
                got.append(dict(ev))
                ev["message"] *= 2
        except WsflowError as error:
            got.append(error)

    task = asyncio.create_task(edit())
    await turns(3)
    return task, got


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


# ---- who waits, who does not


async def test_only_that_session_waits_and_its_events_stay_in_order(
    flow: Flow, seen: list[Any]
) -> None:
    alice, bob = await flow.client("/chat"), await flow.client("/chat")
    freeze = flow.freeze(flow.nodes["chat"].message, session=started(alice))
    await bob.send("bob 1")
    for message in ("alice 1", "alice 2", "alice 3"):
        await alice.send(message)
    await alice.close(1000, "")
    await bob.send("bob 2")
    assert seen == ["req", "req", "bob 1", "bob 2"]
    assert freeze.release()
    await turns()
    assert seen[4:] == ["alice 1", "alice 2", "alice 3", "close"]
    assert len(flow.sessions) == 1


@pytest.mark.parametrize("earlier", ["plain", "async"])
async def test_async_handlers_start_in_order_too(flow: Flow, earlier: str) -> None:
    seen: list[Any] = []
    chat = flow.websocket("/chat", name="chat")

    @flow.node
    async def slow(ev: Any) -> None:
        seen.append(ev["message"])

    chat.message >> slow
    if earlier == "plain":
        chat.message >> flow.node(lambda: None, name="plain")
    alice = await flow.client("/chat")
    freeze = flow.freeze(chat.message, match=lambda ev: ev["message"] == "1")
    for number in "01234":
        await alice.send(number)
    await turns()
    assert seen == ["0"]
    freeze.release()
    await alice.send("5")
    await turns()
    assert seen == list("012345")
    assert alice.session is not None
    assert (alice.session.inflight, alice.session.starting) == (0, 0)


async def test_an_event_behind_one_that_has_not_started_is_held_when_its_turn_comes(
    flow: Flow,
) -> None:
    seen: list[Any] = []
    chat = flow.websocket("/chat", name="chat")

    @flow.node
    async def slow(ev: Any) -> None:
        seen.append(f"slow {ev['message']}")

    chat.message >> slow
    chat.message >> flow.node(lambda ev: seen.append(ev["message"]), name="plain")
    alice = await flow.client("/chat")
    freeze = flow.freeze(chat.message, match=lambda ev: ev["message"] == "2")
    assert alice.session is not None
    for number in "123":
        alice.session.receive(number, 1)
    await turns()
    assert freeze.held["message"] == "2"
    assert seen == ["1", "slow 1"]
    freeze.release()
    await turns()
    assert seen == ["1", "slow 1", "2", "slow 2", "3", "slow 3"]
    assert alice.session.inflight == 0


async def test_a_handler_that_lets_go_does_not_make_later_events_overtake(flow: Flow) -> None:
    seen: list[Any] = []
    chat = flow.websocket("/chat", name="chat")

    @flow.node
    async def slow(ev: Any) -> None:
        seen.append(f"slow {ev['message']}")

    chat.message >> slow
    chat.message >> flow.node(lambda ev: seen.append(ev["message"]), name="plain")
    freeze = flow.freeze(chat.message)
    alice = await flow.client("/chat")
    await alice.send("1")
    await alice.send("2")
    button = flow.inject(name="button")
    button.out >> flow.node(lambda: freeze.release(), name="let_go")
    button()
    await turns()
    assert seen == ["1", "slow 1", "2", "slow 2"]


async def test_what_a_held_session_sends_is_bounded(flow: Flow, seen: list[Any]) -> None:
    alice = await flow.client("/chat")
    assert alice.session is not None
    freeze = flow.freeze(flow.nodes["chat"].message)
    sent = 0

    async def flood() -> None:
        nonlocal sent
        for number in range(300):
            await alice.send(str(number))
            sent += 1

    task = asyncio.create_task(flood())
    await turns()
    assert sent == alice.session.inflight == 100
    assert alice.session.halted
    freeze.release()
    await task
    await turns()
    assert seen[1:] == [str(number) for number in range(300)]
    assert alice.session.inflight == 0


async def test_the_next_event_of_any_session_is_held_and_the_one_after_is_not(
    flow: Flow, seen: list[Any]
) -> None:
    alice, bob = await flow.client("/chat"), await flow.client("/chat")
    freeze = flow.freeze(flow.nodes["chat"].message)
    await bob.send("bob")
    await alice.send("alice")
    assert seen == ["req", "req", "alice"]
    assert freeze.held["message"] == "bob"


async def test_req_and_close_can_be_held(flow: Flow, seen: list[Any]) -> None:
    chat = flow.nodes["chat"]
    freeze = flow.freeze(chat.req)
    alice = await flow.client("/chat")
    await alice.send("x")
    assert seen == []
    freeze.release()
    await turns()
    assert seen == ["req", "x"]
    closing = flow.freeze(chat.close, session=started(alice))
    await alice.close()
    assert seen == ["req", "x"]
    assert closing.held["code"] == 1000
    closing.release()
    assert seen == ["req", "x", "close"]


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
    assert "match= of <Freeze chat.message waiting> raised KeyError('nothing')" in str(got[0])
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


async def test_the_same_freeze_again_takes_the_place_of_the_first(
    flow: Flow, seen: list[Any]
) -> None:
    alice, chat = await flow.client("/chat"), flow.nodes["chat"]
    first = flow.freeze(chat.message)
    await alice.send("1")
    first.held["message"] = "edited"
    second = flow.freeze(chat.message)
    assert seen == ["req", "1"]
    task, got = await later(second)
    third = flow.freeze(chat.message)
    await task
    assert "was replaced: the same freeze was made again" in str(got[0])
    assert flow._host.freezes.all() == [third]
    fourth = flow.freeze(chat.message, session=alice.session)
    assert flow._host.freezes.all() == [third, fourth]


async def test_a_stopped_flow_lets_go_of_all(flow: Flow, seen: list[Any]) -> None:
    alice, bob = await flow.client("/chat"), await flow.client("/chat")
    chat = flow.nodes["chat"]
    holding = flow.freeze(chat.message, session=alice.session)
    task, got = await later(flow.freeze(chat.message, session=bob.session))
    await alice.send("1")
    await alice.send("2")
    holding.held["message"] = "edited"
    await flow.stop()
    await task
    assert str(got[0]) == "flow 'test' was stopped"
    assert seen == ["req", "req", "1", "2", "close", "close"]  # her close behind her messages
    assert flow._host.freezes.all() == []
    await flow.start()
    await alice.close()
    carol = await flow.client("/chat")
    await carol.send("3")
    assert await carol.receive() == "3"


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


async def test_a_session_that_closes_meanwhile_ends_the_wait(flow: Flow, seen: list[Any]) -> None:
    alice = await flow.client("/chat")
    task, got = await later(flow.freeze(flow.nodes["chat"].message, session=alice.session))
    await alice.close(4001, "tired")
    await task
    assert isinstance(got[0], SessionClosedError)
    assert str(got[0]) == "session on '/chat' was closed with code 4001: tired"
    assert flow._host.freezes.all() == []


async def test_a_held_event_of_a_session_that_has_closed_can_still_be_let_go(
    flow: Flow, seen: list[Any]
) -> None:
    alice = await flow.client("/chat")
    freeze = flow.freeze(flow.nodes["chat"].message, session=alice.session)
    await alice.send("x")
    await alice.close()
    assert freeze.is_holding
    assert seen == ["req"]
    freeze.release()
    await turns()
    assert seen == ["req", "x", "close"]


async def test_what_is_let_go_while_the_flow_is_paused_goes_on_when_it_does(
    flow: Flow, seen: list[Any]
) -> None:
    alice, bob = await flow.client("/chat"), await flow.client("/chat")
    freeze = flow.freeze(flow.nodes["chat"].message, session=alice.session)
    await alice.send("1")
    await alice.send("2")
    flow.pause()
    freeze.release()
    assert alice.session is not None
    assert bob.session is not None
    alice.session.receive("3", 1)
    bob.session.receive("bob", 3)
    await turns()
    assert seen == ["req", "req"]
    flow.resume()
    await turns()
    assert seen[2] == "1"
    assert [one for one in seen[2:] if one != "bob"] == ["1", "2", "3"]
    assert alice.session.inflight == 0


async def test_an_event_that_comes_while_the_flow_is_paused_is_held_when_it_goes_on(
    flow: Flow, seen: list[Any]
) -> None:
    alice = await flow.client("/chat")
    freeze = flow.freeze(flow.nodes["chat"].message)
    flow.pause()
    assert alice.session is not None
    alice.session.receive("x", 1)
    assert not freeze.is_holding
    flow.resume()
    assert freeze.is_holding


async def test_the_port_of_a_node_that_is_taken_out_is_frozen_no_longer(
    flow: Flow, seen: list[Any]
) -> None:
    alice, chat = await flow.client("/chat"), flow.nodes["chat"]
    task, got = await later(flow.freeze(chat.req))
    holding = flow.freeze(chat.message)
    await alice.send("x")
    flow.remove(chat)
    await task
    assert str(got[0]) == "trigger 'chat' was taken out of the flow"
    assert holding.state == "over"
    assert flow._host.freezes.all() == []
    with pytest.raises(WiringError, match="not part of this flow"):
        flow.freeze(chat.message)


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


# ---- what can not be frozen


async def test_a_wrong_port_is_told_what_to_freeze(flow: Flow, seen: list[Any]) -> None:
    shout, chat = flow.nodes["shout"], flow.nodes["chat"]
    catch: Any = flow.catch()
    cases: list[tuple[Any, str]] = [
        (shout["in"], "shout.in is an input port; freeze what a trigger sends"),
        (shout, "shout.out can not be frozen: 'shout' does not bring events in"),
        (catch, "catch.out can not be frozen"),
        ("chat.message", "'chat.message' is no port; freeze what a trigger sends"),
        (Flow("other").websocket("/").message, "not part of this flow"),
    ]
    for port, said in cases:
        with pytest.raises(WiringError, match=said):
            flow.freeze(port)
    with pytest.raises(UnknownPortError, match="'req', 'message', 'close'"):
        flow.freeze(chat)


async def test_a_wrong_session_is_told_which_there_are(flow: Flow, seen: list[Any]) -> None:
    other = flow.websocket("/other", name="other")
    alice, bob = await flow.client("/chat"), await flow.client("/other")
    chat: Any = flow.nodes["chat"]
    with pytest.raises(WsflowError, match=f"no open session 's99'; open: {started(alice)}, "):
        flow.freeze(chat.message, session="s99")
    with pytest.raises(WiringError, match=r"\(/other\) never comes out of chat.message"):
        flow.freeze(chat.message, session=bob.session)
    with pytest.raises(WiringError, match="its `req` has gone by"):
        flow.freeze(other.req, session=bob.session)
    wrong: Any = 3
    with pytest.raises(WiringError, match="its id such as 's3', not 3"):
        flow.freeze(chat.message, session=wrong)
    assert flow._host.freezes.all() == []


@pytest.mark.parametrize("name", ["timeout", "hold"])
@pytest.mark.parametrize("seconds", [-1, 0, float("nan"), "1", True])
def test_seconds_that_are_none_are_refused(name: str, seconds: Any) -> None:
    flow = Flow("apart")
    options: dict[str, Any] = {name: seconds}
    with pytest.raises(WiringError, match=f"{name}= of a freeze takes a number of seconds"):
        flow.freeze(flow.websocket("/").message, **options)
    assert flow._host.freezes.all() == []


# ---- the rest of the house


async def test_nothing_is_asked_while_nothing_is_frozen(flow: Flow, seen: list[Any]) -> None:
    gates = [flow._host.engine.gate]
    freeze = flow.freeze(flow.nodes["chat"].message)
    gates.append(flow._host.engine.gate)
    freeze.cancel()
    gates.append(flow._host.engine.gate)
    assert [gate is None for gate in gates] == [True, False, True]


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


@pytest.mark.parametrize("seed", range(30))
async def test_whatever_is_done_by_hand_each_session_keeps_its_order(seed: int) -> None:
    random = Random(seed)
    flow = Flow("random")
    chat = flow.websocket("/", name="chat")
    seen: dict[str, dict[str, list[str]]] = {"plain": {}, "slow": {}}

    def note(handler: str, ev: Any) -> None:
        seen[handler].setdefault(ev["sessionId"], []).append(ev["message"])

    @flow.node
    async def slow(ev: Any) -> None:
        note("slow", ev)
        await turns(random.randrange(4))

    chat.message >> slow
    if seed % 2:
        chat.message >> flow.node(lambda ev: note("plain", ev), name="plain")
    clients = [await flow.client("/") for _ in range(3)]
    sent: dict[str, list[str]] = {started(client): [] for client in clients}
    made: list[Freeze] = []
    for number in range(120):
        client = random.choice(clients)
        assert client.session is not None
        match random.randrange(9):
            case 0 | 1 | 2 | 3:
                sent[client.session.id].append(str(number))
                client.session.receive(str(number), 1)
            case 4:
                made.append(
                    flow.freeze(chat.message, session=random.choice([None, client.session]))
                )
            case 5 | 6 if made:
                freeze = random.choice(made)
                action = random.choice(["release", "step", "drop", "cancel"])
                if action == "drop" and freeze.is_holding:
                    sent[freeze.held["sessionId"]].remove(freeze.held["message"])
                getattr(freeze, action)()
            case 7:
                (flow.resume if flow._host.paused else flow.pause)()
            case _:
                await turns(random.randrange(3))
    flow.resume()
    for freeze in flow._host.freezes.all():
        freeze.cancel()
    await turns(200)
    for handler in ("slow", "plain")[: 1 + seed % 2]:
        assert {id: seen[handler].get(id, []) for id in sent} == sent
    for client in clients:
        assert client.session is not None
        session = client.session
        assert (session.inflight, session.starting, len(session.waiting)) == (0, 0, 0)
    await flow.stop()
