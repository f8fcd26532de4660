"""Seconds as a loop counts them: a machine that is busy with other things stops the count.

What a test says of time ("gone within six seconds") is meant of what we wait for, never of how
many turns the machine gave us meanwhile.
"""

import asyncio
from typing import Self

BEAT = 0.01


class Beats:
    """`async with Beats() as beats: ...; assert beats.seconds < 6`: behind the clock, not ahead."""

    def __init__(self) -> None:
        self._count = 0
        self._task: asyncio.Task[None]

    @property
    def seconds(self) -> float:
        """How long it has been, without the time this loop had no turn in."""
        return self._count * BEAT

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            self._count += 1

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._go_on(), name="beats")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
