"""A flow played in the sandbox of a replay, for tests of both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from wsflow import Context, Flow
from wsflow.log.log import Log
from wsflow.replay.sandbox import Sandbox
from wsflow.replay.virtual_time import VirtualLoop

BEGAN = 10**18


def rooms() -> Flow:
    """Return a flow with chat rooms."""
    flow = Flow("chat")

    @flow.node
    def echo(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": f"{ev['sessionId']}: {ev['message']}"})

    chat = flow.websocket("/chat/{room}", name="chat", subprotocols=("a", "b"))
    chat.message >> echo
    return flow


Play = Callable[[VirtualLoop, Sandbox, Log], Awaitable[Any]]


def played(flow: Flow, play: Play) -> Any:
    """Return what `play(loop, sandbox, log)` gives on the sandbox of a replay."""
    loop = VirtualLoop()

    async def main() -> Any:
        sandbox, log = flow._sandbox(loop, BEGAN)
        await sandbox.start()
        try:
            return await play(loop, sandbox, log)
        finally:
            await sandbox.stop()

    return loop.run(main)


def facts(who: str = "s1", path: str = "/chat/red", **more: Any) -> dict[str, Any]:
    known: dict[str, Any] = {"id": who, "path": path, "peer": "1.2.3.4", "params": {"room": "red"}}
    return known | {"query": {}, "headers": {}} | more
