"""Alarms ring when they are due, in order, once; a manual clock moves by hand."""

import ast
import math
import time
from pathlib import Path
from typing import Any

import pytest

import wsflow
from wsflow import Clock, ManualClock, WiringError
from wsflow.clock import checked_seconds


def test_the_clock_is_the_machines() -> None:
    clock, before = Clock(), time.monotonic()
    assert before <= clock.now() <= time.monotonic()
    assert abs(clock.time_ns() - time.time_ns()) < 1e9


def test_a_manual_clock_stands_still_until_it_is_moved(clock: ManualClock) -> None:
    assert (clock.now(), clock.time_ns()) == (0.0, 0)
    clock.advance(1.5)
    clock.advance(0.5)
    assert (clock.now(), clock.time_ns()) == (2.0, 2_000_000_000)


def test_an_alarm_rings_when_its_time_has_come_and_once(clock: ManualClock) -> None:
    rung: list[float] = []
    clock.call_later(30, lambda: rung.append(clock.now()))
    clock.advance(29.999)
    assert rung == []
    clock.advance(0.001)
    clock.advance(100)
    assert rung == [30.0]


def test_alarms_ring_in_order_and_see_their_own_time(clock: ManualClock) -> None:
    rung: list[tuple[str, float]] = []
    for name, delay in (("c", 3.0), ("a", 1.0), ("b", 2.0), ("a again", 1.0)):
        clock.call_later(delay, lambda name=name: rung.append((name, clock.now())))  # type: ignore[misc]
    clock.advance(10)
    assert rung == [("a", 1.0), ("a again", 1.0), ("b", 2.0), ("c", 3.0)]
    assert clock.now() == 10


def test_a_cancelled_alarm_does_not_ring(clock: ManualClock) -> None:
    rung: list[str] = []
    alarm = clock.call_later(1, lambda: rung.append("no"))
    alarm.cancel()
    alarm.cancel()
    clock.advance(2)
    assert rung == []


def test_an_alarm_may_cancel_the_next_one(clock: ManualClock) -> None:
    rung: list[str] = []
    clock.call_later(1, lambda: second.cancel())
    second = clock.call_later(1, lambda: rung.append("no"))
    clock.advance(2)
    assert rung == []


def test_an_alarm_may_set_another_one_on_the_same_way(clock: ManualClock) -> None:
    rung: list[float] = []

    def again() -> None:
        rung.append(clock.now())
        clock.call_later(1, again)

    clock.call_later(1, again)
    clock.advance(3.5)
    assert rung == [1.0, 2.0, 3.0]


def test_the_machines_clock_rings_only_when_asked() -> None:
    clock, rung = Clock(), list[str]()
    clock.call_later(0, lambda: rung.append("now"))
    clock.call_later(1_000, lambda: rung.append("later"))
    assert rung == []
    clock.ring()
    clock.ring()
    assert rung == ["now"]


def test_an_alarm_that_never_rang_can_be_cancelled_after_the_clock_passed_it(
    clock: ManualClock,
) -> None:
    alarm = clock.call_later(1, lambda: None)
    clock.advance(2)
    alarm.cancel()


def test_it_says_how_long_nobody_has_to_look_at_it() -> None:
    clock = Clock()
    assert clock.rest(100) == 100
    clock.call_later(6000, lambda: None)
    assert clock.rest(100) == 100
    clock.call_later(50, lambda: None)
    assert 0 < clock.rest(100) <= 50
    clock.call_later(0, lambda: None)
    assert clock.rest(100) == 0


def test_one_that_is_moved_by_hand_is_looked_at_now_and_then(clock: ManualClock) -> None:
    clock.call_later(1e-9, lambda: None)
    assert clock.rest(0.1) == 0.1, "its time does not pass by itself"


@pytest.mark.parametrize("seconds", [0.001, 1, 3600.5])
def test_a_period_is_a_number_of_seconds(seconds: float) -> None:
    assert checked_seconds(seconds, "it takes") == seconds


@pytest.mark.parametrize("seconds", [0, -1, 0.0009, "1", None, True, math.inf, math.nan, [1]])
def test_anything_else_is_none(seconds: Any) -> None:
    with pytest.raises(WiringError, match=r"it takes a number of seconds from 0\.001 on, not"):
        checked_seconds(seconds, "it takes")


def test_what_a_clock_is_stands_in_one_place() -> None:
    """Nodes, triggers and freezes ask a `Clock`; none of them says again what that is."""
    home = Path(wsflow.__file__).parent
    said = {
        path.relative_to(home).as_posix()
        for path in home.rglob("*.py")
        for one in ast.walk(ast.parse(path.read_text()))
        if isinstance(one, ast.FunctionDef) and one.name == "call_later"
    }
    assert said == {"clock.py", "replay/virtual_time.py"}
