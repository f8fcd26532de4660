"""Answers that nobody here is to blame for: given by hand, brought about by others, or lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recorded.playing import (
    hear,
    open_client,
    record,
    welcoming,
)
from wsflow import Flow
from wsflow.compare.answer import BEFORE
from wsflow.io.format import Entry
from wsflow.replay import excuses as excuses_module
from wsflow.replay.excuses import LOST, Excuses
from wsflow.wire.server import Server


async def test_what_a_person_sent_by_hand_does_not_count(tmp_path: Path) -> None:
    flow = Flow("hand")
    manager = flow.connections()
    chat = flow.websocket("/chat")
    chat.req >> manager.req
    async with flow.serving() as server:
        with flow.record("lesson", folder=tmp_path):
            async with open_client(server, "/chat") as client:
                await flow.log.until(kind="req")
                manager.broadcast("from a cell")
                flow.sessions[0].send("to one")
                assert [await hear(client), await hear(client)] == ["from a cell", "to one"]
            await flow.sessions.emptied()
    report = await flow.replay("lesson", folder=tmp_path)
    assert report.ok, report
    assert report.tally.excused == {"sent by hand": 2}
    assert "2 answers sent by hand" in repr(report)


async def test_what_others_brought_about_is_not_expected_of_some(tmp_path: Path) -> None:
    flow = welcoming()

    async def talk(server: Server) -> None:
        async with open_client(server, "/chat/anna") as anna:
            async with open_client(server, "/chat/ben") as ben:
                await anna.send("hello")
                while await hear(ben) != "hello":
                    pass
            while await hear(anna) != "ben left":
                pass

    recording = await record(flow, tmp_path, talk)
    anna = next(row.session for row in recording.rows() if row.kind == "message")
    assert anna is not None
    report = await flow.replay(recording, sessions=[anna])
    assert report.ok, report
    assert report.tally.excused["brought about by sessions that were not played"] == 1
    (ben,) = {row.session for row in recording.rows()} - {anna, None}
    report = await flow.replay(recording, sessions=[str(ben)])
    assert report.ok, report


def row(seq: int, cause: int = 0, kind: str = "response") -> Entry:
    return Entry(seq=seq, cause=cause, kind=kind, session="s1")


def test_what_a_lost_row_brought_about_is_excused_and_what_that_brought_about() -> None:
    excuses = Excuses()
    excuses.miss(3, 5)
    assert [excuses.of(row(5, 4, "route")), excuses.of(row(6, 5))] == [LOST, LOST]
    assert excuses.of(row(7, 2)) == ""


def test_rows_that_were_told_before_the_recording_began_are_no_loss() -> None:
    excuses = Excuses()
    excuses.miss(1, 9)
    assert excuses.of(row(9, 4)) == BEFORE
    excuses.miss(9, 9)
    assert (excuses.sound, excuses.of(row(10, 9, "fire"))) == (9, BEFORE)


def test_only_so_many_excuses_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excuses_module, "KEPT", 2)
    excuses = Excuses()
    for seq in (1, 2, 3):
        excuses.remember(seq, "why")
    assert [*excuses.rows] == [2, 3]
