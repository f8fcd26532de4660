"""The panel where there is no Lab: in voila and in marimo, each a process, with a real Chromium.

`--long` runs it where they are installed, as a stage of `.ci/run` does; wsflow depends on neither,
not even for its tests.

What is judged of requests: voila and marimo may ask other hosts for things of their own (icons,
fonts), so the page with a panel is held against one that the same program makes of a widget of one
line. It may ask of other machines what that one asked, and nothing else. None of these requests is
let through: the panel has to do without.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from playwright.async_api import Locator, Page, Route, expect
from websockets.asyncio.client import ClientConnection, connect

from tests.browser.panel_page import chromium
from tests.jupyter.lab import end, isolated
from tests.needs import missing

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(300)]

START = 90.0
"""Seconds until a program must answer."""
OPEN = 90_000
"""Milliseconds until a page shows what its cell made: it may start a kernel first."""

CHAT = """
from wsflow import Flow
flow = Flow("chat")
chat = flow.websocket("/chat")
manager = flow.connections()
chat.req >> manager.req
chat.close >> manager.close

@flow.node
def shout(ev, ctx):
    ctx.emit("response", {"body": ev["message"].upper()})

chat.message >> shout
server = await flow.serve()
flow.panel()
"""

BARE = """
import anywidget
class Bare(anywidget.AnyWidget):
    _esm = "export default { render: ({ el }) => { el.textContent = 'nothing but a widget' } }"
Bare()
"""

Show = Callable[[Path, str], list[str]]
"""Writes a file of one cell into a folder; returns the command that makes a page of it."""


def voila(folder: Path, cell: str) -> list[str]:
    code = nbformat.v4.new_code_cell(cell)  # type: ignore[no-untyped-call]
    kernel = {"name": "python3", "display_name": "Python 3"}
    notebook = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]
        cells=[code], metadata={"kernelspec": kernel}
    )
    nbformat.write(notebook, folder / "page.ipynb")  # type: ignore[no-untyped-call]
    return ["voila", "page.ipynb", "--no-browser"]


def marimo(folder: Path, cell: str) -> list[str]:
    body = "".join(f"    {line}\n" for line in cell.splitlines())
    app = f"import marimo\n\napp = marimo.App()\n\n@app.cell\nasync def _():\n{body}"
    (folder / "page.py").write_text(app)
    return ["marimo", "run", "page.py", "--headless", "--no-token"]


@pytest.fixture(params=[voila, marimo])
def show(request: pytest.FixtureRequest, long: bool) -> Show:
    if not long:
        pytest.skip("takes a minute: --long")
    chosen: Show = request.param
    if find_spec(chosen.__name__) is None:
        missing(f"pip install {chosen.__name__}")
    return chosen


async def test_the_panel_shows_who_comes_and_answers_by_hand(show: Show, tmp_path: Path) -> None:
    async with visited(show, BARE, tmp_path / "bare") as (page, usual):
        await expect(page.get_by_text("nothing but a widget")).to_be_visible(timeout=OPEN)
        await page.wait_for_load_state("networkidle")
    async with visited(show, CHAT, tmp_path / "chat") as (page, asked):
        panel = page.locator(".wf")
        await expect(panel.locator(".wf-state")).to_have_text("running", timeout=OPEN)
        await expect(panel.get_by_text("Nobody is connected.")).to_be_visible()
        sessions = panel.locator(".wf-sessions tbody tr")
        url = await panel.locator(".wf-url").inner_text()
        async with connect(url, proxy=None, close_timeout=2) as client:
            await client.send("hello")
            assert await received(client) == "HELLO"
            await expect(sessions).to_have_count(1)
            await expect(sessions.locator("td").nth(1)).to_have_text("/chat")
            await sessions.click()
            await write(panel.locator(".wf-composer"), "Message", "I am a person at a panel")
            assert await received(client) == "I am a person at a panel"
        await expect(sessions).to_contain_text("gone")  # it stays for as long as the mouse does
        for tab in await panel.get_by_role("tab").all():
            await tab.click()
            await expect(tab).to_have_attribute("aria-selected", "true")
        await expect(sessions).to_have_count(0)
        await panel.get_by_role("tab", name="Clients").click()
        for way in ("direct", "bridge"):
            await talk(panel, way)
        assert asked <= usual


async def talk(panel: Locator, way: str) -> None:
    """Be a client in the page."""
    card = panel.get_by_label("Client alice")
    if not await card.count():
        await panel.get_by_role("button", name="Add a client").click()
    await card.get_by_title("which way to the server").select_option(way)
    await card.get_by_role("button", name="Connect").click()
    await expect(card.locator(".wf-transcript")).to_contain_text("connected")
    await write(card, "Message of alice", f"hello, {way}")
    await expect(card.locator(".wf-transcript")).to_contain_text(f"HELLO, {way.upper()}")
    await card.get_by_role("button", name="Disconnect").click()
    await expect(panel.locator(".wf-sessions tbody tr")).to_have_count(0)


async def write(where: Locator, label: str, words: str) -> None:
    message = where.get_by_label(label, exact=True)
    await message.fill(words)
    await message.press("Enter")


async def received(client: ClientConnection) -> str | bytes:
    async with asyncio.timeout(30):
        return await client.recv()


@contextlib.asynccontextmanager
async def visited(show: Show, cell: str, folder: Path) -> AsyncIterator[tuple[Page, set[str]]]:
    """Open the page made of a cell; give it, and the set of what it asks of other machines."""
    asked: set[str] = set()

    async def refuse(route: Route) -> None:
        asked.add(route.request.url)
        await route.abort()

    with served(show, cell, folder) as (process, url):
        await asyncio.to_thread(answers, process, url, folder)
        async with chromium() as browser:
            page = await browser.new_page(viewport={"width": 1400, "height": 1000})
            page.on("websocket", lambda wire: asked.add(wire.url) if foreign(wire.url) else None)
            await page.route(foreign, refuse)
            await page.goto(url, timeout=OPEN)
            yield page, asked


@contextlib.contextmanager
def served(show: Show, cell: str, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run a program that serves a cell at a free port, with all its files in a folder."""
    folder.mkdir()
    command = show(folder, cell)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, f"--port={port}"],
            cwd=folder,
            env=isolated(folder) | {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process, f"http://127.0.0.1:{port}/"
    finally:
        end(process, 20)


def answers(process: subprocess.Popen[bytes], url: str, folder: Path) -> None:
    """Wait until a program listens.

    Raises:
        RuntimeError: it has ended, or takes too long.
    """
    until = time.monotonic() + START
    address = ("127.0.0.1", urlsplit(url).port)
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(address, 1):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    said = (folder / "log").read_text(errors="replace")
    raise RuntimeError(f"nobody listens at {url}:\n{said}")


def foreign(url: str) -> bool:
    """Whether an address is another machine's."""
    found = urlsplit(url)
    here = ("127.0.0.1", "localhost")
    return found.scheme not in ("data", "blob") and found.hostname not in here
