"""Replay: old traffic through today's handlers, and what became of the answers (promise P29)."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest

from tests.playing import (
    Script,
    ask,
    hear,
    open_client,
    record,
    rewritten,
)
from wsflow import Context, Flow, Recording, ReplayError, WsflowError
from wsflow.compare.report import Report
from wsflow.graph.nodes.connections import Connections
from wsflow.replay.replay import Replay
from wsflow.types import CloseEvent, HttpEvent, MessageEvent, SocketEvent
from wsflow.wire.server import Server

SPEEDS = [None, 20.0]
EVERY_SPEED = pytest.mark.parametrize("speed", SPEEDS)


def chat() -> Flow:
    """A flow with a bit of everything: answers at once, later, to all, on request, by two nodes."""
    flow = Flow("chat")
    room = flow.websocket("/chat/{name}", name="room")
    manager = flow.connections()
    push = flow.http("/push", method="POST")

    @flow.node
    def greet(event: SocketEvent, ctx: Context) -> None:
        ctx.state.set("guests", (ctx.state.get("guests") or 0) + 1)
        ctx.emit("response", {"body": f"guest {ctx.state.get('guests')} in {event['params']}"})

    @flow.node
    def shout(event: MessageEvent, ctx: Context) -> None:
        message = event["message"]
        if isinstance(message, bytes):
            ctx.emit("response", {"body": message[::-1]})
        elif message == "bye":
            ctx.emit("response", {"body": "see you", "end": True, "code": 4001, "reason": "bye"})
        else:
            ctx.emit("response", {"body": message.upper()})
            ctx.route(event)

    @flow.node
    async def later(event: MessageEvent) -> None:
        await asyncio.sleep(0.02)
        manager.broadcast({"from": event["sessionId"], "text": event["message"]})

    @flow.node
    async def patient(event: MessageEvent, ctx: Context) -> None:
        with anyio.move_on_after(0.03) as scope:
            await anyio.sleep(1.0 if event["message"] == "slow" else 0.01)
        ctx.emit("response", {"body": "too slow" if scope.cancelled_caught else "in time"})

    @flow.node
    def announce(event: HttpEvent, ctx: Context) -> None:
        manager.broadcast(event["body"])
        ctx.emit("response", {"status": 201, "body": {"told": len(manager.sessions)}})

    @flow.node
    def farewell(event: CloseEvent) -> None:
        manager.broadcast(f"{event['sessionId'].split('-')[0]} left with {event['code']}")

    room.req >> [manager.req, greet]
    room.message >> shout >> [later, patient]
    room.close >> manager.close
    room.close >> farewell
    push.out >> announce
    return flow


async def chatter(server: Server) -> None:
    """Three clients talk, one is ended by the server, one vanishes, one leaves politely."""
    async with open_client(server, "/chat/red?a=1&a=2") as alice:
        await hear(alice)
        async with open_client(server, "/chat/blue") as bob:
            await hear(bob)
            await alice.send("hi")
            for _ in range(3):
                await hear(alice)
            await hear(bob)
            await bob.send("slow")
            await bob.send(b"\x00\x01\xff")
            for _ in range(4):
                await hear(bob)
            await hear(alice)
            url = server.url.replace("ws", "http")
            async with httpx.AsyncClient() as http:
                answer = await http.post(f"{url}/push", json={"news": "snow ❄"})
                assert answer.json() == {"told": 2}
            await hear(alice)
            await hear(bob)
            carol = await open_client(server, "/chat/green")
            await hear(carol)
            carol.transport.abort()
            await hear(bob)
            await bob.send("bye")
            assert await hear(bob) == "see you"
            await bob.wait_closed()
        await hear(alice)
        await hear(alice)


@pytest.fixture
async def flow() -> AsyncIterator[Flow]:
    flow = chat()
    yield flow
    await flow.stop()


def outcome(report: Report) -> tuple[Any, ...]:
    """Return what has to be equal when a recording is played again."""
    tally = report.tally
    return (
        report.events,
        tally.same,
        tally.differences,
        tally.excused,
        [(pair.session, pair.status, pair.new) for pair in tally.differing],
        report.raised,
    )


def answers(recording: Recording) -> int:
    return sum(row.kind in {"response", "send"} for row in recording.rows())


async def assert_same(flow: Flow, recording: Recording, **options: Any) -> Report:
    """Replay twice: everything is as recorded, and the second time as the first."""
    first, second = [await flow.replay(recording, **options) for _ in range(2)]
    assert first.ok, first
    excused = first.tally.excused - Counter(first.tally.excused.get("dropped", 0) * ["dropped"])
    assert first.tally.same + excused.total() == answers(recording), first
    assert outcome(first) == outcome(second)
    return first


# ---- P29


@pytest.mark.parametrize("speed", [None, 1.0, 20.0])
async def test_p29_every_response_is_the_same_twice_in_a_row_at_any_speed(
    flow: Flow, tmp_path: Path, speed: float | None
) -> None:
    recording = await record(flow, tmp_path, chatter)
    first = await flow.replay(recording, speed=speed)
    assert first.ok, first
    assert first.tally.same == answers(recording) == 19
    assert first.errors == []
    second = await flow.replay(recording, speed=speed)
    assert outcome(first) == outcome(second)


Talk = Callable[[Server], Awaitable[object]]
Case = Callable[[Flow], Talk]


def says(*messages: str | bytes, path: str = "/chat", count: int | None = None) -> Talk:
    """One client says all of it at once and waits for so many answers."""

    async def talk(server: Server) -> None:
        async with open_client(server, path) as client:
            for message in messages:
                await client.send(message)
            for _ in range(len(messages) if count is None else count):
                await hear(client)

    return talk


def sleeping(flow: Flow) -> Talk:
    """Answers that overtake each other."""

    @flow.node
    async def nap(event: MessageEvent, ctx: Context) -> None:
        await asyncio.sleep(float(event["message"]))
        async with asyncio.TaskGroup() as group:
            for share in (0.5, 0.25):
                group.create_task(asyncio.sleep(float(event["message"]) * share))
        ctx.emit("response", {"body": event["message"]})

    flow.websocket("/chat").message >> nap
    return says("0.09", "0.02", "0.05", "0.0")


def ticking(flow: Flow) -> Talk:
    """A `req` handler that streams for the whole connection, and answers in between."""

    @flow.node
    async def tick(event: SocketEvent, ctx: Context) -> None:
        number = 0
        while True:
            ctx.emit("response", {"body": f"tick {number}"})
            number += 1
            await anyio.sleep(0.02)

    @flow.node
    def echo(event: MessageEvent, ctx: Context) -> None:
        ctx.emit("response", {"body": event["message"]})

    chat = flow.websocket("/chat")
    chat.req >> tick
    chat.message >> echo

    async def talk(server: Server) -> None:
        async with open_client(server, "/chat") as client:
            for number in range(40):
                if await hear(client) == f"tick {number}":
                    await client.send(f"heard {number}")

    return talk


def one_time(flow: Flow) -> Talk:
    """`once` with a time-out: a signal that comes in time, and one that does not."""

    @flow.node
    def wait(event: MessageEvent, ctx: Context) -> None:
        ctx.once("done", lambda what: ctx.emit("response", {"body": what}), timeout=0.6)
        ctx.route(event)

    @flow.node
    async def work(event: MessageEvent, ctx: Context) -> None:
        await anyio.sleep(float(event["message"]))
        heard = ctx.emit("done", f"done after {event['message']!s}")
        ctx.emit("response", {"body": f"{heard} heard it"})

    flow.websocket("/chat").message >> wait >> work
    return says("0.01", "0.9", count=3)


def gathering(flow: Flow) -> Talk:
    """A barrier whose tasks take their time; one of them takes too long once."""
    gate = flow.barrier(("left", "right"), limit=0.5)

    @flow.node
    async def left(event: MessageEvent, ctx: Context) -> None:
        await anyio.sleep(0.01)
        ctx.emit("left_done", event["message"])

    @flow.node
    async def right(event: MessageEvent, ctx: Context) -> None:
        await anyio.sleep(0.7 if event["message"] == "slow" else 0.02)
        ctx.emit("right_done", event["message"])
        ctx.emit("response", {"body": "right is done"})

    @flow.node
    def join(event: dict[str, str], ctx: Context) -> None:
        ctx.emit("response", {"body": event})

    flow.websocket("/chat").message >> gate
    gate.left >> left
    gate.right >> right
    gate.out >> join
    return says("a", "slow", "b", count=5)


def threading_(flow: Flow) -> Talk:
    """Handlers that work in threads, of asyncio and of anyio, and answer from there."""

    @flow.node
    async def work(event: MessageEvent, ctx: Context) -> None:
        message = str(event["message"])
        if message == "asyncio":
            await asyncio.to_thread(time.sleep, 0.03)
        elif message == "anyio":
            await anyio.to_thread.run_sync(time.sleep, 0.005)
        elif message == "from there":
            await anyio.to_thread.run_sync(ctx.emit, "response", {"body": "from a thread"})
        else:
            with anyio.move_on_after(0.02):
                await anyio.to_thread.run_sync(time.sleep, 0.2, abandon_on_cancel=True)
        ctx.emit("response", {"body": f"{message} is done"})

    flow.websocket("/chat").message >> work

    async def talk(server: Server) -> None:
        async with open_client(server, "/chat") as client:
            await ask(client, "asyncio", "anyio", "asyncio")
            await client.send("asyncio")
            assert await ask(client, "anyio") == ["anyio is done"]  # overtakes
            await hear(client)
            await client.send("too long")
            await client.send("from there")
            for _ in range(3):
                await hear(client)

    return talk


def talking_to_itself(flow: Flow) -> Talk:
    """A learner's own manager: contexts in a dict of the flow's state."""

    @flow.node
    def remember(event: SocketEvent, ctx: Context) -> None:
        flow.state.set("members", {**flow.state.get("members", {}), event["sessionId"]: ctx})

    @flow.node
    def forget(event: CloseEvent) -> None:
        members = dict(flow.state.get("members", {}))
        del members[event["sessionId"]]
        flow.state.set("members", members)

    @flow.node
    async def pass_on(event: MessageEvent) -> None:
        await asyncio.sleep(0)
        for member in flow.state.get("members").values():
            member.emit(
                "response", {"body": f"{len(flow.state.get('members'))}: {event['message']!s}"}
            )

    chat = flow.websocket("/chat")
    chat.req >> remember
    chat.message >> pass_on
    chat.close >> forget

    async def talk(server: Server) -> None:
        async with open_client(server, "/chat") as a, open_client(server, "/chat") as b:
            for client in (a, b) * 5:
                await client.send("hi")
            for client in (a, b) * 10:
                await hear(client)

    return talk


def raising(flow: Flow) -> Talk:
    """Handlers that raise, and a Catch that answers."""

    @flow.node
    async def fail(event: MessageEvent) -> None:
        raise ValueError(event["message"])

    @flow.node
    def sorry(event: dict[str, str], ctx: Context) -> None:
        ctx.emit("response", {"body": f"{event['type']}: {event['error']}"})

    flow.websocket("/chat").message >> fail
    flow.catch().out >> sorry
    return says("a", "b")


CASES: list[Case] = [
    sleeping,
    ticking,
    one_time,
    gathering,
    threading_,
    talking_to_itself,
    raising,
]


@EVERY_SPEED
@pytest.mark.parametrize("case", CASES)
async def test_p29_whatever_handlers_do(case: Case, tmp_path: Path, speed: float | None) -> None:
    flow = Flow("case")
    recording = await record(flow, tmp_path, case(flow))
    report = await assert_same(flow, recording, speed=speed)
    assert report.errors == []


async def test_p29_it_hears_what_a_manager_sends_from_a_thread_and_what_a_handler_sends_by_hand(
    tmp_path: Path,
) -> None:
    flow = Flow("hands")
    chat, manager = flow.websocket("/chat"), flow.connections()

    @flow.node
    async def work(event: MessageEvent, ctx: Context) -> None:
        await asyncio.to_thread(manager.broadcast, f"to all: {event['message']!s}")
        assert ctx.session is not None
        ctx.session.send({"open": len(flow.sessions)})
        for session in flow.sessions:
            session.send("by flow.sessions")

    chat.req >> manager.req
    chat.message >> work
    recording = await record(flow, tmp_path, says("a", "b", count=6))
    await assert_same(flow, recording)


async def test_p29_a_flow_that_was_served_in_a_thread(tmp_path: Path) -> None:
    flow = Flow("apart")
    talk = sleeping(flow)
    server = await flow.serve(thread=True)
    with flow.record("lesson", folder=tmp_path):
        await talk(server)
        await flow.log.until(kind="close")
    await assert_same(flow, Recording.open("lesson", folder=tmp_path))
    await flow.stop()


async def test_p29_an_hour_of_it_takes_well_under_a_second(flow: Flow, tmp_path: Path) -> None:
    """Every event of the recording six minutes later than the one before."""

    async def talk(server: Server) -> None:
        async with open_client(server, "/chat/red") as client:
            await hear(client)
            for message in ("slow", "quick") * 5:
                await client.send(message)
                for _ in range(3):
                    await hear(client)

    recording = await record(flow, tmp_path, talk)
    events = 0

    def later(line: dict[str, Any]) -> dict[str, Any]:
        nonlocal events
        events += line.get("kind") in {"req", "message", "close"}
        return line | {"t": line["t"] + 360.0 * events} if "t" in line else line

    hour = rewritten(recording, "hour", later)
    assert list(hour.rows())[-1].t > 3600
    began = time.monotonic()
    report = await flow.replay(hour)
    assert time.monotonic() - began < 30
    assert (report.ok, report.tally.same) == (True, answers(recording)), report


async def test_a_tick_a_second_for_an_hour_is_heard_though_real_timers_are_late(
    tmp_path: Path,
) -> None:
    """Recorded ticks drift by a millisecond each; replies between them stay where they were."""
    flow = Flow("ticker")

    @flow.node
    async def tick(event: SocketEvent, ctx: Context) -> None:
        number = 0
        while True:
            await asyncio.sleep(1)
            number += 1
            ctx.emit("response", {"body": f"tick {number}"})

    @flow.node
    def echo(event: MessageEvent, ctx: Context) -> None:
        ctx.emit("response", {"body": event["message"]})

    chat = flow.websocket("/chat")
    chat.req >> tick
    chat.message >> echo
    script = Script(tmp_path / "hour.jsonl")
    first = script.opens("s1")
    for second in range(1, 3600):
        script.hears("s1", f"tick {second}", second * 1.001, first)
        if second % 7 == 0:  # virtual time is ahead of what was recorded, were it not held back
            script.says("s1", f"at {second}", second * 1.001 + 0.9985)
            script.hears("s1", f"at {second}", second * 1.001 + 0.9986)
    script.leaves("s1", 3700.0)
    began = time.monotonic()
    report = await flow.replay(script.recording())
    assert report.tally.changed == report.tally.missing == 0, report
    assert time.monotonic() - began < 50


async def test_what_a_busy_machine_recorded_late_is_heard_when_it_is_on_time(
    tmp_path: Path,
) -> None:
    """Nothing ran for a while: timers that were due meanwhile all went off behind it."""
    flow = Flow("naps")
    sleeping(flow)
    script = Script(tmp_path / "busy.jsonl")
    script.opens("s1")
    causes = [script.says("s1", nap, 0.005) for nap in ("0.09", "0.02", "0.05", "0.0")]
    for at, t in ((3, 0.0056), (1, 0.1088), (2, 0.125), (0, 0.1447)):
        script.hears("s1", ("0.09", "0.02", "0.05", "0.0")[at], t, causes[at])
    script.leaves("s1", 0.1452)
    for speed in (None, 20.0):
        report = await flow.replay(script.recording(), speed=speed)
        assert (report.ok, report.tally.same) == (True, 4), report


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
        (guest,) = flow.sessions
        assert (guest.messages_in, guest.messages_out, guest.dropped) == (2, 3, 0)


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
        (guest,) = flow.sessions
        assert list(members) == [guest.id], "who was played has said goodbye"
        assert guest.messages_out == 3


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


# ---- who was there before, and stays after the end


def welcoming() -> Flow:
    """Greets, ticks, and passes on what is said."""
    flow = Flow("welcoming")
    chat, manager = flow.websocket("/chat/{name}"), flow.connections()

    @flow.node
    def greet(event: SocketEvent, ctx: Context) -> None:
        ctx.emit("response", {"body": f"welcome {event['params']['name']}"})

    @flow.node
    async def tick(event: SocketEvent, ctx: Context) -> None:
        number = 0
        while True:
            number += 1
            ctx.emit("response", {"body": f"tick {number}"})
            await anyio.sleep(0.03)

    @flow.node
    def say(event: MessageEvent) -> None:
        manager.broadcast(event["message"])

    @flow.node
    def left(event: CloseEvent) -> None:
        manager.broadcast(f"{event['params']['name']} left")

    chat.req >> [manager.req, greet, tick]
    chat.message >> say
    chat.close >> manager.close
    chat.close >> left
    return flow


@EVERY_SPEED
async def test_who_was_there_before_is_there_and_what_they_were_told_before_does_not_count(
    tmp_path: Path, speed: float | None
) -> None:
    flow = welcoming()
    async with (
        flow.serving() as server,
        open_client(server, "/chat/idle"),
        open_client(server, "/chat/anna") as anna,
    ):
        assert await hear(anna) == "welcome anna"
        await anna.send("before")
        while await hear(anna) != "tick 3":
            pass
        with flow.record("lesson", folder=tmp_path) as recorder:
            await anna.send("hello")
            while await hear(anna) != "hello":
                pass
            recorder.mark("ben comes")
            async with open_client(server, "/chat/ben") as ben:
                for expected in ("welcome ben", "tick 1", "tick 2"):
                    assert await hear(ben) == expected
            while await hear(anna) != "ben left":
                pass
        await anna.send("after")
        while await hear(anna) != "after":
            pass
    report = await flow.replay("lesson", folder=tmp_path, speed=speed)
    assert report.ok, report
    assert report.tally.same == 7, "anna and idle: hello, ben left; ben: welcome, two ticks"
    assert set(report.tally.excused) <= {"begun before the recording"}


async def test_who_is_still_there_at_the_end_stays_until_then(tmp_path: Path) -> None:
    flow = welcoming()
    async with flow.serving() as server:
        with flow.record("lesson", folder=tmp_path):
            anna = await open_client(server, "/chat/anna")
            ben = await open_client(server, "/chat/ben")
            await anna.send("hello")
            while await hear(ben) != "hello":
                pass
        await anna.close()
        await ben.close()
    report = await flow.replay("lesson", folder=tmp_path)
    assert report.ok, report
    assert report.tally.same == answers(Recording.open("lesson", folder=tmp_path))


async def test_a_flow_that_was_stopped_while_it_was_recorded(tmp_path: Path) -> None:
    """All are closed at once: who is told that others left was not to be told any more."""
    flow = welcoming()
    server = await flow.serve()
    flow.record("lesson", folder=tmp_path)
    anna, ben, carl = [await open_client(server, f"/chat/{who}") for who in ("anna", "ben", "carl")]
    await anna.send("hello")
    for client in (anna, ben, carl):
        while await hear(client) != "hello":
            pass
    await flow.stop()
    recording = Recording.open("lesson", folder=tmp_path)
    assert any(row.kind == "close" for row in recording.rows())
    first, second = await flow.replay(recording), await flow.replay(recording)
    assert first.ok, first
    assert outcome(first) == outcome(second)


async def test_what_a_person_sent_by_hand_does_not_count(tmp_path: Path) -> None:
    flow = Flow("hand")
    manager = flow.connections()
    chat = flow.websocket("/chat")
    chat.req >> manager.req
    async with flow.serving() as server:
        with flow.record("lesson", folder=tmp_path):
            async with open_client(server, "/chat") as client:
                await flow.log.until(kind="req")
                manager.broadcast("from a cell")
                flow.sessions[0].send("to one")
                assert [await hear(client), await hear(client)] == ["from a cell", "to one"]
            await flow.sessions.emptied()
    report = await flow.replay("lesson", folder=tmp_path)
    assert report.ok, report
    assert report.tally.excused == {"sent by hand": 2}
    assert "2 answers sent by hand" in repr(report)


async def test_a_ticker_begun_in_setup_is_heard_again(tmp_path: Path) -> None:
    """Nobody caused it, as nobody causes what a person does: it may come again, and it does."""
    flow = Flow("background")
    manager, tasks = flow.connections(), set[Any]()

    async def begin(ctx: Any) -> None:
        async def tick() -> None:
            for number in range(1_000):
                await asyncio.sleep(0.02)
                manager.broadcast(f"tick {number}")

        tasks.add(asyncio.create_task(tick()))

    flow.node(lambda: None, name="clockwork", setup=begin)
    chat = flow.websocket("/chat")
    chat.req >> manager.req
    chat.close >> manager.close

    async def talk(server: Server) -> None:
        async with open_client(server, "/chat") as client:
            for _ in range(5):
                await hear(client)

    recording = await record(flow, tmp_path, talk)
    for task in tasks:
        task.cancel()
    report = await flow.replay(recording)
    assert report.tally.differences == 0, report


# ---- what a change did


@pytest.fixture
def lesson(tmp_path: Path) -> Recording:
    """Two clients, three messages, at 1, 2 and 3 seconds; a mark at 2.5."""
    script = Script(tmp_path / "lesson.jsonl")
    script.opens("s1", 0.0)
    script.opens("s2", 0.5)
    for session, text, t in (("s1", "one", 1.0), ("s2", "two", 2.0), ("s1", "three", 3.0)):
        if t == 3.0:
            script.row(2.5, "mark", data="half", port="recording")
        script.says(session, text, t)
        script.hears(session, text.upper(), t)
    script.leaves("s1", 4.0)
    script.leaves("s2", 5.0)
    return script.recording()


@pytest.fixture
async def shouting() -> AsyncIterator[Flow]:
    """The flow behind `lesson`."""
    flow = Flow("shouting")

    @flow.node
    def shout(event: MessageEvent, ctx: Context) -> None:
        ctx.emit("response", {"body": str(event["message"]).upper()})

    flow.websocket("/chat").message >> shout
    yield flow
    await flow.stop()


def rows(report: Report) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in report.diff.itertuples(index=False)]


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


async def test_until_waits_for_answers_to_what_was_played(tmp_path: Path) -> None:
    flow = Flow("slow")

    @flow.node
    async def nap(event: MessageEvent, ctx: Context) -> None:
        await asyncio.sleep(1)
        ctx.emit("response", {"body": event["message"]})

    flow.websocket("/chat").message >> nap
    script = Script(tmp_path / "slow.jsonl")
    script.opens("s1")
    first, second = script.says("s1", "one", 1.0), script.says("s1", "two", 1.8)
    script.hears("s1", "one", 2.0, first)
    script.hears("s1", "two", 2.8, second)
    report = await flow.replay(script.recording(), until=1.5)
    assert (report.ok, report.tally.same) == (True, 1), report


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


async def test_what_others_brought_about_is_not_expected_of_some(tmp_path: Path) -> None:
    flow = welcoming()

    async def talk(server: Server) -> None:
        async with open_client(server, "/chat/anna") as anna:
            async with open_client(server, "/chat/ben") as ben:
                await anna.send("hello")
                while await hear(ben) != "hello":
                    pass
            while await hear(anna) != "ben left":
                pass

    recording = await record(flow, tmp_path, talk)
    anna = next(row.session for row in recording.rows() if row.kind == "message")
    assert anna is not None
    report = await flow.replay(recording, sessions=[anna])
    assert report.ok, report
    assert report.tally.excused["brought about by sessions that were not played"] == 1
    (ben,) = {row.session for row in recording.rows()} - {anna, None}
    report = await flow.replay(recording, sessions=[str(ben)])
    assert report.ok, report


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
    assert (report.events, report.ok) == (1, True)


async def test_stopping_ends_it_at_once_and_tells_of_what_was_played(
    shouting: Flow, lesson: Recording, said: list[str]
) -> None:
    replay = shouting.replay(lesson, speed=1.0)
    await heard(replay, lambda: replay.seek(1.5), replay.pause)
    replay.resume()
    replay.stop()
    with anyio.fail_after(20):
        report = await replay
    assert (report.events, report.tally.same, report.ok) == (3, 1, True)
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
    assert report.ok, "an answer whose message is lost is not owed"
    assert report.tally.excused == {"whose cause is not in the recording": 1}
    assert len(report.damage) == 2
    assert f"{lesson.path}, line {number + 1}: its checksum is wrong" in repr(report)
    assert "repair()" in repr(report)
    assert "the last line was not finished" in repr(report)


async def test_a_lost_handshake_is_made_up_for_by_the_path_of_the_rows(
    shouting: Flow, lesson: Recording
) -> None:
    kept = rewritten(lesson, "cut", lambda line: None if "opened" in line else line)
    rows_alone = rewritten(
        kept, "alone", lambda line: {**line, "path": "/chat"} if "session" in line else line
    )
    report = await shouting.replay(rows_alone)
    assert (report.ok, report.tally.same) == (True, 3)


async def test_a_slice_of_a_recording_can_be_played(flow: Flow, tmp_path: Path) -> None:
    """Its middle third: who was there before is there, what was answered to earlier is not owed."""
    recording = await record(flow, tmp_path, chatter)
    told = list(recording.rows())
    start, end = told[len(told) // 3].t, told[2 * len(told) // 3].t
    began = recording.header["time"] + round(start * 1e9)

    def cut(line: dict[str, Any]) -> dict[str, Any] | None:
        if "wsflow" in line:
            return line | {"time": began}
        if "opened" in line:
            return line
        return line | {"t": line["t"] - start} if start <= line["t"] <= end else None

    report = await flow.replay(rewritten(recording, "slice", cut))
    assert report.tally.missing == report.tally.changed == 0, report


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


async def test_a_recording_of_several_parts(flow: Flow, tmp_path: Path) -> None:
    recording = await record(flow, tmp_path, chatter)
    whole = recording.path.read_bytes().splitlines(keepends=True)
    recording.path.write_bytes(b"".join(whole[:20]))
    recording.path.with_name("lesson.part2.jsonl").write_bytes(b"".join([whole[0], *whole[20:]]))
    report = await flow.replay("lesson", folder=tmp_path)
    assert report.ok, report


# ---- odd handshakes, odd requests


async def test_a_parameter_with_a_slash_in_it_comes_back_as_it_was(tmp_path: Path) -> None:
    flow = Flow("slash")

    @flow.node
    def tell_where(event: SocketEvent, ctx: Context) -> None:
        where = {key: event[key] for key in ("params", "query", "peer")}
        ctx.emit("response", {"body": where})

    for path in ("/chat/{room}", "/chat/{room}/{seat}", "/ä b/{room}"):
        flow.websocket(path).req >> tell_where

    async def talk(server: Server) -> None:
        for path in ("a%2Fb", "a/b", "%C3%A4%20%3F?q=1&q=2&r=%26", "100%25"):
            async with open_client(server, f"/chat/{path}") as client:
                await hear(client)
        async with open_client(server, "/%C3%A4%20b/x") as client:
            await hear(client)

    recording = await record(flow, tmp_path, talk)
    assert answers(recording) == 5
    await assert_same(flow, recording)


async def test_requests_of_all_kinds_are_made_again(tmp_path: Path) -> None:
    flow = Flow("http")

    @flow.node
    def answer(event: HttpEvent, ctx: Context) -> None:
        bodies: dict[str, Any] = {
            "json": {"got": event["body"], "é": [1, None, 2.5]},
            "bytes": b"\x00\xff",
            "ascii": b"abc",
            "null": None,
            "text": f"{event['method']} {event['body']!r}",
            "list": [event["query"], event["params"]],
        }
        kind = event["params"]["kind"]
        if kind == "twice":
            ctx.emit("response", {"body": "first"})
        ctx.emit("response", {"body": bodies[kind]} if kind in bodies else {"status": 204})

    for method in ("GET", "POST", "PUT"):
        flow.http("/x/{kind}", method=method).out >> answer

    async def talk(server: Server) -> None:
        async with httpx.AsyncClient(base_url=server.url.replace("ws", "http")) as http:
            for kind in ("json", "bytes", "ascii", "null", "text", "list", "nothing", "twice"):
                await http.get(f"/x/{kind}?a=1&a=2&b=%C3%A9")
            await http.post("/x/json", json={"a": [1, "ü"]})
            await http.post("/x/text", data={"a": "1", "b": ["2", "3"]})
            await http.put("/x/text", content=b"\x00\xff", headers={"content-type": "image/x"})
            await http.put("/x/text", content="grüße", headers={"content-type": "text/plain"})
            await http.post("/x/json", content="null", headers={"content-type": "application/json"})

    recording = await record(flow, tmp_path, talk)
    report = await assert_same(flow, recording)
    assert report.events == 13
    answer.define(lambda event, ctx: ctx.emit("response", {"body": "other"}) and None)
    report = await flow.replay(recording)
    assert report.tally.changed == 13
    assert rows(report)[0][0].startswith("GET /x/json #")


async def test_a_request_nobody_answers_is_not_an_answer_of_504(tmp_path: Path) -> None:
    flow = Flow("silent")
    flow.http("/silent")
    script = Script(tmp_path / "silent.jsonl")
    event: dict[str, Any] = {"method": "GET", "path": "/silent", "query": {}, "headers": {}}
    script.row(0.0, "req", data=event)
    script.row(500.0, "mark", data="much later")
    report = await flow.replay(script.recording())
    assert (report.ok, report.events) == (True, 1)


async def test_secrets_that_were_taken_out_are_not_compared(tmp_path: Path) -> None:
    flow = Flow("secret")

    @flow.node
    def answer(event: MessageEvent, ctx: Context) -> None:
        ctx.emit("response", {"body": {"pin": 1234, "said": event["message"]}})

    flow.websocket("/chat").message >> answer
    async with flow.serving() as server:
        with flow.record("lesson", folder=tmp_path, redact=["pin"]):
            async with open_client(server, "/chat") as client:
                await ask(client, "hello")
            await flow.sessions.emptied()
    await assert_same(flow, Recording.open("lesson", folder=tmp_path))


async def test_many_messages_at_once_wait_as_on_a_socket(tmp_path: Path) -> None:
    """A session's handlers in flight are bounded; what comes meanwhile waits in its order."""
    flow = Flow("flood")
    most = running = 0

    @flow.node
    async def nap(event: MessageEvent, ctx: Context) -> None:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1
        ctx.emit("response", {"body": event["message"]})

    flow.websocket("/chat").message >> nap
    script = Script(tmp_path / "flood.jsonl")
    script.opens("s1")
    says_ = [script.says("s1", str(n), 1.0) for n in range(300)]
    for number, cause in enumerate(says_):
        script.hears("s1", str(number), 2.0 + number // 100, cause)
    script.leaves("s1", 10.0)
    report = await flow.replay(script.recording())
    assert (report.ok, most) == (True, 100), report


async def test_a_session_ended_by_a_handler_is_closed_when_its_client_had_answered(
    tmp_path: Path,
) -> None:
    flow = Flow("ending")
    closed: list[float] = []

    @flow.node
    def end(event: MessageEvent, ctx: Context) -> None:
        ctx.emit("response", {"body": "bye", "end": True})

    @flow.node
    def gone(event: CloseEvent) -> None:
        closed.append(asyncio.get_running_loop().time())

    chat = flow.websocket("/chat")
    chat.message >> end
    chat.close >> gone
    script = Script(tmp_path / "end.jsonl")
    for session in ("s1", "s2"):
        script.opens(session)
    for session in ("s1", "s2"):
        script.says(session, "x", 1.0)
        script.hears(session, "bye", 1.0)
    script.leaves("s1", 3.0)
    script.row(20.0, "mark", data="end")
    assert (await flow.replay(script.recording())).ok
    assert closed == [3.0, 6.0], "or after five seconds"


# ---- by cause


@pytest.mark.parametrize("apart", [1.0, 0.001, 0.0])
@pytest.mark.parametrize("is_async", [False, True])
async def test_answers_are_compared_by_the_event_they_answer(
    tmp_path: Path, apart: float, is_async: bool
) -> None:
    script = Script(tmp_path / "lesson.jsonl")
    script.opens("s1")
    for number in (1, 2, 3):
        t = 1 + number * apart
        cause = script.says("s1", str(number), t)
        script.hears("s1", f"{number}0", t, cause)
    script.leaves("s1", 5.0)
    flow = Flow("sums")

    @flow.node
    async def later(ev: Any, ctx: Any) -> None:
        await asyncio.sleep(0.0001)
        ctx.emit("response", {"body": str(int(ev["message"]) * 10 + 10)})

    @flow.node
    def at_once(ev: Any, ctx: Any) -> None:
        ctx.emit("response", {"body": str(int(ev["message"]) * 10 + 10)})

    flow.websocket("/chat").message >> (later if is_async else at_once)
    report = await flow.replay(script.recording())
    told = [(pair.status, pair.old.body, pair.new.body) for pair in report.tally.differing]  # type: ignore[union-attr]
    changes = [("10", "20"), ("20", "30"), ("30", "40")]
    assert told == [("changed", *change) for change in changes], report


async def test_what_a_manager_sends_is_compared_by_the_event_that_made_it_do_so(
    tmp_path: Path,
) -> None:
    flow = Flow("sums")
    manager = flow.connections()
    chat = flow.websocket("/chat")
    chat.req >> manager.req
    chat.close >> manager.close
    add = 0

    @flow.node
    def tell_all(ev: Any, ctx: Any) -> None:
        manager.broadcast(str(int(ev["message"]) * 10 + add))

    chat.message >> tell_all

    async def talk(server: Server) -> None:
        async with open_client(server, "/chat") as one, open_client(server, "/chat") as other:
            for number in "123":
                await one.send(number)
                assert [await hear(one), await hear(other)] == [f"{number}0"] * 2

    recording = await record(flow, tmp_path, talk)
    assert (await flow.replay(recording)).ok
    add = 10
    report = await flow.replay(recording)
    assert (report.tally.changed, report.tally.differences) == (6, 6), report


# ---- status and content type of HTTP answers


def pushing(reply: Callable[[Any], dict[str, Any]]) -> Flow:
    flow = Flow("push")

    @flow.node
    def answer(ev: Any, ctx: Any) -> None:
        ctx.emit("response", reply(ev))

    flow.http("/push", method="POST").out >> answer
    return flow


async def pushed(folder: Path, reply: dict[str, Any], **rules: Any) -> Recording:
    flow = pushing(lambda _: reply)
    with flow.record("lesson", folder=folder):
        server = await flow.serve()
        async with httpx.AsyncClient(trust_env=False) as web:
            await web.post(server.url.replace("ws", "http", 1) + "/push", content=b"x")
    await flow.stop()
    return Recording.open("lesson", folder=folder)


PLAIN: dict[str, Any] = {"body": "done"}
MADE = {"status": 201, "body": {"id": 1}}


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        (PLAIN, PLAIN | {"status": 404}, ("200 text/plain done", "404 text/plain done")),
        (
            MADE,
            MADE | {"status": 200},
            ('201 application/json {"id":1}', '200 application/json {"id":1}'),
        ),
        (
            {"body": '{"id":1}'},
            {"body": {"id": 1}},
            ('200 text/plain {"id":1}', '200 application/json {"id":1}'),
        ),
        (
            PLAIN | {"headers": {"Content-Type": "text/html; charset=utf-8"}},
            PLAIN,
            ("200 text/html done", "200 text/plain done"),
        ),
        (
            {"body": {"status": 500, "headers": {}, "body": "no"}},
            {"body": "no", "status": 500},
            (
                '200 application/json {"status":500,"headers":{},"body":"no"}',
                "500 text/plain no",
            ),
        ),
    ],
)
async def test_http_answers_are_compared_with_status_and_content_type(
    tmp_path: Path, then: dict[str, Any], now: dict[str, Any], told: tuple[str, str]
) -> None:
    recording = await pushed(tmp_path, then)
    assert (await pushing(lambda _: then).replay(recording)).ok
    report = await pushing(lambda _: now).replay(recording)
    assert report.tally.changed == 1, report
    assert tuple(report.diff.loc[0, ["old", "new"]]) == told
    assert told[1].partition(" ")[0] in repr(report)


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ({"body": {"id": 1, "a": 2}}, {"body": {"id": 2, "a": 2}}),
        (PLAIN, PLAIN | {"headers": {"content-type": "text/plain"}}),
        (PLAIN, PLAIN | {"headers": {"x-own": "1"}}),
        ({"status": 204}, {"status": 204, "body": ""}),
    ],
)
async def test_what_does_not_matter_of_http_answers_is_not_compared(
    tmp_path: Path, then: dict[str, Any], now: dict[str, Any]
) -> None:
    recording = await pushed(tmp_path, then)
    report = await pushing(lambda _: now).replay(recording, ignore="id")
    assert report.ok, report


# ---- keep-alive


async def test_only_the_recording_says_who_was_given_up_on(tmp_path: Path) -> None:
    """Nobody is dropped for an hour of silence; who was dropped then is dropped at that moment."""
    script = Script(tmp_path / "lesson.jsonl")
    for who in ("silent", "dead"):
        script.opens(who)
    script.row(45.0, "drop", "dead", port="wire", error="not heard of for 45 s: dropped")
    script.row(45.0, "close", "dead", code=None, reason="", error="connection dropped")
    cause = script.says("silent", "still here", 3_600.0)
    script.hears("silent", "STILL HERE", 3_600.0, cause)
    script.leaves("silent", 3_601.0)
    flow, gone = Flow("shouting"), list[tuple[str, Any]]()

    @flow.node
    def shout(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": ev["message"].upper()})

    @flow.node
    def note(ev: Any, ctx: Context) -> None:
        gone.append((ev["sessionId"], ev["code"]))

    chat = flow.websocket("/chat")
    chat.message >> shout
    chat.close >> note
    report = await flow.replay(script.recording())
    assert report.ok, report
    assert report.tally.same == 1
    assert gone == [("dead", None), ("silent", 1000)]
    assert report.log is not None
    closes = {row.session: row.time for row in report.log.tail(20) if row.kind == "close"}
    assert round((closes["dead"] - 10**18) / 1e9, 1) == 45.0
    assert not [row for row in report.log.tail(20) if row.kind == "drop"]
