"""A page's side of the player, without a page; and a flow whose answers can be changed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import anyio

from tests.recorded.playing import tell
from wsflow import Flow
from wsflow.panel.player import PlayerPart

Json = dict[str, Any]


def shouting(flow: Flow) -> Flow:
    """Have a flow shout back what `spoken` makes of it."""
    trigger = flow.websocket("/chat")

    @flow.node
    def shout(ev: Any, ctx: Any) -> None:
        if ev["message"] == "boom":
            raise ValueError("boom")
        for answer in spoken(ev["message"]):
            ctx.emit("response", {"body": answer})

    trigger.message >> shout
    return flow


ENDS: list[str] = [""]


def spoken(message: str) -> list[str]:
    """Return what is answered to a message: an answer for each of `ENDS`."""
    return [message.upper() + end for end in ENDS]


def changed(*ends: str) -> None:
    """Have the flow answer otherwise from now on."""
    ENDS[:] = ends


async def talk(flow: Flow, *messages: str, name: str = "lesson") -> None:
    """Record a conversation."""
    await flow.start()
    with flow.record(name) as recording:
        async with flow.client("/chat") as client:
            await tell(client, *messages[:1])
            recording.mark("half")
            await tell(client, *messages[1:])


async def polled(good: Callable[[], Any]) -> Any:
    """Ask what threads do, until the answer is good."""
    with anyio.fail_after(20):
        while not (found := good()):  # noqa: ASYNC110 (threads ring no bell)
            await anyio.sleep(0.01)
    return found


def threads(name: str) -> bool:
    return any(one.name == name for one in threading.enumerate())


class Viewer:
    """A page's side of a part, without a page: what it was told so far."""

    def __init__(self, flow: Flow) -> None:
        self.part = PlayerPart(flow)
        self.told: Json = {}

    def __getitem__(self, key: str) -> Any:
        self.told |= json.loads(json.dumps(self.part.news() or {}, allow_nan=False))
        return self.told[key]

    async def until(self, good: Callable[[Viewer], Any]) -> Any:
        """Beat until it is told something, and return that."""
        return await polled(lambda: good(self))

    async def line(self, name: str, state: str = "read") -> Json:
        """Wait until a recording is told of in this state."""

        def there(viewer: Viewer) -> Any:
            fitting = [one for one in viewer["recordings"] if one["name"] == name]
            return fitting[0] if fitting and fitting[0]["state"] == state else None

        found: Json = await self.until(there)
        return found

    async def state(self, *states: str) -> Json:
        """Wait until what plays is in one of these states."""

        def there(viewer: Viewer) -> Any:
            playing = viewer["playing"]
            return playing if playing and playing["state"] in states else None

        found: Json = await self.until(there)
        return found


async def chosen(flow: Flow, viewer: Viewer, *messages: str) -> None:
    await talk(flow, *messages)
    await viewer.line("lesson")
    viewer.part.choose("lesson")
    await viewer.until(lambda viewer: viewer["summary"])
