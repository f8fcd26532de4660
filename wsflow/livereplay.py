"""A recording played to a live server of any make: what its clients did then is done over sockets.

This is the stage of `replay.py` that has a server on it; order, time and comparison are the same.
Opposite: `twin.py`, the stage on which a flow plays.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

import anyio
import anyio.to_thread

from .compare import NO_RULES, Rules
from .errors import RefusedError, ReplayError
from .ghosts import _is_own, _known, _sendable
from .lines import Entry
from .log import Log
from .recording import Recording
from .replay import Replay
from .tape import Tape
from .types import Data
from .virtual import VirtualLoop

if TYPE_CHECKING:
    from anyio.abc import TaskGroup
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
    from websockets.asyncio.client import ClientConnection

REACH = 5.0
"""Seconds after which nobody listens there."""

PATIENCE = 5.0
"""Seconds a server may keep a replay waiting. Each time it does so in vain that halves."""

LEAST_PATIENCE = 0.05

BREATH, DEEP_BREATH = 0.02, 0.25
"""Seconds a server gets to take in a step, when none or none surely of its answers tells that it
has: a handshake is answered before the program behind it knows of the session."""

LEAVE = 2.0
"""Seconds all have to say goodbye at the end."""

TICK = 0.01
"""Seconds between two looks at what is waited for in real time."""

AHEAD = 64
"""Steps that are lined up when no time is to be kept."""

WAITING = 100_000
"""Steps that may wait for a server that is slower than its recording."""

MAX_ANSWER = 64 * 2**20
"""Bytes an answer may have."""


def replay_to(
    url: str,
    recording: Recording,
    *,
    speed: float | None = None,
    rules: Rules = NO_RULES,
    sessions: Iterable[str] | None = None,
    until: float | str | None = None,
    loop: int = 1,
    max_gap: float | None = None,
) -> Replay:
    """Play a recording to the server at `url`: `report = await replay_to("ws://host:1", it)`.

    Sessions connect with the recorded paths, queries and headers (secrets were never recorded: a
    query of `url`, such as `?token=...`, is added to each), send what was sent and leave as they
    left; recorded HTTP requests are made too. With `speed=None` each step waits for the answers
    that had come by then, and for no recorded time. The rest is as in `Flow.replay`.

    Raises:
        ReplayError: it is no WebSocket address; when awaited: nobody listens there.
    """
    address = Address.of(url)
    heard = _Overheard(recording.path, recording.header)

    def stage(loop: VirtualLoop, _began: int) -> tuple[_Server, Log]:
        server = _Server(address, loop)
        heard.tell = server.told
        return server, server.log

    return Replay(
        heard,
        stage,
        speed=speed,
        rules=rules,
        sessions=None if sessions is None else frozenset(sessions),
        until=until,
        loop=loop,
        max_gap=max_gap,
    )


class _Overheard(Recording):
    """A recording that tells what was read of it, when more is asked for."""

    tell: Callable[[Entry], object]

    def entries(self) -> Iterator[Entry]:
        for entry in super().entries():
            yield entry
            self.tell(entry)


# ---- where it is played


@dataclass(frozen=True)
class Address:
    """Where a server is, and what is added to every path and query."""

    parts: SplitResult

    @classmethod
    def of(cls, url: str) -> Address:
        """Return the address in `ws://host:port/prefix?query`.

        Raises:
            ReplayError: it is none.
        """
        with contextlib.suppress(ValueError):  # a port that is no number
            parts = urlsplit(url)
            if parts.scheme in {"ws", "wss"} and parts.hostname and parts.port != 0:
                return cls(parts)
        raise ReplayError(f"{url!r} is no address of a WebSocket server: ws://host:port")

    @property
    def is_secure(self) -> bool:
        """Whether TLS is spoken there."""
        return self.parts.scheme == "wss"

    @property
    def port(self) -> int:
        """The TCP port."""
        return self.parts.port or (443 if self.is_secure else 80)

    def target(self, path: str, query: Any) -> str:
        """Return path and query of a recorded request, for this server."""
        pairs = urlencode([*_known(query), *parse_qsl(self.parts.query)])
        return f"{self.parts.path.rstrip('/')}{quote(path)}{'?' if pairs else ''}{pairs}"

    def reach(self) -> None:
        """Raise `ReplayError` unless somebody listens there."""
        try:
            socket.create_connection((str(self.parts.hostname), self.port), REACH).close()
        except OSError as error:
            there = f"{self.parts.scheme}://{self.parts.netloc}"
            raise ReplayError(
                f"nobody listens at {there} ({error.strerror or error}); start that server first"
            ) from error

    @asynccontextmanager
    async def connect(self, facts: dict[str, Any]) -> AsyncIterator[ClientConnection]:
        """Connect as a recorded session did.

        Raises:
            RefusedError: the server does not want it.
            OSError: there is no connection.
        """
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus, WebSocketException
        from websockets.typing import Subprotocol

        headers = {key.lower(): one for key, one in _known(facts.get("headers")) if _is_own(key)}
        offered = headers.pop("sec-websocket-protocol", "").split(",")
        target = self.target(str(facts["path"]), facts.get("query"))
        try:
            connection = await connect(
                f"{self.parts.scheme}://{self.parts.netloc}{target}",
                additional_headers=headers,
                subprotocols=[Subprotocol(one.strip()) for one in offered if one.strip()] or None,
                compression=None,
                proxy=None,
                max_size=MAX_ANSWER,
                open_timeout=None,  # time is virtual here: the stage has the patience
                ping_interval=None,
                close_timeout=None,
            )
        except InvalidStatus as error:
            told = (error.response.body or b"").decode(errors="replace")
            raise RefusedError(target, error.response.status_code, told) from error
        except (WebSocketException, ValueError) as error:
            raise ConnectionError(f"no WebSocket at {target!r}: {error}") from error
        try:
            yield connection
        finally:
            connection.transport.abort()

    def ask(self, event: dict[str, Any], body: bytes) -> bytes:
        """Make a recorded HTTP request and return the body of the response."""
        make = http.client.HTTPSConnection if self.is_secure else http.client.HTTPConnection
        connection = make(str(self.parts.hostname), self.port, timeout=PATIENCE)
        headers = {key: one for key, one in _known(event.get("headers")) if _is_own(key)}
        with contextlib.closing(connection):
            target = self.target(str(event["path"]), event.get("query"))
            connection.request(event["method"], target, body or None, headers)
            return connection.getresponse().read()


class _Server:
    """A live server as the stage of a replay.

    What clients did is done in the recorded order, each step when its time has come and all answers
    are there that had come before it; the patience for those comes to an end. When no time is to be
    kept, virtual time stands still meanwhile.
    """

    def __init__(self, address: Address, loop: VirtualLoop) -> None:
        self.address, self._loop = address, loop
        self._tape = Tape(max_rows=1_000)
        self.log = Log(self._tape)
        self.idle: Callable[[], Awaitable[None]] = self._settle
        self.group: TaskGroup
        self.due: Counter[str] = Counter()
        """How many answers a session had been given so far."""
        self._open = AsyncExitStack()
        self._guests: dict[str, _Guest] = {}
        self._owing: set[_Guest] = set()
        self._by_hand: set[int] = set()
        self._put: MemoryObjectSendStream[_Step | str]
        self._behind = self._asking = 0
        self._ahead = False
        self._gates: deque[anyio.Event] = deque()
        self._bell = anyio.Event()
        self._patience = PATIENCE
        self._last, self._stepped, self._unheard, self._due_since = "", 0.0, False, False
        self._moved = time.monotonic()

    async def start(self) -> None:
        """See whether somebody is there.

        Raises:
            ReplayError: nobody.
        """
        self.address.reach()  # blocks, but this thread has nothing else to do yet
        self._put, steps = anyio.create_memory_object_stream[_Step | str](WAITING)
        self._open.enter_context(self._put)
        self._open.enter_context(steps)
        self.group = await self._open.enter_async_context(anyio.create_task_group())
        self.group.start_soon(self._go, steps)
        busy = self._loop.busy
        self._loop.busy = lambda: busy() or self._is_ahead()

    async def stop(self) -> None:
        """Take leave of all that are still there."""
        for guest in self._guests.values():
            guest.do(_Goodbye(1000, ""))
        limit = time.monotonic() + LEAVE
        while any(guest.is_open for guest in self._guests.values()) and time.monotonic() < limit:
            await _real_time()
        self.group.cancel_scope.cancel()
        await self._open.aclose()
        for guest in self._guests.values():
            guest.close()

    def open(self, facts: dict[str, Any], hear: Callable[[Data], None]) -> _Guest:
        """Connect a recorded session, when it is its turn."""
        guest = _Guest(facts, hear, self)
        self._guests[guest.id] = guest
        self.later(guest.id, guest.begin)
        return guest

    async def request(self, event: dict[str, Any], body: bytes) -> Data:
        """Make a recorded HTTP request, when it is its turn; return the body of its response."""
        await self._gates.popleft().wait()
        try:
            answer = await anyio.to_thread.run_sync(partial(self.address.ask, event, body))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.fault(f"{event['method']} {event['path']}", error)
            return ""
        finally:
            self._asking -= 1
            self.heard()
        try:
            return answer.decode()
        except UnicodeDecodeError:
            return answer

    def fault(self, who: str, error: Exception) -> None:
        """Write down what went wrong."""
        place = self._tape.place("error", who, "")
        self._tape.tell(place, 0, 0, 0, None, 0, None, f"{type(error).__name__}: {error}")

    # ---- step by step

    def told(self, entry: Entry) -> None:
        """Note what had happened before the next step: an answer, or a request."""
        if entry.kind == "broadcast" and not entry.cause:
            self._by_hand.add(entry.seq)
        elif entry.kind in {"response", "send"}:
            by_hand = entry.kind == "send" and not entry.cause
            if entry.session is not None and not by_hand and entry.cause not in self._by_hand:
                self._line_up(entry.session)
        elif entry.kind == "req" and is_request(entry):
            gate = anyio.Event()
            self._gates.append(gate)
            self.later("", partial(self._ask, gate))

    def later(self, who: str, do: Callable[[], None]) -> None:
        """Do something for a session (or for none) when it is its turn."""
        self._behind += 1
        self._line_up(_Step(who, do))
        self.moved()

    def _line_up(self, step: _Step | str) -> None:
        try:
            self._put.send_nowait(step)
        except anyio.WouldBlock:
            raise ReplayError(
                f"the server is {WAITING} steps behind; play it slower, or as fast as it answers"
            ) from None

    def _ask(self, gate: anyio.Event) -> None:
        self._asking += 1
        gate.set()

    async def _go(self, steps: MemoryObjectReceiveStream[_Step | str]) -> None:
        """Take step after step."""
        async for step in steps:
            if isinstance(step, str):
                self.due[step] += 1
                self._due_since = True
                self.reckon(step)
                continue
            await self._answered()
            await self._breathe(step.who)
            step.do()
            self._last, self._stepped = step.who, time.monotonic()
            self._unheard, self._due_since = True, False
            self._behind -= 1
            self.moved()

    async def _answered(self) -> None:
        """Wait for the answers that had come by then."""
        while self._owing or self._asking:
            self._bell = anyio.Event()
            left = max(TICK, self._patience - (time.monotonic() - self._moved))
            with anyio.move_on_after(left * (self._loop.speed or 1.0)):
                await self._bell.wait()
            self._waits()

    async def _breathe(self, who: str) -> None:
        """Let the server take in the last step, when nothing that was heard tells that it has."""
        breath = BREATH if who != self._last else 0.0
        if self._due_since:  # what was due had come already: perhaps it was something else
            breath = min(DEEP_BREATH, self._patience)
        while self._unheard and time.monotonic() - self._stepped < breath:
            await _real_time()

    # ---- what is waited for

    def heard(self) -> None:
        """The server has answered somebody: it has taken in what was done before."""
        self._unheard = False
        self.moved()

    def moved(self) -> None:
        """Something happened: the waiting begins anew."""
        self._moved = time.monotonic()
        self._bell.set()

    def reckon(self, session: str) -> None:
        """See whether the server owes a session something."""
        guest = self._guests.get(session)
        if guest is not None:
            (self._owing.add if guest.is_waiting else self._owing.discard)(guest)

    def _waits(self) -> bool:
        """Say whether something is still to come; forgive those who do not come."""
        if not (self._behind or self._owing or self._asking):
            return False
        if time.monotonic() - self._moved >= self._patience and self._owing:
            self._patience = max(self._patience / 2, LEAST_PATIENCE)
            for guest in list(self._owing):
                guest.forgive()
            self.moved()
        return True

    def _is_ahead(self) -> bool:
        """Say whether so much is lined up that virtual time has to wait."""
        self._ahead = self._behind > (AHEAD // 2 if self._ahead else AHEAD)
        return self._ahead and self._waits()

    async def _settle(self) -> None:
        """Wait, in real time, for all that is still to come."""
        frozen, self._loop.frozen = self._loop.frozen, True
        try:
            while self._waits():
                await _real_time()
        finally:
            self._loop.frozen = frozen


class _Step(NamedTuple):
    """What is to be done, and which session does it. A text in its place: it had an answer."""

    who: str
    do: Callable[[], None]


class _Goodbye(NamedTuple):
    code: int | None
    reason: str


class _Guest:
    """A recorded session at a live server."""

    def __init__(
        self, facts: dict[str, Any], hear: Callable[[Data], None], server: _Server
    ) -> None:
        self.id = str(facts["id"])
        self.is_open = True
        self._facts, self._hear, self._server = facts, hear, server
        self._came = self._forgiven = self._undone = 0
        self._put, self._todo = anyio.create_memory_object_stream[Data | _Goodbye](WAITING)

    # ---- what is asked for

    def begin(self) -> None:
        """Connect."""
        self._undone += 1
        self._server.group.start_soon(self._visit)
        self._server.reckon(self.id)

    def receive(self, data: Data, size: int) -> None:
        """Send a message to the server, when it is its turn."""
        self._server.later(self.id, partial(self.do, data))

    def lost(self, code: int | None, reason: str = "", error: str | None = None) -> None:
        """Leave as it was left then, when it is its turn."""
        goodbye = _Goodbye(*_sendable(code, reason))
        self._server.later(self.id, partial(self.do, goodbye))

    def do(self, what: Data | _Goodbye) -> None:
        """Send, or leave, unless the server has left."""
        if self.is_open:
            try:
                self._put.send_nowait(what)
            except anyio.WouldBlock as error:  # the patience with it came to an end long ago
                self._server.fault(self.id, error)
            else:
                self._add(1)

    # ---- what is waited for

    @property
    def is_waiting(self) -> bool:
        """Whether the server has not done all it had done then."""
        missing = self._server.due[self.id] - self._came - self._forgiven
        return self.is_open and (self._undone > 0 or missing > 0)

    def forgive(self) -> None:
        """Wait no longer for what has not come."""
        self._forgiven = max(0, self._server.due[self.id] - self._came)
        self._undone = 0
        self._server.reckon(self.id)

    def _add(self, undone: int) -> None:
        self._undone = max(0, self._undone + undone)
        self._server.reckon(self.id)
        self._server.moved()

    # ---- at the server

    async def _visit(self) -> None:
        """Connect, say what is to be said, hear what is answered, and leave."""
        try:
            async with self._server.address.connect(self._facts) as connection:
                self._add(-1)
                async with anyio.create_task_group() as group:
                    group.start_soon(self._listen, connection)
                    await self._talk(connection)
        except (RefusedError, OSError) as error:
            self._server.fault(self.id, error)
        finally:
            self.close()
            self._add(-1)

    async def _talk(self, connection: ClientConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        with contextlib.suppress(ConnectionClosed):  # the server has left
            async for what in self._todo:
                if not isinstance(what, _Goodbye):
                    await connection.send(what)
                elif what.code is None:
                    connection.transport.abort()
                else:
                    await connection.close(what.code, what.reason)
                self._add(-1)

    async def _listen(self, connection: ClientConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        with contextlib.suppress(ConnectionClosed):
            async for data in connection:
                self._came += 1
                self._hear(data)
                self._server.reckon(self.id)
                self._server.heard()
        self.is_open = False
        self._put.close()

    def close(self) -> None:
        """Say that it is over; harmless twice."""
        self.is_open = False
        self._put.close()
        self._todo.close()


def is_request(entry: Entry) -> bool:
    """Say whether an entry is an HTTP request that is made again."""
    event = entry.value if entry.session is None else None
    return isinstance(event, dict) and "method" in event


async def _real_time() -> None:
    """Let a moment of real time pass; the loop's own is virtual."""
    await anyio.to_thread.run_sync(time.sleep, TICK)
