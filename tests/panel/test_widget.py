"""The panel without a browser: pages that come and go, what they are told, what they may ask.

Ticks are called by hand here; the thread that calls them has tests of its own at the end.
"""

from __future__ import annotations

import gc
import json
import re
import subprocess
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, ClassVar

import anyio
import anyio.lowlevel
import pytest
from ipywidgets import Widget
from ipywidgets.widgets.widget import _instances

from tests.needs import node
from wsflow import Client, Flow, WsflowError
from wsflow.panel import PARTS, bundle
from wsflow.panel import page as pages
from wsflow.panel import sessions as parts_sessions
from wsflow.panel import widget as widgets
from wsflow.panel.part import News, Part, text
from wsflow.panel.parts import PART_CLASSES
from wsflow.panel.ticker import Ticker, ticker
from wsflow.panel.widget import MAX_PAGES, Panel

Json = dict[str, Any]

EVIL = "<img src=x onerror=alert(1)>"
NASTY = [EVIL, "x" * 2**20, "\u202egnirts\u202c", "\x00\x1b[31m\x7f", "\ud800 alone", "\n\t"]


class Wire:
    """What Jupyter is between a widget and its pages: strict about what it carries."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.told: list[Json] = []
        panel.send = self._send

    def _send(self, content: Json, buffers: Any = None) -> None:
        packed = json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
        self.told.append(json.loads(packed))

    def say(self, message: Any) -> None:
        """Hand a page's message to the widget."""
        self.panel._receive(self.panel, message, [])

    def hello(self, page: str = "p1", origin: Any = None) -> News:
        """Open a page; return its first news, by part."""
        self.say({"page": page, "op": "hello", "origin": origin})
        return self.news(page)

    def news(self, page: str = "p1") -> News:
        """Tick once; return what that told a page, by part."""
        self.told.clear()
        self.panel.tick()
        return {
            part: news
            for message in self.told
            if message["to"] == page
            for part, news in message.get("news", {}).items()
        }

    async def ask(self, part: str, action: str, page: str = "p1", **given: Any) -> Json:
        """Ask a part of a page to do something; return the answer."""
        self.told.clear()
        asked = {"part": part, "action": action, "given": given, "number": 7}
        self.say({"page": page, "op": "ask", **asked})
        with anyio.fail_after(20):
            while not self._answers():
                await anyio.lowlevel.checkpoint()
        (answer,) = self._answers()
        return answer

    async def refused(self, part: str, action: str, **given: Any) -> str:
        """Ask for what can not be done; return the sentence that comes back."""
        error = (await self.ask(part, action, **given))["error"]
        assert isinstance(error, str)
        return error

    def _answers(self) -> list[Json]:
        return [message for message in self.told if message.get("answer") == 7]


class Still:
    """A ticker that never ticks."""

    def watch(self, one: object) -> None: ...


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody ticks but the test."""
    monkeypatch.setattr(widgets, "ticker", Still())


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Widgets are kept by a registry until they are closed."""
    yield
    Widget.close_all()


@pytest.fixture
async def chat(flow: Flow) -> Flow:
    """A flow that runs, with a route that shouts back."""
    route = flow.websocket("/chat/{room}")

    @flow.node
    def shout(ev: Any, ctx: Any) -> None:
        ctx.emit("response", {"body": ev["message"].upper()})

    route.message >> shout
    await flow.start()
    return flow


@pytest.fixture
def wire(chat: Flow) -> Wire:
    """The panel of the running flow, without parts that others test."""
    return Wire(chat.panel("sessions"))


async def connected(flow: Flow, stack: AsyncExitStack, count: int) -> list[Client]:
    """Connect clients, in their order."""
    return [
        await stack.enter_async_context(flow.client(f"/chat/r{number}", peer=f"10.0.0.{number}"))
        for number in range(count)
    ]


# ---- what a user types


def test_a_panel_has_all_parts_or_those_that_are_named(flow: Flow) -> None:
    assert tuple(flow.panel().parts) == PARTS
    assert list(flow.panel("sessions").parts) == ["sessions"]
    assert list(flow.panel("sessions", "sessions").parts) == ["sessions"]
    for part in PARTS:
        assert list(getattr(flow.panel, part)().parts) == [part]


def test_an_unknown_part_is_an_error_that_names_those_there_are(flow: Flow) -> None:
    with pytest.raises(WsflowError, match=r"no part 'session'; parts: sessions, .*player"):
        flow.panel("session")


def test_the_same_parts_are_the_same_widget_until_it_is_closed(flow: Flow) -> None:
    first = flow.panel("sessions")
    assert flow.panel("sessions") is first is flow.panel.sessions()
    assert flow.panel() is not first
    first.close()
    assert first.closed
    assert flow.panel("sessions") is not first
    first.close()  # harmless twice


def test_panels_show_themselves(flow: Flow) -> None:
    assert repr(flow.panel("sessions")) == "<Panel of test: sessions; 0 pages>"
    assert repr(flow.panel()) == "<Panel of test: 8 parts; 0 pages>"
    assert repr(flow.panel) == "<Panels of test: all with flow.panel(), or a part>"
    assert "flow.panel()" in repr(flow.panel)


# ---- pages that come and go


async def test_a_page_that_says_hello_is_told_everything(wire: Wire) -> None:
    news = wire.hello()
    assert news["status"]["flow"] == "test"
    assert news["status"]["state"] == "running"
    assert news["sessions"] == {"rows": [], "gone": [], "total": 0, "fitting": 0}
    assert [message["tick"] for message in wire.told] == [1]
    assert repr(wire.panel) == "<Panel of test: sessions; 1 pages>"


async def test_what_did_not_change_is_not_told_again(wire: Wire) -> None:
    wire.hello()
    assert wire.news() == {}
    assert wire.told == []


async def test_a_page_hears_of_a_quiet_kernel_every_other_second(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.hello()
    monkeypatch.setattr(pages, "KEEPALIVE_SECONDS", 0.0)
    wire.news()
    assert wire.told == [{"to": "p1", "tick": 2, "news": {}}]


async def test_a_page_that_comes_back_starts_from_a_fresh_snapshot(chat: Flow, wire: Wire) -> None:
    async with AsyncExitStack() as stack:
        await connected(chat, stack, 2)
        first = wire.hello()["sessions"]["rows"]
        assert len(first) == 2
        assert wire.news() == {}
        assert wire.hello()["sessions"]["rows"] == first
        assert wire.told[-1]["tick"] == 1
    assert len(wire.panel._pages) == 1


async def test_every_page_has_its_own_view(chat: Flow, wire: Wire) -> None:
    async with AsyncExitStack() as stack:
        await connected(chat, stack, 2)
        wire.hello("left")
        wire.hello("right")
        await wire.ask("sessions", "choose", "left", filter="/chat/r1")
        assert wire.news("left")["sessions"]["fitting"] == 1
        assert wire.news("right") == {}


async def test_a_page_that_says_bye_hears_no_more(wire: Wire) -> None:
    wire.hello()
    wire.say({"page": "p1", "op": "bye"})
    assert not wire.panel.tick()
    wire.say({"page": "p1", "op": "bye"})  # harmless twice


async def test_a_page_nobody_knows_is_told_to_say_hello(wire: Wire) -> None:
    wire.say({"page": "p1", "op": "here"})
    wire.say({"page": "p1", "op": "ask", "part": "status", "action": "pause", "number": 3})
    assert wire.told == [{"to": "p1", "lost": None}, {"to": "p1", "lost": 3}]
    assert not wire.panel._flow._host.paused


async def test_the_seventeenth_page_takes_the_place_of_the_first(wire: Wire) -> None:
    for number in range(MAX_PAGES + 1):
        wire.hello(f"p{number}")
    assert list(wire.panel._pages) == [f"p{number}" for number in range(1, MAX_PAGES + 1)]


async def test_a_page_that_gave_no_sign_for_minutes_is_gone(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.hello("silent")
    wire.hello("alive")
    monkeypatch.setattr(wire.panel._pages["silent"], "_heard_at", -pages.PAGE_TIMEOUT)
    wire.say({"page": "alive", "op": "here"})
    assert wire.panel.tick()
    assert list(wire.panel._pages) == ["alive"]


async def test_a_closed_panel_lets_its_pages_go(wire: Wire) -> None:
    wire.hello()
    wire.panel.close()
    assert not wire.panel._pages
    assert not wire.panel.tick()


async def test_the_origin_of_a_page_may_connect_from_then_on(flow: Flow) -> None:
    wire = Wire(flow.panel("sessions"))
    wire.hello(origin="https://lab.example:8888")
    for odd in (None, 5, "null", "http://" + "x" * 10_000, "http://\ud800", ""):
        wire.hello("other", odd)
    assert flow._host.origins == {"https://lab.example:8888"}


# ---- bad messages


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        "hello",
        {},
        {"op": "hello"},
        {"page": 5, "op": "hello"},
        {"page": "p" * 65, "op": "hello"},
        {"page": "\ud800", "op": "hello"},
    ],
    ids=repr,
)
async def test_what_is_no_message_is_ignored(wire: Wire, message: Any) -> None:
    wire.say(message)
    assert wire.told == []
    assert not wire.panel._pages


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


# ---- parts that fail


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
    chat: Flow, monkeypatch: pytest.MonkeyPatch, fault: Callable[[], News], said: str
) -> None:
    monkeypatch.setitem(PART_CLASSES, "sessions", Broken)
    monkeypatch.setattr(Broken, "fault", staticmethod(fault), raising=False)
    wire = Wire(chat.panel("sessions"))
    news = wire.hello()
    assert said in news["sessions"]["broken"]
    assert news["status"]["state"] == "running"
    chat.pause()
    assert list(wire.news()) == ["status"]
    wire.say({"page": "p1", "op": "bye"})
    assert not wire.panel._pages


async def test_a_part_that_read_what_the_loop_wrote_just_then_reads_again(
    chat: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(chat.panel("sessions"))
    wire.hello()
    part, faults = wire.panel._pages["p1"]._parts["status"], [RuntimeError("changed size")]
    news = part.news

    def once() -> News | None:
        if faults:
            raise faults.pop()
        return news()

    monkeypatch.setattr(part, "news", once)
    chat.pause()
    assert wire.news()["status"]["state"] == "paused"
    chat.resume()
    assert wire.news()["status"]["state"] == "running"


async def test_an_action_that_fails_is_a_sentence_of_bounded_length(
    chat: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PART_CLASSES, "sessions", Broken)
    monkeypatch.setattr(Broken, "fault", staticmethod(lambda: None), raising=False)
    wire = Wire(chat.panel("sessions"))
    wire.hello()
    assert await wire.refused("sessions", "fail") == f"ZeroDivisionError: {EVIL}"
    assert await wire.refused("sessions", "mute") == "ValueError"
    assert "not JSON compliant" in await wire.refused("sessions", "odd")
    assert len(await wire.refused("sessions", "big")) == 500
    assert await wire.ask("sessions", "nothing") == {"to": "p1", "answer": 7, "value": None}


@pytest.mark.parametrize("nasty", NASTY, ids=lambda nasty: ascii(nasty[:12]))
def test_client_text_is_cut_and_can_be_packed(nasty: str) -> None:
    shown = text(nasty)
    assert len(shown.encode()) <= 4 * 200
    json.dumps(shown, ensure_ascii=False).encode()
    if len(nasty) <= 200 and "\ud800" not in nasty:
        assert shown == nasty


# ---- the head


async def test_the_head_tells_how_the_flow_does(chat: Flow, wire: Wire) -> None:
    assert wire.hello()["status"]["url"] is None
    server = await chat.serve()
    status = wire.news()["status"]
    assert (status["url"], status["paths"]) == (server.url, ["/chat/{room}"])
    await wire.ask("status", "pause")
    assert chat._host.paused
    assert wire.news()["status"]["state"] == "paused"
    await wire.ask("status", "resume")
    assert wire.news()["status"]["state"] == "running"


async def test_a_panel_of_a_stopped_flow_says_so_and_lives_when_it_runs_again(
    chat: Flow, wire: Wire
) -> None:
    async with chat.client("/chat/red") as client:
        await client.send("hi")
        await client.receive()
        wire.hello()
        await chat.stop()
        news = wire.news()
        assert news["status"]["state"] == "stopped"
        assert news["sessions"]["total"] == 0
    assert "error" not in await wire.ask("status", "pause")
    assert "no open session" in await wire.refused("sessions", "end", session="s1")
    await chat.start()
    assert wire.news()["status"]["state"] in ("running", "paused")


async def test_a_panel_of_a_flow_that_never_ran_shows_what_there_is(flow: Flow) -> None:
    wire = Wire(flow.panel("sessions"))
    status = wire.hello()["status"]
    assert (status["state"], status["paths"], status["events"]) == ("stopped", [], 0)


async def test_two_panels_of_one_flow_tell_the_same(chat: Flow) -> None:
    whole, alone = Wire(chat.panel()), Wire(chat.panel("sessions"))
    async with AsyncExitStack() as stack:
        await connected(chat, stack, 3)
        assert whole.hello()["sessions"] == alone.hello()["sessions"]
        await alone.ask("sessions", "end", session=alone.told[0]["news"]["sessions"]["rows"][0][0])
        assert whole.news()["sessions"]["total"] == alone.news()["sessions"]["total"] == 2


# ---- the sessions


def ids(news: News) -> list[str]:
    return [line[0] for line in news["sessions"]["rows"]]


async def test_a_session_is_a_line_that_changes_with_it(chat: Flow, wire: Wire) -> None:
    wire.hello()
    async with chat.client("/chat/red", peer="10.1.2.3") as client:
        (line,) = wire.news()["sessions"]["rows"]
        assert line[1:4] == ["10.1.2.3", "/chat/red", "open"]
        assert line[5:] == [0, 0, 0, 0]
        await client.send("hi")
        await client.receive()
        (line,) = wire.news()["sessions"]["rows"]
        assert line[5:7] == [1, 1]
    news = wire.news()["sessions"]
    assert (news["gone"], news["rows"], news["total"]) == ([line[0]], [], 0)


async def test_a_session_can_be_closed_by_hand(chat: Flow, wire: Wire) -> None:
    async with chat.client("/chat/red") as client:
        (line,) = wire.hello()["sessions"]["rows"]
        given = {"session": line[0], "code": 4000, "reason": "go"}
        assert "error" not in await wire.ask("sessions", "end", **given)
        assert client.closed == (4000, "go")
        assert "no open session" in await wire.refused("sessions", "end", session=line[0])


async def test_the_filter_looks_at_id_peer_and_path(chat: Flow, wire: Wire) -> None:
    async with AsyncExitStack() as stack:
        await connected(chat, stack, 5)
        everybody = ids(wire.hello())
        for wanted, there in [
            ("/CHAT/R3", everybody[3:4]),
            ("10.0.0.2", everybody[2:3]),
            (f" {everybody[4]} ", everybody[4:]),
            ("nobody", []),
            (EVIL, []),
        ]:
            wire.hello()
            await wire.ask("sessions", "choose", filter=wanted)
            news = wire.news()["sessions"]
            assert [one for one in everybody if one not in news["gone"]] == there
            assert (news["fitting"], news["total"]) == (len(there), 5)


async def test_of_many_sessions_those_are_told_that_come_first_in_the_order(
    chat: Flow, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts_sessions, "MAX_ROWS", 3)
    monkeypatch.setattr(parts_sessions, "CHOICE_SECONDS", 0.0)
    async with AsyncExitStack() as stack:
        clients = await connected(chat, stack, 6)
        everybody = [client.session.id for client in clients if client.session]
        assert ids(wire.hello()) == everybody[3:]
        for talkative in (clients[1], clients[4], clients[2], clients[2]):
            await talkative.send("hi")
            await talkative.receive()
        await wire.ask("sessions", "choose", order="most received")
        news = wire.news()["sessions"]
        assert news["gone"] == [everybody[3], everybody[5]]
        assert set(ids({"sessions": news})) == {everybody[1], everybody[2], everybody[4]}
        assert (news["fitting"], news["total"]) == (6, 6)


async def test_five_thousand_sessions_are_two_hundred_lines_looked_at_once_a_second(
    chat: Flow, wire: Wire
) -> None:
    async with AsyncExitStack() as stack:
        clients = [await chat.client("/chat/red") for _ in range(5000)]
        for client in clients:
            stack.push_async_callback(client.close)
        news = wire.hello()["sessions"]
        assert len(news["rows"]) == 200
        assert (news["fitting"], news["total"]) == (5000, 5000)
        began, ticks = time.process_time(), 20
        for _ in range(ticks):
            wire.news()
        assert (time.process_time() - began) / ticks < 0.005  # a twentieth of a tick


async def test_client_text_in_a_line_is_bounded(chat: Flow, wire: Wire) -> None:
    long = "%3Cimg%20src=x%3E" + "%E2%80%AE" + "x" * 1500
    async with chat.client(f"/chat/{long}", peer=EVIL + "p" * 1000):
        (line,) = wire.hello()["sessions"]["rows"]
    assert "\u202e" in line[2]
    assert len(line[2]) == 120
    assert len(line[1]) == 60


# ---- the modules in the page


TOP_LEVEL = re.compile(
    r"^(?:export )?(?:default )?(?:async )?(?:function\*?|const|let|var|class) (\w+)", re.MULTILINE
)


def test_no_name_is_used_twice_at_the_top_of_the_modules() -> None:
    names = Counter(TOP_LEVEL.findall(bundle.script()))
    assert [name for name, times in names.items() if times > 1] == []
    assert "render" in names


def test_the_modules_are_joined_to_one_without_imports() -> None:
    script = bundle.script()
    assert not re.search(r"^import\b", script, re.MULTILINE)
    assert len(re.findall(r"^export\b", script, re.MULTILINE)) == 1
    assert "http://" not in script.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in script
    assert "innerHTML" not in script
    order = bundle.order()
    assert order[-1] == "page.js"
    assert {path.name for path in bundle.HERE.glob("*.js")} == set(order)


def test_every_part_there_is_has_its_place_on_the_page() -> None:
    table = (bundle.HERE / "page.js").read_text().partition("const PARTS = {")[2].partition("};")[0]
    assert set(re.findall(r"^  (\w+): \[", table, re.MULTILINE)) == set(PART_CLASSES)


def test_styles_load_nothing_and_stay_inside_the_panel() -> None:
    style = bundle.style()
    assert "url(" not in style
    assert "@import" not in style
    bare = re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL)
    selectors = re.findall(r"(?:^|[};])\s*([^{};@]+?)\s*\{", bare)
    assert selectors
    assert [one for one in selectors if ".wf" not in one and one not in ("from", "to")] == []


def test_the_modules_parse(tmp_path: Path) -> None:
    whole = tmp_path / "panel.mjs"
    whole.write_text(bundle.script())
    for path in (whole, *bundle.HERE.glob("*.js")):
        module = tmp_path / f"{path.stem}.mjs"
        module.write_text(path.read_text())
        done = subprocess.run(
            [node(), "--check", module], capture_output=True, text=True, check=False, timeout=30
        )
        assert done.returncode == 0, done.stderr


# ---- the thread that ticks


class Ticks:
    """Counts its ticks, and ends when told."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault, self.alive, self.count = fault, True, 0
        self.ticked = threading.Event()

    def tick(self) -> bool:
        self.count += 1
        self.ticked.set()
        if self.fault is not None:
            raise self.fault
        return self.alive


def ended(ticker: Ticker) -> bool:
    """Wait for the end of its thread."""
    thread = ticker._thread
    if thread is not None:
        thread.join(30)
    return thread is None or not thread.is_alive()


def test_one_thread_ticks_for_all_and_ends_with_the_last() -> None:
    ticker, first, second = Ticker(0.001), Ticks(), Ticks()
    ticker.watch(first)
    thread = ticker._thread
    ticker.watch(second)
    assert ticker._thread is thread
    assert first.ticked.wait(30)
    assert second.ticked.wait(30)
    first.alive = second.alive = False
    assert ended(ticker)
    count = first.count
    first.alive = True
    ticker.watch(first)
    assert ticker._thread is not thread
    while first.count <= count + 2:
        first.ticked.clear()
        assert first.ticked.wait(30)
    first.alive = False
    assert ended(ticker)


def test_a_second_has_at_most_ten_ticks() -> None:
    ticker, one = Ticker(), Ticks()
    began = time.monotonic()
    ticker.watch(one)
    while one.count < 6:
        one.ticked.clear()
        assert one.ticked.wait(30)
    assert time.monotonic() - began >= 0.5
    one.alive = False
    assert ended(ticker)


def test_one_that_fails_is_dropped_and_the_others_tick_on() -> None:
    ticker, bad, good = Ticker(0.001), Ticks(ValueError("no")), Ticks()
    ticker.watch(good)
    ticker.watch(bad)
    assert bad.ticked.wait(30)
    for _ in range(3):
        good.ticked.clear()
        assert good.ticked.wait(30)
    assert bad.count == 1
    good.alive = False
    assert ended(ticker)


def test_one_that_nobody_holds_any_more_is_let_go() -> None:
    ticker, one = Ticker(0.001), Ticks()
    gone = weakref.ref(one)
    ticker.watch(one)
    assert one.ticked.wait(30)
    del one
    assert ended(ticker)
    gc.collect()
    assert gone() is None


async def test_running_the_cell_again_leaks_no_page_and_no_thread(
    chat: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise P14: Jupyter takes the old view away and shows a new one, twenty times."""
    monkeypatch.setattr(widgets, "ticker", ticker)
    threads, registered = threading.active_count(), len(_instances)
    for number in range(20):
        panel = chat.panel()
        wire = Wire(panel)
        wire.say({"page": f"p{number}", "op": "hello"})
        wire.say({"page": f"p{number - 1}", "op": "bye"})
        assert list(panel._pages) == [f"p{number}"]
        assert threading.active_count() <= threads + 2  # the ticker, and the player's recordings
    assert len(_instances) == registered + 2  # the panel and its layout
    assert len(panel._msg_callbacks.callbacks) == 1
    wire.say({"page": "p19", "op": "bye"})
    assert ended(ticker)
    with anyio.fail_after(20):
        while threading.active_count() > threads:  # noqa: ASYNC110 (threads ring no bell)
            await anyio.sleep(0.01)


async def test_pages_hear_of_a_loop_that_is_blocked_meanwhile(
    chat: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(widgets, "ticker", ticker)
    wire, told = Wire(chat.panel("sessions")), threading.Event()
    monkeypatch.setattr(pages, "KEEPALIVE_SECONDS", 0.0)
    carry = wire.panel.send

    def heard(content: Json, buffers: Any = None) -> None:
        carry(content, buffers)
        if content.get("tick", 0) >= 3:
            told.set()

    wire.panel.send = heard
    wire.say({"page": "p1", "op": "hello"})
    assert told.wait(30)  # this very wait blocks the flow's loop
    wire.panel.close()
    assert ended(ticker)
