"""The plots: what they count, second by second, and how a person reads values off."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.browser.panel_page import in_browser, shown
from tests.panel.rows import SECOND, START, Told
from tests.recorded.playing import tell
from wsflow import Flow
from wsflow.panel.plots import PlotsPart
from wsflow.panel.rates import KEPT_SECONDS

# ---- what a page is told


async def test_the_first_news_is_all_there_is_and_then_what_is_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Told()
    flow = told.flow
    flow.panel.rates = told.rates
    for _ in range(3):
        told.tell("message")
        told.move(1)
    part = PlotsPart(flow)
    news = part.news()
    assert news is not None
    assert (news["first"], news["at"], len(news["values"])) == (True, START // SECOND, 3)
    assert part.news() is None
    told.tell("message")
    told.move(1)
    news = part.news()
    assert news is not None
    assert (news["first"], news["at"], len(news["values"])) == (False, START // SECOND + 3, 1)
    assert json.loads(json.dumps(news, allow_nan=False)) == news
    other = PlotsPart(flow).news()
    assert other is not None
    assert len(other["values"]) == 4


def test_there_is_one_count_for_all_pages() -> None:
    flow = Flow("chat")
    assert PlotsPart(flow)._rates is PlotsPart(flow)._rates
    assert KEPT_SECONDS == 600


# ---- in a browser


@in_browser
async def test_a_person_reads_values_by_pointer_and_keys(browser: Browser, page_flow: Flow) -> None:
    chat = page_flow.websocket("/chat")

    @page_flow.node
    def shout(ev: Any, ctx: Any) -> None:
        ctx.emit("response", {"body": ev["message"].upper()})

    chat.message >> shout
    async with page_flow.client("/chat") as client:
        await tell(client, *["x"] * 20)
        async with shown(browser, page_flow, "plots") as (page, _):
            plots = page.get_by_role("group", name=re.compile("^Plots"))
            await expect(plots).to_be_visible()
            await expect(page.locator(".wf-plot")).to_have_count(3)
            series = page.locator(".wf-series[data-kind=in] b")
            await expect(series).to_have_text("0/s")  # nothing happens now
            await plots.focus()
            await page.keyboard.press("Home")
            await expect(series).to_have_text("20/s")
            await expect(page.locator(".wf-series[data-kind=out] b")).to_have_text("20/s")
            await expect(page.locator("[role=status].wf-unseen")).to_contain_text("in 20/s")
            await page.keyboard.press("Escape")
            await expect(series).to_have_text("0/s")
            picture = await page.locator(".wf-plot").first.bounding_box()
            assert picture is not None
            await page.mouse.move(picture["x"] + picture["width"] - 46, picture["y"] + 40)
            await expect(page.locator(".wf-plots .wf-note")).to_contain_text("at ")
            await expect(page.locator(".wf-unseen table tbody tr").first).to_contain_text(":")
            await page.get_by_label("How long back").select_option("last 10 minutes")
            await expect(page.locator(".wf-plot").first).to_contain_text("−10 min")
