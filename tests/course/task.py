"""An exercise before it is one, and what all plays of right solutions are made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import anyio

from wsflow import Context, Flow

Event: TypeAlias = Any
Build: TypeAlias = Callable[[Flow], None]
Play: TypeAlias = Callable[[Flow], Awaitable[None]]

PAUSE = 0.02
"""Seconds between two things that happen."""


@dataclass(frozen=True)
class Mistake:
    """A typical wrong solution, and what the verdict says about it."""

    build: Build
    told: str


@dataclass(frozen=True)
class Task:
    """An exercise before it is one."""

    name: str
    title: str
    task: str
    hints: tuple[str, ...]
    starter: str
    solution: Build
    play: Play
    mistakes: tuple[Mistake, ...]
    rules: dict[str, Any] = field(default_factory=dict)


async def heard(client: Any, count: int = 1) -> None:
    """Wait for answers, then a little."""
    for _ in range(count):
        await client.receive(timeout=5)
    await anyio.sleep(PAUSE)


async def said(client: Any, *messages: Any) -> None:
    """Send, each a little after the other."""
    for message in messages:
        await (
            client.send(message) if isinstance(message, str | bytes) else client.send_json(message)
        )
        await anyio.sleep(PAUSE)


def answers(ctx: Context, body: Any) -> None:
    ctx.emit("response", {"body": body})
