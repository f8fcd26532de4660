"""Where a recording is played: what a player asks of it.

`sandbox.py` is a target with a flow in it, `live.py` one with a server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

from ..compare.answer import HttpAnswer
from ..log.log import Log
from ..types import Data
from .virtual_time import VirtualLoop


class RecordedClient(Protocol):
    """A recorded client on the target."""

    def receive(self, data: Data, size: int, scope: int) -> None: ...

    def lost(self, code: int | None, reason: str, error: str | None, scope: int) -> None: ...


class Target(Protocol):
    """Where it is played."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def idle(self) -> Awaitable[None]: ...

    def begun(self) -> None: ...

    def open(
        self, facts: dict[str, Any], hear: Callable[[Data], None], scope: int
    ) -> RecordedClient: ...

    async def request(self, event: dict[str, Any], body: bytes, scope: int) -> HttpAnswer: ...


TargetMaker: TypeAlias = Callable[[VirtualLoop, int, dict[str, Any]], tuple[Target, Log]]
"""Make a target in a loop, for a recording that began at a UTC time in nanoseconds; last, what it
tells of the flow it was made of."""
