"""A wakeup wakes all who wait at that moment; one of them from any thread."""

import asyncio
from typing import Any

import anyio

from tests.process.turns import turns
from wsflow.base.wake import Wakeup, threadsafe_wakeup


async def test_everybody_who_waits_is_woken_by_each_ring() -> None:
    wakeup, woken = Wakeup(), list[int]()

    async def wait(n: int) -> None:
        await wakeup.wait()
        woken.append(n)

    for expected in ([0, 1, 2], [0, 1, 2, 0, 1, 2]):
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                for n in range(3):
                    group.start_soon(wait, n)
                await turns()
                wakeup.ring()
        assert woken == expected


async def test_a_ring_nobody_waits_for_is_forgotten() -> None:
    wakeup = Wakeup()
    wakeup.ring()
    with anyio.move_on_after(0.01) as scope:
        await wakeup.wait()
    assert scope.cancelled_caught


async def test_who_gave_up_waiting_does_not_disturb_the_others() -> None:
    wakeup, woken = Wakeup(), list[str]()

    async def wait() -> None:
        await wakeup.wait()
        woken.append("patient")

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            with anyio.move_on_after(0.01):
                await wakeup.wait()
            wakeup.ring()
    assert woken == ["patient"]


# ---- from any thread


async def test_a_threadsafe_wakeup_wakes_from_any_thread_and_before_the_wait() -> None:
    wake, wait = threadsafe_wakeup()
    await anyio.to_thread.run_sync(wake)
    with anyio.fail_after(20):
        await wait()


def test_a_threadsafe_wakeup_whose_loop_has_ended_is_harmless() -> None:
    async def make() -> Any:
        return threadsafe_wakeup()[0]

    asyncio.run(make())()
