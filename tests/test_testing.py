"""The helpers for pytest: what a user's tests type, also when those tests fail.

The example of the module's docstring is run as a user would run it, by a pytest of its own.
"""

import asyncio
import re
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

import wsflow.testing
from tests.peers.raw import eventually
from wsflow import Context, Flow, RefusedError, WsflowError
from wsflow.testing import Serve, assert_replies, connect, connect_sync

pytest_plugins = ["wsflow.testing"]

APP = """\
from wsflow import Flow

flow = Flow("app")
chat = flow.websocket("/chat/{room}")

@flow.node
def shout(ev, ctx):
    ctx.emit("response", {"body": ev["message"].upper()})

chat.message >> shout
"""

INI = """\
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""


def shouting() -> Flow:
    """Return a flow that answers in capitals, and raises when it gets `boom`."""
    flow = Flow("shouting")
    trigger = flow.websocket("/chat/{room}")

    @flow.node
    def shout(ev: Any, ctx: Context) -> None:
        if ev["message"] == "boom":
            raise ValueError("as asked")
        ctx.emit("response", {"body": ev["message"].upper()})

    trigger.message >> shout
    return flow


def port_is_free(port: int) -> bool:
    """Say whether nobody listens on a port."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0


def run_pytest(folder: Path, **files: str) -> subprocess.CompletedProcess[str]:
    """Run pytest as a user of wsflow would: in a folder of theirs, warnings being errors."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
    (folder / "pytest.ini").write_text(INI)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:hypothesispytest",
        "-v",
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def example() -> dict[str, str]:
    """Return the files of the example in the docstring, by their names."""
    text = textwrap.dedent(wsflow.testing.__doc__ or "")
    parts = re.split(r"^    # (\w+)\.py\n", text.split("\nA flow that")[0], flags=re.MULTILINE)
    return {
        name: textwrap.dedent(code) for name, code in zip(parts[1::2], parts[2::2], strict=True)
    }


# ---- the fixture


def test_the_example_of_the_docstring_passes(tmp_path: Path) -> None:
    files = example()
    assert set(files) == {"conftest", "test_chat"}
    done = run_pytest(tmp_path, app=APP, **files)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_flows_are_stopped_when_a_test_failed(tmp_path: Path) -> None:
    done = run_pytest(
        tmp_path,
        app=APP,
        conftest="""
            from wsflow.testing import connect_sync  # before pytest makes a plugin of it
            pytest_plugins = ["wsflow.testing"]
        """,
        test_it="""
            import socket
            from app import flow

            ports = []

            def test_fails(serve_flow):
                ports.append(serve_flow(flow).port)
                raise KeyError("on purpose")

            def test_afterwards():
                assert not flow.running
                with socket.socket() as sock:
                    assert sock.connect_ex(("127.0.0.1", ports[0])) != 0
        """,
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "on purpose" in done.stdout


def test_pytest_is_imported_by_nobody_but_pytest() -> None:
    code = (
        "import sys, wsflow, wsflow.testing; "
        "sys.exit('pytest' in sys.modules or hasattr(wsflow.testing, 'serve_flow'))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_server_for_a_plain_test(serve_flow: Serve) -> None:
    server = serve_flow(shouting(), max_message_size=100)
    assert server.options.max_message_size == 100
    with connect_sync(server, "/chat/red") as alice:
        alice.send("hi")
        assert alice.recv(timeout=30) == "HI"


async def test_several_servers_for_an_async_test(serve_flow: Serve) -> None:
    one, other = serve_flow(shouting()), serve_flow(shouting())
    assert one.port != other.port
    for server in (one, other):
        async with connect(server, "/chat/red") as alice:
            await alice.send("hi")
            assert await alice.recv() == "HI"


def test_the_end_of_a_test_closes_its_clients() -> None:
    serving = wsflow.testing.serving()
    server = next(serving)(shouting())
    with connect_sync(server, "/chat/red") as alice:
        serving.close()
        with pytest.raises(ConnectionClosed) as closed:
            alice.recv(timeout=30)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    assert port_is_free(server.port)


def test_a_flow_served_twice_is_the_same_server(serve_flow: Serve) -> None:
    flow = shouting()
    assert serve_flow(flow) is serve_flow(flow)


async def test_a_flow_that_runs_in_the_test_is_refused(serve_flow: Serve) -> None:
    flow = shouting()
    async with flow.client("/chat/red"):
        with pytest.raises(WsflowError, match="runs already"):
            serve_flow(flow)
    await flow.stop()


def test_clients_bring_the_token(serve_flow: Serve) -> None:
    server = serve_flow(shouting(), token="s3cret")
    with connect_sync(server, "/chat/red", additional_headers={"X-Other": "1"}) as alice:
        alice.send("hi")
        assert alice.recv(timeout=30) == "HI"
    wrong = {"Authorization": "Bearer wrong"}
    with (
        pytest.raises(InvalidStatus) as refused,
        connect_sync(server, "/chat/red", additional_headers=wrong),
    ):
        pass
    assert refused.value.response.status_code == 401


# ---- assert_replies


async def test_replies_as_expected() -> None:
    flow = shouting()
    await assert_replies(flow, "/chat/red", sends=["a", "b"], expects=["A", "B"])
    assert not flow.running
    await assert_replies(flow, "/chat/red", sends=["a"], expects=[mock.ANY])


async def test_a_running_flow_is_left_running() -> None:
    flow = shouting()
    async with flow.serving():
        await assert_replies(flow, "/chat/red", sends=["a"], expects=["A"])
        assert flow.running


async def test_values_travel_as_json() -> None:
    flow = Flow("json")
    trigger = flow.websocket("/")

    @flow.node
    def wrap(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": {"got": ev["message"]}})
        ctx.emit("response", {"body": b"\x00"})

    trigger.message >> wrap
    await assert_replies(flow, "/", sends=[{"x": 1}], expects=[{"got": '{"x":1}'}, b"\x00"])
    with pytest.raises(AssertionError, match="other replies than expected"):
        await assert_replies(flow, "/", sends=["x"], expects=[{"got": "y"}, {"not": "json"}])


async def test_a_wrong_reply_is_shown_beside_the_expected_one() -> None:
    with pytest.raises(AssertionError) as failed:
        await assert_replies(shouting(), "/chat/red", sends=["a", "b"], expects=["A", "C"])
    assert str(failed.value).splitlines() == [
        "/chat/red: other replies than expected",
        "  sent      'a', 'b'",
        "  expected  'A', 'C'",
        "  received  'A', 'B'",
    ]


async def test_a_reply_too_many_is_a_failure() -> None:
    with pytest.raises(AssertionError, match=r"expected  nothing\n  received  'A'"):
        await assert_replies(shouting(), "/chat/red", sends=["a"])


async def test_a_missing_reply_comes_with_what_the_handler_raised() -> None:
    with pytest.raises(AssertionError) as failed:
        await assert_replies(shouting(), "/chat/red", sends=["boom"], expects=["BOOM"], timeout=0.5)
    text = str(failed.value)
    assert "received  nothing" in text
    assert "then      nothing more came within 0.5 s" in text
    assert re.search(r"error     shout: ValueError: as asked \(test_testing\.py:\d+\)", text)


async def test_errors_of_earlier_tests_are_not_told() -> None:
    flow = shouting()
    async with flow.client("/chat/red") as alice:
        await alice.send("boom")
        await eventually(lambda: bool(flow.nodes["shout"].errors))
    with pytest.raises(AssertionError) as failed:
        await assert_replies(flow, "/chat/red", expects=["A"], timeout=0.5)
    assert "as asked" not in str(failed.value)
    await flow.stop()


async def test_a_session_that_ends_early_says_so() -> None:
    flow = Flow("short")
    trigger = flow.websocket("/")

    @flow.node
    def bye(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": "bye", "end": True})

    trigger.message >> bye
    await assert_replies(flow, "/", sends=["x"], expects=["bye"])
    with pytest.raises(AssertionError, match="was closed with code 1000"):
        await assert_replies(flow, "/", sends=["x"], expects=["bye", "bye"])


async def test_a_flow_that_never_falls_silent_is_cut_off() -> None:
    flow = Flow("endless")
    trigger = flow.websocket("/")

    @flow.node
    async def stream(ev: Any, ctx: Context) -> None:
        while True:
            ctx.emit("response", {"body": "x"})
            await asyncio.sleep(0)

    trigger.req >> stream
    with pytest.raises(AssertionError, match="other replies"):
        await assert_replies(flow, "/", expects=["y"])


async def test_an_unknown_route_is_refused() -> None:
    flow = shouting()
    with pytest.raises(RefusedError, match="404"):
        await assert_replies(flow, "/nowhere", sends=["x"])
    assert not flow.running
