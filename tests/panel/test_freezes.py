"""What is frozen: an event waits, is edited, let go or dropped; only its session waits."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.process.turns import turns
from wsflow import Flow, WsflowError
from wsflow.panel import freezes
from wsflow.panel.freezer import FreezerPart
from wsflow.panel.sessions import SessionsPart
from wsflow.panel.status import StatusPart

Json = dict[str, Any]


EVIL = "<img src=x onerror=alert(1)>"


class Page:
    """A page's side of a part: what it knows so far."""

    def __init__(self, flow: Flow) -> None:
        self.part = FreezerPart(flow)
        self._told: Json = {}

    def __getitem__(self, key: str) -> Any:
        news = self.part.news() or {}
        self._told |= json.loads(json.dumps(news, ensure_ascii=False, allow_nan=False).encode())
        return self._told[key]

    @property
    def line(self) -> Json:
        [line] = self["freezes"]
        found: Json = line
        return found

    @property
    def event(self) -> Json:
        found: Json = json.loads(self.line["text"])
        return found

    def edit(self, **changes: Any) -> None:
        """Let the event go on with other values."""
        self.part.let_go(self.line["number"], json.dumps(self.event | changes))


@pytest.fixture
def seen() -> list[Any]:
    return []


@pytest_asyncio.fixture
async def flow(seen: list[Any]) -> AsyncIterator[Flow]:
    made = Flow("chat")
    chat = made.websocket("/chat", name="chat")

    @made.node
    def shout(ev: Any, ctx: Any) -> None:
        seen.append(ev)
        ctx.emit("response", {"body": str(ev["message"]).upper()})

    chat.message >> shout
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def page(flow: Flow) -> Page:
    return Page(flow)


def messages(seen: list[Any]) -> list[Any]:
    return [event["message"] for event in seen]


async def test_the_ports_of_triggers_can_be_chosen(flow: Flow, page: Page) -> None:
    flow.http("/push", method="POST", name="push")
    flow.catch()
    assert page["ports"] == ["chat.req", "chat.message", "chat.close", "push.out"]


async def test_an_event_waits_and_goes_on_as_it_came(
    flow: Flow, page: Page, seen: list[Any]
) -> None:
    alice = await flow.client("/chat")
    page.part.arm("chat.message")
    assert (page.line["port"], page.line["since"], page.line["mine"]) == (
        "chat.message",
        None,
        True,
    )
    await alice.send("hello")
    assert page.line["held"] == page.event["sessionId"] == next(iter(flow.sessions)).id
    assert next(iter(page.event)) == "message"
    assert seen == []
    page.part.let_go(page.line["number"])
    assert await alice.receive() == "HELLO"
    assert page["freezes"] == []


async def test_what_was_edited_goes_on_so(flow: Flow, page: Page, seen: list[Any]) -> None:
    alice = await flow.client("/chat")
    page.part.arm("chat.message")
    await alice.send("hello")
    page.edit(message="other")
    assert await alice.receive() == "OTHER"


async def test_what_was_not_edited_is_as_it_came_also_where_json_has_no_word_for_it(
    flow: Flow, page: Page, seen: list[Any]
) -> None:
    alice = await flow.client("/chat?token=secret", headers={"cookie": "secret", "x-a": "1"})
    page.part.arm("chat.message")
    await alice.send(b"\x00\xff")
    assert "secret" not in page.line["text"]
    headers = page.event["headers"]
    page.edit(method="PUT", headers=headers | {"x-a": "2"})
    [event] = seen
    assert (event["message"], event["method"]) == (b"\x00\xff", "PUT")
    assert event["query"] == {"token": "secret"}
    assert (event["headers"]["cookie"], event["headers"]["x-a"]) == ("secret", "2")


async def test_bytes_can_be_edited_too(flow: Flow, page: Page, seen: list[Any]) -> None:
    alice = await flow.client("/chat")
    page.part.arm("chat.message")
    await alice.send(b"\x00\xff")
    page.edit(message={"$bytes": "AAEC"})
    assert messages(seen) == [b"\x00\x01\x02"]


async def test_true_is_not_one(flow: Flow, page: Page) -> None:
    got: list[Any] = []
    inject = flow.inject({"a": 1}, name="inject")

    @flow.node
    def take(ev: Any) -> None:
        got.append(ev)

    inject >> take
    page.part.arm("inject.out")
    inject()
    page.edit(a=True)
    assert got == [{"a": True}]
    assert got[0]["a"] is True


async def test_a_dropped_event_reaches_no_handler(flow: Flow, page: Page, seen: list[Any]) -> None:
    alice = await flow.client("/chat")
    page.part.arm("chat.message")
    await alice.send("hello")
    page.part.drop(page.line["number"])
    await alice.send("again")
    assert await alice.receive() == "AGAIN"
    assert messages(seen) == ["again"]


async def test_with_every_event_the_next_one_waits_too(
    flow: Flow, page: Page, seen: list[Any]
) -> None:
    alice = await flow.client("/chat")
    number = page.part.arm("chat.message", every=True)
    for text in "abcd":
        await alice.send(text)
    assert page.event["message"] == "a"
    page.part.let_go(number)
    await turns()
    assert page.event["message"] == "b"
    page.edit(message="B!")
    await turns()
    assert page.event["message"] == "c"
    page.part.drop(number)
    await turns()
    assert page.event["message"] == "d"
    page.part.repeat(number, False)
    page.part.let_go(number)
    await turns()
    assert page["freezes"] == []
    assert messages(seen) == ["a", "B!", "d"]


async def test_only_the_chosen_session_is_held(flow: Flow, page: Page, seen: list[Any]) -> None:
    alice, bob = await flow.client("/chat"), await flow.client("/chat")
    first, _ = flow.sessions
    page.part.arm("chat.message", session=first.id)
    assert page.line["session"] == first.id
    await bob.send("bob")
    assert await bob.receive() == "BOB"
    await alice.send("alice")
    assert page.line["held"] == first.id


async def test_cancel_lets_it_go_on_as_it_came(flow: Flow, page: Page, seen: list[Any]) -> None:
    alice = await flow.client("/chat")
    page.part.arm("chat.message", every=True)
    await alice.send("hello")
    page.part.cancel(page.line["number"])
    assert page["freezes"] == []
    assert messages(seen) == ["hello"]


@pytest.mark.parametrize(
    ("edited", "why"),
    [
        ('{"message": }', "not JSON at line 1, column 13"),
        ("", "not JSON at line 1, column 1"),
        ('{"a": NaN}', "NaN is Python's"),
        ('"\ud800"', "not text at character 2"),
        ("[" * 100_000, "can not be read|not JSON"),
        ("null", "null can not go on"),
        ('"just text"', "can not go on in its place"),
    ],
)
async def test_what_can_not_go_on_is_refused_and_the_event_waits_on(
    flow: Flow, page: Page, edited: str, why: str
) -> None:
    alice = await flow.client("/chat")
    page.part.arm("chat.message")
    await alice.send("hello")
    number = page.line["number"]
    with pytest.raises(WsflowError, match=why):
        page.part.let_go(number, edited)
    assert page.event["message"] == "hello"
    page.part.cancel(number)


async def test_wishes_that_can_not_be_are_told_in_words(flow: Flow, page: Page) -> None:
    with pytest.raises(WsflowError, match=r"no trigger sends 'x'; there are: chat.req, chat"):
        page.part.arm("x")
    with pytest.raises(WsflowError, match="no open session 's9'"):
        page.part.arm("chat.message", session="s9")
    number = page.part.arm("chat.message")
    with pytest.raises(WsflowError, match="is frozen already"):
        page.part.arm("chat.message")
    with pytest.raises(WsflowError, match="no event waits here any more"):
        page.part.let_go(number)
    page.part.cancel(number)
    with pytest.raises(WsflowError, match="this freeze is over"):
        page.part.drop(number)


async def test_a_flow_that_does_not_run_freezes_nothing() -> None:
    flow = Flow("still")
    flow.websocket("/chat", name="chat")
    with pytest.raises(WsflowError, match="does not run"):
        FreezerPart(flow).arm("chat.message")


async def test_a_freeze_of_a_cell_is_shown_and_can_be_let_go(
    flow: Flow, page: Page, seen: list[Any]
) -> None:
    alice = await flow.client("/chat")
    flow.freeze(flow.nodes["chat"].message)
    await alice.send("hello")
    assert not page.line["mine"]
    page.edit(message="by hand")
    assert messages(seen) == ["by hand"]


async def test_what_clients_send_can_not_break_the_channel_or_hide(flow: Flow, page: Page) -> None:
    inject = flow.inject(name="inject")
    for nasty in (
        EVIL,
        "\u202egnirts",
        "\ud800",
        "\x00\x1b[31m",
        "\u200b",
        float("nan"),
        {1: b"x"},
    ):
        page.part.arm("inject.out")
        inject({"message": nasty})
        assert not re.search("[\u202e\u200b\x00\x1b]", page.line["text"])
        page.part.drop(page.line["number"])


async def test_what_json_can_not_say_at_all_is_described_and_goes_on_as_it_came(
    flow: Flow, page: Page
) -> None:
    got: list[Any] = []
    inject = flow.inject(name="inject")

    @flow.node
    def take(ev: Any) -> None:
        got.append(ev)

    inject >> take
    deep: list[Any] = []
    for _ in range(500):
        deep = [deep]
    for odd in (10**5000, {"n": 10**5000}, {"deep": deep}, object):
        page.part.arm("inject.out")
        inject(odd)
        line = page.line
        page.part.let_go(line["number"], line["text"])
        assert got.pop() == odd


async def test_what_is_too_long_to_edit_is_shown_in_part(flow: Flow, page: Page) -> None:
    alice = await flow.client("/chat")
    page.part.arm("chat.message")
    await alice.send("x" * 900_000)
    line = page.line
    assert (line["editable"], len(line["text"])) == (False, freezes.PREVIEW_LENGTH)
    assert line["size"] > 900_000
    page.part.let_go(line["number"])
    assert await alice.receive() == "X" * 900_000


async def test_an_event_waits_no_longer_than_somebody_may_look(
    flow: Flow, seen: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freezes, "UNSEEN_SECONDS", 0.01)
    page = Page(flow)
    alice = await flow.client("/chat")
    page.part.arm("chat.message")
    await alice.send("hello")
    page.part.close()
    assert await alice.receive() == "HELLO"


async def test_a_page_that_is_reloaded_finds_what_waits(flow: Flow, page: Page) -> None:
    alice = await flow.client("/chat")
    page.part.arm("chat.message")
    await alice.send("hello")
    page.part.close()
    assert Page(flow).event["message"] == "hello"
    page.part._freezes.cancel(1)


async def test_the_head_and_the_table_of_sessions_say_who_waits(flow: Flow, page: Page) -> None:
    status, sessions = StatusPart(flow), SessionsPart(flow)
    alice = await flow.client("/chat")
    page.part.arm("chat.message")
    await alice.send("hello")
    who = next(iter(flow.sessions)).id
    told, lines = status.news(), sessions.news()
    assert told is not None
    assert lines is not None
    assert told["held"] == [who]
    assert lines["rows"][0][3] == "held"
    page.part.let_go(page.line["number"])
    lines = sessions.news()
    assert lines is not None
    assert lines["rows"][0][3] == "open"
