"""What is told of a replay: in one look what differs, and nothing a client sent is markup."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsflow.compare.answer import AFTER, BY_HAND, DROPPED, Answer, HttpAnswer, Pair, Tally
from wsflow.compare.errors import Errors
from wsflow.compare.report import SHOWN, Report
from wsflow.compare.side_by_side import ALONE, focused, marked, pieces, readable
from wsflow.io.reader import Damage
from wsflow.log.log import Log
from wsflow.log.store import Store


def changed(old: str = "old", new: str = "new", t: float = 1.0) -> Pair:
    return Pair("s1", "changed", Answer(t, old), Answer(t, new))


def report(*pairs: Pair, same: int = 0) -> Report:
    tally = Tally(same=same)
    for pair in pairs:
        tally.add(pair)
    return Report("lesson", events=3, seconds=0.5, tally=tally)


def text(page: str) -> str:
    return re.sub("<[^>]*>", "", page)


# ---- in one line


def test_all_the_same_is_ok_and_true() -> None:
    fine = report(same=2)
    assert fine.ok
    assert bool(fine)
    assert repr(fine) == "<Replay ok lesson: 2 same (3 events in 0.50 s)>"


def test_one_difference_is_not_ok_and_names_it() -> None:
    bad = report(changed(), same=2)
    assert not bad.ok
    assert not bool(bad)
    assert repr(bad).splitlines() == [
        "<Replay DIFFERENT lesson: 2 same, 1 changed (3 events in 0.50 s)>",
        "  s1         changed  old -> new",
    ]


def test_nothing_to_compare_is_said_to_be_so() -> None:
    assert report().summary == "lesson: no answers to compare (3 events in 0.50 s)"


def test_kinds_of_differences_are_counted_apart() -> None:
    missing, extra = (
        Pair("s", "missing", Answer(0, "a"), None),
        Pair("s", "extra", None, Answer(0, "b")),
    )
    late = Pair("s", "late", Answer(0, "c"), Answer(9, "c"))
    bad = report(changed(), missing, missing, extra, late)
    assert bad.summary.startswith("lesson: 1 changed, 2 missing, 1 extra, 1 late (")


def test_of_many_differences_ten_are_printed_and_all_are_in_the_frame() -> None:
    bad = report(*(changed(t=float(at)) for at in range(SHOWN + 7)))
    lines = repr(bad).splitlines()
    assert len(lines) == 12
    assert lines[-1] == f"  and {SHOWN + 7 - 10} more; report.diff has them"
    assert bad.notes == ["and 7 more; report.diff has them"]
    assert list(bad.diff["t"]) == list(range(SHOWN + 7))
    assert bad._repr_html_().count("<tr>") == SHOWN + 1


def test_the_frame_has_old_and_new_as_they_are() -> None:
    pairs = [changed(), Pair("s2", "missing", Answer(2.0, b"\x00"), None)]
    pairs.append(
        Pair(
            "POST /",
            "changed",
            Answer(3, HttpAnswer(200, "a/b", "x")),
            Answer(3, HttpAnswer(404, "", "y")),
        )
    )
    frame = report(*pairs).diff
    assert list(frame.columns) == ["session", "status", "t", "old", "new"]
    assert frame.values.tolist() == [
        ["s1", "changed", 1.0, "old", "new"],
        ["s2", "missing", 2.0, b"\x00", None],
        ["POST /", "changed", 3.0, "200 a/b x", "404  y"],
    ]


# ---- notes


def test_what_was_not_compared_is_told_unless_nobody_needs_to_hear_it() -> None:
    told = report(same=1)
    told.tally.excused.update({BY_HAND: 2, "for a reason": 3, AFTER: 4, DROPPED: 5})
    told.by_hand = 2
    assert told.notes == [
        "not compared: 2 answers sent by hand",
        "not compared: 3 answers for a reason",
    ]


def test_damage_comes_with_the_remedy() -> None:
    told = report(same=1)
    told.damage = [f"lesson.jsonl, line {number}: torn" for number in range(9)]
    assert len(told.notes) == 6
    assert told.notes[0] == "damaged: lesson.jsonl, line 0: torn"
    assert told.notes[-1].startswith("9 lines could not be read")
    assert "Recording.open('lesson').repair()" in told.notes[-1]


def test_new_errors_are_counted_and_the_first_are_told() -> None:
    told = report(same=1)
    told.errors = [f"node: error {number}" for number in range(9)]
    assert "1 same; 9 errors (" in told.summary
    assert [note for note in told.notes if note.startswith("error: ")] == [
        f"error: node: error {number}" for number in range(5)
    ]


def test_rounds_add_up() -> None:
    whole, store = Report("lesson"), Store()
    for _ in range(2):
        tally = Tally(same=3)
        tally.excused[BY_HAND] = 1
        whole.add(4, tally, Errors(Log(store)), [Damage(Path("x"), 3, "torn")])
    assert (whole.events, whole.tally.same, whole.by_hand) == (8, 6, 2)
    assert whole.damage == ["x, line 3: torn"]
    assert whole.log is not None


# ---- errors then and now


def raise_(store: Store, error: str, node: str = "shout", kind: str = "error") -> None:
    store.tell(store.place(kind, node, "in"), 0, 0, 0, None, 0, None, error)


def test_an_error_that_was_recorded_is_not_new_wherever_its_line_is_now() -> None:
    store = Store()
    errors = Errors(Log(store))
    errors.expect("shout", "ValueError: x (chat.py:10)")
    raise_(store, "ValueError: x (chat.py:12)")
    raise_(store, "ValueError: y (chat.py:12)")
    raise_(store, "ValueError: x (chat.py:12)", node="other")
    raise_(store, "the session has ended", kind="drop")
    errors.look()
    errors.look()
    assert errors.raised == 3
    assert errors.new == ["shout: ValueError: y (chat.py:12)", "other: ValueError: x (chat.py:12)"]


def test_an_error_that_comes_more_often_than_recorded_says_how_much_more() -> None:
    store = Store()
    errors = Errors(Log(store))
    errors.expect("shout", "E: x")
    for _ in range(4):
        raise_(store, "E: x")
    errors.look()
    assert errors.new == ["shout: E: x (3 times)"]


def test_what_the_log_of_a_long_replay_has_forgotten_still_counts() -> None:
    store = Store(max_rows=64)
    errors = Errors(Log(store))
    for number in range(1_000):
        raise_(store, "E: x")
        store.tell(store.place("mark", "", ""), 0, 0, 0, None, 0)
        if number == 500:
            errors.look()
    errors.look()
    assert store.dropped > 1_900
    assert errors.raised == 1_000
    assert errors.new == ["shout: E: x (1000 times)"]


# ---- the page


def test_the_page_says_in_one_word_whether_it_is_the_same() -> None:
    assert ">the same<" in report(same=1)._repr_html_()
    assert ">different<" in report(changed())._repr_html_()
    assert "<table>" not in report(same=1)._repr_html_()


def test_the_page_has_then_and_now_side_by_side_and_when() -> None:
    page = report(changed("one two", "one three", t=12.5))._repr_html_()
    assert "12.500 s" in page
    assert re.search(r"one <del [^>]*>two</del>.*one <ins [^>]*>three</ins>", page)


def test_what_is_missing_or_extra_stands_on_its_side_alone_and_is_cut() -> None:
    pair = Pair("s1", "extra", None, Answer(1.0, "x" * 10_000))
    page = report(pair)._repr_html_()
    assert "<code></code>" in page
    assert len(page) < ALONE + 1_500
    assert "…" in page


def test_nothing_a_client_sent_is_markup_or_control_code() -> None:
    evil = "<img src=x onerror=alert(1)>\x1b[31m\u202e"
    pairs = [changed(evil, evil + "!"), Pair(evil, "missing", Answer(0, evil), None)]
    told = report(*pairs)
    told.errors, told.damage, told.recording = [evil], [evil], evil
    page = told._repr_html_()
    assert "<img" not in page
    assert "\x1b" not in page + repr(told)
    assert "\u202e" not in page + repr(told)
    assert "&lt;img" in page


# ---- what differs


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


# ---- one answer


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
