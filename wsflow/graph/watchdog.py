"""Names what blocks a flow's loop, while it blocks it (promise P16).

The flow's ticker stamps a beat in the loop; one thread a process looks at all beats and, after half
a second of silence, at what the loop's thread is doing. Nothing here is on the way of a message.
"""

from __future__ import annotations

import linecache
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

from ..base.threads import started
from ..tracebacks import is_ours, libraries
from .cells import cited, notebook

if TYPE_CHECKING:
    from .node import Node

LOOK_EVERY = 0.25
"""Seconds between two looks at the beats."""

BLOCKED_AFTER = 0.5
"""Seconds of silence after which a loop counts as blocked, for the panel."""

LOGGED_AFTER = 1.0
"""Seconds of silence that are worth a row in the log."""

SUSPENDED_AFTER = 1.0
"""Seconds the watchdog may be late itself before it asks whether the whole process stood still."""

SOURCE_LENGTH = 100
"""Characters of a source line."""


CLIENTS = tuple(
    part.replace("/", os.sep)
    for part in (
        *("websockets/sync/", "site-packages/websocket/", "http/client.py", "/requests/"),
        *("/urllib3/", "/urllib/request.py", "httpcore/_sync/"),
    )
)
"""Files of clients that wait in the thread they were called in."""

OURS = __name__.partition(".")[0]


class Loop(Protocol):
    """The one thing to ask of an event loop; `asyncio.AbstractEventLoop` is one."""

    def is_running(self) -> bool: ...

    def is_closed(self) -> bool: ...


class Spot(NamedTuple):
    """Where a thread is: a line of somebody's code, and the node whose handler that is."""

    where: str
    node: str
    source: str
    why: Literal["", "client", "import"] = ""
    """What it does there, where that is known: waits for an answer, imports a package."""
    package: str = ""


@dataclass(frozen=True, slots=True)
class Blocked:
    """What keeps a loop from going on. `where` names the line, `node` the handler ("": a cell)."""

    where: str
    node: str
    since: float
    """When it began: UTC, in seconds since 1970."""
    advice: str
    _began: float = field(repr=False)
    _ended: float | None = field(default=None, repr=False)

    @property
    def seconds(self) -> float:
        """How long it has lasted; it grows as long as it lasts."""
        return (time.monotonic() if self._ended is None else self._ended) - self._began

    def __str__(self) -> str:
        who = f" by node {self.node!r}" if self.node else ""
        return (
            f"the loop was blocked for {self.seconds:.1f} s{who}: {self.where}; "
            f"nobody was answered meanwhile. {self.advice}"
        )


Listener: TypeAlias = Callable[[Blocked | None], object]


class Watch:
    """One flow's loop: when it was last heard of, and what blocks it now."""

    def __init__(self, nodes: Callable[[], Iterable[Node]] = lambda: ()) -> None:
        self.blocked: Blocked | None = None
        """What blocks the loop at this moment; None while it turns. Read it from any thread."""
        self._nodes = nodes
        self._listeners: tuple[Listener, ...] = ()
        self._lock = threading.Lock()
        self._loop: Loop | None = None
        self._thread, self._beat_at = 0, 0.0
        self._own_thread = False
        self._spots: Counter[Spot] = Counter()
        self._warned = False
        """Whether the cell that blocks was told that it waits for itself."""

    # ---- the loop

    def start(self, loop: Loop, own_thread: bool) -> bool:
        """Begin, in the loop's thread; `own_thread` says whether that is ours alone.

        False where there is no thread to look from: nothing will be seen.
        """
        self._loop, self._own_thread = loop, own_thread
        self._thread, self._beat_at = threading.get_ident(), time.monotonic()
        self._spots.clear()
        return watchdog.add(self)

    def beat(self) -> Blocked | None:
        """The loop turns; return what blocked it until now, when that is worth telling."""
        watchdog.beat()
        with self._lock:
            began, self._beat_at = self._beat_at, time.monotonic()
            blocked, self.blocked, self._warned = self.blocked, None, False
            if blocked is None:
                return None
            spot = self._spots.most_common(1)[0][0]
            self._spots.clear()
            whole = self._blocked_at(spot, began, self._beat_at)
        self._announce(None)
        return whole if whole.seconds >= LOGGED_AFTER else None

    def stop(self) -> None:
        """End, in the loop's thread."""
        watchdog.remove(self)
        self._loop, self.blocked = None, None

    # ---- anybody

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with what blocks the loop at each look, and with None once it goes on.

        The former happens in the watchdog's thread: the loop's is blocked. Returns how to stop.
        """
        self._listeners = (*self._listeners, listener)

        def stop() -> None:
            self._listeners = tuple(one for one in self._listeners if one is not listener)

        return stop

    # ---- the watchdog's thread

    def look(self, now: float) -> None:
        """Look whether the loop is silent, and at what its thread does if it is."""
        loop, seen = self._loop, self._beat_at
        if loop is None or now - seen < BLOCKED_AFTER:
            return
        if not loop.is_running():  # a script between two `run_until_complete`: nobody waits
            self.forgive(now - seen)
            return
        spot = self._spot()
        with self._lock:
            if spot is None or self._beat_at != seen or self._loop is None:
                return  # it idles or goes on: whatever it was, it was short
            self._spots[spot] += 1
            blocked = self.blocked = self._blocked_at(spot, seen)
        self._announce(blocked)
        if spot.why == "client" and notebook.cell is not None and not self._warned:
            self._warned = True  # the cell says nothing by itself until the client gives up
            sys.stderr.write(f"{spot.where}\nblocks the flow's loop. {blocked.advice}\n")
            sys.stderr.flush()

    def forgive(self, seconds: float) -> None:
        """Nobody ran for so long, the watchdog neither: the process or the machine stood still."""
        with self._lock:
            self._beat_at = min(time.monotonic(), self._beat_at + seconds)

    @property
    def is_over(self) -> bool:
        """Whether the loop was closed without a goodbye."""
        return self._loop is None or self._loop.is_closed()

    def _spot(self) -> Spot | None:
        frame = sys._current_frames().get(self._thread)
        return None if frame is None else located(frame, self._nodes())

    def _blocked_at(self, spot: Spot, began: float, ended: float | None = None) -> Blocked:
        since = time.time() - (time.monotonic() - began)
        advice = _advice(spot, self._own_thread)
        return Blocked(spot.where, spot.node, since, advice, began, ended)

    def _announce(self, blocked: Blocked | None) -> None:
        for listener in self._listeners:
            try:
                listener(blocked)
            except BaseException:  # noqa: BLE001 (law 3: who watches breaks nothing)
                self._listeners = tuple(one for one in self._listeners if one is not listener)


class Watchdog:
    """The thread that looks; there is one while anything is watched."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin with nothing: also in a forked child, where the thread does not exist."""
        self._lock = threading.Lock()
        self._watches: tuple[Watch, ...] = ()
        self._thread: threading.Thread | None = None
        self._enough = threading.Event()
        self._rests = False

    def rest(self) -> None:
        """Have no thread until the next beat: the process is about to be forked.

        From Python 3.12 on a fork beside threads is a warning, and its author has none.
        """
        with self._lock:
            thread, self._thread = self._thread, None
            self._rests = thread is not None
            self._enough.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(1.0)

    def beat(self) -> None:
        """A loop turns: look at it again."""
        if self._rests:
            with self._lock:
                self._rests = False
                if self._watches and self._thread is None:
                    self._begin()

    def _begin(self) -> None:
        self._enough = threading.Event()
        self._thread = started(self._run, "wsflow watchdog", self._enough)

    def add(self, watch: Watch) -> bool:
        """Look at `watch` from now on; False where no thread can be started."""
        with self._lock:
            self._watches = (*self._watches, watch)
            if self._thread is None:
                self._begin()
            return self._thread is not None

    def remove(self, watch: Watch) -> None:
        """Look at it no more; with nothing left to look at the thread ends before this returns."""
        with self._lock:
            self._watches = tuple(one for one in self._watches if one is not watch)
            thread = self._thread
            if self._watches or thread is None:
                return
            self._thread = None
            self._enough.set()
        if thread is not threading.current_thread():
            thread.join(1.0)  # a listener of its own may hold it up

    def _run(self, enough: threading.Event) -> None:
        looked, worked = time.monotonic(), time.process_time()
        while not enough.wait(LOOK_EVERY):
            now, work = time.monotonic(), time.process_time()
            late = now - looked - LOOK_EVERY
            # late, and the processor was somebody else's: suspended, or the machine is too busy.
            # Late while this process worked: C code kept the interpreter, and that is a block.
            idle = late > SUSPENDED_AFTER and work - worked < late / 2
            for watch in self._watches:
                try:
                    if watch.is_over:
                        self.remove(watch)
                    elif idle:
                        watch.forgive(late)
                    else:
                        watch.look(now)
                except Exception:  # noqa: BLE001 (law 3: a fault of ours is not the flow's)
                    self.remove(watch)
            looked, worked = now, work


watchdog = Watchdog()
"""The one of this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=watchdog.rest, after_in_child=watchdog.reset)


# ---- where a thread is


def located(frame: FrameType, nodes: Iterable[Node] = ()) -> Spot | None:
    """Return where the loop's thread is, in the user's words; None when it waits for events.

    That is the innermost line of the user's own code, or the innermost of all where none of it
    runs. Frames outside of the loop's turn (`asyncio.run(main())` in a script) say nothing.
    """
    turn = _turn(frame)
    if turn and _is_selector(turn[0]):
        return None
    if not turn:
        return None
    at = next((index for index, one in enumerate(turn) if _is_users(one.f_code)), None)
    inner, beyond = turn[at or 0], turn[:at]
    names = {_code(node.function): node.name for node in nodes}
    node = next((names[one.f_code] for one in turn if one.f_code in names), "")
    package, by_user = _imported(beyond)
    file, line = inner.f_code.co_filename, inner.f_lineno
    source = linecache.getline(file, line).strip()
    shown = source if len(source) <= SOURCE_LENGTH else source[: SOURCE_LENGTH - 1] + "…"
    where = f"{cited(file, line)}{': ' if shown else ''}{shown}"
    if package:
        where = f"the first import of {package} ({where})"
        return Spot(where, node if by_user else "", source, "import", package)
    return Spot(where, node, source, "client" if _is_client(beyond, source) else "")


def _imported(frames: list[FrameType]) -> tuple[str, bool]:
    """Return which package these frames import, and whether the user's line says so itself."""
    at = [index for index, one in enumerate(frames) if one.f_code.co_name == "_find_and_load"]
    names = [str(frames[index].f_locals.get("name")).partition(".")[0] for index in reversed(at)]
    package = next((name for name in names if name != OURS), names[0] if names else "")
    return package, bool(at) and at[-1] == len(frames) - 1


def _is_client(frames: list[FrameType], source: str) -> bool:
    """Say whether the thread waits for an answer, as a client that is no coroutine does."""
    if not frames:
        return ".recv(" in source and "await " not in source
    return any(any(part in one.f_code.co_filename for part in CLIENTS) for one in frames)


def _turn(frame: FrameType | None) -> list[FrameType]:
    """Return the frames of this turn of the loop, innermost first."""
    frames: list[FrameType] = []
    while frame is not None and not _is_loop(frame.f_code):
        frames.append(frame)
        frame = frame.f_back
    return frames


def _is_loop(code: CodeType) -> bool:
    return code.co_name == "_run_once" and code.co_filename.endswith("base_events.py")


def _is_selector(frame: FrameType) -> bool:
    """Say whether the loop waits for its sockets (a selector's `select`, Windows' `_poll`)."""
    outer = frame.f_back
    return frame.f_code.co_filename.endswith(("selectors.py", "windows_events.py")) and (
        outer is None
        or _is_loop(outer.f_code)
        or outer.f_code.co_filename == frame.f_code.co_filename
    )


def _is_users(code: CodeType) -> bool:
    """Say whether it is neither our code, nor Python's, nor an installed package's."""
    file = code.co_filename
    return not (
        is_ours(code)
        or file.startswith(("<frozen", *libraries()))
        or f"{os.sep}site-packages{os.sep}" in file
        or f"{os.sep}dist-packages{os.sep}" in file
    )


def _code(function: Any) -> CodeType | None:
    """Return the code of a handler: a function, a method, an object one can call."""
    function = getattr(function, "func", function)  # of a partial
    code = getattr(function, "__code__", None)
    return code or getattr(getattr(function, "__call__", None), "__code__", None)  # noqa: B004


def written(function: Any) -> str:
    """Return where a handler was written, as `app.py:31`; nothing for what is no Python code."""
    code = _code(function)
    return "" if code is None else cited(code.co_filename, code.co_firstlineno)


def _advice(spot: Spot, own_thread: bool) -> str:
    """Return what to write instead."""
    if spot.why == "import":
        return f"That is so once: with `import {spot.package}` before it is served, nobody waits"
    if spot.why == "client":
        return (
            "An answer of this flow can not come meanwhile: use a client that is awaited, as "
            "await websockets.connect(...) of websockets.asyncio.client or flow.client(path), "
            "or serve(thread=True)"
        )
    if "sleep(" in spot.source:
        better = "Await instead: await anyio.sleep(...)"
    elif "input(" in spot.source:
        better = "Await instead: await anyio.to_thread.run_sync(input)"
    else:
        better = "Await instead: await anyio.to_thread.run_sync(function, ...)"
    if spot.node:
        return f"{better} in an async def handler"
    return better if own_thread else f"{better}, or serve(thread=True) and block as you like"
