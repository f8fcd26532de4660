"""The panel without a browser: pages that come and go, what they are told, what they may ask.

Ticks are called by hand here; `test_ticker.py` has the thread that calls them.
"""

from __future__ import annotations

import threading
from contextlib import AsyncExitStack
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from ipywidgets.widgets.widget import _instances

from tests.panel.test_ticker import ended
from tests.panel.wire import Json, Wire, connected
from wsflow import Flow
from wsflow.panel import page as pages
from wsflow.panel import widget as widgets
from wsflow.panel.ticker import ticker
from wsflow.panel.widget import MAX_PAGES

pytestmark = pytest.mark.usefixtures("by_hand")


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


async def test_a_page_that_comes_back_starts_afresh(running: Flow, wire: Wire) -> None:
    async with AsyncExitStack() as stack:
        await connected(running, stack, 2)
        first = wire.hello()["sessions"]["rows"]
        assert len(first) == 2
        assert wire.news() == {}
        assert wire.hello()["sessions"]["rows"] == first
        assert wire.told[-1]["tick"] == 1
    assert len(wire.panel._pages) == 1


async def test_every_page_has_its_own_view(running: Flow, wire: Wire) -> None:
    async with AsyncExitStack() as stack:
        await connected(running, stack, 2)
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
    assert not wire.panel._flow.panel.host.paused


async def test_the_seventeenth_page_takes_the_place_of_the_first(wire: Wire) -> None:
    for number in range(MAX_PAGES + 1):
        wire.hello(f"p{number}")
    assert list(wire.panel._pages) == [f"p{number}" for number in range(1, MAX_PAGES + 1)]


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


async def test_running_the_cell_again_leaks_no_page_and_no_thread(
    running: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise P14: Jupyter takes the old view away and shows a new one, twenty times."""
    monkeypatch.setattr(widgets, "ticker", ticker)
    threads, registered = threading.active_count(), len(_instances)
    for number in range(20):
        panel = running.panel()
        wire = Wire(panel, ticking=True)
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
    running: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(widgets, "ticker", ticker)
    wire, told = Wire(running.panel("sessions"), ticking=True), threading.Event()
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
