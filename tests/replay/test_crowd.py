"""A recording as a crowd: planned by a seed, in memory and over sockets, with faults on purpose."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.samples import FOLDER, chat, countdown
from wsflow import Context, Flow, Recording, ReplayError
from wsflow.io import format as lines
from wsflow.replay.crowd import ghosts
from wsflow.replay.crowd_report import CrowdReport, Ghost, Visit


class Script:
    """Writes a recording by hand, row by row, with times of its own."""

    def __init__(self, path: Path) -> None:
        self._lines = [lines.write_object({"wsflow": 1, "created": "today", "time": 0})]
        self._path, self._seq = path, 0

    def opened(self, id: str, path: str = "/", t: float = 0.0, **facts: Any) -> Script:
        known = {"id": id, "path": path, "peer": "p", "query": {}, "headers": {}} | facts
        self._lines.append(lines.write_object({"opened": known}))
        return self.row(t, "req", id)

    def row(self, t: float, kind: str, session: str | None, **rest: Any) -> Script:
        self._seq += 1
        row = {"seq": self._seq, "t": t, "scope": 1, "kind": kind, "session": session}
        self._lines.append(lines.write_object(row | rest))
        return self

    def says(self, t: float, session: str, data: str) -> Script:
        return self.row(t, "message", session, data=data)

    def leaves(self, t: float, session: str, code: int | None, reason: str = "") -> Script:
        return self.row(t, "close", session, code=code, reason=reason)

    def recording(self) -> Recording:
        self._path.write_bytes(b"".join(self._lines))
        return Recording.open(self._path)


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path / "made.jsonl")


@pytest.fixture
def once(script: Script) -> Recording:
    """One session that says something twice and leaves with 4000 after ten seconds."""
    script.opened("a").says(1.0, "a", "one").says(2.0, "a", "two")
    return script.leaves(10.0, "a", 4000, "bye").recording()


def echo(flow: Flow, path: str = "/") -> None:
    @flow.node
    def repeat(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": ev["message"]})

    flow.websocket(path).message >> repeat


def told(report: CrowdReport) -> list[tuple[Any, ...]]:
    """Return what happened in the flow they came to, without the sessions' own names."""
    assert report.log is not None
    return [(r.time, r.kind, r.node, r.path, r.data, r.error) for r in report.log]


# ---- the seed


async def test_the_same_seed_is_the_same_run() -> None:
    faults = {"drop": 0.2, "slow": 0.2, "duplicate": 0.2}
    recording = Recording.open("chat", folder=FOLDER)
    first, second, other = [
        await ghosts(recording, 20, seed, faults=faults).run(chat()) for seed in (7, 7, 8)
    ]
    assert first.visits == second.visits
    assert told(first) == told(second)
    assert first.visits != other.visits
    assert set(first.faults) == set(faults)


def test_a_ghost_is_the_same_in_a_crowd_of_any_size(once: Recording) -> None:
    few, many = ghosts(once, 3), ghosts(once, 30)
    assert list(few) == list(many)[:3]


def test_every_session_is_repeated_equally_often() -> None:
    crowd = ghosts(Recording.open("chat", folder=FOLDER), 30)
    assert set(Counter(ghost.path for ghost in crowd).values()) == {10}
    assert len({ghost.arrives for ghost in crowd}) == 30


async def test_without_jitter_everything_is_as_it_was() -> None:
    recording = Recording.open("chat", folder=FOLDER)
    report = await ghosts(recording, 3, jitter=0).run(chat())
    rows = list(recording.rows())
    before = [(row.path, row.value) for row in rows if row.kind == "message"]
    assert report.log is not None
    assert [(row.path, row.data) for row in report.log if row.kind == "message"] == before
    assert report.answers == sum(row.kind == "response" for row in rows)
    assert report.closes == {1000: 2, 4000: 1}


def test_jitter_moves_messages_but_nobody_leaves_early(once: Recording) -> None:
    for ghost in ghosts(once, 50, jitter=0.5):
        first, second = [step.at for step in ghost.steps]
        assert 0.5 <= first <= 1.5
        assert 0.5 <= second - first <= 1.5
        assert 8.0 <= ghost.leaves - second <= 12.0
        assert 0 <= ghost.arrives <= 5.0


# ---- in memory


async def test_an_hour_takes_as_long_as_its_work(flow: Flow, script: Script) -> None:
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


async def test_a_ghost_that_is_held_is_taken_away(flow: Flow, script: Script) -> None:
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


# ---- faults


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


# ---- over sockets


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


async def test_a_server_of_another_make_may_end_a_visit_early(script: Script) -> None:
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


async def test_what_it_was_called_before_still_runs(flow: Flow, once: Recording) -> None:
    echo(flow)
    assert (await ghosts(once, 2).haunt(flow)).sent == 4


# ---- numbers and displays


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"n": 0}, "at least one: 0"),
        ({"jitter": 1.5}, "from 0 to 1: 1.5"),
        ({"faults": {"drop": 2}}, "'drop' is a number from 0 to 1: 2"),
        ({"faults": {"rain": 0.1}}, "no fault 'rain'; there are: drop, slow, duplicate"),
    ],
)
def test_numbers_out_of_bounds_are_told(
    once: Recording, wrong: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ReplayError, match=complaint):
        ghosts(once, **wrong)


async def test_a_speed_that_is_none_is_told(once: Recording, flow: Flow) -> None:
    with pytest.raises(ReplayError, match="speed is a number above 0"):
        await ghosts(once).run(flow, speed=0)


def test_a_recording_without_sessions_has_no_ghosts(script: Script) -> None:
    recording = script.row(0.0, "mark", None, data="alone").recording()
    with pytest.raises(ReplayError, match="'made' has no WebSocket session"):
        ghosts(recording)


async def test_how_it_looks(flow: Flow, script: Script) -> None:
    flow.websocket("/").message >> flow.node(lambda ev, ctx: 1 / 0, name="<b>")
    script.opened("a").says(1.0, "a", "x").leaves(2.0, "a", 1001, "going")
    crowd = ghosts(script.recording(), 4, faults={"slow": 1.0})
    report = await crowd.run(flow)
    assert repr(crowd) == "<Ghosts 4 of made seed=7 slow=1>"
    frame = report.frame()
    assert list(frame["code"]) == [1000] * 4, "1001 is not a client's to say"
    assert list(frame["faults"]) == ["slow"] * 4
    assert frame["sent"].sum() == report.sent == 4
    page = report._repr_html_()
    assert "4 of 4" in page
    assert "<b>" not in page
    assert repr(report).splitlines()[0].startswith("<CrowdReport 4 of 4 ghosts of made came in")


async def test_a_recording_gives_its_own_ghosts() -> None:
    crowd = Recording.open(FOLDER / "chat.jsonl").ghosts(n=6, seed=3)
    report = await crowd.run(chat())
    again = await Recording.open(FOLDER / "chat.jsonl").ghosts(n=6, seed=3).run(chat())
    assert report.sessions == again.sessions == 6
    assert (report.sent, report.answers) == (again.sent, again.answers)


def test_what_a_recording_says_is_text_in_every_face_of_the_frame() -> None:
    mark = "<img src=x onerror=alert(1)>"
    ghost = Ghost(
        number=0,
        session=mark,
        path=mark,
        query=(),
        headers=(),
        arrives=0.0,
        steps=(),
        leaves=1.0,
        code=1000,
        reason=mark,
    )
    report = CrowdReport("hello", [Visit(ghost, code=1000, reason=mark)])
    for page in (report.frame().style.to_html(), report.frame().to_html()):
        assert "<img" not in page
