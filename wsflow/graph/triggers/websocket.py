"""The WebSocket Trigger: a route whose ports `req`, `message` and `close` tell of its sessions.

Contract: the map, section 2. The `response` listener of a scope is this trigger itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ...base.bodies import to_data
from ...base.interfaces import CLOSE_NORMAL, SessionView, check_close
from ...base.snapshot import describe
from ...base.urls import PathTemplate
from ...errors import ReplyError
from ...types import CloseEvent, Data, Query, SocketEvent
from ..context import Context
from ..scope import Scope
from .base import Trigger

if TYPE_CHECKING:
    from ..host import Host

_ABSENT: Any = object()
REPLY_KEYS = ("body", "end", "code", "reason")


class WebSocketTrigger(Trigger):
    """A WebSocket route. Make one with `flow.websocket("/chat/{room}")`.

    Ports `req` (a client connected), `message` (it sent one), `close` (it is gone):
    `{"peer", "sessionId", "method", "params", "query", "headers"}`, on `message` also `message`, on
    `close` also `code` (None when nobody told) and `reason`.
    """

    def __init__(self, host: Host, name: str, template: PathTemplate) -> None:
        super().__init__(host, name, ("req", "message", "close"))
        self.template = template
        self.subprotocols: tuple[str, ...] = ()
        """What it speaks; a client gets the first one it offered."""
        place, path = host.place, template.pattern
        self._req, self._message, self._close = (
            self.outputs["req"],
            self.outputs["message"],
            self.outputs["close"],
        )
        self._respond = self.respond  # bound once, not for every scope
        self._req_place = place("req", name, "req", path)
        self._message_place = place("message", name, "message", path)
        self._close_place = place("close", name, "close", path)

    # ---- what the wire side calls

    def opened(self, session: SessionView) -> None:
        """Fire `req`: a client's connection is established."""
        scope = self.engine.scope(session, self._respond)
        seq = self.engine.tell(self._req_place, session.number, scope.number, 0, None, 0)
        self.engine.fire(self._req, _event(session), scope, seq)

    def received(self, session: SessionView, data: Data, size: int) -> None:
        """Fire `message`: a message arrived."""
        engine, number = self.engine, session.number
        scope = engine.scope(session, self._respond)
        seq = engine.tell(self._message_place, number, scope.number, 0, data, size)
        event: Any = _event(session)
        event["message"] = data
        engine.fire(self._message, event, scope, seq)

    def closed(
        self, session: SessionView, code: int | None, reason: str, error: str | None
    ) -> None:
        """Fire `close`: the connection is closed. Its scope has no `response` listener."""
        scope = self.engine.scope(session, None)
        seq = self.engine.tell(
            self._close_place, session.number, scope.number, 0, None, 0, None, error
        )
        event = cast(CloseEvent, _event(session))
        event["code"], event["reason"] = code, reason
        self.engine.fire(self._close, event, scope, seq)

    # ---- the response listener

    def respond(self, scope: Scope, ctx: Context, reply: Any) -> bool:
        """Answer the client behind the scope: `{body, end}`, optionally `code` and `reason`.

        Returns whether the client's connection took it. A reply that can not be sent becomes an
        error event; the session is kept and nothing was sent.
        """
        session = scope.session
        assert session is not None
        try:
            body, end = _understood(reply)
            if len(reply) != 1 or body is _ABSENT:
                empty = body is _ABSENT and end is None
                self.engine.faults.hint_at_reply(ctx, reply, REPLY_KEYS, empty=empty)
            kind = type(body)
            if kind is str or kind is bytes:
                data = body
            else:
                data = None if body is _ABSENT else to_data(body)
            if data is not None and not self._send(scope, ctx, session, data):
                return False
        except (ReplyError, UnicodeEncodeError) as error:
            self.engine.failed(ctx, reply, error)
            return False
        if end is not None:
            if not session.is_open:
                return False
            session.end(*end)
        return True

    def _send(self, scope: Scope, ctx: Context, session: SessionView, data: Data) -> bool:
        size = session.deliver(data)
        taken = size is not None
        node = ctx._node
        self.engine.tell(
            node.response_place if taken else node.drop_place,
            session.number,
            scope.number,
            ctx._cause,
            data,
            size if size is not None else len(data),
            None if ctx._started is None else ctx.elapsed,
            None if taken else "the session has ended or does not keep up: nothing was sent",
        )
        return taken


def _event(session: SessionView) -> SocketEvent:
    """Return an event of its own for one firing: nobody else sees what a handler does to it."""
    return {
        "peer": session.peer,
        "sessionId": session.id,
        "method": session.method,
        "params": session.params.copy(),
        "query": _copied(session.query) if session.query else {},
        "headers": session.headers.copy(),
    }


def _copied(query: Query) -> Query:
    return {key: value if type(value) is str else list(value) for key, value in query.items()}


def _understood(reply: Any) -> tuple[Any, tuple[int, str] | None]:
    """Return the body (or _ABSENT) and, when the connection is to end, its code and reason.

    Raises:
        ReplyError: the reply is no mapping, or its code or reason can not go into a Close frame.
    """
    if type(reply) is not dict and not isinstance(reply, Mapping):
        raise ReplyError(
            f"emit('response', ...) takes a mapping such as {{'body': 'hello'}}, "
            f"not {describe(reply)}"
        )
    body = reply.get("body", _ABSENT)
    if len(reply) == 1 and body is not _ABSENT:
        return body, None
    if not reply.get("end"):
        return body, None
    return body, check_close(reply.get("code", CLOSE_NORMAL), reply.get("reason", ""))
