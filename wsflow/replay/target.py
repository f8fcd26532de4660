"""Where a recording is played: what a player asks of it.

`sandbox.py` is a target with a flow in it, `live.py` one with a server.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

from ..compare.answer import HttpAnswer
from ..compare.stream import Newest
from ..log.log import Log
from ..types import Data
from .virtual_time import VirtualLoop


class RecordedClient(Protocol):
    """A recorded client on the target."""

    def receive(self, data: Data, size: int, scope: int) -> None: ...

    def lost(self, code: int | None, reason: str, error: str | None, scope: int) -> None: ...


class Target(Protocol):
    """Where it is played."""

    @property
    def origins(self) -> tuple[()] | tuple[Newest, Callable[[int], int]]:
        """What tells which event was answered (see `Stream`); nothing where nobody can tell."""
        ...

    @property
    def left_out(self) -> Counter[str]:
        """What could not be done of what is recorded: how often, and what."""
        ...

    @property
    def by_itself(self) -> bool:
        """Whether timers and injects are no business of ours there: what they did is excused."""
        ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def idle(self) -> Awaitable[None]: ...

    def begun(self) -> None: ...

    def open(
        self, facts: dict[str, Any], hear: Callable[[Data], None], scope: int
    ) -> RecordedClient: ...

    def fire(self, name: str, value: Any, scope: int) -> bool:
        """Let a timer or an inject fire as it did; False where it is not for us to do."""
        ...

    async def request(self, event: dict[str, Any], body: bytes, scope: int) -> HttpAnswer: ...


TargetMaker: TypeAlias = Callable[[VirtualLoop, int, dict[str, Any]], tuple[Target, Log]]
"""Make a target in a loop, for a recording that began at a UTC time in nanoseconds; last, what it
tells of the flow it was made of."""
