"""A widget without a Jupyter: what its pages say and are told, in plain values."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import Any

import anyio
import anyio.lowlevel

from wsflow import Client, Flow
from wsflow.panel import widget
from wsflow.panel.part import News
from wsflow.panel.widget import Panel

EVIL = "<img src=x onerror=alert(1)>"


NASTY = [EVIL, "x" * 2**20, "\u202egnirts\u202c", "\x00\x1b[31m\x7f", "\ud800 alone", "\n\t"]


Json = dict[str, Any]


class Wire:
    """What Jupyter is between a widget and its pages: strict about what it carries.

    Its test ticks, unless it says `ticking`: then the ticker's thread does, as in a notebook.
    """

    def __init__(self, panel: Panel, *, ticking: bool = False) -> None:
        still = isinstance(vars(widget)["ticker"], Still)
        assert still is not ticking, "the fixture `by_hand` holds the ticker still: else it races"
        self.panel = panel
        self.told: list[Json] = []
        panel.send = self._send

    def _send(self, content: Json, buffers: Any = None) -> None:
        packed = json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
        self.told.append(json.loads(packed))

    def say(self, message: Any) -> None:
        """Hand a page's message to the widget."""
        self.panel._receive(self.panel, message, [])

    def hello(self, page: str = "p1", origin: Any = None) -> News:
        """Open a page; return its first news, by part."""
        self.say({"page": page, "op": "hello", "origin": origin})
        return self.news(page)

    def news(self, page: str = "p1") -> News:
        """Tick once; return what that told a page, by part."""
        self.told.clear()
        self.panel.tick()
        return {
            part: news
            for message in self.told
            if message["to"] == page
            for part, news in message.get("news", {}).items()
        }

    async def ask(self, part: str, action: str, page: str = "p1", **given: Any) -> Json:
        """Ask a part of a page to do something; return the answer."""
        self.told.clear()
        asked = {"part": part, "action": action, "given": given, "number": 7}
        self.say({"page": page, "op": "ask", **asked})
        with anyio.fail_after(20):
            while not self._answers():
                await anyio.lowlevel.checkpoint()
        (answer,) = self._answers()
        return answer

    async def refused(self, part: str, action: str, **given: Any) -> str:
        """Ask for what can not be done; return the sentence that comes back."""
        error = (await self.ask(part, action, **given))["error"]
        assert isinstance(error, str)
        return error

    def _answers(self) -> list[Json]:
        return [message for message in self.told if message.get("answer") == 7]


async def connected(flow: Flow, stack: AsyncExitStack, count: int) -> list[Client]:
    """Connect clients, in their order."""
    return [
        await stack.enter_async_context(flow.client(f"/chat/r{number}", peer=f"10.0.0.{number}"))
        for number in range(count)
    ]


class Still:
    """A ticker that never ticks."""

    def watch(self, one: object) -> None: ...
