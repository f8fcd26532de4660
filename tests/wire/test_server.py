"""A server's life: taking the port, letting in whom it should, and stopping when it is told.

Clients are the `websockets` library, `httpx` or bytes by hand; where a process must end, it is
one of its own.
"""

import asyncio
import contextlib
import gc
import inspect
import signal
import socket
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect as connect_in_thread

from tests.peers.raw import (
    BINARY,
    Raw,
    close,
    descriptors,
    eventually,
    frame,
    handshake,
    open_files,
    request,
    text,
)
from tests.process.beats import Beats
from wsflow import (
    Context,
    Flow,
    PortInUseError,
    ServeError,
    Server,
    SetupError,
    UnsafeBindError,
)
from wsflow.cli.arguments import parser
from wsflow.wire.server import Options
from wsflow.wire.session import DEFAULT_LIMITS

ROOT = Path(__file__).resolve().parents[2]


def echoing(name: str = "served") -> Flow:
    """Return a flow that answers on `/`, and whose manager `everybody` knows all sessions."""
    flow = Flow(name)
    trigger = flow.websocket("/")

    @flow.node
    def echo(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": ev["message"]})

    everybody = flow.connections(name="everybody")
    trigger.message >> echo
    trigger.req >> everybody.req
    trigger.close >> everybody.close
    return flow


pytestmark = pytest.mark.usefixtures("quiet_loop")


@pytest.fixture
async def flow() -> AsyncIterator[Flow]:
    flow = echoing()
    yield flow
    await flow.stop()


@pytest.fixture
def taken() -> Iterator[int]:
    """A port somebody else listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def echoes(server: Server) -> bool:
    async with connect(f"{server.url}/") as peer:
        await peer.send("hello")
        return await peer.recv() == "hello"


async def ending(peer: ClientConnection) -> tuple[int | None, str | None]:
    """Wait for the end of a connection; return code and reason as the client saw them."""
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(30):
            async for _ in peer:
                pass
    return peer.close_code, peer.close_reason


def tasks() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()}


def threads() -> set[str]:
    """Return the threads there are, without those the loop keeps for `to_thread`."""
    return {t.name for t in threading.enumerate() if not t.name.startswith("asyncio_")}


class Before:
    """What there was of tasks, threads and descriptors; what tests before left may go meanwhile."""

    def __init__(self) -> None:
        gc.collect()
        self.tasks, self.threads, self.files = tasks(), threads(), open_files()

    def assert_nothing_more(self) -> None:
        gc.collect()
        assert tasks() - self.tasks == set()
        assert threads() - self.threads == set()
        assert open_files() <= self.files


# ---- starting


async def test_clients_are_answered_as_soon_as_serve_returns(flow: Flow) -> None:
    server = await flow.serve()
    assert server.port > 0
    assert server.url == f"ws://127.0.0.1:{server.port}"
    assert await echoes(server)


async def test_a_client_that_comes_while_the_flow_is_still_being_set_up_is_served(
    flow: Flow,
) -> None:
    port, early = free_port(), socket.socket()

    def knock() -> None:
        early.connect(("127.0.0.1", port))
        early.sendall(handshake() + text("early"))

    flow.node(lambda: None, name="slow start", setup=knock)
    with early:
        await flow.serve(port=port)
        early.setblocking(False)
        raw = Raw(early)
        assert (await raw.response()).status == 101
        assert (await raw.frame()).payload == b"early"


async def test_a_port_in_use_is_named_and_nothing_is_left_behind(flow: Flow, taken: int) -> None:
    before = Before()
    with pytest.raises(PortInUseError, match=str(taken)) as caught:
        await flow.serve(port=taken)
    assert isinstance(caught.value, OSError)
    assert (caught.value.host, caught.value.port) == ("127.0.0.1", taken)
    assert "port=0" in str(caught.value)
    assert flow.server is None
    assert not flow.running
    del caught
    before.assert_nothing_more()
    assert await echoes(await flow.serve())


@pytest.mark.parametrize("port", [-1, 70_000])
async def test_a_port_that_can_not_exist_is_an_error_of_ours(flow: Flow, port: int) -> None:
    with pytest.raises(ServeError, match=str(port)):
        await flow.serve(port=port)
    assert not flow.running


@pytest.mark.parametrize("thread", [False, True])
async def test_a_setup_that_raises_leaves_no_port_task_or_thread(flow: Flow, thread: bool) -> None:
    def broken() -> None:
        raise ValueError("no database")

    node = flow.node(lambda: None, name="broken", setup=broken)
    before, port = Before(), free_port()
    with pytest.raises(SetupError, match="'broken' failed: ValueError: no database"):
        await flow.serve(port=port, thread=thread)
    before.assert_nothing_more()
    assert flow.server is None
    flow.remove(node)
    assert (await flow.serve(port=port)).port == port


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.0.2.1", "example.org", "127.0.0.1.evil.example"]
)
async def test_other_machines_are_not_let_in_without_a_word(flow: Flow, host: str) -> None:
    with pytest.raises(UnsafeBindError, match=r"token=.*allow_unauthenticated=True") as caught:
        await flow.serve(host=host)
    assert repr(host) in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert not flow.running


@pytest.mark.parametrize("said", [{"token": "s3cret"}, {"allow_unauthenticated": True}])
async def test_other_machines_are_let_in_when_that_was_said(
    flow: Flow, said: dict[str, Any]
) -> None:
    server = await flow.serve(host="0.0.0.0", **said)
    assert server.url == f"ws://127.0.0.1:{server.port}"
    query = f"?token={said['token']}" if "token" in said else ""
    async with connect(f"{server.url}/{query}") as peer:
        await peer.send("hello")
        assert await peer.recv() == "hello"


async def test_loopback_of_ip_version_6_and_localhost_are_served(flow: Flow) -> None:
    for host in ("::1", "localhost"):
        server = await flow.serve(host=host)
        assert await echoes(server)
        await flow.stop()


async def test_serving_again_with_the_same_options_is_the_same_server(flow: Flow) -> None:
    server = await flow.serve(max_sessions=7)
    assert await flow.serve(max_sessions=7) is server
    assert await flow.serve(max_sessions=7, port=server.port) is server
    assert await echoes(server)


async def test_two_that_serve_at_once_get_one_server(flow: Flow) -> None:
    one, other = await asyncio.gather(flow.serve(), flow.serve())
    assert one is other
    await flow.stop()
    with pytest.raises(ConnectionRefusedError):
        await connect(f"{one.url}/").__aenter__()


@pytest.mark.parametrize(
    "other", [{"max_message_size": 5}, {"token": "x"}, {"thread": True}, {"port": 1}]
)
async def test_serving_again_with_other_options_is_an_error_outside_notebooks(
    flow: Flow, other: dict[str, Any]
) -> None:
    server = await flow.serve()
    with pytest.raises(ServeError, match=f"{server.url} already, with other options"):
        await flow.serve(**other)
    assert flow.server is server
    assert await echoes(server)


async def test_unknown_networks_are_refused_before_the_port_is_taken(flow: Flow) -> None:
    with pytest.raises(ServeError, match="trusted_proxies"):
        await flow.serve(trusted_proxies=["10.0.0.1/8"])
    assert not flow.running


async def test_a_server_shows_where_it_is_and_how_many_are_there(flow: Flow) -> None:
    server = await flow.serve()
    assert repr(server) == f"<Server ws://127.0.0.1:{server.port}/ 0 sessions>"
    async with connect(f"{server.url}/"):
        assert repr(server) == f"<Server ws://127.0.0.1:{server.port}/ 1 sessions>"
        assert f"at {server.url}" in repr(flow)
    await flow.stop()
    assert repr(server) == f"<Server ws://127.0.0.1:{server.port} stopped>"
    assert "stopped" in server._repr_html_()


# ---- stopping


async def test_stopping_what_never_ran_or_twice_is_harmless(flow: Flow) -> None:
    await flow.stop()
    server = await flow.serve()
    await asyncio.gather(flow.stop(), flow.stop(), server.stop())
    await flow.stop()
    await server.stop()
    assert not flow.running
    assert flow.server is None


async def test_the_port_is_free_as_soon_as_stop_returns(flow: Flow) -> None:
    server = await flow.serve()
    assert await echoes(server)
    async with connect(f"{server.url}/") as peer:
        await flow.stop()
        with pytest.raises(ConnectionRefusedError):
            await connect(f"{server.url}/").__aenter__()
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # our own TIME_WAITs
            sock.bind(("127.0.0.1", server.port))
            sock.listen()
        assert (await ending(peer))[0] == 1001


async def test_a_stopped_flow_serves_again_and_remembers_its_state(flow: Flow) -> None:
    first = await flow.serve()
    flow.state.set("lesson", 3)
    await flow.stop()
    second = await flow.serve(port=first.port)
    assert second is not first
    assert await echoes(second)
    assert flow.state.get("lesson") == 3
    assert "stopped" in repr(first)


async def test_a_stopped_server_alone_can_be_served_again(flow: Flow) -> None:
    server = await flow.serve()
    await server.stop()
    assert flow.server is None
    assert flow.running
    assert await echoes(await flow.serve(port=server.port))


async def test_idle_clients_see_1001_and_stop_takes_no_time(flow: Flow) -> None:
    closes: list[Any] = []
    flow.nodes["/"].outputs["close"] >> flow.node(closes.append, name="closes")
    server = await flow.serve()
    async with contextlib.AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(connect(f"{server.url}/")) for _ in range(100)]
        endings = asyncio.gather(*map(ending, peers))
        async with Beats() as beats:
            await flow.stop()
            assert beats.seconds < 0.5
        assert await endings == [(1001, "server stopped")] * 100
    assert [ev["code"] for ev in closes] == [1001] * 100
    assert len(server.sessions) == 0


async def test_mute_clients_do_not_delay_a_stop(flow: Flow) -> None:
    server = await flow.serve()
    async with Raw.websocket(server.port) as mute, Raw.tcp(server.port) as silent:
        async with Beats() as beats:
            await flow.stop()
            assert beats.seconds < 0.5
        assert (await mute.frame()).code == 1001
        await mute.gone()
        await silent.gone()
    assert descriptors(server.port) == []


async def test_clients_that_never_read_delay_a_stop_by_less_than_five_seconds(flow: Flow) -> None:
    server = await flow.serve()
    async with (
        Raw.websocket(server.port, receive_buffer=4096) as blocked,
        connect(f"{server.url}/") as healthy,
    ):
        for _ in range(6):
            await blocked.send(frame(BINARY, bytes(2**20)))
        await flow.log.until(kind="response", count=6)
        assert server.sessions[0].backlog > 2**20
        async with Beats() as beats:
            stopping = asyncio.create_task(flow.stop())
            assert await ending(healthy) == (1001, "server stopped")
            assert beats.seconds < 0.5, "the healthy one needs not wait"
            await stopping
            assert beats.seconds < 5
    assert descriptors(server.port) == []


@pytest.mark.parametrize("sent", [close(1000), frame(BINARY, mask=None)])
async def test_clients_that_stay_after_their_close_do_not_outlive_a_stop(
    flow: Flow, sent: bytes
) -> None:
    server = await flow.serve()
    async with Raw.websocket(server.port) as raw:
        await raw.send(sent)
        await raw.closed()
        async with Beats() as beats:
            await flow.stop()
            assert beats.seconds < 0.5
        assert descriptors(server.port) == []


async def test_a_request_nobody_answers_does_not_delay_a_stop(flow: Flow) -> None:
    asked = asyncio.Event()
    flow.http("/slow").out >> flow.node(asked.set, name="asked")
    server = await flow.serve()
    async with Raw.tcp(server.port) as raw:
        await raw.send(request("/slow"))
        await asked.wait()
        async with Beats() as beats:
            await flow.stop()
            assert beats.seconds < 1
        await raw.gone()
    assert descriptors(server.port) == []


async def test_a_request_that_is_answered_during_a_stop_still_gets_its_answer(flow: Flow) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    @flow.node
    async def slow(ev: Any, ctx: Context) -> None:
        asked.set()
        await go.wait()
        ctx.emit("response", {"body": "done"})

    flow.http("/slow").out >> slow
    server = await flow.serve()
    async with Raw.tcp(server.port) as raw:
        await raw.send(request("/slow"))
        await asked.wait()
        stopping = asyncio.create_task(flow.stop())
        await eventually(lambda: not server.running)
        go.set()
        assert (await raw.response()).body == b"done"
        await stopping


async def test_a_handler_that_hangs_delays_a_stop_by_about_a_second(flow: Flow) -> None:
    hung: list[str] = []

    @flow.node
    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            hung.append("cancelled")

    flow.nodes["/"].outputs["message"] >> hang
    server = await flow.serve()
    async with Raw.websocket(server.port) as raw:
        await raw.send(text("hang"))
        await flow.log.until(kind="message")
        async with Beats() as beats:
            await flow.stop()
            assert beats.seconds < 2
    assert hung == ["cancelled"]


async def test_a_handler_may_stop_its_own_flow(flow: Flow) -> None:
    @flow.node
    async def off(ev: Any) -> None:
        await flow.stop()

    flow.nodes["/"].outputs["message"] >> off
    server = await flow.serve()
    async with connect(f"{server.url}/") as peer:
        await peer.send("off")
        assert (await ending(peer))[0] == 1001
    async with asyncio.timeout(30):
        await flow.stop()
    assert not flow.running


async def test_sessions_and_manager_are_harmless_after_a_stop(flow: Flow) -> None:
    server = await flow.serve()
    everybody: Any = flow.nodes["everybody"]
    async with connect(f"{server.url}/") as peer:
        session = server.sessions[0]
        await flow.stop()
        await ending(peer)
    assert session.send("too late") is False
    session.close()
    assert everybody.broadcast("anybody?").reached == ()
    flow.pause()
    flow.resume()
    assert "closed" in repr(session)


async def test_twenty_starts_and_stops_leak_nothing(flow: Flow) -> None:
    assert await echoes(await flow.serve())
    await flow.stop()
    before = Before()
    for thread in [False] * 20 + [True] * 5:
        server = await flow.serve(thread=thread)
        assert await echoes(server)
        await flow.stop()
    before.assert_nothing_more()


# ---- `async with`


async def test_an_exception_inside_serving_comes_out_and_the_server_is_gone(flow: Flow) -> None:
    with pytest.raises(ZeroDivisionError):
        async with flow.serving() as server:
            raise ZeroDivisionError
    assert not flow.running
    with pytest.raises(ConnectionRefusedError):
        await connect(f"{server.url}/").__aenter__()


async def test_a_time_out_inside_serving_stops_the_server_in_order(flow: Flow) -> None:
    peers: list[ClientConnection] = []

    async def never_done() -> None:
        async with asyncio.timeout(None) as limit, flow.serving() as server:
            peers.append(await connect(f"{server.url}/"))
            limit.reschedule(asyncio.get_running_loop().time())
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await never_done()
    assert not flow.running
    assert (await ending(peers[0]))[0] == 1001


async def test_a_cancelled_caller_does_not_take_the_server_with_it(flow: Flow) -> None:
    async def cell() -> None:
        await flow.serve()
        await asyncio.Event().wait()

    task = asyncio.create_task(cell())
    await eventually(lambda: flow.server is not None)
    task.cancel()
    await asyncio.wait([task])
    assert flow.server is not None
    assert await echoes(flow.server)


# ---- in a thread


class Caller(threading.Thread):
    """A client in a thread: echoes without end, and counts."""

    def __init__(self, url: str) -> None:
        super().__init__(name="caller")
        self.url = url
        self.answered = 0
        self.busy, self.enough = threading.Event(), threading.Event()

    def run(self) -> None:
        with connect_in_thread(self.url) as peer:
            while not self.enough.is_set():
                peer.send("tick")
                assert peer.recv(30) == "tick"
                self.answered += 1
                self.busy.set()


async def test_a_server_in_a_thread_answers_while_this_loop_is_blocked(flow: Flow) -> None:
    server = await flow.serve(thread=True)
    caller = Caller(f"{server.url}/")
    caller.start()
    await asyncio.to_thread(caller.busy.wait, 30)
    before, limit = caller.answered, time.monotonic() + 30
    while caller.answered < before + 20 and time.monotonic() < limit:
        time.sleep(0.01)  # noqa: ASYNC251 (a cell that blocks is what this is about)
    answered = caller.answered - before
    caller.enough.set()
    await asyncio.to_thread(caller.join)
    assert answered >= 20


async def test_a_server_in_a_thread_runs_its_handlers_there(flow: Flow) -> None:
    @flow.node
    async def where(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": threading.current_thread().name})

    flow.websocket("/where").message >> where
    server = await flow.serve(thread=True)
    async with connect(f"{server.url}/where") as peer:
        await peer.send("?")
        assert await peer.recv() == "wsflow served"


async def test_everything_is_usable_from_here_while_the_server_is_in_a_thread(flow: Flow) -> None:
    server = await flow.serve(thread=True)
    everybody: Any = flow.nodes["everybody"]
    async with connect(f"{server.url}/") as peer:
        row = await flow.log.until(kind="req")
        assert everybody.broadcast("to all").reached == (row.session,)
        assert await peer.recv() == "to all"
        assert server.sessions[0].send("to one") is True
        assert await peer.recv() == "to one"
        flow.pause()
        assert flow._host.paused
        await peer.send("held")
        flow.resume()
        assert await peer.recv() == "held"
        assert {"req", "broadcast", "response", "send", "message"} <= set(flow.log.frame()["kind"])
        assert list(flow.log.sessions()["session"]) == [row.session]

        def late(ev: Any, ctx: Context) -> None:
            ctx.emit("response", {"body": "from a node made later"})

        flow.nodes["/"].outputs["message"] >> flow.node(late)
        await peer.send("both")
        assert {await peer.recv(), await peer.recv()} == {"both", "from a node made later"}
        server.sessions[0].close(4001, "by hand")
        assert await ending(peer) == (4001, "by hand")


async def test_stopping_a_server_in_a_thread_closes_its_clients_and_ends_the_thread(
    flow: Flow,
) -> None:
    before = threads()
    server = await flow.serve(thread=True)
    assert threads() - before
    async with connect(f"{server.url}/") as peer:
        await flow.stop()
        assert await ending(peer) == (1001, "server stopped")
    assert threads() <= before
    with pytest.raises(ConnectionRefusedError):
        await connect(f"{server.url}/").__aenter__()


async def test_a_port_in_use_is_told_to_the_caller_of_a_thread_too(flow: Flow, taken: int) -> None:
    before = threads()
    with pytest.raises(PortInUseError, match=str(taken)):
        await flow.serve(port=taken, thread=True)
    assert threads() <= before


async def test_a_flow_moves_between_loop_and_thread(flow: Flow) -> None:
    before = threads()
    for thread in (True, False, True, False):
        server = await flow.serve(thread=thread)
        assert await echoes(server)
        await flow.stop()
    assert threads() <= before


# ---- the process around it


class Script:
    """A Python script in a process of its own; the first line it prints is a port."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process, self.port = process, port
        self.url = f"ws://127.0.0.1:{port}/"

    async def ended(self) -> tuple[int, str]:
        """Wait until it has ended; return its exit status and what it wrote to stderr."""
        _, errors = await asyncio.wait_for(self.process.communicate(), 50)
        assert self.process.returncode is not None
        return self.process.returncode, errors.decode()


@contextlib.asynccontextmanager
async def script(source: str) -> AsyncIterator[Script]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "default",
        "-c",
        textwrap.dedent(source),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 50)
        if not line:
            raise AssertionError((await process.communicate())[1].decode())
        yield Script(process, int(line))
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


MAIN = """
    import asyncio, signal, time
    from wsflow import Flow

    async def main(thread=False, wait=True):
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        flow = Flow("script")
        socket = flow.websocket("/")
        socket.message >> flow.node(lambda: loop.call_soon_threadsafe(over.set), name="over")
        handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
        server = await flow.serve(thread=thread)
        assert handlers == [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
        print(server.port, flush=True)
        await over.wait()
        if not wait:
            return
        await asyncio.Event().wait()
"""


@pytest.mark.parametrize("thread", [False, True])
async def test_a_script_that_ends_without_stopping_says_goodbye_to_its_clients(
    thread: bool,
) -> None:
    source = textwrap.dedent(MAIN) + f"\nasyncio.run(main(thread={thread}, wait=False))\n"
    async with script(source) as running, connect(running.url) as peer:
        await peer.send("over")
        assert (await ending(peer))[0] == 1001
        assert await running.ended() == (0, "")


async def test_ctrl_c_is_the_script_s_own_and_clients_are_told() -> None:
    async with script(textwrap.dedent(MAIN) + "\nasyncio.run(main())\n") as running:
        async with connect(running.url) as peer:
            running.process.send_signal(signal.SIGINT)
            assert (await ending(peer))[0] == 1001
        status, errors = await running.ended()
        assert status in {130, -signal.SIGINT}
        assert errors.rstrip().endswith("KeyboardInterrupt")
        assert "never retrieved" not in errors
        assert "was destroyed" not in errors


async def test_sigterm_is_left_to_the_system() -> None:
    async with script(textwrap.dedent(MAIN) + "\nasyncio.run(main())\n") as running:
        async with connect(running.url) as peer:
            running.process.send_signal(signal.SIGTERM)
            assert (await ending(peer))[0] in {1001, 1006}
        status, errors = await running.ended()
        assert status == -signal.SIGTERM
        assert errors == ""


# ---- whom it lets in


async def test_a_token_is_taken_from_query_header_or_subprotocol(flow: Flow) -> None:
    server = await flow.serve(token="s3cret")
    ways: list[tuple[str, dict[str, Any]]] = [
        ("?token=s3cret", {}),
        ("?a=b&token=s3cret", {}),
        ("", {"additional_headers": {"Authorization": "Bearer s3cret"}}),
        ("", {"additional_headers": {"Authorization": "bearer  s3cret"}}),
        ("", {"subprotocols": ["wsflow.token.s3cret"]}),
        ("", {"subprotocols": ["wsflow", "wsflow.token.s3cret"]}),
    ]
    for query, options in ways:
        async with connect(f"{server.url}/{query}", **options) as peer:
            await peer.send("in")
            assert await peer.recv() == "in"
            offered = options.get("subprotocols")
            assert peer.subprotocol == (offered[0] if offered else None)


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", []),
        ("?token=", []),
        ("?token=S3CRET", []),
        ("?token=s3cret%00", []),
        ("?tokens=s3cret", []),
        ("", [("Authorization", "Basic s3cret")]),
        ("", [("Authorization", "Bearer")]),
        ("", [("Authorization", "Bearer s3crets")]),
        ("", [("Sec-WebSocket-Protocol", "s3cret")]),
        ("", [("Sec-WebSocket-Protocol", "wsflow.token.")]),
        ("", [("Cookie", "token=s3cret")]),
    ],
)
async def test_without_the_token_nobody_gets_in_and_is_told_how(
    flow: Flow, query: str, headers: list[tuple[str, str]]
) -> None:
    flow.http("/")
    server = await flow.serve(token="s3cret")
    for head in (handshake(f"/{query}", headers), request(f"/{query}", headers)):
        async with Raw.tcp(server.port) as raw:
            await raw.send(head)
            response = await raw.response()
            assert response.status == 401
            assert response.headers["www-authenticate"] == "Bearer"
            assert b"?token=" in response.body
            assert b"Authorization: Bearer" in response.body
            assert b"s3cret" not in response.body
    rows = [row for row in flow.log.tail(50) if row.kind == "drop"]
    assert len(rows) == 2
    assert all("refused with 401" in str(row.error) for row in rows)
    assert len(server.sessions) == 0


ORIGINS = {
    "none": (None, True),
    "its own": ("http://localhost:{port}", True),
    "its own, over TLS": ("https://localhost:{port}", True),
    "another port": ("http://localhost:1", False),
    "another name for it": ("http://127.0.0.1:{port}", False),
    "another site": ("https://evil.example", False),
    "null": ("null", False),
    "a file": ("file://", False),
    "empty": ("", False),
    "garbage": ("http://[", False),
    "looks alike": ("http://localhost:{port}.evil.example", False),
    "allowed": ("https://lab.example", True),
}


@pytest.mark.parametrize("name", ORIGINS)
async def test_pages_of_other_origins_are_refused_with_advice(flow: Flow, name: str) -> None:
    server = await flow.serve(allowed_origins=["https://lab.example"])
    template, welcome = ORIGINS[name]
    origin = None if template is None else template.replace("{port}", str(server.port))
    headers = [] if origin is None else [("Origin", origin)]
    async with Raw.tcp(server.port) as raw:
        await raw.send(handshake("/", headers, host=f"localhost:{server.port}"))
        response = await raw.response()
    if welcome:
        assert response.status == 101
        return
    assert response.status == 403
    assert f"serve(allowed_origins=[{origin!r}])".encode() in response.body
    (row,) = [row for row in flow.log.tail(50) if row.kind == "drop"]
    assert f"serve(allowed_origins=[{origin!r}])" in str(row.error)
    assert [row.kind for row in flow.log.tail(50)] == ["drop"]


HOSTS = {
    "127.0.0.1": True,
    "127.0.0.1:{port}": True,
    "127.8.9.10": True,
    "localhost": True,
    "LOCALHOST:{port}": True,
    "lesson.localhost": True,
    "[::1]:{port}": True,
    "lab.example": True,
    "lab.example:{port}": True,
    "LAB.example": True,
    "evil.example": False,
    "evil.example:{port}": False,
    "127.0.0.1.evil.example": False,
    "localhost.evil.example": False,
    "notlocalhost": False,
    "127.0.0.1@evil.example": False,
    "evil.example@127.0.0.1": False,
    "192.168.1.7": False,
    "0.0.0.0": False,
    "localhost:notaport": False,
    "lab.example.evil.example": False,
}


@pytest.mark.parametrize("template", HOSTS)
async def test_names_of_other_hosts_are_refused_with_advice(flow: Flow, template: str) -> None:
    server = await flow.serve(allowed_hosts=["lab.example"])
    host = template.replace("{port}", str(server.port))
    for head in (handshake("/", host=host), request("/", host=host)):
        async with Raw.tcp(server.port) as raw:
            await raw.send(head)
            response = await raw.response()
        if HOSTS[template]:
            assert response.status in {101, 426}
        else:
            assert response.status == 403
            assert b"serve(allowed_hosts=[" in response.body
    rows = [row for row in flow.log.tail(50) if row.kind == "drop" and "Host" in str(row.error)]
    assert len(rows) == (0 if HOSTS[template] else 2)


async def test_a_refusal_reaches_a_client_of_another_make(flow: Flow) -> None:
    server = await flow.serve()
    with pytest.raises(InvalidStatus) as caught:
        await connect(f"{server.url}/", origin="https://evil.example").__aenter__()  # type: ignore[arg-type]
    assert caught.value.response.status_code == 403
    assert caught.value.response.body is not None
    assert b"allowed_origins" in caught.value.response.body


async def test_plain_http_is_judged_like_a_handshake(flow: Flow) -> None:
    flow.http("/status").out >> flow.node(
        lambda ev, ctx: ctx.emit("response", {"body": "fine"}), name="status"
    )
    server = await flow.serve()
    url = f"http://127.0.0.1:{server.port}/status"
    async with httpx.AsyncClient() as client:
        assert (await client.get(url)).text == "fine"
        refused = await client.get(url, headers={"Origin": "https://evil.example"})
        assert refused.status_code == 403
        refused = await client.get(url, headers={"Host": "evil.example"})
        assert refused.status_code == 403
        assert (await client.get(url)).text == "fine"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"port": "8000"}, "port is a whole number from 0 to 65535, not '8000'"),
        ({"port": 99999}, "port is a whole number from 0 to 65535, not 99999"),
        ({"max_message_size": "1MB"}, "max_message_size is a whole number from 1 on, not '1MB'"),
        ({"max_sessions": 0}, "max_sessions is a whole number from 1 on, not 0"),
        ({"token": 5}, "token is text that clients bring, not int"),
        ({"host": None}, "host is text such as '127.0.0.1', not None"),
    ],
)
async def test_options_that_can_not_be_are_told_before_anything_stops(
    flow: Flow, options: dict[str, Any], told: str
) -> None:
    async with flow.serving() as server:
        with pytest.raises(ServeError, match=told):
            await flow.serve(**options)
        assert server.running


# ---- limits


@pytest.mark.parametrize("name", ["max_message_size", "max_backlog", "max_sessions"])
def test_a_limit_is_the_same_whoever_does_not_name_it(name: str) -> None:
    shown = inspect.signature(Flow.serve).parameters[name].default
    assert type(shown) is int, "help() shows a number"
    assert f"{name}: 'int' = {shown}" in str(inspect.signature(Flow.serve))
    assert getattr(Options(), name) == shown
    endpoint = Flow("bare")._host.endpoint(None)
    limit = endpoint.max_sessions if name == "max_sessions" else getattr(endpoint.limits, name)
    assert limit == shown
    if name != "max_backlog":
        assert getattr(parser().parse_args(["run", "app.py"]), name) == shown


def test_the_limits_of_options_are_those_of_every_session() -> None:
    assert Options().limits() == DEFAULT_LIMITS
