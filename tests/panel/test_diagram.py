"""The diagram on the panel: the graph as it is, what passes, what fails, one event's way."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.panel_page import in_browser, shown
from wsflow import Flow
from wsflow.graph.triggers.websocket import WebSocketTrigger
from wsflow.host import FlowHost
from wsflow.panel import diagram
from wsflow.panel.diagram import DiagramPart


class Hours:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        self.now += diagram.LOOK_SECONDS
        return self.now


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Hours:
    hours = Hours()
    monkeypatch.setattr(diagram, "time", hours)
    return hours


def shout(ev: Any, ctx: Any) -> None:
    if ev["message"] == "boom":
        raise ValueError("no such room")
    ctx.route(ev["message"].upper())


async def answer(ev: Any, ctx: Any) -> None:
    ctx.emit("response", {"body": ev})


@pytest.fixture
def chat(flow: Flow) -> WebSocketTrigger:
    chat = flow.websocket("/chat/{room}")
    chat.message >> shout
    flow.nodes["shout"] >> answer
    return chat


@pytest.fixture
def part(flow: Flow, chat: WebSocketTrigger, hours: Hours) -> DiagramPart:
    return DiagramPart(flow)


def told(part: DiagramPart) -> Any:
    """Return what the part tells, made sure that Jupyter's channel carries it."""
    news = part.news() or {}
    json.dumps(news, ensure_ascii=False, allow_nan=False).encode()
    return news


def names(graph: Any) -> list[str]:
    return [node["name"] for node in graph["nodes"]]


# ---- the graph


def test_the_first_news_are_the_graph_with_its_places(part: DiagramPart) -> None:
    news = told(part)
    graph = news["graph"]
    assert names(graph) == ["/chat/{room}", "shout", "answer"]
    chat, first, second = graph["nodes"]
    assert (chat["trigger"], chat["kind"], chat["about"]) == (
        True,
        "WebSocketTrigger",
        "WebSocket",
    )
    assert [name for name, _ in chat["outputs"]] == ["req", "message", "close"]
    assert (first["about"], second["about"]) == ("function", "async function")
    assert re.fullmatch(r"shout, test_diagram\.py:\d+", first["source"])
    assert chat["at"][0] < first["at"][0] < second["at"][0]
    assert [wire["ends"] for wire in graph["wires"]] == [
        ["/chat/{room}", "message", "shout", "in"],
        ["shout", "out", "answer", "in"],
    ]
    assert news["wires"] == [[0, 0, 0.0], [1, 0, 0.0]]
    assert news["nodes"] == [[0, 0, 0, None], [1, 0, 0, None], [2, 0, 0, None]]
    assert told(part) == {}


def test_every_kind_of_node_is_drawn_and_says_what_it_is(flow: Flow, hours: Hours) -> None:
    flow.websocket("/ws", name="door")
    flow.http("/push", method="POST")
    flow.multi("/rooms/{id}")
    flow.timer(2.5)
    flow.inject({"a": 1})
    flow.catch()
    flow.connections()
    graph = told(DiagramPart(flow))["graph"]
    about = {node["name"]: node["about"] for node in graph["nodes"]}
    assert about == {
        "door": "WebSocket · /ws",
        "POST /push": "HTTP",
        "/rooms/{id}": "HTTP, a port a method",
        "timer": "timer · 2.5 s",
        "inject": "inject",
        "catch": "catches errors",
        "connections": "connection manager",
    }
    assert all(node["source"] == "" for node in graph["nodes"])
    assert [node["trigger"] for node in graph["nodes"]] == [True] * 6 + [False]


def test_what_is_added_moves_nothing_and_what_is_taken_out_is_gone(
    flow: Flow, part: DiagramPart
) -> None:
    before = {node["name"]: node["at"] for node in told(part)["graph"]["nodes"]}
    flow.nodes["/chat/{room}"].close >> flow.node(lambda ev: None, name="farewell")
    graph = told(part)["graph"]
    after = {node["name"]: node["at"] for node in graph["nodes"]}
    assert {name: after[name] for name in before} == before
    flow.remove(flow.nodes["farewell"])
    assert names(told(part)["graph"]) == list(before)


def test_a_function_that_is_swapped_is_drawn_with_its_new_source(
    flow: Flow, part: DiagramPart
) -> None:
    before = told(part)["graph"]["nodes"][1]

    def other(ev: Any) -> None:
        """Do nothing."""

    flow.nodes["shout"].define(other)
    after = told(part)["graph"]["nodes"][1]
    assert after["source"].startswith("other, ")
    assert (after["name"], after["at"]) == (before["name"], before["at"])


def test_a_flow_without_nodes_has_an_empty_picture(flow: Flow, hours: Hours) -> None:
    assert told(DiagramPart(flow))["graph"]["nodes"] == []


def test_of_a_very_large_graph_a_part_is_drawn(
    flow: Flow, hours: Hours, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagram, "MAX_NODES", 3)
    nodes = [flow.node(lambda ev: None, name=f"n{number}") for number in range(5)]
    for one, two in pairwise(nodes):
        one >> two
    graph = told(DiagramPart(flow))["graph"]
    assert (len(graph["nodes"]), len(graph["wires"]), graph["more"]) == (3, 2, 2)


def test_a_graph_that_changes_while_it_is_read_is_read_again(
    flow: Flow, part: DiagramPart, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changing(_: FlowHost) -> None:
        raise RuntimeError("dictionary changed size during iteration")

    with monkeypatch.context() as patch:
        patch.setattr(FlowHost, "wires", property(changing))
        assert told(part) == {}
    assert len(names(told(part)["graph"])) == 3


# ---- what passes


async def test_counts_rates_and_errors_are_told_when_they_change(
    flow: Flow, part: DiagramPart, hours: Hours
) -> None:
    told(part)
    async with flow.client("/chat/red") as client:
        for message in ("a", "b", "boom"):
            await client.send(message)
        await client.receive()
        await client.receive()
        news = told(part)
        assert [line[:2] for line in news["wires"]] == [[0, 3], [1, 2]]
        assert news["wires"][0][2] == pytest.approx(3 / diagram.RATE_SECONDS)
        nodes = {line[0]: line[1:] for line in news["nodes"]}
        assert nodes[1] == [3, 1, None]
        assert nodes[2][:2] == [2, 0]
        assert 0 < nodes[2][2] < 1000  # the async one: how long until it answered
        hours.now += 10
        told(part)
        assert told(part) == {}
        for _ in range(100):
            await client.send("boom")
        ((index, count, rate),) = told(part)["wires"]
        assert (index, count) == (0, 103)
        assert rate > 5


async def test_a_look_costs_nothing_between_two_looks(flow: Flow, chat: WebSocketTrigger) -> None:
    part = DiagramPart(flow)
    assert part.news() is not None
    flow.node(lambda ev: None, name="new")
    assert part.news() is None


# ---- one event's way


def lit(news: Any, part: DiagramPart) -> tuple[list[str], list[str]]:
    nodes = [part._nodes[index].name for index in news["lit"]["nodes"]]
    return nodes, [".".join(part._keys[index][:2]) for index in news["lit"]["wires"]]


async def test_the_way_of_a_row_is_lit_before_and_behind_it(flow: Flow, part: DiagramPart) -> None:
    flow.nodes["/chat/{room}"].close >> flow.node(lambda ev: None, name="farewell")
    told(part)
    async with flow.client("/chat/red") as client:
        await client.send("hi")
        await client.receive()
        routed = next(row for row in flow.log if row.kind == "route")
        part.light(routed.seq)
        news = told(part)
        assert lit(news, part) == (
            ["/chat/{room}", "shout", "answer"],
            ["/chat/{room}.message", "shout.out"],
        )
        assert (news["lit"]["seq"], news["lit"]["chosen"]) == (routed.seq, True)
        assert "lit" not in told(part)
        part.light(None)
        assert told(part)["lit"] is None


async def test_of_a_selected_session_the_last_event_is_lit_and_the_next_one_after_it(
    flow: Flow, part: DiagramPart
) -> None:
    told(part)
    async with flow.client("/chat/red") as alice, flow.client("/chat/red") as bob:
        assert alice.session is not None
        part.select(alice.session.id)
        assert lit(told(part), part) == (["/chat/{room}"], [])
        await bob.send("hi")
        await bob.receive()
        assert "lit" not in told(part)
        await alice.send("boom")
        news = told(part)
        assert lit(news, part) == (["/chat/{room}", "shout"], ["/chat/{room}.message"])
        assert news["lit"]["chosen"] is False
        part.select(None)
        assert told(part)["lit"] is None


@pytest.mark.parametrize("session", ["nobody", "", None])
async def test_a_session_nobody_knows_lights_nothing(
    part: DiagramPart, session: str | None
) -> None:
    told(part)
    part.select(session)
    assert told(part) == {}


async def test_a_row_that_was_dropped_lights_nothing(flow: Flow, part: DiagramPart) -> None:
    told(part)
    part.light(999)
    assert told(part) == {}


# ---- in a browser


@pytest_asyncio.fixture(loop_scope="session")
async def lively(page_flow: Flow) -> Flow:
    """A flow of two functions."""
    page_flow.websocket("/chat/{room}").message >> shout
    page_flow.nodes["shout"] >> answer
    await page_flow.start()
    return page_flow


def node(page: Page, name: str) -> Locator:
    return page.locator(".wf-node", has_text=name)


@in_browser
async def test_boxes_counts_and_errors_are_there_to_see(browser: Browser, lively: Flow) -> None:
    async with (
        shown(browser, lively, "diagram") as (page, _),
        lively.client("/chat/red") as client,
    ):
        await expect(page.locator(".wf-node")).to_have_count(3)
        await expect(page.locator(".wf-wire")).to_have_count(2)
        await client.send("hi")
        await client.send("boom")
        await expect(page.locator(".wf-passed").first).to_contain_text("2")
        await expect(node(page, "shout")).to_have_class(re.compile("wf-fails"))
        await expect(node(page, "shout").locator(".wf-badge")).to_have_text("1")
        await node(page, "shout").hover()
        about = page.locator(".wf-told")
        await expect(about).to_contain_text("shout, test_diagram.py:")
        await expect(about).to_contain_text("2 events in · 1 error")


@in_browser
async def test_the_keyboard_goes_from_node_to_node(browser: Browser, lively: Flow) -> None:
    async with shown(browser, lively, "diagram") as (page, _):
        await expect(page.locator(".wf-node")).to_have_count(3)
        await node(page, "/chat").focus()
        await expect(page.locator(".wf-told")).to_contain_text("/chat/{room} · WebSocket")
        await page.keyboard.press("ArrowRight")
        await expect(node(page, "shout")).to_be_focused()
        await expect(node(page, "shout")).to_have_accessible_name(
            re.compile("shout · function · .* 0 events in")
        )
        await page.keyboard.press("End")
        await expect(node(page, "answer")).to_be_focused()
        lively.node(lambda ev: None, name="new")  # a cell was run
        await expect(page.locator(".wf-node")).to_have_count(4)
        await expect(node(page, "answer")).to_be_focused()


@in_browser
async def test_a_row_opened_in_the_log_lights_its_way_and_a_node_finds_its_rows(
    browser: Browser, lively: Flow
) -> None:
    async with (
        shown(browser, lively, "log", "diagram") as (page, _),
        lively.client("/chat/red") as client,
    ):
        await client.send("hi")
        await page.locator(".wf-rows tr[data-kind='response']").click()
        await page.get_by_role("button", name="In the diagram").click()
        await expect(page.get_by_role("tab", name="Diagram")).to_be_focused()
        await expect(page.locator(".wf-node.wf-on")).to_have_count(3)
        await expect(page.locator(".wf-told")).to_contain_text("Lit: the way of row 4")
        await node(page, "shout").click()
        await expect(page.get_by_role("tab", name="Log")).to_be_focused()
        await expect(page.locator(".wf-rows tr[data-seq]")).to_have_count(1)
        await expect(page.get_by_placeholder("node.port")).to_have_value("shout.")


@in_browser
async def test_names_are_text_whatever_they_are(browser: Browser, lively: Flow) -> None:
    dialogs = []
    evil = "<img src=x onerror=alert(1)>"
    lively.nodes["shout"] >> lively.node(lambda ev: None, name=evil, inputs=[evil + "in"])
    async with shown(browser, lively, "diagram") as (page, _):
        page.on("dialog", lambda dialog: dialogs.append(dialog))
        await expect(node(page, "<img src=x onerror")).to_be_visible()
        await node(page, "<img").hover()
        await expect(page.locator(".wf-told")).to_contain_text(evil)
        assert await page.locator("img").count() == 0
    assert not dialogs


@in_browser
async def test_who_asked_for_calm_sees_nothing_move(browser: Browser, lively: Flow) -> None:
    async with (
        shown(browser, lively, "diagram", reduced_motion="reduce") as (page, _),
        lively.client("/chat/red") as client,
    ):
        await expect(page.locator(".wf-node")).to_have_count(3)
        await client.send("hi")
        await expect(page.locator(".wf-flows").first).to_be_attached()
        moving = "element => getComputedStyle(element).animationName"
        assert await page.locator(".wf-flowing").first.evaluate(moving) == "none"
