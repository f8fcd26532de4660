"""A bar for work that takes long: appears after a second, in a terminal or a notebook.

In a notebook it is one line of HTML that is gone when the work is done; it prints nothing.
"""

from __future__ import annotations

import contextlib
import html
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeAlias

import anyio

BAR_DELAY = 1.0
"""Seconds of work nobody needs to be told of."""

BAR_INTERVAL = 0.2
"""Seconds between two looks."""

Show: TypeAlias = Callable[[float], object]


async def follow(
    what: str, share: Callable[[], float], done: Callable[[], Awaitable[object]]
) -> None:
    """Wait for `done()`, and show meanwhile how much of the work is done (`share()`, 0 to 1)."""
    if await _within(BAR_DELAY, done):
        return
    with _bar(what) as show:
        while True:
            show(share())
            if await _within(BAR_INTERVAL, done):
                return


async def _within(seconds: float, done: Callable[[], Awaitable[object]]) -> bool:
    with anyio.move_on_after(seconds) as waiting:
        await done()
    return not waiting.cancelled_caught


@contextlib.contextmanager
def _bar(what: str) -> Iterator[Show]:
    shell = _shell()
    if shell is not None and hasattr(shell, "kernel"):
        with _in_notebook(what) as show:
            yield show
    elif sys.stderr.isatty():
        with _in_terminal(what) as show:
            yield show
    else:
        yield lambda share: None


@contextlib.contextmanager
def _in_notebook(what: str) -> Iterator[Show]:
    import IPython.display

    make: Any = IPython.display.HTML
    show: Any = IPython.display.display
    label = html.escape(what)

    def line(share: float) -> Any:
        bar = f"<progress value='{share:.4f}' aria-label='{label}'></progress>"
        return make(f"{bar} {label} {share * 100:.0f} %")

    handle = show(line(0.0), display_id=True)
    try:
        yield lambda share: handle.update(line(share))
    finally:
        handle.update(make(""))


@contextlib.contextmanager
def _in_terminal(what: str) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task(what, total=1.0)

        def show(share: float) -> None:
            bar.update(task, completed=share, refresh=True)

        yield show


def _shell() -> object:
    """Return the IPython shell we run in, or None; never loads IPython."""
    module = sys.modules.get("IPython")
    return None if module is None else module.get_ipython()
