"""The tasks of `async def` handlers: one each, started in order, bounded, ended with the flow.

A user may cancel such a task, put a time-out round it or keep it: it is nobody else's. Opposite:
`loop.py` has the one task that is the flow's own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import copy_context
from typing import Any, Protocol

from ..base.wake import Wakeup


class Job(Protocol):
    """What is to be awaited in a task."""

    @property
    def name(self) -> str: ...

    async def run(self) -> None: ...

    def ended(self, cancelled: bool) -> None: ...

    def refused(self, why: str) -> None: ...


CLEANUP_TIMEOUT = 5.0
"""Seconds a cancelled handler gets for its `finally`; then it is cancelled once more."""

LAST_TIMEOUT = 0.5
"""Seconds it gets after that before it is left behind."""


class _JobTask(asyncio.Task[None]):
    """The task of a job. The job says itself that it has ended, which costs next to nothing.

    Unless it is cancelled before its first step: then nothing of it ever runs, and the loop is
    asked to call. (For each task that would be a turn of the loop more.)
    """

    __slots__ = ("job", "tasks")

    job: Job
    tasks: Tasks

    def cancel(self, msg: Any = None) -> bool:
        """Cancel it, as any task."""
        self.add_done_callback(_never_begun)
        return super().cancel(msg)


class Tasks:
    """At most `limit` tasks at a time; at most `queue` jobs wait for one of them to end."""

    def __init__(self, limit: int = 10_000, queue: int = 100_000) -> None:
        self.limit, self.queue = limit, queue
        self._loop: asyncio.AbstractEventLoop | None = None
        self._context = copy_context()
        self._running: dict[Job, asyncio.Task[None]] = {}
        """A loop itself holds its tasks only weakly."""
        self._waiting: deque[Job] = deque()
        self._lost: set[asyncio.Task[None]] = set()
        """Kept: a task that is let go before its end complains, and so does its coroutine."""
        self._quiet = Wakeup()

    def __len__(self) -> int:
        return len(self._running)

    def begin(self) -> None:
        """Start tasks from now on, in this loop; each knows what this context knows, and no more.

        What one handler does to context variables, another one never sees.
        """
        self._loop, self._context = asyncio.get_running_loop(), copy_context()

    def submit(self, job: Job) -> None:
        """Have `job.run()` awaited in a task of its own, and `job.ended()` called after that.

        It starts after the current callback or task step; or once one of too many has ended.
        """
        if self._loop is None:
            job.refused("the flow does not run: this handler was not started")
        elif len(self._running) < self.limit:
            self._start(self._loop, job)
        elif len(self._waiting) < self.queue:
            self._waiting.append(job)
        else:
            job.refused(f"{self.queue} handlers wait already; this one was dropped")

    def _start(self, loop: asyncio.AbstractEventLoop, job: Job) -> None:
        # not by the loop's factory: an eager one would start it before the others
        task = _JobTask(self._run(job), loop=loop, name=job.name, context=self._context.copy())
        task.job, task.tasks = job, self
        self._running[job] = task

    async def _run(self, job: Job) -> None:
        try:
            await job.run()
        except GeneratorExit:
            raise  # its loop is gone
        except BaseException as error:
            self.left(job, issubclass(type(error), asyncio.CancelledError))
            raise
        self.left(job, cancelled=False)

    def left(self, job: Job, cancelled: bool) -> None:
        """It has ended. Harmless when that was said before."""
        if self._running.pop(job, None) is None:
            return  # it began and ended, or it was lost, and is back
        job.ended(cancelled)
        if self._waiting and self._loop is not None:
            self._start(self._loop, self._waiting.popleft())
        elif not self._running:
            self._quiet.ring()

    async def idle(self) -> None:
        """Wait until no task runs and no job waits."""
        while self._running:
            await self._quiet.wait()

    def lose(self) -> None:
        """The loop is closed, or another process's: what ran has ended, though it never will."""
        self._loop = None
        self._lost.update(self._running.values())
        jobs = [*self._running, *self._waiting]
        self._running, self._waiting = {}, deque()
        for job in jobs:
            job.ended(False)

    async def end(self) -> list[str]:
        """Forget what waits, cancel what runs, and wait for it; return who does not end."""
        self._loop = None
        waiting, self._waiting = self._waiting, deque()
        for job in waiting:
            job.ended(False)
        for seconds in (CLEANUP_TIMEOUT, LAST_TIMEOUT):
            for task in list(self._running.values()):
                task.cancel()
            if self._running:
                await asyncio.wait(list(self._running.values()), timeout=seconds)
        return [job.name for job in self._running]


def _never_begun(task: _JobTask) -> None:
    task.tasks.left(task.job, cancelled=True)


def was_cancelled(error: BaseException) -> bool:
    """Say whether it comes of the running task having been cancelled.

    Not of something cancelled that it awaited: that is an error like others.
    """
    task = asyncio.current_task()
    cancelled = issubclass(type(error), asyncio.CancelledError)  # its `__class__` may be anything
    return cancelled and task is not None and task.cancelling() > 0
