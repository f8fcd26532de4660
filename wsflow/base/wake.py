"""Wakes whoever waits for it, again and again. Between two rings nothing is remembered."""

from __future__ import annotations

import anyio


class Wakeup:
    """`ring()` wakes all who `wait()` at that moment; safe to ring when nobody does."""

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
