"""Ghosts visit a flow in memory and a server over sockets, with faults on purpose."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import anyio.to_thread
import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.replay.visits import Visits, echo
from tests.samples import FOLDER, chat, countdown
from wsflow import Context, Flow, Recording
from wsflow.replay.crowd import ghosts


async def test_an_hour_takes_as_long_as_its_work(flow: Flow, script: Visits) -> None:
    echo(flow)
    script.opened("a").says(1800.0, "a", "half time").leaves(3600.0, "a", 1000)
    report = await ghosts(script.recording(), 20).run(flow)
    assert report.answers == 20
    assert report.seconds < 50
    assert all(visit.seconds > 3000 for visit in report.visits)


async def test_a_live_flow_notices_nothing(flow: Flow, once: Recording) -> None:
    @flow.node
    def count(ev: Any, ctx: Context) -> None:
        flow.state.set("count", flow.state.get("count", 0) + 1)
        ctx.emit("response", {"body": flow.state.get("count")})

    flow.websocket("/").message >> count
    async with flow.client("/") as alice:
        await alice.send("hi")
        assert await alice.receive() == "1"
        rows = len(flow.log)
        report = await ghosts(once, 5).run(flow)
        assert (report.sent, report.answers) == (10, 10)
        assert len(flow.log) == rows
        await alice.send("hi")
        assert await alice.receive() == "2"


async def test_who_was_sent_away_is_sent_away_again() -> None:
    report = await ghosts(Recording.open("countdown", folder=FOLDER), 10).run(countdown())
    assert report.closes == {4001: 10}
    assert {visit.reason for visit in report.visits} == {"gone"}
    assert report.answers == 90


async def test_what_handlers_raise_is_told(flow: Flow, once: Recording) -> None:
    flow.websocket("/").message >> flow.node(lambda ev, ctx: 1 / 0, name="divide")
    report = await ghosts(once, 3).run(flow)
    assert len(report.errors) == 6
    assert report.errors[0].startswith("divide: ZeroDivisionError")
    assert "6 errors" in repr(report)


async def test_a_flow_without_the_route_refuses_them(flow: Flow, once: Recording) -> None:
    echo(flow, "/elsewhere")
    report = await ghosts(once, 2).run(flow)
    assert (report.sessions, report.sent, report.closes) == (0, 0, {})
    assert "refused with 404" in report.errors[0]
    assert "/elsewhere" in report.errors[0]


async def test_a_ghost_that_is_held_is_taken_away(flow: Flow, script: Visits) -> None:
    @flow.node
    async def never(ev: Any, ctx: Context) -> None:
        await anyio.sleep_forever()

    flow.websocket("/").message >> never
    script.opened("a")
    for number in range(150):  # more than may be in flight: the flow stops reading
        script.says(0.01 * number, "a", "x")
    report = await ghosts(script.leaves(2.0, "a", 1000).recording(), 2).run(flow)
    assert [visit.sent for visit in report.visits] == [100, 100]
    assert "held" in report.errors[0]


async def test_an_interrupted_crowd_ends(flow: Flow, once: Recording) -> None:
    entered, release, cancelled = threading.Event(), threading.Event(), threading.Event()

    @flow.node
    async def wait(ev: Any, ctx: Context) -> None:
        entered.set()
        try:
            await anyio.to_thread.run_sync(release.wait)
        finally:
            cancelled.set()

    flow.websocket("/").message >> wait
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(ghosts(once, 1).run, flow)
            await anyio.to_thread.run_sync(entered.wait)
            group.cancel_scope.cancel()
    finally:
        release.set()
    assert await anyio.to_thread.run_sync(cancelled.wait, 30)


async def test_a_dropped_ghost_says_no_goodbye(flow: Flow, once: Recording) -> None:
    echo(flow)
    report = await ghosts(once, 20, faults={"drop": 1.0}).run(flow)
    assert report.faults == {"drop": 20}
    assert report.closes == {None: 20}
    assert 0 < report.sent < 40
    assert report.log is not None
    assert {row.error for row in report.log if row.kind == "close"} == {"connection dropped"}


async def test_a_duplicated_message_comes_twice(flow: Flow, once: Recording) -> None:
    echo(flow)
    report = await ghosts(once, 2, faults={"duplicate": 1.0}).run(flow)
    assert [visit.sent for visit in report.visits] == [4, 4]
    assert report.log is not None
    said = [row.data for row in report.log if row.kind == "message"]
    assert sorted(said) == ["one"] * 4 + ["two"] * 4


async def test_a_slow_ghost_is_let_go_where_much_waits(flow: Flow, once: Recording) -> None:
    @flow.node
    def flood(ev: Any, ctx: Context) -> None:
        for number in range(2_000):
            ctx.emit("response", {"body": number})

    flow.websocket("/").message >> flood
    report = await ghosts(once, 2, faults={"slow": 1.0}).run(flow)
    assert report.closes == {1013: 2}
    assert report.answers < 40


@pytest.mark.parametrize("speed", [20.0])
async def test_over_sockets_they_do_the_same(speed: float) -> None:
    flow = chat()
    crowd = ghosts(Recording.open("chat", folder=FOLDER), 30, faults={"duplicate": 0.2})
    async with flow.serving() as server:
        report = await crowd.run(server.url, speed=speed)
    assert report.errors == []
    assert report.sessions == 30
    assert report.sent == sum(len(ghost.steps) for ghost in crowd)
    assert report.closes == {1000: 20, 4000: 10}
    assert report.answers > report.sent
    messages = [row for row in flow.log if row.kind == "message"]
    assert len(messages) == report.sent


async def test_a_dropped_ghost_is_dropped_on_a_socket_too(flow: Flow, once: Recording) -> None:
    echo(flow)
    async with flow.serving() as server:
        report = await ghosts(once, 5, faults={"drop": 1.0}).run(server.url, speed=50)
    assert report.closes == {None: 5}
    assert {row.kind for row in flow.log if row.error} == {"close"}


async def test_a_server_of_another_make_may_end_a_visit_early(script: Visits) -> None:
    async def handler(socket: ServerConnection) -> None:
        async for message in socket:
            await socket.send(message)
            await socket.close(4005, "enough")

    recording = script.opened("a").says(0.0, "a", "hi").leaves(9.0, "a", 1000).recording()
    async with serve(handler, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        report = await ghosts(recording, 2, jitter=0).run(f"ws://127.0.0.1:{port}")
    assert report.closes == {4005: 2}
    assert report.seconds < 8


async def test_a_handshake_that_is_refused_is_an_error_of_each_ghost(
    flow: Flow, once: Recording
) -> None:
    echo(flow)
    async with flow.serving(token="secret") as server:
        refused = await ghosts(once, 2, jitter=0).run(server.url)
        let_in = await ghosts(once, 2, jitter=0).run(f"{server.url}?token=secret", speed=50)
    assert (refused.sessions, let_in.sessions) == (0, 2)
    assert "refused with 401" in refused.errors[0]
    assert len(refused.errors) == 2
