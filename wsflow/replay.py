"""Plays a recording into today's handlers and compares what they answer.

Recorded `req`, `message` and `close` events come in by the front door, as sessions of a flow of
its own (`twin.py`), in a thread with a loop whose time is virtual (`virtual.py`): an hour takes as
long as its work. Opposite: `recorder.py` made what is played.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Generator
from typing import Any, Protocol
from urllib.parse import urlencode

import anyio

from .bodies import to_data
from .compare import Rules, Said, compare
from .errors import ReplayError
from .lines import Entry
from .log import Log
from .progress import progress
from .recording import Recording
from .report import Report
from .types import Data
from .virtual import VirtualLoop

GRACE = 5.0
"""Virtual seconds handlers get to end after the last recorded row."""

EVENTS = frozenset({"req", "message", "close"})


class Played(Protocol):
    """A session on stage."""

    @property
    def is_open(self) -> bool: ...

    def receive(self, data: Data, size: int) -> None: ...

    def lost(self, code: int | None, reason: str = "", error: str | None = None) -> None: ...


class Stage(Protocol):
    """Where it is played (see `twin.Stage`)."""

    idle: Callable[[], Awaitable[None]]

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def open(self, facts: dict[str, Any], hear: Callable[[Data], None]) -> Played: ...

    async def request(self, event: dict[str, Any], body: bytes) -> Data: ...


StageMaker = Callable[[VirtualLoop, int], tuple[Stage, Log]]
"""Make a stage in a loop, for a recording that began at a UTC time in nanoseconds."""


class Replay:
    """A recording being played. `await` it for its `Report`; the controls work from any thread."""

    def __init__(
        self,
        recording: Recording,
        stage: StageMaker,
        *,
        speed: float | None = None,
        rules: Rules,
        sessions: Collection[str] | None = None,
        until: float | str | None = None,
        loop: int = 1,
        max_gap: float | None = None,
    ) -> None:
        if speed is not None and speed <= 0:
            raise ReplayError(
                f"speed is a number above 0, or None for as fast as possible: {speed}"
            )
        if loop < 1:
            raise ReplayError(f"loop says how often it is played, at least once: {loop}")
        self.recording = recording
        self.position = 0.0
        """How far it is, in recorded seconds."""
        self._make_stage, self._speed, self._rules = stage, speed, rules
        self._sessions, self._until, self._rounds = sessions, until, loop
        self._max_gap = max_gap
        self._done: concurrent.futures.Future[Report] = concurrent.futures.Future()
        self._thread: threading.Thread | None = None
        self._loop: VirtualLoop | None = None
        self._bell: asyncio.Event | None = None
        self._steps: int | None = None
        self._to_mark = False
        self._seek: float | None = None
        self._stopped = False

    # ---- controls, from any thread

    def start(self) -> Replay:
        """Begin to play, if it has not begun."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="wsflow replay", daemon=True)
            self._thread.start()
        return self

    def pause(self) -> None:
        """Stop before the next event; its time stands still."""
        self._steps = 0

    def resume(self) -> None:
        """Go on."""
        self._steps, self._to_mark = None, False
        self._wake()

    def step(self, *, mark: bool = False) -> None:
        """Play one more event and pause again, or all up to the next mark."""
        self._to_mark = mark
        self._steps = None if mark else (self._steps or 0) + 1
        self._wake()

    def seek(self, t: float) -> None:
        """Go to a moment in recorded seconds, as fast as possible; back means from the start."""
        self._seek = t
        self._wake()

    def stop(self) -> None:
        """End now; the report tells of what was played."""
        self._stopped = True
        self._wake()

    @property
    def paused(self) -> bool:
        """Whether it waits for `step` or `resume`."""
        return self._steps == 0

    @property
    def done(self) -> bool:
        """Whether it has been played."""
        return self._done.done()

    def _wake(self) -> None:
        loop, bell = self._loop, self._bell
        if loop is not None and bell is not None and not loop.is_closed():
            loop.call_soon_threadsafe(bell.set)

    # ---- the outcome

    def __await__(self) -> Generator[Any, None, Report]:
        return self._outcome().__await__()

    async def _outcome(self) -> Report:
        self.start()
        try:
            async with progress(
                f"replay {self.recording.name}", lambda: self.recording.progress, self._done.done
            ):
                return await asyncio.wrap_future(self._done)
        except BaseException:
            self.stop()  # an interrupted cell does not leave it running
            raise

    def result(self, timeout: float | None = None) -> Report:
        """Wait for the report where nothing can be awaited (`TimeoutError` after `timeout`)."""
        self.start()
        return self._done.result(timeout)

    def __repr__(self) -> str:
        state = "done" if self.done else "paused" if self.paused else "playing"
        return f"<Replay of {self.recording.name} {state} at {self.position:.2f} s>"

    # ---- playing (in its own thread)

    def _run(self) -> None:
        try:
            report = Report(self.recording.name)
            began = time.monotonic()
            left = self._rounds
            while left and not self._stopped:
                loop = self._loop = VirtualLoop(self._speed)
                with asyncio.Runner(loop_factory=lambda loop=loop: loop) as runner:  # type: ignore[misc]
                    if runner.run(self._play(loop, report)):
                        left -= 1
            report.seconds = time.monotonic() - began
        except BaseException as error:  # noqa: BLE001 (it is the awaiter's)
            self._done.set_exception(error)
        else:
            self._done.set_result(report)

    async def _play(self, loop: VirtualLoop, report: Report) -> bool:
        """Play once; False when it has to start over, for a seek to what is past."""
        self._bell = asyncio.Event()
        if self._seek is not None:
            loop.hurry_until, self._seek = self._seek, None
        began = int(self.recording.header.get("time") or 0)
        stage, log = self._make_stage(loop, began)
        loop.busy = _threads_work
        take = _Take(stage, loop, self._max_gap)
        await stage.start()
        try:
            whole = await self._enter_all(take, loop)
            if whole:
                await take.settle()
        finally:
            await stage.stop()
        if whole:
            take.judge(report, self._rules)
            report.log = log
            report.damage = [str(one) for one in self.recording.damage]
            report.errors += [
                f"{row.node}: {row.error}" for row in log.tail(100_000) if row.kind == "error"
            ][: 100 - len(report.errors)]
        return whole

    async def _enter_all(self, take: _Take, loop: VirtualLoop) -> bool:
        until, wanted = self._until, self._sessions
        for entry in self.recording.entries():
            if wanted is not None and entry.session is not None and entry.session not in wanted:
                continue
            if isinstance(until, float | int) and entry.t > until:
                break
            if self._steps is not None or self._to_mark or self._seek is not None or self._stopped:
                if entry.kind in EVENTS and not await self._gate(loop):
                    return False
                if self._stopped:
                    break
                if entry.kind == "mark" and self._to_mark:
                    self._to_mark, self._steps = False, 0
            moment = take.moment(entry)
            if entry.kind in EVENTS and not loop.jump(moment):
                await asyncio.sleep(max(0.0, moment - loop.time()))
            self.position = max(self.position, entry.t)
            take.enter(entry)
            if entry.kind == "mark" and isinstance(until, str) and entry.value == until:
                break
        return True

    async def _gate(self, loop: VirtualLoop) -> bool:
        """Wait while it is paused; False when a seek leads back."""
        assert self._bell is not None
        while not self._stopped:
            if self._seek is not None:
                if self._seek < self.position:
                    self.position = 0.0
                    return False
                loop.hurry_until, self._seek = self._seek, None
            if self._steps is None or loop.time() < loop.hurry_until:
                return True
            if self._steps > 0:
                self._steps -= 1
                return True
            loop.frozen = True
            self._bell.clear()
            await self._bell.wait()
            loop.frozen = False
        return True


class _Take:
    """One pass over a recording: who is on stage, what was answered then, what is answered now."""

    def __init__(self, stage: Stage, loop: VirtualLoop, max_gap: float | None) -> None:
        self._stage, self._loop, self._max_gap = stage, loop, max_gap
        self.events = 0
        self._facts: dict[str, dict[str, Any]] = {}
        self._played: dict[str, Played] = {}
        self._then: dict[str, list[Said]] = {}
        self._now: dict[str, list[Said]] = {}
        self._by_hand: set[int] = set()
        self._hand_made = 0
        self._requests: dict[int, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._last = self._end = self._saved = 0.0

    def moment(self, entry: Entry) -> float:
        """Return when an entry's time has come: gaps beyond `max_gap` are cut."""
        if self._max_gap is not None and entry.t - self._last > self._max_gap:
            self._saved += entry.t - self._last - self._max_gap
        self._last = max(self._last, entry.t)
        self._end = self._last - self._saved
        return entry.t - self._saved

    def enter(self, entry: Entry) -> None:
        """Let one entry happen, or keep it to compare with."""
        if entry.opened is not None:
            self._facts[str(entry.opened["id"])] = entry.opened
        elif entry.kind in EVENTS:
            self.events += 1
            if entry.session is None:
                self._ask(entry)
            else:
                self._event(entry, entry.session)
        elif entry.kind in {"response", "send"}:
            self._expect(entry)
        elif entry.kind == "broadcast" and not entry.cause:
            self._by_hand.add(entry.seq)

    def _event(self, entry: Entry, who: str) -> None:
        session = self._played.get(who)
        if session is None:
            session = self._open(who)
        if entry.kind == "message" and session.is_open:
            session.receive(entry.value, entry.size)
        elif entry.kind == "close":
            session.lost(entry.code, entry.reason, entry.error)

    def _open(self, who: str) -> Played:
        """Open a session; one that was open before the recording began is opened here too."""
        facts = self._facts.get(who)
        if facts is None:
            raise ReplayError(f"the recording has no handshake of session {who!r}: was it damaged?")
        answers = self._now.setdefault(who, [])
        loop = self._loop
        session = self._stage.open(facts, lambda data: answers.append(Said(loop.time(), data)))
        self._played[who] = session
        return session

    def _expect(self, entry: Entry) -> None:
        if entry.cause in self._by_hand or (entry.kind == "send" and not entry.cause):
            self._hand_made += 1
            return
        who, body = entry.session, entry.value
        if who is None:  # an HTTP response, recorded as the value its handler gave
            who, body = self._requests.get(entry.scope), to_data(body)
        if who is not None:
            self._then.setdefault(who, []).append(Said(entry.t - self._saved, body))

    def _ask(self, entry: Entry) -> None:
        """Make a recorded HTTP request; its response is compared like a session's."""
        event = entry.value
        if not isinstance(event, dict) or "method" not in event:
            return
        who = f"{event['method']} #{entry.seq}"
        self._requests[entry.scope] = who
        answers = self._now.setdefault(who, [])

        async def ask() -> None:
            answer = await self._stage.request(event, _body(event))
            answers.append(Said(self._loop.time(), answer))

        task = self._loop.create_task(ask())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Let handlers end; what goes on for ever is heard up to the recording's end."""
        with anyio.move_on_after(max(0.0, self._end - self._loop.time()) + GRACE) as waiting:
            await asyncio.sleep(max(0.0, self._end - self._loop.time()) + 1e-6)
            await asyncio.sleep(0)
            await self._stage.idle()
            if self._tasks:
                await asyncio.wait(list(self._tasks))
        if waiting.cancelled_caught:
            for who, answers in self._now.items():
                self._now[who] = [one for one in answers if one.t <= self._end + 0.05]

    def judge(self, report: Report, rules: Rules) -> None:
        """Compare what was answered then with what was answered now."""
        report.events += self.events
        report.by_hand += self._hand_made
        for who in dict.fromkeys((*self._then, *self._now)):
            for pair in compare(who, self._then.get(who, []), self._now.get(who, []), rules):
                report.tally.add(pair)


def _body(event: dict[str, Any]) -> bytes:
    """Return the body of a recorded request as bytes again."""
    body = event.get("body")
    kind = str((event.get("headers") or {}).get("content-type", ""))
    if body is None:
        return b""
    if "json" in kind:
        return json.dumps(body, ensure_ascii=False).encode()
    if isinstance(body, dict):
        return urlencode(body, doseq=True).encode()
    return body if isinstance(body, bytes) else str(body).encode()


def _threads_work() -> bool:
    """Say whether handlers wait for threads of their own: time must not jump ahead of those."""
    return anyio.to_thread.current_default_thread_limiter().borrowed_tokens > 0
