"""Counting pairs: how many of each kind, and which of them are kept."""

from __future__ import annotations

from collections import Counter
from typing import get_args

from wsflow.compare.answer import Pair, Said, Status
from wsflow.compare.tally import Tally


def pair(t: float, status: Status) -> Pair:
    """Return a pair of its kind; an extra one has no answer then."""
    said = Said(t, "a")
    return Pair("s1", status, None if status == "extra" else said, said)


def tallied(*pairs: Pair, kept: int = 3) -> Tally:
    tally = Tally(kept=kept)
    for one in pairs:
        tally.add(one)
    return tally


def test_every_kind_of_pair_is_counted_and_all_but_the_same_are_kept() -> None:
    pairs = [pair(float(t), status) for t, status in enumerate(get_args(Status))]
    tally = tallied(*pairs, kept=10)
    assert [getattr(tally, status) for status in get_args(Status)] == [1] * len(pairs)
    assert tally.differing == [one for one in pairs if one.status != "same"]
    assert tally.differences == len(pairs) - 1


def test_what_is_not_kept_is_counted_all_the_same() -> None:
    tally = tallied(*[pair(float(t), "missing") for t in range(5)])
    assert (tally.missing, [one.t for one in tally.differing]) == (5, [0.0, 1.0, 2.0])


def test_rounds_add_up_in_the_order_of_time() -> None:
    whole = Tally(kept=3)
    whole.merge(tallied(pair(0.0, "same"), pair(1.0, "changed")))
    whole.merge(tallied(pair(0.0, "extra"), pair(1.0, "same"), pair(2.0, "missing")))
    whole.merge(tallied(pair(1.5, "late")))
    assert (whole.same, whole.changed, whole.missing, whole.extra, whole.late) == (2, 1, 1, 1, 1)
    assert [one.status for one in whole.differing] == ["extra", "changed", "late"]


def test_rounds_add_up_what_is_excused() -> None:
    whole = Tally()
    for _ in range(2):
        whole.merge(Tally(excused=Counter({"sent by hand": 1})))
    assert whole.excused == {"sent by hand": 2}
