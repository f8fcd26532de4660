"""The flow: what a user holds in the hand. Declares, serves, shows; all work is done below."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import anyio

from . import diagram
from .asgi import AsgiApp
from .cells import interactive
from .clock import Clock
from .declarations import Declarations
from .endpoint import Endpoint
from .engine import Engine
from .errors import ServeError, WiringError
from .folder import FOLDER
from .log import Log
from .memory import Client
from .node import Node
from .policy import Policy
from .runtime import Runtime
from .server import Options, Server
from .sessions import Sessions
from .stage import on_stage
from .state import State
from .tape import Tape
from .wire import CLOSE_GOING_AWAY, CLOSE_RESTART
from .witness import TapeWitness

if TYPE_CHECKING:
    from .recorder import Recorder
    from .recording import Recording
    from .replay import Replay
    from .twin import Stage
    from .virtual import VirtualLoop

R = TypeVar("R")


class Flow(Declarations):
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
        if "name" in self.__dict__:
            return  # the same running flow again
        if not isinstance(name, str) or not name.isprintable() or not name:
            raise WiringError(f"a flow needs a name, not {name!r}")
        clock = clock or Clock()
        tape = Tape(log_rows, log_bytes, clock.time_ns)
        environment = MappingProxyType(env if env is not None else os.environ)
        engine = Engine(name, tape.tell, tape.place, clock, environment)
        super().__init__(name, engine, tape.tell, tape.place, clock, apart=_apart)
        self.log = Log(tape)
        self._tape = tape
        self.sessions = Sessions(clock.now)
        self._runtime = Runtime(
            name,
            engine,
            clock,
            lambda: self._graph.nodes.values(),
            self.sessions.check,
            self._close,
            self._goodbye,
        )
        self._witness = TapeWitness(tape, self._runtime.owner)
        self._server: Server | None = None
        self._one_at_a_time = anyio.Lock()
        engine.line = self._line
        tape.later = self._runtime.owner.soon
        self._recorders: dict[str, Recorder] = {}
        if interactive() and not _apart:
            self._by_name[name] = self

    @property
    def state(self) -> State:
        """The key/value store that handlers find as `ctx.state`."""
        playing = on_stage.get()  # in a replay, that of the flow that plays
        engine = playing._engine if isinstance(playing, Flow) else self._engine
        return engine.state

    # ---- running

    async def serve(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        thread: bool = False,
        max_message_size: int = 2**20,
        max_backlog: int = 16 * 2**20,
        max_sessions: int = 10_000,
        allowed_origins: Iterable[str] = (),
        allowed_hosts: Iterable[str] = (),
        token: str | None = None,
        allow_unauthenticated: bool = False,
        trusted_proxies: Iterable[str] = (),
        certfile: str | None = None,
        keyfile: str | None = None,
        record: str | None = None,
    ) -> Server:
        """Serve in the running loop, or with `thread=True` in a thread with a loop of its own.

        The port is taken and clients are answered when this returns. Called again with the same
        options it returns the same server; in a notebook other options replace it on its port.

        Args:
            host: the address to bind; outside loopback a `token` is needed (or
                `allow_unauthenticated=True`).
            port: 0 for a free one.
            thread: answer even while a cell blocks; handlers then run in that thread.
            max_message_size: bytes; a larger message closes its session with 1009.
            max_backlog: bytes that may wait for one client; beyond, it is closed with 1013.
            max_sessions: sessions and requests at a time; beyond, 503.
            allowed_origins: web pages that may connect, besides those of this very server.
            allowed_hosts: names this server is called by, besides loopback ones.
            token: what clients must bring: `?token=`, `Authorization: Bearer`, or a subprotocol.
            trusted_proxies: networks whose `X-Forwarded-For` is believed.
            certfile, keyfile: PEM files; the server then speaks `wss://` and `https://`.
            record: the name of a recording that runs as long as the flow (see `record`).

        Raises:
            PortInUseError: the address can not be had.
            UnsafeBindError: an open door to other machines.
            ServeError: the flow serves already, with other options.
        """
        options = Options(
            host=host,
            port=port,
            thread=thread,
            max_message_size=max_message_size,
            max_backlog=max_backlog,
            max_sessions=max_sessions,
            allowed_origins=_texts(allowed_origins),
            allowed_hosts=_texts(allowed_hosts),
            token=token,
            allow_unauthenticated=allow_unauthenticated,
            trusted_proxies=_texts(trusted_proxies),
            certfile=certfile,
            keyfile=keyfile,
        )
        policy = options.policy()
        async with self._one_at_a_time:
            server = await self._serve_or_keep(options, policy)
        if record is not None and record not in self._recorders:
            self.record(record)
        return server

    async def _serve_or_keep(self, options: Options, policy: Policy) -> Server:
        there = self.server
        if there is not None:
            options = replace(options, port=options.port or there.port)
            if options == replace(there.options, port=there.port):
                return there
            if not interactive():
                raise ServeError(
                    f"flow {self.name!r} serves at {there.url} already, with other options; "
                    "await flow.stop() first"
                )
            await there.stop(CLOSE_RESTART, "server restarted with other options")
        return await self._serve(options, policy)

    async def _serve(self, options: Options, policy: Policy) -> Server:
        owner = self._runtime.owner
        endpoint = self._endpoint(policy, options)
        server = Server(
            options, endpoint, AsgiApp(endpoint, self.start, self.stop), owner, self._graph.paths
        )
        server.bind()
        try:
            if owner.running and owner.in_thread != options.thread:
                await owner.stop()
            await owner.start(thread=options.thread)
            await owner.run(server.start)
        except BaseException:
            server.unbind()
            raise
        self._server = server
        return server

    @contextlib.asynccontextmanager
    async def serving(self, **options: Any) -> AsyncIterator[Server]:
        """Serve while the block runs, then stop: `async with flow.serving() as server: ...`."""
        server = await self.serve(**options)
        try:
            yield server
        finally:
            await self.stop()

    @property
    def server(self) -> Server | None:
        """The server that runs now, or None."""
        return self._server if self._server is not None and self._server.running else None

    @property
    def asgi(self) -> AsgiApp:
        """The flow as an ASGI application, to mount in any ASGI server or framework.

        The Host header is that server's business; Origin is checked (same host only).
        """
        return AsgiApp(self._endpoint(Policy(check_host=False)), self.start, self.stop)

    def client(
        self, path: str, *, headers: Mapping[str, str] | None = None, peer: str = "memory"
    ) -> Client:
        """Return a client in memory: no port, the same way through the flow as from a socket.

        It connects at its first await; the flow is started if it was not.
        """
        owner = self._runtime.owner
        return Client(self._endpoint(None), self.start, owner, path, headers or {}, peer)

    async def start(self) -> None:
        """Run without a port: `setup` of each node, then events may come. Harmless twice."""
        await self._runtime.owner.start(thread=self._runtime.owner.in_thread)

    async def stop(self) -> None:
        """Stop the server and all that runs; sessions are closed with 1001. Harmless twice."""
        await self._runtime.owner.stop()
        self._runtime.owner.in_thread = False
        self._stop_recorders()

    @property
    def running(self) -> bool:
        """Whether handlers can run."""
        return self._engine.running

    @property
    def paused(self) -> bool:
        """Whether triggers are held back."""
        return self._engine.paused

    def pause(self) -> None:
        """Hold triggers back: clients stay connected, what they send waits. Harmless twice."""
        if not self.paused:
            self.call(self._pause, True)

    def resume(self) -> None:
        """Go on, with what came in meanwhile first. Harmless twice."""
        if self.paused:
            self.call(self._pause, False)

    def _pause(self, paused: bool) -> None:
        self.sessions.pause(paused)
        (self._engine.pause if paused else self._engine.resume)()
        self._engine.moment("pause" if paused else "resume")

    def clear(self) -> None:
        """Take out every node, forget the state and the log. A running server stays up."""
        self.call(self._graph.clear)
        self.state.clear()
        self.log.clear()

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
        return self.call(self._record, name, folder, tuple(redact))

    def _record(self, name: str, folder: str | Path, redact: tuple[str, ...]) -> Recorder:
        from .recorder import Recorder

        if name in self._recorders:
            self._recorders[name].stop()  # the cell that started it was run again
        recorder = Recorder(
            name,
            self._tape,
            self.describe,
            folder=folder,
            redact=redact,
            on_stop=lambda: self._recorders.pop(name, None),
        )
        self._recorders[name] = recorder
        return recorder

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
        from .compare import Rules
        from .recording import Recording
        from .replay import Replay

        opened = (
            recording
            if isinstance(recording, Recording)
            else Recording.open(recording, folder=folder)
        )
        return Replay(
            opened,
            self._stage,
            speed=speed,
            rules=Rules(tuple(ignore), ignore_times, ignore_ids, any_order, late),
            sessions=None if sessions is None else frozenset(sessions),
            until=until,
            loop=loop,
            max_gap=max_gap,
        )

    def _stage(self, loop: VirtualLoop, began: int) -> tuple[Stage, Log]:
        """Make a flow of its own for a replay (see `twin`)."""
        from .twin import Stage, copy
        from .virtual import VirtualClock

        env = self._engine.env
        twin = Flow(self.name, env=env, clock=VirtualClock(loop, began), _apart=True)
        copy(self, twin)
        workers = twin._engine.workers
        return Stage(twin, twin._endpoint(None), twin._graph.paths, workers.idle), twin.log

    def _stop_recorders(self) -> None:
        for recorder in list(self._recorders.values()):
            recorder.stop()

    def describe(self) -> dict[str, Any]:
        """Return the graph as plain values: names of nodes, their kinds, routes and wires."""
        return {
            "name": self.name,
            "nodes": [
                {"name": node.name, "kind": type(node).__name__}
                | ({"path": node.template.pattern} if hasattr(node, "template") else {})
                for node in self.nodes.values()
            ],
            "wires": [list(wire.key) for wire in self.wires],
        }

    # ---- the way in from other threads

    def call(self, function: Callable[..., R], *args: Any) -> R:
        """Call a plain function in the flow's loop, from any thread, and return its result."""
        return self._runtime.owner.call(function, *args)

    def redefined(self, node: Node) -> None:
        """A node got another function."""
        self._runtime.redefined(node)

    def forget(self, node: Node) -> None:
        """A node is gone; clients of a route that is gone are told so, not left in silence."""
        super().forget(node)
        for session in self.sessions:
            if session.route is node:
                session.close(CLOSE_RESTART, "this route is gone")

    # ---- inside

    def _endpoint(self, policy: Policy | None, options: Options | None = None) -> Endpoint:
        options = options or Options()
        return Endpoint(
            self._graph,
            self.sessions,
            self._witness,
            policy=policy,
            limits=options.limits(),
            max_sessions=options.max_sessions,
        )

    async def _close(self) -> None:
        if self._server is not None:
            await self._server.stop()
        self.sessions.close_all(CLOSE_GOING_AWAY, "flow stopped")

    def _goodbye(self) -> None:
        if self._server is not None:
            self._server.goodbye()
        self._stop_recorders()

    def _line(self, node: str, text: str) -> None:
        """Write a line of `ctx.log` down; handlers may have logged from a thread of their own."""
        owner = self._runtime.owner
        if owner.is_here:
            self._engine.mark(node, text)
        else:
            owner.post(self._engine.mark, node, text)

    def __repr__(self) -> str:
        server = f" at {self.server.url}" if self.server else ""
        state = " paused" if self.paused else ""
        return f"<Flow {self.name} {len(self._graph.nodes)} nodes{state}{server}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        nodes = list(self._graph.nodes.values())
        plain = f"{self!r}\n{diagram.text(nodes)}"
        return (
            {"text/plain": plain, "text/vnd.mermaid": diagram.mermaid(nodes)}
            if nodes
            else {"text/plain": plain}
        )


def _texts(given: Iterable[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
