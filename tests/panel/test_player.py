"""The player: recording, what lies in the folder, playing, and what it says of the answers."""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.panelpage import in_browser, shown
from tests.playing import Script, tell
from wsflow import Flow, RecordingError, WsflowError
from wsflow.panel import playback, recordings
from wsflow.panel.player import PlayerPart
from wsflow.panel.summary import BINS, MAX_LINES, Summary

Json = dict[str, Any]

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of recordings; the panel looks at it often."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recordings, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(playback, "LOOK_SECONDS", 0.05)
    (tmp_path / "recordings").mkdir()
    changed("")
    return tmp_path / "recordings"


def chat(name: str = "chat") -> Flow:
    """A flow that shouts back what `spoken` makes of it."""
    flow = Flow(name)
    trigger = flow.websocket("/chat")

    @flow.node
    def shout(ev: Any, ctx: Any) -> None:
        if ev["message"] == "boom":
            raise ValueError("boom")
        for answer in spoken(ev["message"]):
            ctx.emit("response", {"body": answer})

    trigger.message >> shout
    return flow


ENDS: list[str] = [""]


def spoken(message: str) -> list[str]:
    """Return what is answered to a message: an answer for each of `ENDS`."""
    return [message.upper() + end for end in ENDS]


def changed(*ends: str) -> None:
    """Have the flow answer otherwise from now on."""
    ENDS[:] = ends


async def talk(flow: Flow, *messages: str, name: str = "lesson") -> None:
    """Record a conversation."""
    await flow.start()
    with flow.record(name) as recording:
        async with flow.client("/chat") as client:
            await tell(client, *messages[:1])
            recording.mark("half")
            await tell(client, *messages[1:])


async def polled(good: Callable[[], Any]) -> Any:
    """Ask what threads do, until the answer is good."""
    with anyio.fail_after(20):
        while not (found := good()):  # noqa: ASYNC110 (threads ring no bell)
            await anyio.sleep(0.01)
    return found


def threads(name: str) -> bool:
    return any(one.name == name for one in threading.enumerate())


class Viewer:
    """A page's side of a part, without a page: what it was told so far."""

    def __init__(self, flow: Flow) -> None:
        self.part = PlayerPart(flow)
        self.told: Json = {}

    def __getitem__(self, key: str) -> Any:
        self.told |= json.loads(json.dumps(self.part.news() or {}, allow_nan=False))
        return self.told[key]

    async def until(self, good: Callable[[Viewer], Any]) -> Any:
        """Beat until it is told something, and return that."""
        return await polled(lambda: good(self))

    async def line(self, name: str, state: str = "read") -> Json:
        """Wait until a recording is told of in this state."""

        def there(viewer: Viewer) -> Any:
            fitting = [one for one in viewer["recordings"] if one["name"] == name]
            return fitting[0] if fitting and fitting[0]["state"] == state else None

        found: Json = await self.until(there)
        return found

    async def state(self, *states: str) -> Json:
        """Wait until what plays is in one of these states."""

        def there(viewer: Viewer) -> Any:
            playing = viewer["playing"]
            return playing if playing and playing["state"] in states else None

        found: Json = await self.until(there)
        return found


@pytest_asyncio.fixture
async def flow() -> AsyncIterator[Flow]:
    made = chat()
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def viewer(flow: Flow) -> AsyncIterator[Viewer]:
    made = Viewer(flow)
    yield made
    flow.panel.playback.stop()
    made.part.close()


# ---- the folder


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


# ---- the picture


def _entries(script: Script) -> Summary:
    summary = Summary()
    summary.take(script.recording().entries())
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


# ---- recording


async def test_recording_from_the_panel_lands_in_the_folder(
    flow: Flow, viewer: Viewer, folder: Path
) -> None:
    assert viewer["free"] == "chat-take1"
    viewer.part.record("chat-take1")
    assert [(one["name"], one["seconds"]) for one in viewer["recorders"]] == [("chat-take1", 0)]
    async with flow.client("/chat") as client:
        await tell(client, "one")
    viewer.part.mark("chat-take1", " it begins ")
    assert viewer["recorders"][0]["rows"] > 3
    viewer.part.finish("chat-take1")
    await viewer.until(lambda viewer: viewer["summary"])
    assert viewer["summary"]["marks"][0][1] == "it begins"
    assert (viewer["chosen"], viewer["free"]) == ("chat-take1", "chat-take2")
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


# ---- playing


async def chosen(flow: Flow, viewer: Viewer, *messages: str) -> None:
    await talk(flow, *messages)
    await viewer.line("lesson")
    viewer.part.choose("lesson")
    await viewer.until(lambda viewer: viewer["summary"])


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
    viewer = Viewer(flow)
    await chosen(flow, viewer, "one")
    viewer.part.step({})
    await viewer.state("paused")
    viewer.part.close()
    await polled(lambda: not threads("wsflow playback"))


# ---- in a browser


@in_browser
async def test_a_person_records_plays_and_sees_what_changed(browser: Browser) -> None:
    flow = chat("stage")
    await flow.start()
    async with shown(browser, flow, "player") as (page, _):
        await page.get_by_label("Name of the new recording").fill("my lesson")
        await expect(page.get_by_role("button", name="Record", exact=True)).to_be_disabled()
        await expect(page.get_by_text("letters, digits")).to_be_visible()
        await page.get_by_label("Name of the new recording").fill("lesson")
        await page.keyboard.press("Enter")
        await page.get_by_label("Mark in lesson").fill(EVIL)
        async with flow.client("/chat") as client:
            await tell(client, "one", "two words")
            await page.get_by_role("button", name="Mark", exact=True).click()
            await expect(page.get_by_label("Mark in lesson")).to_have_value("")
        await page.get_by_role("button", name="Stop recording lesson").click()
        row = page.locator("tr[data-recording=lesson]")
        await expect(row).to_have_attribute("data-state", "read")
        await expect(row).to_have_attribute("aria-selected", "true")
        await expect(page.locator(".wf-timeline")).to_have_attribute(
            "aria-label", _begins("1 session over")
        )
        play = page.get_by_role("button", name="Play", exact=True)
        await play.click()
        await expect(page.get_by_text("Everything as recorded")).to_be_visible()
        changed("!")
        await play.click()
        await expect(page.get_by_text("Different from what was recorded")).to_be_visible()
        assert await page.locator(".wf-answer ins").all_inner_texts() == ["!", "!"]
        await expect(page.locator(".wf-spot")).to_have_count(2)
        assert await page.locator("img").count() == 0
    await flow.stop()


@in_browser
async def test_a_person_goes_through_a_recording_by_hand(browser: Browser, folder: Path) -> None:
    script = Script(folder / "made.jsonl")
    script.opens("s1")
    for number in range(1, 10):
        script.says("s1", str(number), number * 10.0)
        script.hears("s1", str(number), number * 10.0)
    script.row(95.0, "mark", data=EVIL)
    script.opens("\u202e" + EVIL, 96.0)
    script.leaves("s1", 100.0)
    script.recording()
    (folder / "notes.jsonl").write_text(EVIL)
    (folder / "my notes.jsonl").write_text(EVIL)
    flow = chat("stage")
    await flow.start()
    async with shown(browser, flow, "player") as (page, _):
        await expect(page.locator("tr[data-recording=notes]")).to_contain_text("can not be read")
        await page.locator("tr[data-recording='my notes']").click()
        await expect(page.get_by_role("alert")).to_contain_text("can not name a recording")
        await page.locator("tr[data-recording=made]").focus()
        await page.keyboard.press("Enter")
        picture = page.locator(".wf-timeline")
        await expect(picture).to_be_visible()
        await expect(picture.locator(".wf-label").nth(1)).to_contain_text("\\u202e<img")
        await expect(picture.locator("title")).to_contain_text(EVIL)
        box = await picture.bounding_box()
        assert box is not None
        left = 92
        wide = box["width"] - left - 8
        await page.mouse.click(box["x"] + left + wide * 0.5, box["y"] + 5)
        where = page.locator(".wf-where")
        await expect(where).to_contain_text(re.compile(r"stands still · (49|50)\.\d+ s of"))
        await page.get_by_role("button", name="Step").click()
        await expect(where).to_contain_text("50.00 s of")
        await page.get_by_role("button", name="Next mark").click()
        await expect(where).to_contain_text("95.00 s of")
        slider = page.get_by_label("Go to a moment of the recording")
        await slider.focus()
        await page.keyboard.press("Home")
        await expect(where).to_contain_text("0 ms of")
        await page.get_by_label("Speed").select_option("1")
        await page.get_by_role("button", name="Go on").click()
        await expect(where).to_contain_text("playing")
        await page.get_by_role("button", name="Pause", exact=True).nth(1).click()
        await expect(where).to_contain_text("stands still")
        await page.get_by_role("button", name="Stop", exact=True).click()
        await expect(where).to_contain_text("stopped")
        assert await page.locator("img").count() == 0
    await flow.stop()


def _begins(text: str) -> re.Pattern[str]:
    return re.compile("^" + re.escape(text))
