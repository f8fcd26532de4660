"""Recordings as DataFrames: their rows, their sessions, and the folder of them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.recorded.by_hand import DTYPES, EVIL, STORY, header, made
from wsflow import Flow
from wsflow.io.folder import create
from wsflow.io.format import FORMAT, write_object
from wsflow.recording import Info, Recording, recordings


@pytest.fixture
def story(tmp_path: Path) -> Recording:
    return made(tmp_path / "story.jsonl", *STORY)


def test_the_frame_has_the_columns_of_the_log_and_the_time_since_the_start(
    story: Recording,
) -> None:
    frame = story.frame()
    assert {name: str(frame[name].dtype) for name in frame.columns} == DTYPES
    assert list(frame["seq"]) == list(range(1, 9))
    assert list(frame["data"]) == [
        None,
        "hi",
        "HI",
        b"\x00\xff",
        {"x": [1]},
        "half-time",
        None,
        None,
    ]
    assert list(frame["t"]) == [seq / 2 for seq in range(1, 9)]
    assert frame["time"][0] == pd.Timestamp("2024-05-01T10:00:01Z")
    assert list(frame["cause"].isna()) == [True, True, False, True, True, True, True, True]
    assert frame["cause"][2] == 2
    assert frame["elapsed"][2] == 0.25
    assert np.isnan(frame["elapsed"][0])
    assert list(frame["session"][:2]) == ["s1", "s1"]
    assert pd.isna(frame["session"][5])
    assert pd.isna(frame["path"][5])
    assert frame["error"][6] == EVIL


def test_the_frame_of_nothing_has_the_same_columns(tmp_path: Path) -> None:
    for lines in ((), (header(),)):
        frame = made(tmp_path / "empty.jsonl", *lines).frame()
        assert {name: str(frame[name].dtype) for name in frame.columns} == DTYPES
        assert len(frame) == 0


async def test_the_frame_of_a_recording_is_that_of_the_log(flow: Flow, tmp_path: Path) -> None:
    flow.websocket("/{room}").message >> flow.node(
        lambda ev, ctx: (ctx.route({"a": [ev["message"]]}), ctx.emit("response", {"body": b"x"})),
        name="n",
    )
    with flow.record("one", folder=tmp_path):
        async with flow.client("/red") as alice:
            await alice.send("hi")
            await alice.receive()
    then = Recording.open("one", folder=tmp_path).frame()
    now = flow.log.frame()
    assert list(then.columns) == ["seq", "t", *now.columns[1:]]
    for name in now.columns:
        assert list(then[name].astype(object).fillna("")) == list(
            now[name].astype(object).fillna("")
        ), name


def test_sessions_are_told_with_how_they_ended(story: Recording) -> None:
    first, second = story.sessions().to_dict("records")
    assert (first["session"], first["path"], first["query"]) == ("s1", "/red", {"a": "1"})
    assert (first["code"], first["reason"]) == (1000, "bye")
    assert first["closed"] == pd.Timestamp("2024-05-01T10:00:08Z")
    assert second["session"] == "s2"
    assert pd.isna(second["closed"])
    assert pd.isna(second["code"])


def test_no_sessions_give_a_table_without_rows(tmp_path: Path) -> None:
    frame = made(tmp_path / "empty.jsonl", header()).sessions()
    assert len(frame) == 0
    assert "reason" in frame.columns


def test_the_folder_is_a_table_that_also_says_what_can_not_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    made(folder / "good.jsonl", *STORY)
    made(folder / "empty.jsonl")
    made(folder / "torn.jsonl", *STORY, tail=b'{"crc":"')
    (folder / "alien.jsonl").write_text("hello\n")
    (folder / "newer.jsonl").write_bytes(write_object({"wsflow": FORMAT + 1}))
    (folder / "linked.jsonl").symlink_to(folder / "good.jsonl")
    (folder / "dir.jsonl").mkdir()
    (folder / "notes.txt").write_text("")
    table = recordings(folder).set_index("recording")
    assert list(table.index) == ["alien", "dir", "empty", "good", "linked", "newer", "torn"]
    good = table.loc["good"]
    assert (good["sessions"], good["messages"], good["responses"], good["errors"]) == (2, 2, 2, 1)
    assert (good["seconds"], good["problem"]) == (4.0, "")
    assert good["created"] == "2024-05-01T10:00:00.000+00:00"
    problems = dict(table["problem"])
    assert "line 1: not a recording" in problems["alien"]
    assert "no recording" in problems["dir"]
    assert "leads out of" in problems["linked"]
    assert "update wsflow" in problems["newer"]
    assert "line 12: the last line was not finished" in problems["torn"]
    assert table.loc["torn"]["messages"] == 2
    assert pd.isna(table.loc["alien"]["messages"])


def test_one_file_that_vanishes_meanwhile_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        made(tmp_path / f"{name}.jsonl", *STORY)
    real = Recording.info

    def info(self: Recording) -> Info:
        if self.name == "a":
            raise FileNotFoundError(2, "No such file or directory", str(self.path))
        return real(self)

    monkeypatch.setattr(Recording, "info", info)
    table = recordings(tmp_path)
    assert "No such file" in table["problem"][0]
    assert table["messages"][1] == 2


def test_no_folder_is_an_empty_table(tmp_path: Path) -> None:
    table = recordings(tmp_path / "nowhere")
    assert len(table) == 0
    assert "problem" in table.columns


def test_one_in_the_making_is_in_the_table(tmp_path: Path) -> None:
    file = create(tmp_path / "live.jsonl")
    os.write(file, b"".join(map(write_object, STORY)))
    assert list(recordings(tmp_path)["messages"]) == [2]
    os.close(file)
