"""Freezes: which event is held for whom, who waits behind it, what can not be frozen."""

import asyncio
from random import Random
from typing import Any

import pytest

from tests.graph.conftest import later, started
from tests.process.turns import turns
from wsflow import (
    Flow,
    SessionClosedError,
    UnknownPortError,
    WiringError,
    WsflowError,
)
from wsflow.graph.freeze import Freeze


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
    await turns(200)
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


async def test_nothing_is_asked_while_nothing_is_frozen(flow: Flow, seen: list[Any]) -> None:
    gates = [flow._host.engine.gate]
    freeze = flow.freeze(flow.nodes["chat"].message)
    gates.append(flow._host.engine.gate)
    freeze.cancel()
    gates.append(flow._host.engine.gate)
    assert [gate is None for gate in gates] == [True, False, True]


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
