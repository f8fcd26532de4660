"""Answers and pairs: what is told of them before anybody judges, and how they are counted."""

from __future__ import annotations

from collections import Counter
from typing import get_args

import pytest

from wsflow.compare.answer import EARLIER, EXCUSES, NOBODY, Answer, HttpAnswer, Pair, Status, Tally


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("Text/HTML; charset=utf-8", "né".encode(), (200, "text/html", "né")),
        ("image/png", b"\x89PNG", (200, "image/png", b"\x89PNG")),
        (None, b"", (200, "", "")),
    ],
)
def test_an_http_answer_has_its_kind_without_parameters_and_text_where_it_is_text(
    content_type: str | None, body: bytes, expected: tuple[int, str, str | bytes]
) -> None:
    assert HttpAnswer.of(200, content_type, body) == expected


def test_an_http_answer_reads_as_status_kind_and_body() -> None:
    assert str(HttpAnswer(404, "text/plain", "no such page")) == "404 text/plain no such page"


def test_a_pair_stands_where_its_answer_stood_then_or_else_where_it_came_now() -> None:
    old, new = Answer(1.0, "a"), Answer(2.0, "a")
    assert Pair("s1", "same", old, new).t == 1.0
    assert Pair("s1", "missing", old, None).t == 1.0
    assert Pair("s1", "extra", None, new).t == 2.0


def test_answers_to_no_recorded_event_have_an_excuse() -> None:
    assert EXCUSES == {NOBODY: "caused by no event", EARLIER: "begun before the recording"}


def pair(t: float, status: Status) -> Pair:
    """Return a pair of its kind; an extra one has no answer then."""
    said = Answer(t, "a")
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
