"""A panel in a real Chromium without a Lab: the real widget, its real module, a wire between them.

Jupyter only carries messages between the two; here a page's `model.send` calls the widget, and
what the widget sends is handed to the page. `panel/test_lab.py` has the whole way.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, async_playwright

from tests import needs
from tests.browser.har import FLAGS
from wsflow import Flow
from wsflow.panel import bundle
from wsflow.panel.widget import Panel

EVERYWHERE_HERE = "--host-resolver-rules=MAP *.example.org 127.0.0.1"
"""Lets a page seem to come from another machine (see `shown`)."""

in_browser = pytest.mark.asyncio(loop_scope="session")
"""Marks a test that uses the `browser`: it runs in the loop of that."""

SHELL = """<!doctype html><meta charset="utf-8"><title>panel</title>
<style>:root { color-scheme: light dark } body { margin: 12px }</style>
<div id="place"></div>
<script>
  const hearers = new Set();
  window.model = {
    get: (name) => window.traits[name],
    on: (event, hear) => event === "msg:custom" && hearers.add(hear),
    off: (event, hear) => hearers.delete(hear),
    send: (message) => window.toKernel(JSON.stringify(message)),
  };
  window.fromKernel = (messages) =>
    messages.forEach((message) => hearers.forEach((hear) => hear(message)));
  window.show = async (script, style, traits) => {
    window.traits = traits;
    const sheet = document.createElement("style");
    sheet.textContent = style;
    document.head.append(sheet);
    const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
    const module = await import(url);
    window.leave = await module.default.render({ model, el: document.querySelector("#place") });
  };
</script>"""


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run a headless Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=needs.shell(), args=[*FLAGS, EVERYWHERE_HERE]
        )
        try:
            yield browser
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def shown(
    browser: Browser, flow: Flow, *parts: str, at: str | None = None, **options: Any
) -> AsyncIterator[tuple[Page, Panel]]:
    """Show a panel of a flow on a page; leaving closes both. `options` are the page's.

    `at` is the address of an empty page, which gives the panel's its origin.
    """
    panel = flow.panel(*parts)
    page = await browser.new_page(**options)
    wire = _Wire(panel, page)
    if at is not None:
        await page.goto(at)
    try:
        await wire.connect()
        yield page, panel
    finally:
        await wire.cut()
        await page.close()


async def top(locator: Locator) -> float:
    """Return how far down the page something is."""
    box = await locator.bounding_box()
    assert box is not None
    return box["y"]


class _Wire:
    """What Jupyter is between a widget and its page."""

    def __init__(self, panel: Panel, page: Page) -> None:
        self._panel, self._page = panel, page
        self._loop = asyncio.get_running_loop()
        self._due: deque[str] = deque()
        self._news = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        panel, page = self._panel, self._page
        panel.send = self._send
        await page.expose_function("toKernel", self._receive)
        await page.set_content(SHELL)
        self._pump = asyncio.create_task(self._carry())
        traits = {"parts": list(panel.parts)}
        await page.evaluate(
            "([script, style, traits]) => show(script, style, traits)",
            [bundle.script(), bundle.style(), traits],
        )

    def _send(self, message: Any, buffers: Any = None) -> None:
        """Take what the widget sends, from any thread, as strict as Jupyter's own packer."""
        packed = json.dumps(message, ensure_ascii=False, allow_nan=False).encode().decode()
        with contextlib.suppress(RuntimeError):  # the loop of a test that has ended
            self._loop.call_soon_threadsafe(self._push, packed)

    def _push(self, packed: str) -> None:
        self._due.append(packed)
        self._news.set()

    async def _carry(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            messages = [json.loads(packed) for packed in self._due]
            self._due.clear()
            await self._page.evaluate("(messages) => fromKernel(messages)", messages)

    def _receive(self, packed: str) -> None:
        self._panel._receive(self._panel, json.loads(packed))

    async def cut(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
            with contextlib.suppress(BaseException):
                await self._pump
        self._panel.close()
