"""What tests of sockets start from: a flow that echoes, and a loop nothing raises into."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.wire.echoing import Echo
from wsflow import Context, Flow
from wsflow.wire import connection


@pytest.fixture
async def quiet_loop() -> AsyncIterator[None]:
    """Fail a test when anything raised into its loop."""
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    yield
    assert faults == []


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    flow = Flow("echo")
    socket = flow.websocket("/")
    async with flow.serving() as server:
        made = Echo(flow, server)

        @flow.node
        def answer(ev: Any, ctx: Context) -> None:
            made.heard.append(ev["message"])
            ctx.emit("response", {"body": ev["message"]})

        @flow.node
        def remember(ev: Any) -> None:
            made.closes.append(ev)

        flow.connect(socket.message, answer)
        flow.connect(socket.close, remember)
        yield made


@pytest.fixture
def lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that goes on discarding for as long as a busy machine may need."""
    monkeypatch.setattr(connection, "DISCARD_TIMEOUT", 30.0)
