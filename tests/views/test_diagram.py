"""The graph as a picture: Mermaid source, and plain text for the rest."""

from typing import Any

import pytest

from wsflow import Flow
from wsflow.views.diagram import mermaid, text


def declared(flow: Flow) -> Any:
    """Declare a chat, an HTTP route and a handler that fails on demand."""

    def shout(ev: Any) -> None:
        if ev["message"] == "boom":
            raise ValueError

    chat = flow.websocket("/chat/{room}", name="chat")
    manager = flow.connections()
    chat.message >> flow.node(shout, outputs=("yes",))
    flow.nodes["shout"].yes >> flow.node(lambda: None, name="sink")
    flow.http("/push", method="POST").out >> manager.broadcast
    return chat


def test_every_node_is_a_box_and_every_wire_an_arrow(flow: Flow) -> None:
    declared(flow)
    lines = [line.strip() for line in mermaid(flow.nodes.values()).splitlines()]
    assert lines[0] == "flowchart LR"
    assert 'n0(["chat (WebSocket /chat/{room})"])' in lines
    assert 'n2["shout"]' in lines
    assert 'n4(["POST /push"])' in lines
    assert 'n0 -- "message" --> n2' in lines
    assert 'n2 -- "yes" --> n3' in lines
    assert 'n4 -- "out → broadcast" --> n1' in lines


def test_a_wire_from_out_to_in_needs_no_label(flow: Flow) -> None:
    flow.node(lambda: None, name="a") >> flow.node(lambda: None, name="b")
    assert mermaid(flow.nodes.values()).endswith("n0 --> n1")


def test_each_kind_of_node_has_its_shape(flow: Flow) -> None:
    flow.multi("/things/{id}")
    flow.timer(5, name="clock")
    flow.inject(name="push")
    chat = flow.websocket("/chat")
    chat.message.where("action")
    flow._host.switch("kind", "sort")
    flow.throttle(0.5)
    flow.debounce(2)
    flow.barrier(("left", "right"))
    boxes = [line.strip() for line in mermaid(flow.nodes.values()).splitlines()[1:10]]
    assert boxes == [
        'n0(["HTTP /things/{id}"])',
        'n1(["clock (every 5 s)"])',
        'n2(["push"])',
        'n3(["WebSocket /chat"])',
        'n4{"/chat.message where action"}',
        'n5{"sort (kind)"}',
        'n6{{"throttle (one in 0.5 s)"}}',
        'n7{{"debounce (quiet for 2 s)"}}',
        'n8{{"barrier"}}',
    ]
    assert "clock (every 5 s)" in text(flow.nodes.values())


async def test_arrows_show_how_many_events_took_them(flow: Flow) -> None:
    declared(flow)
    client = await flow.client("/chat/red")
    for _ in range(3):
        await client.send("x")
    assert 'n0 -- "message · 3" --> n2' in mermaid(flow.nodes.values())
    assert "message ─▶ shout.in  (3)" in text(flow.nodes.values())


async def test_a_node_that_failed_is_marked(flow: Flow) -> None:
    declared(flow)
    assert "failed" not in mermaid(flow.nodes.values())
    await flow.client("/chat/red").send("boom")
    assert "class n2 failed" in mermaid(flow.nodes.values())
    assert "classDef failed" in mermaid(flow.nodes.values())
    assert "shout  (1 errors)" in text(flow.nodes.values())


@pytest.mark.parametrize("name", ['"]; click n0 "x', "<img src=x>", "a`b", "#quot;", "end"])
def test_a_name_is_text_in_the_picture(flow: Flow, name: str) -> None:
    flow.node(lambda: None, name=name)
    box = mermaid(flow.nodes.values()).splitlines()[1].strip()
    inner = box.removeprefix('n0["').removesuffix('"]')
    assert len(box) == len(inner) + len('n0[""]')
    assert not {'"', "<", ">", "`"} & set(inner)


def test_text_shows_triggers_nodes_and_wires(flow: Flow) -> None:
    declared(flow)
    shown = text(flow.nodes.values())
    assert "chat (WebSocket /chat/{room})" in shown
    assert "    message ─▶ shout.in  (0)" in shown


def test_an_empty_flow_says_how_to_begin(flow: Flow) -> None:
    assert text([]) == "  (no nodes yet: flow.websocket('/chat') makes the first)"
    assert "text/vnd.mermaid" not in flow._repr_mimebundle_()


def test_a_flow_shows_itself_as_a_diagram_and_as_text(flow: Flow) -> None:
    declared(flow)
    bundle = flow._repr_mimebundle_(include=None, exclude=None)
    assert bundle["text/vnd.mermaid"].splitlines()[1] == "flowchart LR"
    assert bundle["text/plain"].startswith("<Flow test 5 nodes>\n")
