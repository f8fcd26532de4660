"""Throttle: one event of a session in so many seconds, in its own scope, and nothing kept."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.recorded.playing import recording_in_memory, tell
from wsflow import Context, Flow, ManualClock, WiringError
from wsflow.graph.nodes.throttle import Throttle


def limited(flow: Flow, seconds: float = 1.0) -> Throttle:
    """Answer what passes with itself, and the rest with "slower"."""
    throttle = flow.throttle(seconds)

    @flow.node
    def echo(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": ev["message"]})

    flow.websocket("/").message >> throttle >> echo
    throttle.dropped >> flow.node(
        lambda ev, ctx: ctx.emit("response", {"body": "slower"}), name="scold"
    )
    return throttle


async def test_the_first_passes_and_the_next_only_after_a_while(
    timed: Flow, clock: ManualClock
) -> None:
    limited(timed, 1.0)
    async with timed.client("/") as client:
        assert await tell(client, "1", "2") == ["1", "slower"]
        clock.advance(0.99)
        assert await tell(client, "3") == ["slower"]
        clock.advance(0.01)
        assert await tell(client, "4", "5") == ["4", "slower"]


async def test_each_session_has_a_time_of_its_own(timed: Flow, clock: ManualClock) -> None:
    limited(timed)
    async with timed.client("/") as alice, timed.client("/") as bob:
        assert await tell(alice, "a", "a") == ["a", "slower"]
        assert await tell(bob, "b", "b") == ["b", "slower"]
        clock.advance(1)
        assert await tell(bob, "b") == ["b"]
        assert await tell(alice, "a") == ["a"]


async def test_what_is_kept_of_a_session_goes_with_it(timed: Flow, clock: ManualClock) -> None:
    throttle = limited(timed)
    for _ in range(20):
        async with timed.client("/") as client:
            await tell(client, "x", "y")
            assert len(throttle._last) == 1
            assert client.session is not None
            assert len(client.session._leaving or ()) == 1, "it asks once a session"
            clock.advance(5)
            await tell(client, "x", "y")
            assert len(client.session._leaving or ()) == 1
    assert throttle._last == {}


async def test_the_event_of_a_close_passes_and_leaves_nothing(timed: Flow) -> None:
    seen: list[Any] = []
    throttle = timed.throttle(1.0)
    chat = timed.websocket("/")
    chat.message >> throttle
    chat.close >> throttle
    throttle.out >> timed.node(lambda ev: seen.append(ev.get("code", "message")), name="see")
    async with timed.client("/") as client:
        await client.send("x")
    assert seen == ["message", 1000]
    assert throttle._last == {}


async def test_events_without_a_session_are_those_of_one(timed: Flow, clock: ManualClock) -> None:
    seen: list[Any] = []
    push = timed.inject(name="push")
    push >> timed.throttle(2.0) >> timed.node(lambda ev: seen.append(ev), name="see")
    await timed.start()
    for number in range(5):
        push(number)
        clock.advance(1)
    assert seen == [0, 2, 4]


async def test_it_starts_no_task_and_sets_no_alarm(timed: Flow, clock: ManualClock) -> None:
    limited(timed)
    async with timed.client("/") as client:
        await tell(client, "x")
        tasks, alarms = len(asyncio.all_tasks()), len(clock._alarms)
        await tell(client, *"abc")
        assert (len(asyncio.all_tasks()), len(clock._alarms)) == (tasks, alarms)


async def test_what_was_dropped_is_in_the_log(timed: Flow) -> None:
    limited(timed)
    async with timed.client("/") as client:
        await tell(client, "1", "2")
    ports = [row.port for row in timed.log.tail(100) if row.node == "throttle"]
    assert ports == ["out", "dropped"]


@pytest.mark.parametrize("seconds", [0, -1, "1", None, True, float("inf")])
def test_a_period_that_is_none_is_refused(flow: Flow, seconds: Any) -> None:
    with pytest.raises(WiringError, match="a throttle takes a number of seconds"):
        flow.throttle(seconds)
    assert flow.nodes == {}


async def test_another_period_counts_at_once_and_forgets_nothing(
    timed: Flow, clock: ManualClock
) -> None:
    throttle = limited(timed, 1.0)
    async with timed.client("/") as client:
        await tell(client, "1")
        clock.advance(1.5)
        throttle.retime(3.0)
        assert await tell(client, "2") == ["slower"]
        clock.advance(1.5)
        assert await tell(client, "3") == ["3"]


async def test_a_replay_throttles_in_virtual_time(flow: Flow, tmp_path: Path) -> None:
    limited(flow, 1.0)
    async with recording_in_memory(flow, tmp_path), flow.client("/") as client:
        heard = await tell(client, *"abc")
        await asyncio.sleep(1.1)  # real time passes in a recording
        heard += await tell(client, *"de")
    assert heard == ["a", "slower", "slower", "d", "slower"]
    report = await flow.replay("lesson", folder=tmp_path)
    assert (report.ok, report.tally.same) == (True, 5), report.diff
