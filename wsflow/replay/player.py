"""One pass over a recording: lets happen again what happened, and hears what is answered.

What was answered then tells how far the handlers had come: an event enters when the answers
recorded before it are there, so that slow threads and late timers change nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any, Literal, Protocol, TypeAlias
from urllib.parse import urlencode

import anyio

from ..base.bodies import to_data
from ..base.secrets import SECRET_HEADERS, SECRET_QUERY
from ..compare.answer import AFTER, BEFORE, Answer, Tally
from ..compare.report import BY_HAND, DROPPED, Errors
from ..compare.rules import Rules
from ..compare.stream import Stream
from ..errors import ReplayError
from ..events import ANSWERS, EVENTS, HAND, is_by_hand, is_reply
from ..io.format import Entry
from ..io.reader import Reader
from ..io.redaction import Redaction
from ..types import Data
from .virtual_time import SLACK, VirtualLoop

GRACE = 5.0
"""Virtual seconds handlers get to end after the last recorded row; and before the first one, to
greet who was there already."""

TURN = 50e-6
"""Seconds between a row and an event that came in the same turn of the loop: nothing else ran."""

KEPT = 100_000
"""Rows that are remembered to know what they brought about."""

LOST = "whose cause is not in the recording"
BY_ITSELF = "brought about by timers and injects of the server"
OTHERS = "brought about by sessions that were not played"
Cue: TypeAlias = Literal["go", "end", "again"]


class Client(Protocol):
    """A recorded client on target."""

    def receive(self, data: Data, size: int, scope: int) -> None: ...

    def lost(self, code: int | None, reason: str, error: str | None, scope: int) -> None: ...


class Target(Protocol):
    """Where it is played: `clone.py` has a flow on it, `live.py` a server."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def idle(self) -> Awaitable[None]: ...

    def begun(self) -> None: ...

    def open(self, facts: dict[str, Any], hear: Callable[[Data], None], scope: int) -> Client: ...

    async def request(self, event: dict[str, Any], body: bytes, scope: int) -> Answer: ...


class Director(Protocol):
    """Who pauses, steps, seeks and stops (see `replay.Replay`)."""

    called: bool

    async def cue(self, t: float) -> Cue: ...

    def entered(self, *, mark: bool = False) -> None: ...


class Player:
    """Who is on target, what was answered then and what is answered now."""

    def __init__(
        self,
        reader: Reader,
        target: Target,
        loop: VirtualLoop,
        director: Director,
        tally: Tally,
        rules: Rules,
        errors: Errors,
        *,
        sessions: Collection[str] | None = None,
        until: float | str | None = None,
        max_gap: float | None = None,
    ) -> None:
        self.events = 0
        self._source, self._target, self._loop, self._director = reader, target, loop, director
        self.errors, self._tally, self._rules = errors, tally, rules
        self._wanted = sessions
        self._mark = until if isinstance(until, str) else None
        self._cut = until if isinstance(until, int | float) else math.inf
        self._max_gap = math.inf if max_gap is None else max_gap
        self._facts: dict[str, dict[str, Any]] = {}
        self._clients: dict[str, Client] = {}
        self._streams: dict[str, Stream] = {}
        self._requests: dict[int, str] = {}
        self._broadcasts: dict[int, int] = {}
        """The newest broadcast, and the scope that brought it about."""
        self._failure: ReplayError | None = None
        self._last = 0.0
        """When the newest row that was read was told."""
        self._seq, self._sound = 0, 1
        """The newest row, and the first one behind the last gap."""
        self._gaps: list[range] = []
        self._excused: dict[int, str] = {}
        """Rows that handlers played now are not to blame for, and why."""
        self._origins = getattr(target, "origins", ())
        """What tells which event was answered; a server has nothing of the kind."""
        self._fires: Callable[[str, Any, int], bool] | None = getattr(target, "fire", None)
        """How timers and injects are fired; nobody can do that to a server."""
        own = {*reader.header.get("redacted", ())} - SECRET_HEADERS - SECRET_QUERY
        self._clean = Redaction(own).clean if own else None
        """What the recording does not tell is not compared either."""

    async def play(self, early: list[dict[str, Any]]) -> bool:
        """Play it all and compare; False when it has to start over, for a seek to what is past.

        `early` are the handshakes of who was there already when the recording began.
        """
        await self._welcome(early)
        loop, director, streams, clients = self._loop, self._director, self._streams, self._clients
        for entry in self._source.entries():
            if entry.opened is not None:
                self._facts[str(entry.opened.get("id"))] = entry.opened
                continue
            if entry.seq != self._seq + 1:
                self._miss(entry.seq)
            self._seq, t, kind = entry.seq, entry.t, entry.kind
            if t > self._cut:
                if t > self._cut + GRACE:
                    break
                if kind in ANSWERS:
                    self._expect(entry, AFTER)
            elif kind in EVENTS:
                if self._wanted is not None and self._leave_out(entry):
                    continue
                if director.called or not loop.jump(t, t - self._last <= TURN):
                    cue = await self._reach(t)
                    if cue == "again":
                        return False
                    if cue == "end":
                        self._cut = loop.time()
                        continue
                client = clients.get(entry.session)  # type: ignore[arg-type]
                if client is not None and kind == "message":
                    self.events += 1
                    client.receive(_sent(entry), entry.size, entry.scope)
                else:
                    self._enter(entry)
                if director.called:
                    director.entered()
                self._last = t
            elif kind in ANSWERS:
                stream = streams.get(entry.session)  # type: ignore[arg-type]
                by_hand = entry.port == HAND
                if stream is None or entry.cause < self._sound or self._excused or by_hand:
                    stream = self._expect(entry)
                else:
                    stream.expect(t, _sent(entry), "", self._event_of(entry))
                if stream is not None and stream.behind:
                    await self._catch_up(stream, t)
                self._last = t
            else:
                if self._note(entry) and await self._mark_reached(entry) == "again":
                    return False
                self._last = t
        end = min(self._cut, self._last)
        if await self._reach(end) == "again":
            return False
        await self._settle()
        if self._failure is not None:
            raise self._failure
        for stream in streams.values():
            stream.finish(end + SLACK)
        return True

    # ---- what happened then, happens

    async def _welcome(self, early: list[dict[str, Any]]) -> None:
        """Let in who was there already; what they are greeted with was said before."""
        for facts in early:
            who = str(facts["id"])
            if self._wanted is None or who in self._wanted:
                self._facts[who] = facts
                self._open(who, "")
        if self._clients:
            while self._loop.time() < 0:
                await self._loop.reach(0.0)
            for stream in self._streams.values():
                stream.forget()
            self._target.begun()

    def _leave_out(self, entry: Entry) -> bool:
        """Whether an event is one of a session that is not played."""
        assert self._wanted is not None
        if entry.session is None or entry.session in self._wanted:
            return False
        self._remember(entry.seq, OTHERS)
        return True

    def _enter(self, entry: Entry) -> None:
        """Let one event happen."""
        if entry.kind == "fire":
            self.events += self._fire(entry)
            return
        self.events += 1
        who = entry.session
        if who is None:
            self._ask(entry)
            return
        client = self._clients.get(who)
        if client is None:  # one that comes, or whose coming was lost
            client = self._open(who, entry.path, entry.scope if entry.kind == "req" else 0)
        if entry.kind == "message":
            client.receive(_sent(entry), entry.size, entry.scope)
        elif entry.kind == "close":
            client.lost(entry.code, entry.reason, entry.error, entry.scope)

    def _fire(self, entry: Entry) -> bool:
        """Let a timer or an inject fire, unless it was a handler that did it, or time does it."""
        if self._fires is None:
            self._remember(entry.seq, BY_ITSELF)
        elif not entry.cause:
            return self._fires(entry.node, entry.value, entry.scope)
        elif entry.cause < self._sound or self._excused:
            self._excuse(entry)
        return False

    def _open(self, who: str, path: str, scope: int = 0) -> Client:
        facts = self._facts.pop(who, None) or {"id": who, "path": path}
        stream = self._stream(who)
        try:
            hear = stream.hear if self._clean is None else partial(self._hear, stream, self._clean)
            client = self._target.open(facts, hear, scope)
        except ReplayError as error:
            raise ReplayError(f"{self._place(who)}: {error}") from None
        self._clients[who] = client
        return client

    def _ask(self, entry: Entry) -> None:
        """Make a recorded HTTP request; its response is compared like a session's."""
        event = entry.value
        if not isinstance(event, dict) or "method" not in event:
            return
        who = f"{event['method']} {event['path']} #{entry.seq}"
        self._requests[entry.scope] = who
        stream = self._stream(who)

        async def ask() -> None:
            try:
                answer = await self._target.request(event, _body(event), entry.scope)
                clean = answer.body if self._clean is None else self._clean(answer.body)
                stream.hear(answer._replace(body=clean))
            except ReplayError as error:
                self._failure = ReplayError(f"{self._source.path}, row {entry.seq}: {error}")
                self._cut = self._loop.time()

        self._loop.spawn(ask())

    # ---- who answers, then and now

    def _stream(self, who: str) -> Stream:
        stream = self._streams.get(who)
        if stream is None:
            stream = self._streams[who] = Stream(
                who, self._rules, self._tally, self._loop.time, *self._origins
            )
        return stream

    def _hear(self, stream: Stream, clean: Callable[[Any], Any], data: Data) -> None:
        """Hear an answer as it would have been recorded."""
        stream.hear(clean(data))

    def _expect(self, entry: Entry, excuse: str = "") -> Stream | None:
        """Keep what was answered then, to compare with; None when nobody here was answered."""
        if entry.cause < self._sound or self._excused or entry.port == HAND:
            excuse = self._excuse(entry) or excuse
        who = entry.session
        if who is None:
            who = self._requests.get(entry.scope)
            if who is None:
                return None
            body: Any = _answered(entry)
        elif self._wanted is not None and who not in self._wanted:
            return None
        else:
            body = _sent(entry)
        stream = self._stream(who)
        stream.expect(entry.t, body, excuse, self._event_of(entry))
        return stream

    def _event_of(self, entry: Entry) -> int:
        """Return the number of the scope whose event was answered, also through a manager."""
        if not entry.cause:
            return 0  # by hand, or of a recording that does not tell
        return self._broadcasts.get(entry.cause, entry.scope) if self._broadcasts else entry.scope

    def _excuse(self, entry: Entry) -> str:
        """Return why nobody here is to blame for a row, if so: somebody or something else is."""
        cause = entry.cause
        why = self._excused.get(cause, "")
        if is_by_hand(entry):
            why = BY_HAND
        elif cause and not why and any(cause in gap for gap in self._gaps):
            why = BEFORE if cause in self._gaps[0] and self._gaps[0].start == 1 else LOST
        if why:
            self._remember(entry.seq, why)
        return why

    def _remember(self, seq: int, why: str) -> None:
        self._excused[seq] = why
        if len(self._excused) > KEPT:
            del self._excused[next(iter(self._excused))]

    def _miss(self, seq: int) -> None:
        """Rows are not there: cut out, damaged, dropped, or told before the recording began."""
        if seq > self._seq:
            self._gaps.append(range(self._seq + 1, seq))
            self._sound = seq

    def _note(self, entry: Entry) -> bool:
        """Keep what a row that is neither event nor answer says; True when it is a mark."""
        if entry.kind == "mark":
            return not entry.node or entry.value == self._mark
        if entry.kind == "broadcast":
            self._broadcasts = {entry.seq: entry.scope}  # what it sends follows at once
        elif entry.kind == "error":
            self.errors.expect(entry.node, entry.error or "")
        if entry.kind == "drop" and entry.port == "response":
            self._expect(entry, DROPPED)
        elif entry.cause < self._sound or self._excused:
            self._excuse(entry)
        return False

    # ---- time

    async def _reach(self, t: float) -> Cue:
        """Wait until its time has come; the director may have other plans."""
        loop = self._loop
        while True:
            if self._director.called:
                cue = await self._director.cue(t)
                if cue != "go":
                    return cue
            if t - self._last > self._max_gap:
                if not await loop.until(self._last + self._max_gap):
                    continue
                loop.hurry_until = max(loop.hurry_until, t)
            if await loop.reach(t):
                return "go"

    async def _catch_up(self, stream: Stream, t: float) -> None:
        """Wait for what was answered at `t`, by a thread, after a sleep, or in another turn."""
        loop = self._loop

        def heard() -> None:
            loop.skip(t)  # a timer was late then: so it is now
            loop.rouse()

        def is_there() -> bool:
            return not stream.behind

        stream.heard = heard
        try:
            while not is_there() and loop.time() < t:
                if self._director.called and await self._director.cue(t) != "go":
                    return
                await loop.until(t)
            await loop.turns()
            if not is_there() and loop.next_timer() <= t + SLACK:
                await loop.until(t + SLACK)
                await loop.turns()
            await loop.stand(is_there)
        finally:
            stream.heard = None
            stream.catch_up()

    async def _mark_reached(self, entry: Entry) -> Cue:
        cue: Cue = "go"
        if self._director.called and not entry.node:
            cue = await self._reach(entry.t)
            self._director.entered(mark=True)
        if self._mark is not None and str(entry.value) == self._mark:
            self._cut = entry.t
        return cue

    # ---- the end

    async def _settle(self) -> None:
        """Let handlers end; those that go on for ever are left alone after a while."""
        self._loop.speed = None
        with anyio.move_on_after(GRACE):
            await self._loop.turns()
            await self._target.idle()
            await self._loop.spawned()

    def _place(self, who: str) -> str:
        """Return file and line of a session's handshake, for an error."""
        for path, line, facts in self._source.handshakes():
            if facts.get("id") == who:
                return f"{path}, line {line}"
        return str(self._source.path)


def _sent(entry: Entry) -> Data:
    """Return a message or an answer as it went over the wire."""
    data = entry.data
    if type(data) is str and entry.bytes is None:
        return data
    value = entry.value
    return value if isinstance(value, str | bytes) else to_data(value)


def _answered(entry: Entry) -> Answer:
    """Return a recorded HTTP response; its row is the body alone where all else is as usual."""
    told, body = entry.value, entry.value
    status, headers = 200, dict[str, Any]()
    if is_reply(told):
        status, headers, body = told["status"], told["headers"], told["body"]
    usual = "text/plain" if isinstance(body, str) else "application/octet-stream"
    usual = usual if isinstance(body, str | bytes) else "application/json"
    data = b"" if body is None and not entry.size else to_data(body)
    content = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    return Answer.of(status, headers.get("content-type", usual), content)


def _body(event: dict[str, Any]) -> bytes:
    """Return the body of a recorded request as bytes again."""
    body = event.get("body")
    kind = str((event.get("headers") or {}).get("content-type", ""))
    if body is None:
        return b""
    if isinstance(body, bytes):
        return body
    if "json" in kind:
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if isinstance(body, dict):
        return urlencode(body, doseq=True).encode()
    return str(body).encode("utf-8", "surrogatepass")
