"""Declarations: what a flow takes as a trigger or a node, and what it refuses in words."""

from typing import Any

import pytest

from tests.graph.conftest import keys, nodes
from wsflow import Flow, PathError, WiringError


def test_a_name_given_twice_is_an_error_that_shows_who_has_it(flow: Flow) -> None:
    nodes(flow, "a")
    with pytest.raises(WiringError, match=r"flow 'test' has a node 'a' already: <Node a"):
        flow.node(lambda: None, name="a")


def test_a_trigger_and_a_node_can_not_share_a_name(flow: Flow) -> None:
    flow.websocket("/chat", name="chat")
    with pytest.raises(WiringError, match="has a node 'chat' already"):
        flow.node(lambda: None, name="chat")


@pytest.mark.parametrize("name", ["a\nb", "\x00", 3])
def test_a_node_needs_a_printable_name(flow: Flow, name: Any) -> None:
    with pytest.raises(WiringError, match="needs a name, not"):
        flow.node(lambda: None, name=name)


def test_an_unknown_http_method_is_an_error_that_names_them(flow: Flow) -> None:
    with pytest.raises(WiringError, match="no HTTP method 'FETCH'; there are: GET, POST"):
        flow.http("/a", method="fetch")


def test_a_malformed_path_declares_nothing(flow: Flow) -> None:
    with pytest.raises(PathError):
        flow.websocket("chat")
    assert flow.nodes == {}


def test_wires_are_taken_away_by_their_ends(flow: Flow) -> None:
    a, b, c = nodes(flow, "abc")
    a >> [b, c]
    flow.disconnect(a, b)
    flow.disconnect(a, b)
    assert keys(flow) == [("a", "out", "c", "in")]
