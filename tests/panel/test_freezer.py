"""The freezer on a page: what is frozen is told once, and a person holds, edits and lets go."""

from __future__ import annotations

import re
from typing import Any

import anyio
from playwright.async_api import Browser, expect

from tests.browser.panel_page import in_browser, shown
from wsflow import Flow
from wsflow.panel.freezer import FreezerPart

EVIL = "<img src=x onerror=alert(1)>"


async def test_a_page_is_told_what_changed_and_only_that(flow: Flow) -> None:
    flow.websocket("/chat", name="chat")
    part = FreezerPart(flow)
    assert part.news() == {"ports": ["chat.req", "chat.message", "chat.close"], "freezes": []}
    assert part.news() is None
    await flow.start()
    number = part.arm("chat.message")
    news = part.news()
    assert news is not None
    assert [(one["number"], one["mine"]) for one in news.pop("freezes")] == [(number, True)]
    assert news == {}
    part.close()


# ---- in a browser


@in_browser
async def test_a_person_holds_edits_and_lets_go(browser: Browser) -> None:
    flow = Flow("shown")
    chat = flow.websocket("/chat", name="chat")

    @flow.node
    def shout(ev: Any, ctx: Any) -> None:
        ctx.emit("response", {"body": ev["message"].upper()})

    chat.message >> shout
    alice, bob = await flow.client("/chat"), await flow.client("/chat")
    async with shown(browser, flow, "sessions", "freezer") as (page, _):
        row = page.locator(".wf-sessions tbody tr").first
        await row.click()
        who = await row.get_attribute("data-session")
        assert who is not None
        await expect(page.get_by_label("Port whose next event is held")).to_have_value(
            "chat.message"
        )
        await page.get_by_label(f"only {who}").check()
        await page.locator(".wf-arm").get_by_label("every event").check()
        await page.get_by_role("button", name="Freeze").click()
        await expect(page.locator(".wf-freeze")).to_contain_text("waits for the next event")
        await alice.send(EVIL)
        text = page.get_by_label("The event as JSON")
        await expect(text).to_have_value(re.compile(re.escape(EVIL)))
        await expect(page.locator(".wf-notice")).to_contain_text(f"Session {who} waits")
        await expect(row).to_contain_text("held")
        await bob.send("not held")
        assert await bob.receive() == "NOT HELD"
        whole = await text.input_value()
        await text.fill(whole.replace(f'"{EVIL}"', "oops"))
        await page.get_by_role("button", name="Let go as edited").click()
        await expect(page.get_by_role("alert")).to_contain_text("not JSON at line 2")
        await text.fill(whole.replace(EVIL, "edited"))
        await page.keyboard.press("Control+Enter")
        assert await alice.receive() == "EDITED"
        await alice.send("second")
        await expect(text).to_have_value(re.compile("second"))
        await page.get_by_role("button", name="Drop").click()
        await alice.send("third")
        await expect(text).to_have_value(re.compile("third"))
        await page.locator(".wf-freeze").get_by_label("every event").uncheck()
        await page.get_by_role("button", name="Let go", exact=True).click()
        assert await alice.receive() == "THIRD"
        await expect(page.locator(".wf-freeze")).to_have_count(0)
        await expect(row).to_contain_text("open")
        assert await page.locator("img").count() == 0
    with anyio.fail_after(20):
        await flow.stop()
