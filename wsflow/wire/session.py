"""One connection, from handshake to close: its facts, its counters, its bounded outbox.

A session never waits: it hands messages to its transport, keeps back what the other end does not
take yet, and gives up on a client that stops reading. Its route hears of everything once.
"""

from __future__ import annotations

import html
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ..base.bodies import size_of, to_sendable
from ..base.current import current_flow
from ..base.display import plain
from ..base.fence import fenced
from ..base.interfaces import (
    CLOSE_NORMAL,
    CLOSE_TOO_BIG,
    CLOSE_TRY_LATER,
    Observer,
    SocketRoute,
    Transport,
    check_close,
)
from ..tracebacks import named
from ..types import Data, Query


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one session. Sizes in bytes, times in seconds."""

    max_message_size: int = 2**20
    max_backlog: int = 16 * 2**20
    """What may wait for a client that does not keep up; beyond, it is closed with 1013."""
    max_waiting: int = 10_000
    """The same in messages."""
    max_inflight: int = 100
    """Handlers running for one session; beyond, reading stops (TCP back-pressure)."""
    stall_timeout: float = 5.0
    """A client that takes nothing for so long while messages wait is closed with 1013."""
    ping_interval: float = 20.0
    dead_after: float = 45.0
    """A client not heard of for so long is dropped."""


DEFAULT_LIMITS = Limits()
"""What holds where nobody said otherwise: read by `serve` and the command line."""


class Facts(NamedTuple):
    """What a handshake said, once the endpoint believed it."""

    peer: str
    method: str
    path: str
    params: dict[str, str]
    query: Query
    headers: dict[str, str]
    subprotocol: str | None = None


class Session:
    """A client's connection. `state` goes from "open" over "closing" to "closed"."""

    __slots__ = (
        "__weakref__",
        "_blocked",
        "_ending",
        "_heard_at",
        "_leaving",
        "_limits",
        "_now",
        "_observer",
        "_on_closed",
        "_outbox",
        "_pinged",
        "_playing",
        "_progress",
        "_progress_at",
        "_route",
        "_sent_close",
        "backlog",
        "dropped",
        "headers",
        "id",
        "inflight",
        "messages_in",
        "messages_out",
        "method",
        "number",
        "opened_at",
        "params",
        "path",
        "paused",
        "peer",
        "query",
        "starting",
        "state",
        "subprotocol",
        "transport",
        "waiting",
    )

    def __init__(
        self,
        id: str,
        number: int,
        facts: Facts,
        transport: Transport,
        route: SocketRoute,
        limits: Limits,
        observer: Observer,
        now: Callable[[], float],
        on_closed: Callable[[Session, int | None, str], None],
    ) -> None:
        self.id, self.number = id, number
        self._playing = current_flow.get()
        self.peer, self.method, self.path = facts.peer, facts.method, facts.path
        self.params, self.query, self.headers = facts.params, facts.query, facts.headers
        self.subprotocol = facts.subprotocol
        self.state: Literal["open", "closing", "closed"] = "open"
        self._now = now
        self.opened_at = now()
        self.messages_in = self.messages_out = self.dropped = self.backlog = 0
        self.inflight = 0
        """Async handlers that wait or run."""
        self.starting = 0
        """Those of them that have not started yet."""
        self.waiting: deque[Any] = deque()
        """Later events, until those have started; counted as in flight."""
        self.transport = transport
        self.paused = False
        """Whether the flow is paused: nothing is read then."""
        self._route, self._limits, self._observer, self._on_closed = (
            route,
            limits,
            observer,
            on_closed,
        )
        self._leaving: list[Callable[[], object]] | None = None
        self._outbox: deque[Data] | None = None
        self._blocked = False
        self._ending: tuple[int, str] | None = None
        self._sent_close: tuple[int, str] | None = None
        self._heard_at = self._progress_at = self.opened_at
        self._progress, self._pinged = 0, False

    @property
    def route(self) -> SocketRoute:
        """Who hears of this session: its trigger."""
        return self._route

    # ---- what transports call

    def start(self) -> None:
        """Tell the route that the connection is established."""
        self._route.opened(self)

    @property
    def halted(self) -> bool:
        """Whether the transport must not read on: too many handlers run, or the flow is paused."""
        return self.paused or self.inflight >= self._limits.max_inflight

    def allows(self, size: int) -> bool:
        """Whether a message may be that large; for one that may not, the connection ends (1009).

        For transports that see a message only when it is whole.
        """
        limit = self._limits.max_message_size
        if size <= limit:
            return True
        self.end(CLOSE_TOO_BIG, f"a message may have {limit} bytes")
        return False

    def receive(self, data: Data, size: int) -> None:
        """Take one message of `size` bytes from the client."""
        if self.state == "open":
            self.messages_in += 1
            self._route.received(self, data, size)

    def lost(self, code: int | None, reason: str = "", error: str | None = None) -> None:
        """The connection has ended; called again it does nothing.

        `code` is the client's own; where it told none, what we sent counts, if we sent one.
        """
        if self.state == "closed":
            return
        self.state = "closed"
        self._drop_outbox()
        if code is None and self._sent_close is not None:
            code, reason = self._sent_close
        leaving, self._leaving = self._leaving, None
        for forget in leaving or ():
            fenced(self._could_not_forget, forget)
        self._on_closed(self, code, reason)
        self._route.closed(self, code, reason, error)

    def _could_not_forget(self, error: BaseException) -> None:
        text = f"a callback of when_closed raised {named(error)}"
        self._observer.note("error", text, self.number, self.path)

    def block(self) -> None:
        """The other end does not keep up: keep messages back from now on."""
        self._blocked = True
        self._progress, self._progress_at = self.transport.progress(), self._now()

    def unblock(self) -> None:
        """The other end takes messages again: hand over what waits, as far as it goes."""
        self._blocked = False
        outbox = self._outbox
        while outbox and not self._blocked:
            data = outbox.popleft()
            self.backlog -= size_of(data)
            self.transport.send(data)
            self.messages_out += 1
        if not outbox and not self._blocked and self._ending is not None:
            self._close_now(*self._ending)

    # ---- what triggers call, and users

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent."""
        return self.state == "open"

    def deliver(self, data: Data) -> int | None:
        """Hand over one message; return its size, or None when it was dropped.

        Never blocks: what the client does not take yet waits in a bounded outbox.

        Raises:
            UnicodeEncodeError: the text is no UTF-8 (a lone surrogate); nothing was sent.
        """
        if self.state != "open":
            self.dropped += 1
            return None
        if self._blocked:
            return self._keep(data)
        size = self.transport.send(data)
        self.messages_out += 1
        return size

    @property
    def _is_ours(self) -> bool:
        """Whether who calls may reach this session: a replay must not reach live clients, nor
        they a replay, though a handler may keep contexts of both in one dict."""
        return current_flow.get() is self._playing

    def end(self, code: int = CLOSE_NORMAL, reason: str = "") -> None:
        """Close the connection once all that was sent before has left; harmless twice."""
        if self.state != "open":
            return
        self.state = "closing"
        if self._blocked:
            self._ending = (code, reason)
        else:
            self._close_now(code, reason)

    def send(self, body: Any) -> bool:
        """Send a message by hand, from any thread; False when the session has ended.

        `str` goes as text, `bytes` as binary, all else as JSON text.

        Raises:
            ReplyError: JSON can not hold the body.
        """
        data = to_sendable(body)
        return self._is_ours and self._observer.call(self._send, data)

    def _send(self, data: Data) -> bool:
        size = self.deliver(data)
        self._observer.sent(self, data, size)
        return size is not None

    def close(self, code: int = CLOSE_NORMAL, reason: str = "") -> None:
        """Close the connection by hand, from any thread; harmless twice.

        Raises:
            ReplyError: no Close frame can carry that code or reason.
        """
        how = check_close(code, reason)
        if self._is_ours:
            self._observer.call(self.end, *how)

    def when_closed(self, forget: Callable[[], object]) -> bool:
        """Call `forget()` once when the connection has ended, before `close` is told.

        False when it has ended already: nothing will be called.
        """
        if self.state == "closed":
            return False
        if self._leaving is None:
            self._leaving = []
        self._leaving.append(forget)
        return True

    def handler_started(self) -> None:
        """An async handler of this session, or an event behind one, waits or runs."""
        self.inflight += 1

    def handler_ended(self) -> None:
        """It has ended: read on, if that was what we waited for."""
        self.inflight -= 1
        if self.inflight == self._limits.max_inflight - 1 and not self.paused:
            self.transport.resume()

    def pause(self, paused: bool) -> None:
        """Stop or go on reading with the flow."""
        self.paused = paused
        if not paused and self.inflight < self._limits.max_inflight:
            self.transport.resume()

    # ---- the watch

    def check(self, now: float) -> None:
        """Notice a client that stopped reading or died; called about once a second."""
        limits = self._limits
        if self.transport.heard() or self.halted:  # who is not listened to can not be heard
            self._heard_at, self._pinged = now, False
        silent = now - self._heard_at
        if silent > limits.dead_after:
            self._observer.note(
                "drop", f"not heard of for {silent:.0f} s: dropped", self.number, self.path
            )
            self.transport.abort()
        elif silent > limits.ping_interval and not self._pinged and self.state == "open":
            self._pinged = True
            self.transport.ping()
        if self._blocked:
            progress = self.transport.progress()
            if progress != self._progress:
                self._progress, self._progress_at = progress, now
            elif now - self._progress_at > limits.stall_timeout:
                self._evict(f"has read nothing for {limits.stall_timeout:g} s")

    def _keep(self, data: Data) -> int | None:
        size = size_of(data)
        outbox = self._outbox
        if outbox is None:
            outbox = self._outbox = deque()
        outbox.append(data)
        self.backlog += size
        if self.backlog > self._limits.max_backlog or len(outbox) > self._limits.max_waiting:
            self._evict(f"has {len(outbox)} messages ({self.backlog} bytes) waiting")
            return None
        return size

    def _evict(self, why: str) -> None:
        """Give up on a client that does not read (promise P5)."""
        if self.state == "closed" or self._sent_close is not None:
            return
        lost = self._drop_outbox()
        self.state, self._ending = "closing", None
        text = f"client {why}: {lost} messages dropped, closed with {CLOSE_TRY_LATER}"
        self._observer.note("drop", text, self.number, self.path)
        self._close_now(CLOSE_TRY_LATER, "you do not read fast enough")

    def _drop_outbox(self) -> int:
        lost = len(self._outbox or ())
        self.dropped += lost
        self._outbox, self.backlog = None, 0
        return lost

    def _close_now(self, code: int, reason: str) -> None:
        self._ending, self._sent_close = None, (code, reason)
        self.transport.close(code, reason)

    # ---- how it looks

    @property
    def age(self) -> float:
        """Seconds since the handshake."""
        return self._now() - self.opened_at

    def __repr__(self) -> str:
        text = (
            f"<Session {self.id} {plain(self.path):.24} {self.state} {self.age:.0f}s "
            f"in={self.messages_in} out={self.messages_out}"
        )
        return text + (f" dropped={self.dropped}>" if self.dropped else ">")

    def _repr_html_(self) -> str:
        facts = {
            "session": self.id,
            "state": self.state,
            "peer": self.peer,
            "path": self.path,
            "age": f"{self.age:.0f} s",
            "messages in": self.messages_in,
            "messages out": self.messages_out,
            "waiting": f"{self.backlog} bytes",
            "dropped": self.dropped,
        }
        rows = "".join(
            f"<tr><th style='text-align:left'>{name}</th><td>{html.escape(plain(value))}</td></tr>"
            for name, value in facts.items()
        )
        return f"<table>{rows}</table>"
