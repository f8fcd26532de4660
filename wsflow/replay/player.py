"""One pass over a recording: lets happen again what happened, and hears what is answered.

What was answered then tells how far the handlers had come: an event enters when the answers
recorded before it are there, so that slow threads and late timers change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, Protocol, TypeAlias

import anyio

from ..base.secrets import is_secret
from ..compare.answer import AFTER, DROPPED, Tally
from ..compare.errors import Errors
from ..compare.stream import Stream
from ..errors import ReplayError
from ..events import ANSWERS, EVENTS, HAND
from ..io.format import Entry
from ..io.reader import Reader
from ..io.redaction import Redaction
from ..types import Data
from .excuses import Excuses
from .options import ReplayOptions
from .payload import answered, body_of, has_secrets, request_of, sent
from .target import RecordedClient, Target
from .virtual_time import SLACK, VirtualLoop

GRACE = 5.0
"""Virtual seconds handlers get to end after the last recorded row; and before the first one, to
greet who was there already."""

LONGEST_GAP = 32 * 86_400.0
"""Seconds without an event: beyond that a clock was wrong, or timers are to run for ever."""

TURN = 50e-6
"""Seconds between a row and an event that came in the same turn of the loop: nothing else ran."""

BY_ITSELF = "brought about by timers and injects of the server"
NOT_PLAYED = "brought about by what could not be played"
OTHERS = "brought about by sessions that were not played"

Order: TypeAlias = Literal["go", "end", "again"]
"""What to do about what comes next: go on, play no more, or start over."""


class Controls(Protocol):
    """Who pauses, steps, seeks and stops (see `replay.Replay`)."""

    called: bool

    async def order(self, t: float) -> Order: ...

    def entered(self, *, mark: bool = False) -> None: ...


class Player:
    """Who is there, what was answered then and what is answered now."""

    def __init__(
        self,
        reader: Reader,
        target: Target,
        loop: VirtualLoop,
        controls: Controls,
        tally: Tally,
        errors: Errors,
        options: ReplayOptions,
    ) -> None:
        until = options.until
        self.events = 0
        self._reader, self._target, self._loop, self._controls = reader, target, loop, controls
        self.errors, self._tally, self._rules = errors, tally, options.rules
        self._wanted = options.sessions
        self._mark = until if isinstance(until, str) else None
        self._cut = until if isinstance(until, int | float) else math.inf
        self._max_gap = math.inf if options.max_gap is None else options.max_gap
        self._facts: dict[str, dict[str, Any]] = {}
        self._clients: dict[str, RecordedClient] = {}
        self._streams: dict[str, Stream] = {}
        self._requests: dict[int, str] = {}
        self._broadcasts: dict[int, int] = {}
        """The newest broadcast, and the scope that brought it about."""
        self._failure: ReplayError | None = None
        self._last = 0.0
        """When the newest row that was read was told."""
        self._seq = 0
        """The newest row that was read."""
        self._excuses = Excuses()
        self._stopped_at: float | None = None
        self.redacted = 0
        """Sessions and requests that had secrets, which were never recorded."""
        own = {name for name in reader.header.get("redacted", ()) if not is_secret(name)}
        self._clean = Redaction(own).clean if own else None
        """What the recording does not tell is not compared either."""

    async def play(self, early: list[dict[str, Any]]) -> bool:
        """Play it all and compare; False when it has to start over, for a seek to what is past.

        `early` are the handshakes of who was there already when the recording began.
        """
        await self._welcome(early)
        loop, controls, excuses = self._loop, self._controls, self._excuses
        streams, clients = self._streams, self._clients
        for entry in self._reader.entries():
            if entry.opened is not None:
                self._facts[str(entry.opened.get("id"))] = entry.opened
                continue
            if entry.seq != self._seq + 1:
                excuses.miss(self._seq + 1, entry.seq)
            self._seq, t, kind = entry.seq, entry.t, entry.kind
            if t > self._cut:
                if t > self._cut + GRACE:
                    break
                if kind in ANSWERS:
                    self._expect(entry, AFTER)
            elif kind in EVENTS:
                if self._wanted is not None and self._leave_out(entry):
                    continue
                if controls.called or not loop.jump(t, t - self._last <= TURN):
                    order = await self._reach(t)
                    if order == "again":
                        return False
                    if order == "end":
                        self._cut = self._stopped_at = loop.time()
                        continue
                client = clients.get(entry.session)  # type: ignore[arg-type]
                if entry.data is None and entry.bytes is None and self._is_lost(entry):
                    continue
                if client is not None and kind == "message":
                    self.events += 1
                    client.receive(sent(entry), entry.size, entry.scope)
                else:
                    self._enter(entry)
                if controls.called:
                    controls.entered()
                self._last = t
            elif kind in ANSWERS:
                stream = streams.get(entry.session)  # type: ignore[arg-type]
                by_hand = entry.port == HAND
                if stream is None or entry.cause < excuses.sound or excuses.rows or by_hand:
                    stream = self._expect(entry)
                else:
                    stream.expect(t, sent(entry), "", self._event_of(entry))
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

    @property
    def lacks(self) -> list[str]:
        """Why it is not all that was recorded that was played, in words."""
        left_out = [f"not played: {n} {what}" for what, n in self._target.left_out.items()]
        stopped = self._stopped_at
        return [
            *self._reader.lacks,
            *left_out,
            *([] if stopped is None else [f"it was stopped at {stopped:.2f} s"]),
        ]

    # ---- what happened then, happens

    def _is_lost(self, entry: Entry) -> bool:
        """Whether the data of an event was too long for its line, or is no request any more."""
        if entry.kind == "message" and entry.size:
            self._leave_out_of(entry, "messages that were too long to be recorded")
            return True
        return False

    def _leave_out_of(self, entry: Entry, what: str) -> None:
        """Leave out an event, and note that; what it brought about is excused."""
        self._target.left_out[what] += 1
        self._excuses.remember(entry.seq, NOT_PLAYED)

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
        self._excuses.remember(entry.seq, OTHERS)
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
            client.receive(sent(entry), entry.size, entry.scope)
        elif entry.kind == "close":
            client.lost(entry.code, entry.reason, entry.error, entry.scope)

    def _fire(self, entry: Entry) -> bool:
        """Let a timer or an inject fire, unless it was a handler that did it, or time does it."""
        target = self._target
        if not entry.cause or target.by_itself:
            fired = target.fire(entry.node, entry.value, entry.scope)
            if target.by_itself:
                self._excuses.remember(entry.seq, BY_ITSELF)
            return fired
        if entry.cause < self._excuses.sound or self._excuses.rows:
            self._excuses.of(entry)
        return False

    def _open(self, who: str, path: str, scope: int = 0) -> RecordedClient:
        facts = self._facts.pop(who, None) or {"id": who, "path": path}
        self.redacted += has_secrets(facts)
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
        event = request_of(entry)
        if event is None:
            self._leave_out_of(entry, "requests that could not be recorded as they were")
            return
        self.redacted += has_secrets(event)
        who = f"{event['method']} {event['path']} #{entry.seq}"
        self._requests[entry.scope] = who
        stream = self._stream(who)

        async def ask() -> None:
            try:
                answer = await self._target.request(event, body_of(event), entry.scope)
                clean = answer.body if self._clean is None else self._clean(answer.body)
                stream.hear(answer._replace(body=clean))
            except ReplayError as error:
                self._failure = ReplayError(f"{self._reader.path}, row {entry.seq}: {error}")
                self._cut = self._loop.time()

        self._loop.spawn(ask())

    # ---- who answers, then and now

    def _stream(self, who: str) -> Stream:
        stream = self._streams.get(who)
        if stream is None:
            stream = self._streams[who] = Stream(
                who, self._rules, self._tally, self._loop.time, *self._target.origins
            )
        return stream

    def _hear(self, stream: Stream, clean: Callable[[Any], Any], data: Data) -> None:
        """Hear an answer as it would have been recorded."""
        stream.hear(clean(data))

    def _expect(self, entry: Entry, excuse: str = "") -> Stream | None:
        """Keep what was answered then, to compare with; None when nobody here was answered."""
        if entry.cause < self._excuses.sound or self._excuses.rows or entry.port == HAND:
            excuse = self._excuses.of(entry) or excuse
        who = entry.session
        if who is None:
            who = self._requests.get(entry.scope)
            if who is None:
                return None
            body: Any = answered(entry)
        elif self._wanted is not None and who not in self._wanted:
            return None
        else:
            body = sent(entry)
        stream = self._stream(who)
        stream.expect(entry.t, body, excuse, self._event_of(entry))
        return stream

    def _event_of(self, entry: Entry) -> int:
        """Return the number of the scope whose event was answered, also through a manager."""
        if not entry.cause:
            return 0  # by hand, or of a recording that does not tell
        return self._broadcasts.get(entry.cause, entry.scope) if self._broadcasts else entry.scope

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
        elif entry.cause < self._excuses.sound or self._excuses.rows:
            self._excuses.of(entry)
        return False

    # ---- time

    async def _reach(self, t: float) -> Order:
        """Wait until its time has come; who is at the controls may have other plans."""
        loop = self._loop
        if t - self._last > LONGEST_GAP and self._max_gap > LONGEST_GAP:
            raise ReplayError(
                f"{self._reader.path}: {(t - self._last) / 86_400:,.0f} days pass before row "
                f"{self._seq} in which nothing happens; max_gap=60 makes a minute of them, "
                "until= ends it before"
            )
        while True:
            if self._controls.called:
                order = await self._controls.order(t)
                if order != "go":
                    return order
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
                if self._controls.called and await self._controls.order(t) != "go":
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

    async def _mark_reached(self, entry: Entry) -> Order:
        order: Order = "go"
        if self._controls.called and not entry.node:
            order = await self._reach(entry.t)
            self._controls.entered(mark=True)
        if self._mark is not None and str(entry.value) == self._mark:
            self._cut = entry.t
        return order

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
        for path, line, facts in self._reader.handshakes():
            if facts.get("id") == who:
                return f"{path}, line {line}"
        return str(self._reader.path)
