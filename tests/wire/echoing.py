"""A flow that answers each message with itself, and what it heard."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wsflow import Flow, Row
from wsflow.wire.server import Server

LIMIT = 2**20
"""Bytes of its largest message."""


@dataclass
class Echo:
    """A flow that answers each message with itself."""

    flow: Flow
    server: Server
    heard: list[Any] = field(default_factory=list)
    closes: list[Any] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.server.port

    async def close_row(self, after: int = 0) -> Row:
        """Wait for the `close` event; its row tells of a fault."""
        return await self.flow.log.until(kind="close", after=after)
