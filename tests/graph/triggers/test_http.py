"""The HTTP Trigger through real sockets, with a client of another make."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from tests.process.turns import turns
from wsflow import Context, Flow, ManualClock, Server
from wsflow.base import urls


@pytest.fixture
async def server(flow: Flow) -> Server:
    return await flow.serve()


def at(server: Server) -> httpx.AsyncClient:
    url = f"http://127.0.0.1:{server.port}"
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=10)


@pytest.fixture
async def web(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with at(server) as client:
        yield client


def answering(flow: Flow, path: str, reply: Any, method: str = "GET") -> None:
    """Answer every request to `path` with `reply`."""
    flow.http(path, method=method).out >> flow.node(
        lambda ev, ctx: ctx.emit("response", reply), name=f"answer {method} {path}"
    )


def keeping(flow: Flow, path: str, method: str = "POST") -> list[Any]:
    """Answer with 204 and keep the events."""
    kept: list[Any] = []

    def keep(ev: Any, ctx: Context) -> None:
        kept.append(ev)
        ctx.emit("response", {"status": 204})

    flow.http(path, method=method).out >> flow.node(keep, name=f"keep {method} {path}")
    return kept


# ---- the event


async def test_the_event_is_the_request(flow: Flow, web: httpx.AsyncClient) -> None:
    kept = keeping(flow, "/push/{room}")
    url = "/push/r%C3%B6t?a=1&b=2&b=3"
    reply = await web.post(url, json={"n": [1]}, headers={"X-Name": "Ann"})
    assert reply.status_code == 204
    (event,) = kept
    headers = event.pop("headers")
    assert event == {
        "method": "POST",
        "path": "/push/r%C3%B6t",
        "params": {"room": "röt"},
        "query": {"a": "1", "b": ["2", "3"]},
        "body": {"n": [1]},
        "rawBody": b'{"n":[1]}',
        "routePath": "/push/{room}",
    }
    assert headers["x-name"] == "Ann"
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("kind", "raw", "body"),
    [
        ("application/json", b'{"a": "\xc3\xbc"}', {"a": "ü"}),
        ("application/json; charset=utf-8", b"[1, 2]", [1, 2]),
        ("application/problem+json", b"3", 3),
        ("APPLICATION/JSON", b"null", None),
        ("application/x-www-form-urlencoded", b"a=1&b=2&b=3", {"a": "1", "b": ["2", "3"]}),
        ("application/x-www-form-urlencoded", b"a=", {"a": ""}),
        ("text/plain", "grün".encode(), "grün"),
        ("text/csv", b"a,b", "a,b"),
        (None, b"no type", "no type"),
        ("application/octet-stream", b"\x00\xff", b"\x00\xff"),
        ("image/png", b"\x89PNG", b"\x89PNG"),
        ("application/json", b"", None),
        ("text/plain", b"", None),
    ],
)  # fmt: skip
async def test_the_body_is_read_by_its_content_type(
    flow: Flow, web: httpx.AsyncClient, kind: str | None, raw: bytes, body: Any
) -> None:
    kept = keeping(flow, "/push")
    await web.post("/push", content=raw, headers={"content-type": kind} if kind else {})
    assert kept[0]["body"] == body
    assert kept[0]["rawBody"] == raw


TOLD_OF_A_BODY = re.compile(
    r"the body is not the KIND it says it is: ("
    r"it is nested too deeply|byte \d+ is no UTF-8|a number in it has too many digits|"
    r"(NaN|Infinity) is not JSON|it has more than 1000 fields|"
    r"it ends or goes wrong at line \d+, column \d+)\n"
)
"""P25, found A14: `sys.set_int_max_str_digits`, "maximum recursion depth", "codec" were told."""


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("application/json", b"{"),
        ("application/json", b"NaN"),
        ("application/json", b"[Infinity]"),
        ("application/json", b"\xff"),
        ("application/json", b"[" * 100_000),
        ("application/json", b"1" * 10_000),
        ("application/json", b'{"a": [1, ' + b"7" * 5_000 + b"]}"),
        ("application/problem+json", b"\xff\xfe{"),
        ("application/json; charset=utf-7", b"\xfe"),
        ("text/plain; charset=unicode_escape", b"\xfe"),
        ("text/" + "x" * 5_000, b"\xff"),
        ("text/plain", b"\xff"),
        ("application/x-www-form-urlencoded", b"\xff=1"),
        ("application/x-www-form-urlencoded", b"a=1&" * 2_000),
    ],
)
async def test_a_body_that_is_not_what_it_says_gets_400_and_is_not_routed(
    flow: Flow, web: httpx.AsyncClient, kind: str, raw: bytes
) -> None:
    kept = keeping(flow, "/push")
    reply = await web.post("/push", content=raw, headers={"content-type": kind})
    assert reply.status_code == 400
    named = kind.partition(";")[0]
    assert named[:80] in reply.text
    assert TOLD_OF_A_BODY.fullmatch(reply.text.replace(named[:80], "KIND")), "words of ours only"
    assert kept == []
    row = flow.log.tail(1)[0]
    assert (row.kind, row.path) == ("drop", "/push"), "what is refused is a row"


async def test_a_query_with_too_many_fields_gets_400(flow: Flow, web: httpx.AsyncClient) -> None:
    kept = keeping(flow, "/pull", "GET")
    reply = await web.get("/pull?" + "a=1&" * 400 + "b=1")
    assert reply.status_code == 204
    reply = await web.get("/pull?" + "&".join("a" for _ in range(1_500)))
    assert reply.status_code == 400
    assert reply.text == "the query can not be read: it has more than 1000 fields\n"
    assert len(kept) == 1


async def test_repeated_headers_are_joined(flow: Flow, web: httpx.AsyncClient) -> None:
    kept = keeping(flow, "/push")
    await web.post("/push", headers=[("x-a", "1"), ("X-A", "2")])
    assert kept[0]["headers"]["x-a"] == "1, 2"


# ---- the response


@pytest.mark.parametrize(
    ("reply", "status", "kind", "content"),
    [
        ({}, 200, "text/plain; charset=utf-8", b""),
        ({"body": "grün"}, 200, "text/plain; charset=utf-8", "grün".encode()),
        ({"body": b"\x00"}, 200, "application/octet-stream", b"\x00"),
        ({"body": {"a": "ü"}}, 200, "application/json", '{"a":"ü"}'.encode()),
        ({"body": None}, 200, "application/json", b"null"),
        ({"body": 0}, 200, "application/json", b"0"),
        ({"body": []}, 200, "application/json", b"[]"),
        ({"status": 418, "body": "teapot"}, 418, "text/plain; charset=utf-8", b"teapot"),
        ({"body": "<p>", "headers": {"Content-Type": "text/html"}}, 200, "text/html", b"<p>"),
        ({"body": "x", "unknown": 1}, 200, "text/plain; charset=utf-8", b"x"),
    ],
)
async def test_a_response_has_status_body_and_headers(
    flow: Flow, web: httpx.AsyncClient, reply: Any, status: int, kind: str, content: bytes
) -> None:
    answering(flow, "/pull", reply)
    got = await web.get("/pull")
    assert (got.status_code, got.headers["content-type"], got.content) == (status, kind, content)


async def test_headers_of_a_response_arrive(flow: Flow, web: httpx.AsyncClient) -> None:
    headers = {"X-Count": 3, "Set-Cookie": "a=1", "Content-Length": "9999"}
    answering(flow, "/pull", {"body": "x", "headers": headers})
    got = await web.get("/pull")
    assert got.headers["x-count"] == "3"
    assert got.headers["set-cookie"] == "a=1"
    assert got.headers["content-length"] == "1"


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_a_body_sends_none(
    flow: Flow, web: httpx.AsyncClient, status: int
) -> None:
    answering(flow, "/pull", {"status": status, "body": "not for you"})
    for _ in range(2):
        got = await web.get("/pull")
        assert (got.status_code, got.content) == (status, b"")


async def test_a_head_request_gets_no_body(flow: Flow, web: httpx.AsyncClient) -> None:
    answering(flow, "/pull", {"body": "12345"}, method="HEAD")
    for _ in range(2):
        got = await web.head("/pull")
        assert (got.status_code, got.content) == (200, b"")


async def test_the_first_response_wins_and_later_ones_are_recorded(
    flow: Flow, web: httpx.AsyncClient
) -> None:
    taken: list[int] = []

    @flow.node
    def twice(ev: Any, ctx: Context) -> None:
        for text in ("first", "second"):
            taken.append(ctx.emit("response", {"body": text}))

    flow.http("/pull").out >> twice
    assert (await web.get("/pull")).text == "first"
    assert taken == [1, 0]
    kinds = [(row.kind, row.data) for row in flow.log.tail(2)]
    assert kinds == [("response", "first"), ("drop", "second")]


async def test_a_response_may_come_later_and_from_another_node(
    flow: Flow, web: httpx.AsyncClient
) -> None:
    @flow.node
    async def wait(ev: Any, ctx: Context) -> None:
        await asyncio.sleep(0)
        ctx.route({"n": 1})

    (
        flow.http("/pull").out
        >> wait
        >> flow.node(lambda ev, ctx: ctx.emit("response", {"body": ev}), name="answer")
    )
    assert (await web.get("/pull")).json() == {"n": 1}


async def test_responses_of_two_requests_are_not_crossed(
    flow: Flow, web: httpx.AsyncClient
) -> None:
    waiting: dict[str, Context] = {}

    @flow.node
    def collect(ev: Any, ctx: Context) -> None:
        waiting[ev["query"]["n"]] = ctx
        if len(waiting) == 2:
            for n in ("2", "1"):
                waiting[n].emit("response", {"body": n})

    flow.http("/pull").out >> collect
    one, two = await asyncio.gather(web.get("/pull?n=1"), web.get("/pull?n=2"))
    assert (one.text, two.text) == ("1", "2")


@pytest.mark.parametrize(
    "reply",
    [
        None,
        "text",
        ["x"],
        {"status": 99},
        {"status": 101},
        {"status": 600},
        {"status": "200"},
        {"status": True},
        {"body": {1, 2}},
        {"body": float("nan")},
        {"body": "\ud800"},
        {"headers": "x"},
        {"headers": {"x\r\ny": "1"}},
        {"headers": {"x": "1\r\nset-cookie: a=1"}},
        {"headers": {"": "1"}},
        {"headers": {"x": "ü"}},
    ],
)
async def test_a_response_that_can_not_be_sent_is_an_error_and_the_next_one_counts(
    flow: Flow, web: httpx.AsyncClient, reply: Any
) -> None:
    @flow.node
    def bad_then_good(ev: Any, ctx: Context) -> None:
        assert ctx.emit("response", reply) == 0
        ctx.emit("response", {"body": "good"})

    flow.http("/pull").out >> bad_then_good
    assert (await web.get("/pull")).text == "good"
    (error,) = flow.log.frame(kind="error")["error"]
    assert error.startswith(("ReplyError", "UnicodeEncodeError"))


async def test_a_handler_that_raises_can_be_answered_for_by_catch(
    flow: Flow, web: httpx.AsyncClient
) -> None:
    flow.http("/pull").out >> flow.node(lambda: 1 / 0, name="boom")
    flow.catch().out >> flow.node(
        lambda ev, ctx: ctx.emit("response", {"status": 500, "body": "sorry"}), name="sorry"
    )
    got = await web.get("/pull")
    assert (got.status_code, got.text) == (500, "sorry")


# ---- refusals


async def test_an_unknown_path_gets_404(web: httpx.AsyncClient) -> None:
    got = await web.get("/nowhere")
    assert (got.status_code, got.text) == (404, "no route on this path\n")


async def test_another_method_gets_405_and_the_methods_there_are(
    flow: Flow, web: httpx.AsyncClient
) -> None:
    answering(flow, "/a/{x}", {"body": "get"})
    answering(flow, "/a/{x}", {"body": "post"}, method="POST")
    assert (await web.get("/a/1")).text == "get"
    assert (await web.post("/a/1")).text == "post"
    got = await web.put("/a/1")
    assert (got.status_code, got.headers["allow"]) == (405, "GET, POST")


async def test_methods_of_one_path_may_name_their_parameters_differently(
    flow: Flow, web: httpx.AsyncClient
) -> None:
    read, written = keeping(flow, "/a/{id}/{x}", "GET"), keeping(flow, "/a/{name}/:y", "POST")
    await web.get("/a/1/2")
    await web.post("/a/1/2")
    assert read[0]["params"] == {"id": "1", "x": "2"}
    assert written[0]["params"] == {"name": "1", "y": "2"}


async def test_plain_http_on_a_socket_path_gets_426(flow: Flow, web: httpx.AsyncClient) -> None:
    flow.websocket("/chat/{room}")
    got = await web.get("/chat/red")
    assert got.status_code == 426
    assert got.headers["upgrade"] == "websocket"
    assert "WebSocket" in got.text


@pytest.mark.parametrize(("more", "status"), [(0, 204), (1, 413)])
async def test_a_body_larger_than_a_mebibyte_gets_413(
    flow: Flow, web: httpx.AsyncClient, more: int, status: int
) -> None:
    kept = keeping(flow, "/push")
    raw = b"x" * (2**20 + more)
    got = await web.post("/push", content=raw, headers={"content-type": "image/png"})
    assert got.status_code == status
    assert len(kept) == (status == 204)
    assert [row.kind for row in flow.log.tail(2)][-1] == ("response" if kept else "drop")


async def test_a_path_with_nul_gets_400_and_a_long_one_414(web: httpx.AsyncClient) -> None:
    assert (await web.get("/a%00b")).status_code == 400
    assert (await web.get("/" + "x" * 3_000)).status_code == 414


async def test_too_many_headers_get_431(flow: Flow, web: httpx.AsyncClient) -> None:
    answering(flow, "/pull", {"body": "x"})
    got = await web.get("/pull", headers={f"x-{n}": "1" for n in range(101)})
    assert got.status_code == 431


@pytest.mark.parametrize(
    "headers", [{"origin": "null"}, {"origin": "http://evil.example"}, {"host": "evil.example"}]
)
async def test_a_page_of_another_site_gets_403(
    flow: Flow, web: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    kept = keeping(flow, "/push")
    got = await web.post("/push", headers=headers)
    assert got.status_code == 403
    assert "allowed_" in got.text
    assert kept == []


async def test_without_the_token_a_request_gets_401(flow: Flow) -> None:
    answering(flow, "/pull", {"body": "in"})
    async with at(await flow.serve(token="s3cret")) as web:
        assert (await web.get("/pull")).status_code == 401
        assert (await web.get("/pull?token=s3cret")).text == "in"
        headers = {"authorization": "Bearer s3cret"}
        assert (await web.get("/pull", headers=headers)).text == "in"
    assert "s3cret" not in repr(flow.log.tail(100))


async def test_a_refused_request_is_a_row(flow: Flow, web: httpx.AsyncClient) -> None:
    await web.get("/nowhere?token=XYZZY")
    row = flow.log.tail(1)[0]
    assert (row.kind, row.path) == ("drop", "/nowhere")
    assert (row.error or "").startswith("GET from 127.0.0.1 refused with 404")
    assert "XYZZY" not in repr(row)


# ---- time


async def test_without_a_response_in_two_minutes_the_client_gets_504(
    timed: Flow, clock: ManualClock
) -> None:
    timed.http("/pull").out >> timed.node(lambda: None, name="forgets")
    async with at(await timed.serve()) as web:
        request = asyncio.create_task(web.get("/pull"))
        await timed.log.until(kind="req")
        clock.advance(119.9)
        assert not request.done()
        clock.advance(0.1)
        got = await request
    assert (got.status_code, got.text) == (504, "no node answered this request in time\n")
    asked, told = timed.log.tail(2)
    assert (told.kind, told.node, told.cause) == ("drop", "GET /pull", asked.seq)
    assert told.error == "no node answered within 120 s: the client got 504"


async def test_time_passes_without_a_hand_on_the_clock(flow: Flow, web: httpx.AsyncClient) -> None:
    trigger = flow.http("/pull")
    trigger.timeout = 0.05
    trigger.out >> flow.node(lambda: None, name="forgets")
    assert (await web.get("/pull")).status_code == 504


async def test_a_response_after_the_504_is_dropped(timed: Flow, clock: ManualClock) -> None:
    kept: list[Context] = []
    timed.http("/pull").out >> timed.node(lambda ev, ctx: kept.append(ctx), name="forgets")
    async with at(await timed.serve()) as web:
        request = asyncio.create_task(web.get("/pull"))
        await timed.log.until(kind="req")
        clock.advance(120)
        assert (await request).status_code == 504
    assert kept[0].emit("response", {"body": "late"}) == 0
    assert timed.log.tail(1)[0].kind == "drop"


async def test_an_answered_request_leaves_no_alarm(timed: Flow, clock: ManualClock) -> None:
    answering(timed, "/pull", {"body": "x"})
    async with at(await timed.serve()) as web:
        for _ in range(10):
            await web.get("/pull")
    rung: list[Callable[[], object]] = [
        alarm.action for _, _, alarm in clock._alarms if alarm.action is not None
    ]
    assert rung == []


async def test_stopping_ends_a_request_that_waits(flow: Flow) -> None:
    flow.http("/pull").out >> flow.node(lambda: None, name="forgets")
    async with at(await flow.serve()) as web:
        request = asyncio.create_task(web.get("/pull"))
        await flow.log.until(kind="req")
        await asyncio.wait_for(flow.stop(), 30)
        with pytest.raises(httpx.HTTPError):
            (await request).raise_for_status()


# ---- with sockets


async def test_a_push_over_http_reaches_the_sockets_and_answers_the_request(
    flow: Flow, web: httpx.AsyncClient
) -> None:
    chat, manager = flow.websocket("/chat"), flow.connections()
    chat.req >> manager.req

    @flow.node
    def announce(ev: Any, ctx: Context) -> None:
        delivery = manager.broadcast(ev["body"])
        ctx.emit("response", {"status": 202, "body": {"reached": len(delivery.reached)}})

    flow.http("/push", method="POST").out >> announce
    client = await flow.client("/chat")
    got = await web.post("/push", json={"news": 1})
    assert (got.status_code, got.json()) == (202, {"reached": 1})
    assert json.loads(await client.receive()) == {"news": 1}


async def test_a_request_is_a_row_and_its_response_another(
    flow: Flow, web: httpx.AsyncClient
) -> None:
    answering(flow, "/a/{x}", {"body": "pong"}, method="POST")
    await web.post("/a/1", content=b"ping", headers={"authorization": "Bearer XYZZY"})
    request, response = flow.log.tail(2)
    assert (request.kind, request.path, request.data["body"]) == ("req", "/a/{x}", "ping")
    assert (response.kind, response.cause, response.data) == ("response", request.seq, "pong")
    assert (response.session, response.size) == (None, 4)


async def test_who_leaves_before_the_answer_is_waited_for_no_longer(flow: Flow) -> None:
    kept: list[Context] = []
    flow.http("/pull").out >> flow.node(lambda ev, ctx: kept.append(ctx), name="forgets")
    server = await flow.serve()
    before = len(asyncio.all_tasks())
    for _ in range(3):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /pull HTTP/1.1\r\nhost: localhost\r\n\r\n")
        await flow.log.until(kind="req", count=len(kept) + 1)
        writer.close()
    await flow.log.until(kind="drop", count=3)
    row = flow.log.tail(1)[0]
    assert row.error == "nobody waits for an answer any more: the client left"
    assert (row.node, row.scope) == ("GET /pull", kept[-1]._scope.number)
    assert kept[0].emit("response", {"body": "late"}) == 0
    assert flow.log.tail(1)[0].error == "the client has left: nothing was sent"
    await turns()
    assert len(asyncio.all_tasks()) <= before


# ---- one rule, one place


@pytest.mark.parametrize("fields", ["a=1", "a=1&a=2", "a=&a", "&&a=1;b=2&=x", "%C3%BC=%zz+c&a"])
async def test_a_form_is_read_as_a_query_is(
    flow: Flow, web: httpx.AsyncClient, fields: str
) -> None:
    kept = keeping(flow, "/push")
    form = {"content-type": "application/x-www-form-urlencoded"}
    await web.post(f"/push?{fields}", content=fields, headers=form)
    assert kept[0]["body"] == kept[0]["query"]


async def test_fields_are_counted_by_one_limit(
    flow: Flow, web: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(urls, "MAX_FIELDS", 2)
    keeping(flow, "/push")
    form = {"content-type": "application/x-www-form-urlencoded"}
    for query, body in (("a=1&b=2&c=3", ""), ("", "a=1&b=2&c=3")):
        assert (await web.post(f"/push?{query}", content=body, headers=form)).status_code == 400
