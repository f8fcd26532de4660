"""Recording and playing for all pages of a flow, and what is said of the answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.panel.viewer import Viewer, changed, chosen, polled, shouting, talk, threads
from tests.recorded.playing import Script, tell
from wsflow import Flow, RecordingError, WsflowError
from wsflow.panel import playback

pytestmark = pytest.mark.usefixtures("folder")

EVIL = "<img src=x onerror=alert(1)>"


async def test_recording_from_the_panel_lands_in_the_folder(
    flow: Flow, viewer: Viewer, folder: Path
) -> None:
    assert viewer["free"] == "test-take1"
    viewer.part.record("test-take1")
    assert [(one["name"], one["seconds"]) for one in viewer["recorders"]] == [("test-take1", 0)]
    async with flow.client("/chat") as client:
        await tell(client, "one")
    viewer.part.mark("test-take1", " it begins ")
    assert viewer["recorders"][0]["rows"] > 3
    viewer.part.finish("test-take1")
    await viewer.until(lambda viewer: viewer["summary"])
    assert viewer["summary"]["marks"][0][1] == "it begins"
    assert (viewer["chosen"], viewer["free"]) == ("test-take1", "test-take2")
    assert viewer["recorders"] == []


@pytest.mark.parametrize("name", ["", "../x", "a b", ".hidden", "x" * 101, EVIL, "a.part2"])
async def test_a_name_that_can_not_be_one_is_refused(viewer: Viewer, name: str) -> None:
    with pytest.raises(RecordingError, match="can not name a recording"):
        viewer.part.record(name)


async def test_what_is_being_recorded_is_not_recorded_again(viewer: Viewer) -> None:
    viewer.part.record("a")
    with pytest.raises(RecordingError, match="being recorded already"):
        viewer.part.record("a")


async def test_a_recording_from_a_cell_is_shown_and_can_be_stopped(
    flow: Flow, viewer: Viewer
) -> None:
    with flow.record("mine"):
        assert [one["name"] for one in viewer["recorders"]] == ["mine"]
        viewer.part.finish("mine")
        await viewer.line("mine")
    await viewer.until(lambda viewer: not viewer["recorders"])
    with pytest.raises(RecordingError, match="not being recorded any more"):
        viewer.part.finish("mine")
    with pytest.raises(RecordingError, match="not being recorded any more"):
        viewer.part.mark("mine", "x")


async def test_an_empty_mark_is_refused(viewer: Viewer) -> None:
    viewer.part.record("a")
    with pytest.raises(RecordingError, match="a few words"):
        viewer.part.mark("a", "  ")


async def test_a_recording_that_failed_is_told_of(flow: Flow, viewer: Viewer, folder: Path) -> None:
    recorder = flow.record("a")
    assert viewer["recorders"]
    (folder / "a.jsonl").unlink()
    await viewer.until(lambda viewer: not recorder.running and viewer["trouble"])
    assert "deleted" in viewer["trouble"]


#
# ---- playing


async def test_a_recording_plays_and_everything_is_as_recorded(flow: Flow, viewer: Viewer) -> None:
    await chosen(flow, viewer, "one", "two")
    viewer.part.play({})
    await viewer.state("done")
    report = await viewer.until(lambda viewer: viewer["report"])
    assert (report["ok"], report["counts"]["same"], report["pairs"]) == (True, 2, [])


async def test_what_differs_is_told_in_pieces(flow: Flow, viewer: Viewer) -> None:
    await chosen(flow, viewer, "one", EVIL)
    changed("!")
    viewer.part.play({})
    report = await viewer.until(lambda viewer: viewer["report"])
    assert (report["ok"], report["counts"]["changed"]) == (False, 2)
    first, second = report["pairs"]
    assert (first["then"], first["now"]) == ([["ONE", False]], [["ONE", False], ["!", True]])
    assert second["then"] == [[EVIL.upper(), False]]  # text, to be shown as text
    assert len(report["places"]) == 2


async def test_a_small_change_in_a_long_answer_is_shown_with_what_is_around_it(
    flow: Flow, viewer: Viewer
) -> None:
    await chosen(flow, viewer, "a" * 300_000)
    changed("!")
    viewer.part.play({})
    report = await viewer.until(lambda viewer: viewer["report"])
    [pair] = report["pairs"]
    assert pair["now"][-1] == ["!", True]
    assert pair["then"] == [["…" + "A" * 60, False]]


async def test_what_is_missing_and_what_is_more_has_nothing_beside_it(
    flow: Flow, viewer: Viewer
) -> None:
    await chosen(flow, viewer, "one")
    changed()
    viewer.part.play({})
    report = await viewer.until(lambda viewer: viewer["report"])
    [pair] = report["pairs"]
    assert (pair["status"], pair["then"], pair["now"]) == ("missing", [["ONE", False]], [])


async def test_rules_say_what_does_not_matter(flow: Flow, viewer: Viewer, folder: Path) -> None:
    script = Script(folder / "made.jsonl")
    script.opens("s1")
    said = json.dumps({"id": 1, "at": "2024-01-01T10:00:00Z"})
    script.says("s1", said, 1.0)
    script.hears("s1", json.dumps({"ID": 2, "AT": "2025-01-01T10:00:00Z"}), 1.0)
    script.leaves("s1", 2.0)
    script.recording()
    viewer.part.choose("made")
    viewer.part.play({})
    await viewer.until(lambda viewer: viewer["report"] and not viewer["report"]["ok"])
    viewer.part.play({"ignore": "ID, $.x", "times": True})
    await viewer.until(lambda viewer: viewer["report"] and viewer["report"]["ok"])


async def test_play_pauses_steps_seeks_and_stops(flow: Flow, viewer: Viewer, folder: Path) -> None:
    script = Script(folder / "made.jsonl")
    script.opens("s1")
    for number in range(1, 10):
        script.says("s1", str(number), number * 10.0)
        script.hears("s1", str(number), number * 10.0)
    script.row(65.0, "mark", data="there")
    script.leaves("s1", 1000.0)
    script.recording()
    viewer.part.choose("made")
    slow = {"speed": 1}
    viewer.part.play(slow)
    assert (await viewer.state("playing"))["speed"] == 1
    await viewer.until(lambda viewer: viewer["playing"]["position"] > 0)
    viewer.part.pause()
    assert (await viewer.state("paused"))["position"] < 10
    viewer.part.step(slow)
    await viewer.until(lambda viewer: viewer["playing"]["position"] >= 10)
    viewer.part.seek(slow, 55.5)
    await viewer.until(lambda viewer: viewer["playing"]["position"] >= 55.5)
    assert (await viewer.state("paused"))["position"] < 60
    viewer.part.seek(slow, 25.5)
    await viewer.until(lambda viewer: 25.5 <= viewer["playing"]["position"] < 30)
    viewer.part.stop()
    await viewer.state("stopped")
    assert (await viewer.until(lambda viewer: viewer["report"]))["counts"]["same"] == 2


async def test_what_does_not_play_can_be_stepped_and_sought(
    flow: Flow, viewer: Viewer, folder: Path
) -> None:
    await chosen(flow, viewer, "one", "two")
    viewer.part.step({}, mark=True)
    await viewer.state("paused")
    [[marked, _]] = viewer["summary"]["marks"]
    await viewer.until(lambda viewer: viewer["playing"]["position"] >= marked)
    viewer.part.stop()
    await viewer.state("stopped")
    viewer.part.seek({}, 0.0)
    await viewer.state("paused")
    viewer.part.play({})
    await viewer.state("done")


async def test_another_one_can_be_looked_at_while_one_plays(
    flow: Flow, viewer: Viewer, folder: Path
) -> None:
    await chosen(flow, viewer, "one")
    await talk(flow, "two", name="other")
    viewer.part.step({})
    await viewer.state("paused")
    viewer.part.choose("other")
    with pytest.raises(WsflowError, match="lesson is playing: stop that first"):
        viewer.part.seek({}, 0.0)
    viewer.part.play({"speed": 1})
    assert (await viewer.state("done"))["name"] == "lesson"
    viewer.part.play({})
    await viewer.until(lambda viewer: viewer["report"] and viewer["playing"]["name"] == "other")


async def test_the_speed_changes_while_it_plays(flow: Flow, viewer: Viewer, folder: Path) -> None:
    script = Script(folder / "made.jsonl")
    script.opens("s1")
    script.says("s1", "a", 1.0)
    script.hears("s1", "A", 1.0)
    script.says("s1", "b", 1000.0)
    script.hears("s1", "B", 1000.0)
    script.recording()
    viewer.part.choose("made")
    viewer.part.play({"speed": 10})
    await viewer.until(lambda viewer: viewer["playing"]["position"] > 1)
    viewer.part.play({"speed": None})
    await viewer.state("done")
    assert (await viewer.until(lambda viewer: viewer["report"]))["counts"]["same"] == 2


async def test_a_flow_without_the_route_says_so(flow: Flow, viewer: Viewer) -> None:
    await chosen(flow, viewer, "one")
    other = Flow("other")
    other.websocket("/elsewhere")
    theirs = Viewer(other)
    theirs.part.choose("lesson")
    theirs.part.play({})
    state = await theirs.state("failed")
    assert "no WebSocket route on this path" in state["why"]
    theirs.part.close()


async def test_nothing_chosen_is_said(viewer: Viewer) -> None:
    with pytest.raises(WsflowError, match="choose a recording first"):
        viewer.part.play({})
    with pytest.raises(WsflowError, match="no recording 'x'"):
        viewer.part.choose("x")


async def test_orders_that_come_too_late_are_harmless(viewer: Viewer) -> None:
    viewer.part.pause()
    viewer.part.stop()
    assert viewer["playing"] is None


async def test_two_pages_of_a_flow_see_the_same(flow: Flow, viewer: Viewer) -> None:
    other = Viewer(flow)
    await chosen(flow, viewer, "one")
    viewer.part.play({})
    await other.state("done")
    assert (await other.until(lambda viewer: viewer["report"]))["ok"]
    other.part.close()


async def test_what_plays_ends_soon_when_no_page_shows_it(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playback, "UNSEEN_SECONDS", 0.05)
    viewer = Viewer(shouting(flow))
    await chosen(flow, viewer, "one")
    viewer.part.step({})
    await viewer.state("paused")
    viewer.part.close()
    await polled(lambda: not threads("wsflow playback"))
