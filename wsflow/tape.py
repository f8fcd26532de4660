"""Where everything that happens is told: numbers the rows, keeps the newest, drops the oldest.

One flat list takes the fields of the open block; full blocks are sealed into typed columns, so a
row costs about half a microsecond and no object. Where a row happened is one number (a place:
kind, node, port, path), and so is its session. Told in the flow's loop, read from any thread.
"""

from __future__ import annotations

import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from time import time_ns
from typing import Any, NamedTuple, TypeAlias

from .events import Row
from .snapshot import unpack

WIDTH = 9
"""Fields a row: time, place, session, scope, cause, data, size, elapsed, error."""

BLOCK_ROWS = 1024
OVERHEAD = 160
"""Bytes a row costs beside its data, for the limit in bytes."""

Watcher: TypeAlias = Callable[[Row], object]


class Place(NamedTuple):
    """Where rows of one kind happen."""

    kind: str
    node: str
    port: str
    path: str


@dataclass(frozen=True, slots=True)
class Block:
    """Sealed rows, a column each; `first` is the `seq` of the first."""

    first: int
    time: array[int]
    place: array[int]
    session: array[int]
    scope: array[int]
    cause: array[int]
    data: list[Any]
    size: array[int]
    elapsed: list[float | None] | None
    error: list[str | None] | None
    weight: int

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True)
class Known:
    """The facts of a session's handshake, secrets redacted, kept once."""

    id: str
    peer: str
    path: str
    method: str
    params: dict[str, str]
    query: dict[str, Any]
    headers: dict[str, str]
    opened: int
    closed: int | None = None
    code: int | None = None
    reason: str = ""


class Tape:
    """The rows of one flow, bounded by `max_rows` and `max_bytes`; `dropped` counts exactly."""

    def __init__(
        self,
        max_rows: int = 100_000,
        max_bytes: int = 256 * 2**20,
        clock: Callable[[], int] = time_ns,
    ) -> None:
        if max_rows < 1 or max_bytes < 1:
            raise ValueError(f"a log needs room: max_rows={max_rows}, max_bytes={max_bytes}")
        self.max_rows, self.max_bytes = max_rows, max_bytes
        self.dropped = 0
        self.seq = 0
        """The number of the newest row; the first row is 1."""
        self._clock = clock
        self._open: list[Any] = []
        self._weight = 0
        self._block_rows = min(BLOCK_ROWS, max(1, max_rows // 8))
        self._block_bytes = max(1, max_bytes // 16)
        self._seal_at = self._block_rows
        self._blocks: deque[Block] = deque()
        self._sealed_rows = self._sealed_bytes = 0
        self._places: list[Place] = []
        self._place_numbers: dict[Place, int] = {}
        self._sessions: dict[int, Known] = {}
        self._ended: deque[tuple[int, int]] = deque()
        self._watchers: tuple[Watcher, ...] = ()
        self._lock = threading.Lock()

    # ---- telling (the flow's loop)

    def tell(
        self,
        place: int,
        session: int,
        scope: int,
        cause: int,
        data: Any,
        size: int,
        elapsed: float | None = None,
        error: str | None = None,
    ) -> int:
        """Write a row and return its `seq`. `data` must be immutable (see `snapshot`)."""
        self.seq = seq = self.seq + 1
        self._open += (self._clock(), place, session, scope, cause, data, size, elapsed, error)
        self._weight += size
        if seq >= self._seal_at or self._weight > self._block_bytes:
            self._seal()
        if self._watchers:
            self._show(seq)
        return seq

    def now(self) -> int:
        """Return the time a row told now would bear."""
        return self._clock()

    def place(self, kind: str, node: str, port: str, path: str = "") -> int:
        """Return the number of a place; the same names always give the same number."""
        place = Place(kind, node, port, path)
        number = self._place_numbers.get(place)
        if number is None:
            with self._lock:
                number = self._place_numbers.setdefault(place, len(self._places))
                if number == len(self._places):
                    self._places.append(place)
        return number

    def know(self, number: int, known: Known) -> None:
        """Keep a session's facts; they go with its last row."""
        with self._lock:
            self._sessions[number] = known

    def session_ended(self, number: int, code: int | None, reason: str) -> None:
        """Keep how a session ended; its `close` row comes next, and then no more."""
        with self._lock:
            known = self._sessions.get(number)
            if known is not None:
                self._sessions[number] = replace(
                    known, closed=self._clock(), code=code, reason=reason
                )
        self._ended.append((self.seq + 1, number))

    def _seal(self) -> None:
        rows, weight = self._open, self._weight
        block = _block(self.seq - len(rows) // WIDTH + 1, rows, weight)
        with self._lock:  # a reader must see these rows exactly once
            self._blocks.append(block)
            self._open = []
        self._weight = 0
        self._sealed_rows += len(block)
        self._sealed_bytes += block.weight
        self._drop_oldest()
        room = self.max_rows - self._sealed_rows
        self._seal_at = self.seq + max(1, min(self._block_rows, room or self._block_rows))

    def _drop_oldest(self) -> None:
        """Make room for the next block, so that neither bound is ever passed."""
        blocks = self._blocks
        while blocks and (
            self._sealed_rows + self._block_rows > self.max_rows
            or self._sealed_bytes + self._block_bytes > self.max_bytes
        ):
            if len(blocks) == 1 and self._sealed_rows < self.max_rows:
                break
            with self._lock:
                oldest = blocks.popleft()
            self._sealed_rows -= len(oldest)
            self._sealed_bytes -= oldest.weight
            self.dropped += len(oldest)
            gone = oldest.first + len(oldest)
            while self._ended and self._ended[0][0] < gone:
                self._sessions.pop(self._ended.popleft()[1], None)

    # ---- watching

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher(row)` for each row as it is told; returns how to stop.

        A watcher that raises is switched off, once and for all, with an `error` row.
        """
        self._watchers = (*self._watchers, watcher)

        def stop() -> None:
            self._watchers = tuple(one for one in self._watchers if one is not watcher)

        return stop

    def _show(self, seq: int) -> None:
        row = self.row(seq)
        for watcher in self._watchers:
            try:
                if row is not None:
                    watcher(row)
            except Exception as error:  # noqa: BLE001 (law 3: an observer breaks nothing)
                self._watchers = tuple(one for one in self._watchers if one is not watcher)
                text = f"an observer raised and was switched off: {error!r}"
                self.tell(self.place("error", "", "observer"), 0, 0, 0, None, 0, None, text)

    # ---- reading (any thread)

    def blocks(self) -> list[Block]:
        """Return all rows there are, oldest first: a picture that does not change any more."""
        with self._lock:
            blocks, rows, seq = list(self._blocks), self._open[:], self.seq
        count = len(rows) // WIDTH
        if count:
            last = blocks[-1] if blocks else None
            first = seq - count + 1 if last is None else last.first + len(last)
            blocks.append(_block(first, rows))
        return blocks

    def row(self, seq: int) -> Row | None:
        """Return one row; None when it was dropped or never told."""
        count = len(self._open) // WIDTH
        if seq > self.seq - count:
            at = (count - (self.seq - seq) - 1) * WIDTH
            return self._decoded(seq, *self._open[at : at + WIDTH])
        for block in reversed(self._blocks):
            if block.first <= seq < block.first + len(block):
                return self._from_block(block, seq - block.first)
        return None

    def rows(self, newest: int | None = None) -> Iterator[Row]:
        """Give rows oldest first, or only the newest ones."""
        blocks = self.blocks()
        skip = 0 if newest is None else max(0, sum(map(len, blocks)) - newest)
        for block in blocks:
            if skip >= len(block):
                skip -= len(block)
                continue
            for index in range(skip, len(block)):
                yield self._from_block(block, index)
            skip = 0

    def places(self) -> list[Place]:
        """Return the places there are; a row's `place` is an index into them."""
        return list(self._places)

    def sessions(self) -> dict[int, Known]:
        """Return the facts of the sessions that rows speak of, by their number."""
        with self._lock:
            return dict(self._sessions)

    def clear(self) -> None:
        """Forget the rows there are; numbers go on."""
        with self._lock:
            self._blocks.clear()
            self._open = []
        self._weight = self._sealed_rows = self._sealed_bytes = 0
        self._seal_at = self.seq + self._block_rows

    def __len__(self) -> int:
        return self._sealed_rows + len(self._open) // WIDTH

    def _from_block(self, block: Block, at: int) -> Row:
        return self._decoded(
            block.first + at,
            block.time[at],
            block.place[at],
            block.session[at],
            block.scope[at],
            block.cause[at],
            block.data[at],
            block.size[at],
            None if block.elapsed is None else block.elapsed[at],
            None if block.error is None else block.error[at],
        )

    def _decoded(
        self,
        seq: int,
        time: int,
        place: int,
        session: int,
        scope: int,
        cause: int,
        data: Any,
        size: int,
        elapsed: float | None,
        error: str | None,
    ) -> Row:
        where = self._places[place]
        known = self._sessions.get(session)
        return Row(
            seq,
            time,
            scope,
            cause,
            where.kind,
            where.node,
            where.port,
            None if known is None else known.id,
            where.path if known is None else known.path,
            unpack(data),
            size,
            elapsed,
            error,
        )


def _block(first: int, rows: list[Any], weight: int = 0) -> Block:
    elapsed, error = rows[7::WIDTH], rows[8::WIDTH]
    return Block(
        first=first,
        time=array("q", rows[0::WIDTH]),
        place=array("i", rows[1::WIDTH]),
        session=array("q", rows[2::WIDTH]),
        scope=array("q", rows[3::WIDTH]),
        cause=array("q", rows[4::WIDTH]),
        data=rows[5::WIDTH],
        size=array("q", rows[6::WIDTH]),
        elapsed=None if elapsed.count(None) == len(elapsed) else elapsed,
        error=None if error.count(None) == len(error) else error,
        weight=weight + OVERHEAD * (len(rows) // WIDTH),
    )
