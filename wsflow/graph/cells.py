"""Which notebook cell declares what: a cell owns what it declares.

When a cell runs again, what it declared last time but not now is gone. IPython tells the cell's
id; where none is known (scripts, some front ends), nothing is ever taken away.
"""

from __future__ import annotations

import inspect
import linecache
import re
import sys
import traceback
import weakref
from collections.abc import Callable, Hashable, Iterable
from contextvars import ContextVar
from pathlib import PurePath
from types import CoroutineType, FrameType
from typing import Any, Protocol

from ..tracebacks import is_ours


class CellListener(Protocol):
    """Who wants to know of cells."""

    def cell_started(self, cell: str) -> None: ...

    def cell_ended(self, cell: str, ok: bool) -> None: ...


class Ledger:
    """Declarations and the cells that made them."""

    def __init__(self) -> None:
        self._owners: dict[Hashable, set[str]] = {}
        self._last: set[Hashable] = set()
        self._fresh: set[Hashable] = set()

    def declare(self, key: Hashable, cell: str | None, *, shared: bool = False) -> bool:
        """Note a declaration; False when this very run of the cell made it before.

        A shared thing (a wire) lives while one of its cells declares it; else the last cell to
        declare a thing owns it.
        """
        first = key not in self._fresh
        if cell is not None:
            self._fresh.add(key)
            if shared:
                self._owners.setdefault(key, set()).add(cell)
            else:
                self._owners[key] = {cell}
        return first

    def begin(self, cell: str) -> None:
        """A cell starts: what it owned is up for renewal."""
        self._last = {key for key, cells in self._owners.items() if cell in cells}
        self._fresh = set()

    @property
    def stale(self) -> set[Hashable]:
        """What the running cell alone had declared, and has not declared again yet."""
        return {key for key in self._last - self._fresh if len(self._owners.get(key, ())) == 1}

    def end(self, cell: str, ok: bool) -> list[Hashable]:
        """A cell ended: return what it no longer declares and nobody else does.

        A cell that raised keeps what it had: half a run says nothing about the rest.
        """
        gone: list[Hashable] = []
        for key in self._last - self._fresh if ok else ():
            cells = self._owners.get(key, set())
            cells.discard(cell)
            if not cells:
                self._owners.pop(key, None)
                gone.append(key)
        self._last, self._fresh = set(), set()
        return gone

    def others(self, cell: str) -> dict[Hashable, set[str]]:
        """Return what other cells than this one declare, and which."""
        return {key: cells - {cell} for key, cells in self._owners.items() if cells - {cell}}

    def forget(self, key: Hashable) -> None:
        """The thing is gone by other means."""
        self._owners.pop(key, None)
        self._fresh.discard(key)


class _Notebook:
    """IPython's announcements of cells, passed on to those who watch."""

    def __init__(self) -> None:
        self.cell: str | None = None
        self._run = 0
        """Which run of a cell the present one is, counted."""
        self._numbers: dict[str, int] = {}
        """What the notebook wrote beside each cell when it ran last, as in `In[5]`."""
        self._watchers: weakref.WeakSet[Any] = weakref.WeakSet()
        self._shell: Any = None
        self._inside = False
        self._nested: list[Any] = []

    def watch(self, watcher: CellListener) -> None:
        """Tell `watcher` of every cell from now on; the cell that runs now has started."""
        self._hook()
        self._watchers.add(watcher)
        if self.cell is not None:
            watcher.cell_started(self.cell)

    @property
    def asks(self) -> bool:
        """Whether who asks is the cell that runs: not a handler, a panel or another thread."""
        return self.cell is not None and _run_of.get() == self._run

    def carried(self, function: Callable[[], None]) -> Callable[[], None]:
        """Return `function` as the cell's own, if a cell asks: also in another thread."""
        run = _run_of.get()

        def call() -> None:
            _run_of.set(run)
            function()

        return call

    def _hook(self) -> None:
        shell = ipython()
        if shell is None or shell is self._shell:
            return
        self._shell = shell
        shell.events.register("pre_run_cell", self._before)
        shell.events.register("post_run_cell", self._after)
        _hint_at_await(shell)
        # the cell that imports wsflow has started already; the kernel still knows its id
        self.cell = _running_cell(shell)
        self._inside = self.cell is not None
        self._begin()

    def _begin(self) -> None:
        self._run += 1
        _run_of.set(self._run)
        if self.cell is not None:
            self._numbers[self.cell] = getattr(self._shell, "execution_count", 0)

    def named(self, cells: Iterable[str]) -> str:
        """Return how a person finds these cells: `cell In[4]`, `cells In[4], In[7]`."""
        numbers = sorted(self._numbers.get(cell, 0) for cell in cells)
        return f"cell{'s' if len(numbers) > 1 else ''} " + ", ".join(f"In[{n}]" for n in numbers)

    def _before(self, info: Any) -> None:
        """A cell starts; one inside another (a magic runs it) belongs to the outer one."""
        cell = getattr(info, "cell_id", None)
        if self._inside and (cell is None or cell == self.cell):
            self._nested.append(info)
            return
        self._inside, self._nested, self.cell = True, [], cell
        self._begin()
        if cell is not None:
            for watcher in list(self._watchers):
                watcher.cell_started(cell)

    def _after(self, result: Any) -> None:
        info = getattr(result, "info", None)
        if any(info is one for one in self._nested):
            self._nested = [one for one in self._nested if one is not info]
            return
        cell, self.cell, self._inside = self.cell, None, False
        error = getattr(result, "error_in_exec", None)
        hint = _forgotten_await(error) or _refused_with(error)
        if hint is not None:
            sys.stderr.write(f"{hint}\n")  # below the traceback, which does not say it
        if cell is not None:
            for watcher in list(self._watchers):
                watcher.cell_ended(cell, bool(result.success))


_run_of: ContextVar[int] = ContextVar("wsflow_cell_run", default=0)
"""The run of a cell whose code this is; what the cell left running has its number for ever."""

notebook = _Notebook()
"""The one notebook this process is the kernel of, if it is one."""


def ipython() -> Any:
    """Return the IPython shell we run in, or None; never loads IPython."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None else None


def cited(file: str, line: int) -> str:
    """Return how a person finds a line: `app.py:31`, or in a notebook `cell In[5], line 2`."""
    compiler = getattr(ipython(), "compile", None)
    named = getattr(compiler, "format_code_name", lambda _: None)(file)
    if named is not None:
        return f"{named[0].lower()} {named[1]}, line {line}"
    return f"{PurePath(file).name}:{line}"


def interactive() -> bool:
    """Say whether somebody types here: declaring a thing again means to change it."""
    return ipython() is not None or hasattr(sys, "ps1")


def _hint_at_await(shell: Any) -> None:
    """Show a coroutine of wsflow that a cell ends with as what it is: a forgotten `await`."""
    formatters = getattr(getattr(shell, "display_formatter", None), "formatters", {})
    plain = formatters.get("text/plain")
    if plain is not None:
        plain.for_type(CoroutineType, _print_coroutine)


def _forgotten_await(error: BaseException | None) -> str | None:
    """Return what to write where a cell took a coroutine of wsflow for what it gives."""
    if not isinstance(error, AttributeError | TypeError) or "coroutine" not in str(error):
        return None
    one = getattr(error, "obj", None)
    if isinstance(one, CoroutineType):
        name = one.__name__ if is_ours(one.cr_code) else None
    else:
        name = next(filter(None, map(_unawaited, traceback.walk_tb(error.__traceback__))), None)
    return name and f"{name}() gives its result to an `await`, as in (await x.{name}(...))"


def _refused_with(error: BaseException | None) -> str | None:
    """Return what a server answered to a handshake that it refused: the error has the status only.

    `websockets` raises it (`InvalidStatus`), with the response on it.
    """
    body = getattr(getattr(error, "response", None), "body", None)
    if not isinstance(body, bytes | bytearray) or not type(error).__module__.startswith(
        "websockets."
    ):
        return None
    text = body[:500].decode("utf-8", "replace").strip()
    return f"the server said: {text}" if text and text.isprintable() else None


def _unawaited(place: tuple[FrameType, int]) -> str | None:
    """Return which coroutine function of wsflow a line calls, by what its names stand for."""
    frame, number = place
    line = linecache.getline(frame.f_code.co_filename, number)
    for owner, name in re.findall(r"(\w+)\.(\w+)\(", line):
        function = getattr(type(frame.f_locals.get(owner)), name, None)
        if inspect.iscoroutinefunction(function) and is_ours(function.__code__):
            return str(name)
    return None


def _print_coroutine(coroutine: Any, printer: Any, _cycle: bool) -> None:
    name = coroutine.__name__
    printer.text(
        f"<{name}() has not begun: write `await` before it, as in `await x.{name}(...)`>"
        if is_ours(coroutine.cr_code) and coroutine.cr_frame is not None
        else repr(coroutine)
    )


def _running_cell(shell: Any) -> str | None:
    kernel = getattr(shell, "kernel", None)
    parent = kernel.get_parent("shell") if kernel is not None else {}
    cell = (parent or {}).get("metadata", {}).get("cellId")
    return cell if isinstance(cell, str) else None
