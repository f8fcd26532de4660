"""`sys.exit()` in a task that a handler made ends that task and nothing else (found A12)."""

import asyncio
import sys
from typing import Any

import pytest

from tests.graph.conftest import errors
from wsflow import Context, Flow
from wsflow.errors import ExitError
from wsflow.graph.exits import ExitHolder


async def asked(flow: Flow, function: Any) -> str:
    """Return what a handler answers one message."""
    flow.websocket("/").message >> flow.node(function, name="asked")
    client = await flow.client("/")
    await client.send("x")
    return str(await client.receive())


async def test_a12_who_awaits_the_task_gets_an_error(flow: Flow) -> None:
    async def leave() -> None:
        sys.exit(3)

    async def handler(ev: Any, ctx: Context) -> None:
        task = asyncio.create_task(leave(), name="leaves")
        assert "leave" in repr(task)
        try:
            await task
        except ExitError as error:
            ctx.emit("response", {"body": str(error)})

    assert (await asked(flow, handler)).startswith("SystemExit: 3: in a task of a handler")


async def test_a12_an_interrupt_in_anyio_s_group_too(flow: Flow) -> None:
    import anyio

    async def leave() -> None:
        raise KeyboardInterrupt

    async def handler(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": "begun"})
        async with anyio.create_task_group() as group:
            group.start_soon(leave)

    assert await asked(flow, handler) == "begun"
    await flow.log.until(kind="error")
    assert errors(flow)[0].startswith("ExceptionGroup: ")


async def test_a_task_that_ends_well_returns_what_it_found(flow: Flow) -> None:
    async def find() -> str:
        await asyncio.sleep(0)
        return "found"

    async def handler(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": await asyncio.create_task(find())})

    assert await asked(flow, handler) == "found"


async def test_a_task_cancelled_before_its_first_step_leaves_no_coroutine_behind(
    flow: Flow,
) -> None:
    async def never() -> None:
        raise AssertionError

    async def handler(ev: Any, ctx: Context) -> None:
        task = asyncio.create_task(never())
        task.cancel()
        await asyncio.wait([task])
        ctx.emit("response", {"body": str(task.cancelled())})

    assert await asked(flow, handler) == "True"


async def test_tasks_of_others_are_made_as_ever(flow: Flow) -> None:
    await flow.start()

    async def other() -> None:
        """Belong to no handler."""

    coro = other()
    task = asyncio.create_task(coro)
    assert task.get_coro() is coro
    await task


async def test_a_factory_that_was_there_is_used_and_comes_back(flow: Flow) -> None:
    loop, made = asyncio.get_running_loop(), list[str]()

    def factory(loop: Any, coro: Any, **options: Any) -> Any:
        made.append(coro.__name__)
        return asyncio.Task(coro, loop=loop, **options)

    async def child() -> None:
        """Be made by the user's own factory."""

    async def handler(ev: Any, ctx: Context) -> None:
        await asyncio.create_task(child())
        ctx.emit("response", {"body": "done"})

    loop.set_task_factory(factory)
    try:
        assert await asked(flow, handler) == "done"
        assert "child" in made
        await flow.stop()
        assert loop.get_task_factory() is factory
    finally:
        loop.set_task_factory(None)


async def test_who_changes_the_factory_meanwhile_keeps_theirs(flow: Flow) -> None:
    loop = asyncio.get_running_loop()
    await flow.start()
    assert isinstance(loop.get_task_factory(), ExitHolder)
    loop.set_task_factory(None)
    await flow.stop()
    assert loop.get_task_factory() is None


@pytest.mark.parametrize("count", [1, 2])
async def test_the_last_flow_to_stop_leaves_the_loop_as_it_was(flow: Flow, count: int) -> None:
    flows = [flow, *(Flow(f"other {n}") for n in range(1, count))]
    for one in flows:
        await one.start()
    found = []
    for one in flows:
        found.append(asyncio.get_running_loop().get_task_factory() is None)
        await one.stop()
    assert found == [False] * count
    assert asyncio.get_running_loop().get_task_factory() is None
