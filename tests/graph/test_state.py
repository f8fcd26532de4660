"""The store all nodes share."""

from typing import Any

import pytest

from wsflow import Context, Flow
from wsflow.graph.state import State


def test_what_was_set_is_got() -> None:
    state = State()
    state.set("n", 1)
    state.set("n", 2)
    assert (state.get("n"), state.get("other"), state.get("other", 7)) == (2, None, 7)


@pytest.mark.parametrize("value", [0, "", False, [], {}])
def test_only_none_deletes(value: Any) -> None:
    state = State()
    state.set("key", value)
    assert state.keys() == ["key"]
    state.set("key", None)
    state.set("key", None)
    assert state.keys() == []


def test_keys_are_a_copy_oldest_first() -> None:
    state = State()
    for key in "cab":
        state.set(key, key)
    keys = state.keys()
    state.clear()
    assert (keys, state.keys()) == (["c", "a", "b"], [])


def test_the_repr_names_the_keys() -> None:
    state = State()
    assert repr(state) == "<State empty>"
    state.set("count", 1)
    assert repr(state) == "<State count>"


async def test_nodes_share_the_state_and_it_outlives_a_stop(flow: Flow) -> None:
    @flow.node
    def count(ev: Any, ctx: Context) -> None:
        ctx.state.set("n", ctx.state.get("n", 0) + 1)

    @flow.node
    def read(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": ctx.state.get("n")})

    flow.websocket("/").message >> [count, read]
    await flow.client("/").send("x")
    await flow.stop()
    client = await flow.client("/")
    await client.send("x")
    assert await client.receive_json() == 2
    assert flow.state.get("n") == 2
