"""Tasks that run `async def` handlers, and are kept for the next one.

Handlers start in the order they were submitted; a handler runs whole inside one task, so that its
own time-outs and cancel scopes work. A waiting worker is cheaper than a new task an event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio

from ..base.wake import Wakeup

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

Job: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

MAX_IDLE = 64
"""Idle workers beyond this many end."""


MAX_CALLS = 2
"""How many others a worker calls before it starts on what waits. Not one for each job: a job that
never waits is done before they come. And not none: one that does wait must not keep the rest."""


class Workers:
    """A pool inside one task group. At most `limit` handlers run, at most `queue` wait."""

    def __init__(self, limit: int = 10_000, queue: int = 100_000) -> None:
        self.limit, self.queue = limit, queue
        self.running = 0
        self._total = 0
        self._jobs: deque[Job] = deque()
        self._idle: list[anyio.Event] = []
        self._wanted: anyio.Event | None = None
        self._quiet = Wakeup()
        self._waking = 0
        """Workers that were called and have not come yet."""

    def submit(self, job: Job) -> bool:
        """Have `job()` awaited soon; False when the queue is full. Makes no task, never blocks."""
        if len(self._jobs) >= self.queue:
            return False
        self._jobs.append(job)
        if not self._waking:
            self._wake()
        return True

    def _wake(self) -> None:
        if self._idle:
            self._waking += 1
            self._idle.pop().set()
        elif self._wanted is not None:
            self._wanted.set()

    async def run(self, group: TaskGroup) -> None:
        """Add workers to `group` whenever jobs wait and none is idle; runs until cancelled.

        Only a task may start tasks (anyio raises in a loop callback), hence this foreman.
        """
        try:
            while True:
                self._wanted = anyio.Event()
                while len(self._jobs) > len(self._idle) and self._total < self.limit:
                    missing = min(len(self._jobs) - len(self._idle), self.limit - self._total)
                    for _ in range(missing):
                        self._total += 1
                        group.start_soon(self._work, name="wsflow handler")
                    await anyio.lowlevel.checkpoint()
                await self._wanted.wait()
        finally:
            self._wanted = None
            self._waking = 0
            self._jobs.clear()

    async def idle(self) -> None:
        """Wait until no handler runs and none waits."""
        if self.running or self._jobs:
            await self._quiet.wait()

    async def _work(self) -> None:
        try:
            while True:
                called = 0
                while self._jobs:
                    job = self._jobs.popleft()
                    if self._jobs and called < MAX_CALLS:
                        called += 1
                        self._wake()
                    self.running += 1
                    try:
                        await job()
                    finally:
                        self.running -= 1
                        if not (self.running or self._jobs):
                            self._quiet.ring()
                if len(self._idle) >= MAX_IDLE:
                    return
                call = anyio.Event()
                self._idle.append(call)
                try:
                    await call.wait()
                except BaseException:
                    if call in self._idle:
                        self._idle.remove(call)
                    raise
                self._waking = max(0, self._waking - 1)
        finally:
            self._total -= 1
