"""A flow copied for a replay: the same graph, a world of its own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.replay.sandboxed import BEGAN, facts, played, rooms
from wsflow import Flow
from wsflow.log.log import Log
from wsflow.replay.sandbox import Sandbox
from wsflow.replay.virtual_time import VirtualLoop


@pytest.fixture
def flow() -> Flow:
    return rooms()


def test_a_copy_has_the_same_nodes_ports_and_wires(flow: Flow) -> None:
    flow.node(lambda: None, name="sorter", inputs=("a", "b"), outputs=("x", "y"), params={"n": 1})
    flow.connections(name="people")
    flow.barrier(("one", "two"), name="both", limit=3.0)
    flow.http("/push", method="POST", name="push").out >> flow.nodes["sorter"].input("b")
    flow.catch(name="faults").out >> flow.nodes["sorter"].input("a")
    clone = played(flow, _flow_played_in)
    assert clone is not flow
    assert [(one.name, type(one)) for one in clone.nodes.values()] == [
        (one.name, type(one)) for one in flow.nodes.values()
    ]
    for name, node in flow.nodes.items():
        other = clone.nodes[name]
        assert other is not node
        assert (list(other.inputs), list(other.outputs)) == (list(node.inputs), list(node.outputs))
        assert other.params == node.params
    assert [wire.key for wire in clone._host.wires] == [wire.key for wire in flow._host.wires]
    assert clone.nodes["chat"].subprotocols == ("a", "b")
    assert clone.nodes["both"].limit == 3.0
    assert clone.nodes["push"].method == "POST"
    assert clone._host.describe() == flow._host.describe()


async def _flow_played_in(_: VirtualLoop, sandbox: Sandbox, __: Log) -> Any:
    return sandbox.flow


def test_a_copy_has_its_own_state_log_and_time(flow: Flow) -> None:
    flow.state.set("who", "live")

    async def play(_: VirtualLoop, sandbox: Sandbox, log: Log) -> Any:
        clone: Any = sandbox.flow
        sandbox.open(facts(), lambda _: None)
        clone.state.set("who", "clone")
        return [row.time for row in log.tail()]

    (time,) = played(flow, play)
    assert time == BEGAN
    assert flow.state.get("who") == "live"
    assert len(flow.log.tail()) == 0


@pytest.mark.parametrize(("recorded", "ticks"), [(1.0, [7]), (2.0, [1, 2, 3]), (None, [1, 2, 3])])
def test_a_timer_that_is_what_it_was_ticks_when_the_recording_says(
    recorded: float | None, ticks: list[int]
) -> None:
    flow = Flow("clock")
    ticked: list[int] = []

    @flow.node
    def note(ev: Any) -> None:
        ticked.append(ev["count"])

    flow.timer(1.0, name="tick").out >> note
    nodes = [{"name": "tick", "kind": "Timer", "seconds": recorded}] if recorded else []
    loop = VirtualLoop()

    async def main() -> bool:
        sandbox, _ = flow._sandbox(
            loop, BEGAN, {"nodes": [{"name": "note", "kind": "Node"}, *nodes]}
        )
        await sandbox.start()
        fired = sandbox.fire("tick", {"count": 7, "time": 7.0}, 5)
        await loop.until(3.5)
        await sandbox.stop()
        return fired

    assert loop.run(main) == (recorded == 1.0)
    assert ticked == ticks
