"""The flow's own ups and downs, as nodes hear of them: `start`, `pause`, `resume`, `stop`.

These are not signals: signals live in one scope, these concern the whole flow.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..errors import HandlerError, WiringError

MOMENTS = ("start", "pause", "resume", "stop")


class Lifecycle:
    """Who wants to know of which moment. Callbacks are plain functions without arguments."""

    def __init__(self) -> None:
        self._callbacks: dict[str, list[tuple[str, Callable[[], Any]]]] = {m: [] for m in MOMENTS}

    def add(self, moment: str, owner: str, callback: Callable[[], Any]) -> None:
        """Call `callback` at each such moment, until `owner` is dropped.

        Raises:
            WiringError: there is no such moment.
            HandlerError: the callback is a coroutine function.
        """
        if moment not in self._callbacks:
            raise WiringError(f"no lifecycle event {moment!r}; there are: {', '.join(MOMENTS)}")
        if inspect.iscoroutinefunction(callback):
            raise HandlerError(f"{callback!r} on {moment!r} must be a plain function, not async")
        self._callbacks[moment].append((owner, callback))

    def drop(self, owner: str) -> None:
        """Forget what a node asked for; its `setup` is about to run again, or it is gone."""
        for moment, callbacks in self._callbacks.items():
            self._callbacks[moment] = [entry for entry in callbacks if entry[0] != owner]

    def callbacks(self, moment: str) -> list[tuple[str, Callable[[], Any]]]:
        """Return `(owner, callback)` for a moment, in the order they were added."""
        return list(self._callbacks[moment])


class NodeEvents:
    """`ctx.events`: the lifecycle as one node subscribes to it."""

    __slots__ = ("_lifecycle", "_owner")

    def __init__(self, lifecycle: Lifecycle, owner: str) -> None:
        self._lifecycle, self._owner = lifecycle, owner

    def on(self, moment: str, callback: Callable[[], Any]) -> None:
        """Call `callback()` whenever the flow does `start`, `pause`, `resume` or `stop`."""
        self._lifecycle.add(moment, self._owner, callback)
