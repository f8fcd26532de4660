"""The tasks of async handlers: order, bounds, one each, and their end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from wsflow.graph import tasks as module
from wsflow.graph.tasks import Tasks, was_cancelled

Work = Callable[[], Coroutine[Any, Any, None]]


class Job:
    name = "job"

    def __init__(self, work: Work) -> None:
        self.run = work
        self.ends: list[bool] = []
        self.why = ""

    def ended(self, cancelled: bool) -> None:
        self.ends.append(cancelled)

    def refused(self, why: str) -> None:
        self.why = why


def submit(tasks: Tasks, work: Work) -> Job:
    job = Job(work)
    tasks.submit(job)
    return job


@asynccontextmanager
async def running(tasks: Tasks) -> AsyncIterator[Tasks]:
    tasks.begin()
    yield tasks
    await tasks.end()


def noting(seen: list[Any], what: Any, until: anyio.Event | None = None) -> Work:
    async def work() -> None:
        seen.append(what)
        if until is not None:
            await until.wait()

    return work


async def test_jobs_start_in_the_order_they_were_submitted() -> None:
    seen: list[int] = []
    go_on = anyio.Event()
    async with running(Tasks()) as tasks:
        for n in range(200):
            submit(tasks, noting(seen, n, go_on))
        await anyio.wait_all_tasks_blocked()
        assert seen == list(range(200))
        assert len(tasks) == 200
        go_on.set()
        with anyio.fail_after(20):
            await tasks.idle()


async def test_jobs_of_many_rounds_start_in_order() -> None:
    seen: list[tuple[int, int]] = []
    async with running(Tasks()) as tasks:
        for turn in range(20):
            for n in range(turn):
                submit(tasks, noting(seen, (turn, n)))
            await anyio.lowlevel.checkpoint()
        with anyio.fail_after(20):
            await tasks.idle()
    assert seen == [(turn, n) for turn in range(20) for n in range(turn)]


async def test_a_job_is_not_started_while_it_is_submitted() -> None:
    seen: list[str] = []
    async with running(Tasks()) as tasks:
        job = submit(tasks, noting(seen, "job"))
        assert seen == []
        await tasks.idle()
    assert seen == ["job"]
    assert job.ends == [False]


async def test_nor_in_a_loop_that_starts_its_tasks_at_once() -> None:
    if not hasattr(asyncio, "eager_task_factory"):
        pytest.skip("Python 3.12 brings eager tasks")
    loop, seen = asyncio.get_running_loop(), list[str]()
    loop.set_task_factory(asyncio.eager_task_factory)
    try:
        async with running(Tasks()) as tasks:
            submit(tasks, noting(seen, "job"))
            assert seen == []
            await tasks.idle()
    finally:
        loop.set_task_factory(None)
    assert seen == ["job"]


async def test_no_more_than_the_limit_run_and_the_rest_follow() -> None:
    seen: list[int] = []
    go_on = anyio.Event()
    async with running(Tasks(limit=3)) as tasks:
        for n in range(10):
            submit(tasks, noting(seen, n, go_on))
        await anyio.wait_all_tasks_blocked()
        assert seen == [0, 1, 2]
        go_on.set()
        with anyio.fail_after(20):
            await tasks.idle()
    assert seen == list(range(10))


async def test_a_full_queue_refuses() -> None:
    seen: list[int] = []
    go_on = anyio.Event()
    async with running(Tasks(limit=1, queue=2)) as tasks:
        submit(tasks, noting(seen, 0, go_on))
        whys = [submit(tasks, noting(seen, n)).why for n in (1, 2, 3)]
        assert whys == ["", "", "2 handlers wait already; this one was dropped"]
        go_on.set()
        with anyio.fail_after(20):
            await tasks.idle()
    assert seen == [0, 1, 2]


async def test_before_the_flow_runs_and_after_it_jobs_are_refused() -> None:
    tasks = Tasks()
    assert "does not run" in submit(tasks, noting([], 0)).why
    async with running(tasks):
        pass
    assert "does not run" in submit(tasks, noting([], 0)).why


async def test_p32_each_job_has_a_task_of_its_own() -> None:
    found = list[Any]()

    async def work() -> None:
        found.append(asyncio.current_task())

    async with running(Tasks()) as tasks:
        for _ in range(50):
            submit(tasks, work)
            await tasks.idle()
    assert len(set(found)) == 50


async def test_p32_what_one_job_does_to_context_variables_no_other_sees() -> None:
    variable = ContextVar("variable", default="start")
    variable.set("begun with")
    seen = list[str]()

    async def work() -> None:
        seen.append(variable.get())
        variable.set("changed")
        if len(seen) == 1:
            submit(tasks, work)

    async with running(Tasks()) as tasks:
        variable.set("of who submits")
        submit(tasks, work)
        submit(tasks, work)
        await tasks.idle()
    assert seen == ["begun with"] * 3


async def test_time_outs_and_task_groups_of_both_libraries_work_inside() -> None:
    seen: list[str] = []

    async def work() -> None:
        with anyio.move_on_after(0.01):
            await anyio.sleep_forever()
        seen.append("anyio's scope")
        try:
            async with asyncio.timeout(0.01):
                await anyio.sleep_forever()
        except TimeoutError:
            seen.append("asyncio's time-out")
        async with asyncio.TaskGroup() as group:
            group.create_task(noting(seen, "asyncio's group")())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(noting(seen, "anyio's group"))
        await anyio.to_thread.run_sync(seen.append, "a thread")

    async with running(Tasks()) as tasks:
        job = submit(tasks, work)
        await tasks.idle()
    assert seen == [
        *("anyio's scope", "asyncio's time-out", "asyncio's group", "anyio's group", "a thread")
    ]
    assert job.ends == [False]


async def test_p32_a_cancelled_task_ends_and_the_others_go_on() -> None:
    seen, mine = list[Any](), list[asyncio.Task[Any]]()
    go_on = anyio.Event()

    async def work() -> None:
        mine.append(asyncio.current_task())  # type: ignore[arg-type]
        await anyio.sleep_forever()

    async with running(Tasks()) as tasks:
        first, second = submit(tasks, work), submit(tasks, noting(seen, "other", go_on))
        await anyio.wait_all_tasks_blocked()
        mine[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await mine[0]
        submit(tasks, noting(seen, "next"))
        await anyio.wait_all_tasks_blocked()
        assert (first.ends, second.ends, seen) == ([True], [], ["other", "next"])
        go_on.set()
        await tasks.idle()
    assert second.ends == [False]


async def test_p32_a_task_cancelled_before_its_first_step_has_ended_too() -> None:
    seen = list[str]()
    async with running(Tasks(limit=1)) as tasks:
        before = asyncio.all_tasks()
        job = submit(tasks, noting(seen, "never"))
        (task,) = asyncio.all_tasks() - before
        task.cancel()
        submit(tasks, noting(seen, "next"))
        await tasks.idle()
    assert job.ends == [True]
    assert seen == ["next"]


async def test_only_ones_own_cancellation_counts_as_such() -> None:
    found = dict[str, bool]()

    async def awaiting() -> None:
        other = asyncio.ensure_future(anyio.sleep_forever())
        other.cancel()
        try:
            await other
        except asyncio.CancelledError as error:
            found["awaiting"] = was_cancelled(error)

    async def cancelled() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError as error:
            found["cancelled"] = was_cancelled(error)

    async with running(Tasks()) as tasks:
        submit(tasks, awaiting)
        submit(tasks, cancelled)
        await tasks.idle()
    assert found == {"awaiting": False, "cancelled": True}


async def test_idle_is_at_once_when_nothing_runs() -> None:
    async with running(Tasks()) as tasks:
        with anyio.fail_after(20):
            await tasks.idle()


async def test_everybody_who_waits_for_idle_is_told() -> None:
    go_on, told = anyio.Event(), list[int]()
    async with running(Tasks()) as tasks:
        submit(tasks, noting([], 0, go_on))
        await anyio.wait_all_tasks_blocked()

        async def wait(n: int) -> None:
            await tasks.idle()
            told.append(n)

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(wait, 1)
                group.start_soon(wait, 2)
                await anyio.wait_all_tasks_blocked()
                go_on.set()
    assert sorted(told) == [1, 2]


async def test_at_the_end_tasks_are_cancelled_and_those_that_wait_forgotten() -> None:
    seen: list[Any] = []
    tasks = Tasks(limit=1)
    async with running(tasks):
        runs = submit(tasks, noting(seen, "runs", anyio.Event()))
        waits = submit(tasks, noting(seen, "waits"))
        await anyio.wait_all_tasks_blocked()
    assert (runs.ends, waits.ends) == ([True], [False])
    async with running(tasks):
        submit(tasks, noting(seen, "next run"))
        with anyio.fail_after(20):
            await tasks.idle()
    assert seen == ["runs", "next run"]


async def test_at_the_end_clean_up_may_wait_for_something() -> None:
    seen = list[str]()

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            await anyio.sleep(0.01)
            seen.append("cleaned up")

    async with running(Tasks()) as tasks:
        submit(tasks, work)
        await anyio.wait_all_tasks_blocked()
    assert seen == ["cleaned up"]


async def test_who_does_not_end_is_left_behind_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLEANUP_TIMEOUT", 0.01)
    monkeypatch.setattr(module, "LAST_TIMEOUT", 0.01)
    go_on, seen = anyio.Event(), list[str]()

    async def work() -> None:
        while not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                seen.append("not me")

    tasks = Tasks()
    tasks.begin()
    submit(tasks, work)
    await anyio.wait_all_tasks_blocked()
    assert await tasks.end() == ["job"]
    assert seen == ["not me", "not me"]
    go_on.set()
    await tasks.idle()


async def test_a_job_may_wait_for_one_submitted_after_it() -> None:
    seen: list[str] = []
    async with running(Tasks()) as tasks:
        for turn in range(1, 4):
            second = anyio.Event()

            async def wait(second: anyio.Event = second) -> None:
                submit(tasks, tell)
                await second.wait()
                seen.append("first")

            async def tell(second: anyio.Event = second) -> None:
                seen.append("second")
                second.set()

            submit(tasks, wait)
            with anyio.fail_after(20):
                while len(seen) < 2 * turn:
                    await anyio.lowlevel.checkpoint()
    assert seen == ["second", "first"] * 3
