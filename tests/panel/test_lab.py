"""The panel end to end: a real JupyterLab, a real Chromium, real kernels, real clients.

`python -m tests.jupyter.screenshots` makes pictures of it for people to look at.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.jupyter.kernel import Version
from tests.jupyter.lab import Desk, Notebook, desk

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(180),
]

EVIL = "<img src=x onerror=alert(1)>"

CHAT = """
from wsflow import Flow
flow = Flow("chat")
chat = flow.websocket("/chat/{room}")
manager = flow.connections()
chat.req >> manager.req
chat.close >> manager.close

@flow.node
def shout(ev, ctx):
    if ev["message"].startswith("boom"):
        raise ValueError(ev["message"])
    ctx.emit("response", {"body": ev["message"].upper()})

chat.message >> shout
server = await flow.serve()
server.port
"""
PANEL = "flow.panel()"
SESSIONS = "flow.panel.sessions()"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lab() -> AsyncIterator[Desk]:
    async with desk(*VERSIONS) as there:
        yield there


VERSIONS: tuple[Version, ...] = ("7.1.0", "newest")

on_both_versions = pytest.mark.parametrize("version", VERSIONS)
"""Marks where the version of ipykernel matters: how widgets' messages come in (7.1 calls back in a
thread with a loop of its own, which may be blocked), go out, and find a page that came back.

What is done once a message has arrived is the same: the newest tells.
"""


@contextlib.asynccontextmanager
async def chatting(
    lab: Desk, *more: str, version: Version = "newest", panel: str = PANEL, **page: Any
) -> AsyncIterator[tuple[Notebook, int]]:
    """Open a notebook with a chat (cell 0) and its panel (cell 1), run both; give the port."""
    async with lab.notebook(CHAT, panel, *more, version=version, **page) as notebook:
        await notebook.run(0, 1)
        await expect(state(notebook)).to_have_text("running")
        yield notebook, int(await notebook.text(0))
        assert notebook.faults == []


def peer(port: int, path: str = "/chat/red", **options: Any) -> connect:
    """A client of another make."""
    return connect(f"ws://127.0.0.1:{port}{path}", proxy=None, close_timeout=2, **options)


async def received(client: ClientConnection) -> str | bytes:
    async with asyncio.timeout(30):
        return await client.recv()


def panel(notebook: Notebook, cell: int = 1) -> Locator:
    return notebook.output(cell).locator(".wf")


def state(notebook: Notebook) -> Locator:
    return panel(notebook).locator(".wf-state")


def sessions(notebook: Notebook) -> Locator:
    return panel(notebook).locator(".wf-sessions tbody tr")


def tab(notebook: Notebook, name: str) -> Locator:
    return panel(notebook).get_by_role("tab", name=name, exact=True)


FOCUSED = """() => {
    const there = document.activeElement;
    if (!there.closest(".wf")) return null;
    return there.getAttribute("aria-label") || there.textContent || there.placeholder;
}"""


# ---- clients come, are seen, and go


@on_both_versions
async def test_a_client_connects_appears_and_leaves(lab: Desk, version: Version) -> None:
    async with chatting(lab, version=version) as (notebook, port):
        await expect(panel(notebook).get_by_text("Nobody is connected.")).to_be_visible()
        async with peer(port) as client:
            await expect(sessions(notebook)).to_have_count(1)
            await client.send("hello")
            assert await received(client) == "HELLO"
            cells = sessions(notebook).locator("td")
            await expect(cells.nth(1)).to_have_text("/chat/red")
            await expect(cells.nth(5)).to_have_text("1")
        await expect(sessions(notebook)).to_have_count(0)


@on_both_versions
async def test_a_click_closes_a_session(lab: Desk, version: Version) -> None:
    async with chatting(lab, version=version) as (notebook, port), peer(port) as client:
        await panel(notebook).get_by_label("Close session").click()
        async with asyncio.timeout(30):
            await client.wait_closed()
        assert client.close_code == 1000


async def test_a_message_answered_by_hand_arrives_at_the_client(lab: Desk) -> None:
    async with chatting(lab) as (notebook, port), peer(port) as client:
        await client.send("is anybody here?")
        assert await received(client) == "IS ANYBODY HERE?"
        await sessions(notebook).first.click()
        composer = panel(notebook).locator(".wf-composer")
        await expect(composer).to_contain_text("is anybody here?")
        message = composer.get_by_label("Message", exact=True)
        await message.fill("I am: a person at a panel")
        await message.press("Enter")
        assert await received(client) == "I am: a person at a panel"
        await expect(composer.get_by_role("status")).to_contain_text("as an answer to event")
        await composer.get_by_label("What the message is").select_option("json")
        await message.fill('{"a": ')
        await composer.get_by_role("button", name="Answer").click()
        await expect(composer.locator(".wf-reply")).to_contain_text("JSON")
        await message.fill('{"a": 1}')
        await message.press("Enter")
        assert json.loads(await received(client)) == {"a": 1}


async def test_a_broadcast_reaches_all_three(lab: Desk) -> None:
    async with (
        chatting(lab) as (notebook, port),
        peer(port, "/chat/red") as red,
        peer(port, "/chat/blue") as blue,
        peer(port, "/chat/green") as green,
    ):
        await expect(sessions(notebook)).to_have_count(3)
        composer = panel(notebook).locator(".wf-composer")
        await composer.get_by_label("To whom").select_option(label="Everybody (3)")
        await composer.get_by_label("Message", exact=True).fill("dinner!")
        await composer.get_by_role("button", name="Send to everybody").click()
        for client in (red, blue, green):
            assert await received(client) == "dinner!"


async def test_the_log_is_filtered_and_an_event_is_traced(lab: Desk) -> None:
    async with chatting(lab) as (notebook, port), peer(port) as client:
        for text in ("one", "two", "three"):
            await client.send(text)
            await received(client)
        log = panel(notebook).locator(".wf-log")
        await log.scroll_into_view_if_needed()  # it draws nothing where nobody looks
        lines = log.locator("tbody tr[data-seq]")
        await expect(lines.filter(has_text=re.compile("THREE"))).to_have_count(1)
        await log.get_by_label("Show rows whose data or error contains").fill("two")
        await expect(lines).to_have_count(2)
        await lines.first.click()
        trace = log.get_by_label("One row").locator("ol > li")
        await expect(trace).to_have_count(2)
        await expect(trace.nth(1)).to_contain_text("response")
        await tab(notebook, "Diagram").click()
        await expect(panel(notebook).locator(".wf-diagram svg")).to_contain_text("shout")


# ---- a client in the page


@pytest.mark.parametrize("way", ["direct", "bridge"])
async def test_a_client_in_the_page_talks_at_the_first_click(lab: Desk, way: str) -> None:
    """Promise P19: the page that shows the panel told its origin, so the port lets it in."""
    async with chatting(lab) as (notebook, _):
        await tab(notebook, "Clients").click()
        card = panel(notebook).get_by_label("Client alice")
        if not await card.count():
            await panel(notebook).get_by_role("button", name="Add a client").click()
        await (
            card.get_by_label("Which way", exact=False)
            .or_(card.get_by_title("which way to the server"))
            .select_option(way)
        )
        await card.get_by_role("button", name="Connect").click()
        await expect(card.locator(".wf-transcript")).to_contain_text("connected")
        await expect(sessions(notebook)).to_have_count(1)
        message = card.get_by_label("Message of alice")
        await message.fill("hello from the page")
        await message.press("Enter")
        await expect(card.locator(".wf-transcript")).to_contain_text("HELLO FROM THE PAGE")
        await card.get_by_role("button", name="Disconnect").click()
        await expect(sessions(notebook)).to_have_count(0)
        assert notebook.external == []


# ---- what is recorded, held and counted


async def test_a_recording_shows_what_an_edited_cell_answers_otherwise(lab: Desk) -> None:
    async with chatting(lab) as (notebook, port):
        await tab(notebook, "Player").click()
        shown = panel(notebook).locator(".wf-player")
        await shown.get_by_label("Name of the new recording").fill("lesson")
        await shown.get_by_role("button", name="Record", exact=True).click()
        await expect(shown.get_by_label("Mark in lesson")).to_be_visible()
        async with peer(port) as client:
            await client.send("hello")
            assert await received(client) == "HELLO"
        await shown.get_by_role("button", name="Stop recording lesson").click()
        row = shown.locator("tr[data-recording=lesson]")
        await expect(row).to_have_attribute("data-state", "read")
        play = shown.get_by_role("button", name="Play", exact=True)
        await play.click()
        await expect(shown.get_by_text("Everything as recorded")).to_be_visible()
        await notebook.edit(0, CHAT.replace(".upper()", ".title()"))
        await notebook.run(0)
        await play.click()
        await expect(shown.get_by_text("Different from what was recorded")).to_be_visible()
        await expect(shown.locator(".wf-answer del")).to_have_text("HELLO")
        await expect(shown.locator(".wf-answer ins")).to_have_text("Hello")


async def test_an_event_is_held_edited_and_let_go(lab: Desk) -> None:
    async with chatting(lab) as (notebook, port), peer(port) as client:
        await tab(notebook, "Freezes").click()
        await panel(notebook).get_by_role("button", name="Freeze").click()
        await expect(panel(notebook).locator(".wf-freeze")).to_contain_text("waits for the next")
        await client.send("hello")
        event = panel(notebook).get_by_label("The event as JSON")
        await expect(event).to_have_value(re.compile('"message": "hello"'))
        await expect(sessions(notebook)).to_contain_text("held")
        await event.fill((await event.input_value()).replace("hello", "edited"))
        await event.press("Control+Enter")
        assert await received(client) == "EDITED"
        await tab(notebook, "Plots").click()
        count = panel(notebook).locator(".wf-series[data-kind=open] b")
        await expect(count).to_have_text("1")


# ---- by keyboard


async def test_everything_is_reached_by_keyboard_and_jupyter_hears_no_key(lab: Desk) -> None:
    async with chatting(lab) as (notebook, port), peer(port) as client:
        await expect(sessions(notebook)).to_have_count(1)
        await panel(notebook).get_by_role("button", name="Pause").first.focus()
        walked: list[str] = []
        for _ in range(60):
            await notebook.page.keyboard.press("Tab")
            where = await notebook.page.evaluate(FOCUSED)
            if where is None:
                break
            walked.append(where)
        for name in ("Close session", "To whom", "Message", "Log", "Show rows whose data"):
            assert any(name in where for where in walked), (name, walked)
        await tab(notebook, "Log").focus()
        for key in ("ArrowRight", "ArrowRight", "End", "Home", "ArrowLeft"):
            await notebook.page.keyboard.press(key)
        await expect(tab(notebook, "Player")).to_be_focused()
        await expect(tab(notebook, "Player")).to_have_attribute("aria-selected", "true")
        await sessions(notebook).first.focus()
        await notebook.page.keyboard.press("Enter")
        composer = panel(notebook).locator(".wf-composer")
        await composer.get_by_label("Message", exact=True).focus()
        await notebook.page.keyboard.type("dd bb aa xx")  # each would change the notebook
        await notebook.page.keyboard.press("Enter")
        assert await received(client) == "dd bb aa xx"
        assert await notebook.page.locator(".jp-Notebook .jp-Cell").count() == 2


# ---- cells, pages and kernels come and go


@on_both_versions
async def test_a_cell_is_run_again_and_the_panel_goes_on(lab: Desk, version: Version) -> None:
    async with chatting(lab, version=version) as (notebook, port), peer(port) as client:
        await expect(sessions(notebook)).to_have_count(1)
        for _ in range(3):
            await notebook.run(0, 1)
            await expect(panel(notebook)).to_have_count(1)
            await expect(sessions(notebook)).to_have_count(1)
        await client.send("still here")
        assert await received(client) == "STILL HERE"
        await expect(sessions(notebook).locator("td").nth(5)).to_have_text("1")


@on_both_versions
async def test_the_panel_comes_back_when_the_page_is_loaded_again(
    lab: Desk, version: Version
) -> None:
    async with chatting(lab, version=version, fresh=True) as (notebook, port), peer(port):
        await expect(sessions(notebook)).to_have_count(1)
        await notebook.save()
        await notebook.reload()
        await expect(state(notebook)).to_have_text("running")
        await expect(sessions(notebook)).to_have_count(1)


async def test_a_second_view_beside_the_notebook_lives_on_its_own(lab: Desk) -> None:
    pages = "len(flow.panel()._pages)"
    async with chatting(lab, pages) as (notebook, port), peer(port) as client:
        await notebook.cell(1).locator(".jp-OutputArea-promptOverlay").click(button="right")
        await notebook.page.get_by_role("menuitem", name="Create New View for Cell").click()
        beside = notebook.page.locator(".jp-LinkedOutputView .wf")
        await expect(beside.locator(".wf-state")).to_have_text("running")
        await beside.get_by_role("button", name="Pause").first.click()
        await expect(state(notebook)).to_have_text("paused")
        await beside.get_by_role("button", name="Resume").click()
        await beside.locator(".wf-sessions tbody tr").click()
        await expect(sessions(notebook)).to_have_attribute("aria-selected", "false")
        await (
            notebook.page.get_by_role("tab", name="Output View")
            .locator(".lm-TabBar-tabCloseIcon")
            .click()
        )
        await expect(beside).to_have_count(0)
        await notebook.page.get_by_role("tab", name=notebook.name).click()
        await client.send("still here")
        assert await received(client) == "STILL HERE"
        await notebook.run(2)
        assert await notebook.text(2) == "1"


@on_both_versions
async def test_after_a_restart_it_says_disconnected_until_the_cell_is_run(
    lab: Desk, version: Version
) -> None:
    async with chatting(lab, version=version) as (notebook, port), peer(port) as client:
        await expect(sessions(notebook)).to_have_count(1)
        await notebook.restart()
        await expect(state(notebook)).to_have_text("disconnected")
        await expect(panel(notebook).get_by_text("Run the cell again")).to_be_visible()
        async with asyncio.timeout(30):
            await client.wait_closed()
        assert client.close_code == 1001
        await notebook.run(0, 1)
        await expect(state(notebook)).to_have_text("running")
        async with peer(int(await notebook.text(0))):
            await expect(sessions(notebook)).to_have_count(1)


# ---- who blocks (P16)


@on_both_versions
async def test_a_cell_that_blocks_is_named_while_it_does(lab: Desk, version: Version) -> None:
    nap = "import time\ntime.sleep(40)"
    async with chatting(lab, nap, version=version) as (notebook, _):
        await notebook.start(2)
        notice = panel(notebook).locator(".wf-notice")
        await expect(notice).to_contain_text("The loop is blocked by")
        await expect(notice).to_contain_text("time.sleep(40)")
        assert "serve(thread=True)" in await notice.inner_text()
        await expect(notebook.cell(2).locator(".jp-InputPrompt")).to_have_text("[*]:")
        await notebook.interrupt()
        await expect(notice).to_be_hidden()


# ---- nobody else is asked, nobody else gets in


async def test_the_page_asks_nobody_but_jupyter(lab: Desk) -> None:
    async with chatting(lab, fresh=True) as (notebook, port), peer(port):
        await expect(sessions(notebook)).to_have_count(1)
        for tab in await panel(notebook).get_by_role("tab").all():
            await tab.click()
        assert notebook.requests
        assert notebook.external == []


OPENS = """(url) => new Promise((resolve) => {
    const socket = new WebSocket(url);
    socket.onopen = () => { socket.close(); resolve(true) };
    socket.onerror = () => resolve(false);
})"""


async def test_the_page_that_shows_a_panel_may_connect_and_others_may_not(lab: Desk) -> None:
    async with lab.notebook(CHAT, SESSIONS) as notebook:
        await notebook.run(0)
        url = f"ws://127.0.0.1:{await notebook.text(0)}/chat/red"
        assert not await notebook.page.evaluate(OPENS, url)
        await notebook.run(1)
        await expect(state(notebook)).to_have_text("running")
        assert await notebook.page.evaluate(OPENS, url)
        for origin in ("http://evil.example", "null", f"{lab.lab.url}0"):
            with pytest.raises(InvalidStatus, match="403"):
                async with connect(url, origin=origin, proxy=None):  # type: ignore[arg-type]
                    pass


# ---- what clients say is text (P22)

SHOW_EVIL = f"""
evil = {EVIL!r}
from IPython.display import display
display(flow.log.frame(), flow.log.frame().style, flow.log, server.sessions, flow.log.sessions())
"""


async def test_what_a_client_says_stays_text_everywhere(lab: Desk) -> None:
    evil = quote(EVIL)
    recordings = lab.lab.notebooks / "recordings"
    await asyncio.to_thread(recordings.mkdir, exist_ok=True)
    await asyncio.to_thread((recordings / f"{EVIL}.jsonl").write_text, EVIL)
    async with chatting(lab, SHOW_EVIL, height=2000, fresh=True) as (notebook, port):
        headers = {"X-Evil": EVIL, "Sec-WebSocket-Protocol": EVIL}
        async with peer(port, f"/chat/{evil}?name={evil}", additional_headers=headers) as client:
            await client.send(f"boom {EVIL}")
            await client.send(EVIL)
            assert await received(client) == EVIL.upper()
            await expect(sessions(notebook).locator("td").nth(1)).to_have_text(f"/chat/{EVIL}")
            await sessions(notebook).first.click()
            for each in await panel(notebook).get_by_role("tab").all():
                await each.click()
            await expect(panel(notebook).locator(".wf-player")).to_contain_text(EVIL)
            await tab(notebook, "Log").click()
            await panel(notebook).locator('.wf-log tr[data-kind="error"]').click()
            details = panel(notebook).get_by_label("One row")
            await expect(details).to_contain_text(f"ValueError: boom {EVIL}")
            await expect(panel(notebook).locator(".wf-composer")).to_contain_text(EVIL)
            await notebook.run(2)
            await client.close(4000, EVIL)
        await notebook.run(2)
        shown = await notebook.output(2).inner_text()
        assert EVIL in shown
        await notebook.save()
        saved = json.dumps(lab.lab.read(notebook.name))
        assert "&lt;img src=x" in saved
        for pane in (notebook.output(1), notebook.output(2)):
            assert await pane.locator("img").count() == 0
        await notebook.reload()
        await expect(notebook.output(2)).to_contain_text(EVIL)
        assert await notebook.output(2).locator("img").count() == 0
        assert notebook.dialogs == []
