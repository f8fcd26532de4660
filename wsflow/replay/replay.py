"""Plays a recording into today's handlers and compares what they answer.

Recorded `req`, `message` and `close` events come in by the front door, as sessions of a flow of
its own (`sandbox.py`), in a thread with a loop whose time is virtual (`virtual_time.py`): an hour
takes as long as its work. A `Player` makes one pass. Opposite: `recorder.py` made what is played.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import math
import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

from ..base.progress import follow
from ..base.threads import apart, started
from ..base.wake import threadsafe_wakeup
from ..compare.answer import Tally
from ..compare.errors import Errors
from ..compare.report import Report
from ..errors import ReplayError
from ..graph.cells import notebook
from ..io.reader import Reader
from .options import ReplayOptions
from .player import GRACE, Order, Player
from .target import TargetMaker
from .virtual_time import VirtualLoop


class Replay:
    """A recording being played. `await` it for its `Report`; the controls work from any thread."""

    def __init__(
        self,
        recording: Reader,
        target: TargetMaker,
        options: ReplayOptions,
    ) -> None:
        self.recording = recording
        """What is played; its `progress` says how much of it was read."""
        self.called = False
        """Whether a control was used that has not been followed yet."""
        self._make_target, self._options = target, options
        self._speed = None if options.speed == math.inf else options.speed
        self._done: concurrent.futures.Future[Report] = concurrent.futures.Future()
        self._begun = False
        self._thread: threading.Thread | None = None
        self._alone = False
        """Whether no thread could be started: then `start` plays all of it."""
        self._loop: VirtualLoop | None = None
        self._position = 0.0
        self._lock = threading.RLock()
        self._paused = self._to_mark = self._stopped = self._still = False
        self._steps = 0
        self._seek: float | None = None
        self._waiting: list[Callable[[], None]] = []

    # ---- controls, from any thread

    def start(self) -> Replay:
        """Begin to play, if it has not begun."""
        with self._lock:
            if self._begun:
                return self
            self._begun = True
            play = notebook.carried(self._run)  # what the cell declares now is what plays
            self._thread = started(play, "wsflow replay")
            self._alone = self._thread is None
        if self._alone:
            apart(play)
        return self

    def pause(self) -> None:
        """Stand still, and time with it. Before `start`: stand still before the first event."""
        with self._ordered():
            self._paused = True

    def resume(self) -> None:
        """Go on."""
        with self._ordered():
            self._paused = self._to_mark = False
            self._steps = 0

    def step(self, *, mark: bool = False) -> None:
        """Go to the next event, as fast as possible, and pause there; or to the next mark."""
        with self._ordered():
            self._paused = True
            self._to_mark = mark
            self._steps = 0 if mark else self._steps + 1

    def seek(self, t: float) -> None:
        """Go to a moment in recorded seconds, as fast as possible; back means from the start.

        What was paused is paused there. Nothing happens when it is done already.
        """
        with self._ordered():
            self._seek = max(0.0, t)

    def stop(self) -> None:
        """End now; the report tells of what was played."""
        with self._ordered():
            self._stopped = True

    @contextlib.contextmanager
    def _ordered(self) -> Iterator[None]:
        """Give an order: who plays sees it before the next event, also while it waits."""
        with self._lock:
            yield
            self.called, self._still = True, False
            if self._loop is not None:
                self._loop.wake()

    # ---- how far it is

    @property
    def position(self) -> float:
        """How far it is, in recorded seconds."""
        loop = self._loop  # it may end while we look
        return max(0.0, self._position if loop is None else loop.reading)

    @property
    def paused(self) -> bool:
        """Whether it stands still and waits for `step`, `seek` or `resume`."""
        return self._still

    @property
    def done(self) -> bool:
        """Whether it has been played."""
        return self._done.done()

    async def until_paused(self) -> float:
        """Wait until it stands still, or is done, and return where; starts it if need be."""
        self.start()
        wake, wait = threadsafe_wakeup()
        with self._lock:
            if self._still or self.done:
                return self.position
            self._waiting.append(wake)
        await wait()
        return self.position

    def __await__(self) -> Generator[Any, None, Report]:
        return self._outcome().__await__()

    async def _outcome(self) -> Report:
        self.start()
        wake, wait = threadsafe_wakeup()
        self._done.add_done_callback(lambda _: wake())
        try:
            await follow(f"replay {self.recording.name}", lambda: self.recording.progress, wait)
        except BaseException:
            self.stop()  # an interrupted cell does not leave it running
            raise
        return self._done.result()

    def result(self, timeout: float | None = None) -> Report:
        """Wait for the report where nothing can be awaited (`TimeoutError` after `timeout`)."""
        self.start()
        return self._done.result(timeout)

    def __repr__(self) -> str:
        state = "done" if self.done else "paused" if self.paused else "playing"
        if not self._begun:
            state = "not started"
        return f"<Replay of {self.recording.name} {state} at {self.position:.2f} s>"

    # ---- playing (in its own thread)

    def _run(self) -> None:
        try:
            report = Report(self.recording.name)
            began = time.monotonic()
            early = self._present()
            left = self._options.loop
            while left and not self._stopped:
                if self._play_once(report, early):
                    left -= 1
            report.seconds = time.monotonic() - began
        except BaseException as error:  # noqa: BLE001 (it is the awaiter's)
            self._done.set_exception(error)
        else:
            self._done.set_result(report)
        self._tell_still()

    def _play_once(self, report: Report, early: list[dict[str, Any]]) -> bool:
        """Play from the start; False when it has to be done again, for a seek to what is past."""
        loop = VirtualLoop(self._speed, -GRACE if early else 0.0)
        loop.hurry_until = 0.0
        with self._lock:
            self._loop = loop
        try:
            return loop.run(lambda: self._play(loop, report, early))
        finally:
            with self._lock:
                self._loop, self._position = None, loop.time()

    async def _play(self, loop: VirtualLoop, report: Report, early: list[dict[str, Any]]) -> bool:
        header = self.recording.header
        target, log = self._make_target(
            loop, int(header.get("time") or 0), header.get("flow") or {}
        )
        tally = Tally()
        errors = Errors(log)
        player = Player(self.recording, target, loop, self, tally, errors, self._options)
        await target.start()
        try:
            whole = await player.play(early)
            self._position = loop.time()
        finally:
            await target.stop()
        if whole:
            damage = self.recording.damage
            report.add(player.events, tally, errors, damage, player.lacks, player.redacted)
        return whole

    def _present(self) -> list[dict[str, Any]]:
        """Return the handshakes of who was there already when the recording began.

        Raises:
            ReplayError: a session, or a mark, that was asked for is not in the recording.
        """
        began = self.recording.header.get("time") or 0
        wanted, until = self._options.sessions, self._options.until
        known: dict[str, None] = {}
        early: dict[str, dict[str, Any]] = {}
        for _, _, facts in self.recording.handshakes():
            who = str(facts.get("id"))
            known[who] = None
            if int(facts.get("time") or began) < began:
                early[who] = facts
        missing = [one for one in wanted or () if one not in known]
        if missing:
            raise ReplayError(
                f"{self.recording.path} has no session {missing[0]!r}; "
                f"it has: {', '.join(list(known)[:20]) or 'none'}"
            )
        if isinstance(until, str):
            marks = [str(row.value) for row in self.recording.rows() if row.kind == "mark"]
            if until not in marks:
                raise ReplayError(
                    f"{self.recording.path} has no mark {until!r}; "
                    f"it has: {', '.join(map(repr, marks)) or 'none'}"
                )
        return list(early.values())

    # ---- following orders (asked by the player)

    async def order(self, t: float) -> Order:
        """Say what to do about what was recorded at `t`; while it is paused, wait here."""
        loop = self._loop
        assert loop is not None
        while True:
            with self._lock:
                target, self._still = self._seek, False
                if self._stopped:
                    return "end"
                if target is not None and target < loop.time():
                    return "again"
                if target is None and not self._paused:
                    self.called = False
                    return "go"
                if target is None and (self._steps or self._to_mark):
                    target = t
                if target is not None and t <= target:
                    loop.hurry_until = target
                    return "go"
            if target is None:
                await self._stand_still(loop)
            elif await self._land(loop, target):
                with self._lock:
                    self._seek = None if self._seek == target else self._seek

    async def _land(self, loop: VirtualLoop, target: float) -> bool:
        """Go to where a seek leads, between two rows; False when another order comes first."""
        loop.hurry_until = target
        return await loop.reach(target)

    async def _stand_still(self, loop: VirtualLoop) -> None:
        if self._alone:
            raise ReplayError(
                "a replay can stand still only in a thread of its own, and none can be started here"
            )
        loop.frozen = True
        self._tell_still()
        try:
            await loop.until(math.inf)
        finally:
            loop.frozen = False

    def _tell_still(self) -> None:
        with self._lock:
            if not self.done and (self._steps or self._to_mark or self._seek is not None):
                return  # an order came in between
            self._still = not self.done
            waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()

    def entered(self, *, mark: bool = False) -> None:
        """An event has come in, or a mark has been passed: a step is done."""
        with self._lock:
            if mark:
                self._to_mark = False
            elif self._steps:
                self._steps -= 1
