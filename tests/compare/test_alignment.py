"""Pairing the items of two lists: in order with the fewest changes, or wherever they stand."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsflow.compare.alignment import EDITS, Span, aligned, unordered


class Steps:
    """How much work there may be."""

    def __init__(self, steps: int = 10**9) -> None:
        self.steps = steps


def spans(before: str, after: str, steps: int = 10**9) -> list[tuple[str, str, bool]]:
    """Return the spans as letters."""
    found = aligned(list(before), list(after), Steps(steps))
    return [
        ("".join(before[i] for i in left), "".join(after[j] for j in right), equal)
        for left, right, equal in found
        if left or right
    ]


def changes(found: list[Span]) -> int:
    """Return how many items were changed, added or taken away."""
    return sum(max(len(left), len(right)) for left, right, equal in found if not equal)


def check(before: Sequence[str], after: Sequence[str], found: list[Span]) -> None:
    """Both lists are there, in their order, and what is said to be equal is."""
    assert [i for left, _, _ in found for i in left] == list(range(len(before)))
    assert [j for _, right, _ in found for j in right] == list(range(len(after)))
    for left, right, equal in found:
        if equal:
            assert [before[i] for i in left] == [after[j] for j in right]


# ---- in order


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", "", []),
        ("abc", "abc", [("abc", "abc", True)]),
        ("", "ab", [("", "ab", False)]),
        ("ab", "", [("ab", "", False)]),
        ("abc", "axc", [("a", "a", True), ("b", "x", False), ("c", "c", True)]),
        ("abc", "ac", [("a", "a", True), ("b", "", False), ("c", "c", True)]),
        ("ac", "abc", [("a", "a", True), ("", "b", False), ("c", "c", True)]),
        ("abc", "xyz", [("abc", "xyz", False)]),
        ("abcd", "bcde", [("a", "", False), ("bcd", "bcd", True), ("", "e", False)]),
        # of ways with as few changes: rather changed than taken away here and put there
        ("ab", "ba", [("a", "b", False), ("b", "a", False)]),
        ("aba", "bab", [("a", "", False), ("ba", "ba", True), ("", "b", False)]),
        ("aa", "abb", [("a", "a", True), ("", "b", False), ("a", "b", False)]),
    ],
)
def test_spans_are_what_a_person_would_draw(
    before: str, after: str, expected: list[tuple[str, str, bool]]
) -> None:
    assert spans(before, after) == expected


def fewest(before: Sequence[str], after: Sequence[str]) -> int:
    """Return the fewest changes of all ways to pair them, each of which is tried."""

    @cache
    def rest(i: int, j: int) -> int:
        if i == len(before) or j == len(after):
            return len(before) - i + len(after) - j
        changed = (before[i] != after[j]) + rest(i + 1, j + 1)
        return min(changed, 1 + rest(i + 1, j), 1 + rest(i, j + 1))

    return rest(0, 0)


WORDS = ["".join(word) for length in range(5) for word in product("ab", repeat=length)] + [
    "".join(word) for word in product("abc", repeat=3)
]


@pytest.mark.parametrize("before", WORDS)
def test_of_all_ways_there_are_it_finds_one_with_the_fewest_changes(before: str) -> None:
    for after in WORDS:
        found = list(aligned(list(before), list(after), Steps()))
        check(before, after, found)
        assert changes(found) == fewest(before, after), after


items = st.lists(st.sampled_from("abcde"), max_size=40)


@given(items, items)
def test_it_finds_the_fewest_changes_in_longer_ones(before: list[str], after: list[str]) -> None:
    found = list(aligned(before, after, Steps()))
    check(before, after, found)
    assert changes(found) == fewest(before, after)


@pytest.mark.parametrize("steps", range(12))
def test_with_few_steps_it_is_whole_all_the_same(steps: int) -> None:
    for before, after in product(WORDS, WORDS):
        check(before, after, list(aligned(list(before), list(after), Steps(steps))))


def test_without_steps_first_is_paired_with_first() -> None:
    assert spans("abcx", "xbcd", steps=0) == [
        ("a", "x", False),
        ("bc", "bc", True),
        ("x", "d", False),
    ]
    assert spans("xab", "aby", steps=0) == [("xab", "aby", False)]


def test_each_item_that_is_looked_at_is_a_step() -> None:
    work = Steps(1_000)
    list(aligned(list("a" * 50), list("a" * 50), work))
    assert work.steps == 1_000, "what is equal from the start on costs nothing"
    list(aligned([*"xa" * 50], [*"a" * 50], work))
    assert work.steps < 1_000


def test_more_changes_than_are_weighed_at_a_time_are_found_in_parts() -> None:
    chance = random.Random(1)
    before = [f"{n}" for n in range(3_000)]
    kept = [one for one in before if chance.random() < 0.9]
    gone = len(before) - len(kept)
    assert gone > 3 * EDITS
    found = list(aligned(before, kept, Steps()))
    check(before, kept, found)
    assert gone <= changes(found) <= gone + gone // EDITS, "a seam may cost a change"


def test_what_is_other_through_and_through_is_changed_one_by_one() -> None:
    before, after = ([f"{side} {n}" for n in range(3 * EDITS)] for side in ("old", "new"))
    found = list(aligned([*before, "end"], [*after, "end"], Steps()))
    assert changes(found) == 3 * EDITS
    assert [len(left) == len(right) for left, right, _ in found] == [True] * len(found)


def test_it_stops_weighing_when_the_steps_are_used_up() -> None:
    before, after = ([f"{side} {n}" for n in range(3 * EDITS)] for side in ("old", "new"))
    work = Steps(100)
    found = list(aligned([*before, "end"], [*after, "end"], work))
    assert -2 * EDITS < work.steps <= 0
    assert changes(found) == 3 * EDITS


# ---- in any order


@given(items, items)
def test_in_any_order_as_many_are_equal_as_can_be(before: list[str], after: list[str]) -> None:
    (left, right, equal), (missing, extra, differ) = unordered(before, after)
    assert (equal, differ) == (True, False)
    assert [before[i] for i in left] == [after[j] for j in right]
    assert sorted([*left, *missing]) == list(range(len(before)))
    assert sorted([*right, *extra]) == list(range(len(after)))
    assert not {before[i] for i in missing} & {after[j] for j in extra}
    for some in (left, missing, extra):
        assert list(some) == sorted(some)
    for key in set(before):
        there = [j for j in right if after[j] == key]
        assert there == sorted(there), "the first stands for the first"
