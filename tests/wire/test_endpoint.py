"""The socket-free brain: exact limits, refusals, subprotocols, and faults that tell nothing."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

import wsflow.wire.endpoint
from wsflow import Flow
from wsflow.base.interfaces import Headers, Refusal, Reply, Request
from wsflow.wire.endpoint import (
    MAX_BODY_BYTES,
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    MAX_PATH,
    Admission,
    Endpoint,
)
from wsflow.wire.policy import Policy


def brain(flow: Flow, **options: Any) -> Endpoint:
    """Return an endpoint of the flow that no transport uses."""
    return Endpoint(flow._host.graph, flow.sessions, flow._host.observer, **options)


def asked(path: str = "/", query: str = "", *, method: str = "GET", **headers: str) -> Request:
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request(method, path, query, (("host", "localhost"), *pairs), "1.2.3.4", "127.0.0.1")


def verdict(flow: Flow, request: Request, **options: Any) -> int | None:
    """Return the status a handshake is refused with, or None."""
    found = brain(flow, **options).admit(request)
    return found.status if isinstance(found, Refusal) else None


def body(data: bytes) -> Callable[[int], Awaitable[bytes | None]]:
    async def read(limit: int) -> bytes | None:
        return None if len(data) > limit else data

    return read


def told(flow: Flow) -> str:
    return flow.log.tail(1)[0].error or ""


# ---- handshakes


def test_facts_are_those_of_the_request(flow: Flow) -> None:
    flow.websocket("/{room}")
    request = asked("/r%C3%B6t", "a=1&a=2", x_name="Ann")
    found = brain(flow).admit(request)
    assert isinstance(found, Admission)
    facts = found.facts
    assert (facts.path, facts.params, facts.query) == ("/röt", {"room": "röt"}, {"a": ["1", "2"]})
    assert (facts.peer, facts.method) == ("1.2.3.4", "GET")
    assert facts.headers == {"host": "localhost", "x-name": "Ann"}


def test_repeated_headers_are_joined(flow: Flow) -> None:
    flow.websocket("/")
    headers: Headers = (("host", "localhost"), ("x-a", "1"), ("x-b", "2"), ("x-a", "3"))
    found = brain(flow).admit(Request("GET", "/", "", headers, "1.2.3.4"))
    assert isinstance(found, Admission)
    assert found.facts.headers == {"host": "localhost", "x-a": "1, 3", "x-b": "2"}


@pytest.mark.parametrize(("length", "status"), [(MAX_PATH, None), (MAX_PATH + 1, 414)])
def test_a_path_may_have_two_kibibytes(flow: Flow, length: int, status: int | None) -> None:
    flow.websocket("/{x}")
    assert verdict(flow, asked("/" + "x" * (length - 1))) == status


@pytest.mark.parametrize(("count", "status"), [(MAX_HEADERS, None), (MAX_HEADERS + 1, 431)])
def test_a_request_may_have_a_hundred_headers(flow: Flow, count: int, status: int | None) -> None:
    flow.websocket("/")
    names = {f"x{n}": "" for n in range(count - 1)}
    assert verdict(flow, asked(**names)) == status


@pytest.mark.parametrize(("more", "status"), [(0, None), (1, 431)])
def test_headers_may_have_sixteen_kibibytes(flow: Flow, more: int, status: int | None) -> None:
    flow.websocket("/")
    rest = MAX_HEADER_BYTES - len("host") - len("localhost") - len("x")
    assert verdict(flow, asked(x="y" * (rest + more))) == status


@pytest.mark.parametrize("path", ["/a%00b", "/\x00", "/%00"])
def test_a_path_with_nul_is_refused(flow: Flow, path: str) -> None:
    flow.websocket("/{x}")
    assert verdict(flow, asked(path)) == 400


@pytest.mark.parametrize(("limit", "status"), [(2, None), (1, 503)])
async def test_no_more_sessions_than_the_cap_are_let_in(
    flow: Flow, limit: int, status: int | None
) -> None:
    flow.websocket("/")
    await flow.client("/")
    assert verdict(flow, asked(), max_sessions=limit) == status


def test_a_policy_is_asked_before_the_routes(flow: Flow) -> None:
    assert verdict(flow, asked("/nowhere"), policy=Policy(token="s3cret")) == 401
    assert verdict(flow, asked("/nowhere", "token=s3cret"), policy=Policy(token="s3cret")) == 404


def test_a_refusal_is_one_row_that_says_who_and_why(flow: Flow) -> None:
    verdict(flow, asked("/no%77here", "token=XYZZY"))
    assert len(flow.log) == 1
    row = flow.log.tail(1)[0]
    assert (row.kind, row.path) == ("drop", "/nowhere")
    assert told(flow) == "GET from 1.2.3.4 refused with 404: no WebSocket route on this path"


@pytest.mark.parametrize(
    ("offered", "supported", "chosen"),
    [
        ("", ("v1",), None),
        ("v1", (), None),
        ("v2, v1", ("v1", "v2"), "v2"),
        ("v3,v1", ("v1", "v2"), "v1"),
        ("v3", ("v1",), None),
        ("v1, wsflow.token.abc", ("v1",), "v1"),
        ("wsflow.token.abc", ("v1",), "wsflow.token.abc"),
    ],
)
def test_the_first_offered_subprotocol_that_the_route_speaks_is_chosen(
    flow: Flow, offered: str, supported: tuple[str, ...], chosen: str | None
) -> None:
    flow.websocket("/", subprotocols=supported)
    headers = {"sec_websocket_protocol": offered} if offered else {}
    found = brain(flow).admit(asked(**headers))
    assert isinstance(found, Admission)
    assert found.facts.subprotocol == chosen


# ---- plain HTTP


def answering(flow: Flow) -> None:
    flow.http("/x", method="POST").out >> flow.node(
        lambda ev, ctx: ctx.emit("response", {"body": len(ev["rawBody"])}), name="count"
    )


@pytest.mark.parametrize(("size", "status"), [(MAX_BODY_BYTES, 200), (MAX_BODY_BYTES + 1, 413)])
async def test_a_body_may_have_a_mebibyte(flow: Flow, size: int, status: int) -> None:
    answering(flow)
    await flow.start()
    request = asked("/x", method="POST", content_type="image/png")
    reply = await brain(flow).answer(request, body(b"x" * size))
    assert reply.status == status


async def test_a_body_that_takes_too_long_gets_408(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(limit: int) -> bytes | None:
        await anyio.sleep_forever()
        return b""

    monkeypatch.setattr(wsflow.wire.endpoint, "BODY_TIMEOUT", 0.01)
    answering(flow)
    reply = await brain(flow).answer(asked("/x", method="POST"), never)
    assert reply.status == 408


async def test_a_fault_of_ours_is_a_row_and_tells_the_client_nothing(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger = flow.http("/x", method="POST")

    async def requested(*args: Any) -> Reply:
        raise RuntimeError("the password is XYZZY")

    monkeypatch.setattr(trigger, "requested", requested)
    reply = await brain(flow).answer(asked("/x", method="POST"), body(b""))
    assert reply.status == 500
    assert b"XYZZY" not in reply.body
    assert flow.log.tail(1)[0].kind == "error"


async def test_a_request_that_was_refused_reads_no_body(flow: Flow) -> None:
    async def read(limit: int) -> bytes | None:
        raise AssertionError("nobody may read this")

    flow.websocket("/chat")
    answering(flow)
    found = [
        (await brain(flow).answer(asked(path), read)).status for path in ("/nowhere", "/x", "/chat")
    ]
    assert found == [404, 405, 426]
