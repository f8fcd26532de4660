"""A recording as a user holds it: frames, facts, a picture, tables for spreadsheets."""

import csv
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from wsflow import Flow
from wsflow.errors import MissingPackageError, RecordingError
from wsflow.io.folder import create
from wsflow.io.format import FORMAT, write_object
from wsflow.recording import Damage, Info, Recording, recordings

EVIL = "<img src=x onerror=alert(1)>"
START = 1_714_557_600 * 10**9

DTYPES = {
    "seq": "int64",
    "t": "float64",
    "time": "datetime64[ns, UTC]",
    "scope": "int64",
    "cause": "Int64",
    "kind": "category",
    "node": "category",
    "port": "category",
    "session": "category",
    "path": "category",
    "data": "object",
    "size": "int64",
    "elapsed": "float64",
    "error": "object",
}


def header(**more: Any) -> dict[str, Any]:
    return {"wsflow": FORMAT, "created": "2024-05-01T10:00:00.000+00:00", "time": START} | more


def opened(who: str, **more: Any) -> dict[str, Any]:
    facts = {"id": who, "peer": "1.2.3.4", "path": "/red", "method": "GET", "time": START}
    return {"opened": facts | {"params": {}, "query": {}, "headers": {}} | more}


def row(seq: int, kind: str, who: str | None = None, **more: Any) -> dict[str, Any]:
    fields = {"seq": seq, "t": seq / 2, "time": START + seq * 10**9, "kind": kind, "node": "n"}
    return fields | ({"session": who, "path": "/red"} if who else {}) | more


STORY = [
    header(redacted=["cookie"], flow={"name": "chat"}),
    opened("s1", query={"a": "1"}),
    row(1, "req", "s1"),
    row(2, "message", "s1", data="hi", size=2, scope=1),
    row(3, "response", "s1", data="HI", size=2, scope=1, cause=2, elapsed=0.25),
    opened("s2"),
    row(4, "message", "s2", bytes="AP8=", size=2),
    row(5, "send", "s2", data={"x": [1]}, size=9),
    row(6, "mark", data="half-time"),
    row(7, "error", "s1", error=EVIL),
    row(8, "close", "s1", code=1000, reason="bye"),
]


def made(path: Path, *lines: dict[str, Any], tail: bytes = b"") -> Recording:
    path.write_bytes(b"".join(map(write_object, lines)) + tail)
    return Recording.open(path)


@pytest.fixture
def story(tmp_path: Path) -> Recording:
    return made(tmp_path / "story.jsonl", *STORY)


# ---- frames


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


def test_the_length_is_that_of_its_rows(story: Recording) -> None:
    assert len(story) == 8


# ---- facts


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


# ---- how it looks


def test_it_shows_its_name_when_it_was_made_and_where(story: Recording) -> None:
    assert repr(story) == f"<Recording story of 2024-05-01 10:00:00 in {story.path.parent}>"
    story.header["created"] = f"\n{EVIL}\x1b[31m"
    assert repr(story).isprintable()
    story.header.clear()
    assert " of unknown date in " in repr(story)


def test_it_shows_itself_as_a_picture_and_a_table(story: Recording) -> None:
    page = story._repr_html_()
    assert page.startswith("<svg")
    assert page.count("<circle") == 2
    for text in ("2024-05-01", "4.0 s", "mark at 3.0 s", "half-time", "story"):
        assert text in page


def test_what_it_holds_is_text_on_the_page(tmp_path: Path) -> None:
    lines = [
        header(created=EVIL, flow={"name": EVIL}),
        opened(EVIL, path=EVIL),
        row(1, "req", EVIL),
        row(2, "mark", data=EVIL),
    ]
    page = made(tmp_path / f"{EVIL.replace('/', '')}.jsonl", *lines, tail=b"x")._repr_html_()
    assert "<img" not in page
    assert "&lt;img" in page


def test_a_slice_of_it_is_a_sequence_diagram(story: Recording) -> None:
    whole = str(story.sequence())
    assert "->>flow: hi" in whole
    assert whole.count("participant ") == 3
    assert "HI" in str(story.sequence(start=1.5, end=1.5))
    assert "hi" not in str(story.sequence(start=1.5, end=1.5)).splitlines()[-1]
    assert "HI" not in str(story.sequence(newest=2))


# ---- for other tools


def test_a_spreadsheet_gets_no_formulas(tmp_path: Path) -> None:
    formulas = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "a,b", 'say "hi"']
    rows = [row(seq, "message", "=s", data=one, error=one) for seq, one in enumerate(formulas, 1)]
    recording = made(tmp_path / "evil.jsonl", header(), opened("=s", path="=p"), *rows)
    path = recording.to_csv(tmp_path / "evil.csv")
    with path.open(newline="") as file:
        told = list(csv.DictReader(file))
    assert [one["seq"] for one in told] == [str(seq) for seq in range(1, 9)]
    for one, before in zip(told, formulas, strict=True):
        assert one["data"] == one["error"] == (before if before[0] in "as" else f"'{before}")
        assert one["session"] == "'=s"
    assert float(told[0]["t"]) == 0.5


@pytest.mark.usefixtures("parquet")
def test_parquet_comes_back_as_it_was(story: Recording, tmp_path: Path) -> None:
    back = pd.read_parquet(story.to_parquet(tmp_path / "story.parquet"))
    assert list(back["seq"]) == list(range(1, 9))
    assert back["bytes"][3] == b"\x00\xff"
    assert back["data"][4] == "{'x': [1]}"
    assert back["time"][0] == pd.Timestamp("2024-05-01T10:00:01Z")


def test_parquet_without_its_packages_says_what_to_install(
    story: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pyarrow", "fastparquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPackageError, match=r"pip install 'wsflow\[parquet\]'"):
        story.to_parquet(tmp_path / "story.parquet")


# ---- the folder


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


def test_a_recording_that_is_not_there_is_an_error_of_its_own() -> None:
    with pytest.raises(RecordingError, match="no recording 'nowhere'"):
        Recording.open("nowhere")
