"""The way in: what Hypercorn does for us up to the handshake, what we mend, and that it stays so.

Raw bytes as the client, `httpx` and `websockets` where a well-behaved one is wanted.
"""

import asyncio
import contextlib
import gc
import hashlib
import importlib
import inspect
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.peers.raw import (
    BINARY,
    PING,
    Raw,
    close,
    descriptors,
    eventually,
    frame,
    handshake,
    request,
    text,
)
from tests.process.beats import Beats
from wsflow import Context, Flow, Row, ServeError, Server
from wsflow.wire import listener

UPSTREAM = {
    ("hypercorn.asyncio.tcp_server", "TCPServer.__init__"): "95a6f196b96b",
    ("hypercorn.asyncio.tcp_server", "TCPServer.__await__"): "49cacc7974a6",
    ("hypercorn.asyncio.tcp_server", "TCPServer.run"): "9437d01a916d",
    ("hypercorn.asyncio.tcp_server", "TCPServer.protocol_send"): "06144915fc09",
    ("hypercorn.asyncio.tcp_server", "TCPServer._read_data"): "8e7ad8f4bfca",
    ("hypercorn.asyncio.tcp_server", "TCPServer._close"): "ea76225e1431",
    ("hypercorn.asyncio.tcp_server", "TCPServer._initiate_server_close"): "b133876f0613",
    ("hypercorn.asyncio.tcp_server", "TCPServer._idle_timeout"): "cb99af7fa2cf",
    ("hypercorn.protocol.h11", "H11Protocol.__init__"): "c7c989fd6a35",
    ("hypercorn.protocol.h11", "H11Protocol.handle"): "3b56e0674474",
    ("hypercorn.protocol.h11", "H11Protocol.stream_send"): "56a36254a368",
    ("hypercorn.protocol.h11", "H11Protocol._handle_events"): "bd4a76b2837e",
    ("hypercorn.protocol.h11", "H11Protocol._create_stream"): "a2338a57ab34",
    ("hypercorn.protocol.h11", "H11Protocol._check_protocol"): "f95f6b38f43c",
    ("hypercorn.protocol.h11", "H11Protocol._send_h11_event"): "5e40283daa30",
    ("hypercorn.protocol.h11", "H11Protocol._send_error_response"): "58c2b47ae295",
    ("hypercorn.protocol.h11", "H11Protocol._maybe_recycle"): "3ac53f52bc4e",
    ("hypercorn.protocol.h11", "H11Protocol._close_stream"): "378930655d7b",
    ("hypercorn.protocol.h11", "H11WSConnection"): "33372cf68942",
    ("hypercorn.asyncio.task_group", "TaskGroup"): "1260b105c058",
    ("hypercorn.asyncio.worker_context", "AsyncioSingleTask"): "305fdb8a3c30",
    ("hypercorn.asyncio.worker_context", "WorkerContext"): "6eeeae02ae17",
    ("hypercorn.app_wrappers", "ASGIWrapper"): "8670a23eb460",
    ("hypercorn.utils", "parse_socket_addr"): "d06f08a6dc9e",
    ("hypercorn.config", "Config.create_ssl_context"): "66241a00f516",
    ("hypercorn.config", "Config.response_headers"): "5a637c3d4818",
}
"""What `wsflow/wire/listener.py` overrides or leans on, and a digest of its source as read."""

pytestmark = pytest.mark.usefixtures("quiet_loop")


@pytest.fixture
async def flow() -> AsyncIterator[Flow]:
    flow = Flow("listener")

    @flow.node
    def echo(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": ev["message"]})

    @flow.node
    def status(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": {"got": ev["body"]}})

    flow.websocket("/").message >> echo
    flow.http("/status").out >> status
    flow.http("/status", method="POST").out >> status
    yield flow
    await flow.stop()


@pytest.fixture
async def server(flow: Flow) -> Server:
    return await flow.serve()


def rows(flow: Flow, *kinds: str) -> list[Row]:
    return [row for row in flow.log.tail(1000) if not kinds or row.kind in kinds]


# ---- upstream


@pytest.mark.parametrize(("module", "name"), UPSTREAM)
def test_what_we_override_in_hypercorn_has_not_changed(module: str, name: str) -> None:
    thing: Any = importlib.import_module(module)
    for part in name.split("."):
        thing = getattr(thing, part, None)
    where = f"{module}.{name} of Hypercorn {version('hypercorn')}"
    assert thing is not None, f"{where} is gone: see how wsflow/wire/listener.py can do without it"
    digest = hashlib.sha256(inspect.getsource(thing).encode()).hexdigest()[:12]
    assert digest == UPSTREAM[module, name], (
        f"{where} is not what it was: read its new source beside wsflow/wire/listener.py, carry "
        f"over what matters, then enter {digest!r} in UPSTREAM of {Path(__file__).name}"
    )


def test_asyncio_still_keeps_what_a_stream_reader_read_ahead_where_we_take_it_from() -> None:
    loop = asyncio.new_event_loop()
    try:
        reader = asyncio.StreamReader(loop=loop)
        reader.feed_data(b"ahead")
        assert bytes(reader._buffer) == b"ahead"  # type: ignore[attr-defined]
    finally:
        loop.close()


# ---- the handshake


@pytest.mark.parametrize("size", [1, 1000, 2**16, 2**17 + 1, 900_000])
async def test_what_is_sent_with_the_handshake_is_not_lost(server: Server, size: int) -> None:
    blob = os.urandom(size)
    async with Raw.tcp(server.port) as raw:
        await raw.send(handshake(), frame(BINARY, blob), frame(PING, b"and"), text("more"))
        assert (await raw.response()).status == 101
        assert [one.payload for one in await raw.frames(3)] == [blob, b"and", b"more"]


async def test_a_handshake_may_arrive_in_crumbs(server: Server) -> None:
    async with Raw.tcp(server.port) as raw:
        await raw.dribble(handshake() + text("crumbs"))
        assert (await raw.response()).status == 101
        assert (await raw.frame()).payload == b"crumbs"


async def test_garbage_behind_a_handshake_is_a_violation_of_its_session(server: Server) -> None:
    async with Raw.tcp(server.port) as raw:
        await raw.send(handshake(), b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await raw.response()).status == 101
        assert (await raw.closed()).code == 1002


async def test_garbage_behind_a_refused_handshake_hangs_nothing(server: Server) -> None:
    async with Raw.tcp(server.port) as raw:
        await raw.send(handshake("/nowhere"), bytes(5000), handshake("/"))
        assert (await raw.response()).status == 404
        await raw.gone()
    await eventually(lambda: descriptors(server.port) == [], 2)


async def test_a_handshake_refused_for_its_form_has_a_row_too(flow: Flow, server: Server) -> None:
    for header, status in (("Sec-WebSocket-Version", "426"), ("Sec-WebSocket-Key", "400")):
        async with Raw.tcp(server.port) as raw:
            await raw.send(handshake("/", without=[header]))
            await raw.gone()
        row = rows(flow)[-1]
        assert (row.kind, status in str(row.error)) == ("drop", True)
    assert len(rows(flow)) == 2


@pytest.mark.parametrize(
    "head",
    [
        handshake("/", without=["Upgrade"]),
        handshake("/", without=["Connection"]),
        handshake("/", [("Upgrade", "something")]),
        handshake("/", [("Connection", "close")]),
        request("/"),
        request("/", method="POST", body=b"hello"),
        request("/", method="HEAD"),
    ],
)
async def test_plain_http_on_a_socket_s_path_is_told_to_upgrade(
    server: Server, head: bytes
) -> None:
    async with Raw.tcp(server.port) as raw:
        await raw.send(head)
        status, *_ = (await raw.line()).split(" ")[1:]
        assert status == "426"
        answer = (await raw.receive()).lower()
        assert b"\r\nupgrade: websocket\r\n" in b"\r\n" + answer


@pytest.mark.parametrize("path", ["/nowhere", "//", "/%2f", "/status/", "/status"])
async def test_a_handshake_on_a_path_without_a_socket_is_answered_with_404(
    flow: Flow, server: Server, path: str
) -> None:
    async with Raw.tcp(server.port) as raw:
        await raw.send(handshake(path))
        assert (await raw.response()).status == 404
        await raw.gone()
    assert len(rows(flow, "drop")) == 1


async def test_a_client_that_hangs_up_during_the_handshake_leaves_nothing(
    flow: Flow, server: Server
) -> None:
    for size in (0, 1, 40, len(handshake())):
        async with Raw.tcp(server.port) as raw:
            await raw.send(handshake()[:size])
            raw.reset()
    await eventually(lambda: descriptors(server.port) == [], 2)
    assert len(server.sessions) == 0
    assert rows(flow, "error") == []


@pytest.mark.parametrize("words", [b"", text("last words"), text("cut")[:3]])
async def test_a_client_gone_before_it_was_accepted_is_heard_out_and_closed(
    flow: Flow, server: Server, words: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(handshake() + words)  # this loop has had no turn yet
    await flow.log.until(kind="close")
    heard = ["message"] if words == text("last words") else []
    assert [row.kind for row in rows(flow, "req", "message", "close")] == ["req", *heard, "close"]
    assert len(server.sessions) == 0
    await eventually(lambda: descriptors(server.port) == [], 2)


async def test_a_client_that_says_all_at_once_and_half_closes_gets_its_answers(
    flow: Flow, server: Server
) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(handshake() + text("one") + text("two") + close(1000))
        sock.shutdown(socket.SHUT_WR)
        sock.setblocking(False)
        raw = Raw(sock)
        assert (await raw.response()).status == 101
        assert [one.payload for one in await raw.frames(2)] == [b"one", b"two"]
        assert (await raw.closed()).code == 1000
        await eventually(lambda: descriptors(server.port) == [], 0.5)  # its FIN came long ago
    assert (await flow.log.until(kind="close")).error is None


async def test_what_came_before_an_early_end_waits_for_busy_handlers(flow: Flow) -> None:
    gate, heard = asyncio.Event(), list[str]()

    @flow.node
    async def slow(ev: Any) -> None:
        await gate.wait()
        heard.append(ev["message"])

    flow.websocket("/slow").message >> slow
    server = await flow.serve()
    said = [str(number) for number in range(300)]
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(handshake("/slow") + b"".join(map(text, said)) + close(4000))
        sock.shutdown(socket.SHUT_WR)
        await flow.log.until(kind="message", count=100)
        gate.set()
        await flow.log.until(kind="close")
        await eventually(lambda: len(heard) == 300)
    assert heard == said


@pytest.mark.parametrize("at_once", [False, True])
async def test_busy_handlers_hold_back_the_client_from_the_first_byte_on(
    flow: Flow, at_once: bool
) -> None:
    gate = asyncio.Event()
    flow.websocket("/slow").message >> flow.node(gate.wait, name="slow")
    server = await flow.serve()
    async with Raw.tcp(server.port) as raw:
        crowd = b"".join(text("x") for _ in range(200))
        await raw.send(handshake("/slow"), crowd if at_once else b"")
        assert (await raw.response()).status == 101
        await raw.send(b"" if at_once else crowd)
        await flow.log.until(kind="message", count=100)
        assert server.sessions[0].inflight == 100
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(raw.send(frame(BINARY, bytes(2**20)) * 24), 2)
        assert server.sessions[0].messages_in == 100
    gate.set()


async def test_a_client_that_never_reads_its_answer_is_dropped(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "HEADER_TIMEOUT", 1.0)
    huge = "x" * 20_000_000
    flow.http("/huge").out >> flow.node(
        lambda ev, ctx: ctx.emit("response", {"body": huge}), name="huge"
    )
    server = await flow.serve()
    async with Raw.tcp(server.port, receive_buffer=4096) as raw:
        await raw.send(request("/huge"))
        await flow.log.until(kind="response")
        await eventually(lambda: descriptors(server.port) == [], 8)


async def test_a_client_that_leaves_without_a_word_frees_its_place_at_once(server: Server) -> None:
    async with Raw.tcp(server.port), Raw.tcp(server.port) as raw:
        await raw.send(request("/status"))
        assert (await raw.response()).status == 200
    await eventually(lambda: descriptors(server.port) == [], 2)


# ---- HTTP


async def test_http_keeps_its_connection_for_the_next_request(flow: Flow, server: Server) -> None:
    async with Raw.tcp(server.port) as raw:
        for number in range(3):
            body = f"number {number}".encode()
            await raw.send(request("/status", method="POST", body=body))
            assert (await raw.response()).body == b'{"got":"number %d"}' % number
        await raw.send(request("/nowhere"))
        assert (await raw.response()).status == 404
        await raw.send(handshake())
        assert (await raw.response()).status == 101
        await raw.send(text("upgraded"), close(1000))
        assert (await raw.frame()).payload == b"upgraded"
        assert (await raw.closed()).code == 1000


async def test_a_client_that_says_no_more_is_let_go_after_its_answer(server: Server) -> None:
    async with Raw.tcp(server.port) as raw:
        await raw.send(request("/status", method="POST", body=b"{}"))
        raw.half_close()
        assert (await raw.response()).status == 200
        async with Beats() as beats:
            assert await raw.rest() == b""
            assert beats.seconds < 2, "kept for a request that can not come"


async def test_requests_in_one_write_are_answered_in_order(server: Server) -> None:
    async with Raw.tcp(server.port) as raw:
        bodies = [f"{number}".encode() for number in range(20)]
        await raw.send(*(request("/status", method="POST", body=body) for body in bodies))
        got = [(await raw.response()).body for _ in bodies]
        assert got == [b'{"got":"%s"}' % body for body in bodies]


async def test_garbage_behind_a_request_is_answered_after_it(server: Server) -> None:
    async with Raw.tcp(server.port) as raw:
        await raw.send(request("/status"), b"\x00\x01garbage\r\n\r\n")
        assert (await raw.response()).status == 200
        assert (await raw.response()).status == 400
        await raw.gone()


async def test_a_client_of_another_make_posts_bodies_of_every_kind(server: Server) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"in "
        yield b"chunks"

    url = f"http://127.0.0.1:{server.port}/status"
    async with httpx.AsyncClient() as client:
        assert (await client.post(url, json={"a": [1]})).json() == {"got": {"a": [1]}}
        assert (await client.post(url, data={"a": "1"})).json() == {"got": {"a": "1"}}
        assert (await client.post(url, content=chunks())).json() == {"got": "in chunks"}
        too_large = await client.post(url, content=bytes(2**20 + 1))
        assert too_large.status_code == 413
        assert (await client.put(url)).status_code == 405
        assert (await client.put(url)).headers["allow"] == "GET, POST"
        assert (await client.get(url)).json() == {"got": None}


async def test_an_offer_of_h2c_is_ignored(server: Server) -> None:
    offer = [
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"),
    ]
    async with Raw.tcp(server.port) as raw:
        for _ in range(2):
            await raw.send(request("/status", offer))
            response = await raw.response()
            assert (response.status, response.body) == (200, b'{"got":null}')


async def test_http_2_by_prior_knowledge_is_refused(flow: Flow, server: Server) -> None:
    async with Raw.tcp(server.port) as raw:
        await raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        with contextlib.suppress(EOFError):
            assert (await raw.response()).status == 505
        await raw.gone()
    await eventually(lambda: descriptors(server.port) == [], 2)
    assert [row.kind for row in rows(flow)] == ["drop"], "no fault of ours"


# ---- what nobody should send


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"\x00\x00\x00\r\n\r\n",
        b"HELO example\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nbroken line\r\n\r\n",
        b"GET /a\x00b HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_answered_with_400_and_a_row(
    flow: Flow, server: Server, junk: bytes
) -> None:
    async with Raw.tcp(server.port) as raw:
        await raw.send(junk)
        assert (await raw.response()).status == 400
        await raw.gone()
    (row,) = rows(flow)
    assert row.kind == "drop"
    assert "127.0.0.1" in str(row.error)
    assert "400" in str(row.error)
    async with Raw.websocket(server.port):
        pass


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
async def test_a_flood_of_headers_is_answered_with_431(
    flow: Flow, server: Server, end: bytes
) -> None:
    flood = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 100) for number in range(2000))
    async with Raw.tcp(server.port) as raw:
        with contextlib.suppress(ConnectionError):
            await raw.send(handshake()[:-2], flood, end)
        assert (await raw.response()).status == 431
        await raw.gone()
    (row,) = rows(flow)
    assert (row.kind, "431" in str(row.error)) == ("drop", True)


async def test_a_request_line_without_end_is_cut_off(flow: Flow, server: Server) -> None:
    async with Raw.tcp(server.port) as raw:
        with contextlib.suppress(ConnectionError):
            await raw.send(b"GET /" + b"a" * 200_000)
        assert (await raw.response()).status in {400, 414, 431}
        await raw.gone()
    assert [row.kind for row in rows(flow)] == ["drop"]


@pytest.mark.parametrize(("path", "status"), [("/a%00b", 400), ("/" + "x" * 3000, 414)])
async def test_bad_paths_are_refused_for_sockets_and_requests(
    flow: Flow, server: Server, path: str, status: int
) -> None:
    for head in (handshake(path), request(path)):
        async with Raw.tcp(server.port) as raw:
            await raw.send(head)
            assert (await raw.response()).status == status
    assert len(rows(flow, "drop")) == 2
    assert all(len(row.path) <= 200 for row in rows(flow))


# ---- too many, too slow


async def test_beyond_the_cap_clients_get_503_until_somebody_leaves(flow: Flow) -> None:
    server = await flow.serve(max_sessions=3)
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(Raw.websocket(server.port))
        await stack.enter_async_context(Raw.websocket(server.port))
        await stack.enter_async_context(Raw.tcp(server.port))  # silent, and counted
        async with Raw.tcp(server.port) as raw:
            await raw.send(handshake())
            response = await raw.response()
            assert response.status == 503
            assert int(response.headers["retry-after"]) >= 1
            await raw.gone()
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"{server.url}/").__aenter__()
        assert caught.value.response.status_code == 503
        row = rows(flow, "drop")[0]
        assert row.error == "there are 3 connections already: 1 refused with 503"
        await first.send(text("still served"), close(1000))
        assert (await first.frame()).payload == b"still served"
        await first.closed()
        await flow.log.until(kind="close")
        async with Raw.websocket(server.port) as newcomer:
            await newcomer.send(text("in"))
            assert (await newcomer.frame()).payload == b"in"
        told = await flow.log.until(kind="drop", after=row.seq)  # once a second, not each time
        assert told.error == row.error


async def test_three_hundred_knocks_at_once_are_all_answered(server: Server) -> None:
    async def knock(number: int) -> bytes:
        async with connect(f"{server.url}/", open_timeout=30) as peer:
            await peer.send(str(number))
            return str(await peer.recv()).encode()

    got = await asyncio.gather(*map(knock, range(300)))
    assert got == [str(number).encode() for number in range(300)]


@pytest.mark.slow
async def test_the_silent_and_the_slow_are_gone_in_six_seconds(server: Server) -> None:
    async def silent(said: bytes = b"") -> float:
        async with Raw.tcp(server.port) as raw:
            await raw.send(said)
            await raw.gone()
        return beats.seconds

    async def slow() -> float:
        async with Raw.tcp(server.port) as raw:
            with contextlib.suppress(ConnectionError):
                for byte in handshake()[:-2]:
                    await raw.send(bytes((byte,)))
                    await asyncio.sleep(0.1)  # a byte now and then is what a slowloris does
        return beats.seconds

    async with Beats() as beats, Raw.websocket(server.port) as session:
        crowd = [silent() for _ in range(100)]
        crowd += [silent(handshake()[:50]), silent(request("/status")), slow()]
        lasted = await asyncio.gather(*crowd)
        assert max(lasted) < 7
        await session.send(text("unaffected"))
        assert (await session.frame()).payload == b"unaffected"


async def test_a_tls_handshake_that_never_comes_is_waited_for_no_longer(
    flow: Flow, certificate: tuple[str, str, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "HEADER_TIMEOUT", 0.3)
    server = await flow.serve(certfile=certificate[0], keyfile=certificate[1])
    async with Raw.tcp(server.port) as silent, Raw.tcp(server.port) as half:
        await half.send(b"\x16\x03\x01\x02\x00\x01\x00")
        await silent.gone()
        await half.gone()


# ---- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, ssl.SSLContext]:
    """A certificate, its key, and what a client needs to trust them."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    certfile, keyfile = folder / "cert.pem", folder / "key.pem"
    certfile.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    keyfile.write_bytes(issued.private_key_pem.bytes())
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    return str(certfile), str(keyfile), trusting


@pytest.fixture
async def secure(flow: Flow, certificate: tuple[str, str, ssl.SSLContext]) -> Server:
    return await flow.serve(certfile=certificate[0], keyfile=certificate[1])


@pytest.fixture
def trusting(certificate: tuple[str, str, ssl.SSLContext]) -> ssl.SSLContext:
    return certificate[2]


async def test_sockets_and_requests_are_served_over_tls(
    flow: Flow, secure: Server, trusting: ssl.SSLContext
) -> None:
    assert secure.url == f"wss://127.0.0.1:{secure.port}"
    blob = os.urandom(2**20)
    origin: Any = f"https://localhost:{secure.port}"
    url = f"wss://localhost:{secure.port}/"
    async with connect(url, ssl=trusting, origin=origin, max_size=2**21) as peer:
        for message in ("hello", "", blob, "wörter" * 30_000):
            await peer.send(message)
            assert await peer.recv() == message
        await (await peer.ping())
        await peer.close(4001, "over")
    row = await flow.log.until(kind="close")
    assert row.error is None
    async with httpx.AsyncClient(verify=trusting) as client:
        for _ in range(2):
            response = await client.get(f"https://127.0.0.1:{secure.port}/status")
            assert response.json() == {"got": None}


async def test_http_2_is_not_offered_over_tls(secure: Server, trusting: ssl.SSLContext) -> None:
    trusting.set_alpn_protocols(["h2", "http/1.1"])
    reader, writer = await asyncio.open_connection("127.0.0.1", secure.port, ssl=trusting)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
    writer.write(handshake() + text("early"))
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert await reader.readexactly(7) == b"\x81\x05early"
    writer.close()
    await writer.wait_closed()


async def test_a_violation_over_tls_gets_its_close_frame_and_a_clean_end(
    flow: Flow, secure: Server, trusting: ssl.SSLContext
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", secure.port, ssl=trusting)
    writer.write(handshake() + frame(BINARY, b"", length=2**62))
    await reader.readuntil(b"\r\n\r\n")
    said = await reader.read()
    assert said[0] == 0x88
    assert int.from_bytes(said[2:4]) == 1009
    writer.close()
    await writer.wait_closed()
    row = await flow.log.until(kind="close")
    assert "broke the protocol" in str(row.error)
    await eventually(lambda: descriptors(secure.port) == [], 3)


async def test_a_cut_over_tls_is_a_close_without_a_code(
    flow: Flow, secure: Server, trusting: ssl.SSLContext
) -> None:
    closes: list[Any] = []
    flow.nodes["/"].outputs["close"] >> flow.node(closes.append, name="closes")
    peer = await connect(f"{secure.url}/", ssl=trusting)
    peer.transport.abort()
    await flow.log.until(kind="close")
    assert [(ev["code"], ev["reason"]) for ev in closes] == [(None, "")]
    with contextlib.suppress(ConnectionClosed):
        await peer.recv()


async def test_clients_that_come_and_go_at_once_over_tls_leave_nothing(
    flow: Flow, secure: Server, trusting: ssl.SSLContext
) -> None:
    def dash(ending: str) -> None:
        with (
            socket.create_connection(("127.0.0.1", secure.port)) as sock,
            trusting.wrap_socket(sock, server_hostname="localhost") as tls,
        ):
            tls.sendall(handshake() + text("hello"))
            if ending == "polite":
                tls.sendall(close(1000))
            elif ending == "reset":
                linger = struct.pack("ii", 1, 0)
                tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    await asyncio.gather(
        *(asyncio.to_thread(dash, ending) for ending in ("polite", "fin", "reset") * 10)
    )
    await eventually(lambda: descriptors(secure.port) == [])
    await eventually(lambda: len(secure.sessions) == 0)
    assert len(rows(flow, "req")) == len(rows(flow, "close"))
    assert rows(flow, "error") == []


async def test_stopping_over_tls_says_1001(
    flow: Flow, secure: Server, trusting: ssl.SSLContext
) -> None:
    async with connect(f"{secure.url}/", ssl=trusting) as peer:
        async with Beats() as beats:
            await flow.stop()
            assert beats.seconds < 0.5
        await peer.wait_closed()
        assert peer.close_code == 1001
    assert descriptors(secure.port) == []


@pytest.mark.parametrize("said", [request("/status"), b"\x16\x03\x01\x00\x05hello", b"\x00" * 50])
async def test_who_does_not_speak_tls_to_a_tls_port_is_dropped(
    flow: Flow, secure: Server, trusting: ssl.SSLContext, said: bytes
) -> None:
    async with Raw.tcp(secure.port) as raw:
        await raw.send(said)
        await raw.gone()
    async with connect(f"{secure.url}/", ssl=trusting) as peer:
        await peer.send("served on")
        assert await peer.recv() == "served on"
    assert rows(flow, "error") == []


@pytest.mark.parametrize("missing", ["certfile", "keyfile"])
async def test_certificates_that_can_not_be_read_leave_nothing_behind(
    flow: Flow, certificate: tuple[str, str, ssl.SSLContext], missing: str, tmp_path: Path
) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    files: dict[str, Any] = {"certfile": certificate[0], "keyfile": certificate[1]}
    files[missing] = str(tmp_path / "not-there.pem")
    with pytest.raises((ServeError, OSError)):
        await flow.serve(port=port, **files)
    gc.collect()
    assert flow.server is None
    assert not flow.running
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", port))


async def test_a_certificate_without_its_key_never_means_plain_text(
    flow: Flow, certificate: tuple[str, str, ssl.SSLContext], tmp_path: Path
) -> None:
    both, trusting = _joined(tmp_path, *certificate[:2]), certificate[2]
    try:
        server = await flow.serve(certfile=both)
    except ServeError as error:
        assert "keyfile" in str(error)  # noqa: PT017 (one of two right answers)
        return
    async with connect(f"{server.url}/", ssl=trusting) as peer:
        await peer.send("secret")
        assert await peer.recv() == "secret"


def _joined(folder: Path, *files: str) -> str:
    """Put a certificate and its key into one file, as many tools do."""
    both = folder / "both.pem"
    both.write_bytes(b"".join(Path(file).read_bytes() for file in files))
    return str(both)


async def test_a_key_without_a_certificate_never_means_plain_text(
    flow: Flow, certificate: tuple[str, str, ssl.SSLContext]
) -> None:
    with pytest.raises(ServeError, match="certfile"):
        await flow.serve(keyfile=certificate[1])
