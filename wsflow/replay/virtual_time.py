"""An event loop whose time runs as fast as its work: sleeps cost nothing, order is kept.

While something is ready the loop works and no time passes; when all wait for a moment to come,
that moment comes. A speed only says how long a wait takes in real time, so every speed gives the
same order. Sleeps, time-outs and timers of handlers, whatever library they use, follow. Used by
replay.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import math
import selectors
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, TypeVar

import anyio.to_thread

from ..clock import Alarm, Clock

R = TypeVar("R")

SLACK = 0.002
"""Virtual seconds a timer may be late, as in life: what comes so soon behind it comes first."""

SNAP = 0.5
"""Virtual seconds over which time skips to when a thing is known to have happened."""

SOCKET_WAIT = 0.05
"""Real seconds given to sockets of handlers before time jumps; halved each time nothing came."""

LOOK = 0.002
"""Real seconds between two looks at who is `busy`."""

STUCK = 1.0
"""Real seconds after which a thread that gave no sign no longer holds time up."""

TRUST = 5.0
"""Real seconds that are waited for what is overdue; a quarter each time it did not come."""

SPINS = 1_000
"""Turns of the loop without a wait after which time goes on: somebody only looks at the clock."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """`speed` virtual seconds pass in a real one; None: as fast as possible.

    `frozen` stops time; `hurry_until` makes it run as fast as possible up to a moment.
    """

    def __init__(self, speed: float | None = None, start: float = 0.0) -> None:
        self._skipper = _Selector(self)
        super().__init__(self._skipper)
        self.hurry_until = -math.inf
        self.busy: Callable[[], bool] = _idle
        """Whether somebody outside is at work who takes no virtual time: time stands still then,
        unless it keeps pace with real time."""
        self._speed, self._virtual, self._frozen = speed, start, False
        self._origin = (start, time.monotonic())
        self._spins = self._jobs = 0
        self._turned = True
        self._order = itertools.count()
        self._limiter: anyio.CapacityLimiter | None = None
        self._patience, self._trust = SOCKET_WAIT, TRUST
        self._was_busy, self._heard_at = False, 0.0
        self._heading: float | None = None
        """The moment that is waited for at the pace of real time."""
        self._standing: float | None = None
        """Until when, in real time, time stands still for what is overdue."""
        self._waiter: asyncio.Future[bool] | None = None
        self._spawned: set[asyncio.Task[None]] = set()

    def run(self, main: Callable[[], Awaitable[R]]) -> R:
        """Run `main()` to its end in this loop, then close it."""

        async def live() -> R:
            self._limiter = anyio.to_thread.current_default_thread_limiter()
            try:
                return await main()
            finally:
                self.frozen, self.speed = False, 1.0  # threads that end now need real time
                self.hurry_until = -math.inf

        with asyncio.Runner(loop_factory=lambda: self) as runner:
            return runner.run(live())

    # ---- time

    def time(self) -> float:
        """Return virtual seconds."""
        return self._virtual

    @property
    def speed(self) -> float | None:
        """How many virtual seconds pass in a real one; None: as many as possible."""
        return self._speed

    @speed.setter
    def speed(self, speed: float | None) -> None:
        self._speed = speed
        self._anchor()

    @property
    def frozen(self) -> bool:
        """Whether time stands still."""
        return self._frozen

    @frozen.setter
    def frozen(self, frozen: bool) -> None:
        self._frozen = frozen
        self._anchor()

    @property
    def fast(self) -> bool:
        """Whether waiting is skipped at this moment."""
        return self._speed is None or self._virtual < self.hurry_until

    @property
    def reading(self) -> float:
        """The time for who looks from another thread: between two events it goes on."""
        heading, speed, (virtual, real) = self._heading, self._speed, self._origin
        if heading is None or speed is None:
            return self._virtual
        return min(heading, max(self._virtual, virtual + (time.monotonic() - real) * speed))

    def skip(self, moment: float) -> None:
        """Something happened that is known to have happened at `moment`: so it is that late.

        Not past a timer: what it is to do would come too late, and what follows from that, too.
        """
        if 0 < moment - self._virtual <= SNAP:
            self._forget_cancelled()
            self._virtual = max(self._virtual, min(moment, self.next_timer()))

    def _anchor(self) -> None:
        """From here on virtual time keeps pace with real time."""
        self._origin = (self._virtual, time.monotonic())

    def _paced(self) -> float:
        """Return the virtual time it should be by the real clock."""
        virtual, real = self._origin
        assert self._speed is not None
        return virtual + (time.monotonic() - real) * self._speed

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Do as any loop does; who is due at one moment goes off in the order of asking."""
        timer = _Timer(when, callback, args, self, context)
        timer.order = next(self._order)
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        heapq.heappush(scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    # ---- going to a moment

    def jump(self, moment: float, same_turn: bool = False) -> bool:
        """Go to a moment at once, if nothing has to be done before, and say whether.

        With `same_turn` what is ready does not count: it was not done in between.
        """
        if (self._ready and not same_turn) or self._frozen:  # type: ignore[attr-defined]
            return False
        if moment <= self._virtual:
            return True
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        if scheduled and scheduled[0].when() <= moment - SLACK:
            return False
        if self._speed is not None:
            if moment <= self.hurry_until:
                self._origin = (moment, time.monotonic())
            elif self._virtual < self.hurry_until or moment - SLACK > self._paced():
                return False
        elif self.busy() or (self._turned and not same_turn and self._threads()):
            return False
        self._turned = False  # until the loop turns again nobody can start a thread
        self._virtual, self._spins = moment, 0
        return True

    async def reach(self, moment: float) -> bool:
        """Go to a moment once all that is due before has been done; False when woken first."""
        if self._virtual < moment - SLACK and not await self.until(moment - SLACK):
            return False
        await self.turns()
        self._virtual = max(self._virtual, moment)
        return True

    async def turns(self) -> None:
        """Let everybody go on who can, while time stands."""
        for _ in range(SPINS):
            if not self._ready:  # type: ignore[attr-defined]
                return
            await asyncio.sleep(0)

    async def until(self, moment: float) -> bool:
        """Wait for a moment; False when woken first (see `wake`)."""
        self._waiter = waiter = self.create_future()
        timer = None if moment == math.inf else self.call_at(moment, _settle, waiter, True)
        try:
            has_come: bool = await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()
        return has_come

    def wake(self) -> None:
        """Wake who waits with `until`, from any thread; nothing happens when nobody does."""
        with contextlib.suppress(RuntimeError):  # it is closed: nobody waits any more
            self.call_soon_threadsafe(self.rouse)

    def rouse(self) -> None:
        """Wake who waits with `until`, from this thread."""
        if self._waiter is not None:
            _settle(self._waiter, False)

    def next_timer(self) -> float:
        """Return when the next timer is due; infinity when there is none."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        return scheduled[0].when() if scheduled else math.inf

    def _forget_cancelled(self) -> None:
        """Take those off the list that would be next, as any loop does once a turn."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0].cancelled():
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
            heapq.heappop(scheduled)._scheduled = False  # type: ignore[attr-defined]

    async def stand(self, is_there: Callable[[], bool]) -> None:
        """Stop time for what is overdue, while threads or sockets may still bring it about."""
        if self.busy is not _idle:
            return  # it is waited for there
        limit = time.monotonic() + self._trust
        while not is_there() and (self._threads() or self._sockets()):
            if time.monotonic() >= limit:
                self._trust /= 4
                return
            self._standing = limit
            try:
                await self.until(math.inf)
            finally:
                self._standing = None
                self._anchor()
            await self.turns()
        if is_there():
            self._trust = TRUST

    # ---- work outside

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task beside (see `spawned`)."""
        task = self.create_task(work)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)

    async def spawned(self) -> None:
        """Wait until all that was spawned is done."""
        while self._spawned:
            await asyncio.wait(list(self._spawned))

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., R], *args: Any
    ) -> asyncio.Future[R]:
        """Do as any loop does, count what runs in threads, and let it know that it is a replay."""
        future = super().run_in_executor(executor, copy_context().run, func, *args)
        self._jobs += 1
        future.add_done_callback(self._job_done)
        return future

    def _job_done(self, _: object) -> None:
        self._jobs -= 1

    def _threads(self) -> bool:
        """Whether threads work for a handler."""
        if self._jobs:
            return True
        return self._limiter is not None and self._limiter.borrowed_tokens > 0

    def _sockets(self) -> bool:
        """Whether sockets other than the loop's own wake-up are waited for."""
        return len(self._skipper.get_map()) > 1

    # ---- waiting, as the selector asks

    def spun(self) -> None:
        """The loop turned without a wait; when that goes on and on, time goes on too."""
        self._spins += 1
        self._turned = True
        if self._spins < SPINS or self._frozen or self._standing is not None:
            return
        moment = self.next_timer()
        if moment < math.inf:
            self._virtual = max(self._virtual, moment if self.fast else min(moment, self._paced()))
        self._spins = 0

    def wait(self, timeout: float | None, select: Callable[[float | None], list[Any]]) -> list[Any]:
        """Wait for `timeout` virtual seconds, or for events of the real world."""
        self._spins, self._turned = 0, True
        if self._standing is not None:
            events = select(max(0.0, self._standing - time.monotonic()))
            self.rouse()
            return events
        if self._frozen or timeout is None:
            return select(None)
        deadline = self._virtual + timeout
        if not self.fast:
            assert self._speed is not None
            virtual, real = self._origin
            due = real + (deadline - virtual) / self._speed
            self._heading = deadline
            events = select(max(0.0, due - time.monotonic()))
            self._heading = None
            self._virtual = min(deadline, max(self._virtual, self._paced())) if events else deadline
            return events
        if self._speed is not None:
            deadline = min(deadline, self.hurry_until)
        if self.busy():
            return select(LOOK)
        began = time.monotonic()
        events = select(self._real_wait(began, deadline - self._virtual))
        if events:
            now = time.monotonic()
            self._heard_at, self._patience = now, SOCKET_WAIT
            self._virtual = min(deadline, self._virtual + (now - began) * self._was_busy)
        else:
            self._virtual = deadline
        if self._speed is not None:
            self._anchor()
        return events

    def _real_wait(self, now: float, timeout: float) -> float:
        """Return the real seconds to wait before time jumps: nothing, unless others work."""
        was_busy, self._was_busy = self._was_busy, self._threads()
        if self._was_busy:
            if not was_busy:
                self._heard_at = now
            return max(0.0, min(timeout, self._heard_at + STUCK - now))
        if self._sockets():
            self._patience = max(self._patience / 2, 0.001)
            return min(timeout, self._patience * 2)
        return 0.0


class VirtualClock(Clock):
    """The clock of a flow that runs in a `VirtualLoop`; `start` is UTC in nanoseconds."""

    rings_itself = True
    """So no ticker runs, and nobody asks sessions whether they live and read (`sessions.check`).

    In a replay that is right: who was given up on then has that as a recorded close, which comes at
    its moment; a second judgement could only differ, for a recorded client reads everything. And an
    hour that is jumped over would be 3,600 looks at every session.
    """

    def __init__(self, loop: VirtualLoop, start: int) -> None:
        super().__init__()
        self._loop, self._start = loop, start

    def now(self) -> float:
        return self._loop._virtual

    def time_ns(self) -> int:
        return self._start + int(self._loop._virtual * 1e9)

    def call_later(self, delay: float, action: Callable[[], object]) -> Alarm:
        alarm = _LoopAlarm(self, action)
        if delay < math.inf:
            alarm.handle = self._loop.call_later(delay, alarm.ring)
        return alarm


class _LoopAlarm(Alarm):
    """An alarm that the loop itself rings."""

    __slots__ = ("handle",)

    def __init__(self, clock: Clock, action: Callable[[], object]) -> None:
        super().__init__(clock, action)
        self.handle: asyncio.TimerHandle | None = None

    def cancel(self) -> None:
        self.action = None
        if self.handle is not None:
            self.handle.cancel()


class _Selector(selectors.DefaultSelector):
    """A selector that does not wait where only time is waited for."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is not None and timeout <= 0:
            self._loop.spun()
            return super().select(0)
        return self._loop.wait(timeout, super().select)


class _Timer(asyncio.TimerHandle):
    """A timer that knows who asked first; in life no two moments are the same."""

    __slots__ = ("order",)
    order: int

    def __lt__(self, other: Any) -> bool:
        return (self._when, self.order) < (other._when, other.order)  # type: ignore[attr-defined]


def _idle() -> bool:
    return False


def _settle(waiter: asyncio.Future[bool], outcome: bool) -> None:
    if not waiter.done():
        waiter.set_result(outcome)
