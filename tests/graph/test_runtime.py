"""The runtime: setups before the first event, and an orderly end."""

import anyio
import anyio.lowlevel
import pytest

from tests.graph.conftest import errors
from wsflow import Flow, SetupError


async def test_setup_runs_once_a_start_and_before_the_first_event(flow: Flow) -> None:
    seen: list[str] = []
    node = flow.node(lambda: seen.append("event"), name="n", setup=lambda: seen.append("setup"))
    flow.websocket("/").message >> node
    client = flow.client("/")
    await client.send("x")
    await client.send("x")
    assert seen == ["setup", "event", "event"]
    await flow.stop()
    await flow.start()
    assert seen == ["setup", "event", "event", "setup"]


async def test_an_async_setup_ends_before_the_first_event(flow: Flow) -> None:
    seen: list[str] = []

    async def setup() -> None:
        await anyio.sleep(0.01)
        seen.append("setup")

    flow.websocket("/").req >> flow.node(lambda: seen.append("req"), name="n", setup=setup)
    async with anyio.create_task_group() as group:
        group.start_soon(flow.client("/").connect)
        group.start_soon(flow.client("/").connect)
    assert seen == ["setup", "req", "req"]


async def test_setup_runs_for_nodes_without_wires_too(flow: Flow) -> None:
    seen: list[str] = []

    lonely = flow.node(lambda: None, name="lonely")
    lonely.setup(lambda ctx: seen.append(ctx.node))
    await flow.start()
    assert seen == ["lonely"]


async def test_a_setup_with_only_defaults_of_its_own_is_called_without_arguments(
    flow: Flow,
) -> None:
    seen: list[int] = []

    def prepare(attempts: int = 3) -> None:
        seen.append(attempts)

    flow.node(lambda: None, name="n", setup=prepare)
    await flow.start()
    assert seen == [3]


async def test_a_setup_that_fails_stops_the_start_and_names_its_node(flow: Flow) -> None:
    def prepare() -> None:
        raise OSError("no database")

    flow.node(lambda: None, name="store", setup=prepare)
    with pytest.raises(SetupError, match=r"setup of node 'store' failed: OSError: no database"):
        await flow.start()
    assert not flow.running


async def test_after_a_repaired_setup_the_flow_starts(flow: Flow) -> None:
    node = flow.node(lambda ev, ctx: ctx.emit("response", {"body": "up"}), name="store")
    flow.websocket("/").req >> node
    node.setup(lambda: 1 / 0)
    with pytest.raises(SetupError):
        await flow.client("/").connect()
    node.setup(lambda: None)
    client = await flow.client("/")
    assert await client.receive() == "up"


async def test_a_node_defined_while_the_flow_runs_is_set_up_at_once(flow: Flow) -> None:
    ready = anyio.Event()
    await flow.start()
    flow.node(lambda: None, name="late", setup=ready.set)
    with anyio.fail_after(20):
        await ready.wait()


async def test_stopping_a_paused_flow_lets_close_events_through(flow: Flow) -> None:
    seen: list[str] = []
    flow.websocket("/").close >> flow.node(lambda ev: seen.append(ev["sessionId"]), name="see")
    client = await flow.client("/")
    assert client.session is not None
    flow.pause()
    await flow.stop()
    assert seen == [client.session.id]


async def test_handlers_get_a_second_to_end_when_the_flow_stops(flow: Flow) -> None:
    ended: list[str] = []

    @flow.node
    async def part() -> None:
        await anyio.sleep(0.05)
        ended.append("part")

    flow.websocket("/").close >> part
    await flow.client("/")
    await flow.stop()
    assert ended == ["part"]


async def test_a_handler_that_never_ends_does_not_keep_the_flow_from_stopping(flow: Flow) -> None:
    cancelled: list[str] = []

    @flow.node
    async def forever() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append("forever")

    flow.websocket("/").req >> forever
    await flow.client("/")
    with anyio.fail_after(20):
        await flow.stop()
    assert cancelled == ["forever"]
    assert errors(flow) == []
