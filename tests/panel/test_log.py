"""The log on the panel: follows, filters, stands still, and tells the story of one row."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.panel_page import in_browser, shown, top
from tests.panel.rows import EVIL, seqs, tell
from wsflow import Flow, WsflowError
from wsflow.panel import log
from wsflow.panel.log import BURST_ROWS, FILTERED_ROWS, MAX_ROWS, LogPart


@pytest.fixture
def part(flow: Flow) -> LogPart:
    return LogPart(flow)


# ---- following


def test_the_first_news_are_the_newest_rows_and_what_a_filter_can_be_made_of(
    flow: Flow, part: LogPart
) -> None:
    for number in range(MAX_ROWS + 5):
        tell(flow, data=f"m{number}")
    news = part.news()
    assert news is not None
    assert seqs(news) == list(range(6, MAX_ROWS + 6))
    assert news["rows"][-1][2:] == ["route", "shout.out", "", f"m{MAX_ROWS + 4}", ""]
    assert news["first"]
    assert news["skipped"] == 0
    assert news["kinds"] == ["route"]
    assert news["places"] == ["shout.out"]
    assert part.news() is None


def test_an_empty_log_says_so_once(part: LogPart) -> None:
    news = part.news()
    assert news is not None
    assert news["rows"] == []
    assert news["first"]
    assert part.news() is None


def test_what_comes_follows_and_of_a_flood_the_newest_rows_with_what_was_skipped(
    flow: Flow, part: LogPart
) -> None:
    part.news()
    tell(flow)
    news = part.news()
    assert news is not None
    assert (seqs(news), news["gap"], "first" in news) == ([1], 0, False)
    for _ in range(1_000):
        tell(flow)
    news = part.news()
    assert news is not None
    assert seqs(news) == list(range(1_002 - BURST_ROWS, 1_002))
    assert news["gap"] == news["skipped"] == 1_000 - BURST_ROWS
    for _ in range(MAX_ROWS):
        tell(flow)
    news = part.news()
    assert news is not None
    assert len(news["rows"]) == MAX_ROWS
    assert (news["gap"], news["skipped"]) == (0, 1_000 - BURST_ROWS)


def test_rows_forgotten_meanwhile_break_nothing(flow: Flow, part: LogPart) -> None:
    tell(flow)
    part.news()
    tell(flow)
    flow.log.clear()
    assert part.news() is None
    tell(flow)
    news = part.news()
    assert news is not None
    assert seqs(news) == [3]


def test_a_wish_that_comes_late_changes_nothing(flow: Flow, part: LogPart) -> None:
    tell(flow, place="message chat message /chat")
    tell(flow)
    part.choose(view=3, kinds=["message"])
    part.choose(view=2)
    part.stand(view=1, at=0)
    news = part.news()
    assert news is not None
    assert (news["view"], seqs(news)) == (3, [1])


def test_a_filter_looks_at_a_bounded_number_of_rows_a_tick(flow: Flow, part: LogPart) -> None:
    part.choose(view=1, kinds=["message"])
    part.news()
    tell(flow, place="message chat message /chat")
    for _ in range(FILTERED_ROWS + 10):
        tell(flow)
    tell(flow, place="message chat message /chat")
    news = part.news()
    assert news is not None
    assert seqs(news) == [FILTERED_ROWS + 12]
    assert news["gap"] == news["skipped"] == 12


def test_what_fits_and_is_too_much_counts_as_skipped(flow: Flow, part: LogPart) -> None:
    part.choose(view=1, kinds=["route"])
    part.news()
    for _ in range(MAX_ROWS + 7):
        tell(flow)
    news = part.news()
    assert news is not None
    assert (len(news["rows"]), news["gap"]) == (BURST_ROWS, MAX_ROWS + 7 - BURST_ROWS)


# ---- standing still


def test_a_page_that_stands_still_is_told_only_how_many_came(flow: Flow, part: LogPart) -> None:
    for _ in range(3):
        tell(flow)
    part.news()
    tell(flow)
    part.stand(view=1, at=3)
    assert part.news() == {"view": 1, "came": 1, "unseen": 0}
    assert part.news() is None
    for _ in range(5):
        tell(flow)
    assert part.news() == {"view": 1, "came": 6, "unseen": 0}
    part.follow(view=2)
    news = part.news()
    assert news is not None
    assert (seqs(news), news["first"]) == (list(range(1, 10)), True)


def test_with_a_filter_only_rows_that_fit_are_counted(flow: Flow, part: LogPart) -> None:
    part.choose(view=1, where="chat")
    part.stand(view=2, at=0)
    assert part.news() == {"view": 2, "came": 0, "unseen": 0}
    tell(flow)
    tell(flow, place="message chat message /chat")
    news = part.news()
    assert news is not None
    assert (news["came"], news["unseen"]) == (1, 0)
    for _ in range(FILTERED_ROWS + 3):
        tell(flow)
    tell(flow, place="message chat message /chat")
    news = part.news()
    assert news is not None
    assert (news["came"], news["unseen"]) == (2, 4)


# ---- going back, and forth again


def test_older_rows_come_a_hundred_at_a_time_down_to_the_start(flow: Flow, part: LogPart) -> None:
    for _ in range(250):
        tell(flow)
    back = part.older(before=151)
    assert seqs(back) == list(range(51, 151))
    assert (back["before"], back["start"], back["dropped"]) == (51, 1, 0)
    back = part.older(before=back["before"])
    assert seqs(back) == list(range(1, 51))
    assert back["before"] == back["start"]
    assert part.older(before=1)["rows"] == []
    forth = part.newer(after=100)
    assert seqs(forth) == list(range(101, 201))
    assert (forth["after"], forth["more"]) == (200, True)
    forth = part.newer(after=200)
    assert (seqs(forth), forth["more"]) == (list(range(201, 251)), False)


def test_older_rows_keep_to_the_filter_and_say_how_far_back_they_looked(
    flow: Flow, part: LogPart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "SEARCHED_ROWS", 1_000)
    tell(flow, place="message chat message /chat")
    for _ in range(3_000):
        tell(flow)
    part.choose(view=1, kinds=["message"])
    back = part.older(before=3_002)
    assert (back["rows"], back["before"]) == ([], 2_002)
    while back["before"] > back["start"]:
        back = part.older(before=back["before"])
    assert seqs(back) == [1]


def test_rows_that_were_dropped_are_counted_where_the_log_begins(part: LogPart) -> None:
    flow = Flow("small", log_rows=100)
    for _ in range(500):
        tell(flow)
    back = LogPart(flow).older(before=500)
    assert back["start"] == seqs(back)[0] > 400
    assert back["dropped"] == back["start"] - 1


# ---- one row


async def test_the_details_of_a_row_tell_where_it_comes_from_and_what_it_led_to(
    flow: Flow,
) -> None:
    chat = flow.websocket("/chat")

    def shout(ev: Any, ctx: Any) -> None:
        ctx.route(ev["message"].upper())

    def answer(ev: Any, ctx: Any) -> None:
        ctx.emit("response", {"body": ev})

    chat.message >> shout
    flow.nodes["shout"] >> answer
    async with flow.client("/chat", peer="10.1.2.3") as client:
        await client.send('{"a": 1}')
        assert await client.receive() == '{"A": 1}'
        response = next(row for row in flow.log if row.kind == "response")
        told = LogPart(flow).details(response.seq)
    assert (told["form"], told["text"], told["cut"]) == ("json", '{\n  "A": 1\n}', False)
    assert (told["kind"], told["node"], told["size"]) == ("response", "answer", 8)
    assert (told["peer"], told["path"]) == ("10.1.2.3", "/chat")
    tree = [(line[1], line[4], line[5], line[6]) for line in told["trace"]]
    assert tree == [
        (0, "message", "/chat", "message"),
        (1, "route", "shout", "out"),
        (2, "response", "answer", "response"),
    ]
    assert [line[2] for line in told["trace"]] == sorted(line[2] for line in told["trace"])
    assert (told["of"], told["lost"]) == (3, 0)


def test_of_a_large_story_what_is_near_the_row_is_told(flow: Flow, part: LogPart) -> None:
    root = tell(flow, place="req chat req /chat")
    for _ in range(1_000):
        tell(flow, cause=root)
    middle = tell(flow, cause=500)
    below = tell(flow, cause=middle)
    told = part.details(middle)
    numbers = [line[0] for line in told["trace"]]
    assert (len(numbers), told["of"]) == (log.TRACE_ROWS, 1_003)
    assert {root, 500, middle, below} <= set(numbers)
    assert dict(zip(numbers, (line[1] for line in told["trace"]), strict=True))[below] == 3


def test_a_row_that_was_dropped_says_so() -> None:
    flow = Flow("small", log_rows=100)
    part = LogPart(flow)
    for _ in range(500):
        last = tell(flow, cause=1)
    with pytest.raises(WsflowError, match=r"row 1 is not in the log any more; it holds rows 4\d\d"):
        part.details(1)
    assert part.details(last)["lost"] == 1


def test_nothing_a_client_sends_breaks_the_channel(flow: Flow, part: LogPart) -> None:
    values = [EVIL, {"x": EVIL}, math.nan, {"n": math.inf}, EVIL.encode("utf-8", "replace"), [EVIL]]
    for value in values:
        tell(flow, data=value, error=EVIL, place=f"error {EVIL.replace(' ', '_')} in")
    told: list[Any] = [part.news(), part.older(before=99), part.newer(after=0)]
    told += [part.details(seq) for seq in range(1, len(values) + 1)]
    for one in told:
        json.dumps(one, ensure_ascii=False, allow_nan=False).encode("utf-8")


# ---- in a browser


@pytest_asyncio.fixture(loop_scope="session")
async def chat(page_flow: Flow) -> Flow:
    """A flow that shouts back, and cannot stand the word boom."""
    route = page_flow.websocket("/chat/{room}")

    @page_flow.node
    def shout(ev: Any, ctx: Any) -> None:
        if ev["message"] == "boom":
            raise ValueError("no such room")
        ctx.emit("response", {"body": ev["message"].upper()})

    route.message >> shout
    await page_flow.start()
    return page_flow


def rows(page: Page) -> Locator:
    return page.locator(".wf-rows tr[data-seq]")


def row(page: Page, seq: int) -> Locator:
    return page.locator(f".wf-rows tr[data-seq='{seq}']")


def newest(page: Page) -> Locator:
    return page.locator(".wf-newest")


@in_browser
async def test_rows_follow_as_long_as_the_end_is_in_sight(browser: Browser, chat: Flow) -> None:
    async with shown(browser, chat, "log") as (page, _):
        await expect(page.get_by_text("Nothing has happened yet.")).to_be_visible()
        for number in range(40):
            tell(chat, data=f"line {number}")
        await expect(row(page, 40)).to_be_in_viewport()
        await expect(row(page, 40)).to_contain_text("line 39")
        tell(chat, data="one more")
        await expect(row(page, 41)).to_be_in_viewport()
        await expect(newest(page)).to_be_hidden()


@in_browser
async def test_nothing_moves_under_a_reader_until_she_asks_for_what_is_new(
    browser: Browser, chat: Flow
) -> None:
    async with shown(browser, chat, "log") as (page, _):
        for _ in range(100):
            tell(chat)
        await expect(row(page, 100)).to_be_in_viewport()
        await page.locator(".wf-rows").evaluate("element => (element.scrollTop = 600)")
        await expect(newest(page)).to_have_text("Newest ↓")
        before = await top(row(page, 50))
        for _ in range(300):
            tell(chat)
        await expect(newest(page)).to_have_text("300 new ↓")
        assert await top(row(page, 50)) == before
        await newest(page).click()
        await expect(row(page, 400)).to_be_in_viewport()
        await expect(newest(page)).to_be_hidden()
        await expect(rows(page)).to_have_count(MAX_ROWS)


@pytest.mark.slow
@in_browser
async def test_a_paused_page_stands_still_and_loses_nothing(browser: Browser, chat: Flow) -> None:
    async with shown(browser, chat, "log") as (page, _):
        for _ in range(10):
            tell(chat)
        await expect(row(page, 10)).to_be_visible()
        scroll = page.locator(".wf-rows")
        await page.locator(".wf-log").get_by_role("button", name="Pause").click()
        await expect(page.get_by_text("Paused: the log goes on")).to_be_visible()
        for _ in range(1_000):
            tell(chat)
        await expect(newest(page)).to_have_text("1,000 new ↓")
        await expect(rows(page)).to_have_count(10)
        await page.locator(".wf-log").get_by_role("button", name="Resume").click()
        await expect(row(page, 1_010)).to_be_in_viewport()
        for target in (*range(711, 0, -100), 1):  # and all are there for who scrolls up
            await scroll.evaluate("element => (element.scrollTop = 0)")
            await expect(row(page, target)).to_be_attached()
        assert await rows(page).count() <= MAX_ROWS
        await expect(page.get_by_text("The log begins here.")).to_be_visible()
        for target in (*range(300, 1_010, 100), 1_010):
            await scroll.evaluate("element => (element.scrollTop = element.scrollHeight)")
            await expect(row(page, target)).to_be_attached()
        await scroll.evaluate("element => (element.scrollTop = element.scrollHeight)")
        tell(chat)
        await expect(row(page, 1_011)).to_be_in_viewport()


@in_browser
async def test_a_flood_shows_its_newest_rows_and_says_what_was_skipped(
    browser: Browser, chat: Flow
) -> None:
    async with shown(browser, chat, "log") as (page, _):
        tell(chat)
        await expect(row(page, 1)).to_be_visible()
        for _ in range(2_999):
            tell(chat)
        await expect(row(page, 3_000)).to_be_in_viewport()
        skipped = re.compile(r"^2,\d{3} skipped, they are in flow\.log$")  # a tick may fall into it
        await expect(page.locator(".wf-log .wf-note")).to_have_text(skipped)
        assert await rows(page).count() <= MAX_ROWS
        await row(page, 2_995).click()  # who stops to read finds what was skipped
        await expect(row(page, 2_901)).to_be_attached()
        await expect(row(page, 2_995)).to_be_in_viewport()


@in_browser
async def test_who_comes_back_to_the_log_sees_its_newest_rows(browser: Browser, chat: Flow) -> None:
    async with shown(browser, chat, "log", "diagram") as (page, _):
        tell(chat)
        await expect(row(page, 1)).to_be_visible()
        await page.get_by_role("tab", name="Diagram").click()
        await expect(row(page, 1)).to_be_hidden()
        for _ in range(3 * MAX_ROWS):
            tell(chat)
        await page.get_by_role("tab", name="Log").click()
        await expect(row(page, 3 * MAX_ROWS + 1)).to_be_in_viewport()
        await expect(newest(page)).to_be_hidden()
        tell(chat)
        await expect(row(page, 3 * MAX_ROWS + 2)).to_be_in_viewport()


@in_browser
async def test_filters_narrow_what_is_shown(browser: Browser, chat: Flow) -> None:
    async with (
        shown(browser, chat, "sessions", "log") as (page, _),
        chat.client("/chat/red") as alice,
        chat.client("/chat/blue") as bob,
    ):
        for client in (alice, bob):
            await client.send("hello")
            await client.send("boom")
        await expect(rows(page)).to_have_count(10)
        log = page.locator(".wf-log")
        await log.get_by_role("button", name="error").click()
        await expect(rows(page)).to_have_count(2)
        await expect(rows(page).first).to_contain_text("ValueError: no such room")
        await log.get_by_role("button", name="message").click()
        await expect(rows(page)).to_have_count(6)
        await log.get_by_placeholder("text in data or error").fill("HELLO")
        await expect(rows(page)).to_have_count(2)
        await log.get_by_placeholder("node.port").fill("nowhere")
        await expect(page.get_by_text("No row fits the filter.")).to_be_visible()
        await log.get_by_placeholder("node.port").fill("chat")
        await log.get_by_text("selected only").click()
        await expect(rows(page)).to_have_count(2)
        await page.locator(".wf-sessions tbody tr", has_text="/chat/blue").click()
        await expect(rows(page)).to_have_count(1)
        assert bob.session is not None
        await expect(rows(page)).to_contain_text(bob.session.id)


@in_browser
async def test_a_page_the_kernel_forgot_comes_back_with_its_filter(
    browser: Browser, chat: Flow
) -> None:
    async with shown(browser, chat, "log") as (page, panel):
        tell(chat, place="message chat message /chat")
        tell(chat)
        await page.locator(".wf-log").get_by_role("button", name="message").click()
        await expect(rows(page)).to_have_count(1)
        for who in list(panel._pages):
            panel._bye(who)
        await page.get_by_placeholder("node.port").fill("chat")  # asked in vain, and asked again
        tell(chat, place="message chat message /chat")
        tell(chat)
        await expect(rows(page)).to_have_count(2)


@in_browser
async def test_a_click_shows_a_row_in_full_and_escape_closes_it(
    browser: Browser, chat: Flow
) -> None:
    async with shown(browser, chat, "log") as (page, _), chat.client("/chat/red") as alice:
        await alice.send('{"to": ["bob"]}')
        response = await chat.log.until(kind="response")
        await row(page, response.seq).click()
        detail = page.locator(".wf-detail")
        await expect(detail.locator("pre")).to_have_text('{\n  "TO": [\n    "BOB"\n  ]\n}')
        steps = detail.locator(".wf-branch")
        await expect(steps).to_have_count(2)
        await expect(steps.nth(0)).to_contain_text("message/chat/{room}.message")
        await expect(steps.nth(1)).to_have_attribute("aria-current", "true")
        await expect(steps.nth(1)).to_contain_text(re.compile(r"\+[\d.]+ (µs|ms)"))
        await steps.nth(0).click()
        await expect(detail.locator("pre")).to_contain_text('"bob"')
        await page.keyboard.press("Escape")
        await expect(detail).to_be_hidden()
        await alice.send("and so on")
        await expect(rows(page).last).to_contain_text("AND SO ON")


@in_browser
async def test_all_of_it_can_be_done_by_keyboard(browser: Browser, chat: Flow) -> None:
    async with shown(browser, chat, "log") as (page, _):
        for number in range(30):
            tell(chat, data=f"line {number}")
        await expect(row(page, 30)).to_be_visible()
        await page.get_by_role("region", name="Rows of the log").focus()
        await page.keyboard.press("ArrowUp")
        await page.keyboard.press("ArrowUp")
        await expect(row(page, 29)).to_be_focused()
        for number in range(MAX_ROWS):
            tell(chat, data=f"later {number}")
        await expect(newest(page)).to_have_text(f"{MAX_ROWS} new ↓")
        await expect(row(page, 29)).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator(".wf-detail pre")).to_have_text("line 28")
        await page.keyboard.press("Escape")
        await expect(page.locator(".wf-detail")).to_be_hidden()
        await page.keyboard.press("Escape")
        await page.keyboard.press("Home")
        await expect(row(page, 1)).to_be_focused()


@in_browser
async def test_a_row_that_is_gone_says_so(browser: Browser, chat: Flow) -> None:
    async with shown(browser, chat, "log") as (page, _):
        tell(chat)
        await expect(row(page, 1)).to_be_visible()
        chat.log.clear()
        await row(page, 1).click()
        await expect(page.locator(".wf-detail")).to_contain_text(
            "row 1 is not in the log any more; it holds nothing yet"
        )


@in_browser
async def test_what_clients_send_is_text_whatever_it_is(browser: Browser, chat: Flow) -> None:
    dialogs = []
    async with shown(browser, chat, "log") as (page, _):
        page.on("dialog", lambda dialog: dialogs.append(dialog))
        for data in (EVIL, {"x": EVIL}, "x" * 2**20, b"\x00\xff", math.nan):
            tell(chat, data=data, error=EVIL)
        await expect(rows(page)).to_have_count(5)
        await expect(row(page, 1)).to_contain_text("<img src=x onerror=alert(1)>\\u202e")
        for seq in (1, 2, 3, 4, 5):
            await row(page, seq).click()
            await expect(page.locator(".wf-detail")).to_contain_text(f"row {seq}")
        assert await page.locator("img").count() == 0
    assert not dialogs
