"""A recording as a crowd: planned by a seed, in memory and over sockets, with faults on purpose."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.replay.visits import Visits, echo
from tests.samples import FOLDER, chat
from wsflow import Flow, Recording, ReplayError
from wsflow.replay.crowd import ghosts
from wsflow.replay.crowd_report import CrowdReport


def told(report: CrowdReport) -> list[tuple[Any, ...]]:
    """Return what happened in the flow they came to, without the sessions' own names."""
    assert report.log is not None
    return [(r.time, r.kind, r.node, r.path, r.data, r.error) for r in report.log]


# ---- the seed


async def test_the_same_seed_is_the_same_run() -> None:
    faults = {"drop": 0.2, "slow": 0.2, "duplicate": 0.2}
    recording = Recording.open("chat", folder=FOLDER)
    first, second, other = [
        await ghosts(recording, 20, seed, faults=faults).run(chat()) for seed in (7, 7, 8)
    ]
    assert first.visits == second.visits
    assert told(first) == told(second)
    assert first.visits != other.visits
    assert set(first.faults) == set(faults)


def test_a_ghost_is_the_same_in_a_crowd_of_any_size(once: Recording) -> None:
    few, many = ghosts(once, 3), ghosts(once, 30)
    assert list(few) == list(many)[:3]


def test_every_session_is_repeated_equally_often() -> None:
    crowd = ghosts(Recording.open("chat", folder=FOLDER), 30)
    assert set(Counter(ghost.path for ghost in crowd).values()) == {10}
    assert len({ghost.arrives for ghost in crowd}) == 30


async def test_without_jitter_everything_is_as_it_was() -> None:
    recording = Recording.open("chat", folder=FOLDER)
    report = await ghosts(recording, 3, jitter=0).run(chat())
    rows = list(recording.rows())
    before = [(row.path, row.value) for row in rows if row.kind == "message"]
    assert report.log is not None
    assert [(row.path, row.data) for row in report.log if row.kind == "message"] == before
    assert report.answers == sum(row.kind == "response" for row in rows)
    assert report.closes == {1000: 2, 4000: 1}


def test_jitter_moves_messages_but_nobody_leaves_early(once: Recording) -> None:
    for ghost in ghosts(once, 50, jitter=0.5):
        first, second = [step.at for step in ghost.steps]
        assert 0.5 <= first <= 1.5
        assert 0.5 <= second - first <= 1.5
        assert 8.0 <= ghost.leaves - second <= 12.0
        assert 0 <= ghost.arrives <= 5.0


# ---- over sockets


async def test_what_it_was_called_before_still_runs(flow: Flow, once: Recording) -> None:
    echo(flow)
    assert (await ghosts(once, 2).haunt(flow)).sent == 4


# ---- numbers and displays


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"n": 0}, "at least one: 0"),
        ({"jitter": 1.5}, "from 0 to 1: 1.5"),
        ({"faults": {"drop": 2}}, "'drop' is a number from 0 to 1: 2"),
        ({"faults": {"rain": 0.1}}, "no fault 'rain'; there are: drop, slow, duplicate"),
    ],
)
def test_numbers_out_of_bounds_are_told(
    once: Recording, wrong: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ReplayError, match=complaint):
        ghosts(once, **wrong)


async def test_a_speed_that_is_none_is_told(once: Recording, flow: Flow) -> None:
    with pytest.raises(ReplayError, match="speed is a number above 0"):
        await ghosts(once).run(flow, speed=0)


def test_a_recording_without_sessions_has_no_ghosts(script: Visits) -> None:
    recording = script.row(0.0, "mark", None, data="alone").recording()
    with pytest.raises(ReplayError, match="'made' has no WebSocket session"):
        ghosts(recording)


async def test_a_recording_gives_its_own_ghosts() -> None:
    crowd = Recording.open(FOLDER / "chat.jsonl").ghosts(n=6, seed=3)
    report = await crowd.run(chat())
    again = await Recording.open(FOLDER / "chat.jsonl").ghosts(n=6, seed=3).run(chat())
    assert report.sessions == again.sessions == 6
    assert (report.sent, report.answers) == (again.sent, again.answers)
