"""The composer: whom it can write to, what it sends, what it says when it could not."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect
from websockets.asyncio.client import connect

from tests.browser.panel_page import in_browser, shown
from wsflow import Client, Flow, ReceiveTimeoutError, ReplyError, WsflowError
from wsflow.graph.triggers.websocket import WebSocketTrigger
from wsflow.panel.composer import MAX_HISTORY, ComposerPart, History
from wsflow.panel.part import News

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def chat(flow: Flow) -> WebSocketTrigger:
    return flow.websocket("/chat/{room}")


@pytest.fixture
def part(flow: Flow, chat: WebSocketTrigger) -> ComposerPart:
    return ComposerPart(flow)


@pytest.fixture
async def alice(flow: Flow, chat: WebSocketTrigger) -> AsyncIterator[Client]:
    async with flow.client("/chat/red") as alice:
        yield alice


def name(client: Client) -> str:
    assert client.session is not None
    return client.session.id


def told(part: ComposerPart) -> News:
    """Return what the part tells, made sure that Jupyter's channel carries it."""
    news = part.news() or {}
    json.dumps(news, ensure_ascii=False, allow_nan=False).encode()
    return news


# ---- an answer to an event


async def test_an_answer_is_a_response_in_the_scope_of_the_last_event(
    flow: Flow, part: ComposerPart, alice: Client
) -> None:
    await alice.send("what time is it?")
    asked = flow.log.tail(1)[0]
    said = part.send("event", "text", "noon", session=name(alice))
    assert await alice.receive() == "noon"
    assert said["words"] == f"sent to {name(alice)} as an answer to event {asked.seq}"
    answer = flow.log.trace(asked.seq)[-1]
    assert (answer.kind, answer.node, answer.data) == ("response", "panel", "noon")
    assert answer.port == "hand"
    assert (answer.cause, answer.scope, answer.session) == (asked.seq, asked.scope, name(alice))


async def test_before_any_message_the_connection_itself_is_answered(
    flow: Flow, part: ComposerPart, alice: Client
) -> None:
    part.send("event", "text", "welcome", session=name(alice))
    assert await alice.receive() == "welcome"
    assert [row.kind for row in flow.log.trace(1)] == ["req", "response"]


async def test_the_event_that_was_seen_is_answered_though_another_came(
    flow: Flow, part: ComposerPart, alice: Client
) -> None:
    await alice.send("first")
    seen = flow.log.seq
    await alice.send("second")
    part.send("event", "text", "to the first", session=name(alice), event=seen)
    assert flow.log.tail(1)[0].cause == seen


async def test_an_answer_can_end_the_connection(
    flow: Flow, part: ComposerPart, alice: Client
) -> None:
    who = name(alice)
    said = part.send("event", "text", "bye", session=who, end=True, code=4001, reason="enough")
    assert await alice.receive() == "bye"
    assert alice.closed == (4001, "enough")
    assert said["words"] == f"sent to {who} as an answer to event 1, then closed {who} with 4001"


async def test_a_connection_can_be_ended_without_a_word(part: ComposerPart, alice: Client) -> None:
    who = name(alice)
    assert part.send("event", session=who, end=True)["words"] == f"closed {who} with 1000"
    assert alice.closed == (1000, "")


async def test_a_replay_blames_no_handler_for_what_a_person_answered(
    flow: Flow, part: ComposerPart, chat: WebSocketTrigger, tmp_path: Path
) -> None:
    echo = flow.node(lambda ev, ctx: ctx.emit("response", {"body": ev["message"]}), name="echo")
    chat.message >> echo
    with flow.record("lesson", folder=tmp_path):
        async with flow.client("/chat/red") as alice:
            await alice.send("hello")
            part.send("event", "text", "by hand", session=name(alice))
            await alice.send("again")
            assert [await alice.receive() for _ in range(3)] == ["hello", "by hand", "again"]
    report = await flow.replay("lesson", folder=tmp_path)
    assert report.ok, report
    assert (report.tally.same, report.by_hand) == (2, 1)


async def test_an_event_the_log_has_dropped_can_not_be_answered(
    flow: Flow, part: ComposerPart, alice: Client
) -> None:
    flow.log.clear()
    with pytest.raises(WsflowError, match="write to the session instead"):
        part.send("event", "text", "hello?", session=name(alice))
    part.send("session", "text", "hello", session=name(alice))
    assert await alice.receive() == "hello"


async def test_an_event_of_somebody_else_is_not_answered(
    flow: Flow, part: ComposerPart, alice: Client
) -> None:
    async with flow.client("/chat/blue") as bob:
        with pytest.raises(WsflowError, match="no event of"):
            part.send("event", "text", "hello?", session=name(bob), event=1)


# ---- one session


@pytest.mark.parametrize(
    ("kind", "typed", "sent"),
    [("text", "hi", "hi"), ("json", '{"a": 1}', '{"a": 1}'), ("hex", "00 ff", b"\x00\xff")],
)
async def test_one_session_gets_it(
    flow: Flow, part: ComposerPart, alice: Client, kind: str, typed: str, sent: str | bytes
) -> None:
    said = part.send("session", kind, typed, session=name(alice))
    assert await alice.receive() == sent
    assert said == {"words": f"sent to {name(alice)}", "missed": [], "more": 0}
    assert flow.log.tail(1)[0].kind == "send"


async def test_a_real_client_gets_it(flow: Flow, part: ComposerPart) -> None:
    server = await flow.serve()
    async with connect(f"{server.url}/chat/red") as client:
        await client.send("hello")
        (who,) = (one.id for one in flow.sessions)
        part.send("event", "json", '{"noon": true}', session=who)
        assert await client.recv() == '{"noon": true}'
        part.send("session", "base64", "AP8=", session=who, end=True, code=4002, reason="over")
        assert await client.recv() == b"\x00\xff"
        await client.wait_closed()
    assert (client.close_code, client.close_reason) == (4002, "over")


async def test_a_session_that_left_is_told(flow: Flow, part: ComposerPart, alice: Client) -> None:
    who = name(alice)
    await alice.close()
    for to in ("event", "session"):
        with pytest.raises(WsflowError, match=f"session {who} has left: nothing was sent"):
            part.send(to, "text", "are you there?", session=who)


async def test_a_session_that_is_closing_is_told(part: ComposerPart, alice: Client) -> None:
    assert alice.session is not None
    alice.session.state = "closing"
    for to in ("event", "session"):
        said = part.send(to, "text", "are you there?", session=name(alice))
        assert said["words"] == "nothing was sent"
        assert said["missed"] == [(name(alice), "session has ended")]


async def test_nobody_chosen_is_told(part: ComposerPart, alice: Client) -> None:
    with pytest.raises(WsflowError, match="choose a session first"):
        part.send("event", "text", "hm")


async def test_a_flow_that_stopped_is_told(flow: Flow, part: ComposerPart, alice: Client) -> None:
    who = name(alice)
    await flow.stop()
    with pytest.raises(WsflowError, match="does not run"):
        part.send("session", "text", "hm", session=who)


async def test_a_body_that_can_not_be_sent_changes_nothing(
    flow: Flow, part: ComposerPart, alice: Client
) -> None:
    rows = flow.log.seq
    with pytest.raises(ReplyError, match="line 1 column 2"):
        part.send("event", "json", "{oops", session=name(alice))
    with pytest.raises(ReplyError, match="close code 999"):
        part.send("event", "text", "bye", session=name(alice), end=True, code=999)
    assert flow.log.seq == rows
    assert flow.panel.history.listed() == []


# ---- many


async def test_without_a_manager_everybody_is_each_open_session(
    flow: Flow, part: ComposerPart, alice: Client
) -> None:
    async with flow.client("/chat/blue") as bob:
        said = part.send("all", "text", "hello all")
        assert said["words"] == "sent to 2"
        assert [await one.receive() for one in (alice, bob)] == ["hello all"] * 2


async def test_nobody_there_is_told(flow: Flow, part: ComposerPart) -> None:
    await flow.start()
    assert part.send("all", "text", "hm")["words"] == "nobody is connected: nothing was sent"


async def test_who_does_not_keep_up_is_listed(
    flow: Flow, part: ComposerPart, alice: Client
) -> None:
    async with flow.client("/chat/blue") as bob:
        assert bob.session is not None
        bob.session.block()
        bob.session._limits = flow._host.endpoint(None).limits.__class__(max_backlog=1)
        said = part.send("all", "text", "hello all")
        assert said == {
            "words": "sent to 1 of 2",
            "missed": [(name(bob), "does not keep up")],
            "more": 0,
        }
        assert await alice.receive() == "hello all"


@pytest.fixture
def manager(flow: Flow, chat: WebSocketTrigger) -> Any:
    manager = flow.connections()
    chat.req >> manager.req
    chat.close >> manager.close
    return manager


async def test_a_manager_and_its_groups_are_written_to(
    flow: Flow, part: ComposerPart, manager: Any, alice: Client
) -> None:
    async with flow.client("/chat/blue") as bob:
        manager.join(name(bob), "blue")
        assert told(part)["managers"] == [
            {"name": manager.name, "total": 2, "groups": [("blue", 1)]}
        ]
        part.send("group", "text", "only blue", manager=manager.name, group="blue")
        said = part.send("all", "text", "all", manager=manager.name)
        assert said["words"] == "sent to 2"
        assert await bob.receive() == "only blue"
        assert [await one.receive() for one in (alice, bob)] == ["all"] * 2


async def test_whom_a_manager_does_not_know_is_told(
    flow: Flow, part: ComposerPart, manager: Any, alice: Client
) -> None:
    flow.websocket("/aside")
    async with flow.client("/aside"):
        said = part.send("all", "text", "all", manager=manager.name)
    assert said["words"] == f"sent to 1; 1 more are open that {manager.name} does not know"


async def test_a_group_or_manager_that_is_gone_is_told(
    flow: Flow, part: ComposerPart, manager: Any, alice: Client
) -> None:
    said = part.send("group", "text", "hm", manager=manager.name, group="blue")
    assert said["words"] == "nobody is in group blue now: nothing was sent"
    with pytest.raises(WsflowError, match="no connection manager x"):
        part.send("all", "text", "hm", manager="x")


async def test_a_long_list_of_missed_is_cut(flow: Flow, part: ComposerPart, manager: Any) -> None:
    clients = [await flow.client("/chat/red").connect() for _ in range(30)]
    for client in clients:
        assert client.session is not None
        client.session.state = "closing"
    said = part.send("all", "text", "hm", manager=manager.name)
    assert (said["words"], len(said["missed"]), said["more"]) == ("sent to 0 of 30", 20, 10)
    for client in clients:
        await client.close()


# ---- what it tells


async def test_it_tells_who_is_there_and_then_only_what_changed(
    flow: Flow, part: ComposerPart, alice: Client
) -> None:
    news = told(part)
    assert news["sessions"] == [(name(alice), "/chat/red")]
    assert (news["total"], news["running"], news["managers"]) == (1, True, [])
    assert part.news() is None
    await alice.close()
    assert told(part) == {"total": 0, "sessions": []}


async def test_it_tells_the_last_event_of_the_session_that_is_watched(
    flow: Flow, part: ComposerPart, alice: Client
) -> None:
    part.watch(name(alice))
    assert told(part)["event"] == {
        "session": name(alice), "seq": 1, "kind": "req", "text": "",
    }  # fmt: skip
    await alice.send(EVIL)
    async with flow.client("/chat/blue") as bob:
        await bob.send("not hers")
        event = told(part)["event"]
        assert (event["kind"], event["text"]) == ("message", EVIL)
        await alice.send(b"\x00\xff")
        assert told(part)["event"]["text"] == "00 ff"
        part.watch(name(bob))
        assert told(part)["event"]["text"] == "not hers"
    part.watch(None)
    assert told(part)["event"] is None


@pytest.mark.parametrize("nasty", ["\ud800", "\u202egnirts", "x" * 2**20, "\x07\x1b[31m", EVIL])
async def test_no_path_group_or_message_breaks_the_channel(
    flow: Flow, part: ComposerPart, manager: Any, nasty: str
) -> None:
    path = "red" if nasty == "\ud800" else nasty[:1000].replace("/", "%2f")  # no client can send it
    async with flow.client(f"/chat/{path}") as client:
        manager.join(name(client), nasty)
        part.watch(name(client))
        if nasty != "\ud800":
            await client.send(nasty)
        told(part)


# ---- the history


async def test_what_was_sent_is_remembered_by_the_flow(
    flow: Flow, part: ComposerPart, alice: Client
) -> None:
    part.send("session", "json", '{"a": 1}', session=name(alice))
    part.send("session", "text", "x" * 1000, session=name(alice))
    lines = told(ComposerPart(flow))["history"]  # another page, or this one after a reload
    assert [(kind, size) for _, kind, _, size in lines] == [("json", 8), ("text", 1000)]
    assert len(lines[1][2]) == 80
    assert part.recall(lines[1][0]) == {"kind": "text", "body": "x" * 1000}


def test_a_history_keeps_the_last_ones_and_each_once() -> None:
    history = History()
    for number in range(MAX_HISTORY + 5):
        history.add("text", str(number))
    history.add("text", "30")
    kept = [body for _, _, body, _ in history.listed()]
    assert (len(kept), kept[0], kept[-1], kept.count("30")) == (MAX_HISTORY, "5", "30", 1)
    with pytest.raises(WsflowError, match="only the last 50"):
        history.find(1)


def test_a_history_weighs_no_more_than_it_may() -> None:
    history = History()
    for number in range(5):
        history.add("text", str(number) * 7_000_000)
    assert [body[0] for _, _, body, _ in history.listed()] == ["3", "4"]


# ---- in a browser


@pytest_asyncio.fixture(loop_scope="session")
async def talk(page_flow: Flow) -> Flow:
    """A flow whose clients wait for somebody to answer by hand."""
    page_flow.websocket("/chat/{room}")
    await page_flow.start()
    return page_flow


def box(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Message")


def outcome(page: Page) -> Locator:
    return page.locator(".wf-composer .wf-reply")


async def choose(page: Page, whom: str) -> None:
    await page.get_by_label("To whom").select_option(label=whom)


@in_browser
async def test_a_click_on_a_session_and_enter_answer_its_message(
    browser: Browser, talk: Flow
) -> None:
    async with (
        talk.client("/chat/red") as alice,
        talk.client("/chat/red") as bob,
        shown(browser, talk, "sessions", "composer") as (page, _),
    ):
        await bob.send(EVIL)
        asked = talk.log.seq
        await page.locator(".wf-table tbody tr").nth(1).click()
        await expect(page.locator(".wf-about")).to_have_text(f"event {asked}: {EVIL}")
        assert await page.locator("img").count() == 0
        await box(page).fill("by hand")
        await expect(page.get_by_role("button", name="Answer s2")).to_be_enabled()
        await box(page).press("Enter")
        await expect(outcome(page)).to_have_text(
            f"sent to {name(bob)} as an answer to event {asked}"
        )
        assert await bob.receive() == "by hand"
        assert talk.log.trace(asked)[-1].kind == "response"
        await expect(box(page)).to_have_value("")
        await expect(box(page)).to_be_focused()
        with pytest.raises(ReceiveTimeoutError):
            await alice.receive(timeout=0.01)


@in_browser
async def test_everybody_gets_a_broadcast_and_who_could_not_be_reached_is_listed(
    browser: Browser, talk: Flow
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        people = [await stack.enter_async_context(talk.client("/chat/red")) for _ in range(3)]
        page, _ = await stack.enter_async_context(shown(browser, talk, "composer"))
        await choose(page, "Everybody (3)")
        await box(page).fill("hello all")
        await page.get_by_role("button", name="Send to everybody").click()
        await expect(outcome(page)).to_have_text("sent to 3")
        assert [await one.receive() for one in people] == ["hello all"] * 3
        slow = people[2].session
        assert slow is not None
        slow.state = "closing"
        await box(page).fill("again")
        await box(page).press("Enter")
        await expect(outcome(page)).to_contain_text("sent to 2 of 3")
        await expect(outcome(page).locator("li")).to_have_text("s3: session has ended")


@in_browser
async def test_a_group_is_written_to_and_stays_chosen_when_it_is_empty(
    browser: Browser, talk: Flow
) -> None:
    manager = talk.connections()
    chat = talk.nodes["/chat/{room}"]
    chat.req >> manager.req
    chat.close >> manager.close
    async with (
        talk.client("/chat/red") as alice,
        talk.client("/chat/red") as bob,
        shown(browser, talk, "composer") as (page, _),
    ):
        manager.join(name(bob), "teachers")
        await choose(page, "Group teachers (1)")
        await box(page).fill("meet at noon")
        await box(page).press("Control+Enter")
        await expect(outcome(page)).to_have_text("sent to 1")
        assert await bob.receive() == "meet at noon"
        manager.leave(name(bob), "teachers")
        await box(page).click()
        await expect(page.get_by_label("To whom").locator("option:checked")).to_have_text(
            "Group teachers (nobody)"
        )
        await box(page).fill("anybody?")
        await box(page).press("Enter")
        await expect(outcome(page)).to_contain_text("nobody is in group teachers now")
        with pytest.raises(ReceiveTimeoutError):
            await alice.receive(timeout=0.01)


@in_browser
async def test_a_session_that_leaves_stays_chosen_and_nobody_else_gets_it(
    browser: Browser, talk: Flow
) -> None:
    async with (
        talk.client("/chat/red") as alice,
        talk.client("/chat/red") as bob,
        shown(browser, talk, "sessions", "composer") as (page, _),
    ):
        await page.locator(".wf-table tbody tr").nth(1).click()
        await box(page).fill("only for you")
        await bob.close()
        await expect(
            page.get_by_label("Which session", exact=True).locator("option:checked")
        ).to_have_text("s2 has left")
        await box(page).press("Enter")
        await expect(outcome(page)).to_have_text(f"session {name(bob)} has left: nothing was sent")
        await expect(box(page)).to_have_value("only for you")
        with pytest.raises(ReceiveTimeoutError):
            await alice.receive(timeout=0.01)


@in_browser
async def test_what_is_no_json_or_hex_is_told_while_it_is_typed_and_nothing_is_sent(
    browser: Browser, talk: Flow
) -> None:
    async with (
        talk.client("/chat/red") as alice,
        shown(browser, talk, "composer") as (page, _),
    ):
        kind = page.get_by_label("What the message is")
        await kind.select_option("json")
        await box(page).fill('{"a": oops}')
        await expect(outcome(page)).to_contain_text(
            'not JSON: line 1 column 7: a value belongs there, not "o"; choose Text'
        )
        await box(page).press("Enter")
        await kind.select_option("hex")
        await expect(outcome(page)).to_contain_text("is none of 0-9 and a-f")
        await box(page).fill("00 FF 7f")
        await expect(outcome(page)).to_have_text("3 bytes")
        await box(page).press("Enter")
        assert await alice.receive() == b"\x00\xff\x7f"


FAULTS = {
    "": None,
    '{"a": [1, 2.5e-3, true, null, "x\\n"], "b": {}}': None,
    "[1,]": "line 1 column 4",
    "[1 2]": "line 1 column 4",
    '{"a" 1}': "line 1 column 6",
    '{"a": 1,}': "line 1 column 9",
    "{a: 1}": "line 1 column 2",
    '{"a": 1': "line 1 column 8",
    "[1]]": "line 1 column 4",
    "[1}": "line 1 column 3",
    "[\n  1,\n  nul\n]": "line 3 column 3",
    '"open': "line 1 column 1",
    "01": "line 1 column 2",
    "hello": "line 1 column 1",
    "NaN": "line 1 column 1",
}


@in_browser
async def test_the_page_finds_the_place_of_a_fault_in_json(browser: Browser, talk: Flow) -> None:
    async with shown(browser, talk, "composer") as (page, _):
        await page.get_by_label("What the message is").select_option("json")
        for typed, where in FAULTS.items():
            await box(page).fill(typed)
            if where is None:
                await expect(outcome(page)).to_have_text("")
            else:
                await expect(outcome(page)).to_contain_text(f"not JSON: {where}:")


PASTE = """(box, [width, lines]) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text", ("x".repeat(width) + "abc\\n").repeat(lines));
    const paste = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
    if (box.dispatchEvent(paste)) {
        box.value = clipboardData.getData("text");
        box.dispatchEvent(new Event("input", { bubbles: true }));
    }
}"""


@in_browser
async def test_a_megabyte_goes_and_twenty_are_told_to_be_too_much(
    browser: Browser, talk: Flow
) -> None:
    async with (
        talk.client("/chat/red") as alice,
        shown(browser, talk, "composer") as (page, _),
    ):
        await box(page).evaluate(PASTE, [60, 2**20 // 64])
        await box(page).press("Control+Enter")
        assert len(await alice.receive()) == 2**20
        await expect(box(page)).to_have_value("")
        await box(page).evaluate(PASTE, [60, 20_000_000 // 64])
        await expect(outcome(page)).to_contain_text("20.0 MB are more than a panel carries (8 MB)")


@in_browser
async def test_what_was_sent_comes_back_with_the_arrow_keys_also_on_a_new_page(
    browser: Browser, talk: Flow
) -> None:
    async with talk.client("/chat/red"):
        async with shown(browser, talk, "composer") as (page, _):
            for text in ("first", "second"):
                await box(page).fill(text)
                await box(page).press("Enter")
                await expect(box(page)).to_have_value("")
        async with shown(browser, talk, "composer") as (page, _):
            past = page.get_by_label("Messages sent before")
            await expect(past.locator("option")).to_have_text(["Sent before", "second", "first"])
            for key, text in (
                ("ArrowUp", "second"), ("ArrowUp", "first"), ("ArrowUp", "first"),
                ("ArrowDown", "second"), ("ArrowDown", ""),
            ):  # fmt: skip
                await box(page).press(key)
                await expect(box(page)).to_have_value(text)
            await past.select_option(label="first")
            await expect(box(page)).to_have_value("first")
            await expect(box(page)).to_be_focused()


@in_browser
async def test_lines_are_made_with_shift_and_sent_with_control(
    browser: Browser, talk: Flow
) -> None:
    async with (
        talk.client("/chat/red") as alice,
        shown(browser, talk, "composer") as (page, _),
    ):
        await box(page).press_sequentially("one")
        await box(page).press("Shift+Enter")
        await box(page).press_sequentially("two")
        await box(page).press("Enter")
        await box(page).press_sequentially("three")
        await box(page).press("Control+Enter")
        assert await alice.receive() == "one\ntwo\nthree"
        await box(page).press("Enter")
        await expect(outcome(page)).to_contain_text("Type a message first")
        with pytest.raises(ReceiveTimeoutError):
            await alice.receive(timeout=0.01)


@in_browser
async def test_an_answer_can_close_with_a_code_and_a_reason(browser: Browser, talk: Flow) -> None:
    async with (
        talk.client("/chat/red") as alice,
        shown(browser, talk, "composer") as (page, _),
    ):
        await page.get_by_label("then close").check()
        await page.get_by_label("Close code").fill("4007")
        await page.get_by_label("Close reason").fill("lesson is over")
        await box(page).fill("bye")
        await box(page).press("Enter")
        await expect(outcome(page)).to_contain_text("then closed")
        assert await alice.receive() == "bye"
        assert alice.closed == (4007, "lesson is over")
