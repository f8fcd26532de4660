"""The picture of a recording: small and fine however long it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.recorded.playing import Script
from wsflow.panel.summary import BINS, MAX_LINES, Summary


def _entries(script: Script) -> Summary:
    summary = Summary()
    summary.add(script.recording().entries())
    return summary


def test_the_picture_has_a_line_for_each_session_and_a_place_for_each_moment(
    tmp_path: Path,
) -> None:
    script = Script(tmp_path / "a.jsonl")
    script.opens("s1", 0.0)
    script.opens("s2", 1.0)
    script.says("s1", "x", 5.0)
    script.hears("s1", "y", 5.0)
    script.row(7.5, "mark", data="now")
    script.leaves("s2", 10.0)
    news = _entries(script).news("a")
    assert (news["lines"], news["others"], news["seconds"]) == (["s1", "s2"], 0, 10.0)
    assert news["marks"] == [[7.5, "now"]]
    [where] = news["ticks"]["in"][0]
    assert where * news["width"] == pytest.approx(5.0, abs=news["width"])
    assert news["ticks"]["end"] == [[], [pytest.approx(10.0 / news["width"], abs=1)]]


def test_a_picture_stays_small_and_fine_however_long_the_recording_is(tmp_path: Path) -> None:
    script = Script(tmp_path / "a.jsonl")
    script.opens("s1", 0.0)
    for number in range(5_000):
        script.says("s1", "x", number * 17.0)
    news = _entries(script).news("a")
    places = news["ticks"]["in"][0]
    assert BINS // 2 <= len(places) <= BINS
    assert news["width"] * places[-1] == pytest.approx(4_999 * 17.0, rel=0.01)


def test_many_sessions_share_the_last_line(tmp_path: Path) -> None:
    script = Script(tmp_path / "a.jsonl")
    for number in range(MAX_LINES + 10):
        script.opens(f"s{number}", number / 10)
    news = _entries(script).news("a")
    assert (len(news["lines"]), news["others"]) == (MAX_LINES, 10)
    assert len(news["ticks"]["begin"]) == MAX_LINES + 1


def test_what_belongs_to_no_session_has_a_line_of_its_own(tmp_path: Path) -> None:
    script = Script(tmp_path / "a.jsonl")
    script.row(1.0, "req", path="/push")
    script.row(2.0, "response", path="/push")
    script.opens("s1", 3.0)
    summary = _entries(script)
    news = summary.news("a")
    assert (news["lines"], summary.sessions) == (["no session", "s1"], 1)
    assert [len(places) for places in news["ticks"]["in"]] == [1, 0]
    assert [len(places) for places in news["ticks"]["begin"]] == [0, 1]


def test_times_that_make_no_sense_are_taken_as_far_as_they_go(tmp_path: Path) -> None:
    script = Script(tmp_path / "a.jsonl")
    script.opens("s1", -5.0)
    script.says("s1", "x", 1e300)
    news = _entries(script).news("a")
    assert json.loads(json.dumps(news, allow_nan=False)) == news
