"""The head of a panel names what blocks the loop while it blocks it (promise P16)."""

from __future__ import annotations

import threading
from typing import Any

from playwright.async_api import Browser, expect

from tests.panelpage import in_browser, shown
from tests.playing import hear, open_client
from wsflow import Flow


@in_browser
async def test_a_handler_that_blocks_is_named_while_it_blocks(
    browser: Browser, stage: Flow
) -> None:
    chat = stage.websocket("/chat")
    over = threading.Event()

    @stage.node
    def greedy(ev: Any, ctx: Any) -> None:
        over.wait(50)
        ctx.emit("response", {"body": "done"})

    chat.message >> greedy
    server = await stage.serve(thread=True)  # its loop is blocked, not the one of this test
    try:
        async with shown(browser, stage, "sessions") as (page, _):
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
