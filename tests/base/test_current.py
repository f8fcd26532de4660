"""Which flow is meant by a name while a replay runs: here, in tasks and in threads begun here."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import anyio.to_thread
import pytest

from wsflow import Flow
from wsflow.base.current import on_stage


@pytest.fixture
def twin() -> Flow:
    """A flow as `twin.copy` makes it: the same names, another world."""
    flow = Flow("twin")
    flow.connections(name="people")
    return flow


@pytest.fixture
def flow() -> Flow:
    flow = Flow("live")
    flow.connections(name="people")
    return flow


def played(twin: Flow, do: object) -> object:
    """Call `do()` on the stage of a replay."""

    def call() -> object:
        on_stage.set(twin)
        return do()  # type: ignore[operator]

    return contextvars.copy_context().run(call)


def test_there_is_no_replay_unless_somebody_says_so() -> None:
    assert on_stage.get() is None


def test_on_stage_a_name_stands_for_the_node_that_plays_its_part(flow: Flow, twin: Flow) -> None:
    live, playing = flow.nodes["people"], twin.nodes["people"]
    assert live.here() is live
    assert played(twin, live.here) is playing
    assert played(twin, playing.here) is playing


def test_a_node_the_replay_has_not_is_itself(flow: Flow, twin: Flow) -> None:
    other = flow.connections(name="others")
    flow.node(lambda: None, name="tell")
    twin.connections(name="tell")
    assert played(twin, other.here) is other
    assert played(twin, flow.nodes["tell"].here) is flow.nodes["tell"]


def test_state_is_that_of_the_flow_that_plays(flow: Flow, twin: Flow) -> None:
    flow.state.set("who", "live")
    twin.state.set("who", "twin")
    assert flow.state.get("who") == "live"
    assert played(twin, lambda: flow.state.get("who")) == "twin"


async def test_tasks_and_worker_threads_know_it_and_other_threads_do_not(twin: Flow) -> None:
    seen: list[object] = []

    async def look() -> None:
        seen.append(on_stage.get())
        seen.append(await anyio.to_thread.run_sync(on_stage.get))

    async def on() -> None:
        on_stage.set(twin)
        await asyncio.create_task(look())
        thread = threading.Thread(target=lambda: seen.append(on_stage.get()))
        thread.start()
        await anyio.to_thread.run_sync(thread.join)

    await asyncio.create_task(on())
    assert seen == [twin, twin, None]
    assert on_stage.get() is None
