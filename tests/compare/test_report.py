"""What is told of a replay: in one look what differs, and nothing a client sent is markup."""

from __future__ import annotations

import re
from pathlib import Path

from wsflow.compare.answer import AFTER, BY_HAND, DROPPED, Answer, HttpAnswer, Pair, Tally
from wsflow.compare.errors import Errors
from wsflow.compare.report import SHOWN, Report
from wsflow.compare.side_by_side import ALONE
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
