"""The flow behind `Flow`: what its nodes, its ways in, its recorders and its panel ask of it.

Opposite: `flow.py`, what a user holds. Nothing here is for users: `flow._host` leads to it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .base.interfaces import CLOSE_GOING_AWAY, CLOSE_RESTART, Routes
from .clock import Clock
from .events import HAND
from .graph.cells import interactive
from .graph.freezes import Freezes
from .graph.host import Host
from .graph.node import Node
from .graph.port import Wire
from .graph.triggers.http import RequestTrigger
from .graph.triggers.timer import Timer
from .graph.watchdog import Blocked
from .io.folder import FOLDER, resolve
from .log.session_log import SessionLog
from .log.store import Store
from .wire.endpoint import Endpoint
from .wire.policy import Policy
from .wire.server import Options, Server
from .wire.sessions import Sessions

if TYPE_CHECKING:
    from .io.recorder import Recorder


class FlowHost(Host):
    """One flow: graph, engine and loop (see `Host`), log, sessions, server, recorders."""

    def __init__(
        self,
        name: str,
        store: Store,
        clock: Clock,
        env: Mapping[str, str],
        *,
        apart: bool = False,
    ) -> None:
        super().__init__(name, store.tell, store.place, clock, env, apart=apart)
        self.store = store
        self.sessions = Sessions(clock.now)
        self.freezes = Freezes(self, self.sessions.find)
        self.server: Server | None = None
        """The one that was started last; it may have ended."""
        self.origins: set[str] = set()
        """Origins of pages that show a panel, as Jupyter's own channel said."""
        self.recorders: dict[str, Recorder] = {}
        """By name; one whose name is taken, in another folder, by its path."""
        self.observer = SessionLog(store, self.owner, self.engine.current)
        store.later = self.owner.soon
        self.engine.faults.clean = store.secrets.text

    @property
    def paused(self) -> bool:
        """Whether triggers are held back."""
        return self.engine.paused

    @property
    def blocked(self) -> Blocked | None:
        """What keeps the loop from going on at this moment: a line of a handler or of a cell.

        None while it turns. Read it from another thread: in the loop's own nothing is blocked.
        """
        return self.runtime.watch.blocked

    @property
    def wires(self) -> list[Wire]:
        """The wires there are."""
        return self.graph.wires()

    @property
    def paths(self) -> list[str]:
        """The patterns of the WebSocket routes."""
        return self.graph.paths()

    def describe(self) -> dict[str, Any]:
        """Return the graph as plain values: names of nodes, their kinds, routes and wires."""
        return {
            "name": self.name,
            "nodes": [
                {"name": node.name, "kind": type(node).__name__}
                | ({"path": node.template.pattern} if hasattr(node, "template") else {})
                | ({"seconds": node.seconds} if isinstance(node, Timer) else {})
                for node in self.nodes.values()
            ],
            "wires": [list(wire.key) for wire in self.wires],
        }

    # ---- ways in

    def endpoint(self, policy: Policy | None, options: Options | None = None) -> Endpoint:
        """Return a front door: who is let in, by these rules and limits."""
        options = options or Options()
        if policy is not None:
            self.store.secrets.keep(policy.token)
        return Endpoint(
            self._with_page() if options.page else self.graph,
            self.sessions,
            self.observer,
            policy=policy,
            limits=options.limits(),
            max_sessions=options.max_sessions,
            max_query_size=options.max_query_size,
            told_routes=self.graph.routes if policy and (interactive() or options.page) else None,
        )

    def _with_page(self) -> Routes:
        from .views.statuspage import StatusPage, WithPage

        nodes = self.graph.nodes.values
        return WithPage(self.graph, StatusPage(self.name, nodes, lambda: len(self.sessions)))

    def hand(self, name: str) -> Node:
        """Return who answers by hand: no node of the flow, as a replay can tell by the port."""
        made = Node(self, name, (), ())
        made.response_place = self.place("response", name, HAND)
        return made

    def trust_origin(self, origin: str) -> None:
        """Let pages of this origin connect: Jupyter's own channel said that they show a panel."""
        self.origins.add(origin)

    # ---- its life

    def forget(self, node: Node) -> None:
        """A node is gone; clients of a route that is gone are told so, not left in silence."""
        super().forget(node)
        self.freezes.forget(node)
        for session in self.sessions:
            if session.route is node:
                session.close(CLOSE_RESTART, "this route is gone")

    def pause(self, paused: bool) -> None:
        """Hold triggers back, or let them go on."""
        self.sessions.pause(paused)
        (self.engine.pause if paused else self.engine.resume)()
        self.engine.moment("pause" if paused else "resume")

    def check(self, now: float) -> None:
        self.sessions.check(now)

    async def close(self) -> None:
        self.freezes.thaw(f"flow {self.name!r} was stopped")
        if self.server is not None:
            await self.server.stop()
        self.sessions.close_all(CLOSE_GOING_AWAY, "flow stopped")

    def meet(self) -> None:
        """Somebody wants the flow to run, or to stop, in the loop that runs here.

        Raises:
            ServeError: it runs in another one that stands still; or this is not asyncio.
        """
        if self.owner.is_stranded:
            self._abandon()
        self.owner.check()

    def _abandon(self) -> None:
        """The loop was closed while the flow ran in it: nobody could be told."""
        if self.server is not None:
            self.server.cut()
        for session in self.sessions:
            with contextlib.suppress(RuntimeError):  # of a loop that is closed
                session.transport.abort()
            session.lost(None, "", "the loop it was served in was closed")
        self.freezes.thaw(f"the loop of flow {self.name!r} was closed", fire=False)
        self.runtime.abandon()
        self.stop_recorders()

    def answering(self) -> bool:
        """Whether handlers work on the answer to a request."""
        triggers = (one for one in self.graph.nodes.values() if isinstance(one, RequestTrigger))
        return any(one.is_answering for one in triggers)

    def goodbye(self) -> None:
        self.freezes.thaw(f"flow {self.name!r} was stopped", fire=False)
        if self.server is not None:
            self.server.goodbye()
        self.stop_recorders()

    # ---- recorders

    def record(self, name: str, folder: str | Path, redact: tuple[str, ...]) -> Recorder:
        """Start a recorder; one that writes to that file already is stopped."""
        from .io.recorder import Recorder

        same = self._recorder_of(name, folder)
        if same is not None:
            same.stop()  # the cell that started it was run again
        key = str(resolve(name, folder)) if name in self.recorders else name
        recorder = Recorder(
            name,
            self.store,
            self.describe,
            folder=folder,
            redact=redact,
            on_stop=lambda: self.recorders.pop(key, None),
            call=self.call,
        )
        self.recorders[key] = recorder
        return recorder

    def keep_recording(self, name: str) -> None:
        """Record under `name` unless that is being done already."""
        if self._recorder_of(name, FOLDER) is None:
            self.call(self.record, name, FOLDER, ())

    def _recorder_of(self, name: str, folder: str | Path) -> Recorder | None:
        """Return who records to that file."""
        file = resolve(name, folder).resolve()
        return next((one for one in self.recorders.values() if one.path.resolve() == file), None)

    def stop_recorders(self) -> None:
        """The flow has stopped: what was recorded is safe on disk."""
        for recorder in list(self.recorders.values()):
            recorder.stop()
