"""A recording played to a live server of any make: what its clients did then is done over sockets.

This is the target of `replay.py` that has a server on it; order, time and comparison are the same.
Opposite: `sandbox.py`, the target that has a flow in it.
"""

from __future__ import annotations

import http.client
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import anyio.to_thread

from ..base.threads import aside
from ..compare.answer import HttpAnswer
from ..errors import ReplayError
from ..events import ANSWERS, is_by_hand
from ..io.format import Entry
from ..io.reader import Reader
from ..log.log import Log
from ..log.store import Store
from ..tracebacks import named
from ..types import Data
from .address import Address, own_headers
from .live_client import Leave, LiveClient
from .options import NO_OPTIONS, ReplayOptions
from .payload import request_of
from .replay import Replay
from .virtual_time import VirtualLoop

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

TOP_SPEED = 100.0
"""Faster than that no time is kept: what is left of five seconds would be too short to answer."""

MAX_WAIT = 5.0
"""Seconds a server may keep a replay waiting. Each time it does so in vain that halves."""

MIN_WAIT = 0.05

BREATH, DEEP_BREATH = 0.02, 0.25
"""Seconds a server gets to take in a step when no answer tells that it has (a handshake is answered
before the program behind it knows of the session), and when those that were due had come before it:
perhaps they were others. In vain, the second halves, down to the first."""

LEAVE = 2.0
"""Seconds all have to leave at the end."""

TICK = 0.01
"""Seconds between two looks at what is waited for in real time."""

AHEAD = 64
"""Steps that are lined up when no time is to be kept, before virtual time stands still."""

WAITING = 100_000
"""Steps that may wait for a server that is slower than its recording."""


def replay_to(url: str, recording: Reader, options: ReplayOptions = NO_OPTIONS) -> Replay:
    """Play a recording to the server at `url`: `report = await replay_to("ws://host:1", it)`.

    Sessions connect with the recorded paths, queries and headers (secrets were never recorded: a
    query of `url`, such as `?token=...`, is added to each), send what was sent and leave as they
    left; recorded HTTP requests are made too. Each step waits for its time, unless the speed is
    None (or above 100), and for the answers that had come by then. The rest is as in `Flow.replay`.

    Raises:
        ReplayError: it is no WebSocket address; when awaited: nobody listens there.
    """
    address = Address.of(url)
    if options.speed is not None and options.speed > TOP_SPEED:
        options = replace(options, speed=None)
    followed = _Followed(recording.path, recording.header)

    def target(loop: VirtualLoop, _began: int, _flow: object) -> tuple[_Server, Log]:
        server = _Server(address, loop)
        followed.tell = server.told
        return server, server.log

    return Replay(followed, target, options)


class _Followed(Reader):
    """A recording that tells what was read of it, when more is asked for."""

    tell: Callable[[Entry], object]

    def entries(self) -> Iterator[Entry]:
        for entry in super().entries():
            yield entry
            self.tell(entry)


# ---- where it is played


class _Server:
    """A live server as the target of a replay.

    What clients did is done in the recorded order, each step when its time has come and all answers
    are there that had come before it; the patience for those comes to an end. Steps are lined up
    here, and taken one by one in real time.
    """

    def __init__(self, address: Address, loop: VirtualLoop) -> None:
        self.address, self._loop = address, loop
        self.origins: tuple[()] = ()
        self.left_out = Counter[str]()
        self.by_itself = True
        self._store = Store(max_rows=1_000)
        self.log = Log(self._store)
        self.group: TaskGroup
        self.due: Counter[str] = Counter()
        """How many answers a session had been given so far."""
        self._open = AsyncExitStack()
        self._clients: dict[str, LiveClient] = {}
        self._owing: set[LiveClient] = set()
        self._by_hand: set[int] = set()
        self._steps: deque[_Step | str] = deque()
        self._behind = self._asking = 0
        self._gates: deque[anyio.Event] = deque()
        self._wakeup, self._lined_up = anyio.Event(), anyio.Event()
        self._patience = MAX_WAIT
        self._last, self._stepped, self._unheard = "", 0.0, False
        self._fresh: Counter[str] = Counter()  # answers since the last step: due, less those here
        self._breath = DEEP_BREATH
        self._moved = time.monotonic()

    async def start(self) -> None:
        """See whether somebody is there.

        Raises:
            ReplayError: nobody.
        """
        self.address.reach()  # blocks, but this thread has nothing else to do yet
        self.group = await self._open.enter_async_context(anyio.create_task_group())
        self.group.start_soon(self._go)
        self.group.start_soon(self._watch)
        self._loop.busy = lambda: self._behind > AHEAD

    async def stop(self) -> None:
        """Take leave of all that are still there."""
        for client in self._clients.values():
            client.do(Leave(1000, ""))
        limit = time.monotonic() + LEAVE
        while any(client.is_open for client in self._clients.values()) and time.monotonic() < limit:
            await _real_time()
        self.group.cancel_scope.cancel()
        await self._open.aclose()
        for client in self._clients.values():
            client.close()

    def begun(self) -> None:
        """Who was there before has connected; a server does not tell what it does since when."""

    def open(
        self, facts: dict[str, Any], hear: Callable[[Data], None], scope: int = 0
    ) -> LiveClient:
        """Connect a recorded session, when it is its turn."""
        self.address.check(str(facts["path"]), own_headers(facts.get("headers")))
        client = LiveClient(facts, hear, self)
        self._clients[client.id] = client
        self.later(client.id, client.begin)
        return client

    async def request(self, event: dict[str, Any], body: bytes, scope: int = 0) -> HttpAnswer:
        """Make a recorded HTTP request, when it is its turn; return its response."""
        await self._gates.popleft().wait()
        try:
            return await aside(self.address.ask, event, body)
        except ReplayError:
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.left_out["requests that had no answer"] += 1
            self.fault(f"{event['method']} {event['path']}", error)
            return HttpAnswer(0, "", "")
        finally:
            self._asking -= 1
            self.heard("")

    def fire(self, name: str, value: Any, scope: int) -> bool:
        """Leave it to the server: nobody can make one fire."""
        return False

    def fault(self, who: str, error: Exception) -> None:
        """Write down what went wrong."""
        place = self._store.place("error", who, "")
        self._store.tell(place, 0, 0, 0, None, 0, None, self.address.hidden(named(error)))

    # ---- step by step

    def told(self, entry: Entry) -> None:
        """Note what had happened before the next step: an answer, or a request."""
        kind = entry.kind
        if kind == "fire" or (kind == "broadcast" and is_by_hand(entry)):
            self._by_hand.add(entry.seq)  # nobody can do that to a server
        elif kind in {"route", "broadcast"} and entry.cause in self._by_hand:
            self._by_hand.add(entry.seq)
        elif kind in ANSWERS:
            by_hand = is_by_hand(entry) or entry.cause in self._by_hand
            if entry.session is not None and not by_hand:
                self._line_up(entry.session)
        elif kind == "req" and request_of(entry) is not None:
            gate = anyio.Event()
            self._gates.append(gate)
            self.later("", partial(self._ask, gate))

    def later(self, who: str, do: Callable[[], None]) -> None:
        """Do something for a session (or for none) when it is its turn."""
        self._behind += 1
        self._line_up(_Step(who, do))
        self.moved()

    def _line_up(self, step: _Step | str) -> None:
        if self._behind > WAITING:
            raise ReplayError(
                f"the server is {WAITING} steps behind; play it slower, or as fast as it answers"
            )
        self._steps.append(step)
        if self._loop.speed is not None or self._behind > AHEAD:
            self._lined_up.set()

    def _ask(self, gate: anyio.Event) -> None:
        self._asking += 1
        gate.set()

    async def _go(self) -> None:
        """Take step after step."""
        while True:
            while self._steps:
                step = self._steps.popleft()
                if isinstance(step, str):
                    self.due[step] += 1
                    self._fresh[step] += 1
                    self.reckon(step)
                else:
                    await self._take(step)
            self._lined_up = anyio.Event()
            await self._lined_up.wait()

    async def _take(self, step: _Step) -> None:
        """Take a step when all answers are there that had come by then."""
        while self._owing or self._asking:
            self._wakeup = anyio.Event()
            await self._wakeup.wait()
        await self._breathe(step.who)
        step.do()
        self._last, self._stepped = step.who, time.monotonic()
        self._unheard = True
        self._fresh.clear()
        self._behind -= 1
        self.moved()

    async def _breathe(self, who: str) -> None:
        """Let the server take in the last step, where what was heard does not tell that it has."""
        while True:
            doubtful = any(
                missing > 0 and self._is_there(one) for one, missing in self._fresh.items()
            )
            if not doubtful and (who == self._last or not self._unheard):
                return
            if time.monotonic() - self._stepped >= (self._breath if doubtful else BREATH):
                if doubtful:
                    self._breath = max(self._breath / 2, BREATH)
                return
            await _real_time()

    # ---- what is waited for

    def heard(self, who: str) -> None:
        """The server has answered somebody: it has taken in what was done before."""
        self._unheard = False
        self._fresh[who] -= 1
        self.moved()

    def moved(self) -> None:
        """Something happened: the waiting begins anew."""
        self._moved = time.monotonic()
        self._wakeup.set()

    def reckon(self, session: str) -> None:
        """See whether the server owes a session something."""
        client = self._clients.get(session)
        if client is not None:
            (self._owing.add if client.is_waiting else self._owing.discard)(client)

    def _is_there(self, who: str) -> bool:
        client = self._clients.get(who)
        return client is not None and client.is_open

    async def _watch(self) -> None:
        """See that it goes on."""
        while True:
            await _real_time()
            self._waits()

    def _waits(self) -> bool:
        """Say whether something is still to come; forgive those who do not come."""
        if self._steps:
            self._lined_up.set()
        if self._owing and time.monotonic() - self._moved >= self._patience:
            self._patience = max(self._patience / 2, MIN_WAIT)
            for client in list(self._owing):
                client.forgive()
            self.moved()
        return bool(self._steps or self._behind or self._owing or self._asking)

    async def idle(self) -> None:
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


async def _real_time() -> None:
    """Let a moment of real time pass; the loop's own is virtual."""
    await aside(time.sleep, TICK)
