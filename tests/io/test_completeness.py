"""What is not there of a recording is said: a part, its end, rows (promise P29)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.recorded.by_hand import STORY, header, made, opened, row
from wsflow import Recording, recordings
from wsflow.io import format as lines
from wsflow.io.completeness import BROKE_OFF, MAX_WORDS, end_mark, in_a_line
from wsflow.io.folder import part
from wsflow.io.format import write_object
from wsflow.io.recorder import Recorder
from wsflow.log.store import Store


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """A recording of more than ten parts."""
    store = Store()
    recorder = Recorder("long", store, dict, folder=tmp_path, part_bytes=1_000)
    place = store.place("mark", "", "recording")
    for number in range(120):
        store.tell(place, 0, 0, 0, f"{number:03}", 3)
    assert len(Recording.open(recorder.path).parts()) > 10
    return recorder.stop()


def shown(recording: Recording) -> list[str]:
    """Return all the ways in which a recording shows itself."""
    table = recordings(recording.path.parent)
    problem = table[table.recording == recording.name].problem.item()
    return [
        repr(recording),
        recording.info().incomplete,
        recording._repr_html_(),
        str(problem),
    ]


def test_a_recording_that_was_stopped_is_whole(long: Path) -> None:
    recording = Recording.open(long)
    assert recording.lacks == recording.info().lacks == []
    assert not any("incomplete" in one for one in shown(recording))


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ([5], "part 5 is missing, 6 to {last} are here"),
        ([2, 3, 4], "parts 2 to 4 are missing, 5 to {last} are here"),
        ([3, 5], "part 3 is missing, 4 is here; part 5 is missing, 6 to {last} are here"),
    ],
)
def test_a_part_that_is_missing_is_said_and_the_rest_is_read(
    long: Path, gone: list[int], said: str
) -> None:
    """Found A16: one part of many was removed."""
    whole = Recording.open(long)
    last, rows = len(whole.parts()), len(whole)
    lost = 0
    for number in gone:
        lost += len(Recording.open(part(long, number)))
        part(long, number).unlink()
    recording = Recording.open(long)
    expected = f"incomplete: {said.format(last=last)}"
    assert in_a_line(recording.lacks) == expected
    assert len(recording) == rows - lost
    assert all(expected.partition(": ")[2] in one for one in shown(recording))


def test_a_last_part_that_is_missing_is_said(long: Path) -> None:
    """Found A16: nothing comes after it, so it is the end mark that is missing."""
    Recording.open(long).parts()[-1].unlink()
    assert Recording.open(long).lacks == [BROKE_OFF]


def test_a_first_part_that_is_missing_is_said(long: Path) -> None:
    """Found A16: a part can be read alone, and says that it is one."""
    long.unlink()
    recording = Recording.open(part(long, 3))
    assert recording.lacks == ["it is part 3 alone"]


def test_a_recording_that_broke_off_is_said(tmp_path: Path) -> None:
    """Found A20: a crash, a full disk."""
    recording = made(tmp_path / "off.jsonl", header(ends=True), *STORY[1:])
    assert recording.lacks == [BROKE_OFF]
    assert all(BROKE_OFF in one for one in shown(recording))


def test_a_recording_in_the_making_has_no_end_yet(tmp_path: Path) -> None:
    recorder = Recorder("one", Store(), dict, folder=tmp_path)
    assert Recording.open(recorder.path).lacks == []
    recorder.stop()
    assert Recording.open(recorder.path).lacks == []


def test_a_recording_of_before_there_were_end_marks_is_believed(tmp_path: Path) -> None:
    assert made(tmp_path / "old.jsonl", *STORY).lacks == []


def test_rows_that_were_lost_are_said(tmp_path: Path) -> None:
    """Found A3: where there is a gap, also in files without an end mark, but no look-alike."""
    recording = made(
        tmp_path / "gap.jsonl",
        header(),
        opened("s1"),
        row(1, "message", "s1", data={"x": {"kind": "gap"}}),
        row(9, "gap", error="8 rows were dropped before they could be recorded"),
        row(9, "message", "s1", data='{"kind":"gap"}'),
    )
    assert recording.info().lacks == [
        "rows are missing at 1 places; rows of the kind 'gap' tell of them"
    ]
    assert "incomplete" in repr(recording)


def test_data_that_was_too_long_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE", 2**20 + 100)
    store = Store()
    recorder = Recorder("one", store, dict, folder=tmp_path)
    store.tell(store.place("mark", "", "recording"), 0, 0, 0, "x" * 150_000, 150_000)
    lacks = Recording.open(recorder.stop()).lacks
    assert lacks == ["the data of 1 rows was too long to be recorded"]


@pytest.mark.parametrize(
    "made_of",
    [
        lambda one: one.trim(0, 1, to="new"),
        lambda one: one.redact("x", to="new"),
        lambda one: one.merge(one, to="new"),
        lambda one: one.split(to="new")["s1"],
    ],
    ids=["trim", "redact", "merge", "split"],
)
def test_what_is_made_of_it_is_no_more_whole(
    tmp_path: Path, made_of: Callable[[Recording], Recording]
) -> None:
    """Found A16: no way leads from an incomplete recording to one that seems whole."""
    recording = made(tmp_path / "off.jsonl", header(ends=True), *STORY[1:])
    new = made_of(recording)
    assert new.lacks == [f"off.jsonl was incomplete: {BROKE_OFF}"]
    whole = made(tmp_path / "whole.jsonl", *STORY)
    assert made_of(whole).lacks == []


def test_repair_ends_what_broke_off(tmp_path: Path) -> None:
    recording = made(tmp_path / "off.jsonl", header(ends=True), *STORY[1:], tail=b'{"crc":"12')
    before = list(recording.rows())
    assert [one.line for one in recording.repair()] == [len(STORY) + 1, 0]
    again = Recording.open(recording.path)
    assert again.lacks == []
    assert list(again.rows()) == before
    assert again.repair() == []


@pytest.mark.parametrize(
    "end", [None, 5, "x", {}, [[[]]] * 500, ["x" * 10_000], [{"a": 1}], [None], ["\x1b[2J"]]
)
def test_an_end_mark_of_a_stranger_is_only_words(tmp_path: Path, end: Any) -> None:
    recording = made(tmp_path / "evil.jsonl", header(ends=True), {"wsflow": 1, "end": end})
    assert len(recording.lacks) <= MAX_WORDS
    assert all(isinstance(one, str) and len(one) <= 300 for one in recording.lacks)
    assert "\x1b" not in repr(recording)


def test_an_end_mark_is_a_line_that_older_versions_pass_over(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    path.write_bytes(write_object(header()) + end_mark(["x"]))
    recording = Recording.open(path)
    assert list(recording.rows()) == []
    assert list(recording.objects()) == []
    assert recording.lacks == ["x"]
