"""Numbers over time, counted from rows: messages, handler times, errors, sessions that are open.

Plain Python, a bounded memory; it is fed row by row while they come, or all at once for a plot.
Every row costs it: a panel, which has to keep up with any flow, has `panel/rates.py`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from ..events import ANSWERS, Told

NEAT = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Seconds a step, of which `rates` takes one."""

STEPS = 120
"""Steps that `rates` aims at."""

REMEMBERED = 100_000
"""Rows whose time is kept for those that they lead to."""

SAMPLE = 512
"""Handler times kept a step and node, at least half of them; the percentiles are of these."""


@dataclass(frozen=True, slots=True)
class Series:
    """Values a step, all lists equally long; step `i` begins at `start + i * step`."""

    start: float
    """UTC, in seconds since 1970."""
    step: float
    """Seconds."""
    received: list[int]
    """Messages and HTTP requests that came in."""
    sent: list[int]
    """Messages and HTTP responses that went out, those of a broadcast each."""
    errors: list[int]
    dropped: list[int]
    """Values and messages that did not arrive."""
    sessions: list[int]
    """Sessions that were open when the step ended (of those that the rows speak of)."""
    unanswered: list[int]
    """Messages whose first answer was still to come when the step ended, and did come."""
    median: dict[str, list[float | None]]
    """Seconds handlers took, by node; None where none ended. See `Metrics`."""
    slow: dict[str, list[float | None]]
    """The same, of the slowest in twenty (the 95th percentile)."""

    def __len__(self) -> int:
        return len(self.received)

    def times(self) -> list[float]:
        """Return when each step begins."""
        return [self.start + at * self.step for at in range(len(self))]


class _Sample:
    """Some of many numbers, evenly spread over them."""

    __slots__ = ("_every", "_seen", "values")

    def __init__(self) -> None:
        self.values: list[float] = []
        self._every, self._seen = 1, 0

    def add(self, value: float) -> None:
        self._seen += 1
        if self._seen % self._every == 0:
            self.values.append(value)
            if len(self.values) > SAMPLE:
                self.values = self.values[1::2]
                self._every *= 2


class _Step:
    """What happened in one step."""

    __slots__ = ("at", "changes", "counts", "handlers", "waits")

    def __init__(self, at: int) -> None:
        self.at = at
        self.counts = [0, 0, 0, 0]
        self.changes = self.waits = 0
        self.handlers: dict[str, _Sample] = {}


RECEIVED, SENT, ERRORS, DROPPED = range(4)
_COUNTED = {
    "message": RECEIVED,
    **dict.fromkeys(ANSWERS, SENT),
    "error": ERRORS,
    "drop": DROPPED,
}
_SAID = frozenset({"response", "route", "error"})


class Metrics:
    """Counts rows in steps of `step` seconds, and keeps the newest `keep` of them.

    A handler's time is what it took until it first said something: answered, routed or raised. An
    `async def` handler knows it (`elapsed`); of a plain function it is the time since the row that
    led to it, so what it had to wait for its turn counts too.
    """

    def __init__(self, step: float = 1.0, keep: int = 600) -> None:
        if not step > 0 or keep < 1:
            raise ValueError(f"a metrics counts in steps of some seconds: {step=}, {keep=}")
        self.step, self.keep = step, keep
        self._width = max(1, round(step * 1e9))
        self._steps: deque[_Step] = deque(maxlen=keep)
        self._told: dict[int, tuple[int, str]] = {}
        self._spoken: dict[tuple[int, str], None] = {}
        self._asked: dict[int, int] = {}
        self._open: set[str] = set()
        self._gone: dict[str, None] = {}
        self._base = self._waiting = 0
        self._newest: _Step | None = None

    def add(self, rows: Iterable[Told]) -> None:
        """Count rows, oldest first."""
        for row in rows:
            self._add(row)

    def _add(self, row: Told) -> None:
        kind, time = row.kind, row.time
        at = time // self._width
        step = self._newest
        if step is None or at > step.at:
            step = self._newest = self._step(at)
        self._told[row.seq] = time, row.node
        session = row.session
        if session is not None:
            if session not in self._open and session not in self._gone:
                self._meet(session, kind, step)
            if kind == "close":
                self._part(session, step)
        counted = _COUNTED.get(kind)
        if kind == "message" or (kind == "req" and session is None):
            counted = RECEIVED
            self._asked[row.scope] = step.at
        if counted is not None:
            step.counts[counted] += 1
        if kind == "response":
            self._answered(row.scope, step)
        if kind in _SAID and row.cause:
            self._said(row, step)
        if len(self._told) > REMEMBERED:
            self._thin()

    def _meet(self, session: str, kind: str, step: _Step) -> None:
        """A session is heard of for the first time: it opens, or it was there before all rows."""
        self._open.add(session)
        if kind == "req":
            step.changes += 1
        else:
            self._base += 1

    def _part(self, session: str, step: _Step) -> None:
        if session in self._open:
            self._open.discard(session)
            self._gone[session] = None  # it may be spoken of yet: what came too late for it
            step.changes -= 1

    def _said(self, row: Told, step: _Step) -> None:
        key = (row.cause, row.node)
        if key in self._spoken:
            return
        self._spoken[key] = None
        led, whose = self._told.get(row.cause, (None, ""))
        if row.elapsed is not None:
            took = row.elapsed
        elif led is None or whose == row.node:  # a trigger's event that was held by hand
            return
        else:
            took = max(0, row.time - led) / 1e9
        step.handlers.setdefault(row.node, _Sample()).add(took)

    def _answered(self, scope: int, step: _Step) -> None:
        """A message is answered for the first time: somebody waited from one step to another."""
        asked = self._asked.pop(scope, None)
        if asked is None or asked >= step.at:
            return
        first = self._steps[0].at
        if asked >= first:
            self._steps[asked - first].waits += 1
        else:
            self._waiting += 1
        step.waits -= 1

    def _step(self, at: int) -> _Step:
        """Return the step of that number, and make those between; late rows go to the newest."""
        steps = self._steps
        if not steps:
            steps.append(_Step(at))
        elif at > steps[-1].at + self.keep:  # a long silence: nothing of what was is in sight
            self._leave(list(steps))
            steps.clear()
            steps.append(_Step(at - self.keep + 1))
        while steps[-1].at < at:
            if len(steps) == self.keep:
                self._leave([steps[0]])
            steps.append(_Step(steps[-1].at + 1))
        return steps[-1]

    def _leave(self, steps: list[_Step]) -> None:
        """Steps fall out of sight; who came or waits since then still does."""
        self._base += sum(step.changes for step in steps)
        self._waiting += sum(step.waits for step in steps)

    def _thin(self) -> None:
        """Forget the older half of what rows to come may refer to."""
        memories: tuple[dict[Any, Any], ...] = (self._told, self._spoken, self._asked, self._gone)
        for memory in memories:
            for key in list(memory)[: max(0, len(memory) - REMEMBERED // 2)]:
                del memory[key]

    def series(self, until: float | None = None) -> Series:
        """Return what was counted; with `until` (UTC seconds) up to then, also where nothing was.

        Who shows it live gives the time of day: its lines go on while nothing happens.
        """
        if until is not None and self._steps:
            self._newest = self._step(int(until * 1e9) // self._width)
        steps = list(self._steps)
        received, sent, errors, dropped = (
            [step.counts[which] for step in steps] for which in range(4)
        )
        nodes = dict.fromkeys(node for step in steps for node in step.handlers)
        times = {node: [step.handlers.get(node) for step in steps] for node in nodes}
        return Series(
            start=steps[0].at * self._width / 1e9 if steps else 0.0,
            step=self.step,
            received=received,
            sent=sent,
            errors=errors,
            dropped=dropped,
            sessions=_levels(self._base, [step.changes for step in steps]),
            unanswered=_levels(self._waiting, [step.waits for step in steps]),
            median={node: [_percentile(one, 0.5) for one in all] for node, all in times.items()},
            slow={node: [_percentile(one, 0.95) for one in all] for node, all in times.items()},
        )


def rates(rows: Iterable[Told], step: float | None = None) -> Series:
    """Return the numbers of all these rows, in steps of `step` seconds or of a neat length."""
    rows = rows if isinstance(rows, list) else list(rows)
    span = (rows[-1].time - rows[0].time) / 1e9 if rows else 0.0
    if step is None:
        step = next((neat for neat in NEAT if span / neat <= STEPS), math.ceil(span / STEPS))
    metrics = Metrics(step, keep=int(max(span, 0.0) / step) + 2)
    metrics.add(rows)
    return metrics.series()


def _levels(base: int, changes: list[int]) -> list[int]:
    return list(accumulate(changes, initial=base))[1:]


def _percentile(sample: _Sample | None, part: float) -> float | None:
    if sample is None:
        return None
    values = sorted(sample.values)
    return values[min(len(values) - 1, int(part * len(values)))]
