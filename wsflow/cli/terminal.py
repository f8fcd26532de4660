"""The terminal: what a person sees there, as lines and tables, in colour where it has colours.

What clients sent is shown through `plain`, so it steers no terminal. rich is loaded when something
is printed. Opposite: `log.py` and `recording.py` have the rows.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import sys
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from ..base.display import plain
from ..base.threads import started
from ..errors import WsflowError
from ..events import ANSWERS, Row
from ..log.log import Log
from ..log.rows import clock_text, data_text

if TYPE_CHECKING:
    from rich.console import Console, OverflowMethod
    from rich.table import Table
    from rich.text import Text

    from ..io.format import Entry

    Told: TypeAlias = Row | Entry
    """A row of a log or of a recording."""

    R = TypeVar("R", Row, Entry)

DONE, RAISED, REFUSED, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses: all is well, something is wrong, it can not be done, a person said stop."""

LOOK_SECONDS = 0.1
"""Seconds between two looks at what is new in the log."""

QUIET_ROWS, TERMINAL_ROWS, FILE_ROWS = 1_000, 200, 5_000
"""Rows taken a look, to find trouble, to draw or to write: all take time away from the flow."""

TROUBLE = frozenset({"error", "gap", "mark"})
"""Kinds of rows that are printed unasked."""

STYLES = {
    "req": "green",
    "message": "cyan",
    "close": "yellow",
    "fire": "green",
    "route": "bright_blue",
    **dict.fromkeys(ANSWERS, "magenta"),
    "broadcast": "bold magenta",
    "signal": "bright_blue",
    "error": "bold red",
    "drop": "red",
    "gap": "bold red",
    "mark": "bold yellow",
}
"""How kinds of rows look: the terminal's own colours, which fit its background."""

ASCII = dict(zip("─│┬├╭╮╰╯━▶→←·…↺", "-|++++++=>><.~@", strict=True))
"""What stands for our signs where the terminal's encoding lacks them."""

FILE_WIDTH = 100_000
"""Columns beyond which not even a file has lines."""

MAX_DEPTH = 8
"""Steps to the right a row may stand in a table, below those that led to it."""


class CommandError(WsflowError):
    """What a command was asked for can not be had; `status` is its exit status."""

    status = REFUSED

    def told(self) -> Text:
        """Return what is printed of it."""
        from rich.text import Text

        return Text.assemble(("wsflow: ", "bold red"), str(self))


# ---- the terminal itself


def console(*, stderr: bool = False, whole: bool = False) -> Console:
    """Return the terminal; without colours where it is none, or NO_COLOR is set.

    With `whole`, tables that go into a file or a pipe are as wide as they need to be.
    """
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if whole and not made.is_terminal:
        made.width = FILE_WIDTH
    return made


def forgive_encodings() -> None:
    """Have signs that the encoding of stdout lacks come out as ASCII, not as an error."""
    codecs.register_error("wsflow", _spelled)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="wsflow")


def _spelled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(ASCII.get(sign, "?") for sign in text), error.end


def version() -> str:
    """Return the version of wsflow that is installed."""
    from importlib.metadata import version

    return version("wsflow")


def counted(number: int, what: str) -> str:
    """Return `1 row` or `2,000 rows`."""
    return f"{number:,} {what}{'s' * (number != 1)}"


# ---- rows


def line(row: Told) -> Text:
    """Return a row as one line."""
    from rich.text import Text

    return Text.assemble(
        (clock_text(row.time), "dim"),
        f" {alias(row):4} ",
        (f"{row.kind:9} ", STYLES.get(row.kind, "")),
        f"{where(row):20} ",
        _said(row),
    )


def table(*columns: str) -> Table:
    """Return an empty table; what is too long for the terminal is cut."""
    from rich import box
    from rich.table import Table

    made = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        header_style="dim",
        border_style="dim",
    )
    for column in columns:
        made.add_column(column, no_wrap=True, overflow="ellipsis")
    return made


def rows_table(rows: Iterable[R], unit: str, when: Callable[[R], str]) -> Table:
    """Return rows as a table, each below the one that caused it and a step to the right of it.

    `when` gives the text of the column `unit`.
    """
    from rich.text import Text

    made = table("seq", unit, "kind", "where", "session", "data")
    made.columns[-1].no_wrap = False  # the one to give way; its text is cut all the same
    depths: dict[int, int] = {}
    for row in rows:
        depth = depths[row.seq] = min(depths.get(row.cause, -1) + 1, MAX_DEPTH)
        made.add_row(
            Text(f"{row.seq:3}", "dim"),
            Text(when(row), "dim"),
            Text.assemble(
                (f"{'╰ ' if depth else '':>{2 * depth}}", "dim"),
                (row.kind, STYLES.get(row.kind, "")),
            ),
            where(row),
            alias(row),
            _said(row),
        )
    return made


def where(row: Told) -> str:
    """Return the node and the port a row tells of."""
    return plain(f"{row.node}.{row.port}" if row.node else row.port)


def alias(row: Told) -> str:
    """Return the short name of a row's session: `s7` for `s7-k3f9`."""
    return plain((row.session or "").partition("-")[0])


def _said(row: Told) -> Text:
    """Return its error and its data, or of which path it tells when there is none."""
    from rich.text import Text

    data = plain(row.path) if row.value is None else plain(data_text(row.value))
    return Text.assemble(
        (f"{plain(row.error)}  " if row.error else "", "red"),
        (data, "dim" if row.error or row.value is None else ""),
        no_wrap=True,
        overflow="ellipsis",
    )


class Printer:
    """Prints what is new in a log, in a thread of its own.

    It reads the log as anybody may, so a terminal that does not keep up holds nobody up; what it
    could not show is counted. Without `everything` only trouble is printed.
    """

    def __init__(self, log: Log, out: Console, *, everything: bool) -> None:
        self._log, self._out, self._everything = log, out, everything
        loud = TERMINAL_ROWS if out.is_terminal else FILE_ROWS
        self._most = loud if everything else QUIET_ROWS
        self._seen = 0
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        self._thread = started(self._watch, "wsflow log")

    def __exit__(self, *_: object) -> None:
        """Wait for the last rows; a terminal that takes none is left by a second Ctrl-C."""
        self._done.set()
        if self._thread is None:  # none could be started: all of it is told now
            self._watch()
        else:
            self._thread.join()

    def _watch(self) -> None:
        with contextlib.suppress(OSError):  # the terminal is gone; the flow goes on
            while not self._done.wait(LOOK_SECONDS):
                self._show()
            self._show()

    def _show(self) -> None:
        """Print what is new: cut to the width of a terminal, whole into a file."""
        from rich.text import Text

        if all(row.seq == self._seen for row in self._log.tail(1)):
            return
        rows = [row for row in self._log.tail(self._most) if row.seq > self._seen]
        newest = rows[-1].seq if rows else self._seen
        missed, self._seen = newest - self._seen - len(rows), newest
        if self._everything and missed:
            self._out.print(f"… {counted(missed, 'row')} not shown", style="dim")
        lines = [line(row) for row in rows if self._everything or _is_trouble(row)]
        if lines:
            overflow: OverflowMethod = "ellipsis" if self._out.is_terminal else "ignore"
            text = Text("\n").join(lines)
            self._out.print(text, no_wrap=True, overflow=overflow, crop=self._out.is_terminal)


def _is_trouble(row: Row) -> bool:
    return row.kind in TROUBLE or (row.kind == "drop" and row.session is None)
