"""Waking who waits: all of them, again and again, in one loop; or one, from any thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from ..errors import ServeError


class Wakeup:
    """`ring()` wakes all who `wait()` at that moment; between two rings nothing is remembered."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event: anyio.Event | None = None

    def ring(self) -> None:
        """Wake everybody who waits."""
        event, self._event = self._event, None
        if event is not None:
            event.set()

    async def wait(self) -> None:
        """Wait for the next ring."""
        if self._event is None:
            self._event = anyio.Event()
        await self._event.wait()


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the loop that runs here.

    Raises:
        ServeError: none does, though something is awaited: this is not asyncio.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ServeError(
            "wsflow runs on asyncio, not trio: await it under asyncio.run(...) or "
            "anyio.run(..., backend='asyncio'); in tests: anyio_backend = 'asyncio'"
        ) from None


def threadsafe_wakeup() -> tuple[Callable[[], None], Callable[[], Awaitable[Any]]]:
    """Return `(wake, wait)`: `wake` may be called from any thread, `wait` is awaited here."""
    loop, event = running_loop(), asyncio.Event()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the waiting loop has ended
            loop.call_soon_threadsafe(event.set)

    return wake, event.wait
