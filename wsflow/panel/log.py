"""The log as it grows: its newest rows, those that fit a filter, and the story of one of them.

A page has one view at a time. It follows the log, or it stands still and only counts what came;
whatever changes that is a new view with a number the page gave, so that no late news of an older
one can mix with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import WsflowError
from ..events import KINDS
from ..log.rows import placed
from .part import News, Part, text
from .row_filter import Raw, RowFilter
from .row_text import Budget, one_line, whole

if TYPE_CHECKING:
    from .host import Flow

MAX_ROWS = 200
"""Rows on a page, and the most it is told at once."""

BURST_ROWS = 40
"""Rows a page is told at once when more than `MAX_ROWS` came since the last time: nobody reads
them, and those before them are in the log."""

FILTERED_ROWS = 5_000
"""Rows a tick that are held against a filter."""

SEARCHED_ROWS = 20_000
"""Rows that are looked at when a page asks for older ones."""

STEP_ROWS = 100
"""Older or newer rows a page gets at once."""

PIECE_ROWS = 500
"""Rows that are looked at together on the way back."""

TRACE_ROWS = 200
"""Rows of a trace on a page."""

MAX_PLACES = 200
"""Names offered for the filter."""

RowCells: TypeAlias = list[Any]
"""seq, milliseconds since 1970, kind, node.port, session, data, error."""


class View:
    """What a page looks at: a filter, and how far it has been told. One thread at a time."""

    def __init__(self, number: int, row_filter: RowFilter, stands_at: int | None = None) -> None:
        self.number, self.row_filter = number, row_filter
        self.stands_at = stands_at
        """The newest row a page shows that stands still; None: it follows."""
        self.seen = stands_at or 0
        self.is_new = True
        self.came = 0
        self.skipped = 0
        """Rows since it began that were neither shown nor counted."""


class LogPart(Part):
    """The newest rows, at most 200; older ones when asked for."""

    name = "log"
    actions = ("choose", "follow", "stand", "older", "newer", "details")

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow)
        self._store = self.host.store
        self._view = View(0, RowFilter(self._store))
        self._places = 0

    # ---- what it tells (the ticker's thread)

    def news(self) -> News | None:
        view = self._view  # an action puts another in its place
        news = self._followed(view) if view.stands_at is None else self._counted(view)
        names = self._names()
        if news is None and names is None:
            return None
        view.is_new = False
        return {"view": view.number} | (news or {}) | (names or {})

    def _followed(self, view: View) -> News | None:
        """Return the rows since the last time; of a flood the newest."""
        seq = self._store.seq
        if seq == view.seen and not view.is_new:
            return None
        fresh = view.is_new
        if view.row_filter.open:
            most = MAX_ROWS if fresh or seq - view.seen <= MAX_ROWS else BURST_ROWS
            found = list(self._store.since(max(view.seen + 1, seq - most + 1)))
            last, unseen = (found[-1][0] if found else view.seen), 0
        else:
            first = max(view.seen + 1, seq - FILTERED_ROWS + 1)
            found, last, _ = view.row_filter.select(self._store.since(first), FILTERED_ROWS)
            unseen = 0 if fresh else first - view.seen - 1
            if len(found) > MAX_ROWS:
                unseen += len(found) - (MAX_ROWS if fresh else BURST_ROWS)
                found = found[-(MAX_ROWS if fresh else BURST_ROWS) :]
        if not found and not fresh and not unseen:
            view.seen = max(view.seen, last)
            return None
        if view.row_filter.open and not fresh:
            unseen = found[0][0] - view.seen - 1 if found else 0
        view.seen = max(view.seen, last)
        view.skipped += unseen
        news: News = {"rows": self._cells(found), "gap": unseen, "skipped": view.skipped}
        if view.skipped and self.flow.log.dropped:
            news["dropped"] = True
        return news | {"first": True} if fresh else news

    def _counted(self, view: View) -> News | None:
        """Return how many rows came since the page stands still."""
        seq = self._store.seq
        if seq == view.seen and not view.is_new:
            return None
        if view.row_filter.open:
            view.came += seq - view.seen
            view.seen = seq
        else:
            first = max(view.seen + 1, seq - FILTERED_ROWS + 1)
            found, last, _ = view.row_filter.select(self._store.since(first), FILTERED_ROWS)
            view.skipped += first - view.seen - 1
            view.came += len(found)
            view.seen = max(view.seen, last)
            if not found and not view.is_new:
                return None
        return {"came": view.came, "unseen": view.skipped}

    def _names(self) -> News | None:
        """Return what a filter can be made of, when that has changed."""
        places = self._store.places()
        if len(places) == self._places:
            return None
        self._places = len(places)
        kinds = {place.kind for place in places}
        names = dict.fromkeys(
            text(f"{place.node}.{place.port}", 120) for place in places if place.node
        )
        return {
            "kinds": [kind for kind in KINDS if kind in kinds],
            "places": list(islice(names, MAX_PLACES)),
        }

    def _cells(self, rows: Iterable[Raw]) -> list[RowCells]:
        places, known, budget = self._store.places(), self._store.known, Budget()
        lines = []
        for seq, time, place, session, _, _, data, size, _, error in rows:
            kind, node, port, _ = places[place]
            who = known(session) if session else None
            lines.append(
                [
                    seq,
                    time // 1_000_000,
                    kind,
                    text(placed(node, port), 120),
                    "" if who is None else who.id,
                    one_line(data, size, budget),
                    "" if error is None else text(error),
                ]
            )
        return lines

    # ---- what it is asked (the flow's loop)

    def choose(
        self,
        view: int,
        kinds: list[str] | None = None,
        where: str = "",
        session: str = "",
        text: str = "",
    ) -> None:
        """Show only rows that fit, the newest ones first of all, and follow."""
        self._see(View(view, RowFilter(self._store, kinds or (), where, session, text)))

    def follow(self, view: int) -> None:
        """Show the newest rows, and what comes."""
        self._see(View(view, self._view.row_filter))

    def stand(self, view: int, at: int) -> None:
        """Tell no rows beyond `at` any more, only how many there are."""
        self._see(View(view, self._view.row_filter, min(max(0, at), self._store.seq)))

    def _see(self, view: View) -> None:
        """Take a view, unless it is older: a page that was lost asks again what it had asked."""
        if view.number > self._view.number:
            self._view = view

    def older(self, before: int) -> News:
        """Return the rows before one that fit, and how far back it was looked."""
        row_filter, start, left = self._view.row_filter, self._start(), SEARCHED_ROWS
        found: list[Raw] = []
        at = min(before, self._store.seq + 1)
        while at > start and len(found) < STEP_ROWS and left > 0:  # from behind, a piece at a time
            first = max(start, at - PIECE_ROWS)
            piece = [row for row in islice(self._store.since(first), PIECE_ROWS) if row[0] < at]
            fit, last, left = row_filter.select(reversed(piece), left)
            found += fit
            at = last or first
        found = found[:STEP_ROWS][::-1]
        if len(found) == STEP_ROWS:
            at = found[0][0]
        return {
            "rows": self._cells(found),
            "before": at,
            "start": start,
            "dropped": self.flow.log.dropped,
        }

    def newer(self, after: int) -> News:
        """Return the rows after one that fit, and whether these were all."""
        row_filter = self._view.row_filter
        found, last, _ = row_filter.select(
            islice(self._store.since(after + 1), SEARCHED_ROWS), SEARCHED_ROWS
        )
        more = len(found) > STEP_ROWS or 0 < last < self._store.seq
        found = found[:STEP_ROWS]
        return {
            "rows": self._cells(found),
            "after": found[-1][0] if len(found) == STEP_ROWS else max(after, last),
            "more": more,
        }

    def details(self, seq: int) -> News:
        """Return all that is known of a row, and what led to it and what it led to.

        Raises:
            WsflowError: there is no such row, or it was dropped.
        """
        row = self._store.row(seq)
        if row is None:
            raise WsflowError(
                f"row {seq} is not in the log any more; it holds {self.flow.log.span}"
            )
        raw = next(iter(self._store.since(seq)), None)
        session = self._store.known(raw[3]) if raw is not None and raw[3] else None
        return {
            "seq": seq,
            "time": row.time // 1_000_000,
            "kind": row.kind,
            "node": text(row.node, 500),
            "port": text(row.port, 500),
            "path": text(row.path, 500),
            "session": row.session or "",
            "peer": "" if session is None else text(session.peer, 500),
            "size": row.size,
            "elapsed": row.elapsed,
            "error": "" if row.error is None else text(row.error, 8_000),
            **whole(row.data),
            **self._story(seq),
        }

    def _start(self) -> int:
        """Return the number of the oldest row."""
        first = next(iter(self._store.since(1)), None)
        return self._store.seq + 1 if first is None else int(first[0])

    def _story(self, seq: int) -> News:
        """Return the tree a row stands in: the event that began it, and all that this caused."""
        above = [seq]
        while (cause := self._cause(above[0])) and len(above) < TRACE_ROWS // 2:
            above.insert(0, cause)
        lost = self._lost(above[0])
        family = self._store.caused(above[0])
        chosen = _nearest(family, above, self._store.caused(seq), TRACE_ROWS)
        budget, depth, began = Budget(), {0: -1}, 0
        times: dict[int, int] = {}
        lines = []
        for number in chosen:
            row = self._store.row(number)
            if row is None:  # dropped this very moment
                continue
            began = began or row.time
            depth[number] = depth.get(row.cause, -1) + 1
            times[number] = row.time
            lines.append(
                [
                    number,
                    min(depth[number], 12),
                    (row.time - began) / 1e6,
                    (row.time - times.get(row.cause, row.time)) / 1e6,
                    row.kind,
                    text(row.node, 120),
                    text(row.port, 120),
                    row.session or "",
                    one_line(self._packed(number), row.size, budget),
                    "" if row.error is None else text(row.error),
                ]
            )
        return {"trace": lines, "of": len(family), "lost": lost}

    def _packed(self, seq: int) -> Any:
        """Return a row's data as it is kept."""
        raw = next(iter(self._store.since(seq)), None)
        return None if raw is None else raw[6]

    def _cause(self, seq: int) -> int:
        """Return what led to a row, if that is still there."""
        row = self._store.row(seq)
        return row.cause if row is not None and self._store.row(row.cause) is not None else 0

    def _lost(self, seq: int) -> int:
        """Return what led to a row, if that is there no more."""
        row = self._store.row(seq)
        return 0 if row is None or self._store.row(row.cause) is not None else row.cause


def _nearest(
    family: Iterable[int], above: Iterable[int], below: Iterable[int], most: int
) -> list[int]:
    """Return the rows of a large family that say most of one of them, oldest first."""
    chosen = dict.fromkeys(islice(chain(above, below), most))
    for number in family:
        if len(chosen) >= most:
            break
        chosen[number] = None
    return sorted(chosen)
