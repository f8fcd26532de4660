"""What a recording is, without its rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.recorded.by_hand import STORY, header, made
from wsflow.recording import Damage, Info, Recording


@pytest.fixture
def story(tmp_path: Path) -> Recording:
    return made(tmp_path / "story.jsonl", *STORY)


def test_the_length_is_that_of_its_rows(story: Recording) -> None:
    assert len(story) == 8


def test_info_tells_what_it_is(story: Recording) -> None:
    assert story.info() == Info(
        name="story",
        created="2024-05-01T10:00:00.000+00:00",
        flow={"name": "chat"},
        redacted=["cookie"],
        rows=8,
        seconds=4.0,
        sessions=2,
        messages=2,
        responses=2,
        errors=1,
        bytes=story.path.stat().st_size,
        parts=1,
        marks=[(3.0, "half-time")],
        damage=[],
        lacks=[],
    )


def test_info_tells_of_damage(tmp_path: Path) -> None:
    recording = made(tmp_path / "torn.jsonl", *STORY, tail=b'{"crc":"00')
    info = recording.info()
    assert info.rows == 8
    assert info.damage == [Damage(recording.path, 12, "the last line was not finished", torn=True)]


def test_info_of_nothing(tmp_path: Path) -> None:
    info = made(tmp_path / "empty.jsonl").info()
    assert (info.rows, info.seconds, info.created, info.flow) == (0, 0.0, "", {})


@pytest.mark.parametrize("odd", [{"flow": 5, "redacted": 5, "created": []}, {"redacted": {"a": 1}}])
def test_a_header_of_odd_things_is_looked_at_all_the_same(tmp_path: Path, odd: Any) -> None:
    recording = made(tmp_path / "odd.jsonl", header(**odd), *STORY[1:])
    assert recording.info().rows == 8
    assert "<svg" in recording._repr_html_()
    assert len(repr(recording)) < 200
