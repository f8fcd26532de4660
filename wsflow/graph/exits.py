"""Holds `sys.exit()` in a task that a handler made: asyncio would let it end the loop.

asyncio raises `SystemExit` and `KeyboardInterrupt` of any task out of the loop's `run_forever`: a
kernel dies of a child in a handler's TaskGroup. So while flows run in a loop, its tasks are made by
a factory of ours, which turns these two into an error for whoever awaits the task. There is no such
way for a bare callback: `loop.call_soon(sys.exit)` ends the loop, in a flow as anywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from ..errors import ExitError
from ..tracebacks import named
from .handling import awaited


class ExitHolder:
    """A task factory round the loop's own (None: asyncio's). Tasks of others it leaves alone."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.flows = inner, 0

    def __call__(
        self, loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Future[Any]:
        made = coro if awaited.get() is None else _held(coro)
        task: asyncio.Future[Any] = (self.inner or _plain)(loop, made, **options)
        if made is not coro:
            task.add_done_callback(lambda _: coro.close())  # of one cancelled before its first step
        return task


def hold_exits(loop: asyncio.AbstractEventLoop) -> None:
    """A flow begins to run in this loop."""
    there: Any = loop.get_task_factory()
    if not isinstance(there, ExitHolder):
        there = ExitHolder(there)
        loop.set_task_factory(there)
    there.flows += 1


def let_exits_go(loop: asyncio.AbstractEventLoop) -> None:
    """It has ended; the last one leaves the loop as it was, unless somebody else has changed it."""
    there: Any = loop.get_task_factory()
    if isinstance(there, ExitHolder):
        there.flows -= 1
        if not there.flows:
            loop.set_task_factory(there.inner)


def _plain(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
    return asyncio.Task(coro, loop=loop, **options)


def _held(coro: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
    async def held() -> Any:
        try:
            return await coro
        except (SystemExit, KeyboardInterrupt) as error:
            raise ExitError(named(error)) from error

    held.__name__ = getattr(coro, "__name__", held.__name__)
    held.__qualname__ = getattr(coro, "__qualname__", held.__qualname__)
    return held()
