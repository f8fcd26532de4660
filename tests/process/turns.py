"""Letting the loop go on until nothing that is in memory has anything left to do.

`anyio.wait_all_tasks_blocked` looks every 0.1 s, which is the beat of a flow's own ticker: it can
find that one awake for ever.
"""

import anyio.lowlevel

ENOUGH = 50
"""Turns of the loop; the longest chain of wake-ups in these tests takes about ten."""


async def turns(number: int = ENOUGH) -> None:
    """Give every task that can run its turn, again and again."""
    for _ in range(number):
        await anyio.lowlevel.checkpoint()
