"""Which flow is meant by a name while a replay runs: here, in tasks and in threads begun here."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import anyio.to_thread
import pytest

from wsflow import Flow
from wsflow.base.current import current_flow


@pytest.fixture
def clone() -> Flow:
    """A flow as `clone.copy` makes it: the same names, another world."""
    flow = Flow("clone")
    flow.connections(name="people")
    return flow


@pytest.fixture
def flow() -> Flow:
    flow = Flow("live")
    flow.connections(name="people")
    return flow


def played(clone: Flow, do: object) -> object:
    """Call `do()` in the flow of a replay."""

    def call() -> object:
        current_flow.set(clone._host)
        return do()  # type: ignore[operator]

    return contextvars.copy_context().run(call)


def test_there_is_no_replay_unless_somebody_says_so() -> None:
    assert current_flow.get() is None


def test_in_a_replay_a_name_stands_for_the_node_that_plays_its_part(
    flow: Flow, clone: Flow
) -> None:
    live, playing = flow.nodes["people"], clone.nodes["people"]
    assert live.here() is live
    assert played(clone, live.here) is playing
    assert played(clone, playing.here) is playing


def test_a_node_the_replay_has_not_is_itself(flow: Flow, clone: Flow) -> None:
    other = flow.connections(name="others")
    flow.node(lambda: None, name="tell")
    clone.connections(name="tell")
    assert played(clone, other.here) is other
    assert played(clone, flow.nodes["tell"].here) is flow.nodes["tell"]


def test_state_is_that_of_the_flow_that_plays(flow: Flow, clone: Flow) -> None:
    flow.state.set("who", "live")
    clone.state.set("who", "clone")
    assert flow.state.get("who") == "live"
    assert played(clone, lambda: flow.state.get("who")) == "clone"


async def test_tasks_and_worker_threads_know_it_and_other_threads_do_not(clone: Flow) -> None:
    seen: list[object] = []

    async def look() -> None:
        seen.append(current_flow.get())
        seen.append(await anyio.to_thread.run_sync(current_flow.get))

    async def on() -> None:
        current_flow.set(clone._host)
        await asyncio.create_task(look())
        thread = threading.Thread(target=lambda: seen.append(current_flow.get()))
        thread.start()
        await anyio.to_thread.run_sync(thread.join)

    await asyncio.create_task(on())
    assert seen == [clone._host, clone._host, None]
    assert current_flow.get() is None
