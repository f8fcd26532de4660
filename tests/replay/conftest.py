"""Fixtures of several tests of replay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.peers.chat import record_chat
from tests.recorded.playing import (
    Script,
)
from tests.replay.visits import Visits
from wsflow import Context, Flow, Recording
from wsflow.types import MessageEvent


@pytest.fixture
def lesson(tmp_path: Path) -> Recording:
    """Two clients, three messages, at 1, 2 and 3 seconds; a mark at 2.5."""
    script = Script(tmp_path / "lesson.jsonl")
    script.opens("s1", 0.0)
    script.opens("s2", 0.5)
    for session, text, t in (("s1", "one", 1.0), ("s2", "two", 2.0), ("s1", "three", 3.0)):
        if t == 3.0:
            script.row(2.5, "mark", data="half", port="recording")
        script.says(session, text, t)
        script.hears(session, text.upper(), t)
    script.leaves("s1", 4.0)
    script.leaves("s2", 5.0)
    return script.recording()


@pytest.fixture
async def shouting() -> AsyncIterator[Flow]:
    """The flow behind `lesson`."""
    flow = Flow("shouting")

    @flow.node
    def shout(event: MessageEvent, ctx: Context) -> None:
        ctx.emit("response", {"body": str(event["message"]).upper()})

    flow.websocket("/chat").message >> shout
    yield flow
    await flow.stop()


@pytest.fixture
def script(tmp_path: Path) -> Visits:
    return Visits(tmp_path / "made.jsonl")


@pytest.fixture
def once(script: Visits) -> Recording:
    """One session that says something twice and leaves with 4000 after ten seconds."""
    script.opened("a").says(1.0, "a", "one").says(2.0, "a", "two")
    return script.leaves(10.0, "a", 4000, "bye").recording()


@pytest.fixture
def chat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recording:
    """A recorded chat of three."""
    monkeypatch.chdir(tmp_path)
    return Recording.open(asyncio.run(record_chat()))
