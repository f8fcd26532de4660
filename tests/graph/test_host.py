"""The host: what stands after `>>` becomes nodes and wires."""

import pytest

from tests.graph.conftest import keys, nodes
from wsflow import Flow, WiringError
from wsflow.graph.triggers.base import Trigger


def test_a_list_is_wired_to_each_of_its_members(flow: Flow) -> None:
    a, b, c = nodes(flow, "abc")
    assert (a >> [b, c]) == [b, c]
    a >> (c,)
    assert [key[2] for key in keys(flow)] == ["b", "c"]


def test_a_plain_function_becomes_a_node(flow: Flow) -> None:
    (a,) = nodes(flow, "a")

    def shout() -> None: ...

    node = a >> shout
    assert node is flow.nodes["shout"]
    assert node.function is shout


def test_a_wire_that_fails_in_a_list_keeps_those_before_it(flow: Flow) -> None:
    a, b = nodes(flow, "ab")
    with pytest.raises(WiringError):
        a >> [b, "nothing"]
    assert len(flow._host.wires) == 1


def test_all_nodes_of_a_flow_ask_one_host_which_is_not_the_flow(flow: Flow) -> None:
    made = [flow.websocket("/"), flow.timer(1), flow.catch(), flow.connections(), *nodes(flow, "a")]
    made.append(made[0].outputs["message"].where("kind"))
    assert {id(node.host) for node in made} == {id(flow._host)}
    assert {id(node.engine) for node in made if isinstance(node, Trigger)} == {
        id(flow._host.engine)
    }
