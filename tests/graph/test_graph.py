"""The graph: what can be wired to what, which names and paths are taken, what removal takes."""

from typing import Any

import pytest

from tests.graph.conftest import keys, nodes
from wsflow import Flow, PathError, UnknownPortError, WiringError

# ---- wires


def test_nodes_are_chained_from_left_to_right(flow: Flow) -> None:
    a, b, c = nodes(flow, "abc")
    last = a >> b >> c
    assert last is c
    assert keys(flow) == [("a", "out", "b", "in"), ("b", "out", "c", "in")]


def test_a_wire_made_twice_is_one_wire(flow: Flow) -> None:
    a, b = nodes(flow, "ab")
    a >> b
    a.out >> b["in"]
    flow.connect(a, b)
    assert len(flow._host.wires) == 1


def test_a_node_may_be_wired_to_itself_as_a_loop(flow: Flow) -> None:
    (a,) = nodes(flow, "a")
    a >> a
    assert keys(flow) == [("a", "out", "a", "in")]


def test_several_wires_may_end_at_one_port(flow: Flow) -> None:
    a, b, c = nodes(flow, "abc")
    a >> c
    b >> c
    assert [key[0] for key in keys(flow)] == ["a", "b"]


def test_ports_of_another_name_are_wired_by_name(flow: Flow) -> None:
    (a,) = nodes(flow, "a")
    other = flow.node(lambda: None, name="other", inputs=("left", "right"), outputs=())
    a >> other.right
    assert keys(flow) == [("a", "out", "other", "right")]


def test_the_broadcast_of_a_manager_is_a_method_and_a_port(flow: Flow) -> None:
    push, manager = flow.http("/push", method="POST"), flow.connections()
    push.out >> manager.broadcast
    push >> manager["broadcast"]
    assert keys(flow) == [("POST /push", "out", "connections", "broadcast")]


def test_a_method_that_is_no_port_can_not_be_wired(flow: Flow) -> None:
    push, manager = flow.http("/push"), flow.connections()
    with pytest.raises(WiringError, match="can not be wired to"):
        push.out >> manager.send


def test_a_manager_is_wired_by_the_names_of_its_ports(flow: Flow) -> None:
    chat, manager = flow.websocket("/chat", name="chat"), flow.connections()
    chat.req >> manager.req
    chat.close >> manager.close
    with pytest.raises(UnknownPortError, match="'req', 'close', 'broadcast'"):
        chat.req >> manager
    assert len(flow._host.wires) == 2


def test_an_output_can_not_be_wired_to_itself(flow: Flow) -> None:
    chat = flow.websocket("/chat", name="chat")
    with pytest.raises(WiringError, match=r"chat\.message can not be wired to itself"):
        chat.message >> chat.message


def test_an_output_can_not_be_wired_to_an_output(flow: Flow) -> None:
    a, b = nodes(flow, "ab")
    with pytest.raises(WiringError, match=r"b\.out is an output port; .* as in a\.out >> shout"):
        a >> b.out


def test_a_trigger_can_not_be_a_target(flow: Flow) -> None:
    chat, (a,) = flow.websocket("/chat", name="chat"), nodes(flow, "a")
    with pytest.raises(WiringError, match="'chat' is a trigger and has no input port"):
        a >> chat


def test_a_trigger_of_several_ports_needs_one_named(flow: Flow) -> None:
    chat, (a,) = flow.websocket("/chat", name="chat"), nodes(flow, "a")
    with pytest.raises(UnknownPortError, match="'req', 'message', 'close'"):
        chat >> a


@pytest.mark.parametrize("target", [3, "shout", None, {"a": 1}])
def test_what_is_no_node_can_not_be_wired(flow: Flow, target: Any) -> None:
    (a,) = nodes(flow, "a")
    with pytest.raises(WiringError, match="it is no node or input port"):
        a >> target


@pytest.mark.parametrize("source", [3, "chat.message", None])
def test_a_wire_starts_at_an_output(flow: Flow, source: Any) -> None:
    (a,) = nodes(flow, "a")
    with pytest.raises(WiringError, match="a wire starts at an output port"):
        flow.connect(source, a)


def test_a_node_of_another_flow_can_not_be_wired(flow: Flow) -> None:
    (a,), (b,) = nodes(flow, "a"), nodes(Flow("other"), "b")
    with pytest.raises(WiringError, match=r"b\.in is not part of flow 'test'"):
        a >> b
    with pytest.raises(WiringError, match=r"a\.out is not part of flow 'other'"):
        b.host.connect(a, b)


def test_a_removed_node_can_not_be_wired_any_more(flow: Flow) -> None:
    a, b = nodes(flow, "ab")
    flow.remove(b)
    with pytest.raises(WiringError, match=r"not part of flow 'test' \(any more\)"):
        a >> b


# ---- paths


def test_two_socket_triggers_on_one_path_are_an_error(flow: Flow) -> None:
    flow.websocket("/chat", name="one")
    with pytest.raises(PathError, match="path '/chat' is taken by <WebSocketTrigger one"):
        flow.websocket("/chat", name="two")
    assert list(flow.nodes) == ["one"]


def test_the_same_path_is_taken_under_its_own_name_too(flow: Flow) -> None:
    flow.websocket("/chat")
    with pytest.raises(PathError):
        flow.websocket("/chat")


def test_paths_that_match_the_same_are_one_path(flow: Flow) -> None:
    flow.websocket("/a/{x}")
    with pytest.raises(PathError, match="path '/a/:y' is taken by"):
        flow.websocket("/a/:y")
    flow.websocket("/a/x")


def test_one_http_path_may_have_a_trigger_for_each_method(flow: Flow) -> None:
    get, post = flow.http("/a/{x}"), flow.http("/a/{x}", method="post")
    assert (get.method, post.method) == ("GET", "POST")
    found = flow._host.graph.http("/a/1")
    assert found == ({"GET": get, "POST": post}, {"x": "1"})


def test_one_http_method_and_path_can_not_have_two_triggers(flow: Flow) -> None:
    flow.http("/a/{x}", method="POST", name="one")
    with pytest.raises(PathError, match="is taken by"):
        flow.http("/a/{x}", method="POST", name="two")
    with pytest.raises(PathError, match="is taken by"):
        flow.http("/a/:y", method="POST", name="three")
    assert list(flow.nodes) == ["one"]


def test_a_literal_and_a_parameter_path_of_http_are_two_paths(flow: Flow) -> None:
    flow.http("/a/{x}", name="open")
    literal = flow.http("/a/b", name="literal")
    assert flow._host.graph.http("/a/b") == ({"GET": literal}, {})


def test_a_socket_and_an_http_trigger_may_share_a_path(flow: Flow) -> None:
    flow.websocket("/chat")
    flow.http("/chat")
    assert len(flow.nodes) == 2


# ---- removal


def test_a_removed_node_takes_its_wires_and_frees_its_name(flow: Flow) -> None:
    a, b, c = nodes(flow, "abc")
    a >> b >> c
    flow.remove(b)
    assert (list(flow.nodes), flow._host.wires) == (["a", "c"], [])
    nodes(flow, "b")


def test_a_removed_trigger_frees_its_path(flow: Flow) -> None:
    flow.remove(flow.websocket("/chat"))
    flow.remove(flow.http("/push"))
    flow.websocket("/chat", name="again")
    flow.http("/push", name="pull")
    assert list(flow.nodes) == ["again", "pull"]


def test_removing_one_http_method_leaves_the_others(flow: Flow) -> None:
    get, post = flow.http("/a/{x}"), flow.http("/a/{x}", method="POST")
    flow.remove(get)
    assert flow._host.graph.http("/a/1") == ({"POST": post}, {"x": "1"})
    flow.remove(post)
    assert flow._host.graph.http("/a/1") is None
