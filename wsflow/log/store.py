"""Where everything that happens is told: numbers the rows, keeps the newest, drops the oldest.

One flat list takes the fields of the open block; full blocks are sealed into typed columns, so a
row costs about half a microsecond and no object. Where a row happened is one number (a place:
kind, node, port, path), and so is its session. Told in the flow's loop, read from any thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, islice, takewhile
from sys import getsizeof
from time import time_ns
from typing import Any, TypeAlias

from ..base.fence import fenced
from ..base.known_secrets import KnownSecrets
from ..base.snapshot import unpack
from ..events import Row
from ..tracebacks import named
from .blocks import WIDTH, Block, Known, Place, block_of
from .facts import Facts
from .places import Places

BLOCK_ROWS = 1024
OVERHEAD = 160
"""Bytes a row costs beside its data, for the limit in bytes."""

Watcher: TypeAlias = Callable[[Row], object]
Taker: TypeAlias = Callable[[], object]
Later: TypeAlias = Callable[[Callable[[], None]], object]


def _at_once(call: Callable[[], None]) -> None:
    call()


def _no_matter(block: Block) -> None:
    """Nobody asks for rows that are dropped."""


class Store:
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
        self._open_first = 1
        self._weight = 0
        self._block_rows = min(BLOCK_ROWS, max(1, max_rows // 8))
        self._block_bytes = max(1, max_bytes // 16)
        self._seal_at = 1 + self._block_rows
        self._blocks: deque[Block] = deque()
        self._sealed_rows = self._sealed_bytes = 0
        self._places, self._facts = Places(), Facts()
        self.place = self._places.number
        """Return the number of a place by its names: `place(kind, node, port, path="")`."""
        self.secrets = KnownSecrets()
        """What no row may show."""
        self._observed = False
        self._watchers: tuple[Watcher, ...] = ()
        self._takers: tuple[Taker, ...] = ()
        self._unseen: deque[Row] = deque()
        self._due = self._giving = False
        self.dropping: Callable[[Block], object] = _no_matter
        """What is called with rows that are about to be forgotten."""
        self.later: Later = _at_once
        """How to call something once the loop has turned; the flow's loop gives it."""
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
        if self.secrets.any:
            data = self.secrets.data(data, own_only=self._places[place].kind == "message")
            error = error and self.secrets.text(error)
        seq = self.seq + 1
        weight = size + OVERHEAD
        if type(data) is str and len(data) != size:
            weight += getsizeof(data) - size  # one emoji makes all its characters wide
        if error is not None:
            weight += getsizeof(error)
        if seq >= self._seal_at or self._weight + weight > self._block_bytes:
            self._seal(weight, session)
            seq = self.seq + 1  # a taker that failed meanwhile has told of it
        self.seq = seq
        self._open += (self._clock(), place, session, scope, cause, data, size, elapsed, error)
        self._weight += weight
        if self._observed:
            self._announce(seq)
        return seq

    def now(self) -> int:
        """Return the time a row told now would bear."""
        return self._clock()

    def know(self, number: int, known: Known, more: int = 0) -> None:
        """Keep a session's facts; they go with its last row. `more` is what else it takes."""
        with self._lock:
            self._facts.know(number, known, more)
        if self.bytes > self.max_bytes:
            self._seal(0, number)

    def session_ended(self, number: int, code: int | None, reason: str) -> None:
        """Keep how a session ended; its facts go with its last row."""
        with self._lock:
            self._facts.end(number, self._clock(), code, self.secrets.text(reason))

    @property
    def bytes(self) -> int:
        """What all of this takes in memory: rows, who sessions are, names that clients gave."""
        return self._sealed_bytes + self._weight + self._facts.weight + self._places.weight

    def _seal(self, weight: int, session: int) -> None:
        """Seal the open block, and make room for a row of `weight` bytes and its successors."""
        rows = self._open
        if rows:
            block = block_of(self._open_first, rows, self._weight)
            with self._lock:  # a reader must see these rows exactly once
                self._blocks.append(block)
                self._facts.sealed(block)
                self._open, self._open_first = [], self.seq + 1
            self._weight = 0
            self._sealed_rows += len(block)
            self._sealed_bytes += block.weight
        self._seal_at = self._open_first + self._block_rows
        need = max(weight, self._block_bytes)
        while self._blocks and (
            self._sealed_rows + self._block_rows > self.max_rows
            or self.bytes + need > self.max_bytes
        ):
            if self._due:
                self._give()
            self._drop_oldest(session)

    def _drop_oldest(self, session: int) -> None:
        """Drop a block, and the facts of sessions that ended; `session` is about to be told of."""
        self.dropping(self._blocks[0])
        with self._lock:
            oldest = self._blocks.popleft()
            self._sealed_rows -= len(oldest)
            self._sealed_bytes -= oldest.weight
            self.dropped += len(oldest)
            gone = self._facts.dropped(oldest, session)
        for number in gone:
            self.secrets.release(number)

    # ---- watching

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher(row)` for each row as it is told; returns how to stop.

        A watcher that raises is switched off, once and for all, with an `error` row.
        """
        self._set_observers((*self._watchers, watcher), self._takers)
        return lambda: self._without(watcher)

    def attach(self, taker: Taker) -> Callable[[], None]:
        """Call `taker()` soon after rows were told, at most once a turn of the loop.

        Also before rows are dropped it may not have seen: a burst that never lets the loop turn
        waits for it. It fetches what is new with `since`. Returns how to stop; one that raises is
        switched off.
        """
        self._set_observers(self._watchers, (*self._takers, taker))
        return lambda: self._without(taker)

    def _without(self, observer: object) -> None:
        self._set_observers(
            tuple(one for one in self._watchers if one is not observer),
            tuple(one for one in self._takers if one is not observer),
        )

    def _set_observers(self, watchers: tuple[Watcher, ...], takers: tuple[Taker, ...]) -> None:
        self._watchers, self._takers = watchers, takers
        self._observed = bool(watchers or (takers and not self._due))

    def _announce(self, seq: int) -> None:
        """Show a row to the watchers, one row after the other even when one of them tells more."""
        if self._watchers:
            row = self.row(seq)
            assert row is not None
            self._unseen.append(row)
            if len(self._unseen) == 1:
                while self._unseen:
                    for watcher in self._watchers:
                        self._fenced(watcher, partial(watcher, self._unseen[0]))
                    self._unseen.popleft()
        if self._takers and not self._due:
            self._due = True
            self._observed = bool(self._watchers)  # takers need not hear of the rest of this turn
            self.later(self._take)

    def _take(self) -> None:
        self._due = False
        self._observed = bool(self._watchers or self._takers)
        self._give()

    def _give(self) -> None:
        """Have the takers fetch what is new; what one of them tells then is for the next time."""
        if not self._giving:
            self._giving = True
            try:
                for taker in self._takers:
                    self._fenced(taker, taker)
            finally:
                self._giving = False

    def _fenced(self, observer: object, call: Callable[[], object]) -> None:
        """Law 3: an observer breaks nothing; one that raises is switched off."""

        def switch_off(error: BaseException) -> None:
            self._without(observer)
            text = f"an observer raised and was switched off: {named(error)}"
            self.tell(self.place("error", "", "observer"), 0, 0, 0, None, 0, None, text)

        fenced(switch_off, call)

    # ---- reading (any thread)

    def blocks(self) -> list[Block]:
        """Return all rows there are, oldest first: a picture that does not change any more."""
        with self._lock:
            blocks, rows, first = list(self._blocks), self._open[:], self._open_first
        return [*blocks, block_of(first, rows)] if rows else blocks

    def since(self, seq: int) -> Iterator[tuple[Any, ...]]:
        """Give the rows from `seq` on, each as its `seq` and its `WIDTH` raw fields.

        What it costs grows with the rows it gives, not with those there are: a recorder asks once
        a turn of the loop.
        """
        with self._lock:
            sealed = list(takewhile(lambda block: block.last >= seq, reversed(self._blocks)))
            first = max(seq, self._open_first)
            rows = self._open[(first - self._open_first) * WIDTH :]
        for block in reversed(sealed):
            yield from islice(block.raw(), max(0, seq - block.first), None)
        fields = iter(rows)
        yield from zip(count(first), *(fields,) * WIDTH, strict=False)

    def known(self, number: int) -> Known | None:
        """Return the facts of a session, while rows of it are kept."""
        return self._facts.by_number.get(number)

    def row(self, seq: int) -> Row | None:
        """Return one row; None when it was dropped or never told."""
        with self._lock:
            blocks, first = list(self._blocks), self._open_first
            at = (seq - first) * WIDTH
            fields = self._open[at : at + WIDTH] if at >= 0 else []
        if fields:
            return self._decoded(seq, *fields)
        for block in reversed(blocks):
            if block.first <= seq < block.first + len(block):
                return self._fromblock_of(block, seq - block.first)
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
                yield self._fromblock_of(block, index)
            skip = 0

    def caused(self, seq: int) -> dict[int, int]:
        """Return the `seq` of a row and of all that it caused, each with its cause, oldest first.

        Decodes nothing: about 40 ns a row that is younger than the first.
        """
        family: dict[int, int] = {}
        for block in self.blocks():
            if block.last < seq:
                continue
            for number, cause in zip(count(block.first), block.cause, strict=False):
                if cause in family or number == seq:
                    family[number] = cause
        return family

    def places(self) -> list[Place]:
        """Return the places there are; a row's `place` is an index into them."""
        return self._places.all()

    def sessions(self) -> dict[int, Known]:
        """Return the facts of the sessions that rows speak of, by their number."""
        with self._lock:
            return dict(self._facts.by_number)

    def clear(self) -> None:
        """Forget the rows there are, once they were recorded; numbers go on."""
        if self._due:
            self._give()
        with self._lock:
            self._blocks.clear()
            self._open, self._open_first = [], self.seq + 1
            gone = self._facts.clear()
            self._places.forget_foreign()
        for number in gone:
            self.secrets.release(number)
        self._weight = self._sealed_rows = self._sealed_bytes = 0
        self._seal_at = self._open_first + self._block_rows

    def __len__(self) -> int:
        return self._sealed_rows + len(self._open) // WIDTH

    def _fromblock_of(self, block: Block, at: int) -> Row:
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
        known = self._facts.by_number.get(session)
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
