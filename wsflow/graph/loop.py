"""The one task that holds a flow's task group, and the ways into its loop from elsewhere.

A task group entered in one notebook cell can not be left in another, so one task owns it from
start to stop; everybody else only signals. The loop is the caller's, or that of a thread of ours.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from ..base.fence import fenced
from ..base.wake import running_loop
from ..errors import NotRunningError, ServeError

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

R = TypeVar("R")

Life: TypeAlias = Callable[[], AbstractAsyncContextManager[None]]
"""What runs while the owner lives: entered in its task, left when it stops."""

CALL_TIMEOUT = 10.0
"""Seconds another thread waits for the loop before it says that the loop is blocked."""


class LoopOwner:
    """Starts and stops one `life` in one task; `run`, `call` and `post` reach it from anywhere."""

    def __init__(self, name: str, life: Life, goodbye: Callable[[], None]) -> None:
        self.name = name
        self.loop: asyncio.AbstractEventLoop | None = None
        self.in_thread = False
        self.why_silent: Callable[[], str] = lambda: "a handler or a cell blocks it"
        """Says why the loop does not answer."""
        self.failed: Callable[[BaseException], object] = lambda error: None
        """Is told what a callback in the loop raised."""
        self._life, self._goodbye = life, goodbye
        self._context = copy_context()
        self._task: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[None] | None = None
        self._stop: asyncio.Event | None = None
        self._thread_id = 0
        self._portal: BlockingPortal | None = None
        self._portals = contextlib.ExitStack()

    @property
    def running(self) -> bool:
        """Whether the owner's task lives."""
        loop = self.loop
        return self._task is not None and not self._task.done() and not _dead(loop)

    @property
    def is_stranded(self) -> bool:
        """Whether its loop was closed while it lived, so that nothing could be left in order."""
        return self._task is not None and not self._task.done() and _dead(self.loop)

    def check(self) -> None:
        """See that the loop turns, or that this is it.

        Raises:
            ServeError: it stands still; or what is awaited here runs in no loop of asyncio.
        """
        here = running_loop()
        if self.running and self.loop is not here and not self._turns():
            raise ServeError(
                f"flow {self.name!r} runs in another event loop, and that stands still: await "
                "flow.stop() there before it is left, or serve(thread=True), which has its own"
            )

    def _turns(self) -> bool:
        return self.loop is not None and self.loop.is_running()

    def forget(self) -> None:
        """Be as before the start; what lived is another process's, or its loop is closed."""
        atexit.unregister(self._at_exit)
        _forgotten.append((self._task, self._portals))
        self._task = self._ready = self._stop = self.loop = self._portal = None
        self._portals, self.in_thread = contextlib.ExitStack(), False

    async def start(self, *, thread: bool = False) -> None:
        """Start in the running loop, or in a thread with a loop of its own; harmless twice.

        Raises whatever the life raises while it is entered; nothing runs then.
        """
        if self.running:
            if self._ready is not None and self.loop is asyncio.get_running_loop():
                await asyncio.shield(self._ready)
            return
        self.in_thread = thread
        if thread:
            import anyio.from_thread

            starting = anyio.from_thread.start_blocking_portal(
                "asyncio", name=f"wsflow {self.name}"
            )
            try:
                self._portal = portal = self._portals.enter_context(starting)
            except RuntimeError as error:
                raise ServeError(f"thread=True: {error}; without it this loop serves") from error
            try:
                await asyncio.wrap_future(portal.start_task_soon(self._launch))
            except BaseException:
                self._leave_thread()
                raise
        else:
            await self._launch()
        atexit.register(self._at_exit)

    async def _launch(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._stop, self._context = asyncio.Event(), copy_context()
        self._ready = self.loop.create_future()
        self._task = self.loop.create_task(self._own(), name=f"wsflow {self.name}")
        try:
            await asyncio.shield(self._ready)
        except asyncio.CancelledError:  # the cell was interrupted: half a start is none
            self._task.cancel()
            await asyncio.wait([self._task])
            raise

    async def _own(self) -> None:
        """Enter and leave the life in this one task."""
        ready, stop = self._ready, self._stop
        assert ready is not None
        assert stop is not None
        try:
            async with self._life():
                ready.set_result(None)
                try:
                    await stop.wait()
                except asyncio.CancelledError:
                    self._goodbye()  # the loop is going away: no time for more
                    raise
        except BaseException as error:
            if ready.done():
                raise
            if isinstance(error, asyncio.CancelledError):
                ready.cancel()
                raise
            ready.set_exception(error)

    async def stop(self) -> None:
        """Leave the life and wait until it is left; harmless twice, and from any loop."""
        atexit.unregister(self._at_exit)
        task, stop = self._task, self._stop
        if task is None or stop is None or self.loop is None or not self.running:
            if threading.get_ident() != self._thread_id:
                self._leave_thread()  # the life may have ended over there
            return
        if asyncio.get_running_loop() is self.loop:
            stop.set()
            await asyncio.shield(task)
        else:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.stop(), self.loop))
            self._leave_thread()

    def _leave_thread(self) -> None:
        self._portals.close()
        self._portal = None

    def _at_exit(self) -> None:
        """Say goodbye when the interpreter ends: a kernel restart closes sessions with 1001."""
        if not self.running or self.loop is None or self._stop is None:
            return
        try:
            if self.in_thread:
                future = asyncio.run_coroutine_threadsafe(self.stop(), self.loop)
                future.result(CALL_TIMEOUT)
                self._leave_thread()
            elif not self.loop.is_running():
                self.loop.run_until_complete(asyncio.wait_for(self.stop(), CALL_TIMEOUT))
        except Exception:  # noqa: BLE001 (the interpreter is going; nobody can act on it)
            self._goodbye()

    # ---- ways in

    def soon(self, function: Callable[[], None]) -> None:
        """Call `function` in the loop once the current callback or task step has ended.

        At once when nothing runs: nobody would come back to it.
        """
        if self.running and self.loop is not None:
            # not in the caller's context: another handler's variables are none of their business
            self.loop.call_soon(fenced, self.failed, function, context=self._context.copy())
        else:
            function()

    @property
    def is_here(self) -> bool:
        """Whether the caller is in the owner's thread, or nothing runs that could be disturbed."""
        return not self.running or threading.get_ident() == self._thread_id

    def call(self, function: Callable[..., R], *args: Any) -> R:
        """Call a plain function in the owner's thread and return its result, from any thread.

        Raises:
            NotRunningError: the loop was blocked for ten seconds.
        """
        if self.is_here:
            return function(*args)
        assert self.loop is not None
        result: concurrent.futures.Future[R] = concurrent.futures.Future()

        def do() -> None:
            try:
                result.set_result(function(*args))
            except BaseException as error:  # noqa: BLE001 (it is the caller's)
                result.set_exception(error)

        self.loop.call_soon_threadsafe(do)
        try:
            return result.result(CALL_TIMEOUT)
        except concurrent.futures.TimeoutError:
            if result.done():
                raise
            raise NotRunningError(
                f"the loop of flow {self.name!r} did not answer for {CALL_TIMEOUT:g} s: "
                f"{self.why_silent()}"
            ) from None

    def post(self, function: Callable[..., object], *args: Any) -> None:
        """Have `function` called in the owner's loop; returns at once, from any thread."""
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(fenced, self.failed, function, *args)

    async def run(self, function: Callable[..., Awaitable[R]], *args: Any) -> R:
        """Await `function(*args)` in the owner's loop, from any loop."""
        if self.loop is None or self.loop is running_loop():
            return await function(*args)
        self.check()
        if self.loop.is_closed():
            raise NotRunningError(f"flow {self.name!r} has ended with the loop it ran in")

        async def there() -> R:
            return await function(*args)

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(there(), self.loop))


_forgotten: list[object] = []
"""Let go, they would complain that they did not end, or wait for a thread that is gone."""


def _dead(loop: asyncio.AbstractEventLoop | None) -> bool:
    return loop is None or loop.is_closed()
