"""The flow as an ASGI application: under uvicorn with real clients, and driven by hand."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from typing import Any

import anyio
import httpx
import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from tests.peers.raw import Raw, handshake, request
from tests.process.turns import turns
from wsflow import Context, Flow
from wsflow.base import interfaces
from wsflow.wire.asgi import SEND_AHEAD, AsgiApp, Message, Receive, Send


class Uvicorn(uvicorn.Server):
    """A uvicorn in the running loop that says when it is ready and leaves signals alone."""

    def __init__(self, app: Any, **options: Any) -> None:
        options = {"log_config": None, "log_level": "warning", "lifespan": "on", **options}
        super().__init__(uvicorn.Config(app, **options))
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@contextlib.asynccontextmanager
async def served(app: Any, **options: Any) -> AsyncIterator[str]:
    """Serve an ASGI application on a free port and give `127.0.0.1:PORT`."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    server = Uvicorn(app, **options)
    task = asyncio.create_task(server.serve([sock]))
    try:
        await asyncio.wait_for(server.ready.wait(), 30)
        yield "127.0.0.1:{}".format(*sock.getsockname()[1:])
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, 30)


@pytest.fixture
def echo(flow: Flow) -> Flow:
    """A flow that echoes on `/echo/{room}`, and ends sessions when told to."""

    def answer(ev: Any, ctx: Context) -> None:
        if ev["message"] == "end":
            ctx.emit("response", {"body": "last", "end": True, "code": 4000, "reason": "bye"})
        else:
            ctx.emit("response", {"body": ev["message"]})

    flow.websocket("/echo/{room}", name="echo", subprotocols=["v2"]).message >> flow.node(answer)
    return flow


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No server has anything to complain of."""
    yield
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []


# ---- under uvicorn


@pytest.mark.parametrize("message", ["", "grün", b"", b"\x00\xff", "x" * 100_000])
async def test_messages_come_back(echo: Flow, message: str | bytes) -> None:
    async with served(echo.asgi) as host, connect(f"ws://{host}/echo/red", proxy=None) as client:
        await client.send(message)
        back = await client.recv()
    assert (back, type(back)) == (message, type(message))


async def test_the_handshake_arrives_as_it_was(flow: Flow) -> None:
    kept: list[Any] = []
    flow.websocket("/a/{b}").req >> flow.node(lambda ev: kept.append(ev), name="keep")
    async with served(flow.asgi) as host:
        url = f"ws://{host}/a/%C3%BC%2Fx?q=1&q=2"
        async with connect(url, proxy=None, additional_headers={"X-Name": "Ann"}):
            pass
    (event,) = kept
    assert event["params"] == {"b": "ü/x"}
    assert event["query"] == {"q": ["1", "2"]}
    assert (event["peer"], event["method"]) == ("127.0.0.1", "GET")
    assert event["headers"]["x-name"] == "Ann"


async def test_the_close_of_the_client_tells_code_and_reason(echo: Flow) -> None:
    kept: list[Any] = []
    echo.connect(
        echo.nodes["echo"]["close"],  # type: ignore[arg-type]
        echo.node(lambda ev: kept.append((ev["code"], ev["reason"])), name="keep"),
    )
    async with served(echo.asgi) as host:
        async with connect(f"ws://{host}/echo/red", proxy=None) as client:
            await client.close(4001, "enough")
        await echo.log.until(kind="close")
    assert kept == [(4001, "enough")]


async def test_an_end_of_ours_sends_the_message_then_code_and_reason(echo: Flow) -> None:
    async with served(echo.asgi) as host, connect(f"ws://{host}/echo/red", proxy=None) as client:
        await client.send("end")
        assert await client.recv() == "last"
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert (client.close_code, client.close_reason) == (4000, "bye")
        await echo.log.until(kind="close")
    assert len(echo.log.frame(kind="close")) == 1


async def test_a_path_without_a_route_is_refused_with_404(echo: Flow) -> None:
    async with served(echo.asgi) as host:
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"ws://{host}/nowhere", proxy=None)
    assert caught.value.response.status_code == 404
    assert caught.value.response.body == b"no WebSocket route on this path\n"


async def test_a_page_of_another_site_is_refused_with_403(echo: Flow) -> None:
    async with served(echo.asgi) as host:
        url = f"ws://{host}/echo/red"
        with pytest.raises(InvalidStatus) as caught:
            await connect(url, proxy=None, origin=Origin("http://evil.example"))
        assert caught.value.response.status_code == 403
        async with connect(url, proxy=None, origin=Origin(f"http://{host}")) as client:
            await client.send("same origin")
            assert await client.recv() == "same origin"


async def test_p19_other_pages_are_told_apart_as_by_serve(flow: Flow) -> None:
    """Found A8: the same policy for plain HTTP, and the same guards on answers."""
    flow.http("/get").out >> flow.node(
        lambda ev, ctx: ctx.emit("response", {"body": "x"}), name="answer"
    )
    async with served(flow.asgi) as host, httpx.AsyncClient(trust_env=False) as web:
        url = f"http://{host}/get"
        for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200)):
            got = await web.get(url, headers={"sec-fetch-site": site})
            assert got.status_code == status
            assert got.headers["x-content-type-options"] == "nosniff"
            assert got.headers["cross-origin-resource-policy"] == "same-origin"
        assert (await web.get(url)).status_code == 200


async def test_a_subprotocol_both_speak_is_chosen(echo: Flow) -> None:
    async with served(echo.asgi) as host:
        offered = [Subprotocol("v1"), Subprotocol("v2")]
        async with connect(f"ws://{host}/echo/red", proxy=None, subprotocols=offered) as client:
            assert client.subprotocol == "v2"


async def test_a_message_that_is_too_large_closes_with_1009(echo: Flow) -> None:
    async with served(echo.asgi) as host, connect(f"ws://{host}/echo/red", proxy=None) as client:
        await client.send("x" * (2**20 + 1))
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1009


async def test_thousands_of_messages_arrive_in_order(flow: Flow) -> None:
    def burst(ev: Any, ctx: Context) -> None:
        for n in range(3_000):
            ctx.emit("response", {"body": str(n)})

    flow.websocket("/burst").message >> flow.node(burst)
    async with served(flow.asgi) as host, connect(f"ws://{host}/burst", proxy=None) as client:
        await client.send("go")
        assert [await client.recv() for _ in range(3_000)] == [str(n) for n in range(3_000)]


async def test_an_http_route_answers(flow: Flow) -> None:
    def answer(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"status": 201, "body": ev["body"], "headers": {"x-a": "1"}})

    flow.http("/push/{x}", method="POST").out >> flow.node(answer)
    flow.websocket("/chat")
    async with served(flow.asgi) as host, httpx.AsyncClient(trust_env=False) as web:
        got = await web.post(f"http://{host}/push/1", json={"a": "ü"})
        assert (got.status_code, got.json(), got.headers["x-a"]) == (201, {"a": "ü"}, "1")
        assert (await web.get(f"http://{host}/push/1")).status_code == 405
        assert (await web.get(f"http://{host}/nowhere")).status_code == 404
        assert (await web.get(f"http://{host}/chat")).status_code == 426


async def test_the_lifespan_starts_and_stops_the_flow(flow: Flow) -> None:
    seen: list[str] = []

    def setup(ctx: Any) -> None:
        seen.append("setup")
        ctx.events.on("stop", lambda: seen.append("stop"))

    flow.node(lambda: None, name="n", setup=setup)
    async with served(flow.asgi):
        seen.append(f"running: {flow.running}")
    seen.append(f"running: {flow.running}")
    assert seen == ["setup", "running: True", "stop", "running: False"]


async def test_without_a_lifespan_the_first_connection_starts_the_flow(echo: Flow) -> None:
    async with served(echo.asgi, lifespan="off") as host:
        assert not echo.running
        async with connect(f"ws://{host}/echo/red", proxy=None) as client:
            await client.send("x")
            assert await client.recv() == "x"


async def test_a_client_that_vanishes_is_told_once(echo: Flow) -> None:
    async with served(echo.asgi) as host:
        client = await connect(f"ws://{host}/echo/red", proxy=None)
        await client.send("x")
        await client.recv()
        client.transport.abort()
        await echo.log.until(kind="close")
    assert len(echo.log.frame(kind="close")) == 1
    assert len(echo.sessions) == 0


async def test_stopping_the_flow_closes_its_sessions_with_1001(echo: Flow) -> None:
    async with served(echo.asgi) as host, connect(f"ws://{host}/echo/red", proxy=None) as client:
        await client.send("x")
        await client.recv()
        await echo.stop()
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1001


# ---- mounted under a prefix


def mounted(prefix: str, app: AsgiApp, *, strips: bool = False) -> Any:
    """Return an application that has `app` below `prefix`, as frameworks mount one."""

    async def dispatch(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            assert scope["path"].startswith(prefix)
            root = scope.get("root_path", "") + prefix
            path = scope["path"].removeprefix(prefix) if strips else scope["path"]
            scope = {**scope, "root_path": root, "path": path}
        await app(scope, receive, send)

    return dispatch


@pytest.mark.parametrize("strips", [False, True])
async def test_a_mounted_flow_finds_its_routes_below_the_prefix(echo: Flow, strips: bool) -> None:
    echo.http("/push/{x}").out >> echo.node(
        lambda ev, ctx: ctx.emit("response", {"body": [ev["path"], ev["params"]]}), name="push"
    )
    async with (
        served(mounted("/live", echo.asgi, strips=strips)) as host,
        httpx.AsyncClient(trust_env=False) as web,
    ):
        async with connect(f"ws://{host}/live/echo/r%C3%B6t", proxy=None) as client:
            await client.send("x")
            assert await client.recv() == "x"
            assert echo.sessions[0].params == {"room": "röt"}
        got = await web.get(f"http://{host}/live/push/1")
        assert got.json() == ["/push/1", {"x": "1"}]
        assert (await web.get(f"http://{host}/live/live/push/1")).status_code == 404


async def test_a_server_behind_a_prefix_of_its_own_finds_the_routes(echo: Flow) -> None:
    async with (
        served(echo.asgi, root_path="/proxy") as host,
        connect(f"ws://{host}/echo/red", proxy=None) as client,
    ):
        await client.send("x")
        assert await client.recv() == "x"


# ---- driven by hand


class Driver:
    """An ASGI server of a few lines: what it is sent is in `sent`."""

    def __init__(self, flow: Flow, *messages: Message, **scope: Any) -> None:
        self.app, self.sent = flow.asgi, list[Message]()
        self.asked = 0
        self.inbox: asyncio.Queue[Message] = asyncio.Queue()
        for message in messages:
            self.give(message)
        self.scope = {
            "type": "websocket",
            "path": "/echo/red",
            "raw_path": b"/echo/red",
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
            "client": ("127.0.0.1", 5),
            "extensions": {"websocket.http.response": {}},
            **scope,
        }
        self.fault: Exception | None = None

    def give(self, message: Message) -> None:
        self.inbox.put_nowait(message)

    async def receive(self) -> Message:
        self.asked += 1
        return await self.inbox.get()

    async def send(self, message: Message) -> None:
        if self.fault is not None and message["type"] == "websocket.send":
            raise self.fault
        self.sent.append(message)

    async def run(self) -> None:
        with anyio.fail_after(20):
            await self.app(self.scope, self.receive, self.send)


CONNECT: Mapping[str, Any] = {"type": "websocket.connect"}
GONE: Mapping[str, Any] = {"type": "websocket.disconnect", "code": 1006}


def text(data: str) -> Message:
    return {"type": "websocket.receive", "text": data, "bytes": None}


async def test_a_conversation_in_messages(echo: Flow) -> None:
    driver = Driver(echo, dict(CONNECT), text("a"), text("end"))
    async with anyio.create_task_group() as group:
        group.start_soon(driver.run)
        await echo.log.until(kind="close")
        driver.give(dict(GONE))
    assert driver.sent == [
        {"type": "websocket.accept", "subprotocol": None},
        {"type": "websocket.send", "text": "a"},
        {"type": "websocket.send", "text": "last"},
        {"type": "websocket.close", "code": 4000, "reason": "bye"},
    ]


async def test_a_connection_lost_without_a_code_has_none(echo: Flow) -> None:
    kept: list[Any] = []
    echo.connect(
        echo.nodes["echo"]["close"],  # type: ignore[arg-type]
        echo.node(lambda ev: kept.append((ev["code"], ev["reason"])), name="keep"),
    )
    await Driver(echo, dict(CONNECT), dict(GONE)).run()
    assert kept == [(None, "")]


async def test_an_aborted_session_ends_its_call_without_an_exception(echo: Flow) -> None:
    driver = Driver(echo, dict(CONNECT))
    async with anyio.create_task_group() as group:
        group.start_soon(driver.run)
        await turns()
        echo.sessions[0].transport.abort()
    assert len(echo.log.frame(kind="close")) == 1


async def test_a_send_that_fails_because_the_client_left_is_no_exception(echo: Flow) -> None:
    driver = Driver(echo, dict(CONNECT), text("x"))
    driver.fault = OSError("client disconnected")
    await driver.run()
    assert len(echo.log.frame(kind="close")) == 1
    assert len(echo.sessions) == 0


async def test_a_cancelled_call_ends_its_session(echo: Flow) -> None:
    driver = Driver(echo, dict(CONNECT))
    async with anyio.create_task_group() as group:
        group.start_soon(driver.run)
        await turns()
        assert len(echo.sessions) == 1
        group.cancel_scope.cancel()
    assert len(echo.sessions) == 0
    assert len(echo.log.frame(kind="close")) == 1


async def test_a_refusal_without_the_extension_closes_before_the_accept(flow: Flow) -> None:
    driver = Driver(flow, dict(CONNECT), extensions={})
    await driver.run()
    assert driver.sent == [{"type": "websocket.close"}]


async def test_a_path_given_decoded_only_is_not_decoded_twice(echo: Flow) -> None:
    driver = Driver(echo, dict(CONNECT), path="/echo/100%41", raw_path=None)
    async with anyio.create_task_group() as group:
        group.start_soon(driver.run)
        await turns()
        assert echo.sessions[0].params == {"room": "100%41"}
        driver.give(dict(GONE))


async def test_a_server_that_does_not_take_messages_gets_a_window_of_them(flow: Flow) -> None:
    kept: list[Context] = []
    flow.websocket("/").req >> flow.node(lambda ev, ctx: kept.append(ctx), name="keep")
    driver = Driver(flow, dict(CONNECT), path="/", raw_path=b"/")
    async with anyio.create_task_group() as group:
        group.start_soon(driver.run)
        await turns()
        for n in range(10 * SEND_AHEAD):
            kept[0].emit("response", {"body": str(n)})
        assert flow.sessions[0].backlog > 0
        await turns()
        assert flow.sessions[0].backlog == 0
        driver.give(dict(GONE))
    assert [one["text"] for one in driver.sent[1:]] == [str(n) for n in range(10 * SEND_AHEAD)]


async def test_progress_is_what_the_server_took(echo: Flow) -> None:
    driver = Driver(echo, dict(CONNECT))
    async with anyio.create_task_group() as group:
        group.start_soon(driver.run)
        await turns()
        transport = echo.sessions[0].transport
        seen = [(transport.progress(), transport.settled())]
        echo.sessions[0].send("x")
        seen.append((transport.progress(), transport.settled()))
        await turns()
        seen.append((transport.progress(), transport.settled()))
        driver.give(dict(GONE))
    assert seen == [(0, True), (0, False), (1, True)]


async def test_too_many_handlers_stop_the_reading(flow: Flow) -> None:
    go_on = anyio.Event()
    flow.websocket("/").message >> flow.node(go_on.wait, name="slow")
    driver = Driver(flow, dict(CONNECT), *(text("x") for _ in range(300)), path="/", raw_path=b"/")
    async with anyio.create_task_group() as group:
        group.start_soon(driver.run)
        await turns()
        assert driver.asked == 101
        go_on.set()
        driver.give(dict(GONE))
    assert driver.asked == 302


async def test_a_request_whose_body_breaks_off_is_not_routed(flow: Flow) -> None:
    kept: list[Any] = []
    flow.http("/push", method="POST").out >> flow.node(lambda ev: kept.append(ev), name="keep")
    driver = Driver(
        flow,
        {"type": "http.request", "body": b"half of ", "more_body": True},
        {"type": "http.disconnect"},
        type="http",
        method="POST",
        path="/push",
        raw_path=b"/push",
    )
    with anyio.move_on_after(1):
        await driver.run()
    assert kept == []
    assert not len(flow.log), "who leaves was not refused"


async def test_without_a_lifespan_the_first_request_starts_the_flow(flow: Flow) -> None:
    set_up: list[str] = []
    flow.http("/").out >> flow.node(
        lambda ev, ctx: ctx.emit("response", {"body": set_up}),
        name="answer",
        setup=lambda: set_up.append("ready"),
    )
    driver = Driver(flow, {"type": "http.request"}, type="http", path="/", raw_path=b"/")
    await driver.run()
    assert driver.sent[1]["body"] == b'["ready"]'


async def test_a_body_in_pieces_is_put_together(flow: Flow) -> None:
    flow.http("/push", method="POST").out >> flow.node(
        lambda ev, ctx: ctx.emit("response", {"body": ev["body"]}), name="answer"
    )
    pieces: list[Message] = [
        {"type": "http.request", "body": b"one ", "more_body": True},
        {"type": "http.request", "body": b"two"},
    ]
    driver = Driver(flow, *pieces, type="http", method="POST", path="/push", raw_path=b"/push")
    await driver.run()
    start, body = driver.sent
    assert (start["status"], body["body"]) == (200, b"one two")
    assert (b"content-length", b"7") in start["headers"]


async def test_a_flow_that_can_not_start_fails_the_lifespan(flow: Flow) -> None:
    flow.node(lambda: None, name="store", setup=lambda: 1 / 0)
    driver = Driver(flow, {"type": "lifespan.startup"}, type="lifespan")
    await driver.run()
    (message,) = driver.sent
    assert message["type"] == "lifespan.startup.failed"
    assert "setup of node 'store' failed" in message["message"]


def test_the_application_tells_its_routes(flow: Flow) -> None:
    assert repr(flow.asgi) == "<AsgiApp without WebSocket routes>"
    flow.websocket("/chat/{room}")
    assert repr(flow.asgi) == "<AsgiApp /chat/{room}>"


async def test_a_refusal_is_plain_text_by_one_word_whichever_way_one_came(
    echo: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interfaces, "content_type", lambda body: "text/odd")
    server = await echo.serve()
    driver = Driver(echo, dict(CONNECT), path="/nowhere", raw_path=b"/nowhere")
    await driver.run()
    async with Raw.tcp(server.port) as raw:
        await raw.send(handshake("/nowhere"))
        by_socket = (await raw.response()).headers["content-type"]
    async with Raw.tcp(server.port) as raw:
        await raw.send(request("/nowhere"))
        by_http = (await raw.response()).headers["content-type"]
    by_asgi = dict(driver.sent[0]["headers"])[b"content-type"].decode()
    assert [by_socket, by_http, by_asgi] == ["text/odd"] * 3
