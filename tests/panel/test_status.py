"""The head of a panel names what blocks the loop while it blocks it (promise P16)."""

from __future__ import annotations

import threading
from contextlib import AsyncExitStack
from typing import Any

from playwright.async_api import Browser, expect

from tests.browser.panel_page import in_browser, shown
from tests.panel.wire import Wire, connected
from tests.recorded.playing import hear, open_client
from wsflow import Flow


@in_browser
async def test_a_handler_that_blocks_is_named_while_it_blocks(
    browser: Browser, page_flow: Flow
) -> None:
    chat = page_flow.websocket("/chat")
    over = threading.Event()

    @page_flow.node
    def greedy(ev: Any, ctx: Any) -> None:
        over.wait(50)
        ctx.emit("response", {"body": "done"})

    chat.message >> greedy
    server = await page_flow.serve(thread=True)  # its loop is blocked, not the one of this test
    try:
        async with shown(browser, page_flow, "sessions") as (page, _):
            await expect(page.locator(".wf-state")).to_have_text("running")
            async with open_client(server, "/chat") as client:
                await expect(page.locator("tbody tr")).to_have_count(1)
                await client.send("block")
                notice = page.locator(".wf-notice")
                await expect(notice).to_contain_text("blocked by")
                assert not over.is_set()
                await expect(notice).to_contain_text("in node greedy")
                await expect(notice).to_contain_text("test_status.py")
                over.set()
                assert await hear(client) == "done"
                await expect(notice).to_be_hidden()
    finally:
        over.set()


# ---- without a browser


async def test_the_head_tells_how_the_flow_does(running: Flow, wire: Wire) -> None:
    assert wire.hello()["status"]["url"] is None
    server = await running.serve()
    status = wire.news()["status"]
    assert (status["url"], status["paths"]) == (server.url, ["/chat/{room}"])
    await wire.ask("status", "pause")
    assert running._host.paused
    assert wire.news()["status"]["state"] == "paused"
    await wire.ask("status", "resume")
    assert wire.news()["status"]["state"] == "running"


async def test_a_panel_of_a_stopped_flow_says_so_and_lives_when_it_runs_again(
    running: Flow, wire: Wire
) -> None:
    async with running.client("/chat/red") as client:
        await client.send("hi")
        await client.receive()
        wire.hello()
        await running.stop()
        news = wire.news()
        assert news["status"]["state"] == "stopped"
        assert news["sessions"]["total"] == 0
    assert "error" not in await wire.ask("status", "pause")
    assert "no open session" in await wire.refused("sessions", "end", session="s1")
    await running.start()
    assert wire.news()["status"]["state"] in ("running", "paused")


async def test_a_panel_of_a_flow_that_never_ran_shows_what_there_is(
    by_hand: None, flow: Flow
) -> None:
    wire = Wire(flow.panel("sessions"))
    status = wire.hello()["status"]
    assert (status["state"], status["paths"], status["events"]) == ("stopped", [], 0)


async def test_two_panels_of_one_flow_tell_the_same(by_hand: None, running: Flow) -> None:
    whole, alone = Wire(running.panel()), Wire(running.panel("sessions"))
    async with AsyncExitStack() as stack:
        await connected(running, stack, 3)
        assert whole.hello()["sessions"] == alone.hello()["sessions"]
        await alone.ask("sessions", "end", session=alone.told[0]["news"]["sessions"]["rows"][0][0])
        assert whole.news()["sessions"]["total"] == alone.news()["sessions"]["total"] == 2
