"""The pool that awaits async handlers: order, bounds, reuse, and when it is idle."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from wsflow.graph.workers import MAX_IDLE, Workers

Job = Callable[[], Coroutine[Any, Any, None]]


@asynccontextmanager
async def running(workers: Workers) -> AsyncIterator[Workers]:
    async with anyio.create_task_group() as group:
        group.start_soon(workers.run, group)
        await anyio.lowlevel.checkpoint()
        yield workers
        group.cancel_scope.cancel()


def noting(seen: list[Any], what: Any, until: anyio.Event | None = None) -> Job:
    async def job() -> None:
        seen.append(what)
        if until is not None:
            await until.wait()

    return job


async def test_jobs_start_in_the_order_they_were_submitted() -> None:
    seen: list[int] = []
    go_on = anyio.Event()
    async with running(Workers()) as workers:
        for n in range(200):
            assert workers.submit(noting(seen, n, go_on))
        await anyio.wait_all_tasks_blocked()
        assert seen == list(range(200))
        assert workers.running == 200
        go_on.set()
        with anyio.fail_after(20):
            await workers.idle()


async def test_jobs_of_many_rounds_start_in_order() -> None:
    seen: list[tuple[int, int]] = []
    async with running(Workers()) as workers:
        for turn in range(20):
            for n in range(turn):
                workers.submit(noting(seen, (turn, n)))
            await anyio.lowlevel.checkpoint()
        with anyio.fail_after(20):
            await workers.idle()
    assert seen == [(turn, n) for turn in range(20) for n in range(turn)]


async def test_a_job_is_not_started_while_it_is_submitted() -> None:
    seen: list[str] = []
    async with running(Workers()) as workers:
        workers.submit(noting(seen, "job"))
        assert seen == []
        await workers.idle()
    assert seen == ["job"]


async def test_no_more_than_the_limit_run_and_the_rest_follow() -> None:
    seen: list[int] = []
    go_on = anyio.Event()
    async with running(Workers(limit=3)) as workers:
        for n in range(10):
            workers.submit(noting(seen, n, go_on))
        await anyio.wait_all_tasks_blocked()
        assert seen == [0, 1, 2]
        go_on.set()
        with anyio.fail_after(20):
            await workers.idle()
    assert seen == list(range(10))


async def test_a_full_queue_refuses() -> None:
    seen: list[int] = []
    go_on = anyio.Event()
    async with running(Workers(limit=1, queue=2)) as workers:
        workers.submit(noting(seen, 0, go_on))
        await anyio.wait_all_tasks_blocked()
        assert [workers.submit(noting(seen, n)) for n in (1, 2, 3)] == [True, True, False]
        go_on.set()
        with anyio.fail_after(20):
            await workers.idle()
    assert seen == [0, 1, 2]


async def test_a_waiting_worker_is_used_again() -> None:
    tasks: set[int] = set()

    async def job() -> None:
        tasks.add(anyio.get_current_task().id)

    async with running(Workers()) as workers:
        for _ in range(50):
            workers.submit(job)
            await workers.idle()
            await anyio.wait_all_tasks_blocked()
    assert len(tasks) == 1


async def test_after_a_rush_only_some_workers_are_kept() -> None:
    go_on = anyio.Event()
    async with running(Workers()) as workers:
        for n in range(5 * MAX_IDLE):
            workers.submit(noting([], n, go_on))
        await anyio.wait_all_tasks_blocked()
        go_on.set()
        await workers.idle()
        await anyio.wait_all_tasks_blocked()
        assert len(workers._idle) <= MAX_IDLE


async def test_a_job_runs_whole_inside_one_task() -> None:
    seen: list[str] = []

    async def job() -> None:
        with anyio.move_on_after(0.01):
            await anyio.sleep_forever()
        seen.append("timed out by itself")

    async with running(Workers()) as workers:
        workers.submit(job)
        await workers.idle()
    assert seen == ["timed out by itself"]


async def test_idle_is_at_once_when_nothing_runs() -> None:
    async with running(Workers()) as workers:
        with anyio.fail_after(20):
            await workers.idle()


async def test_everybody_who_waits_for_idle_is_told() -> None:
    go_on, told = anyio.Event(), list[int]()
    async with running(Workers()) as workers:
        workers.submit(noting([], 0, go_on))
        await anyio.wait_all_tasks_blocked()

        async def wait(n: int) -> None:
            await workers.idle()
            told.append(n)

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(wait, 1)
                group.start_soon(wait, 2)
                await anyio.wait_all_tasks_blocked()
                go_on.set()
    assert sorted(told) == [1, 2]


async def test_stopping_cancels_jobs_and_forgets_those_that_wait() -> None:
    seen: list[Any] = []
    workers = Workers(limit=1)
    async with running(workers):
        workers.submit(noting(seen, "runs", anyio.Event()))
        workers.submit(noting(seen, "waits"))
        await anyio.wait_all_tasks_blocked()
    async with running(workers):
        workers.submit(noting(seen, "next run"))
        with anyio.fail_after(20):
            await workers.idle()
    assert seen == ["runs", "next run"]


@pytest.mark.parametrize("rounds", [3])
async def test_a_pool_can_be_run_again(rounds: int) -> None:
    seen: list[int] = []
    workers = Workers()
    for n in range(rounds):
        async with running(workers):
            workers.submit(noting(seen, n))
            with anyio.fail_after(20):
                await workers.idle()
    assert seen == list(range(rounds))


async def test_jobs_that_wait_keep_none_of_the_others_and_quick_ones_need_few_turns() -> None:
    seen: list[int] = []
    gate = anyio.Event()
    async with running(Workers()) as workers:
        for number in range(150):
            workers.submit(noting(seen, number, gate))
        while len(seen) < 150:
            await anyio.lowlevel.checkpoint()
        assert workers.running == 150
        gate.set()
        await workers.idle()
        for number in range(150, 250):
            workers.submit(noting(seen, number))
        turns = 0
        while len(seen) < 250:
            turns += 1
            await anyio.lowlevel.checkpoint()
        assert turns < 10
        assert seen == list(range(250))


async def test_a_job_may_wait_for_one_submitted_after_it() -> None:
    seen: list[str] = []
    async with running(Workers()) as workers:
        for turn in range(1, 4):
            second = anyio.Event()

            async def wait(second: anyio.Event = second) -> None:
                workers.submit(tell)
                await second.wait()
                seen.append("first")

            async def tell(second: anyio.Event = second) -> None:
                seen.append("second")
                second.set()

            workers.submit(wait)
            with anyio.fail_after(20):
                while len(seen) < 2 * turn:
                    await anyio.lowlevel.checkpoint()
    assert seen == ["second", "first"] * 3
