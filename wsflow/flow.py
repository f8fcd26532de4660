"""The flow: what a user holds in the hand. Declares, serves, shows; all work is done below."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from .base.current import current_flow
from .base.display import coloured
from .clock import Clock
from .errors import Spelled, WiringError
from .graph.cells import interactive
from .graph.state import State
from .host import FlowHost
from .io.folder import FOLDER
from .log.log import Log
from .log.store import Store
from .serving import Serving
from .types import texts
from .views import diagram

if TYPE_CHECKING:
    from .io.recorder import Recorder
    from .panel import Panels
    from .recording import Recording
    from .replay.replay import Replay
    from .replay.sandbox import Sandbox
    from .replay.virtual_time import VirtualLoop


class Flow(Serving, Spelled):
    """A graph of nodes, and the server that brings events into it.

    In a notebook `Flow("chat")` again is the same running flow; `flow.clear()` starts over.

    Args:
        name: how the flow is called in logs and displays.
        log_rows, log_bytes: bounds of the log; the oldest rows are dropped beyond.
        env: what handlers find as `ctx.env`; the process's environment unless given.
        clock: where time comes from; tests move a `ManualClock` by hand.
    """

    _by_name: ClassVar[dict[str, Flow]] = {}

    def __new__(cls, name: str = "flow", *, _apart: bool = False, **_: Any) -> Flow:
        there = cls._by_name.get(name) if interactive() and not _apart else None
        return super().__new__(cls) if there is None else there

    def __init__(
        self,
        name: str = "flow",
        *,
        log_rows: int = 100_000,
        log_bytes: int = 256 * 2**20,
        env: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        _apart: bool = False,
    ) -> None:
        if "_host" in self.__dict__:
            return  # the same running flow again
        if not isinstance(name, str) or not name.isprintable() or not name:
            raise WiringError(f"a flow needs a name, not {name!r}")
        clock = clock or Clock()
        store = Store(log_rows, log_bytes, clock.time_ns)
        environment = MappingProxyType(env if env is not None else os.environ)
        super().__init__(FlowHost(name, store, clock, environment, apart=_apart))
        self.log = Log(store)
        self._panels: Panels | None = None
        if interactive() and not _apart:
            self._by_name[name] = self

    @property
    def state(self) -> State:
        """The key/value store that handlers find as `ctx.state`.

        >>> flow.state.set("greeting", "hello")
        >>> flow.state.get("greeting")
        'hello'
        """
        host = current_flow.get() or self._host  # in a replay, that of the flow that plays
        state: State = host.engine.state
        return state

    def clear(self) -> None:
        """Take out every node, forget the state and the log. A running server stays up.

        >>> flow.clear()
        >>> flow.nodes, flow.state.keys(), len(flow.log)
        ({}, [], 0)
        """
        self._host.call(self._host.graph.clear)
        self.state.clear()
        self.log.clear()

    @property
    def panel(self) -> Panels:
        """The live panel: `flow.panel()` for all of it, `flow.panel.sessions()` for a part."""
        if self._panels is None:
            from .panel import Panels

            self._panels = Panels(self, self._host)
        return self._panels

    # ---- recordings

    def record(
        self, name: str, *, folder: str | Path = FOLDER, redact: Iterable[str] = ()
    ) -> Recorder:
        """Record everything from now on to `recordings/<name>.jsonl`, until it is stopped.

        Use it with `with`, or keep it and `stop()` it; the flow stops it too. A recording of that
        name that was there is kept under a number. `redact` names JSON keys whose values are
        replaced, besides the usual secrets of a handshake.

        Raises:
            RecordingError: the file can not be written.
        """
        return self._host.call(self._host.record, name, folder, tuple(redact))

    def replay(
        self,
        recording: str | Path | Recording,
        *,
        speed: float | None = None,
        ignore: Iterable[str] = (),
        ignore_times: bool = False,
        ignore_ids: bool = False,
        any_order: bool = False,
        late: float | None = None,
        sessions: Iterable[str] | None = None,
        until: float | str | None = None,
        loop: int = 1,
        max_gap: float | None = None,
        folder: str | Path = FOLDER,
    ) -> Replay:
        """Play a recording into today's handlers: `report = await flow.replay("lesson1")`.

        Recorded connections, messages and closes come in by the front door of a flow of its own,
        with the same handlers and wires but fresh `ctx.state`, managers and time, in a thread
        beside; live clients notice nothing. State that handlers keep in globals is shared.

        Args:
            recording: a name in `folder`, a path, or an open `Recording`.
            speed: 1.0 as it was, 10 ten times as fast, None as fast as possible.
            ignore: JSON keys (`"id"`) or paths (`"$.items[*].id"`) that do not matter.
            ignore_times, ignore_ids: dates and clock times, UUIDs and session ids do not matter.
            any_order: the answers of a session may come in any order.
            late: how many seconds later than recorded an equal answer may come.
            sessions: play only these.
            until: stop there: seconds from the start, or the text of a mark.
            loop: how often it is played.
            max_gap: seconds; longer silences are cut to this.

        Raises:
            RecordingError: it can not be read, or not be played in this flow (when awaited).
        """
        from .compare.rules import Rules
        from .recording import Recording
        from .replay.options import ReplayOptions
        from .replay.replay import Replay

        opened = (
            recording
            if isinstance(recording, Recording)
            else Recording.open(recording, folder=folder)
        )
        options = ReplayOptions(
            speed=speed,
            rules=Rules(texts(ignore), ignore_times, ignore_ids, any_order, late),
            sessions=None if sessions is None else frozenset(texts(sessions)),
            until=until,
            loop=loop,
            max_gap=max_gap,
        )
        return Replay(opened, self._sandbox, options)

    def _sandbox(
        self, loop: VirtualLoop, began: int, was: Mapping[str, Any] = MappingProxyType({})
    ) -> tuple[Sandbox, Log]:
        """Make a flow of its own for a replay (see `clone`); `was` describes the one recorded."""
        from .replay.clone import bind_timers, copy
        from .replay.sandbox import Sandbox
        from .replay.virtual_time import VirtualClock

        env = self._host.engine.env
        clone = Flow(self.name, env=env, clock=VirtualClock(loop, began), _apart=True)
        copy(self._host, clone)
        bind_timers(clone._host, was)
        return Sandbox(clone, clone._host, loop), clone.log

    # ---- the contract

    def to_asyncapi(
        self,
        *,
        recording: str | Path | Recording | None = None,
        version: str = "1.0.0",
        folder: str | Path = FOLDER,
    ) -> dict[str, Any]:
        """Return the flow's contract as an AsyncAPI 3 document: `json.dumps` makes a file of it.

        Channels come from the routes, the schemas of messages from what was said: in the log, or
        in a recording. Messages that a Switch sorts are told apart. No value that was seen gets
        into the document, only kinds and keys. `version` is that of your contract.

        Raises:
            RecordingError: the recording can not be read.
        """
        from .recording import Recording
        from .views.asyncapi import ServerAddress, document

        if recording is not None and not isinstance(recording, Recording):
            recording = Recording.open(recording, folder=folder)
        rows = self.log if recording is None else recording.rows()
        server, place = self.server, None
        if server is not None:
            host, options = server.url.partition("://")[2], server.options
            place = ServerAddress(host, options.certfile is not None, options.token is not None)
        return document(self.name, self._host.nodes.values(), rows, version, place)

    def __repr__(self) -> str:
        server = f" at {self.server.url}" if self.server else ""
        state = " paused" if self._host.paused else ""
        return f"<Flow {self.name} {len(self._host.nodes)} nodes{state}{server}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        nodes = list(self._host.nodes.values())
        plain = f"{self!r}\n{diagram.text(nodes)}"
        return (
            {"text/plain": plain, "text/vnd.mermaid": coloured(diagram.mermaid(nodes))}
            if nodes
            else {"text/plain": plain}
        )
