"""A bell wakes all who wait at that moment, and remembers nothing."""

import anyio

from tests.turns import turns
from wsflow.base.wake import Bell


async def test_everybody_who_waits_is_woken_by_each_ring() -> None:
    bell, woken = Bell(), list[int]()

    async def wait(n: int) -> None:
        await bell.wait()
        woken.append(n)

    for expected in ([0, 1, 2], [0, 1, 2, 0, 1, 2]):
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                for n in range(3):
                    group.start_soon(wait, n)
                await turns()
                bell.ring()
        assert woken == expected


async def test_a_ring_nobody_waits_for_is_forgotten() -> None:
    bell = Bell()
    bell.ring()
    with anyio.move_on_after(0.01) as scope:
        await bell.wait()
    assert scope.cancelled_caught


async def test_who_gave_up_waiting_does_not_disturb_the_others() -> None:
    bell, woken = Bell(), list[str]()

    async def wait() -> None:
        await bell.wait()
        woken.append("patient")

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            with anyio.move_on_after(0.01):
                await bell.wait()
            bell.ring()
    assert woken == ["patient"]
