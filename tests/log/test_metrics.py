"""Counting rows over time: a panel row by row, a plot all at once, and both the same."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wsflow.log.metrics
from wsflow import Context, Flow, ManualClock
from wsflow.log.metrics import Metrics, Series, rates


@dataclass
class Told:
    """A row, `at` seconds after the start of time."""

    at: float
    kind: str
    seq: int = 0
    scope: int = 0
    cause: int = 0
    node: str = "chat"
    session: str | None = None
    elapsed: float | None = None
    port: str = "out"
    path: str = "/"
    value: str = ""
    size: int = 0
    error: str | None = None

    @property
    def time(self) -> int:
        return round(self.at * 1e9)


def counted(rows: Iterable[Told], step: float = 1.0, **options: Any) -> Series:
    metrics = Metrics(step, **options)
    metrics.add(rows)
    return metrics.series()


def test_messages_answers_errors_and_drops_are_counted_in_their_steps() -> None:
    kinds = "req message response message response send error drop route mark signal fire close"
    rows = [Told(10 + at * 0.5, kind, session="s1") for at, kind in enumerate(kinds.split())]
    series = counted(rows)
    assert series.times() == [10, 11, 12, 13, 14, 15, 16]
    assert series.received == [1, 1, 0, 0, 0, 0, 0]
    assert series.sent == [0, 1, 2, 0, 0, 0, 0]
    assert series.errors == [0, 0, 0, 1, 0, 0, 0]
    assert series.dropped == [0, 0, 0, 1, 0, 0, 0]


def test_an_http_request_comes_in_too_and_a_connection_does_not() -> None:
    series = counted([Told(0, "req", session=None), Told(0, "req", session="s1")])
    assert series.received == [1]
    assert series.sessions == [1]


def test_sessions_are_counted_from_what_is_said_of_them() -> None:
    rows = [
        Told(0, "req", session="a"),
        Told(1, "message", session="old"),
        Told(2, "req", session="b"),
        Told(2, "close", session="a"),
        Told(3, "drop", session="a"),
        Told(4, "close", session="old"),
    ]
    assert counted(rows).sessions == [2, 2, 2, 2, 1]


def test_a_handler_takes_the_time_it_tells_or_that_since_what_led_to_it() -> None:
    rows = [
        Told(0.0, "message", seq=1),
        Told(0.25, "response", seq=2, cause=1, node="plain"),
        Told(0.5, "response", seq=3, cause=1, node="slow", elapsed=0.125),
        Told(0.9, "response", seq=4, cause=1, node="slow", elapsed=0.5),
        Told(0.9, "route", seq=5, cause=77, node="plain"),
    ]
    series = counted(rows)
    assert series.median == {"plain": [0.25], "slow": [0.125]}


def test_an_event_that_was_held_by_hand_is_no_handlers_time() -> None:
    rows = [
        Told(0, "message", seq=1, node="chat"),
        Told(0.9, "route", seq=2, cause=1, node="chat"),
    ]
    assert counted(rows).median == {}


def test_the_median_and_the_slowest_in_twenty() -> None:
    rows = [
        Told(0, "response", seq=at, cause=1000 + at, node="n", elapsed=at / 100)
        for at in range(100)
    ]
    series = counted([*rows, Told(2, "mark")])
    assert series.median["n"] == [0.5, None, None]
    assert series.slow["n"] == [0.95, None, None]


def test_many_times_in_one_step_take_little_room_and_are_spread_over_it() -> None:
    rows = (
        Told(0, "response", seq=at, cause=100_000 + at, node="n", elapsed=at / 50_000)
        for at in range(50_000)
    )
    metrics = Metrics()
    metrics.add(rows)
    (step,) = metrics._steps
    assert len(step.handlers["n"].values) <= wsflow.log.metrics.SAMPLE
    series = metrics.series()
    assert series.median["n"][0] == pytest.approx(0.5, abs=0.01)
    assert series.slow["n"][0] == pytest.approx(0.95, abs=0.01)


def test_messages_wait_for_their_first_answer() -> None:
    rows = [
        Told(0.0, "message", scope=1),
        Told(0.1, "message", scope=2),
        Told(0.2, "message", scope=3),
        Told(0.3, "response", scope=3),
        Told(2.0, "response", scope=1),
        Told(3.0, "response", scope=2),
        Told(3.0, "response", scope=2),
        Told(4.0, "message", scope=4),
    ]
    assert counted(rows).unanswered == [2, 2, 1, 0, 0]


def test_steps_that_leave_take_nobody_with_them() -> None:
    rows = [
        Told(0, "req", session="a"),
        Told(0, "message", scope=1),
        Told(1, "req", session="b"),
        Told(7, "response", scope=1),
        Told(8, "message", session="b"),
    ]
    series = counted(rows, keep=3)
    assert series.times() == [6, 7, 8]
    assert series.sessions == [2, 2, 2]
    assert series.unanswered == [1, 0, 0]


def test_a_long_silence_costs_no_more_than_what_is_kept() -> None:
    series = counted([Told(0, "req", session="a"), Told(1e9, "message", session="a")], keep=10)
    assert series.times() == [1e9 - 9 + at for at in range(10)]
    assert series.sessions == [1] * 10


def test_time_goes_on_while_nothing_happens() -> None:
    metrics = Metrics()
    assert len(metrics.series(until=5)) == 0
    metrics.add([Told(0, "req", session="a"), Told(1, "message", session="a")])
    series = metrics.series(until=4.5)
    assert series.received == [0, 1, 0, 0, 0]
    assert series.sessions == [1] * 5


def test_a_clock_that_goes_back_counts_into_the_newest_step() -> None:
    assert counted([Told(5, "message"), Told(3, "message")]).received == [2]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsflow.log.metrics, "REMEMBERED", 100)
    metrics = Metrics(keep=1)
    for at in range(5_000):
        metrics.add(
            [
                Told(0, "req", seq=4 * at, session=f"s{at}"),
                Told(0, "message", seq=4 * at + 1, scope=at, session=f"s{at}"),
                Told(0, "route", seq=4 * at + 2, cause=4 * at + 1, node="n", session=f"s{at}"),
                Told(0, "close", seq=4 * at + 3, session=f"s{at}"),
            ]
        )
    for memory in (metrics._told, metrics._asked, metrics._spoken, metrics._gone):
        assert len(memory) <= 101
    assert metrics.series().sessions == [0]


@pytest.mark.parametrize(("step", "keep"), [(0, 1), (-1, 1), (float("nan"), 1), (1, 0)])
def test_metrics_need_steps(step: float, keep: int) -> None:
    with pytest.raises(ValueError, match="steps of some seconds"):
        Metrics(step, keep)


@pytest.mark.parametrize(
    ("span", "step"), [(0, 0.1), (1, 0.1), (60, 0.5), (100, 1.0), (3600, 30.0), (1e7, 83334)]
)
def test_a_plot_takes_a_neat_step(span: float, step: float) -> None:
    series = rates([Told(100, "message"), Told(100 + span, "message")])
    assert series.step == step
    assert len(series) <= wsflow.log.metrics.STEPS + 1
    assert sum(series.received) == 2


def test_nothing_gives_nothing() -> None:
    assert len(rates([])) == 0


@given(
    st.lists(
        st.tuples(
            st.floats(0, 30),
            st.sampled_from(["req", "message", "response", "close", "error", "drop"]),
            st.integers(0, 3),
        ),
        max_size=60,
    ),
    st.integers(1, 8),
)
def test_row_by_row_gives_what_all_at_once_gives_and_nothing_is_lost(
    drawn: list[tuple[float, str, int]], parts: int
) -> None:
    rows = [
        Told(at, kind, seq=seq, scope=who, cause=seq // 2, session=f"s{who}")
        for seq, (at, kind, who) in enumerate(sorted(drawn))
    ]
    metrics = Metrics(1.0)
    for part in range(parts):
        metrics.add(rows[part * len(rows) // parts : (part + 1) * len(rows) // parts])
    series = metrics.series()
    assert series == counted(rows)
    assert sum(series.received) == sum(row.kind == "message" for row in rows)
    assert sum(series.sent) == sum(row.kind == "response" for row in rows)
    assert all(0 <= level <= 4 for level in series.sessions)
    assert all(level >= 0 for level in series.unanswered)
    assert series.unanswered[-1:] in ([], [0])


async def test_a_real_log_is_measured(clock: ManualClock, timed: Flow) -> None:
    chat = timed.websocket("/chat")
    go = anyio.Event()

    @timed.node
    def shout(ev: Any, ctx: Context) -> None:
        clock.advance(0.25)
        ctx.emit("response", {"body": "now"})

    @timed.node
    async def later(ev: Any, ctx: Context) -> None:
        await go.wait()
        ctx.emit("response", {"body": "later"})

    chat.message >> [shout, later]
    alice = await timed.client("/chat")
    await alice.send("x")
    assert await alice.receive() == "now"
    clock.advance(2)
    go.set()
    assert await alice.receive() == "later"
    await alice.close()
    series = rates(list(timed.log), step=1.0)
    assert series.received == [1, 0, 0]
    assert series.sent == [1, 0, 1]
    assert series.sessions == [1, 1, 0]
    assert series.median["shout"] == [0.25, None, None]
    assert series.median["later"][2] is not None
