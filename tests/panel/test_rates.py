"""What a flow did, second by second: what is counted, once, at next to no cost."""

from __future__ import annotations

import time

import pytest

from tests.panel.rows import SECOND, Clock, Told
from wsflow import Flow
from wsflow.clock import ManualClock
from wsflow.panel.rates import KEPT_SECONDS, Rates


@pytest.fixture
def told() -> Told:
    return Told()


def test_each_second_has_its_messages_answers_and_errors(told: Told) -> None:
    for second in range(3):
        for _ in range(second + 1):
            told.tell("response", "shout", told.tell("message"))
        told.tell("error", "shout")
        told.move(1)
    assert [values[:3] for values in told.values().values()] == [(1, 1, 1), (2, 2, 1), (3, 3, 1)]


def test_a_second_is_told_once_it_has_passed(told: Told) -> None:
    told.tell("message")
    assert told.values() == {}
    told.tell("message")
    told.move(1)
    assert told.values()[0][0] == 2


def test_http_requests_count_and_handshakes_do_not(told: Told) -> None:
    told.tell("req", "push", session=0)
    told.tell("req", "chat", session=1)
    told.move(1)
    assert told.values()[0][0] == 1


def test_broadcasts_count_as_what_they_send(told: Told) -> None:
    cause = told.tell("broadcast", "manager", session=0)
    for _ in range(5):
        told.tell("send", "manager", cause)
    told.move(1)
    assert told.values()[0][1] == 5


def test_seconds_without_anything_are_there_too(told: Told) -> None:
    told.tell("message")
    told.move(5)
    told.tell("message")
    told.move(1)
    assert [values[0] for values in told.values().values()] == [1, 0, 0, 0, 0, 1]


def test_a_plain_handler_took_from_what_led_to_it_to_the_first_it_said(told: Told) -> None:
    for took in (0.01, 0.02, 0.03):
        cause = told.tell("message")
        told.move(took)
        told.tell("response", "shout", cause)
        told.move(0.1)
        told.tell("response", "shout", cause)  # not the first
    told.move(1)
    median, slow = told.values()[0][3:5]
    assert (median, slow) == (0.02, 0.02)


def test_an_async_handler_knows_how_long_it_took(told: Told) -> None:
    told.tell("response", "slow", told.tell("message"), elapsed=0.4)
    told.move(1)
    assert told.values()[0][3:5] == (0.4, 0.4)


def test_an_event_held_by_hand_is_nobodys_slowness(told: Told) -> None:
    cause = told.tell("message")
    told.move(0.9)
    told.tell("route", "chat", cause)
    told.move(1)
    assert told.values()[0][3] is None


def test_all_blocks_count_also_those_that_were_there_before_anybody_looked(told: Told) -> None:
    for _ in range(5):
        for _ in range(2_000):
            told.tell("response", "shout", told.tell("message"))
        told.move(1)
    assert [values[:2] for values in told.values().values()] == [(2_000, 2_000)] * 5


def test_rows_are_counted_once_however_often_somebody_looks(told: Told) -> None:
    for _ in range(30):
        told.tell("message")
        told.rates.look()
        told.move(0.1)
    assert [values[0] for values in told.values().values()] == [10, 10, 10]


def test_it_remembers_ten_minutes(told: Told) -> None:
    for _ in range(KEPT_SECONDS + 50):
        told.tell("message")
        told.move(1)
        told.rates.look()
    assert len(told.values()) == KEPT_SECONDS - 1
    told.move(10 * KEPT_SECONDS)
    assert told.values() == {}


def test_a_clock_that_is_set_back_harms_nothing(told: Told) -> None:
    told.tell("message")
    told.move(1)
    told.values()
    told.move(-3600)
    told.tell("message")
    assert len(told.values()) == 1
    told.move(3602)
    assert told.values()[0][0] == 1


def test_rows_that_were_dropped_before_anybody_looked_are_gone() -> None:
    told = Told(max_rows=2_000)
    for _ in range(10_000):
        told.tell("response", "shout", told.tell("message"))
    told.move(1)
    assert 0 < told.values()[0][0] < 10_000


def test_ten_thousand_messages_a_second_cost_next_to_nothing(told: Told) -> None:
    spent = []
    for _ in range(5):
        for _ in range(10_000):
            cause = told.tell("message")
            told.tell("response", "shout", told.tell("route", "think", cause))
        told.move(1)
        began = time.thread_time()
        told.rates.look()
        spent.append(time.thread_time() - began)
    assert min(spent) < 0.03  # of a second; about 0.008 where this was written


async def test_sessions_and_what_waits_are_looked_at_each_second() -> None:
    flow = Flow("chat", clock=ManualClock())
    flow.websocket("/chat")
    clock = Clock()
    flow._host.store._clock = clock
    rates = Rates(flow)
    async with flow.client("/chat"), flow.client("/chat"):
        rates.look()
        next(iter(flow.sessions)).backlog = 500
        clock.now += SECOND
        rates.look()
        clock.now += SECOND
        rates.look()
        (_, first), (_, second) = rates.since(0)[-2:]
        assert (first[5:], second[5:]) == ((0, 2), (500, 2))
    await flow.stop()
