"""Answers as they come: pairing them at once finds what pairing them in the end does."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from wsflow.compare.answer import NOBODY, Answer, Tally
from wsflow.compare.pairs import compare
from wsflow.compare.rules import NO_RULES, Rules
from wsflow.compare.stream import Stream

bodies = st.lists(st.sampled_from(["a", "b", "c", "ab", b"a", '{"id":1}', '{"id":2}']), max_size=30)


def stream(tally: Tally, rules: Rules = NO_RULES) -> Stream:
    return Stream("s1", rules, tally, lambda: 0.0)


def test_what_is_equal_is_forgotten_as_it_comes() -> None:
    tally = Tally()
    one = stream(tally)
    for n in range(1_000):
        one.hear(f"{n}")
        assert not one.behind
        one.expect(0.0, f"{n}")
    assert (tally.same, len(one.old), len(one.new)) == (1_000, 0, 0)


def test_it_knows_when_it_is_behind_and_tells_when_it_is_not() -> None:
    tally, told = Tally(), list[str]()
    one = stream(tally)
    one.heard = lambda: told.append("there")
    behind = [one.behind]
    one.expect(0.0, "a")
    one.expect(0.0, "by hand", "sent by hand")
    behind.append(one.behind)
    one.hear("x")
    assert told == ["there"]
    behind.append(one.behind)
    one.expect(0.0, "b")
    behind.append(one.behind)
    one.catch_up()
    behind.append(one.behind)
    assert behind == [False, True, False, True, False]
    one.finish(10.0)
    assert (tally.changed, tally.missing) == (1, 1)


def test_pairing_as_they_come_is_pairing_at_the_end() -> None:
    rules = Rules(ignore=("id",), late=0.5)
    tally = Tally()
    one = stream(tally, rules)
    one.expect(0.0, '{"id":1}')
    one.hear('{"id":2}')
    one.hear("b")
    one.expect(-1.0, "b")
    one.expect(0.0, "c")
    one.finish(10.0)
    assert (tally.same, tally.late, tally.missing) == (1, 1, 1)


def test_any_order_waits_for_the_end() -> None:
    tally = Tally()
    one = stream(tally, Rules(any_order=True))
    for body in "ab":
        one.hear(body)
    for body in "ba":
        one.expect(0.0, body)
    one.finish(10.0)
    assert (tally.same, tally.differences) == (2, 0)


@given(bodies, bodies, st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_as_they_come_in_whatever_mixture_is_the_same_as_at_once(
    old: list[Any], new: list[Any], chance: random.Random
) -> None:
    at_once, tally = Tally(), Tally()
    for pair in compare("s1", [Answer(0.0, b) for b in old], [Answer(0.0, b) for b in new]):
        at_once.add(pair)
    one = stream(tally)
    left, right = list(old), list(new)
    while left or right:
        if left and (not right or chance.random() < 0.5):
            one.expect(0.0, left.pop(0))
        else:
            one.hear(right.pop(0))
    one.finish(10.0)
    assert (tally.same, tally.differences) == (at_once.same, at_once.differences)


# ---- by cause


class Told:
    """The rows of a flow that plays: `origin` says which event the answer was for."""

    def __init__(self) -> None:
        self.seq = 0
        self.events: dict[int, int] = {}

    def origin(self, heard: int) -> int:
        return self.events.get(heard + 1, 0)

    def hear(self, stream: Stream, body: str, event: int) -> None:
        stream.hear(body)
        self.seq += 1
        self.events[self.seq] = event


def test_a_stream_asks_which_event_was_answered_before_it_pairs_what_is_not_next() -> None:
    told, tally = Told(), Tally()
    stream = Stream("s1", Rules(), tally, lambda: 1.0, told, told.origin)
    told.hear(stream, "20", 1)
    told.hear(stream, "30", 2)
    stream.expect(1.0, "10", "", 1)
    stream.expect(1.0, "20", "", 2)
    stream.finish(2.0)
    assert (tally.changed, tally.differences) == (2, 2)


def test_answers_to_two_events_of_one_moment_may_change_places() -> None:
    told, tally = Told(), Tally()
    stream = Stream("s1", Rules(), tally, lambda: 1.0, told, told.origin)
    stream.expect(1.0, "a", "", 1)
    stream.expect(1.0, "b", "", 2)
    told.hear(stream, "b", 2)
    told.hear(stream, "a", 1)
    stream.finish(2.0)
    assert (tally.same, tally.differences) == (2, 0)


def test_what_no_event_brought_about_may_come() -> None:
    told, tally = Told(), Tally()
    stream = Stream("s1", Rules(), tally, lambda: 1.0, told, told.origin)
    told.hear(stream, "tick", NOBODY)
    stream.finish(2.0)
    assert tally.differences == 0
