"""The player: recording, what lies in the folder, playing, and what it says of the answers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.browser.panel_page import in_browser, shown
from tests.panel.viewer import changed, shouting
from tests.recorded.playing import Script, tell
from wsflow import Flow

EVIL = "<img src=x onerror=alert(1)>"

pytestmark = pytest.mark.usefixtures("folder")


@in_browser
async def test_a_person_records_plays_and_sees_what_changed(browser: Browser) -> None:
    flow = shouting(Flow("shown"))
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
    flow = shouting(Flow("shown"))
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
