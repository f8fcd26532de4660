"""The folder of recordings as a page lists it: read once, looked at again, never in the way."""

from __future__ import annotations

import gc
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.panel.viewer import Viewer, polled, talk, threads
from tests.recorded.playing import Script
from wsflow import Flow, RecordingError
from wsflow.panel import recordings

pytestmark = pytest.mark.usefixtures("folder")

EVIL = "<img src=x onerror=alert(1)>"


async def test_a_recording_is_listed_with_what_it_holds(flow: Flow, viewer: Viewer) -> None:
    await talk(flow, "one", "two")
    line = await viewer.line("lesson")
    assert (line["sessions"], line["damaged"]) == (1, 0)
    assert line["rows"] > 4
    assert line["bytes"] > 100
    assert abs(line["date"] - time.time()) < 60


async def test_a_file_that_is_no_recording_says_why_and_the_others_are_there(
    flow: Flow, viewer: Viewer, folder: Path
) -> None:
    (folder / "notes.jsonl").write_text('{"some": "thing"}\n')
    (folder / "picture.jsonl").write_bytes(bytes(range(256)) * 50)
    await talk(flow, "one")
    assert "not a recording of wsflow" in (await viewer.line("notes", "wrong"))["why"]
    assert "not a recording of wsflow" in (await viewer.line("picture", "wrong"))["why"]
    assert await viewer.line("lesson")


async def test_a_name_that_can_not_be_played_says_so_and_a_link_that_leads_out_too(
    flow: Flow, viewer: Viewer, folder: Path, tmp_path: Path
) -> None:
    (folder / f"my lesson {EVIL[:4]}.jsonl").write_text("{}")
    (tmp_path / "secret.jsonl").write_text("{}")
    (folder / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (folder / "long.part2.jsonl").write_text("{}")
    assert "can not name a recording" in (await viewer.line("my lesson <img", "wrong"))["why"]
    assert "leads out" in (await viewer.line("link", "wrong"))["why"]
    assert len(viewer["recordings"]) == 2
    with pytest.raises(RecordingError):
        viewer.part.choose("link")


async def test_damaged_lines_are_counted_and_the_rest_is_shown(
    flow: Flow, viewer: Viewer, folder: Path
) -> None:
    await talk(flow, "one", "two")
    path = folder / "lesson.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"TWO"', b'"2WO"'))
    line = await viewer.line("lesson")
    await viewer.until(lambda viewer: viewer["recordings"][0]["damaged"] == 1)
    assert line["rows"] > 4


async def test_a_recording_that_is_deleted_leaves_the_list(
    flow: Flow, viewer: Viewer, folder: Path
) -> None:
    await talk(flow, "one")
    viewer.part.choose((await viewer.line("lesson"))["name"])
    await viewer.until(lambda viewer: viewer["summary"])
    (folder / "lesson.jsonl").unlink()
    await viewer.until(lambda viewer: not viewer["recordings"])
    assert viewer["summary"] is None


async def test_a_large_recording_is_read_when_somebody_wants_to_see_it(
    flow: Flow, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "LARGE_BYTES", 100)
    await talk(flow, "one")
    assert "rows" not in await viewer.line("lesson", "large")
    viewer.part.choose("lesson")
    assert (await viewer.line("lesson"))["rows"] > 4


async def test_a_long_recording_does_not_hold_up_the_page(
    flow: Flow, viewer: Viewer, folder: Path
) -> None:
    script = Script(folder / "long.jsonl")
    script.opens("s1")
    for number in range(20_000):
        script.says("s1", "x" * 50, number / 100)
    script.recording()
    slowest = 0.0

    def look(viewer: Viewer) -> bool:
        nonlocal slowest
        began = time.thread_time()
        viewer.part.news()
        slowest = max(slowest, time.thread_time() - began)
        lines = viewer.part._told["recordings"]
        return bool(lines and lines[0].get("rows"))

    gc.freeze()  # what other tests left is not to be looked through meanwhile
    try:
        await viewer.until(look)
    finally:
        gc.unfreeze()
    assert slowest < 0.05  # seconds of this thread's own work


async def test_a_folder_that_is_not_there_is_no_error(
    flow: Flow, viewer: Viewer, folder: Path
) -> None:
    shutil.rmtree(folder)
    assert viewer["recordings"] == []
    viewer.part.record("first")
    await viewer.line("first", "live")


async def test_a_large_file_that_grows_is_left_alone_until_it_is_quiet(
    flow: Flow, viewer: Viewer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another system's recorder may hold no lock."""
    monkeypatch.setattr(recordings, "SMALL_BYTES", 100)
    monkeypatch.setattr(recordings, "SETTLED_SECONDS", 1000.0)
    await talk(flow, "one")
    assert "rows" not in await viewer.line("lesson", "live")
    os.utime(folder / "lesson.jsonl", (0, 0))
    assert (await viewer.line("lesson"))["rows"] > 4


async def test_nothing_new_is_not_told(flow: Flow, viewer: Viewer) -> None:
    await talk(flow, "one")
    await viewer.line("lesson")
    assert viewer.part.news() is None


async def test_no_thread_is_left_when_the_page_is_gone(flow: Flow) -> None:
    viewer = Viewer(flow)
    assert threads("wsflow recordings")
    viewer.part.close()
    await polled(lambda: not threads("wsflow recordings"))
