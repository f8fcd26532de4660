"""The log as a person looks at it: a table, a DataFrame, the trace of one event.

Holds nothing itself: it reads the store. pandas is loaded when a frame is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base.wake import threadsafe_wakeup
from ..errors import ReceiveTimeoutError, Spelled, WsflowError
from ..events import KINDS, Row
from ..types import texts
from .rows import Rows, Trace, line, rows_table
from .store import Store

if TYPE_CHECKING:
    import pandas as pd

    from .sequence import Sequence

SHOWN = 10


class Log(Spelled):
    """What happened in a flow, newest last. Safe to read from any thread.

    End a cell with `flow.log` to see the last rows; `flow.log.frame()` is a pandas DataFrame.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    # ---- for pandas

    def frame(
        self,
        *,
        node: str | None = None,
        port: str | None = None,
        session: str | None = None,
        kind: str | Iterable[str] | None = None,
        since: Any = None,
        until: Any = None,
    ) -> pd.DataFrame:
        """Return the rows as a DataFrame, one row a port event, oldest first.

        Columns: `seq`, `time` (UTC), `scope`, `cause` (the `seq` that led here, <NA> for none),
        `kind`, `node`, `port`, `session`, `path`, `data` (as it was at that moment), `size`
        (bytes), `elapsed` (seconds), `error`. The filters keep rows that fit all of them;
        `since` and `until` take what pandas takes for a time.

        Clients write what is in the cells: the frame's HTML and its `style` show it as text. A
        `format()` of your own on `style` has to escape again.

        Raises:
            WsflowError: a kind that does not exist was asked for.
        """
        from .frame import build, chosen

        kinds = _kinds(kind)
        whole = build(self._store.blocks(), self._store.places(), self._store.sessions())
        return chosen(
            whole, node=node, port=port, session=session, kinds=kinds, since=since, until=until
        )

    def to_csv(self, path: str | Path) -> Path:
        """Write the frame as CSV and return where; text that a spreadsheet would run is defused."""
        from .frame import write_csv

        return write_csv(self.frame(), path)

    def to_parquet(self, path: str | Path) -> Path:
        """Write the frame as Parquet (needs `pip install wsflow[parquet]`) and return where.

        `data` becomes its repr where it is neither text nor bytes.
        """
        from .frame import write_parquet

        return write_parquet(self.frame(), path)

    # ---- for reading

    def tail(self, n: int = SHOWN) -> Rows:
        """Return the newest `n` rows, oldest first: a list that shows itself as a table."""
        return Rows(self._store.rows(newest=n))

    def trace(self, seq: int) -> Trace:
        """Return the row `seq` and all that it caused, oldest first: a list, shown as a tree.

        Raises:
            WsflowError: there is no such row, or it was dropped.
        """
        try:
            seq = index(seq)
        except TypeError:
            raise WsflowError(f"trace takes the seq of a row, such as 1, not {seq!r}") from None
        rows = map(self._store.row, self._store.caused(seq))
        found = Trace(row for row in rows if row is not None)
        if not found or found[0].seq != seq:
            raise WsflowError(f"no row {seq} in the log; it holds {self.span}")
        return found

    def sessions(self) -> pd.DataFrame:
        """Return one row a session: the handshake's facts, and how it ended.

        Columns: `session`, `opened`, `peer`, `path`, `method`, `params`, `query`, `headers`,
        `closed`, `code`, `reason`. Secrets are redacted. Sessions whose last row was dropped are
        gone from here too.
        """
        from .frame import of_sessions

        return of_sessions(self._store.sessions())

    def plot(self, *, step: float | None = None, since: Any = None, until: Any = None) -> Any:
        """Return a picture of the log; end a cell with it.

        Over time: messages a second in and out, the time handlers took by node (median, and dotted
        the slowest in twenty), errors and what was dropped, sessions open and messages unanswered.
        It is a matplotlib `Figure`, to change or to `savefig`. `step` is the seconds a point stands
        for; a fitting one unless given.

        Raises:
            WsflowError: the log is empty, or nothing lies between `since` and `until`.
            MissingPackageError: it is not there: `pip install wsflow[plots]`.
        """
        from .metrics import rates
        from .plot import picture

        rows = list(self._store.rows())
        if since is not None or until is not None:
            from .frame import between

            rows = between(rows, since, until)
        return picture(rates(rows, step), f"{len(rows):,} rows of the log")

    def sequence(self, newest: int = 200) -> Sequence:
        """Return a sequence diagram of the newest rows, one lifeline a session.

        It is Mermaid source; a notebook draws it when a cell ends with it.
        """
        from .sequence import diagram

        return diagram(self.tail(newest))

    def watch(self, watcher: Callable[[Row], object]) -> Callable[[], None]:
        """Call `watcher(row)` for each row, in the flow's loop; returns how to stop.

        A watcher that raises is switched off.
        """
        return self._store.watch(watcher)

    async def until(
        self,
        *,
        kind: str | None = None,
        node: str | None = None,
        session: str | None = None,
        count: int = 1,
        after: int = 0,
        timeout: float = 10.0,
    ) -> Row:
        """Wait until `count` rows newer than `after` fit, and return the last of them.

        Raises:
            ReceiveTimeoutError: they did not come within `timeout` seconds.
        """
        import anyio

        _kinds(kind)
        fitting: dict[int, Row] = {}
        wake, wait = threadsafe_wakeup()

        def look(row: Row) -> None:
            if (
                row.seq > after
                and (kind is None or row.kind == kind)
                and (node is None or row.node == node)
                and (session is None or row.session == session)
            ):
                fitting[row.seq] = row
                if len(fitting) >= count:
                    wake()

        stop = self._store.watch(look)
        try:
            for row in self._store.rows():  # the watcher may have seen newer ones already
                look(row)
            with anyio.move_on_after(timeout):
                await wait()
        finally:
            stop()
        if len(fitting) < count:
            wanted = " ".join(
                f"{name}={value}"
                for name, value in (("kind", kind), ("node", node), ("session", session))
                if value is not None
            )
            raise ReceiveTimeoutError(
                f"{len(fitting)} of {count} rows with {wanted or 'anything'} within {timeout:g} s"
            )
        return fitting[sorted(fitting)[count - 1]]

    # ---- the bounds

    @property
    def bytes(self) -> int:
        """What it takes in memory: rows, handshakes, names that clients gave."""
        return self._store.bytes

    @property
    def dropped(self) -> int:
        """How many rows were dropped to stay within the bounds."""
        return self._store.dropped

    @property
    def seq(self) -> int:
        """The number of the newest row: how many there have been, dropped ones included."""
        return self._store.seq

    def clear(self) -> None:
        """Forget the rows there are; `seq` goes on."""
        self._store.clear()

    def __len__(self) -> int:
        return len(self._store)

    def __iter__(self) -> Iterator[Row]:
        return self._store.rows()

    # ---- how it looks

    @property
    def span(self) -> str:
        """Which rows it holds, in words."""
        first = next(islice(self._store.rows(), 1), None)
        return "nothing yet" if first is None else f"rows {first.seq} to {self._store.seq}"

    def __repr__(self) -> str:
        dropped = f", {self.dropped} dropped" if self.dropped else ""
        lines = [f"<Log {len(self)} rows{dropped}>"]
        lines += map(line, self.tail())
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = self.tail()
        more = f"the last {len(rows)} of {len(self)} rows"
        dropped = f" ({self.dropped} older ones dropped)" if self.dropped else ""
        return rows_table(rows, note=f"{more}{dropped}; flow.log.frame() is a DataFrame")


def _kinds(kind: str | Iterable[str] | None) -> tuple[str, ...] | None:
    if kind is None:
        return None
    kinds = texts(kind)
    for one in kinds:
        if one not in KINDS:
            raise WsflowError(f"no rows of kind {one!r}; kinds: {', '.join(KINDS)}")
    return kinds
