"""What a flow does, second by second: counted from the store's columns, a block at a time.

`metrics.py` counts every row for a plot afterwards. This one must cost next to nothing while ten
thousand messages a second pass: it counts places, and takes handler times of some rows only.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..events import ANSWERS
from ..log.blocks import Block, Place
from ..log.store import Store

if TYPE_CHECKING:
    from .host import Flow

KEPT_SECONDS = 600
"""Seconds that are remembered."""

SAMPLED_ROWS = 64
"""Rows of a block, and of a second in it, whose handler times are looked at: at most twice that."""

ROWS_BACK = 16
"""Rows looked back whether a handler had said something before."""

SECOND = 10**9

RECEIVED, SENT, ERRORS = range(3)
COUNTED = {"message": RECEIVED, **dict.fromkeys(ANSWERS, SENT), "error": ERRORS}
HANDLED = frozenset({"response", "route", "error"})

Values = tuple[int, int, int, float | None, float | None, int | None, int | None]
"""Received, sent, errors; handler times (median, 95th percentile); bytes waiting, sessions."""


class Second:
    """One second of a flow."""

    __slots__ = ("at", "backlog", "counts", "sessions", "times")

    def __init__(self, at: int) -> None:
        self.at = at
        self.counts = [0, 0, 0]
        self.times: list[float] = []
        self.backlog: int | None = None
        self.sessions: int | None = None

    def values(self) -> Values:
        """Return its numbers; None where nobody looked, or nothing was."""
        received, sent, errors = self.counts
        times = sorted(self.times)
        median, slow = (_share(times, part) for part in (0.5, 0.95))
        return received, sent, errors, median, slow, self.backlog, self.sessions


class Rates:
    """The last ten minutes of a flow. One thread looks; it costs what is new."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._store: Store = flow.panel.host.store
        self._next = 1
        self._seconds: deque[Second] = deque(maxlen=KEPT_SECONDS)
        self._places: list[Place] = []
        self._requests: dict[int, bool] = {}
        """Places of kind `req`: whether they are HTTP requests, which are messages too."""

    def look(self) -> None:
        """Take what happened since the last look; does nothing more than once a second."""
        now = self._store.now() // SECOND
        if self._seconds and self._seconds[-1].at >= now:
            return
        self._places = self._store.places()
        blocks = self._store.blocks()
        new = [block for block in blocks if block.last >= self._next]
        for block in new:
            self._take(block, max(0, self._next - block.first), blocks)
        if new:
            self._next = new[-1].last + 1
        second = self._second(now)
        if second is not None:
            sessions = list(self._flow.sessions)
            second.sessions = len(sessions)
            second.backlog = sum(session.backlog for session in sessions)

    def since(self, at: int) -> list[tuple[int, Values]]:
        """Return the seconds from `at` on that have passed."""
        passed = list(self._seconds)[:-1]
        return [(one.at, one.values()) for one in passed if one.at >= at]

    # ---- counting

    def _take(self, block: Block, start: int, blocks: list[Block]) -> None:
        times = block.time
        while start < len(times):
            at = times[start] // SECOND
            end = max(start + 1, bisect_left(times, (at + 1) * SECOND, lo=start))
            second = self._second(at)
            if second is not None:
                self._count(second, block, start, end)
                second.times += self._handlers(block, start, end, blocks)
            start = end

    def _count(self, second: Second, block: Block, start: int, end: int) -> None:
        for place, number in Counter(block.place[start:end]).items():
            kind = COUNTED.get(self._places[place].kind)
            if kind is not None:
                second.counts[kind] += number
            elif self._places[place].kind == "req" and self._is_request(place, block):
                second.counts[RECEIVED] += number

    def _is_request(self, place: int, block: Block) -> bool:
        if place not in self._requests:
            self._requests[place] = not block.session[block.place.index(place)]
        return self._requests[place]

    def _handlers(self, block: Block, start: int, end: int, blocks: list[Block]) -> Iterable[float]:
        """Give the times of some handlers: from what led to them to the first they said."""
        places = self._places
        for at in range(start, end, max(1, (end - start) // SAMPLED_ROWS)):
            where, cause = places[block.place[at]], block.cause[at]
            if where.kind not in HANDLED or not cause or self._spoke_before(block, at):
                continue
            elapsed = None if block.elapsed is None else block.elapsed[at]
            if elapsed is None:
                led = _holding(blocks, cause)
                if led is None or places[led.place[cause - led.first]].node == where.node:
                    continue  # forgotten; or held by hand, which is nobody's slowness
                elapsed = max(0, block.time[at] - led.time[cause - led.first]) / SECOND
            yield elapsed

    def _spoke_before(self, block: Block, at: int) -> bool:
        cause, node = block.cause[at], self._places[block.place[at]].node
        return any(
            block.cause[one] == cause and self._places[block.place[one]].node == node
            for one in range(max(0, at - ROWS_BACK), at)
        )

    def _second(self, at: int) -> Second | None:
        """Return that second, and make those between; None when it is too long ago."""
        seconds = self._seconds
        if not seconds or at - seconds[-1].at > KEPT_SECONDS:
            seconds.clear()
            seconds.append(Second(at))
        while seconds[-1].at < at:
            seconds.append(Second(seconds[-1].at + 1))
        back = seconds[-1].at - at
        return seconds[-1 - back] if back < len(seconds) else None


def _holding(blocks: list[Block], seq: int) -> Block | None:
    """Return the block that has a row."""
    at = bisect_right(blocks, seq, key=lambda block: block.first) - 1
    return blocks[at] if at >= 0 and seq <= blocks[at].last else None


def _share(values: list[float], part: float) -> float | None:
    return round(values[int(part * (len(values) - 1))], 7) if values else None
