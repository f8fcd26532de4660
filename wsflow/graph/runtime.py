"""A flow's life in its loop: setups, handlers' tasks, the ticker, and an orderly end."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Any

import anyio

from ..base.fence import fenced
from ..base.forks import hold
from ..base.threads import LACKING
from ..clock import Clock
from ..errors import SetupError
from .engine import Engine
from .exits import hold_exits, let_exits_go
from .loop import LoopOwner
from .node import Node
from .watchdog import Watch

TICK_EVERY = 0.1
"""Seconds between two looks at the clock, at most; it also lets Ctrl-C through in an idle kernel.

An alarm that is due earlier than that when it is set may be late by as much."""

CHECK_EVERY = 1.0
"""Seconds between two looks at every session."""

STOP_TIMEOUT = 1.0
"""Seconds handlers get to end when the flow stops."""


class Runtime:
    """Starts and stops what runs. The owner's one task enters and leaves all of it."""

    def __init__(
        self,
        name: str,
        engine: Engine,
        clock: Clock,
        nodes: Callable[[], Iterable[Node]],
        check: Callable[[float], None],
        close: Callable[[], Awaitable[None]],
        goodbye: Callable[[], None],
    ) -> None:
        self.owner = LoopOwner(name, self._life, goodbye)
        self._engine, self._clock, self._nodes = engine, clock, nodes
        self._check, self._close = check, close
        self.watch = Watch(nodes)
        self.owner.why_silent = self._why_silent
        self.owner.failed = partial(engine.faults.failed, "", "loop")
        hold(self)
        engine.later, engine.call = self.owner.soon, self.owner.call

    def abandon(self) -> None:
        """The loop was closed while the flow ran in it: be as after a stop."""
        self._engine.tasks.lose()
        self._engine.halt()
        self.watch.stop()
        self.owner.forget()

    def forked(self) -> None:
        """This is a child now: the flow runs in another process."""
        if self._engine.running:
            self.abandon()

    @contextlib.asynccontextmanager
    async def _life(self) -> AsyncIterator[None]:
        engine = self._engine
        failed: SetupError | None = None
        async with anyio.create_task_group() as group:
            if not self._clock.rings_itself:
                group.start_soon(self._tick)
            try:
                for node in list(self._nodes()):
                    await engine.setup(node)
            except SetupError as error:
                failed = error
            else:
                async with self._running():
                    yield
            group.cancel_scope.cancel()
        if failed is not None:
            raise failed  # from out here, so that it is no exception group

    @contextlib.asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        engine, loop = self._engine, self.owner.loop
        assert loop is not None
        engine.begin()
        hold_exits(loop)
        engine.moment("start")
        try:
            yield
            await self._wind_down()
        finally:
            engine.halt()
            for name in await engine.tasks.end():
                engine.faults.wrong(name, "", "was cancelled twice and runs on: left behind")
            let_exits_go(loop)

    async def _wind_down(self) -> None:
        """Close what is open, let `close` handlers run, and tell who asked."""
        self._engine.resume()
        await self._close()
        self._engine.moment("stop")
        with anyio.move_on_after(STOP_TIMEOUT):
            await anyio.lowlevel.checkpoint()  # what was routed just now starts first
            await self._engine.tasks.idle()

    async def _tick(self) -> None:
        assert self.owner.loop is not None
        if not self.watch.start(self.owner.loop, self.owner.in_thread):
            self._engine.faults.mark("", LACKING)
        try:
            await self._ticking()
        finally:
            self._tell_of_block()  # it may have been what the last cell did before it stopped us
            self.watch.stop()

    async def _ticking(self) -> None:
        checked = self._clock.now()
        while True:
            await anyio.sleep(self._clock.rest(TICK_EVERY))
            self._tell_of_block()
            self._fenced(self._clock.ring)
            now = self._clock.now()
            if now - checked >= CHECK_EVERY:
                checked = now
                self._fenced(self._check, now)

    def _fenced(self, function: Callable[..., object], *args: Any) -> None:
        """Do a part of the ticker's work; the flow outlives what goes wrong in it."""
        fenced(self.owner.failed, function, *args)

    def _tell_of_block(self) -> None:
        blocked = self.watch.beat()
        if blocked is not None:
            self._engine.faults.blocked(blocked.node, str(blocked), blocked.seconds)

    def _why_silent(self) -> str:
        blocked = self.watch.blocked
        return f"{blocked.where if blocked else 'a handler or a cell'} blocks it"

    def redefined(self, node: Node) -> None:
        """A node was changed: when the flow runs already, its `setup` runs now."""
        if self._engine.running and node.prepare is not None:
            self.owner.post(self._engine.tasks.submit, _SetUp(self._engine, node))


class _SetUp:
    """The `setup` of a node that was declared while the flow runs (see `tasks.Job`)."""

    def __init__(self, engine: Engine, node: Node) -> None:
        self._engine, self._node, self.name = engine, node, node.name

    async def run(self) -> None:
        try:
            await self._engine.setup(self._node)
        except SetupError as error:
            self.refused(str(error))

    def ended(self, cancelled: bool) -> None:
        """There is nothing to count."""

    def refused(self, why: str) -> None:
        self._engine.faults.wrong(self.name, "setup", why)
