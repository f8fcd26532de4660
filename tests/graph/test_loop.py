"""The one task that holds a flow's life, and the ways into its loop from elsewhere."""

import asyncio
import concurrent.futures
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

import anyio
import pytest

import wsflow.graph.loop
from tests.process.turns import turns
from wsflow import Flow, NotRunningError
from wsflow.graph.loop import LoopOwner

Threads: TypeAlias = Callable[[], list[threading.Thread]]


class Life:
    """A life that notes in which task and thread it is entered and left."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.where: list[tuple[Any, int]] = []
        self.fault: BaseException | None = None
        self.slowly: anyio.Event | None = None

    @contextlib.asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        if self.slowly is not None:
            await self.slowly.wait()
        if self.fault is not None:
            raise self.fault
        self._note("enter")
        yield
        self._note("leave")

    def _note(self, what: str) -> None:
        self.seen.append(what)
        self.where.append((asyncio.current_task(), threading.get_ident()))

    def goodbye(self) -> None:
        self.seen.append("goodbye")


@pytest.fixture
def life() -> Life:
    return Life()


@pytest.fixture
def ours() -> Threads:
    """Return a function that gives the threads of flows that were started in this test."""
    before = set(threading.enumerate())
    return lambda: [
        one for one in threading.enumerate() if one not in before and one.name.startswith("wsflow")
    ]


@pytest.fixture
async def owner(life: Life) -> AsyncIterator[LoopOwner]:
    owner = LoopOwner("test", life, life.goodbye)
    yield owner
    await owner.stop()


# ---- starting and stopping


async def test_the_life_is_entered_and_left_in_one_task(owner: LoopOwner, life: Life) -> None:
    running = []
    for step in (owner.start, owner.stop):
        await asyncio.create_task(step())
        running.append(owner.running)
    assert running == [True, False]
    assert life.seen == ["enter", "leave"]
    assert life.where[0] == life.where[1]


async def test_starting_and_stopping_twice_is_harmless(owner: LoopOwner, life: Life) -> None:
    for _ in range(2):
        await owner.start()
    for _ in range(2):
        await owner.stop()
    assert life.seen == ["enter", "leave"]


async def test_stopping_what_never_started_is_harmless(owner: LoopOwner) -> None:
    await owner.stop()


async def test_who_starts_at_the_same_time_waits_for_the_same_life(
    owner: LoopOwner, life: Life
) -> None:
    life.slowly = anyio.Event()
    starts = [asyncio.create_task(owner.start()) for _ in range(3)]
    await turns()
    assert not any(start.done() for start in starts)
    life.slowly.set()
    await asyncio.gather(*starts)
    assert life.seen == ["enter"]


async def test_who_stops_at_the_same_time_waits_for_the_same_end(
    owner: LoopOwner, life: Life
) -> None:
    await owner.start()
    await asyncio.gather(owner.stop(), owner.stop(), owner.stop())
    assert life.seen == ["enter", "leave"]


async def test_a_life_that_can_not_be_entered_raises_and_may_start_later(
    owner: LoopOwner, life: Life
) -> None:
    life.fault = OSError("no")
    for thread in (False, True):
        with pytest.raises(OSError, match="no"):
            await owner.start(thread=thread)
        assert not owner.running
    life.fault = None
    await owner.start()
    assert life.seen == ["enter"]


async def test_a_cancelled_caller_of_stop_does_not_stop_the_stopping(
    owner: LoopOwner, life: Life
) -> None:
    await owner.start()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await owner.stop()
    await owner.stop()
    await turns()
    assert life.seen == ["enter", "leave"]


def test_a_loop_that_ends_says_goodbye_and_the_next_loop_can_start(life: Life) -> None:
    owner = LoopOwner("test", life, life.goodbye)
    asyncio.run(owner.start())
    assert life.seen == ["enter", "goodbye"]
    assert not owner.running

    async def again() -> None:
        await owner.start()
        await owner.stop()

    asyncio.run(again())
    assert life.seen[2:] == ["enter", "leave"]


# ---- a thread of its own


async def test_in_a_thread_the_life_runs_over_there(owner: LoopOwner, life: Life) -> None:
    await owner.start(thread=True)
    assert owner.running
    assert not owner.is_here
    await owner.stop()
    assert life.seen == ["enter", "leave"]
    assert life.where[0] == life.where[1]
    assert life.where[0][1] != threading.get_ident()


@pytest.mark.parametrize("thread", [False, True])
async def test_starting_and_stopping_many_times_leaves_no_thread_and_no_task(
    owner: LoopOwner, life: Life, ours: Threads, thread: bool
) -> None:
    before = asyncio.all_tasks()
    for _ in range(20):
        await owner.start(thread=thread)
        await owner.stop()
    assert ours() == []
    assert asyncio.all_tasks() <= before
    assert life.seen == ["enter", "leave"] * 20


async def test_a_stop_asked_for_over_there_ends_the_thread_too(
    owner: LoopOwner, life: Life, ours: Threads
) -> None:
    await owner.start(thread=True)
    (thread,) = ours()
    await owner.run(owner.stop)
    await owner.stop()
    assert life.seen == ["enter", "leave"]
    await anyio.to_thread.run_sync(thread.join, 2)
    assert ours() == []


async def test_a_thread_whose_life_could_not_be_entered_is_gone(
    owner: LoopOwner, life: Life, ours: Threads
) -> None:
    life.fault = OSError("no")
    with pytest.raises(OSError, match="no"):
        await owner.start(thread=True)
    assert ours() == []


# ---- call


async def test_a_call_from_the_loop_is_a_plain_call(owner: LoopOwner) -> None:
    await owner.start()
    assert owner.is_here
    assert owner.call(threading.get_ident) == threading.get_ident()


def test_a_call_while_nothing_runs_is_a_plain_call(life: Life) -> None:
    owner = LoopOwner("test", life, life.goodbye)
    assert owner.call(lambda a, b: a + b, 1, 2) == 3


async def test_a_call_from_another_thread_runs_in_the_loop(owner: LoopOwner) -> None:
    await owner.start()
    there = await anyio.to_thread.run_sync(lambda: owner.call(threading.get_ident))
    assert there == threading.get_ident()


async def test_a_call_into_the_thread_runs_over_there(owner: LoopOwner, life: Life) -> None:
    await owner.start(thread=True)
    assert owner.call(threading.get_ident) == life.where[0][1]


@pytest.mark.parametrize(
    "error", [ValueError("mine"), concurrent.futures.TimeoutError("mine"), KeyError("mine")]
)
async def test_an_error_of_the_function_is_the_callers(owner: LoopOwner, error: Exception) -> None:
    def fail() -> None:
        raise error

    await owner.start(thread=True)
    with pytest.raises(type(error), match="mine") as caught:
        owner.call(fail)
    assert caught.value is error
    assert owner.call(lambda: "still alive") == "still alive"


async def test_a_blocked_loop_is_named_to_the_caller(
    owner: LoopOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wsflow.graph.loop, "CALL_TIMEOUT", 0.05)
    await owner.start(thread=True)
    free = threading.Event()
    owner.post(free.wait, 30)
    with pytest.raises(NotRunningError, match=r"the loop of flow 'test' did not answer"):
        owner.call(lambda: None)
    free.set()
    monkeypatch.setattr(wsflow.graph.loop, "CALL_TIMEOUT", 30)
    assert owner.call(lambda: 1) == 1


async def test_many_threads_may_call_at_once(owner: LoopOwner) -> None:
    await owner.start(thread=True)
    count = {"n": 0}

    def add() -> None:
        seen = count["n"]
        time.sleep(0)
        count["n"] = seen + 1

    def work() -> None:
        for _ in range(100):
            owner.call(add)

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(anyio.to_thread.run_sync, work)
    assert count["n"] == 800


# ---- post and run


@pytest.mark.parametrize("thread", [False, True])
async def test_what_is_posted_is_called_later_in_the_loop_in_order(
    owner: LoopOwner, life: Life, thread: bool
) -> None:
    await owner.start(thread=thread)
    got: list[tuple[int, int]] = []
    for n in range(5):
        owner.post(lambda n: got.append((n, threading.get_ident())), n)
    if not thread:
        assert got == []
    await owner.run(turns)
    assert got == [(n, life.where[0][1]) for n in range(5)]


def test_a_post_while_nothing_runs_is_harmless(life: Life) -> None:
    owner = LoopOwner("test", life, life.goodbye)
    owner.post(lambda: 1 / 0)
    asyncio.run(owner.start())
    owner.post(lambda: 1 / 0)
    owner.soon(lambda: None)


@pytest.mark.parametrize("thread", [False, True])
async def test_a_coroutine_is_run_in_the_owners_loop(owner: LoopOwner, thread: bool) -> None:
    async def where(name: str) -> tuple[str, Any]:
        await anyio.lowlevel.checkpoint()
        return name, asyncio.get_running_loop()

    await owner.start(thread=thread)
    assert await owner.run(where, "here") == ("here", owner.loop)
    assert (owner.loop is asyncio.get_running_loop()) is not thread


async def test_an_error_of_the_coroutine_is_the_callers(owner: LoopOwner) -> None:
    async def fail() -> None:
        raise ValueError("mine")

    await owner.start(thread=True)
    with pytest.raises(ValueError, match="mine"):
        await owner.run(fail)


# ---- flows


@pytest.mark.parametrize("thread", [False, True])
async def test_a_flow_that_serves_many_times_leaves_no_thread_and_no_task(
    flow: Flow, ours: Threads, thread: bool
) -> None:
    flow.websocket("/").message >> flow.node(lambda: None, name="n", setup=lambda: None)
    before = asyncio.all_tasks()
    for _ in range(5):
        await flow.serve(thread=thread)
        async with flow.client("/") as client:
            await client.send("x")
        await flow.stop()
    assert ours() == []
    assert asyncio.all_tasks() <= before


async def test_handlers_of_a_flow_in_a_thread_run_there_while_this_one_blocks(flow: Flow) -> None:
    seen: list[int] = []
    heard = threading.Event()

    @flow.node
    def answer() -> None:
        seen.append(threading.get_ident())
        heard.set()

    flow.websocket("/").message >> answer
    await flow.serve(thread=True)
    client = await flow.client("/")
    assert client.session is not None
    flow._host.call(client.session.receive, "x", 1)
    assert heard.wait(30)
    assert seen[0] != threading.get_ident()


async def test_a_flow_can_be_changed_and_read_from_another_thread(flow: Flow) -> None:
    chat = flow.websocket("/")
    client = await flow.client("/")

    def elsewhere() -> int:
        chat.message >> flow.node(lambda ev, ctx: ctx.emit("response", {"body": "new"}), name="n")
        flow.pause()
        flow.resume()
        return len(list(flow.sessions)) + len(flow.log)

    assert await anyio.to_thread.run_sync(elsewhere) == 2
    await client.send("x")
    assert await client.receive() == "new"
