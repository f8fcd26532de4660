"""`wsflow demo`: three real clients talk through the chat of `wsflow.demo`.

What each of them gets is checked; then what they said, the log and the graph are shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from ..demo import chat_flow
from ..events import Row
from ..flow import Flow
from ..graph.port import Wire
from ..graph.triggers.base import Trigger
from ..graph.triggers.websocket import WebSocketTrigger
from ..tracebacks import named
from .terminal import DONE, RAISED, STYLES, CommandError, rows_table, table

TIMEOUT = 10.0
"""Seconds the whole play may take."""


class DemoError(CommandError):
    """A client did not get what it should have got."""

    status = RAISED


@dataclass(frozen=True)
class Play:
    """What happened.

    `moments` tell what clients said (`→`), got (`←`) or did, by name; `rows` and `picture` are the
    log and the graph at the end.
    """

    moments: list[dict[str, str]]
    rows: list[Row]
    picture: Text


class Cast:
    """Clients by name. They speak and listen through real sockets, and remember each moment."""

    def __init__(self, url: str) -> None:
        self.moments: list[dict[str, str]] = []
        self._url = url
        self._clients: dict[str, ClientConnection] = {}

    async def enter(self, *names: str) -> None:
        """Connect a client for each name."""
        for name in names:
            self._clients[name] = await connect(f"{self._url}/chat/{name}", proxy=None)
        self.moments.append(dict.fromkeys(names, "connects"))

    async def say(self, name: str, message: str) -> None:
        """Have a client send a message."""
        await self._clients[name].send(message)
        self.moments.append({name: f"→ {message}"})

    async def hear(self, message: str, *, by: Iterable[str]) -> None:
        """Have clients receive a message.

        Raises:
            DemoError: one of them got another.
        """
        for name in by:
            heard = await self._clients[name].recv()
            if heard != message:
                raise DemoError(f"{name} got {heard!r} instead of {message!r}")
        self.moments.append(dict.fromkeys(by, f"← {message}"))

    async def leave(self, name: str) -> None:
        """Have a client close its connection.

        Raises:
            DemoError: it had got a message that was not meant for it.
        """
        await self._clients[name].close()
        await self._read_to_the_end(name)
        self.moments.append({name: "leaves"})

    async def go(self, code: int, *, by: Iterable[str]) -> None:
        """Have clients see the server close, and nothing before that.

        Raises:
            DemoError: one got another code, or a message that was not meant for it.
        """
        for name in by:
            await self._read_to_the_end(name)
            if self._clients[name].close_code != code:
                raise DemoError(f"{name} saw {self._clients[name].close_code} instead of {code}")
        self.moments.append(dict.fromkeys(by, f"server closes: {code}"))

    async def _read_to_the_end(self, name: str) -> None:
        async for message in self._clients[name]:
            raise DemoError(f"{name} got {message!r}, which was not meant for it")


async def play(flow: Flow) -> Play:
    """Serve the flow on a free port and have three clients talk through it.

    Raises:
        DemoError: one of them did not get what it should.
    """
    async with asyncio.timeout(TIMEOUT), flow.serving() as server:
        cast = Cast(server.url)
        await cast.enter("alice", "bob", "carol")
        await cast.say("alice", "hello, all")
        await cast.hear("alice: hello, all", by=("alice", "bob", "carol"))
        await cast.say("bob", "/who")
        await cast.hear("you are bob, one of 3", by=("bob",))
        await cast.leave("carol")
        await cast.hear("carol left", by=("alice", "bob"))
        rows, graph = flow.log.tail(len(flow.log)), picture(flow)
        await flow.stop()
        await cast.go(1001, by=("alice", "bob"))
    return Play(cast.moments, rows, graph)


# ---- what is shown


def main(out: Console) -> int:
    """Play, show what happened, and return the exit status.

    Raises:
        DemoError: a client did not get what it should.
    """
    try:
        played = asyncio.run(play(chat_flow()))
    except TimeoutError as error:
        raise DemoError(f"the demo waited {TIMEOUT:g} s for a message in vain") from error
    except (OSError, WebSocketException) as error:
        raise DemoError(f"the demo failed: {named(error)}") from error
    for title, part in (
        ("Three clients, connected over real sockets", _transcript(played.moments)),
        ("What the flow saw: its log, each row below the one that caused it", _log(played.rows)),
        ("The flow: how many events took which wire", played.picture),
        ("What next", _next()),
    ):
        out.print(Text(f"\n{title}\n", "bold"))
        out.print(Padding(part, (0, 0, 0, 2), expand=False))
    return DONE


def _transcript(moments: list[dict[str, str]]) -> Table:
    names = list(moments[0])
    made = table(*names)
    for moment in moments:
        made.add_row(*(_moment(moment.get(name, "")) for name in names))
    return made


def _moment(text: str) -> Text:
    kinds = {"→": "message", "←": "response", "connects": "req"}
    return Text(text, STYLES[kinds.get(text.partition(" ")[0], "close")])


def _log(rows: list[Row]) -> Table:
    return rows_table(rows, "  ms", lambda row: f"{(row.time - rows[0].time) / 1e6:4.1f}")


def picture(flow: Flow) -> Text:
    """Return the graph as text: each trigger a box, its wires with how often they were taken."""
    lines = [
        line for node in flow.nodes.values() if isinstance(node, Trigger) for line in _box(node)
    ]
    text = Text("\n".join(lines))
    text.highlight_regex(r"[─│┬├╭╮╰╯▶]+", "dim")
    text.highlight_regex(r"\d+", "cyan")
    return text


def _box(trigger: Trigger) -> list[str]:
    path = trigger.template.pattern if isinstance(trigger, WebSocketTrigger) else ""
    title = f" {trigger.name} {path} " if path and path != trigger.name else f" {trigger.name} "
    width = max(map(len, (title, *trigger.outputs))) + 2
    lines = [f"╭─{title:─<{width - 1}}╮"]
    for port in trigger.outputs.values():
        first, *others = _branches(port.wires, {trigger.name}) or [""]
        lines.append(f"│{port.name:>{width - 1}} {'├' if first else '│'}{first}")
        lines += [f"│{'':{width}}│{other}" for other in others]
    return [*lines, f"╰{'─' * width}╯"]


def _branches(wires: Iterable[Wire], seen: set[str]) -> list[str]:
    """Return a line for each way that begins with one of the wires, drawn as a tree."""
    lines: list[str] = []
    wires = list(wires)
    for index, wire in enumerate(wires):
        last = index == len(wires) - 1
        fork = "──" if len(wires) == 1 else "─┬" if index == 0 else " ╰" if last else " ├"
        node = wire.target.node
        label = wire.target.label if len(node.inputs) > 1 else node.name
        again = node.name in seen
        head = f"{fork}─ {wire.count} ─▶ {label}{' ↺' if again else ''}"
        below = [] if again else _branches(node.wires(), seen | {node.name})
        first, *others = below or [""]
        lines.append(f"{head} {first}".rstrip())
        indent = f"{'  ' if last else ' │'}{'':{len(head) - 1}}"
        lines += [indent + other for other in others]
    return lines


def _next() -> Text:
    text = Text()
    for command, what in (
        ("wsflow lab", "the first notebook"),
        ("wsflow run wsflow.demo:chat_flow --log", "serve this chat"),
        ("python -m websockets ws://127.0.0.1:8000/chat/dora", "talk to it"),
        ("python -m inspect wsflow.demo:chat_flow", "read its code"),
        ("python -m pydoc wsflow.Flow", "all that a flow can do"),
    ):
        text.append(f"{command:50}  ", "cyan").append(f"{what}\n")
    text.rstrip()
    return text
