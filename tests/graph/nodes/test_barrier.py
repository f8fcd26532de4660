"""The barrier: an event goes on when every task has said that it is done, or is dropped."""

from typing import Any

import pytest

from wsflow import Context, Flow, ManualClock, WiringError


def built(flow: Flow) -> tuple[list[Any], list[Context]]:
    """Return what goes on, and the contexts of the tasks that have begun."""
    gone_on: list[Any] = []
    begun: list[Context] = []
    barrier = flow.barrier(("left", "right"), limit=5.0)
    flow.websocket("/").message >> barrier
    for task in ("left", "right"):
        barrier[task] >> flow.node(lambda ev, ctx: begun.append(ctx), name=f"do {task}")
    barrier.out >> flow.node(gone_on.append, name="on")
    return gone_on, begun


async def test_it_goes_on_once_all_are_done_with_what_each_said(flow: Flow) -> None:
    gone_on, begun = built(flow)
    async with flow.client("/") as client:
        await client.send("x")
        left, right = begun
        right.emit("right_done", 2)
        assert gone_on == []
        left.emit("left_done", 1)
    assert gone_on == [{"left": 1, "right": 2}]


async def test_what_is_not_done_in_time_is_dropped_and_told(
    clock: ManualClock, timed: Flow
) -> None:
    gone_on, begun = built(timed)
    async with timed.client("/") as client:
        await client.send("x")
        begun[0].emit("left_done")
        clock.advance(5.0)
        begun[1].emit("right_done")
        (row,) = [row for row in timed.log.tail(50) if row.kind == "drop"]
    assert (row.node, row.error) == ("barrier", "dropped: 'right' not done within 5 s")
    assert gone_on == []


@pytest.mark.parametrize("tasks", [(), ("a", "a"), ("in", "b"), ("a", "out")])
def test_tasks_need_names_of_their_own(flow: Flow, tasks: tuple[str, ...]) -> None:
    with pytest.raises(WiringError, match="a barrier needs different task names"):
        flow.barrier(tasks)
