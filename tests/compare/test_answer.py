"""Answers and pairs: what is told of them before anybody judges."""

from __future__ import annotations

import pytest

from wsflow.compare.answer import EARLIER, EXCUSES, NOBODY, Answer, Pair, Said


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
    assert Answer.of(200, content_type, body) == expected


def test_an_http_answer_reads_as_status_kind_and_body() -> None:
    assert str(Answer(404, "text/plain", "no such page")) == "404 text/plain no such page"


def test_a_pair_stands_where_its_answer_stood_then_or_else_where_it_came_now() -> None:
    old, new = Said(1.0, "a"), Said(2.0, "a")
    assert Pair("s1", "same", old, new).t == 1.0
    assert Pair("s1", "missing", old, None).t == 1.0
    assert Pair("s1", "extra", None, new).t == 2.0


def test_answers_to_no_recorded_event_have_an_excuse() -> None:
    assert EXCUSES == {NOBODY: "caused by no event", EARLIER: "begun before the recording"}
