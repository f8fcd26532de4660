"""Debounce: the last event of a burst, once it is quiet, in its own scope, and nothing kept."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.process.turns import turns
from tests.recorded.playing import Script
from wsflow import Context, Flow, HandlerError, ManualClock, WiringError
from wsflow.graph.nodes.debounce import Debounce


def quiet(flow: Flow, seconds: float = 1.0) -> Debounce:
    """Answer what passes with itself, and what was overtaken with its text in brackets."""
    debounce = flow.debounce(seconds)

    @flow.node
    def echo(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": ev["message"]})

    flow.websocket("/").message >> debounce >> echo
    debounce.dropped >> flow.node(
        lambda ev, ctx: ctx.emit("response", {"body": f"({ev['message']})"}), name="overtaken"
    )
    return debounce


async def heard(client: Any, count: int) -> list[Any]:
    return [await client.receive() for _ in range(count)]


async def test_only_the_last_of_a_burst_passes_once_it_is_quiet(
    timed: Flow, clock: ManualClock
) -> None:
    quiet(timed, 1.0)
    async with timed.client("/") as client:
        for text in "abc":
            await client.send(text)
            clock.advance(0.9)
        assert await heard(client, 2) == ["(a)", "(b)"]
        clock.advance(0.11)
        assert await heard(client, 1) == ["c"]
        clock.advance(10)
        await client.send("d")
        clock.advance(1)
        assert await heard(client, 1) == ["d"]


async def test_each_session_is_quiet_for_itself(timed: Flow, clock: ManualClock) -> None:
    quiet(timed)
    async with timed.client("/") as alice, timed.client("/") as bob:
        await alice.send("a")
        clock.advance(0.6)
        await bob.send("b")
        clock.advance(0.6)
        assert await heard(alice, 1) == ["a"]
        clock.advance(0.6)
        assert await heard(bob, 1) == ["b"]


async def test_one_alarm_a_session_however_many_events(timed: Flow, clock: ManualClock) -> None:
    debounce = quiet(timed)
    async with timed.client("/") as client:
        await client.send("x")
        await turns()
        tasks, alarms = len(asyncio.all_tasks()), len(clock._alarms)
        for number in range(100):
            await client.send(str(number))
            await client.receive()
        assert (len(asyncio.all_tasks()), len(clock._alarms)) == (tasks, alarms)
        assert client.session is not None
        assert len(client.session._leaving or ()) == 1
        for _ in range(5):
            clock.advance(2)
            await client.send("again")
        assert len(client.session._leaving or ()) == 1, "it asks once a session"
    assert (debounce._waiting, debounce._known) == ({}, set())


async def test_when_the_session_closes_what_waits_goes_on_before_the_close(
    timed: Flow, clock: ManualClock
) -> None:
    seen: list[str] = []
    chat, debounce = timed.websocket("/"), timed.debounce(1.0)
    chat.message >> debounce >> timed.node(lambda ev: seen.append(ev["message"]), name="save")
    chat.close >> timed.node(lambda: seen.append("closed"), name="part")
    async with timed.client("/") as client:
        await client.send("draft")
        await client.send("last words")
    assert seen == ["last words", "closed"]
    clock.advance(10)
    await turns()
    assert seen == ["last words", "closed"]
    assert (debounce._waiting, debounce._known) == ({}, set())


async def test_when_the_flow_stops_what_waits_goes_on(timed: Flow, clock: ManualClock) -> None:
    seen: list[Any] = []
    push = timed.inject(name="push")
    push >> timed.debounce(1.0) >> timed.node(lambda ev: seen.append(ev), name="see")
    await timed.start()
    push(1)
    push(2)
    await timed.stop()
    assert seen == [2]
    await timed.start()
    push(3)
    clock.advance(1)
    await turns()
    assert seen == [2, 3]


async def test_the_event_of_a_close_is_not_held_back(timed: Flow) -> None:
    seen: list[Any] = []
    debounce = timed.debounce(1.0)
    timed.websocket("/").close >> debounce >> timed.node(lambda ev: seen.append(ev), name="see")
    async with timed.client("/"):
        pass
    assert (len(seen), debounce._waiting, debounce._known) == (1, {}, set())


async def test_a_node_that_is_taken_out_lets_nothing_go_on(timed: Flow, clock: ManualClock) -> None:
    debounce = quiet(timed)
    async with timed.client("/") as client:
        await client.send("x")
        timed.remove(debounce)
        clock.advance(5)
        await turns()
        assert not [row for row in timed.log.tail(100) if row.node in {"echo", "debounce"}]


@pytest.mark.parametrize("seconds", [0, -1, "1", None, True, float("inf")])
def test_a_period_that_is_none_is_refused(flow: Flow, seconds: Any) -> None:
    with pytest.raises(WiringError, match="a debounce takes a number of seconds"):
        flow.debounce(seconds)
    assert flow.nodes == {}


def test_its_setup_is_its_own(flow: Flow) -> None:
    with pytest.raises(HandlerError, match="brings its own setup"):
        flow.debounce(1).setup(lambda ctx: None)


async def test_a_replay_waits_in_virtual_time(flow: Flow, tmp_path: Path) -> None:
    quiet(flow, 10.0)
    script = Script(tmp_path / "hand.jsonl")
    script.opens("alice", path="/")
    script.says("alice", "a", 1.0)
    overtaking = script.says("alice", "b", 6.0)
    script.hears("alice", "(a)", 6.0, overtaking)
    script.hears("alice", "b", 16.0, overtaking)
    script.leaves("alice", 20.0)
    report = await flow.replay(script.recording())
    assert (report.ok, report.tally.same) == (True, 2), report.diff
    assert report.seconds < 5
