"""Threads, where this world has any: a browser has none, and a system may give no more.

Whoever would start a thread asks here, and does its work in another way where the answer is no
(promise P38).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeVar

R = TypeVar("R")

LACKING = (
    "no thread can be started here: what blocks the loop is not named, a recording is safe from a "
    "power cut only when it ends, and a replay keeps everybody waiting while it plays"
)
"""What it means for a flow; said once a start."""


def started(target: Callable[..., object], name: str, *args: Any) -> threading.Thread | None:
    """Return a daemon thread that runs `target(*args)`; None where none can be started."""
    thread = threading.Thread(target=target, name=name, args=args, daemon=True)
    # at a breakpoint, debuggers of this family suspend all threads but such
    thread.pydev_do_not_trace = True  # type: ignore[attr-defined]
    return thread if starts(thread) else None


def starts(thread: threading.Thread) -> bool:
    """Start a thread, if that can be done."""
    try:
        thread.start()
    except RuntimeError:  # "can't start new thread"
        return False
    return True


def later(seconds: float, function: Callable[[], object]) -> bool:
    """Have something called in this thread's loop; False where none runs."""
    loop = asyncio._get_running_loop()
    if loop is not None:
        loop.call_later(seconds, function)
    return loop is not None


async def aside(function: Callable[..., R], *args: Any, abandon_on_cancel: bool = False) -> R:
    """Return `function(*args)`, called in a thread while the loop goes on; or here, and it waits.

    Cancelled, it leaves a thread that it may abandon behind.
    """
    import anyio.to_thread

    begun = False

    def work() -> R:
        nonlocal begun
        begun = True
        return function(*args)

    try:
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=abandon_on_cancel)
    except RuntimeError:
        if begun:
            raise
    return apart(work)


def apart(function: Callable[[], R]) -> R:
    """Call what would have a thread, and maybe a loop, of its own; this thread's loop stands still.

    As in a thread, it finds no loop that runs, no task it is part of, and no context variables.
    """
    loop = asyncio._get_running_loop()
    if loop is None:
        return Context().run(function)
    task = asyncio.current_task(loop)
    if task is not None:
        asyncio.tasks._leave_task(loop, task)
    asyncio._set_running_loop(None)
    try:
        return Context().run(function)
    finally:
        asyncio._set_running_loop(loop)
        if task is not None:
            asyncio.tasks._enter_task(loop, task)
