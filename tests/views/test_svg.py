"""The graph as an SVG: every node a box, every wire a path, every name text."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from tests.recorded.playing import tell
from wsflow import Flow
from wsflow.views import layout, svg
from wsflow.views.svg import MAX_NODES, TITLE_LENGTH, Drawing

NAMES = ['"]<x', "<img src=x onerror=alert(1)>", "a&b", "x" * 500, "\u202eevil", "a\x00b"]


def parsed(flow: Flow) -> ET.Element:
    return ET.fromstring(Drawing().svg(flow.nodes.values()))


def texts(picture: ET.Element, kind: str) -> list[str]:
    return [one.text or "" for one in picture.iter("text") if one.get("class") == kind]


def chatting(flow: Flow) -> Any:
    """A chat with an echo, a loop, and a node that fails on demand."""
    chat = flow.websocket("/chat/{room}", name="chat")

    @flow.node(outputs=("out", "again"))
    def echo(ev: Any, ctx: Any) -> None:
        if ev["message"] == "boom":
            raise ValueError
        ctx.emit("response", {"body": ev["message"]})

    chat.message >> echo
    echo.again >> echo
    flow.timer(5) >> flow.throttle(1) >> echo
    return chat


def test_nodes_are_boxes_and_wires_paths(flow: Flow) -> None:
    chatting(flow)
    shown = parsed(flow)
    assert texts(shown, "name") == [
        "chat (WebSocket /chat/{room})", "echo", "timer (every 5 s)", "throttle (one in 1 s)",
    ]  # fmt: skip
    assert len(list(shown.iter("rect"))) == 4
    assert len(list(shown.iter("path"))) == len(flow._host.wires) == 4
    assert {"req", "message", "close", "in", "out", "again", "dropped"} == set(texts(shown, "port"))
    assert shown.get("aria-label") == "graph of 4 nodes and 4 wires"


def test_boxes_of_a_column_are_equally_wide_and_stand_apart(flow: Flow) -> None:
    chatting(flow)
    rects = [
        tuple(float(rect.get(side) or 0) for side in ("x", "y", "width", "height"))
        for rect in parsed(flow).iter("rect")
    ]
    for x, _, width, _ in rects:
        assert {w for at, _, w, _ in rects if at == x} == {width}
    for one in rects:
        for two in rects:
            if one is not two and one[0] == two[0]:
                assert one[1] + one[3] <= two[1] or two[1] + two[3] <= one[1]


async def test_counts_stand_on_the_wires_and_failures_show(flow: Flow) -> None:
    chatting(flow)
    async with flow.client("/chat/red") as client:
        await tell(client, "a", "b")
        await client.send("boom")
    shown = parsed(flow)
    assert texts(shown, "count") == ["3"]
    kinds = [one.get("class") for one in shown.iter("g")]
    assert kinds == ["box trigger", "box failed", "box trigger", "box"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_text(flow: Flow, name: str) -> None:
    if name.isprintable():
        flow.node(lambda: None, name=name, outputs=(name,))
    else:
        made = flow.node(lambda: None, name="plain")
        flow.websocket(f"/{'x' * 300}", name="long")
        made.name = name
    shown = parsed(flow)
    assert {one.tag for one in shown.iter()} <= {"svg", "g", "rect", "text", "path"}
    assert all(len(text) <= TITLE_LENGTH for text in texts(shown, "name") + texts(shown, "port"))


def test_an_empty_flow_is_an_empty_picture_and_a_huge_one_has_an_end(flow: Flow) -> None:
    assert list(parsed(flow).iter("rect")) == []
    for number in range(MAX_NODES + 20):
        flow.node(lambda: None, name=f"n{number}")
    assert len(list(parsed(flow).iter("rect"))) == MAX_NODES


async def test_one_that_draws_again_sees_new_counts_and_new_nodes(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    arranged: list[int] = []

    def arrange(shapes: Any, wires: Any) -> Any:
        arranged.append(len(shapes))
        return layout.arrange(shapes, wires)

    monkeypatch.setattr(svg, "arrange", arrange)
    chatting(flow)
    drawing = Drawing()
    first = drawing.svg(flow.nodes.values())
    async with flow.client("/chat/red") as client:
        await tell(client, "a")
    second = drawing.svg(flow.nodes.values())
    assert first != second
    assert arranged == [4, 4], "once for the columns, once for the boxes, and not again"
    flow.node(lambda: None, name="new")
    assert "new" in drawing.svg(flow.nodes.values())
    assert arranged == [4, 4, 5, 5]
