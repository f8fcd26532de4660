"""Threads where there are any; what stands in their place where there are none."""

import asyncio
import threading
from contextvars import ContextVar

import pytest

from wsflow.base.threads import apart, aside, started

variable = ContextVar("variable", default="unset")


def where() -> str:
    return threading.current_thread().name


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)


def test_a_thread_runs_under_its_name() -> None:
    seen = list[object]()
    thread = started(lambda *args: seen.extend([where(), *args]), "of a test", 1, 2)
    assert thread is not None
    thread.join(30)
    assert seen == ["of a test", 1, 2]


def test_where_none_can_be_started_there_is_none(no_threads: None) -> None:
    assert started(where, "of a test") is None


async def test_aside_the_loop_goes_on() -> None:
    assert await aside(where) != where()


async def test_without_threads_it_is_done_here(no_threads: None) -> None:
    assert await aside(where) == where()


async def test_an_error_of_the_work_itself_does_not_have_it_done_twice() -> None:
    tries = list[int]()

    def fails() -> None:
        tries.append(1)
        raise RuntimeError("can't")

    with pytest.raises(RuntimeError, match="can't"):
        await aside(fails)
    assert tries == [1]


async def test_apart_another_loop_may_run_and_this_one_goes_on_after_it() -> None:
    variable.set("of who asks")
    task = asyncio.current_task()

    async def main() -> str:
        await asyncio.sleep(0)
        return variable.get()

    assert apart(lambda: asyncio.run(main())) == "unset"
    with pytest.raises(ValueError, match="out of it"):
        apart(lambda: asyncio.run(failing()))
    await asyncio.sleep(0)
    assert asyncio.current_task() is task


async def failing() -> None:
    raise ValueError("out of it")
