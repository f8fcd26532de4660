"""The barrier: sends an event to every task, and goes on when each has said that it is done.

A task says so in the event's own scope: `ctx.emit("left_done", value)`. Two events wait apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ...base.snapshot import snapshot
from ...errors import WiringError
from ..context import Context
from ..node import Node

if TYPE_CHECKING:
    from ..host import Host


class Barrier(Node):
    """Make one with `flow.barrier(("left", "right"))`: input `in`, an output a task, and `out`."""

    def __init__(self, host: Host, name: str, tasks: Iterable[str], limit: float) -> None:
        super().__init__(host, name)
        self._tell, self._clock = host.tell, host.clock
        self.rearrange(tuple(tasks), limit)
        self._expired = host.place("drop", name, "in")
        self.define(self._wait)

    def rearrange(self, tasks: tuple[str, ...], limit: float) -> None:
        """Wait for exactly these tasks, `limit` seconds at most; wires that fit stay.

        Raises:
            WiringError: there is no task, or two have one name, or one is called `in` or `out`.
        """
        if not tasks or len(set(tasks)) != len(tasks) or not {"in", "out"}.isdisjoint(tasks):
            raise WiringError(
                f"a barrier needs different task names other than 'in' and 'out', not {tasks!r}"
            )
        self.reshape(("in",), (*tasks, "out"))
        self.tasks, self.limit = tasks, limit
        self.host.engine.signals.update(f"{tag}_done" for tag in tasks)

    def _wait(self, event: Any, ctx: Context) -> None:
        done: dict[str, Any] = {}
        alarm = self._clock.call_later(self.limit, lambda: self._expire(event, ctx, done))

        def listener(tag: str) -> Callable[..., None]:
            def heard(*args: Any) -> None:
                done[tag] = args[0] if args else None
                if len(done) == len(self.tasks):
                    alarm.cancel()
                    ctx.route({tag: done[tag] for tag in self.tasks}, "out")

            return heard

        for tag in self.tasks:
            ctx.once(f"{tag}_done", listener(tag), timeout=self.limit)
            ctx.route(event, tag)

    def _expire(self, event: Any, ctx: Context, done: dict[str, Any]) -> None:
        missing = ", ".join(repr(tag) for tag in self.tasks if tag not in done)
        data, size = snapshot(event)
        scope = ctx._scope
        self._tell(
            self._expired,
            scope.session_number,
            scope.number,
            ctx._cause,
            data,
            size,
            self.limit,
            f"dropped: {missing} not done within {self.limit:g} s",
        )
