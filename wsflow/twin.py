"""A flow of its own for a replay: the same functions and wires, its own state, time and sessions.

Live clients and what they do are another world: they hear nothing of a replay and go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from .declarations import Declarations
from .endpoint import Endpoint
from .errors import ReplayError
from .nodes.barrier import Barrier
from .nodes.connections import Connections
from .session import Session
from .stage import on_stage
from .triggers.catch import Catch
from .triggers.http import HttpTrigger
from .triggers.websocket import WebSocketTrigger
from .types import Data
from .wire import Refusal, Request


def copy(source: Declarations, target: Declarations) -> None:
    """Declare in `target` all that is declared in `source`."""
    for node in source.nodes.values():
        match node:
            case WebSocketTrigger():
                path = node.template.pattern
                target.websocket(path, name=node.name, subprotocols=node.subprotocols)
            case HttpTrigger():
                target.http(node.pattern, method=node.method, name=node.name)
            case Catch():
                target.catch(name=node.name)
            case Connections():
                target.connections(name=node.name)
            case Barrier():
                target.barrier(node.tasks, name=node.name, limit=node.limit)
            case _:
                target.node(
                    node.function,
                    name=node.name,
                    inputs=tuple(node.inputs),
                    outputs=tuple(node.outputs),
                    params=node.params,
                    setup=node.prepare,
                )
    nodes = target.nodes
    for wire in source.wires:
        start, output, end, entrance = wire.key
        target.connect(nodes[start].output(output), nodes[end].input(entrance))


class Part(Protocol):
    """A flow that plays."""

    name: str

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Stage:
    """Where a replay plays: opens recorded sessions by the front door and listens to answers."""

    def __init__(
        self,
        flow: Part,
        endpoint: Endpoint,
        paths: Callable[[], list[str]],
        idle: Callable[[], Awaitable[None]],
    ) -> None:
        self.flow, self._endpoint, self._paths = flow, endpoint, paths
        self.idle = idle

    async def start(self) -> None:
        """Begin; everything that runs from here on knows that it is a replay."""
        on_stage.set(self.flow)
        await self.flow.start()

    async def stop(self) -> None:
        """End; what is open is closed."""
        await self.flow.stop()

    def open(self, facts: dict[str, Any], hear: Callable[[Data], None]) -> Session:
        """Open a recorded session under its own id; `hear` gets what it is answered.

        Raises:
            ReplayError: the flow has no such route.
        """
        query = urlencode(facts.get("query") or {}, doseq=True)
        path, peer = quote(str(facts["path"])), str(facts.get("peer", ""))
        headers = tuple((facts.get("headers") or {}).items())
        verdict = self._endpoint.admit(Request("GET", path, query, headers, peer, peer))
        if isinstance(verdict, Refusal):
            raise ReplayError(
                f"session {facts['id']} connected to {facts['path']!r}, which flow "
                f"{self.flow.name!r} does not take: {verdict.body.strip()}; "
                f"its routes: {', '.join(self._paths()) or 'none'}"
            )
        ear = _Ear(hear)
        session = ear.session = self._endpoint.open(verdict, ear, str(facts["id"]))
        session.start()
        return session

    async def request(self, event: dict[str, Any], body: bytes) -> Data:
        """Make a recorded HTTP request and return the body of its response."""
        query = urlencode(event.get("query") or {}, doseq=True)
        headers = tuple((event.get("headers") or {}).items())
        asked = Request(event["method"], event["path"], query, headers, "")

        async def read_body(_: int) -> bytes:
            return body

        reply = await self._endpoint.answer(asked, read_body)
        try:
            return reply.body.decode()
        except UnicodeDecodeError:
            return reply.body


class _Ear:
    """The transport of a replayed session: takes everything at once (see `wire.Transport`)."""

    def __init__(self, hear: Callable[[Data], None]) -> None:
        self.session: Session
        self._hear = hear

    def send(self, data: Data) -> int:
        size = len(data.encode()) if isinstance(data, str) else len(data)
        self._hear(data)
        return size

    def close(self, code: int, reason: str) -> None:
        self.session.lost(code, reason)

    def abort(self) -> None:
        self.session.lost(None, "", "connection dropped")

    def resume(self) -> None:
        """Nothing is read here: the replay hands messages over when their time comes."""

    def progress(self) -> int:
        return self.session.messages_out

    def settled(self) -> bool:
        return True

    def heard(self) -> bool:
        return True

    def ping(self) -> None:
        """Nothing to keep alive."""
