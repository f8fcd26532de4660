"""Ten times a second, every open page is told what is new: from one thread for all panels.

A thread of its own goes on while a cell or a handler blocks the flow's loop, which is when a
person looks at the panel. It ends when no page is open.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from typing import Protocol

from ..base.threads import later, started

TICK_SECONDS = 0.1
"""Seconds between two looks (promise P17: at most ten updates a second)."""


class Watched(Protocol):
    """Who is looked after."""

    def tick(self) -> bool:
        """Tell what is new; False when nobody listens any more."""
        ...


class Ticker:
    """The thread, and whom it looks after."""

    def __init__(self, seconds: float = TICK_SECONDS) -> None:
        self.seconds = seconds
        self._watched: weakref.WeakSet[Watched] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._ticks_here = False

    def watch(self, one: Watched) -> None:
        """Have `one.tick()` called from now on, the first time at once; harmless twice."""
        with self._lock:
            self._watched.add(one)
            self._wake.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = started(self._run, "wsflow panel")
            alone = self._thread is None
        if alone and not self._ticks_here:
            self._tick_here()

    def _run(self) -> None:
        while True:
            self._wake.clear()
            self._tick_all()
            with self._lock:
                if not self._watched:
                    self._thread = None
                    return
            self._wake.wait(self.seconds)

    def _tick_here(self) -> None:
        """Tick in this loop: no thread can be started."""
        self._tick_all()
        self._ticks_here = bool(self._watched) and later(self.seconds, self._tick_here)

    def _tick_all(self) -> None:
        """Call everybody once, and forget who is gone or fails."""
        with self._lock:
            due = list(self._watched)
            self._watched.clear()  # one that is watched again meanwhile is back in
        while due:  # no reference to the last one may stay
            with contextlib.suppress(Exception):
                if (one := due.pop()).tick():
                    with self._lock:
                        self._watched.add(one)
            del one


ticker = Ticker()
"""The one of this process."""
