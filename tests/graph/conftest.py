"""What several tests of the graph look at."""

import asyncio
from typing import Any

import pytest

from tests.process.turns import turns
from wsflow import Client, Context, Flow, WsflowError
from wsflow.graph.freeze import Freeze


def errors(flow: Flow) -> list[str]:
    return [row.error or "" for row in flow.log.tail(100_000) if row.kind == "error"]


def marks(flow: Flow) -> list[Any]:
    return [row.data for row in flow.log.tail(100) if row.kind == "mark"]


def nodes(flow: Flow, names: str) -> list[Any]:
    return [flow.node(lambda: None, name=name) for name in names]


def keys(flow: Flow) -> list[tuple[str, str, str, str]]:
    return [wire.key for wire in flow._host.wires]


@pytest.fixture
def seen(flow: Flow) -> list[Any]:
    """What the handlers of `flow` see, `req` and `close` too."""
    return shouting(flow)


def shouting(flow: Flow) -> list[Any]:
    seen: list[Any] = []
    chat = flow.websocket("/chat", name="chat")

    @flow.node
    def shout(ev: Any, ctx: Context) -> None:
        seen.append(ev["message"])
        ctx.emit("response", {"body": ev["message"].upper()})

    chat.message >> shout
    chat.req >> flow.node(lambda ev: seen.append("req"), name="req")
    chat.close >> flow.node(lambda ev: seen.append("close"), name="gone")
    return seen


def rows(flow: Flow, *kinds: str) -> list[tuple[str, str, str, Any]]:
    """Return the rows of some kinds, without the answers' times."""
    return [
        (row.kind, row.node, row.port, row.data) for row in flow.log.tail(1000) if row.kind in kinds
    ]


def started(client: Client) -> str:
    assert client.session is not None
    return client.session.id


async def later(freeze: Freeze) -> tuple[asyncio.Task[None], list[Any]]:
    """Enter `async with freeze` in a task that doubles the message."""
    got: list[Any] = []

    async def edit() -> None:
        try:
            async with freeze as ev:
                got.append(dict(ev))
                ev["message"] *= 2
        except WsflowError as error:
            got.append(error)

    task = asyncio.create_task(edit())
    await turns(3)
    return task, got
