"""Pairing answers then and now: what a person would call changed, missing and extra."""

from __future__ import annotations

import random
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsflow.compare.answer import AFTER, Answer, Pair, Tally
from wsflow.compare.pairs import compare
from wsflow.compare.rules import NO_RULES, Rules


def said(*bodies: Any, excuse: str = "") -> list[Answer]:
    return [Answer(float(t), body, excuse) for t, body in enumerate(bodies)]


def pairs(
    old: list[Answer], new: list[Answer], rules: Rules = NO_RULES
) -> list[tuple[str, Any, Any]]:
    """Return status and bodies of the pairs."""
    return [
        (pair.status, pair.old and pair.old.body, pair.new and pair.new.body)
        for pair in compare("s1", old, new, rules)
    ]


def differing(old: str, new: str, rules: Rules = NO_RULES) -> list[tuple[str, Any, Any]]:
    """Compare answers of one letter each; return what is not the same."""
    return [one for one in pairs(said(*old), said(*new), rules) if one[0] != "same"]


def tallied(old: list[Answer], new: list[Answer], rules: Rules = NO_RULES) -> Tally:
    tally = Tally()
    for pair in compare("s1", old, new, rules, tally):
        tally.add(pair)
    return tally


# ---- in order


def test_what_is_equal_is_the_same() -> None:
    assert pairs(said("a", b"b"), said("a", b"b")) == [("same", "a", "a"), ("same", b"b", b"b")]
    assert pairs([], []) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("abc", "axc", [("changed", "b", "x")]),
        ("abc", "ac", [("missing", "b", None)]),
        ("ac", "abc", [("extra", None, "b")]),
        ("aaaa", "abaa", [("changed", "a", "b")]),
        ("aaaa", "aaa", [("missing", "a", None)]),
        ("", "ab", [("extra", None, "a"), ("extra", None, "b")]),
        ("ab", "", [("missing", "a", None), ("missing", "b", None)]),
        ("abcd", "wxyz", [("changed", o, n) for o, n in zip("abcd", "wxyz", strict=True)]),
        ("abcdef", "xbcdey", [("changed", "a", "x"), ("changed", "f", "y")]),
        ("abcdefgh", "bcdefghi", [("missing", "a", None), ("extra", None, "i")]),
        ("ababab", "bababa", [("missing", "a", None), ("extra", None, "a")]),
    ],
)
def test_differences_are_few_and_where_a_person_sees_them(
    old: str, new: str, expected: list[tuple[str, Any, Any]]
) -> None:
    assert differing(old, new) == expected


def test_text_and_bytes_are_not_the_same() -> None:
    assert pairs(said("a"), said(b"a")) == [("changed", "a", b"a")]
    assert pairs(said("1"), said(1)) == [("changed", "1", 1)]


def test_an_edit_in_the_middle_of_much_that_is_equal_stays_one_edit() -> None:
    old = [f"line {n}" for n in range(1_000)]
    new = [*old[:500], "new", *old[500:]]
    assert tallied(said(*old), said(*new)) == Tally(
        same=1_000,
        extra=1,
        steps=tallied(said(*old), said(*new)).steps,
        differing=[Pair("s1", "extra", None, Answer(500.0, "new"))],
    )


def test_pairs_come_in_the_order_of_time_and_name_their_session() -> None:
    found = list(compare("s7", said(*"abcd"), said(*"abxd")))
    assert [pair.old and pair.old.t for pair in found] == [0, 1, 2, 3]
    assert {pair.session for pair in found} == {"s7"}


# ---- with rules


def test_late_is_who_comes_later_than_allowed() -> None:
    old, new = [Answer(1.0, "a"), Answer(2.0, "b")], [Answer(1.4, "a"), Answer(3.0, "b")]
    assert [one[0] for one in pairs(old, new)] == ["same", "same"]
    assert [one[0] for one in pairs(old, new, Rules(late=0.5))] == ["same", "late"]
    assert [one[0] for one in pairs(new, old, Rules(late=0.5))] == ["same", "same"]


def test_what_does_not_matter_is_no_change_and_is_shown_as_it_was() -> None:
    old, new = said('{"id":1}', "b"), said('{"id":2}', "x")
    assert pairs(old, new, Rules(ignore=("id",))) == [
        ("same", '{"id":1}', '{"id":2}'),
        ("changed", "b", "x"),
    ]


def test_any_order_pairs_what_is_equal_wherever_it_came() -> None:
    rules = Rules(any_order=True)
    assert differing("abc", "cab", rules) == []
    assert differing("aab", "abb", rules) == [("changed", "a", "b")]
    assert differing("ab", "a", rules) == [("missing", "b", None)]
    assert differing("a", "ba", rules) == [("extra", None, "b")]


# ---- what is nobody's fault


def test_what_is_excused_may_come_or_not() -> None:
    old = [*said("a"), *said("by hand", excuse="sent by hand"), *said("c")]
    assert [one[0] for one in pairs(old, said("a", "c"))] == ["same", "same"]
    assert [one[0] for one in pairs(old, said("a", "by hand", "c"))] == ["same"] * 3
    tally = tallied(old, said("a", "c"))
    assert tally.excused == Counter({"sent by hand": 1})


def test_what_is_excused_never_stands_for_what_is_owed() -> None:
    old = [*said("by hand", excuse="sent by hand"), *said("a")]
    assert pairs(old, said("x")) == [("changed", "a", "x")]


def test_what_came_after_the_end_counts_only_where_something_is_owed() -> None:
    late = said("b", excuse=AFTER)
    assert pairs(said("a"), [*said("a"), *late]) == [("same", "a", "a")]
    assert pairs(said("a", "b"), [*said("a"), *late])[1][0] == "same"
    assert pairs(said("a"), late) == [("changed", "a", "b")]


bodies = st.lists(st.sampled_from(["a", "b", "c", "ab", b"a", '{"id":1}', '{"id":2}']), max_size=30)


@given(bodies)
def test_anything_compared_with_itself_is_the_same(one: list[Any]) -> None:
    for rules in (NO_RULES, Rules(any_order=True), Rules(ignore=("id",), late=0.0)):
        tally = tallied(said(*one), said(*one), rules)
        assert (tally.same, tally.differences) == (len(one), 0)


@given(bodies, bodies, st.booleans())
def test_every_answer_is_in_exactly_one_pair(
    old: list[Any], new: list[Any], any_order: bool
) -> None:
    rules = Rules(any_order=any_order)
    found = list(compare("s1", said(*old), said(*new), rules))
    assert sorted(pair.old.t for pair in found if pair.old) == list(range(len(old)))
    assert sorted(pair.new.t for pair in found if pair.new) == list(range(len(new)))
    tally = tallied(said(*old), said(*new), rules)
    assert tally.same + tally.changed + tally.missing == len(old)
    assert tally.same + tally.changed + tally.extra == len(new)
    for pair in found:
        equal = pair.old is not None and pair.new is not None and pair.old.body == pair.new.body
        assert (pair.status == "same") == equal


def distance(old: list[Any], new: list[Any]) -> int:
    """Return how many changes lead from one to the other (Wagner and Fischer, 1974)."""
    row = list(range(len(new) + 1))
    for i, a in enumerate(old, 1):
        above, row = row, [i]
        for j, b in enumerate(new, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b)))
    return row[-1]


@given(bodies, bodies)
def test_it_finds_the_fewest_changes(old: list[Any], new: list[Any]) -> None:
    assert tallied(said(*old), said(*new)).differences == distance(old, new)


# ---- how much of it


MANY = 100_000


@pytest.mark.parametrize("any_order", [False, True])
def test_a_hundred_thousand_equal_answers_are_quick(any_order: bool) -> None:
    began = time.process_time()
    tally = tallied(said(*["ok"] * MANY), said(*["ok"] * MANY), Rules(any_order=any_order))
    assert tally.same == MANY
    assert time.process_time() - began < 5


@pytest.mark.parametrize("letters", [2, 26, 10**6])
def test_wildly_different_ones_are_bounded(letters: int) -> None:
    chance = random.Random(letters)
    old, new = ([str(chance.randrange(letters)) for _ in range(MANY)] for _ in range(2))
    began = time.process_time()
    tally = tallied(said(*old), said(*new))
    assert time.process_time() - began < 20
    assert tally.same + tally.changed + tally.missing == MANY
    assert len(tally.differing) <= tally.kept


def test_the_work_is_bounded_over_all_sessions() -> None:
    chance = random.Random(1)
    tally = Tally()
    began = time.process_time()
    for _ in range(1_000):
        old, new = (said(*chance.choices("ab", k=200)) for _ in range(2))
        for pair in compare("s", old, new, NO_RULES, tally):
            tally.add(pair)
    assert time.process_time() - began < 20
    assert tally.steps < 10_000


# ---- by cause


def answers(*given: tuple[str, int]) -> list[Answer]:
    """Return answers to events: what was said, and to which."""
    return [Answer(float(at), body, "", event) for at, (body, event) in enumerate(given)]


def statuses(old: list[Answer], new: list[Answer]) -> list[tuple[str, str | None, str | None]]:
    return [
        (pair.status, pair.old and pair.old.body, pair.new and pair.new.body)
        for pair in compare("s1", old, new)
    ]


def test_answers_to_two_events_are_two_changes_though_one_is_like_the_other_was() -> None:
    old = answers(("10", 1), ("20", 2), ("30", 3))
    new = answers(("20", 1), ("30", 2), ("40", 3))
    assert statuses(old, new) == [
        ("changed", "10", "20"),
        ("changed", "20", "30"),
        ("changed", "30", "40"),
    ]


def test_answers_to_one_event_belong_together_in_their_order() -> None:
    old = answers(("a", 1), ("b", 1), ("c", 2))
    new = answers(("b", 1), ("C", 2), ("d", 2))
    assert statuses(old, new) == [
        ("missing", "a", None),
        ("same", "b", "b"),
        ("changed", "c", "C"),
        ("extra", None, "d"),
    ]


def test_an_answer_that_another_event_brought_about_is_the_same_where_nothing_else_fits() -> None:
    old, new = answers(("a", 1), ("b", 2)), answers(("A", 1), ("b", 3))
    assert statuses(old, new) == [("changed", "a", "A"), ("same", "b", "b")]


def test_answers_to_different_events_never_stand_for_each_other() -> None:
    assert statuses(answers(("a", 1)), answers(("b", 2))) == [
        ("missing", "a", None),
        ("extra", None, "b"),
    ]


def test_answers_to_two_events_that_change_places_for_good_are_told() -> None:
    old, new = answers(("a", 1), ("b", 2), ("c", 3)), answers(("A", 1), ("c", 3), ("b", 2))
    told = statuses(old, new)
    assert ("changed", "a", "A") in told
    assert [one[0] for one in told].count("same") == 1


def test_where_an_event_is_not_known_order_decides() -> None:
    old, new = answers(("10", 1), ("20", 2), ("30", 3)), answers(("20", 0), ("30", 2), ("40", 3))
    assert [one[0] for one in statuses(old, new)] == ["missing", "same", "same", "extra"]
