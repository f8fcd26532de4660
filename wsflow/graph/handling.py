"""One async handler at work: from its first step in a task of its own to its end, however it comes.

Opposite: a plain function, which the engine calls on the spot.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from .tasks import was_cancelled

if TYPE_CHECKING:
    from .context import Context
    from .engine import Engine

awaited: ContextVar[Context | None] = ContextVar("wsflow_handler", default=None)
"""The context of the async handler whose task this is."""


class Handling:
    """A call of an `async def` handler. Its session counts it as in flight until it has ended."""

    __slots__ = ("_args", "_ctx", "_engine", "_function", "_started", "name")

    def __init__(
        self, engine: Engine, ctx: Context, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> None:
        self._engine, self._ctx, self._function, self._args = engine, ctx, function, args
        self._started = False
        self.name = ctx._node.name
        """Its task is called so."""
        ctx._scope.running += 1
        session = ctx._scope.session
        if session is not None:
            session.starting += 1
            session.handler_started()

    async def run(self) -> None:
        """Await the handler; of what it raises only its own cancellation goes on."""
        ctx = self._ctx
        self._has_started()
        awaited.set(ctx)
        ctx._started = time.perf_counter()
        ctx._hops = 0  # it is no synchronous chain any more
        try:
            result = await self._function(*self._args)
            if result is not None and self._function is ctx._node.call:
                self._engine.faults.hint_at_emit(ctx, result)
        except BaseException as error:
            if was_cancelled(error):
                raise  # for who awaits the task; a row is written by `ended`
            self._engine.failed(ctx, self._value, error)

    def _has_started(self) -> None:
        self._started = True
        session = self._ctx._scope.session
        if session is not None:
            session.starting -= 1
            if session.waiting:
                self._engine.later(partial(self._engine.fire_waiting, session))

    def ended(self, cancelled: bool) -> None:
        """Its task has ended, or will not be made; it may have been cancelled before it began."""
        if not self._started:
            self._has_started()
        if cancelled and self._engine.running:
            self._engine.faults.mark(self.name, "cancelled", self._ctx)
        scope = self._ctx._scope
        scope.running -= 1
        if scope.session is not None:
            scope.session.handler_ended()

    def refused(self, why: str) -> None:
        """It can not run."""
        self.ended(False)
        self._engine.failed(self._ctx, self._value, RuntimeError(why))

    @property
    def _value(self) -> Any:
        return self._args[0] if self._args else None
