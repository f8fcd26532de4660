"""The loop whose time runs as fast as its work: order as in life, waits that cost nothing."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import anyio.to_thread
import pytest

from wsflow.replay import virtual_time as virtual
from wsflow.replay.virtual_time import SLACK, VirtualClock, VirtualLoop

R = TypeVar("R")


def played(main: Callable[[VirtualLoop], Awaitable[R]], speed: float | None = None) -> R:
    """Run `main(loop)` in a loop of its own, in a thread of its own."""
    loop = VirtualLoop(speed)
    result: list[R] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            result.append(loop.run(lambda: main(loop)))
        except BaseException as error:  # noqa: BLE001 (raised again below)
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert loop.is_closed()
    if failed:
        raise failed[0]
    return result[0]


async def naps(loop: VirtualLoop) -> list[tuple[str, float]]:
    """Sleep in several tasks and libraries; return who woke when."""
    woken: list[tuple[str, float]] = []

    async def nap(name: str, seconds: float, *, often: int = 1) -> None:
        for _ in range(often):
            await (asyncio.sleep if name.startswith("asyncio") else anyio.sleep)(seconds)
            woken.append((name, round(loop.time(), 6)))

    async with asyncio.TaskGroup() as group:
        group.create_task(nap("asyncio", 0.07))
        group.create_task(nap("anyio", 0.02, often=4))
        group.create_task(nap("asyncio again", 0.03))
    return woken


ORDER = [
    ("anyio", 0.02),
    ("asyncio again", 0.03),
    ("anyio", 0.04),
    ("anyio", 0.06),
    ("asyncio", 0.07),
    ("anyio", 0.08),
]


@pytest.mark.parametrize("speed", [None, 20.0, 1.0])
def test_who_sleeps_wakes_in_the_same_order_and_moment_at_any_speed(speed: float | None) -> None:
    assert played(naps, speed) == ORDER


def test_an_hour_takes_no_time() -> None:
    async def main(loop: VirtualLoop) -> float:
        for _ in range(3600):
            await asyncio.sleep(1)
        return loop.time()

    began = time.monotonic()
    assert played(main) == pytest.approx(3600)
    assert time.monotonic() - began < 30


def test_a_speed_keeps_pace_with_the_real_clock() -> None:
    async def main(loop: VirtualLoop) -> None:
        await asyncio.sleep(20)

    began = time.monotonic()
    played(main, 100.0)
    assert 0.2 <= time.monotonic() - began < 10


def test_who_looks_from_another_thread_sees_time_go_on_between_two_events() -> None:
    async def main(loop: VirtualLoop) -> list[float]:
        seen: list[float] = []
        done = threading.Event()

        def look() -> None:
            while not done.is_set():
                seen.append(loop.reading)
                time.sleep(0.001)

        watcher = threading.Thread(target=look)
        watcher.start()
        await asyncio.sleep(5.0)
        done.set()
        watcher.join()
        return seen

    seen = played(main, 5.0)
    assert seen == sorted(seen)
    assert len([one for one in seen if 0.5 < one < 4.5]) > 5
    assert max(seen) <= 5.0


def test_time_stands_while_work_is_done() -> None:
    async def main(loop: VirtualLoop) -> float:
        for _ in range(100):
            await asyncio.sleep(0)
        time.sleep(0.05)  # noqa: ASYNC251 (a handler that blocks)
        return loop.time()

    assert played(main) == 0
    assert played(main, 1.0) == 0


def test_time_outs_happen_in_virtual_time() -> None:
    async def main(loop: VirtualLoop) -> float:
        with anyio.move_on_after(50):
            await anyio.sleep_forever()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.Event().wait()
        return loop.time()

    assert played(main) == pytest.approx(80)


# ---- going to a moment


def test_it_jumps_only_when_nothing_is_to_be_done_before() -> None:
    async def main(loop: VirtualLoop) -> None:
        assert loop.jump(5.0)
        assert loop.time() == 5.0
        assert loop.jump(4.0), "it has been there"
        assert loop.time() == 5.0
        task = loop.create_task(asyncio.sleep(1))
        assert not loop.jump(5.5), "a task has not run yet"
        assert loop.jump(5.5, True), "in the same turn it would not have"
        await asyncio.sleep(0)
        assert not loop.jump(7.0), "it wakes before"
        assert loop.jump(6.5 - SLACK)
        assert loop.jump(6.5), "a timer may be that late"
        assert await loop.reach(7.0)
        assert task.done()
        assert loop.time() == 7.0

    played(main)


def test_what_is_due_before_a_moment_is_done_before() -> None:
    async def main(loop: VirtualLoop) -> list[float]:
        woken: list[float] = []

        async def tick() -> None:
            while True:
                await asyncio.sleep(1)
                for _ in range(10):
                    await asyncio.sleep(0)
                woken.append(loop.time())

        ticking = loop.create_task(tick())
        await loop.reach(3.5)
        ticking.cancel()
        return woken

    assert played(main) == [1.0, 2.0, 3.0]


def test_who_waits_can_be_woken_from_any_thread() -> None:
    async def main(loop: VirtualLoop) -> tuple[bool, bool]:
        loop.frozen = True
        threading.Timer(0.01, loop.wake).start()
        woken = await loop.until(math.inf)
        loop.frozen = False
        return woken, await loop.until(1.0)

    assert played(main) == (False, True)


def test_waking_a_closed_loop_is_harmless() -> None:
    loop = VirtualLoop()
    loop.run(lambda: asyncio.sleep(0))
    loop.wake()


def test_a_frozen_loop_works_and_no_time_passes() -> None:
    async def main(loop: VirtualLoop) -> float:
        loop.frozen = True
        late = loop.create_task(asyncio.sleep(1))
        assert await anyio.to_thread.run_sync(lambda: 5) == 5
        assert not late.done()
        assert not loop.jump(0.5)
        loop.frozen = False
        await late
        return loop.time()

    assert played(main) == pytest.approx(1.0)
    assert played(main, 20.0) == pytest.approx(1.0)


def test_it_can_hurry_to_a_moment_and_keeps_pace_from_there() -> None:
    async def main(loop: VirtualLoop) -> float:
        loop.hurry_until = 3600.0
        await asyncio.sleep(3600)
        began = time.monotonic()
        await asyncio.sleep(0.1)
        return time.monotonic() - began

    began = time.monotonic()
    assert 0.09 < played(main, 1.0) < 20
    assert time.monotonic() - began < 30


def test_hurrying_stops_at_its_moment_though_the_next_timer_is_later() -> None:
    async def main(loop: VirtualLoop) -> float:
        loop.hurry_until = 10.0
        began = time.monotonic()
        await asyncio.sleep(10.1)
        return time.monotonic() - began

    assert 0.09 < played(main, 1.0) < 9


def test_it_skips_to_when_a_thing_is_known_to_have_happened() -> None:
    async def main(loop: VirtualLoop) -> list[float]:
        times = []
        for moment in (0.25, 0.1, 100.0):
            loop.skip(moment)
            times.append(loop.time())
        return times

    assert played(main) == [0.25, 0.25, 0.25], "not back, and not far"


def test_it_skips_no_timer_but_those_that_were_cancelled() -> None:
    async def main(loop: VirtualLoop) -> list[float]:
        times = []
        cancelled, due = (loop.call_later(seconds, int) for seconds in (0.1, 0.2))
        cancelled.cancel()
        for moment in (0.15, 0.3):
            loop.skip(moment)
            times.append(loop.time())
        due.cancel()
        return times

    assert played(main) == [0.15, 0.2]


# ---- what is outside


def test_time_does_not_run_ahead_of_threads() -> None:
    async def main(loop: VirtualLoop) -> list[str]:
        done: list[str] = []

        async def by_anyio() -> None:
            await anyio.to_thread.run_sync(time.sleep, 0.1)
            done.append("anyio")

        async def by_asyncio() -> None:
            await asyncio.to_thread(time.sleep, 0.1)
            done.append("asyncio")

        async def by_timer() -> None:
            await asyncio.sleep(5)
            done.append("timer")

        async with asyncio.TaskGroup() as group:
            for work in (by_timer, by_anyio, by_asyncio):
                group.create_task(work())
            await asyncio.sleep(0)
        return done

    done = played(main)
    assert sorted(done[:2]) == ["anyio", "asyncio"]
    assert done[2] == "timer"


def test_a_time_out_round_a_thread_happens() -> None:
    async def main(loop: VirtualLoop) -> str:
        hold = threading.Event()
        try:
            with anyio.move_on_after(0.1):
                await anyio.to_thread.run_sync(hold.wait, 20, abandon_on_cancel=True)
                return "waited"
            return "timed out"
        finally:
            hold.set()

    assert played(main) == "timed out"


def test_a_thread_that_never_ends_does_not_hold_time_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual, "STUCK", 0.05)

    async def main(loop: VirtualLoop) -> float:
        hold = threading.Event()
        waiting = loop.create_task(asyncio.to_thread(hold.wait, 20))
        for _ in range(3600):
            await asyncio.sleep(1)
        hold.set()
        await waiting
        return loop.time()

    began = time.monotonic()
    assert played(main) >= 3600
    assert time.monotonic() - began < 20


def test_time_waits_for_a_socket_of_a_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual, "SOCKET_WAIT", 10.0)

    async def main(loop: VirtualLoop) -> str:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours, theirs:
            threading.Timer(0.01, theirs.send, (b"there",)).start()
            async with asyncio.timeout(30):
                return (await loop.sock_recv(ours, 10)).decode()

    assert played(main) == "there"


def test_an_idle_socket_holds_nothing_up() -> None:
    async def main(loop: VirtualLoop) -> float:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours, theirs:
            loop.add_reader(ours, lambda: None)
            for _ in range(300):
                await asyncio.sleep(1)
            loop.remove_reader(ours)
        return loop.time()

    began = time.monotonic()
    assert played(main) == pytest.approx(300)
    assert time.monotonic() - began < 300 * virtual.SOCKET_WAIT * 0.8


def test_time_stands_for_what_is_overdue_while_a_thread_works() -> None:
    async def main(loop: VirtualLoop) -> float:
        there: list[int] = []

        async def work() -> None:
            await asyncio.to_thread(time.sleep, 0.05)
            there.append(1)
            loop.rouse()

        task = loop.create_task(work())
        await loop.turns()
        await loop.stand(lambda: bool(there))
        assert there
        await task
        return loop.time()

    assert played(main) < 0.05


def test_patience_with_what_never_comes_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual, "TRUST", 0.1)

    async def main(loop: VirtualLoop) -> None:
        hold = threading.Event()
        waiting = loop.create_task(asyncio.to_thread(hold.wait, 20))
        await loop.turns()
        for _ in range(100):
            await loop.stand(lambda: False)
        hold.set()
        await waiting

    began = time.monotonic()
    played(main)
    assert time.monotonic() - began < 8


def test_nothing_is_waited_for_when_nobody_is_at_work() -> None:
    async def main(loop: VirtualLoop) -> None:
        await loop.stand(lambda: False)

    began = time.monotonic()
    played(main)
    assert time.monotonic() - began < virtual.TRUST


@pytest.mark.parametrize("speed", [None, 50.0])
def test_who_only_looks_at_the_clock_sees_it_move(speed: float | None) -> None:
    async def main(loop: VirtualLoop) -> float:
        async def spin() -> None:
            while loop.time() < 3:  # noqa: ASYNC110 (this is what it is about)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            group.create_task(spin())
            group.create_task(asyncio.sleep(5))
        return loop.time()

    assert played(main, speed) == pytest.approx(5)


def test_somebody_busy_stops_time() -> None:
    async def main(loop: VirtualLoop) -> float:
        idle = threading.Event()
        loop.busy = lambda: not idle.is_set()
        assert not loop.jump(1.0)
        threading.Timer(0.05, idle.set).start()
        await asyncio.sleep(1)
        assert idle.is_set()
        assert loop.jump(2.0)
        return loop.time()

    assert played(main) == 2.0


def test_threads_that_are_left_end_in_real_time() -> None:
    """The executor is given 300 seconds to end: virtual ones would be over at once (3.12)."""

    async def main(loop: VirtualLoop) -> None:
        task = loop.create_task(asyncio.to_thread(time.sleep, 0.1))
        await loop.turns()
        task.cancel()

    played(main)


def test_what_is_spawned_is_waited_for() -> None:
    async def main(loop: VirtualLoop) -> list[float]:
        done: list[float] = []

        async def work(seconds: float) -> None:
            await asyncio.sleep(seconds)
            done.append(seconds)
            if seconds > 1:
                loop.spawn(work(1))

        loop.spawn(work(2))
        await loop.spawned()
        return done

    assert played(main) == [2, 1]


# ---- the clock of a flow in it


def test_the_clock_tells_virtual_time() -> None:
    async def main(loop: VirtualLoop) -> tuple[float, int]:
        clock = VirtualClock(loop, 1_000)
        await asyncio.sleep(2)
        return clock.now(), clock.time_ns()

    assert played(main) == (2.0, 2_000_001_000)


def test_its_alarms_ring_by_themselves_unless_cancelled() -> None:
    async def main(loop: VirtualLoop) -> list[float]:
        clock, rung = VirtualClock(loop, 0), list[float]()
        clock.call_later(3, lambda: rung.append(clock.now()))
        cancelled = clock.call_later(2, lambda: rung.append(-1))
        never = clock.call_later(math.inf, lambda: rung.append(-2))
        cancelled.cancel()
        await asyncio.sleep(10)
        never.cancel()
        return rung

    assert played(main) == [3.0]


def test_a_hundred_thousand_cancelled_alarms_are_not_kept() -> None:
    async def main(loop: VirtualLoop) -> int:
        clock = VirtualClock(loop, 0)
        for _ in range(1_000):
            for _ in range(100):
                clock.call_later(120, lambda: None).cancel()
            await asyncio.sleep(0.001)
        return len(loop._scheduled)  # type: ignore[attr-defined]

    assert played(main) < 1_000
