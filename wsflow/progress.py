"""A bar for work that takes long: appears after a second, in a terminal or a notebook."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

import anyio

PATIENCE = 1.0
"""Seconds of work nobody needs to be told of."""


@contextlib.asynccontextmanager
async def progress(
    what: str, share: Callable[[], float], done: Callable[[], bool]
) -> AsyncIterator[None]:
    """Show how much of the work is done (`share()` from 0 to 1) while the block runs."""
    async with anyio.create_task_group() as group:
        group.start_soon(_show, what, share, done)
        try:
            yield
        finally:
            group.cancel_scope.cancel()


async def _show(what: str, share: Callable[[], float], done: Callable[[], bool]) -> None:
    await anyio.sleep(PATIENCE)
    if done():
        return
    from rich.progress import Progress

    with Progress(transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        while not done():
            bar.update(task, completed=share())
            await anyio.sleep(0.2)
