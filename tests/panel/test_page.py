"""The panel's page in a real Chromium, without a Lab: what a person sees, clicks and types."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Callable
from typing import Any, ClassVar
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.panel_page import in_browser, shown, top
from tests.panel.wire import EVIL, Wire
from wsflow import Client, Flow, WsflowError
from wsflow.panel import page as pages
from wsflow.panel.part import News, Part
from wsflow.panel.parts import PART_CLASSES


@pytest_asyncio.fixture(loop_scope="session")
async def chat(page_flow: Flow) -> Flow:
    """A flow that shouts back."""
    route = page_flow.websocket("/chat/{room}")

    @page_flow.node
    def shout(ev: Any, ctx: Any) -> None:
        ctx.emit("response", {"body": ev["message"].upper()})

    route.message >> shout
    await page_flow.start()
    return page_flow


@contextlib.asynccontextmanager
async def clients(flow: Flow, *rooms: str) -> AsyncIterator[list[Client]]:
    """Connect clients, in their order."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(flow.client(f"/chat/{room}")) for room in rooms]


def rows(page: Page) -> Locator:
    return page.locator(".wf-sessions tbody tr")


# ---- sessions


@in_browser
@pytest.mark.timeout(120)
async def test_a_client_appears_with_what_it_says_and_leaves(browser: Browser, chat: Flow) -> None:
    async with shown(browser, chat, "sessions") as (page, _):
        await expect(page.get_by_text("Nobody is connected.")).to_be_visible()
        async with clients(chat, "red") as (alice,):
            await expect(rows(page)).to_have_count(1)
            await alice.send("hi")
            cells = rows(page).locator("td")
            await expect(cells.nth(1)).to_have_text("/chat/red")
            await expect(cells.nth(5)).to_have_text("1")
            await expect(cells.nth(6)).to_have_text("1")
            await expect(page.get_by_text("1 open")).to_be_visible()
        await expect(rows(page)).to_have_count(0)
        await expect(page.get_by_text("Nobody is connected.")).to_be_visible()


@in_browser
@pytest.mark.timeout(120)
async def test_a_click_closes_a_session(browser: Browser, chat: Flow) -> None:
    async with shown(browser, chat, "sessions") as (page, _), clients(chat, "a", "b") as both:
        assert both[1].session is not None
        await page.get_by_label(f"Close session {both[1].session.id}").click()
        await expect(rows(page).nth(1)).to_have_attribute("data-state", "gone")
        assert both[1].closed == (1000, "")
        assert both[0].closed is None


@in_browser
@pytest.mark.timeout(120)
async def test_nothing_moves_under_the_pointer(browser: Browser, chat: Flow) -> None:
    async with shown(browser, chat, "sessions") as (page, _), clients(chat, *"abc") as three:
        await expect(rows(page)).to_have_count(3)
        await rows(page).nth(1).hover()
        before = [await top(rows(page).nth(index)) for index in range(3)]
        await three[0].close()
        async with clients(chat, "d"):
            await expect(rows(page)).to_have_count(4)
            await expect(rows(page).nth(0)).to_have_attribute("data-state", "gone")
            line = rows(page).nth(0).locator("td").first
            await expect(line).to_have_css("text-decoration-line", "line-through")
            assert [await top(rows(page).nth(index)) for index in range(3)] == before
            await page.mouse.move(1, 1)
            await expect(rows(page)).to_have_count(3)


@in_browser
@pytest.mark.timeout(120)
async def test_gone_rows_do_not_pile_up_under_a_reader(browser: Browser, chat: Flow) -> None:
    async with shown(browser, chat, "sessions") as (page, _), clients(chat, "stays"):
        await expect(rows(page)).to_have_count(1)
        await rows(page).first.hover()
        for number in range(5):
            async with clients(chat, *[f"r{number}"] * 60):
                await expect(rows(page).last.locator("td").nth(1)).to_have_text(f"/chat/r{number}")
                await expect(page.get_by_text("61 open")).to_be_visible()
            await expect(page.get_by_text("1 open", exact=True)).to_be_visible()
        await expect(rows(page)).to_have_count(201)
        await expect(rows(page).first.locator("td").nth(1)).to_have_text("/chat/stays")


@in_browser
@pytest.mark.timeout(120)
async def test_the_filter_shows_those_it_fits(browser: Browser, chat: Flow) -> None:
    async with shown(browser, chat, "sessions") as (page, _), clients(chat, "red", "blue", "red"):
        await expect(rows(page)).to_have_count(3)
        search = page.get_by_role("searchbox")
        await search.fill("RED")
        await expect(rows(page)).to_have_count(2)
        await expect(page.get_by_text("2 of 3")).to_be_visible()
        await search.fill("nobody")
        await expect(page.get_by_text("No session fits the filter.")).to_be_visible()
        await search.fill("")
        await expect(rows(page)).to_have_count(3)


@in_browser
@pytest.mark.timeout(120)
async def test_five_thousand_sessions_show_two_hundred(browser: Browser, chat: Flow) -> None:
    many = [await chat.client("/chat/many") for _ in range(5000)]
    async with shown(browser, chat, "sessions") as (page, _):
        await expect(rows(page)).to_have_count(200)
        await expect(page.get_by_text("200 of 5,000 shown")).to_be_visible()
        await many[0].send("hi")
        await page.get_by_label("Which sessions").select_option("most received")
        first = many[0].session
        assert first is not None
        await expect(page.locator(f'tr[data-session="{first.id}"]')).to_be_visible()
        await expect(rows(page)).to_have_count(200)


# ---- by keyboard


@in_browser
@pytest.mark.timeout(120)
async def test_the_keyboard_reaches_everything(browser: Browser, chat: Flow) -> None:
    async with shown(browser, chat, "sessions") as (page, _), clients(chat, "a", "b"):
        await expect(rows(page)).to_have_count(2)
        await page.evaluate(
            """() => {
                window.leaked = [];
                document.addEventListener("keydown", (event) => window.leaked.push(event.key));
            }"""
        )
        walked = []
        for _ in range(7):
            await page.keyboard.press("Tab")
            walked.append(
                await page.evaluate(
                    """() => { const there = document.activeElement;
                        return there.getAttribute("aria-label") ?? there.textContent }"""
                )
            )
        assert walked[0] == "Pause"
        assert walked[1].startswith("Show sessions whose")
        assert walked[2] == "Sessions"
        assert walked[4].startswith("Close session")
        assert walked[6].startswith("Close session")
        leaked = await page.evaluate("() => window.leaked")
        assert [key for key in leaked if key != "Tab"] == []


@in_browser
@pytest.mark.timeout(120)
async def test_arrows_walk_the_rows_and_enter_selects(browser: Browser, chat: Flow) -> None:
    async with shown(browser, chat, "sessions") as (page, _), clients(chat, "a", "b"):
        await rows(page).first.focus()
        await page.keyboard.press("ArrowDown")
        await expect(rows(page).nth(1)).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(rows(page).nth(1)).to_have_attribute("aria-selected", "true")
        await page.keyboard.press("ArrowUp")
        await page.keyboard.press(" ")
        await expect(rows(page).first).to_have_attribute("aria-selected", "true")
        await expect(rows(page).nth(1)).to_have_attribute("aria-selected", "false")
        await page.keyboard.press(" ")
        await expect(rows(page).first).to_have_attribute("aria-selected", "false")


# ---- what clients say is text


@in_browser
@pytest.mark.timeout(120)
async def test_what_clients_say_is_text(browser: Browser, chat: Flow) -> None:
    nasty = [EVIL, "\u202egnirts\u202c", "a\x07b\x1b[31m", "tab\tnew\nline", "\u200bhidden"]
    dialogs: list[str] = []
    async with (
        shown(browser, chat, "sessions") as (page, _),
        clients(chat, *(quote(one) for one in nasty)),
    ):
        page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        await expect(rows(page)).to_have_count(len(nasty))
        paths = await rows(page).locator("td:nth-child(2)").all_text_contents()
        assert paths == [
            f"/chat/{EVIL}",
            "/chat/\\u202egnirts\\u202c",
            "/chat/a\\u0007b\\u001b[31m",
            "/chat/tab⇥new⏎line",
            "/chat/\\u200bhidden",
        ]
        assert await page.locator("img").count() == 0
        assert dialogs == []


# ---- the head


@in_browser
@pytest.mark.timeout(120)
async def test_the_head_says_what_to_do(browser: Browser, chat: Flow) -> None:
    async with shown(browser, chat, "sessions") as (page, _):
        state = page.locator(".wf-state")
        await expect(state).to_have_text("running")
        await page.get_by_role("button", name="Pause").click()
        await expect(state).to_have_text("paused")
        await expect(page.get_by_text("what they send waits")).to_be_visible()
        await page.get_by_role("button", name="Resume").click()
        await expect(state).to_have_text("running")
        await chat.stop()
        await expect(state).to_have_text("stopped")
        await expect(page.get_by_text("await flow.serve()")).to_be_visible()
        server = await chat.serve()
        await expect(page.locator(".wf-url")).to_have_text(f"{server.url}/chat/{{room}}")


@in_browser
@pytest.mark.timeout(120)
async def test_a_part_that_fails_leaves_the_others_alone(
    browser: Browser, chat: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shown(browser, chat, "sessions") as (page, panel):
        await expect(page.get_by_text("Nobody is connected.")).to_be_visible()
        part = next(iter(panel._pages.values()))._parts["sessions"]
        monkeypatch.setattr(part, "news", lambda: {"rows": [EVIL], "gone": 5, "total": 0})
        await expect(page.get_by_text(re.compile("This part has failed.*"))).to_be_visible()
        await page.get_by_role("button", name="Pause").click()
        await expect(page.locator(".wf-state")).to_have_text("paused")


# ---- a kernel that comes and goes


@in_browser
@pytest.mark.timeout(120)
async def test_a_page_the_kernel_forgot_asks_again(browser: Browser, chat: Flow) -> None:
    async with shown(browser, chat, "sessions") as (page, panel), clients(chat, "a") as (alice,):
        await expect(rows(page)).to_have_count(1)
        (who,) = panel._pages
        panel._bye(who)
        await alice.close()
        await page.get_by_role("button", name="Pause").click()
        await expect(page.locator(".wf-state")).to_have_text("paused")
        await expect(rows(page)).to_have_count(0)


@in_browser
@pytest.mark.timeout(120)
@pytest.mark.slow
async def test_a_silent_kernel_is_called_disconnected_until_it_speaks(
    browser: Browser, chat: Flow
) -> None:
    async with shown(browser, chat, "sessions") as (page, panel):
        await expect(page.locator(".wf-state")).to_have_text("running")
        carry, panel.send = panel.send, lambda content, buffers=None: None
        await expect(page.locator(".wf-state")).to_have_text("disconnected")
        await expect(page.get_by_text("Run the cell again")).to_be_visible()
        panel.send = carry
        async with clients(chat, "red"):
            await expect(page.locator(".wf-state")).to_have_text("running")
            await expect(rows(page)).to_have_count(1)


@in_browser
@pytest.mark.timeout(120)
async def test_leaving_the_page_says_bye(browser: Browser, chat: Flow) -> None:
    async with shown(browser, chat, "sessions") as (page, panel):
        await expect(page.locator(".wf-state")).to_have_text("running")
        await page.evaluate("() => window.leave()")
        assert not panel._pages


# ---- without a browser


async def test_a_page_hears_of_a_quiet_kernel_every_other_second(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.hello()
    monkeypatch.setattr(pages, "KEEPALIVE_SECONDS", 0.0)
    wire.news()
    assert wire.told == [{"to": "p1", "tick": 2, "news": {}}]


async def test_a_page_that_gave_no_sign_for_minutes_is_gone(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.hello("silent")
    wire.hello("alive")
    monkeypatch.setattr(wire.panel._pages["silent"], "_heard_at", -pages.PAGE_TIMEOUT)
    wire.say({"page": "alive", "op": "here"})
    assert wire.panel.tick()
    assert list(wire.panel._pages) == ["alive"]


@pytest.mark.parametrize(
    ("part", "action", "given"),
    [
        ("sessions", "news", {}),
        ("sessions", "__init__", {}),
        ("sessions", "close", {}),
        ("sessions", "\ud800" * 10_000, {}),
        ("nobody", "end", {}),
        ("sessions", "end", None),
        ("sessions", "end", [1]),
        (None, None, {}),
        ({}, [], {}),
    ],
    ids=["news", "init", "close", "surrogates", "part", "none", "list", "nothing", "odd"],
)
async def test_an_action_nobody_offers_is_answered_with_a_sentence(
    wire: Wire, part: Any, action: Any, given: Any
) -> None:
    wire.hello()
    wire.told.clear()
    asked = {"part": part, "action": action, "given": given, "number": 1}
    wire.say({"page": "p1", "op": "ask", **asked})
    (answer,) = wire.told
    assert "reload the page" in answer["error"]
    assert len(answer["error"]) < 400


async def test_wrong_arguments_are_answered_with_a_sentence(wire: Wire) -> None:
    wire.hello()
    assert "unexpected keyword" in await wire.refused("sessions", "end", wrong=1)
    assert "no open session 's99'" in await wire.refused("sessions", "end", session="s99")
    assert "no open session None" in await wire.refused("sessions", "end", session=None)
    assert "no order 'tallest'" in await wire.refused("sessions", "choose", order="tallest")


class Broken(Part):
    """Does all that a part must not."""

    name = "sessions"
    actions = ("fail", "nothing", "odd", "mute", "big")
    fault: ClassVar[Callable[[], News | None]]

    def news(self) -> News | None:
        return type(self).fault()

    def fail(self) -> None:
        raise ZeroDivisionError(EVIL)

    def mute(self) -> None:
        raise ValueError

    def nothing(self) -> None: ...

    def odd(self) -> object:
        return {"x": float("nan")}

    def big(self) -> None:
        raise ValueError("x" * 10_000)

    def close(self) -> None:
        raise RuntimeError("no way")


class SpeechlessError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


def fails(error: Exception) -> Callable[[], News]:
    """Make news that raise."""

    def fault() -> News:
        raise error

    return fault


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (fails(KeyError("x")), "KeyError: 'x'"),
        (fails(WsflowError("no such thing")), "no such thing"),
        (fails(SpeechlessError()), "SpeechlessError"),
        (lambda: {"x": float("nan")}, "not JSON compliant"),
        (lambda: {"x": "\ud800"}, "surrogates not allowed"),
        (lambda: {"x": object()}, "not JSON serializable"),
    ],
    ids=["raises", "ours", "speechless", "nan", "surrogate", "object"],
)
async def test_a_broken_part_says_so_once_and_the_others_go_on(
    by_hand: None,
    running: Flow,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[], News],
    said: str,
) -> None:
    monkeypatch.setitem(PART_CLASSES, "sessions", Broken)
    monkeypatch.setattr(Broken, "fault", staticmethod(fault), raising=False)
    wire = Wire(running.panel("sessions"))
    news = wire.hello()
    assert said in news["sessions"]["broken"]
    assert news["status"]["state"] == "running"
    running.pause()
    assert list(wire.news()) == ["status"]
    wire.say({"page": "p1", "op": "bye"})
    assert not wire.panel._pages


async def test_a_part_that_read_what_the_loop_wrote_just_then_reads_again(
    by_hand: None, running: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(running.panel("sessions"))
    wire.hello()
    part, faults = wire.panel._pages["p1"]._parts["status"], [RuntimeError("changed size")]
    news = part.news

    def once() -> News | None:
        if faults:
            raise faults.pop()
        return news()

    monkeypatch.setattr(part, "news", once)
    running.pause()
    assert wire.news()["status"]["state"] == "paused"
    running.resume()
    assert wire.news()["status"]["state"] == "running"


async def test_an_action_that_fails_is_a_sentence_of_bounded_length(
    by_hand: None, running: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PART_CLASSES, "sessions", Broken)
    monkeypatch.setattr(Broken, "fault", staticmethod(lambda: None), raising=False)
    wire = Wire(running.panel("sessions"))
    wire.hello()
    assert await wire.refused("sessions", "fail") == f"ZeroDivisionError: {EVIL}"
    assert await wire.refused("sessions", "mute") == "ValueError"
    assert "not JSON compliant" in await wire.refused("sessions", "odd")
    assert len(await wire.refused("sessions", "big")) == 500
    assert await wire.ask("sessions", "nothing") == {"to": "p1", "answer": 7, "value": None}
