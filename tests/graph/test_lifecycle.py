"""The flow's ups and downs as nodes hear of them."""

from typing import Any

import pytest

from wsflow import Client, Flow, HandlerError, WiringError
from wsflow.graph.lifecycle import MOMENTS, Lifecycle


def listening(flow: Flow, seen: list[str], name: str = "n") -> Any:
    """Declare a node whose setup subscribes to every moment."""

    def setup(ctx: Any) -> None:
        for moment in MOMENTS:
            ctx.events.on(moment, lambda moment=moment: seen.append(moment))

    return flow.node(lambda: None, name=name, setup=setup)


async def test_a_node_hears_of_every_moment_in_order(flow: Flow) -> None:
    seen: list[str] = []
    listening(flow, seen)
    await flow.start()
    flow.pause()
    flow.resume()
    await flow.stop()
    assert seen == ["start", "pause", "resume", "stop"]


async def test_a_moment_that_is_no_change_is_not_told(flow: Flow) -> None:
    seen: list[str] = []
    listening(flow, seen)
    await flow.start()
    await flow.start()
    flow.resume()
    flow.pause()
    flow.pause()
    flow.resume()
    flow.resume()
    await flow.stop()
    await flow.stop()
    assert seen == ["start", "pause", "resume", "stop"]


async def test_a_second_start_does_not_double_the_callbacks(flow: Flow) -> None:
    seen: list[str] = []
    listening(flow, seen)
    for _ in range(3):
        await flow.start()
        await flow.stop()
    assert seen == ["start", "stop"] * 3


async def test_a_setup_run_again_does_not_double_the_callbacks(flow: Flow) -> None:
    seen: list[str] = []
    node = listening(flow, seen)
    await flow.start()
    node.setup(lambda ctx: ctx.events.on("stop", lambda: seen.append("new stop")))
    flow.node(lambda: None, name="last", setup=lambda ctx: ctx.log.info("all is set up"))
    await flow.log.until(kind="mark", node="last")
    await flow.stop()
    assert seen == ["start", "new stop"]


async def test_a_removed_node_hears_of_nothing_any_more(flow: Flow) -> None:
    seen: list[str] = []
    node = listening(flow, seen)
    await flow.start()
    flow.remove(node)
    flow.pause()
    await flow.stop()
    assert seen == ["start"]


async def test_a_callback_that_raises_costs_a_row_and_the_others_are_called(flow: Flow) -> None:
    seen: list[str] = []
    flow.node(lambda: None, name="bad", setup=lambda ctx: ctx.events.on("stop", lambda: 1 / 0))
    listening(flow, seen)
    await flow.start()
    await flow.stop()
    assert seen == ["start", "stop"]
    (row,) = [row for row in flow.log.tail() if row.kind == "error"]
    assert (row.node, row.port) == ("bad", "stop")
    assert (row.error or "").startswith("ZeroDivisionError")


async def test_at_stop_the_sessions_have_been_told_already(flow: Flow) -> None:
    closed: list[Any] = []
    flow.websocket("/")
    flow.node(
        lambda: None,
        name="n",
        setup=lambda ctx: ctx.events.on("stop", lambda: closed.append(client.closed)),
    )
    client: Client = await flow.client("/")
    await flow.stop()
    assert closed == [(1001, "flow stopped")]


def test_an_unknown_moment_is_an_error_that_names_them() -> None:
    with pytest.raises(WiringError, match="no lifecycle event 'end'; there are: start, pause"):
        Lifecycle().add("end", "n", lambda: None)


def test_an_async_callback_is_an_error() -> None:
    async def later() -> None: ...

    with pytest.raises(HandlerError, match="must be a plain function, not async"):
        Lifecycle().add("stop", "n", later)


def test_who_is_dropped_is_not_called_and_the_others_keep_their_order() -> None:
    lifecycle, calls = Lifecycle(), [lambda: 1, lambda: 2, lambda: 3]
    for owner, call in zip("aba", calls, strict=True):
        lifecycle.add("stop", owner, call)
    assert [call for _, call in lifecycle.callbacks("stop")] == calls
    lifecycle.drop("a")
    assert lifecycle.callbacks("stop") == [("b", calls[1])]
