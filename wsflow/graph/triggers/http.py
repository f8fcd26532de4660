"""The HTTP Trigger: one method and path; each request is an event on `out`.

`emit("response", {status, body, headers})` answers it, the first response wins. After two minutes
without one the client gets 504 (the original hangs). Contract: the map, section 5. What it
shares with the Multi-Trigger is `RequestTrigger`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anyio

from ...base.bodies import content_type, to_data
from ...base.interfaces import Headers, Left, Refusal, Reply, Request
from ...base.snapshot import describe, snapshot
from ...base.urls import PathTemplate, parse_query
from ...errors import ClientGoneError, ReplyError
from ...events import is_reply
from ...types import HttpEvent
from ..context import Context
from ..scope import Scope
from .base import Trigger

if TYPE_CHECKING:
    from ..engine import Engine
    from ..host import Host

RESPONSE_TIMEOUT = 120.0
REPLY_KEYS = ("status", "body", "headers")
MAX_NAMED = 80
"""Characters of a content type that a refusal repeats."""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


class RequestTrigger(Trigger):
    """A trigger behind an HTTP path: makes the event, waits for the response."""

    def __init__(
        self,
        host: Host,
        name: str,
        template: PathTemplate,
        methods: tuple[str, ...],
    ) -> None:
        self.methods = methods
        """Those it registers; a wire may be needed too (see `takes`)."""
        ports = dict.fromkeys(map(self.port_of, methods))
        super().__init__(host, name, tuple(ports))
        self.template, self.pattern = template, template.pattern
        self.timeout = RESPONSE_TIMEOUT
        """Seconds after which the client gets 504."""
        self._clock = host.clock
        self._asked: set[Scope] = set()
        """The scopes of requests that wait for an answer."""
        self._places = {port: host.place("req", name, port, template.pattern) for port in ports}

    def port_of(self, method: str) -> str:
        """Return the port on which requests of a method come out."""
        return "out"

    def takes(self, method: str) -> bool:
        """Say whether requests of one of its methods are let in."""
        return True

    async def judged(self, event: HttpEvent) -> Refusal | None:
        """Return why a request is not routed, if so."""
        return None

    async def requested(
        self, request: Request, params: dict[str, str], body: bytes, left: Left | None = None
    ) -> Reply | Refusal:
        """Fire for one request and wait for its response.

        Raises:
            ClientGoneError: `left()` came back first.
        """
        event = self._event(request, params, body)
        if isinstance(event, Refusal):
            return event
        refusal = await self.judged(event)
        if refusal is not None:
            return refusal
        port = self.port_of(request.method)
        answer = _Answer(self.engine)
        scope = self.engine.scope(None, answer.respond)
        told = {key: value for key, value in event.items() if key != "rawBody"}
        data, size = snapshot(told)  # the whole event: a replay asks again
        seq = self.engine.tell(self._places[port], 0, scope.number, 0, data, size)
        alarm = self._clock.call_later(self.timeout, lambda: self._expire(answer, port, scope, seq))
        self._asked.add(scope)
        try:
            self.engine.fire(self.outputs[port], event, scope, seq)
            return await answer.wait(left)
        except BaseException:  # it left, or we are cancelled because the server stops
            answer.abandon()
            self._drop(port, scope, seq, "nobody waits for an answer any more: the client left")
            raise
        finally:
            self._asked.discard(scope)
            alarm.cancel()

    @property
    def is_answering(self) -> bool:
        """Whether a handler works on the answer to a request."""
        return any(scope.running for scope in self._asked)

    def _expire(self, answer: _Answer, port: str, scope: Scope, cause: int) -> None:
        why = f"no node answered within {self.timeout:g} s: the client got 504"
        self._drop(port, scope, cause, why)
        answer.settle(Refusal(504, "no node answered this request in time\n").reply())

    def _drop(self, port: str, scope: Scope, cause: int, why: str) -> None:
        place = self.host.place("drop", self.name, port, self.pattern)
        self.engine.tell(place, 0, scope.number, cause, None, 0, None, why)

    def _event(self, request: Request, params: dict[str, str], body: bytes) -> HttpEvent | Refusal:
        kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
        try:
            parsed = _parsed(body, kind)
        except (ValueError, RecursionError) as error:
            what = kind[:MAX_NAMED] or "text"
            return Refusal(400, f"the body is not the {what} it says it is: {_why(error)}\n")
        try:
            query = parse_query(request.query)
        except ValueError as error:
            return Refusal(400, f"the query can not be read: {error}\n")
        return {
            "method": request.method,
            "path": request.path,
            # the route may have been found by another method's pattern, with names of its own
            "params": dict(zip(self.template.names, params.values(), strict=True)),
            "query": query,
            "body": parsed,
            "rawBody": body,
            "headers": {name: request.header(name) or "" for name, _ in request.headers},
            "routePath": self.pattern,
        }


class HttpTrigger(RequestTrigger):
    """An HTTP route. Make one with `flow.http("/push", method="POST")`.

    Port `out`: `{"method", "path", "params", "query", "body", "rawBody", "headers", "routePath"}`.
    `path` is as it came, percent-encoded; `body` is read by its content type (JSON, form fields,
    text, else bytes; None when there is none), `rawBody` are its bytes.
    """

    def __init__(
        self,
        host: Host,
        name: str,
        template: PathTemplate,
        method: str,
    ) -> None:
        super().__init__(host, name, template, (method,))
        self.method = method


class _Answer:
    """The one response of one request."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reply: Reply | None = None
        self._late = "the request was answered already: the first response wins"
        self._there = anyio.Event()

    async def wait(self, left: Left | None) -> Reply:
        if self._reply is None:  # which costs: most requests are answered at once
            await self._come(left)
        if self._reply is None:
            raise ClientGoneError("the client left before it was answered")
        return self._reply

    async def _come(self, left: Left | None) -> None:
        if left is None:
            await self._there.wait()
            return
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                await left()
                group.cancel_scope.cancel()

            group.start_soon(watch)
            await self._there.wait()
            group.cancel_scope.cancel()

    def respond(self, scope: Scope, ctx: Context, reply: Any) -> bool:
        """Take the first response; later ones are dropped and recorded."""
        try:
            made = _made(reply)
        except (ReplyError, UnicodeEncodeError) as error:
            self._engine.failed(ctx, reply, error)
            return False
        self._engine.faults.hint_at_reply(ctx, reply, REPLY_KEYS)
        first = self._reply is None
        data, _ = snapshot(_told(made, reply.get("body", "")))
        node = ctx._node
        self._engine.tell(
            node.response_place if first else node.drop_place,
            0,
            scope.number,
            ctx._cause,
            data,
            len(made.body),
            ctx.elapsed,
            None if first else self._late,
        )
        if first:
            self.settle(made)
        return first

    def abandon(self) -> None:
        """Nobody waits any more."""
        self._late = "the client has left: nothing was sent"
        self.settle(Reply(499, (), b""))

    def settle(self, reply: Reply) -> None:
        """Let the request have its response, unless it had one."""
        if self._reply is None:
            self._reply = reply
            self._there.set()


def _made(reply: Any) -> Reply:
    """Return the HTTP response for `{status, body, headers}`.

    Raises:
        ReplyError: it is no mapping, or a part of it can not be sent.
    """
    if not isinstance(reply, Mapping):
        raise ReplyError(
            "emit('response', ...) to an HTTP request takes a mapping such as "
            f"{{'status': 200, 'body': 'done'}}, not {describe(reply)}"
        )
    status = reply.get("status", 200)
    if type(status) is not int or not 200 <= status <= 599:
        raise ReplyError(f"an HTTP status is a number from 200 to 599, not {describe(status)}")
    body = reply.get("body", "")
    data = to_data(body)
    content = data.encode() if isinstance(data, str) else data
    headers = _headers(reply.get("headers") or {})
    if all(name != "content-type" for name, _ in headers):
        headers += (("content-type", content_type(body)),)
    return Reply(status, headers, content)


def _told(made: Reply, body: Any) -> Any:
    """Return what the row says: the body, and with it status and headers where they are unusual."""
    usual = made.status == 200 and made.headers == (("content-type", content_type(body)),)
    if usual and not is_reply(body):
        return body
    return {"status": made.status, "headers": dict(made.headers), "body": body}


def _headers(headers: Any) -> Headers:
    if not isinstance(headers, Mapping):
        raise ReplyError(f"response headers are a mapping of names to text, not {headers!r}")
    pairs = tuple((str(name).lower(), str(value)) for name, value in headers.items())
    for name, value in pairs:
        if not name or not all(c.isalnum() or c in "-_" for c in name) or not name.isascii():
            raise ReplyError(f"{name!r} is no header name")
        if not value.isprintable() or not value.isascii():
            raise ReplyError(f"the value of header {name!r} has characters HTTP can not carry")
    return tuple(pair for pair in pairs if pair[0] not in {"content-length", "transfer-encoding"})


def _parsed(body: bytes, kind: str) -> Any:
    """Return the body as JSON, form fields or text, by its content type; else as bytes."""
    if not body:
        return None
    if kind == "application/json" or kind.endswith("+json"):
        return json.loads(body, parse_constant=_refuse_constant)
    if kind == "application/x-www-form-urlencoded":
        try:
            return parse_query(body.decode())
        except UnicodeDecodeError:
            raise
        except ValueError as error:
            raise _UnreadableError(str(error)) from None
    if kind.startswith("text/") or not kind:
        return body.decode()
    return body


def _refuse_constant(name: str) -> float:
    """JSON has neither NaN nor Infinity, though Python's reader would take them."""
    raise _UnreadableError(f"{name} is not JSON")


class _UnreadableError(ValueError):
    """A body can not be read, in words fit for a client."""


def _why(error: Exception) -> str:
    """Return why a body can not be read, without a word of the language we read it with (P25)."""
    match error:
        case RecursionError():
            return "it is nested too deeply"
        case UnicodeDecodeError():
            return f"byte {error.start} is no UTF-8"
        case json.JSONDecodeError():
            return f"it ends or goes wrong at line {error.lineno}, column {error.colno}"
        case _UnreadableError():
            return str(error)
        case _:  # what is left of the reader's errors: an integer of thousands of digits
            return "a number in it has too many digits"
