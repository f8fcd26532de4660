"""The panel on its page: how high it is, whatever is done in it, and how wide its tables are."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.panel_page import in_browser, shown
from wsflow import Flow

ALL = ("sessions", "composer", "client", "log", "diagram", "plots", "freezer", "player")
WIDE = 1500
NARROW = 800


@pytest_asyncio.fixture(loop_scope="session")
async def chat(page_flow: Flow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flow:
    """A flow that shouts back, and cannot stand the word boom."""
    monkeypatch.chdir(tmp_path)
    route = page_flow.websocket("/chat/{room}", name="chat")

    @page_flow.node
    def shout(ev: Any, ctx: Any) -> None:
        if ev["message"] == "boom":
            raise ValueError("no such room")
        ctx.emit("response", {"body": ev["message"].upper()})

    route.message >> shout
    await page_flow.start()
    return page_flow


async def below(page: Page) -> Callable[[], Awaitable[float]]:
    """Put a cell below the panel; return how to ask where it is, once the page was drawn."""
    await page.evaluate(
        "document.body.append(Object.assign(document.createElement('p'), {id: 'b'}))"
    )

    async def at() -> float:
        where: float = await page.evaluate(
            """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() =>
                done(document.querySelector("#b").getBoundingClientRect().top + scrollY))))"""
        )
        return where

    return at


@in_browser
@pytest.mark.parametrize("width", [NARROW, WIDE])
async def test_the_cell_below_stays_where_it_is_whatever_is_done(
    browser: Browser, chat: Flow, width: int
) -> None:
    """found D4: tabs, rows, banners, sessions, recordings; each moved it by up to 480 pixels."""
    viewport = {"width": width, "height": 1300}
    async with (
        shown(browser, chat, *ALL, viewport=viewport) as (page, _),
        contextlib.AsyncExitStack() as stack,
    ):
        at = await below(page)
        start = await at()
        tab = page.get_by_role("tab")
        detail = page.get_by_label("One row")

        async def sessions(number: int) -> None:
            for _ in range(number):
                client = await stack.enter_async_context(chat.client("/chat/red"))
                await client.send("boom")
            there = len(chat.sessions)
            await expect(page.locator(".wf-log tr[data-kind='error']")).to_have_count(there)
            await expect(page.locator(".wf-sessions tbody tr")).to_have_count(there)

        async def rows(state: str, number: int = 0) -> None:
            await page.locator(f".wf-log tr[data-kind='{state}']").nth(number).click()
            await expect(detail).to_be_visible()

        async def pause(notice: str) -> None:
            await page.locator(".wf-head .wf-button").click()
            await (
                expect(page.locator(".wf-notice")).to_contain_text(notice)
                if notice
                else expect(page.locator(".wf-notice")).to_be_hidden()
            )

        async def record() -> None:
            await page.locator(".wf-record").click()
            await expect(page.locator(".wf-running form")).to_be_visible()

        async def choose() -> None:
            await page.get_by_role("button", name="Stop recording").click()
            await page.locator(".wf-recordings tbody tr").first.click()
            await expect(page.locator(".wf-choice")).to_be_visible()

        async def play() -> None:
            await page.locator(".wf-choice [data-main]").click()
            await expect(page.locator(".wf-report")).to_be_visible()

        async def stop() -> None:
            await chat.stop()
            await expect(page.locator(".wf-notice")).to_contain_text("does not run")

        actions: list[Callable[[], Awaitable[object]]] = [
            *(lambda one=one: tab.nth(one).click() for one in range(6)),
            lambda: tab.nth(1).click(),
            lambda: sessions(1),
            lambda: page.locator(".wf-sessions tbody tr").first.click(),
            lambda: page.locator(".wf-sessions tbody tr").first.click(),
            lambda: sessions(30),
            lambda: rows("message"),
            lambda: rows("error", 3),
            lambda: page.get_by_label("Close the details").click(),
            lambda: rows("error", 30),
            lambda: page.keyboard.press("Escape"),
            lambda: page.locator(".wf-kinds button").first.click(),
            lambda: page.locator(".wf-kinds button").first.click(),
            lambda: page.get_by_label("Show sessions whose id").fill("nobody"),
            lambda: page.get_by_label("Show sessions whose id").fill(""),
            lambda: pause("Paused"),
            lambda: pause(""),
            lambda: tab.nth(0).click(),
            lambda: page.get_by_role("button", name="client", exact=False).last.click(),
            lambda: tab.nth(5).click(),
            record,
            choose,
            play,
            lambda: tab.nth(2).click(),
            lambda: page.locator(".wf-node").first.click(),
            stop,
        ]
        assert len(actions) >= 30
        moved: dict[int, float] = {}
        for number, act in enumerate(actions):
            await act()
            if await at() != start:
                moved[number] = await at() - start
        assert moved == {}


@in_browser
@pytest.mark.parametrize("part", ALL)
async def test_a_part_that_stands_alone_keeps_its_height_too(
    browser: Browser, chat: Flow, part: str
) -> None:
    """found D4."""
    async with (
        shown(browser, chat, part) as (page, _),
        contextlib.AsyncExitStack() as stack,
    ):
        at = await below(page)
        start = await at()
        for number in range(20):
            client = await stack.enter_async_context(chat.client(f"/chat/{number}"))
            await client.send("boom")
        if part == "log":
            await page.locator(".wf-log tr[data-kind='error']").first.click()
            await expect(page.get_by_label("One row")).to_be_visible()
        await page.locator(".wf-head .wf-button").click()
        await expect(page.locator(".wf-notice")).to_contain_text("Paused")
        assert await at() == start


@in_browser
async def test_the_row_that_was_opened_stays_in_sight_and_so_does_the_end(
    browser: Browser, chat: Flow
) -> None:
    """found D4: the details take their room from the rows."""
    async with (
        shown(browser, chat, "log") as (page, _),
        chat.client("/chat/red") as client,
    ):
        for _ in range(30):
            await client.send("hello")
        newest = page.locator(".wf-rows tr[data-seq='61']")
        await newest.click()
        await expect(page.get_by_label("One row")).to_be_visible()
        await expect(newest).to_be_in_viewport(ratio=0.9)
        await page.keyboard.press("Escape")
        await client.send("and on")
        await expect(page.locator(".wf-rows tr[data-seq='63']")).to_be_in_viewport(ratio=0.9)


# ---- how wide it is

LONG = "/rooms/" + "a-room-with-a-rather-long-name/" * 3


@in_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_session_can_be_closed_at_every_width(
    browser: Browser, page_flow: Flow, scheme: Any
) -> None:
    """found D2: long ages and paths pushed the buttons out of sight."""
    page_flow.websocket("/rooms/{a}/{b}/{c}/")
    await page_flow.start()
    async with (
        shown(browser, page_flow, *ALL, color_scheme=scheme) as (page, _),
        contextlib.AsyncExitStack() as stack,
    ):
        for _ in range(3):
            client = page_flow.client(LONG, peer="203.0.113.99")
            await (await stack.enter_async_context(client)).send("")
        ages = page.locator(".wf-sessions tbody td:nth-child(5)")
        await expect(ages).to_have_count(3)
        await page.evaluate("Date.now = ((then) => () => then() + 145_000)(Date.now)")
        await expect(ages.first).to_have_text(re.compile(r"^2:\d\d$"))
        await page.evaluate("Date.now = ((then) => () => then() + 86_000_000)(Date.now)")
        await expect(ages.first).to_have_text(re.compile(r"^23:\d\d:\d\d$"))
        ends = page.get_by_role("button", name="Close session")
        for width in (420, 500, 600, 800, 1000, 1100, 1200, 1400, 1600, 1800):
            await page.set_viewport_size({"width": width, "height": 1200})
            over: list[int] = await page.evaluate(
                """() => [...document.querySelectorAll(".wf-scroll, .wf-card, .wf-number")]
                    .map((one) => one.scrollWidth - one.clientWidth).filter((more) => more > 0)"""
            )
            assert over == [], width
            for end in await ends.all():
                await expect(end).to_be_in_viewport(ratio=0.9)
        await expect(page.get_by_role("columnheader", name="waiting")).to_be_hidden()
        await ends.last.focus()
        await page.keyboard.press("Enter")
        await expect(page.locator(".wf-sessions tr[data-state='gone']")).to_have_count(1)


@in_browser
async def test_what_waits_has_a_column_only_while_something_does(
    browser: Browser, page_flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """found D2."""
    page_flow.websocket("/chat")
    await page_flow.start()
    async with (
        shown(browser, page_flow, "sessions") as (page, _),
        page_flow.client("/chat") as client,
    ):
        waiting = page.get_by_role("columnheader", name="waiting")
        await client.send("")
        await expect(page.locator("tbody tr")).to_have_count(1)
        await expect(waiting).to_be_hidden()
        (session,) = page_flow.sessions
        backlog = 4000
        monkeypatch.setattr(
            type(session), "backlog", property(lambda session: backlog, lambda session, value: None)
        )
        await expect(page.locator("tbody td:nth-child(8)")).to_have_text("4.0 kB")
        await expect(waiting).to_be_visible()
        backlog = 0
        await expect(waiting).to_be_hidden()
