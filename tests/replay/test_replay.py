"""Replay: old traffic through today's handlers, and what became of the answers (promise P29)."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from tests.recorded.playing import (
    EVERY_SPEED,
    Script,
    ask,
    assert_same,
    chat,
    chatter,
    hear,
    open_client,
    raising,
    record,
    rows,
    says,
)
from wsflow import Context, Flow, Recording, ReplayError, WsflowError
from wsflow.graph.nodes.connections import Connections
from wsflow.replay.replay import Replay
from wsflow.types import CloseEvent, MessageEvent, SocketEvent


@pytest.fixture
async def flow() -> AsyncIterator[Flow]:
    flow = chat()
    yield flow
    await flow.stop()


# ---- who else is there meanwhile


async def test_live_clients_hear_nothing_and_are_served_meanwhile(tmp_path: Path) -> None:
    flow = chat()
    recording = await record(flow, tmp_path, chatter)
    state = dict.fromkeys(flow.state.keys())
    async with flow.serving() as server, open_client(server, "/chat/live") as live:
        await hear(live)
        replay = flow.replay(recording, speed=1.0).start()
        assert await ask(live, b"abc") == [b"cba"]
        report = await replay
        assert report.ok, report
        assert await ask(live, b"def") == [b"fed"], "nothing came in between"
        assert len(flow.sessions) == 1
        assert [row.session for row in flow.log.tail(1)] == [flow.sessions[0].id]
        assert set(flow.state.keys()) == set(state)
        (session,) = flow.sessions
        assert (session.messages_in, session.messages_out, session.dropped) == (2, 3, 0)


async def test_contexts_in_a_global_dict_reach_only_their_own_world(tmp_path: Path) -> None:
    members: dict[str, Context] = {}
    flow = Flow("global")
    chat = flow.websocket("/chat")
    standing = threading.Event()

    @flow.node
    def come(event: SocketEvent, ctx: Context) -> None:
        members[event["sessionId"]] = ctx

    @flow.node
    def go(event: CloseEvent) -> None:
        members.pop(event["sessionId"], None)

    @flow.node
    async def to_all(event: MessageEvent) -> None:
        standing.set()
        for member in list(members.values()):
            member.emit("response", {"body": event["message"]})

    chat.req >> come
    chat.close >> go
    chat.message >> to_all
    recording = await record(flow, tmp_path, says("one", "two"))
    async with flow.serving() as server, open_client(server, "/chat") as live:
        assert await ask(live, "first") == ["first"]
        replay = flow.replay(recording)
        replay.pause()
        replay.step()
        replay.step()
        await replay.until_paused()
        assert len(members) == 2, "one is live, one is played"
        standing.clear()
        assert await ask(live, "second") == ["second"], "the live one is not held up"
        replay.resume()
        report = await replay
        assert report.ok, report
        assert await ask(live, "third") == ["third"]
        (session,) = flow.sessions
        assert list(members) == [session.id], "who was played has said goodbye"
        assert session.messages_out == 3


async def test_handlers_can_not_reach_live_sessions_by_hand(tmp_path: Path) -> None:
    flow = Flow("reach")
    kept: list[Any] = []

    @flow.node
    def meddle(event: MessageEvent, ctx: Context) -> None:
        for session in kept:
            ctx.emit("response", {"body": session.send("psst")})
            session.close()
        kept[:] = [ctx.session]

    flow.websocket("/chat").message >> meddle
    recording = await record(flow, tmp_path, says("a", count=0))
    kept.clear()
    async with flow.serving() as server, open_client(server, "/chat") as live:
        await live.send("x")
        await flow.log.until(kind="message")
        report = await flow.replay(recording)
        assert [pair.new and pair.new.body for pair in report.tally.differing] == ["false"]
        await live.send("y")
        assert await hear(live) == "false", "nor can live ones reach who was played"
        assert len(flow.sessions) == 1


async def test_two_replays_at_a_time_are_two_worlds(flow: Flow, tmp_path: Path) -> None:
    recording = await record(flow, tmp_path, chatter)
    many = [flow.replay(recording, speed=speed).start() for speed in (None, 1.0, 20.0, None)]
    for replay in many:
        assert (await replay).ok


async def test_a_replay_leaves_nothing_behind(flow: Flow, tmp_path: Path) -> None:
    recording = await record(flow, tmp_path, chatter)
    threads, tasks = set(threading.enumerate()), asyncio.all_tasks()
    for _ in range(3):
        replay = flow.replay(recording)
        await replay
        assert replay._thread is not None
        replay._thread.join(30)
    assert set(threading.enumerate()) <= threads
    assert asyncio.all_tasks() <= tasks
    del replay
    gc.collect()
    there = [
        one for one in gc.get_objects() if type(one) is Connections and one.host.name == "chat"
    ]
    assert len([one for one in there if one.host is flow._host]) == 1
    assert len(there) == 1, "the flows that played are gone"
    assert not flow.running


# ---- what a change did


async def test_nothing_changed(shouting: Flow, lesson: Recording) -> None:
    report = await assert_same(shouting, lesson)
    assert (report.events, report.tally.same, rows(report)) == (7, 3, [])
    assert bool(report)


async def test_a_changed_handler_shows_old_and_new(shouting: Flow, lesson: Recording) -> None:
    shouting.nodes["shout"].define(
        lambda event, ctx: ctx.emit("response", {"body": event["message"].capitalize()}) and None
    )
    report = await shouting.replay(lesson)
    assert not report.ok
    assert rows(report) == [
        ("s1", "changed", 1.0, "ONE", "One"),
        ("s2", "changed", 2.0, "TWO", "Two"),
        ("s1", "changed", 3.0, "THREE", "Three"),
    ]


async def test_a_removed_node_leaves_answers_missing(shouting: Flow, lesson: Recording) -> None:
    shouting.remove(shouting.nodes["shout"])
    report = await shouting.replay(lesson)
    assert {row[1] for row in rows(report)} == {"missing"}
    assert report.tally.missing == 3


async def test_an_added_node_gives_extra_answers(shouting: Flow, lesson: Recording) -> None:
    @shouting.node
    async def again(event: MessageEvent, ctx: Context) -> None:
        await asyncio.sleep(0.1)
        ctx.emit("response", {"body": "again"})

    shouting.nodes["/chat"].message >> again
    report = await shouting.replay(lesson)
    assert [row[:4] for row in rows(report)] == [
        ("s1", "extra", 1.1, None),
        ("s2", "extra", 2.1, None),
        ("s1", "extra", 3.1, None),
    ]
    assert report.tally.same == 3


async def test_a_handler_that_raises_is_told_of_with_its_place(
    shouting: Flow, lesson: Recording
) -> None:
    @shouting.node(name="shout two")
    def fail(event: MessageEvent, ctx: Context) -> None:
        raise LookupError(f"nothing for {event['message']!s}")

    chat = shouting.nodes["/chat"]
    shouting.disconnect(chat.message, shouting.nodes["shout"])
    chat.message >> fail
    report = await shouting.replay(lesson)
    assert report.tally.missing == 3
    assert report.raised == 3
    assert report.errors[0].startswith("shout two: LookupError: nothing for one (test_replay.py:")
    assert "nothing for one" in repr(report)
    assert shouting.log.tail(100) == [], "the live log has nothing of it"
    assert report.log is not None
    assert len([row for row in report.log if row.kind == "error"]) == 3


async def test_errors_that_are_recorded_too_are_not_news(tmp_path: Path) -> None:
    flow = Flow("case")
    recording = await record(flow, tmp_path, raising(flow))
    report = await flow.replay(recording)
    assert (report.ok, report.raised, report.errors) == (True, 2, [])


async def test_state_is_fresh_each_time_and_the_live_one_untouched(
    shouting: Flow, lesson: Recording
) -> None:
    shouting.state.set("count", 40)

    @shouting.node
    def count(event: MessageEvent, ctx: Context) -> None:
        ctx.state.set("count", ctx.state.get("count", 0) + 1)
        assert shouting.state.get("count") == ctx.state.get("count")
        ctx.emit("response", {"body": str(ctx.state.get("count"))})

    shouting.nodes["/chat"].message >> count
    for _ in range(2):
        report = await shouting.replay(lesson)
        assert [row[4] for row in rows(report)] == ["1", "2", "3"]
    assert shouting.state.get("count") == 40


async def test_setup_runs_in_the_replay(shouting: Flow, lesson: Recording) -> None:
    seen: list[str] = []

    def prepare(ctx: Any) -> None:
        ctx.add_helper("greeting", lambda ctx: f"hello from {ctx.flow}")
        seen.append(ctx.flow)

    @shouting.node(setup=prepare)
    def greet(event: MessageEvent, ctx: Any) -> None:
        ctx.emit("response", {"body": ctx.greeting})

    shouting.nodes["/chat"].message >> greet
    report = await shouting.replay(lesson)
    assert {row[4] for row in rows(report)} == {"hello from shouting"}
    assert seen == ["shouting"]


async def test_a_setup_that_fails_is_the_awaiters(shouting: Flow, lesson: Recording) -> None:
    def prepare(ctx: Any) -> None:
        raise OSError("no database")

    shouting.node(lambda: None, name="broken", setup=prepare)
    with pytest.raises(WsflowError, match="no database"):
        await shouting.replay(lesson)


# ---- choosing


async def test_rules_of_the_comparison_are_given_to_replay(shouting: Flow, tmp_path: Path) -> None:
    script = Script(tmp_path / "rules.jsonl")
    script.opens("s1")
    script.says("s1", "x", 1.0)
    script.hears("s1", json.dumps({"id": 1, "at": "2026-01-01T00:00:00Z", "n": [1, 2]}), 1.0)
    script.says("s1", "y", 2.0)
    script.hears("s1", "a", 2.0)
    script.hears("s1", "b", 2.0)
    recording = script.recording()

    @shouting.node
    async def answer(event: MessageEvent, ctx: Context) -> None:
        if event["message"] == "x":
            body = {"id": 2, "at": "2027-01-01T00:00:00Z", "n": [3, 2]}
            ctx.emit("response", {"body": body})
        else:
            await asyncio.sleep(0.5)
            ctx.emit("response", {"body": "b"})
            ctx.emit("response", {"body": "a"})

    chat = shouting.nodes["/chat"]
    shouting.disconnect(chat.message, shouting.nodes["shout"])
    chat.message >> answer
    plain = await shouting.replay(recording)
    assert plain.tally.differences == 3
    loose = await shouting.replay(
        recording, ignore=("id", "$.n[0]"), ignore_times=True, any_order=True
    )
    assert loose.ok, loose
    assert not (await shouting.replay(recording, ignore="id", any_order=True)).ok
    late = await shouting.replay(recording, ignore=("id", "n", "at"), any_order=True, late=0.1)
    assert (late.tally.same, late.tally.late) == (1, 2)


async def test_until_a_moment_or_a_mark(shouting: Flow, lesson: Recording) -> None:
    for until, events, same in ((2.2, 4, 2), ("half", 4, 2), (0, 1, 0), (100, 7, 3), (3.0, 5, 3)):
        report = await shouting.replay(lesson, until=until)
        assert (report.ok, report.events, report.tally.same) == (True, events, same), until


async def test_an_unknown_mark_or_session_is_named_with_those_there_are(
    shouting: Flow, lesson: Recording
) -> None:
    with pytest.raises(ReplayError, match=r"lesson.jsonl has no mark 'end'; it has: 'half'"):
        await shouting.replay(lesson, until="end")
    with pytest.raises(ReplayError, match=r"has no session 's9'; it has: s1, s2"):
        await shouting.replay(lesson, sessions=["s1", "s9"])


async def test_only_some_sessions(shouting: Flow, lesson: Recording) -> None:
    report = await shouting.replay(lesson, sessions=["s2"])
    assert (report.ok, report.events, report.tally.same) == (True, 3, 1)
    assert (await shouting.replay(lesson, sessions="s2")).events == 3


async def test_a_loop_plays_it_again_from_the_start(shouting: Flow, lesson: Recording) -> None:
    report = await shouting.replay(lesson, loop=3)
    assert (report.events, report.tally.same) == (21, 9)


async def test_long_silences_can_be_cut_and_change_nothing(
    shouting: Flow, lesson: Recording
) -> None:
    began = time.monotonic()
    report = await shouting.replay(lesson, speed=1.0, max_gap=0.05)
    assert 0.2 < time.monotonic() - began < 4.5, "five seconds are recorded"
    assert report.ok
    report = await shouting.replay(lesson, speed=1.0, max_gap=0)
    assert report.ok


async def test_a_speed_takes_its_time(shouting: Flow, lesson: Recording) -> None:
    began = time.monotonic()
    await shouting.replay(lesson, speed=20)
    assert 0.24 < time.monotonic() - began < 4.5, "five seconds are recorded"


# ---- controls


async def heard(replay: Replay, *orders: Callable[[], None]) -> float:
    """Give orders and wait until they have been followed; return where that was."""
    for order in orders:
        order()
    with anyio.fail_after(20):
        return await replay.until_paused()


@pytest.fixture
def said(shouting: Flow) -> list[str]:
    """What the handlers of `shouting` were told, in the replay too."""
    said: list[str] = []

    def shout(event: MessageEvent, ctx: Context) -> None:
        said.append(str(event["message"]))
        ctx.emit("response", {"body": said[-1].upper()})

    shouting.nodes["shout"].define(shout)
    return said


@EVERY_SPEED
async def test_it_can_be_played_step_by_step(
    shouting: Flow, lesson: Recording, said: list[str], speed: float | None
) -> None:
    replay = shouting.replay(lesson, speed=speed)
    assert repr(replay) == "<Replay of lesson not started at 0.00 s>"
    assert await heard(replay, replay.pause) == 0.0
    assert "paused" in repr(replay)
    positions = [await heard(replay, replay.step) for _ in range(4)]
    assert positions == [0.0, 0.5, 1.0, 2.0]
    assert said == ["one", "two"]
    assert await heard(replay, replay.step, replay.step) == 4.0
    assert said == ["one", "two", "three"]
    replay.resume()
    report = await replay
    assert report.ok
    assert (replay.done, replay.paused) == (True, False)
    assert "done" in repr(replay)
    assert await replay is report


async def test_a_step_can_go_to_the_next_mark(
    shouting: Flow, lesson: Recording, said: list[str]
) -> None:
    replay = shouting.replay(lesson, speed=1.0)
    assert await heard(replay, lambda: replay.step(mark=True)) == 2.5
    assert said == ["one", "two"]
    assert await heard(replay, lambda: replay.step(mark=True)) == 5.0, "there is no other mark"
    assert replay.done
    assert (await replay).ok


async def test_it_seeks_forwards_and_backwards(
    shouting: Flow, lesson: Recording, said: list[str]
) -> None:
    replay = shouting.replay(lesson, speed=1.0)
    replay.pause()
    assert await heard(replay, lambda: replay.seek(2.7)) == pytest.approx(2.7)
    assert said == ["one", "two"]
    assert await heard(replay, lambda: replay.seek(1.5)) == pytest.approx(1.5)
    assert said == ["one", "two", "one"], "back means from the start"
    assert await heard(replay, replay.step) == 2.0
    assert await heard(replay, lambda: replay.seek(0)) == 0.0
    replay.seek(100)
    report = await replay
    assert said == ["one", "two", "one", "two", "one", "two", "three"]
    assert (report.ok, report.events, report.tally.same) == (True, 7, 3)
    replay.seek(0)
    replay.step()
    assert await replay is report


async def test_seeking_while_it_plays_goes_on_from_there(
    shouting: Flow, lesson: Recording, said: list[str]
) -> None:
    replay = shouting.replay(lesson, speed=1.0)
    replay.seek(4.5)
    began = time.monotonic()
    report = await replay
    assert report.ok
    assert time.monotonic() - began < 4, "five seconds are recorded"


async def test_a_pause_comes_at_once_also_between_two_events(tmp_path: Path) -> None:
    """Nothing moves while it is paused, not even a handler's own timer."""
    flow = Flow("ticks")
    ticks: list[float] = []
    ticking = asyncio.Event()
    here = asyncio.get_running_loop()

    @flow.node
    async def tick(event: SocketEvent) -> None:
        while True:
            await asyncio.sleep(0.05)
            ticks.append(asyncio.get_running_loop().time())
            here.call_soon_threadsafe(ticking.set)

    flow.websocket("/chat").req >> tick
    script = Script(tmp_path / "quiet.jsonl")
    script.opens("s1")
    script.leaves("s1", 3600.0)
    replay = flow.replay(script.recording(), speed=1.0).start()
    await ticking.wait()
    where = await heard(replay, replay.pause)
    assert 0.04 < where < 60
    count = len(ticks)
    position = replay.position
    await here.run_in_executor(None, time.sleep, 0.15)
    assert (len(ticks), replay.position) == (count, position)
    replay.stop()
    with anyio.fail_after(20):
        report = await replay
    assert (report.events, report.tally.differences) == (1, 0)


async def test_stopping_ends_it_at_once_and_tells_of_what_was_played(
    shouting: Flow, lesson: Recording, said: list[str]
) -> None:
    replay = shouting.replay(lesson, speed=1.0)
    await heard(replay, lambda: replay.seek(1.5), replay.pause)
    replay.resume()
    replay.stop()
    with anyio.fail_after(20):
        report = await replay
    assert (report.events, report.tally.same, report.tally.differences) == (3, 1, 0)
    assert re.search(
        r"<Replay INCOMPLETE lesson: incomplete: it was stopped at 1\.\d\d s;", repr(report)
    )
    never = shouting.replay(lesson)
    never.stop()
    assert (await never).events == 0


async def test_interrupting_who_awaits_it_stops_it(
    shouting: Flow, lesson: Recording, said: list[str]
) -> None:
    replay = shouting.replay(lesson, speed=0.001)
    waiting, other = [asyncio.create_task(replay._outcome()) for _ in range(2)]
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with anyio.fail_after(20):
        report = await other
    assert report.events <= 1
    assert replay.done


async def test_a_time_out_round_it_stops_it(shouting: Flow, lesson: Recording) -> None:
    replay = shouting.replay(lesson, speed=0.001)
    with anyio.move_on_after(0.05) as scope:
        await replay
    assert scope.cancelled_caught
    with anyio.fail_after(20):
        assert (await replay).events <= 1


async def test_it_can_be_waited_for_without_await(shouting: Flow, lesson: Recording) -> None:
    replay = shouting.replay(lesson, speed=0.001)
    with pytest.raises(TimeoutError):
        replay.result(timeout=0.01)
    replay.stop()
    assert await asyncio.to_thread(replay.result, 30) is await replay


async def test_controls_work_from_any_thread_and_in_any_number(
    shouting: Flow, lesson: Recording, said: list[str]
) -> None:
    replay = shouting.replay(lesson, speed=20.0, loop=3)

    def meddle() -> None:
        for number in range(200):
            replay.pause()
            replay.seek(number % 5)
            replay.step()
            replay.step(mark=True)
            replay.resume()

    threads = [threading.Thread(target=meddle) for _ in range(3)]
    replay.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    with anyio.fail_after(20):
        assert (await replay).ok


# ---- what can go wrong


async def test_a_route_the_flow_has_not_is_an_error_that_says_what_to_do(
    shouting: Flow, tmp_path: Path
) -> None:
    script = Script(tmp_path / "lesson.jsonl")
    script.opens("s1")
    script.opens("s2", 1.0, path="/old/room")
    recording = script.recording()
    with pytest.raises(ReplayError) as caught:
        await shouting.replay(recording)
    text = str(caught.value)
    assert text.startswith(f"{recording.path}, line 4: session 's2' connected to '/old/room'")
    assert "which flow 'shouting' does not take (404: no WebSocket route on this path)" in text
    assert "its routes: /chat" in text
    assert "sessions=[" in text
    report = await shouting.replay(recording, sessions=["s1"])
    assert (report.ok, report.events) == (True, 1)
    with pytest.raises(ReplayError, match="its routes: none"):
        await Flow("empty").replay(recording)


async def test_an_http_route_the_flow_has_not(flow: Flow, tmp_path: Path) -> None:
    recording = await record(flow, tmp_path, chatter)
    flow.remove(flow.nodes["POST /push"])
    with pytest.raises(ReplayError, match=r"POST '/push' has no route in flow 'chat'.*flow\.http"):
        await flow.replay(recording)


async def test_damaged_lines_are_left_out_and_named_with_the_remedy(
    shouting: Flow, lesson: Recording
) -> None:
    whole = lesson.path.read_bytes().splitlines(keepends=True)
    number = next(n for n, line in enumerate(whole) if b'"data":"two"' in line)
    whole[number] = whole[number].replace(b"two", b"tow")
    whole[-1] = whole[-1][:20]
    lesson.path.write_bytes(b"".join(whole))
    report = await shouting.replay(lesson)
    assert not report.tally.differences, "an answer whose message is lost is not owed"
    assert report.verdict == "incomplete"
    assert report.tally.excused == {"whose cause is not in the recording": 1}
    assert len(report.damage) == 2
    assert f"{lesson.path}, line {number + 1}: its checksum is wrong" in repr(report)
    assert "repair()" in repr(report)
    assert "the last line was not finished" in repr(report)


async def test_an_empty_recording_has_nothing_to_compare(shouting: Flow, tmp_path: Path) -> None:
    report = await shouting.replay(Script(tmp_path / "empty.jsonl").recording())
    assert report.ok
    assert "no answers to compare" in repr(report)


async def test_a_file_that_goes_away_meanwhile_is_the_awaiters(
    shouting: Flow, lesson: Recording
) -> None:
    replay = shouting.replay(lesson)
    lesson.path.unlink()
    with pytest.raises(OSError, match="No such file"):
        await replay
