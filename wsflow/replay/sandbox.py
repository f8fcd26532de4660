"""Where a replay plays: recorded sessions come in by the front door of a flow copied for it.

Live clients and what they do are another world: they hear nothing of a replay and go on meanwhile.
Opposites: `clone.py` copies the flow, `live.py` has a server in its place.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlencode

from ..base.bodies import size_of
from ..base.current import current_flow
from ..base.interfaces import Refusal, Request
from ..base.urls import PathTemplate
from ..compare.answer import EARLIER, NOBODY, HttpAnswer
from ..errors import ReplayError
from ..events import ANSWERS
from ..graph.triggers.inject import Inject
from ..graph.triggers.timer import Timer
from ..types import Data
from ..wire.endpoint import Admission
from ..wire.session import Session
from .virtual_time import VirtualLoop

if TYPE_CHECKING:
    from ..host import FlowHost

CLOSING = 5.0
"""Virtual seconds a client takes to answer a Close, unless it is recorded when it did."""

UNHEARD = "messages of sessions that had ended"
FIRES = "firings of timers and injects that are not there"
"""What may have to be left out."""

NONE = -sys.maxsize
"""How far the number of no event is ahead: below all there are."""


class Playing(Protocol):
    """A flow that plays."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Sandbox:
    """Where a replay plays: opens recorded sessions by the front door and listens to answers."""

    def __init__(self, flow: Playing, host: FlowHost, loop: VirtualLoop) -> None:
        self.flow, self._host, self._engine = flow, host, host.engine
        self._endpoint, self._store, self._loop = host.endpoint(None), host.store, loop
        self._firsts, self._aheads, self._ahead = list[int](), list[int](), NONE
        """From which scope on by how much the recorded numbers are ahead."""
        self.origins = host.store, self.origin
        self.left_out = Counter[str]()
        self.by_itself = False
        self._watershed = 0
        """Scopes up to this one began before the recording did."""
        self._ending = False
        self._endpoint.max_sessions = sys.maxsize  # who was let in then is let in now

    async def start(self) -> None:
        """Begin; everything that runs from here on knows that it is a replay."""
        current_flow.set(self._host)
        await self.flow.start()

    async def stop(self) -> None:
        """End; what is open is closed, and `close` handlers forget what they kept."""
        self._ending = True
        for session in self._endpoint.sessions:
            if not session.is_open:
                session.transport.abort()
        await self.flow.stop()

    async def idle(self) -> None:
        """Wait until no async handler runs or waits."""
        await self._engine.tasks.idle()

    def begun(self) -> None:
        """Who was there before the recording is here; it begins now."""
        self._watershed = self._engine.scopes

    # ---- which event is which

    def about(self, scope: int) -> None:
        """The scope that opens next is that of a recorded event; 0: of none."""
        first = self._engine.scopes + 1
        ahead = scope - first if scope else NONE
        if ahead != self._ahead:
            self._ahead = ahead
            self._firsts.append(first)
            self._aheads.append(ahead)

    def origin(self, heard: int) -> int:
        """Return the recorded number of the event that was answered, for an answer that was heard
        when `heard` was the newest row; 0: not known, `NOBODY`: none, `EARLIER`: none of it.
        """
        row = self._store.row(heard + 1)
        if row is None or row.kind not in ANSWERS:
            return 0
        cause = self._store.row(row.cause) if row.cause else None
        if cause is not None and cause.kind == "broadcast":
            row = cause
        if not row.cause:
            return NOBODY
        if row.scope <= self._watershed:
            return EARLIER
        at = bisect_right(self._firsts, row.scope) - 1
        return 0 if at < 0 else max(0, row.scope + self._aheads[at])

    # ---- what clients do

    def open(
        self, facts: dict[str, Any], hear: Callable[[Data], None], scope: int = 0
    ) -> SandboxClient:
        """Open a recorded session under its own id; `hear` gets what it is answered.

        Raises:
            ReplayError: the flow has no such route.
        """
        client = SandboxClient(hear, self)
        verdict = self._admit(facts)
        client.session = self._endpoint.open(verdict, client, str(facts["id"]))
        self.about(scope)
        client.session.start()
        return client

    def _admit(self, facts: dict[str, Any]) -> Admission:
        path, params = str(facts["path"]), facts.get("params") or {}
        verdict = self._knock(facts, quote(path))
        if isinstance(verdict, Refusal) or verdict.facts.params != params:
            # a parameter may have held a '/': only the handshake knew where the segments end
            for raw in self._spellings(path, params):
                found = self._knock(facts, raw)
                if isinstance(found, Admission) and found.facts.params == params:
                    return found
        if isinstance(verdict, Admission):
            return verdict
        raise ReplayError(
            f"session {facts['id']!r} connected to {path!r}, which flow {self._host.name!r} does "
            f"not take ({verdict.status}: {verdict.body.strip()}); "
            f"its routes: {', '.join(self._host.paths) or 'none'}. "
            "Declare the route, or play other sessions only: replay(..., sessions=[...])"
        )

    def _knock(self, facts: dict[str, Any], path: str) -> Admission | Refusal:
        query, peer = urlencode(facts.get("query") or {}, doseq=True), str(facts.get("peer", ""))
        headers = tuple((facts.get("headers") or {}).items())
        return self._endpoint.admit(Request("GET", path, query, headers, peer, peer))

    def _spellings(self, path: str, params: dict[str, str]) -> list[str]:
        """Return the raw paths that routes with these parameters make of them."""
        found = []
        for template in map(PathTemplate, self._host.paths):
            if set(template.names) == set(params):
                names = iter(template.names)
                segments = [params[next(names)] if one is None else one for one in template.shape]
                if "/" + "/".join(segments) == path:
                    found.append("/" + "/".join(quote(one, safe="") for one in segments))
        return found

    def fire(self, name: str, value: Any, scope: int) -> bool:
        """Let a timer or an inject fire as it did; False where it goes by virtual time, or is
        gone, which is noted.
        """
        self.about(scope)
        match self._host.nodes.get(name):
            case Timer() as timer if timer.recorded and isinstance(value, dict):
                timer.fire({"count": value.get("count", 0), "time": value.get("time", 0.0)})
            case Inject() as inject:
                inject.fire(value)
            case Timer():
                return False
            case _:
                self.left_out[FIRES] += 1
                return False
        return True

    async def request(self, event: dict[str, Any], body: bytes, scope: int) -> HttpAnswer:
        """Make a recorded HTTP request and return its response.

        Raises:
            ReplayError: the flow has no such route.
        """
        method, path = event["method"], event["path"]
        found = self._endpoint.routes.http(path)
        if found is None or method not in found[0]:
            raise ReplayError(
                f"the request {method} {path!r} has no route in flow {self._host.name!r}. "
                f"Declare it: flow.http({event.get('routePath', path)!r}, method={method!r})"
            )
        query = urlencode(event.get("query") or {}, doseq=True)
        headers = tuple((event.get("headers") or {}).items())
        asked = Request(method, path, query, headers, "")

        async def read_body(_: int) -> bytes:
            self.about(scope)
            return body

        reply = await self._endpoint.answer(asked, read_body)
        return HttpAnswer.of(reply.status, dict(reply.headers).get("content-type"), reply.body)


class SandboxClient:
    """A recorded client: brings what it sent then, hears what it is answered now.

    It is the transport of its session (see `interfaces.Transport`) and takes everything at once.
    """

    __slots__ = ("_hear", "_sandbox", "_timer", "_waiting", "session")

    def __init__(self, hear: Callable[[Data], None], sandbox: Sandbox) -> None:
        self.session: Session
        self._hear, self._sandbox = hear, sandbox
        self._waiting: deque[Callable[[], None]] = deque()
        """What it did while too many handlers of its session ran."""
        self._timer: Any = None

    # ---- what the replay has it do

    def receive(self, data: Data, size: int, scope: int = 0) -> None:
        """Send a message; it waits where a socket would have waited."""
        session = self.session
        if self._waiting or session.halted:
            self._waiting.append(lambda: self._receive(data, size, scope))
        else:
            sandbox = self._sandbox
            if session.state != "open":
                sandbox.left_out[UNHEARD] += 1
            if scope - sandbox._engine.scopes - 1 != sandbox._ahead:  # mostly it is the next one
                sandbox.about(scope)
            session.receive(data, size)

    def _receive(self, data: Data, size: int, scope: int) -> None:
        self._sandbox.about(scope)
        if self.session.state != "open":
            self._sandbox.left_out[UNHEARD] += 1
        self.session.receive(data, size)

    def lost(
        self, code: int | None, reason: str = "", error: str | None = None, scope: int = 0
    ) -> None:
        """Be gone."""
        if self._waiting:
            self._waiting.append(lambda: self._leave(code, reason, error, scope))
        else:
            self._leave(code, reason, error, scope)

    def _leave(self, code: int | None, reason: str, error: str | None, scope: int = 0) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._sandbox.about(scope)
        self.session.lost(code, reason, error)

    # ---- what its session calls

    def send(self, data: Data) -> int:
        size = size_of(data)
        self._hear(data)
        return size

    def close(self, code: int, reason: str) -> None:
        """Answer a Close when it was answered then (see `lost`), or else after a while."""
        if self._sandbox._ending:
            self.session.lost(code, reason)
        else:
            self._timer = self._sandbox._loop.call_later(CLOSING, self._leave, code, reason, None)

    def abort(self) -> None:
        self._leave(None, "", "connection dropped")

    def resume(self) -> None:
        """Go on with what waits."""
        if self._waiting:
            self._sandbox._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        while self._waiting and not self.session.halted:
            self._waiting.popleft()()

    def progress(self) -> int:
        return self.session.messages_out

    def settled(self) -> bool:
        return True

    def heard(self) -> bool:
        return True

    def ping(self) -> None:
        """Nothing to keep alive."""
