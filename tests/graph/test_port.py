"""Ports and wires: what they are called, and that wiring replaces instead of changing."""

import pytest

from wsflow import Flow, WiringError


def test_ports_and_wires_tell_who_they_are(flow: Flow) -> None:
    chat = flow.websocket("/chat", name="chat")
    node = flow.node(lambda: None, name="shout")
    chat.message >> node
    (wire,) = flow._host.wires
    assert wire.key == ("chat", "message", "shout", "in")
    assert repr(wire) == "<Wire chat.message >> shout.in 0 events>"
    assert repr(wire.source) == "<Output chat.message>"
    assert repr(wire.target) == "<Input shout.in>"


def test_an_output_gives_the_wires_it_had_when_asked(flow: Flow) -> None:
    chat = flow.websocket("/")
    chat.message >> flow.node(lambda: None, name="a")
    before = chat.message.wires
    chat.message >> flow.node(lambda: None, name="b")
    flow.remove(flow.nodes["a"])
    assert [wire.target.node.name for wire in before] == ["a"]
    assert [wire.target.node.name for wire in chat.message.wires] == ["b"]


def test_an_input_can_not_start_a_wire(flow: Flow) -> None:
    a, b = (flow.node(lambda: None, name=name) for name in "ab")
    with pytest.raises(WiringError, match=r"a\.in is an input port and can not start a wire"):
        a["in"] >> b


def test_an_output_wired_to_a_node_gives_the_node(flow: Flow) -> None:
    a, b = (flow.node(lambda: None, name=name) for name in "ab")
    assert (a.out >> b) is b
    assert (a >> b["in"]) is b


def test_one_sign_too_few_is_told(flow: Flow) -> None:
    chat, shout = flow.websocket("/chat"), flow.node(lambda: None, name="shout")
    with pytest.raises(WiringError, match=r"made with two signs: /chat\.message >> "):
        _ = chat.message > shout
