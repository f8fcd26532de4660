"""Walks the wires: starts handlers, fences their errors, tells what happened.

What a handler routes goes to a worklist and starts after the handler's current synchronous
stretch, in the order of routing: no recursion, so loops in the graph are legal. A chain of plain
functions runs from read to write without a task, a queue hop or a copy.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from threading import get_ident
from typing import Any, TypeAlias

from ..base.current import current_flow
from ..base.fence import fenced
from ..base.interfaces import Places, SessionView, Tell
from ..base.snapshot import snapshot
from ..clock import Clock
from ..errors import RunawayError, SetupError
from ..tracebacks import named
from .context import Context, NodeContext
from .faults import MAX_SIGNALS, Faults, error_event
from .handling import Handling, awaited
from .lifecycle import Lifecycle
from .node import Node, arity, is_async
from .port import Output, Wire
from .scope import Respond, Scope
from .state import State
from .tasks import Tasks, was_cancelled

MAX_HOPS = 1_000
"""Synchronous hops of one event after which a loop counts as endless."""

LONG_HOPS = MAX_HOPS - 32
"""From here on the names of the nodes are noted, to be told if it is one."""

MAX_DELIVERIES = 100_000
"""Deliveries of one scope after which a loop that also fans out counts as endless."""

Work: TypeAlias = tuple[Wire, Any, Scope, int, int, bool]
Firing: TypeAlias = tuple[Output, Any, Scope, int]


class Engine:
    """Runs the handlers of one flow. Lives in one loop; everything here is called in that loop."""

    def __init__(
        self, flow: str, tell: Tell, place: Places, clock: Clock, env: Mapping[str, str]
    ) -> None:
        self.flow, self.tell, self.clock, self.env = flow, tell, clock, env
        self.state = State()
        self.lifecycle = Lifecycle()
        self.helpers: dict[str, tuple[str, Callable[[Any], Any]]] = {}
        self.tasks = Tasks()
        self.catchers: list[Output] = []
        self.faults = Faults(flow, tell, place)
        self.signals = {"response"}
        """Signals that somebody waits for, or did: one that is none of them may be misspelt."""
        self.later: Callable[[Callable[[], None]], object] = lambda function: function()
        self.call: Callable[..., Any] = lambda function, *args: function(*args)
        """How to have something done in the loop, from any thread."""
        self.thread = 0
        """The thread of the loop; 0 while there is none."""
        self._playing: Any = None
        self.running = self.paused = False
        self.gate: Callable[[Output, Any, Scope, int], bool] | None = None
        """Who may hold a firing back (see `freezes.py`); None while nobody wants to."""
        self._place = place
        self.scopes = 0
        """How many were opened: the number of the newest."""
        self._work: deque[Work] = deque()
        self._held: deque[Firing] = deque()
        self._let_go: list[tuple[SessionView | None, Firing | None]] = []
        self._behind: list[SessionView] = []
        """Sessions whose later events wait for `resume`."""
        self._draining = self._scheduled = False
        self._trail: list[str] = []
        self._looping: Scope | None = None
        self._current: Context | None = None

    # ---- scopes and firings

    def scope(self, session: SessionView | None, respond: Respond | None) -> Scope:
        """Open a scope for one trigger firing; `respond` is in place before anything is routed."""
        self.scopes += 1
        return Scope(self.scopes, session, respond)

    def fire(self, output: Output, event: Any, scope: Scope, cause: int) -> None:
        """Send a trigger's event on its way; while the flow is paused it waits for `resume`."""
        if self.paused:
            self._held.append((output, event, scope, cause))
            return
        session = scope.session
        if session is not None and (session.waiting or (session.starting and _has_plain(output))):
            # an async handler of an earlier event has not started yet, and a plain one would
            # overtake it: per session, handlers start in the order of events
            session.waiting.append((output, event, scope, cause))
            session.handler_started()
            return
        if self.gate is not None and self.gate(output, event, scope, cause):
            if session is not None:
                session.handler_started()
            return
        self._fire_now(output, event, scope, cause)

    def let_go(self, session: SessionView | None, firing: Firing | None) -> None:
        """Fire what the gate held back, or (None) leave it out; its session goes on behind it."""
        if self.paused:
            self._let_go.append((session, firing))
            return
        if session is not None:
            session.waiting.popleft()
            session.starting -= 1
        if firing is not None and self.running:
            self._fire_now(*firing)
        if session is not None:
            session.handler_ended()
            if self._draining:  # who lets go is a handler: what was let go has not started yet
                self.later(partial(self.fire_waiting, session))
            else:
                self.fire_waiting(session)

    def _fire_now(self, output: Output, event: Any, scope: Scope, cause: int) -> None:
        work = self._work
        for wire in output.wires:
            wire.count += 1
            work.append((wire, event, scope, cause, 0, False))
        if work and not self._draining:
            self._drain()

    def fire_waiting(self, session: SessionView) -> None:
        """Fire a session's later events, now that the handlers of the earlier ones have started."""
        waiting = session.waiting
        while waiting and not session.starting:
            if self.paused:
                self._behind.append(session)
                return
            firing = waiting.popleft()
            if self.gate is not None and self.gate(*firing):
                return
            self._fire_now(*firing)
            session.handler_ended()

    def pause(self) -> None:
        """Hold back firings; handlers that run already, and what they route, go on."""
        self.paused = True

    def resume(self) -> None:
        """Let go, in order, what came in meanwhile."""
        self.paused = False
        let_go, self._let_go = self._let_go, []
        for released in let_go:
            self.let_go(*released)
        held, self._held = self._held, deque()
        for firing in held:
            self.fire(*firing)
        behind, self._behind = self._behind, []
        for session in behind:
            self.fire_waiting(session)

    def current(self) -> Context | None:
        """Return the context of the handler that runs here, so that what it calls has a cause."""
        return self._current or awaited.get()

    # ---- what contexts ask for

    def route(self, ctx: Context, value: Any, port: str) -> None:
        """Queue `value` for every wire of an output (see `Context.route`)."""
        output = ctx._node.outputs.get(port)
        if output is None:
            output = ctx._node.output(port)  # raises, naming the ports there are
        scope = ctx._scope
        data, size = snapshot(value)
        if not self.running:
            self.faults.dropped(ctx, port, data, size)
            return
        elapsed = None if ctx._started is None else ctx.elapsed
        seq = self.tell(
            output.place, scope.session_number, scope.number, ctx._cause, data, size, elapsed
        )
        for wire in output.wires:
            wire.count += 1
            self._work.append((wire, value, scope, seq, ctx._hops + 1, ctx._caught))
        if not self._draining and not self._scheduled:
            self._scheduled = True
            self.later(self._drain)

    def from_elsewhere(self, function: Callable[..., Any], *args: Any) -> Any:
        """Do what a context asks for in another thread, in the loop, and return its result.

        None, and nothing is done, where that thread is another world's: a replay must not reach
        live clients, nor they a replay, though a handler may keep contexts of both in one dict.
        """
        return self.call(function, *args) if current_flow.get() is self._playing else None

    def emit(self, ctx: Context, signal: str, args: tuple[Any, ...]) -> int:
        """Call the scope's listeners of `signal` (see `Context.emit`)."""
        scope, heard = ctx._scope, 0
        if signal == "response" and scope.respond is not None:
            heard += scope.respond(scope, ctx, args[0] if args else None)
        else:
            self._told_signal(ctx, signal, args)
            if signal not in self.signals or (signal == "response" and scope.session is None):
                self.faults.hint_at_signal(ctx, signal, self.signals)
        if scope.waits:
            for _, callback, owner in scope.take(signal, self.clock.now()):
                heard += 1
                fenced(partial(self.failed, owner, args), self._call_back, owner, callback, args)
        return heard

    def once(self, ctx: Context, signal: str, callback: Callable[..., Any], timeout: float) -> None:
        """Wait for a signal in this scope (see `Context.once`)."""
        now = self.clock.now()
        if len(self.signals) < MAX_SIGNALS:
            self.signals.add(signal)
        ctx._scope.once(signal, (now + timeout, callback, ctx), now)

    def _told_signal(self, ctx: Context, signal: str, args: tuple[Any, ...]) -> None:
        data, size = snapshot(args[0] if len(args) == 1 else list(args) if args else None)
        place = self._place("signal", ctx._node.name, signal)
        scope = ctx._scope
        self.tell(place, scope.session_number, scope.number, ctx._cause, data, size, ctx.elapsed)

    def _call_back(self, ctx: Context, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if is_async(callback):
            self._start(ctx, callback, args)
        else:
            callback(*args)

    # ---- the worklist

    def _drain(self) -> None:
        """Deliver until nothing is left. The only place where plain handlers run."""
        self._scheduled = False
        if self._draining:
            return
        self._draining = True
        work = self._work
        try:
            while work:
                wire, value, scope, cause, hops, caught = work.popleft()
                target = wire.target
                node = target.node
                node.events_in += 1
                scope.deliveries += 1
                ctx = Context(self, node, target.name, scope, cause, hops, caught)
                if (hops > LONG_HOPS or scope.deliveries > MAX_DELIVERIES) and self._is_runaway(
                    ctx, value
                ):
                    continue
                if node.is_async:
                    self._start(ctx, node.call, (value, ctx))
                    continue
                self._current = ctx
                try:
                    result = node.call(value, ctx)
                    if result is not None:
                        self._returned(ctx, result)
                except BaseException as error:  # noqa: BLE001 (promise P4; as `fenced`, inline)
                    self.failed(ctx, value, error)
        finally:
            self._draining, self._looping, self._current = False, None, None

    def _start(self, ctx: Context, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Have an async handler awaited in a task of its own."""
        self.tasks.submit(Handling(self, ctx, function, args))

    def _is_runaway(self, ctx: Context, value: Any) -> bool:
        scope, hops = ctx._scope, ctx._hops
        if self._looping is not scope:
            self._looping, self._trail = scope, []
        if hops > LONG_HOPS:
            self._trail.append(ctx._node.name)
        if hops <= MAX_HOPS and not (scope.deliveries > MAX_DELIVERIES and hops > 16):
            return False
        names = " >> ".join(dict.fromkeys(self._trail or [ctx._node.name]))
        self._trail.clear()
        kept = [item for item in self._work if item[2] is not scope]
        self._work.clear()
        self._work.extend(kept)
        self.failed(ctx, value, RunawayError(f"endless loop cut after {hops} hops through {names}"))
        return True

    def _returned(self, ctx: Context, result: Any) -> None:
        """Await what a plain function gave back, or tell a learner that values are not sent."""
        if inspect.isawaitable(result):

            async def wait() -> None:
                await result

            self._start(ctx, wait, ())
        else:
            self.faults.hint_at_emit(ctx, result)

    def failed(self, ctx: Context, value: Any, error: BaseException) -> None:
        """Tell of an error and give it to the flow's Catch triggers, in the scope it came from."""
        scope, seq = ctx._scope, self.faults.raised(ctx, value, error)
        if ctx._caught or not self.running:
            return  # an error in the care of errors, or nobody is there any more: the row is enough
        for output in self.catchers:
            event = error_event(ctx, value, error)
            for wire in output.wires:
                wire.count += 1
                self._work.append((wire, event, scope, seq, 0, True))
        if self._work and not self._draining and not self._scheduled:
            self._scheduled = True
            self.later(self._drain)

    # ---- the flow's life

    async def setup(self, node: Node) -> None:
        """Run a node's `setup`, if it has one.

        Raises:
            SetupError: it raised.
        """
        self.forget(node)
        if node.prepare is None:
            return
        try:
            takes_ctx = arity(node.prepare, f"setup of {node.name!r}", ("(ctx)", "()"))
            result = node.prepare(*(NodeContext(self, node),) * takes_ctx)
            if inspect.isawaitable(result):
                await result
        except BaseException as error:
            if was_cancelled(error):
                raise  # who starts the flow was interrupted
            raise SetupError(f"setup of node {node.name!r} failed: {named(error)}") from error

    def forget(self, node: Node) -> None:
        """A node is gone, or about to be set up again: what its `setup` asked for goes."""
        self.lifecycle.drop(node.name)
        for name in [name for name, (owner, _) in self.helpers.items() if owner == node.name]:
            del self.helpers[name]

    def begin(self) -> None:
        """From now on events are taken, in this thread's loop."""
        self.running, self.thread, self._playing = True, get_ident(), current_flow.get()
        self.tasks.begin()

    def halt(self) -> None:
        """Forget what has not started; the flow has stopped."""
        self.running = self.paused = self._scheduled = False
        self._work.clear()
        self._held.clear()
        self._let_go.clear()
        self._behind.clear()

    def moment(self, name: str) -> None:
        """Call who subscribed to a lifecycle moment; an error costs a row and nothing else."""
        for owner, callback in self.lifecycle.callbacks(name):
            fenced(partial(self.faults.failed, owner, name), callback)


def _has_plain(output: Output) -> bool:
    return not all(wire.target.node.is_async for wire in output.wires)
