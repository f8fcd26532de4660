"""Two answers side by side: what differs, and what of long ones is shown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsflow.compare.answer import HttpAnswer
from wsflow.compare.side_by_side import ALONE, focused, marked, pieces, readable


def differing(old: str, new: str) -> tuple[list[str], list[str]]:
    sides = pieces(old, new)
    return (
        [one.text for one in sides[0] if one.differs],
        [one.text for one in sides[1] if one.differs],
    )


@pytest.mark.parametrize(
    ("old", "new", "gone", "came"),
    [
        ("One more", "ONE more", ["One"], ["ONE"]),
        ("alice left", "alicia left", ["alice"], ["alicia"]),
        ("it costs 10.50 euro", "it costs 10.75 euro", ["10.50"], ["10.75"]),
        ("at 12:30:05", "at 12:31:05", ["12:30:05"], ["12:31:05"]),
        ("hello", "hello world", [], [" world"]),
        ("a b c d", "a X c Y", ["b", "d"], ["X", "Y"]),
        ('{"n": 10, "s": "a b"}', '{"n": 12, "s": "a c"}', ["10", '"a b"'], ["12", '"a c"']),
        ('[1.5, "x"]', '[1.75, "x"]', ["1.5"], ["1.75"]),
        ('{"s": "a \\" b", "t": 1}', '{"s": "a \\" c", "t": 1}', ['"a \\" b"'], ['"a \\" c"']),
        ('200 text/a {"n": "a b"}', '404 text/a {"n": "a c"}', ["200", '"a b"'], ["404", '"a c"']),
    ],
)
def test_whole_words_and_whole_values_are_marked(
    old: str, new: str, gone: list[str], came: list[str]
) -> None:
    assert differing(old, new) == (gone, came)


def test_in_a_long_text_of_json_words_are_marked() -> None:
    words = "word " * 30
    assert differing(f'{{"s": "{words}end"}}', f'{{"s": "{words}END"}}') == (["end"], ["END"])


@pytest.mark.parametrize("size", [300, 3_000, 300_000])
def test_of_long_texts_what_is_around_the_difference_is_shown(size: int) -> None:
    old, new = marked("x " * size + "old" + " y" * size, "x " * size + "new" + " y" * size)
    assert re.fullmatch(r"…(x ){20,}<del [^>]*>old</del>( y){20,}…", old)
    assert re.fullmatch(r"…(x ){20,}<ins [^>]*>new</ins>( y){20,}…", new)


def test_a_word_without_end_is_not_shown_whole() -> None:
    old, new = marked("a" * 5_000 + "x" + "b" * 5_000, "a" * 5_000 + "y" + "b" * 5_000)
    assert len(old) < 600
    assert "x" in text(old)
    assert "y" in text(new)


def test_much_that_differs_is_cut() -> None:
    old, new = marked("a " * 5_000, "b " * 5_000)
    assert len(text(old)) < ALONE + 50
    assert text(new).rstrip().endswith("…")


@given(st.text(max_size=80), st.text(max_size=80))
def test_the_pieces_of_a_side_are_its_text(old: str, new: str) -> None:
    before, after = pieces(old, new)
    assert "".join(one.text for one in before) == old or "…" in before[0].text
    assert "".join(one.text for one in after) == new or "…" in after[0].text
    assert [one.text for one in before if not one.differs] == [
        one.text for one in after if not one.differs
    ]


def test_a_line_in_a_terminal_begins_shortly_before_the_difference() -> None:
    assert focused("short", "shore") == ("short", "shore")
    assert focused("x" * 100, "short") == ("x" * 100, "short")
    old, new = focused("x" * 100 + "old", "x" * 100 + "new")
    assert (old, new) == ("…" + "x" * 20 + "old", "…" + "x" * 20 + "new")


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("plain", "plain"),
        ('{"a":[1,"é"]}', '{"a": [1, "é"]}'),
        ("{no json", "{no json"),
        (b"\x00a", "b'\\x00a'"),
        (5, "5"),
        ("two\nlines", "two\\nlines"),
        (HttpAnswer(404, "text/plain", "no"), "404 text/plain no"),
        (HttpAnswer(200, "application/json", '{"a":1}'), '200 application/json {"a": 1}'),
    ],
)
def test_an_answer_is_shown_for_reading_on_one_line(body: object, shown: str) -> None:
    assert readable(body) == shown


def test_a_long_answer_is_cut() -> None:
    assert readable("x" * 100, 10) == "x" * 9 + "…"


def text(page: str) -> str:
    return re.sub("<[^>]*>", "", page)
