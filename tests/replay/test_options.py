"""The options of a replay: one set of them for a flow and for a server, checked in one place."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest

from wsflow import Flow, Recording, ReplayError
from wsflow.compare.rules import Rules
from wsflow.io import format as lines
from wsflow.replay.live import replay_to
from wsflow.replay.options import ReplayOptions


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    path = tmp_path / "lesson.jsonl"
    path.write_bytes(lines.write_object({"wsflow": 1}))
    return Recording.open(path)


def in_a_flow(recording: Recording, **options: Any) -> object:
    return Flow("lesson").replay(recording, **options)


def at_a_server(recording: Recording, **options: Any) -> object:
    return replay_to("ws://localhost:1", recording, ReplayOptions(**options))


WRONG = [
    ({"speed": 0}, "speed is a number above 0, or None for as fast as possible: 0"),
    ({"speed": -1.0}, "speed is a number above 0, or None for as fast as possible: -1.0"),
    ({"speed": "fast"}, "speed is a number above 0, or None for as fast as possible: 'fast'"),
    ({"speed": float("nan")}, "speed is a number above 0, or None for as fast as possible: nan"),
    ({"until": -1}, "until is a number of seconds, or the text of a mark: -1"),
    ({"loop": 0}, "loop says how often it is played, at least once: 0"),
    ({"max_gap": -1}, "max_gap is a number of seconds, or None for no limit: -1"),
]


@pytest.mark.parametrize("play", [in_a_flow, at_a_server])
@pytest.mark.parametrize(("options", "complaint"), WRONG)
def test_a_number_out_of_bounds_is_told_in_the_same_words(
    recording: Recording, play: Callable[..., object], options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ReplayError) as told:
        play(recording, **options)
    assert str(told.value) == complaint


def test_a_flow_takes_all_there_are_by_name_with_the_same_defaults() -> None:
    taken = inspect.signature(Flow.replay).parameters
    known = {
        f"ignore_{one.name}" if one.name in {"times", "ids"} else one.name: one.default
        for one in (*fields(ReplayOptions), *fields(Rules))
        if one.name != "rules"
    }
    assert {*taken} == {*known, "self", "recording", "folder"}
    assert {name: taken[name].default for name in known} == known


def test_options_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        ReplayOptions().speed = 1.0  # type: ignore[misc]
