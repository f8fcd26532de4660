"""The Timer: keeps to its beat, stands still with the flow, never piles up, replays as it was."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.process.turns import turns
from tests.recorded.playing import Script, recording_in_memory
from wsflow import Context, Flow, ManualClock, Recording, WiringError
from wsflow.errors import HandlerError


def counting(flow: Flow, seconds: float = 1.0) -> list[Any]:
    """Keep what a timer sends."""
    kept: list[Any] = []
    flow.timer(seconds).out >> flow.node(kept.append, name="keep")
    return kept


def texts(flow: Flow, kind: str) -> list[str]:
    return [row.error or "" for row in flow.log.tail(100) if row.kind == kind]


async def test_it_fires_every_so_many_seconds_and_counts(timed: Flow, clock: ManualClock) -> None:
    kept = counting(timed, 2.5)
    await timed.start()
    clock.advance(2.4)
    assert kept == []
    clock.advance(5.2)
    assert kept == [
        {"count": 1, "time": 2.5},
        {"count": 2, "time": 5.0},
        {"count": 3, "time": 7.5},
    ]


async def test_a_thousand_ticks_drift_by_nothing(timed: Flow, clock: ManualClock) -> None:
    kept = counting(timed, 0.1)
    await timed.start()
    for _ in range(1_000):
        clock.advance(0.1)
    clock.advance(0.01)
    assert len(kept) == 1_000
    assert kept[-1]["time"] == pytest.approx(100.0, abs=1e-6)


async def test_it_fires_only_while_the_flow_runs(timed: Flow, clock: ManualClock) -> None:
    kept = counting(timed)
    clock.advance(10)
    assert kept == []
    await timed.start()
    clock.advance(3)
    await timed.stop()
    clock.advance(10)
    assert [event["count"] for event in kept] == [1, 2, 3]
    await timed.start()
    clock.advance(1)
    assert [event["count"] for event in kept] == [1, 2, 3, 1], "each start counts anew"


async def test_a_pause_stops_its_time_and_saves_no_ticks(timed: Flow, clock: ManualClock) -> None:
    kept = counting(timed)
    await timed.start()
    clock.advance(1.75)
    timed.pause()
    clock.advance(100)
    assert len(kept) == 1
    timed.resume()
    assert len(kept) == 1
    clock.advance(0.24)
    assert len(kept) == 1
    clock.advance(0.02)
    assert len(kept) == 2, "what was left of the second has passed"


async def test_ticks_do_not_pile_up_behind_a_slow_handler(timed: Flow, clock: ManualClock) -> None:
    go, started = asyncio.Event(), 0

    @timed.node
    async def slow() -> None:
        nonlocal started
        started += 1
        await go.wait()

    timed.timer(1.0).out >> slow
    await timed.start()
    clock.advance(1)
    await turns()
    clock.advance(5)
    assert started == 1
    assert len(texts(timed, "drop")) == 5
    assert "a tick was left out: handlers of the tick before still run" in texts(timed, "drop")
    go.set()
    await turns()
    clock.advance(1)
    await turns()
    assert timed.log.tail(1)[0].data == {"count": 2, "time": 7.0}


async def test_ticks_that_a_blocked_loop_missed_are_told_and_not_made_up_for() -> None:
    class Jumping(ManualClock):
        """A clock that nobody rings while the loop is blocked."""

        def jump(self, seconds: float) -> None:
            self._now += seconds
            self.ring()

    clock = Jumping()
    flow = Flow("blocked", clock=clock)
    kept = counting(flow)
    await flow.start()
    clock.jump(4.5)
    assert [event["time"] for event in kept] == [4.5]
    assert texts(flow, "drop") == [
        "3 ticks were left out: the loop was blocked, or the machine asleep"
    ]
    clock.advance(0.5)
    assert [event["time"] for event in kept] == [4.5, 5.0], "and the beat is kept"
    await flow.stop()


async def test_a_handler_that_raises_does_not_stop_it(timed: Flow, clock: ManualClock) -> None:
    timed.timer(1.0).out >> timed.node(lambda: 1 / 0, name="boom")
    await timed.start()
    clock.advance(3)
    assert len(texts(timed, "error")) == 3


async def test_a_tick_is_a_row_and_what_it_brings_about_is_its_trace(
    timed: Flow, clock: ManualClock
) -> None:
    @timed.node
    def pass_on(ev: Any, ctx: Context) -> None:
        ctx.route(ev["count"])
        assert ctx.emit("response", {"body": "nobody asked"}) == 0
        assert ctx.session is None

    timed.timer(1.0, name="clock").out >> pass_on
    await timed.start()
    clock.advance(1)
    rows = timed.log.trace(1)
    assert [(row.kind, row.node, row.port) for row in rows] == [
        ("fire", "clock", "out"),
        ("route", "pass_on", "out"),
        ("signal", "pass_on", "response"),
        ("mark", "pass_on", ""),
    ]
    assert rows[0].data == {"count": 1, "time": 1.0}
    assert len(timed.log.frame(kind="fire")) == 1


async def test_declared_in_a_flow_that_runs_it_begins_at_once(
    timed: Flow, clock: ManualClock
) -> None:
    await timed.start()
    kept = counting(timed)
    await turns()
    clock.advance(2)
    assert len(kept) == 2
    timed.remove(timed.nodes["timer"])
    clock.advance(5)
    assert len(kept) == 2


async def test_another_period_counts_from_now_on(timed: Flow, clock: ManualClock) -> None:
    kept = counting(timed)
    await timed.start()
    clock.advance(2.5)
    timer: Any = timed.nodes["timer"]
    timer.retime(1.0)
    clock.advance(0.5)
    assert len(kept) == 3, "the same period changes nothing"
    timer.retime(10.0)
    await turns()
    clock.advance(9.9)
    assert len(kept) == 3
    clock.advance(0.2)
    assert [event["count"] for event in kept] == [1, 2, 3, 4]


@pytest.mark.parametrize("seconds", [0, -1, "5", None, float("nan"), float("inf"), True, 1e-9])
def test_a_period_that_can_not_be_kept_is_refused(flow: Flow, seconds: Any) -> None:
    with pytest.raises(WiringError, match=r"a timer takes a number of seconds from 0\.001 on"):
        flow.timer(seconds)
    assert flow.nodes == {}


def test_two_timers_need_two_names(flow: Flow) -> None:
    flow.timer(1)
    with pytest.raises(WiringError, match="give this one another with name="):
        flow.timer(2)
    flow.timer(2, name="slower")


def test_it_takes_no_function(flow: Flow) -> None:
    with pytest.raises(HandlerError, match="trigger"):
        flow.timer(1).setup(lambda ctx: None)


async def test_real_time_keeps_the_beat_too(flow: Flow) -> None:
    kept = counting(flow, 0.02)
    began = time.time()
    await flow.start()
    await flow.log.until(kind="fire", count=15)
    last = kept[14]
    assert last["time"] - began >= 15 * 0.02 - 0.005
    beats = [(event["time"] - kept[0]["time"]) / 0.02 for event in kept]
    late = sorted(abs(beat - round(beat)) for beat in beats)
    assert late[len(late) // 2] < 0.5, "ticks come when they are due, not when somebody looks"


# ---- replay


def clockwork(flow: Flow, seconds: float = 1.0) -> None:
    """Tell everybody what time it is; count what came in between."""
    chat, manager = flow.websocket("/chat"), flow.connections()
    chat.req >> manager.req
    chat.close >> manager.close

    @flow.node
    def heard(ev: Any, ctx: Context) -> None:
        ctx.state.set("heard", [*ctx.state.get("heard", []), ev["message"]])

    @flow.node
    def tell(ev: Any, ctx: Context) -> None:
        manager.broadcast({"tick": ev["count"], "heard": ctx.state.get("heard", [])})

    chat.message >> heard
    flow.timer(seconds).out >> tell


async def recorded(flow: Flow, clock: ManualClock, folder: Path) -> None:
    """Record from the middle of a second on: what is said, and what the ticks answer."""
    await flow.start()
    clock.advance(0.6)
    async with recording_in_memory(flow, folder), flow.client("/chat") as alice:
        for said in ("one", "two", "three"):
            await alice.send(said)
            clock.advance(1)
            assert said in str(await alice.receive())


async def test_a_replay_ticks_when_it_ticked(
    timed: Flow, clock: ManualClock, tmp_path: Path
) -> None:
    clockwork(timed)
    await recorded(timed, clock, tmp_path)
    for speed in (None, 50.0):
        report = await timed.replay("lesson", folder=tmp_path, speed=speed)
        assert report.ok, report.diff
        assert report.tally.same == 3
    before = len(timed.log)
    assert [row.kind for row in timed.log].count("fire") == 3
    await timed.replay("lesson", folder=tmp_path)
    assert len(timed.log) == before, "the live timer and the replayed one are two"


def scripted(folder: Path, **told: Any) -> Recording:
    """Five seconds in which alice was told of each, by a timer that was as `told`."""
    nodes = [{"name": "timer", "kind": "Timer", **told}]
    script = Script(folder / "hand.jsonl", flow={"nodes": nodes})
    script.opens("alice")
    for second in range(1, 6):
        event = {"count": second, "time": float(second)}
        cause = script.row(second, "fire", node="timer", port="out", data=event)
        cause = script.row(second, "broadcast", node="connections", cause=cause)
        body = f'{{"tick":{second},"heard":[]}}'
        script.hears("alice", body, second, cause)
    return script.recording()


async def test_recorded_ticks_enter_where_the_timer_is_what_it_was(
    flow: Flow, tmp_path: Path
) -> None:
    clockwork(flow, 1.0)
    report = await flow.replay(scripted(tmp_path, seconds=1.0))
    assert (report.ok, report.tally.same, report.events) == (True, 5, 6)


@pytest.mark.parametrize("told", [{"seconds": 1.0}, {"seconds": "junk"}, {}])
async def test_else_virtual_time_fires_it_and_the_recording_does_not(
    flow: Flow, tmp_path: Path, told: Any
) -> None:
    clockwork(flow, 2.0)
    report = await flow.replay(scripted(tmp_path, **told))
    came = [said for said in report.diff["new"] if isinstance(said, str)]
    assert not report.ok
    assert (report.events, report.tally.same + len(came)) == (1, 2), "at 2 s and at 4 s"


async def test_a_timer_that_is_gone_is_missed(flow: Flow, tmp_path: Path) -> None:
    clockwork(flow)
    flow.remove(flow.nodes["timer"])
    report = await flow.replay(scripted(tmp_path, seconds=1.0))
    assert (report.ok, report.tally.missing) == (False, 5)


async def test_a_sequence_diagram_notes_the_ticks(timed: Flow, clock: ManualClock) -> None:
    counting(timed)
    await timed.start()
    clock.advance(1)
    last = timed.log.sequence().splitlines()[-1].strip()
    assert last == "Note over flow: timer {'count'#58; 1, 'time'#58; 1.0}"


STEPS = st.lists(
    st.one_of(st.sampled_from(["pause", "resume"]), st.integers(0, 40).map(lambda n: n / 8)),
    max_size=30,
)


@settings(deadline=None, max_examples=60)
@given(STEPS, st.sampled_from([0.125, 0.5, 1.0, 2.75]))
def test_it_has_ticked_as_often_as_its_period_fits_into_the_time_it_ran(
    steps: list[str | float], seconds: float
) -> None:
    async def play() -> None:
        clock = ManualClock()
        flow = Flow("stepped", clock=clock)
        kept = counting(flow, seconds)
        await flow.start()
        ran = 0.0
        for step in steps:
            if step == "pause":
                flow.pause()
            elif step == "resume":
                flow.resume()
            elif isinstance(step, float):
                clock.advance(step)
                ran += step * (not flow._host.paused)
            assert len(kept) == ran // seconds
        await flow.stop()

    asyncio.run(play())
