"""A flow served at a terminal: its start and end, what is printed of clients, its options.

Each server is a process of its own on a free port; what it prints says when it is ready.
"""

import contextlib
import os
import pty
import re
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

import wsflow
from tests.process.command import Running, ask, colourless, is_free, write
from wsflow.recording import Recording

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_closes_clients_with_1001_and_frees_the_port(
    folder: Path, number: signal.Signals
) -> None:
    with Running(folder, "app.py", "--port", "0") as server, server.client() as alice:
        assert server.said == [
            f"wsflow {wsflow.__version__} serves echo",
            f"  ws://127.0.0.1:{server.port}/echo/{{room}}",
            f"  POST http://127.0.0.1:{server.port}/push",
            "Ctrl-C stops it",
        ]
        alice.send("hello")
        assert alice.recv(timeout=30) == "hello"
        server.process.send_signal(number)
        with pytest.raises(ConnectionClosed) as closed:
            alice.recv(timeout=30)
        out, errors = server.process.communicate(timeout=30)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        assert (server.process.returncode, errors) == (0, "")
        assert re.fullmatch(r"stopped after \d+\.\d s: 1 session, 1 message, 0 errors\n", out)
        assert is_free(server.port)


def test_a_second_ctrl_c_ends_a_blocked_server(folder: Path) -> None:
    write(
        folder,
        "stuck.py",
        """
        import time
        from wsflow import Flow

        flow = Flow("stuck")
        chat = flow.websocket("/chat")

        @flow.node
        def block():
            print("blocked", flush=True)
            while True:
                time.sleep(1)

        chat.message >> block
        """,
    )
    with Running(folder, "stuck.py", "--port", "0") as server:
        with contextlib.suppress(ConnectionClosed), server.client() as alice:
            alice.send("x")
            server.until("blocked")
            server.process.send_signal(signal.SIGINT)
            while server.process.poll() is None:  # one that comes too early melts into the first
                with contextlib.suppress(subprocess.TimeoutExpired):
                    server.process.wait(timeout=0.1)
                server.process.send_signal(signal.SIGINT)
        assert server.process.returncode == 128 + signal.SIGINT
        assert server.errors() == "\nwsflow: ended at once, clients were not told\n"


NAP = "for _ in range(6_000):\n    time.sleep(0.01)\n"
"""Not one long sleep: an interrupt just before its system call is seen only after it."""


def test_ctrl_c_while_the_file_is_imported_ends_quietly(folder: Path) -> None:
    write(folder, "slow.py", "print('Ctrl-C serves', flush=True)\nimport time\n" + NAP)
    with Running(folder, "slow.py") as server:
        assert server.stop() == (130, "", "")


def test_a_flow_that_stops_itself_ends_the_command(folder: Path) -> None:
    write(
        folder,
        "short.py",
        """
        from wsflow import Flow

        flow = Flow("short")
        chat = flow.websocket("/chat")

        @flow.node
        async def enough():
            await flow.server.stop()

        chat.message >> enough
        """,
    )
    with Running(folder, "short.py", "--port", "0") as server, server.client() as alice:
        alice.send("x")
        with pytest.raises(ConnectionClosed):
            alice.recv(timeout=30)
        assert server.process.wait(timeout=30) == 0
        assert "stopped after" in server.until("stopped")[-1]


def test_a_terminal_that_is_not_read_holds_nobody_up(folder: Path) -> None:
    with Running(folder, "app.py", "--port", "0", "--log") as server:
        with server.client() as alice:
            for number in range(2_000):  # 6000 rows, many times what a pipe takes
                alice.send(f"{number} {'x' * 100}")
                assert alice.recv(timeout=30) == f"{number} {'x' * 100}"
        status, out, errors = server.stop()
    assert (status, errors) == (0, "")
    shown = len(re.findall(r" (?:req|message|response|close) ", out))
    missed = sum(int(n.replace(",", "")) for n in re.findall(r"… ([\d,]+) rows? not shown", out))
    assert shown + missed == 1 + 2 * 2_000 + 1


def test_the_log_is_a_line_a_row_without_control_characters(folder: Path) -> None:
    with Running(folder, "app.py", "--port", "0", "--log") as server:
        with server.client("/echo/red%1b]0;x%07%0a") as alice:
            for message in ("\x1b[2J\r\nhi \u202e", b"\x00\x9b", "boom"):
                alice.send(message)
            assert alice.recv(timeout=30) == "\x1b[2J\r\nhi \u202e"
            assert alice.recv(timeout=30) == b"\x00\x9b"
        server.until(" close ")
        status, out, errors = server.stop()
    lines = [line[13:] for line in server.said[4:]]
    assert all(line.isprintable() for line in [*server.said, *out.splitlines()])
    assert (status, errors) == (0, "")
    assert [" ".join(line.split()[:3]) for line in lines] == [
        "s1 req echo.req",
        "s1 message echo.message",
        "s1 response back.response",
        "s1 message echo.message",
        "s1 response back.response",
        "s1 message echo.message",
        "s1 error back.in",
        "s1 close echo.close",
    ]
    assert lines[0].endswith(r" /echo/red\x1b]0;x\x07\n")
    assert lines[1].endswith(r" '\x1b[2J\r\nhi \u202e'")
    assert lines[3].endswith(r" b'\x00\x9b'")
    assert r"ValueError: boom\x1b[31m (app.py:10)" in lines[6]


def test_a_terminal_gets_lines_of_its_width_in_colour(folder: Path) -> None:
    ours, theirs = pty.openpty()
    with Running(folder, "app.py", "--port", "0", "--log", "--token", "x", TERM="xterm") as piped:
        assert "\x1b" not in "".join(piped.said)
    with Running(folder, "app.py", "--port", "0", "--log", out=theirs, TERM="xterm") as server:
        os.close(theirs)
        with os.fdopen(ours, closefd=True) as terminal:
            server.until("Ctrl-C", terminal)
            with server.client() as alice:
                alice.send("x" * 200)
                alice.send("boom")
                alice.send("fine")
            server.until("echo.close", terminal)
            server.process.send_signal(signal.SIGINT)
            server.until("stopped", terminal)
        assert server.process.wait(timeout=30) == 0
    plain = [colourless(line) for line in server.said]
    assert "\x1b[36mmessage" in "".join(server.said)
    assert max(map(len, plain)) == 80
    assert all(line.isprintable() for line in plain)


def test_trouble_is_printed_unasked(folder: Path) -> None:
    with Running(folder, "app.py", "--port", "0") as server:
        with server.client() as alice:
            alice.send("boom")
            alice.send("fine")
            assert alice.recv(timeout=30) == "fine"
        server.until("ValueError")
        with pytest.raises(InvalidStatus), server.client("/nowhere"):
            pass
        server.until("refused with 404")
        _, out, _ = server.stop()
    assert len(server.said) == 6
    assert "1 session, 2 messages, 1 error" in out


def test_options_reach_the_server(folder: Path) -> None:
    options = ("--max-message-size", "1K", "--allowed-origin", "https://example.org")
    with Running(folder, "app.py", "--port", "0", *options) as server:
        with server.client(origin="https://example.org") as alice:
            alice.send("x" * 1025)
            with pytest.raises(ConnectionClosed) as closed:
                alice.recv(timeout=30)
        with pytest.raises(InvalidStatus), server.client(origin="https://evil.example"):
            pass
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


@pytest.mark.parametrize("by_environment", [False, True])
def test_the_token_is_needed_and_never_printed(folder: Path, *, by_environment: bool) -> None:
    arguments = () if by_environment else ("--token", "s3cret")
    given = "s3cret" if by_environment else ""
    with Running(
        folder, "app.py", "--port", "0", "--log", *arguments, WSFLOW_TOKEN=given
    ) as server:
        with server.client(additional_headers={"Authorization": "Bearer s3cret"}):
            pass
        with pytest.raises(InvalidStatus) as refused, server.client():
            pass
        server.until("refused with 401")
        _, out, _ = server.stop()
    assert refused.value.response.status_code == 401
    assert any("clients bring the token" in line for line in server.said)
    assert "s3cret" not in "\n".join([*server.said, out])


def test_http_routes_are_served(folder: Path) -> None:
    with Running(folder, "app.py", "--port", "0") as server:
        url = f"http://127.0.0.1:{server.port}/push"
        with urllib.request.urlopen(url, data=b"", timeout=10) as answer:
            assert answer.read() == b"taken"


def test_the_methods_of_a_multi_trigger_are_told_in_one_line(folder: Path) -> None:
    (folder / "app.py").write_text(
        "from wsflow import Flow\n"
        "flow = Flow('things')\n"
        "things = flow.multi('/things/{id}')\n"
        "things['get'] >> flow.node(lambda: None, name='answer')\n"
        "things['put'] >> flow.nodes['answer']\n"
        "flow.websocket('/chat')\n"
    )
    with Running(folder, "app.py", "--port", "0") as server:
        told = f"  GET, PUT http://127.0.0.1:{server.port}/things/{{id}}"
        assert told in map(colourless, server.said)


def test_a_page_is_served_when_asked_for(folder: Path) -> None:
    with Running(folder, "app.py", "--port", "0", "--page") as server:
        assert any(line.endswith("/ (a page to try them)") for line in server.said)
        answer = urllib.request.urlopen(f"http://127.0.0.1:{server.port}/", timeout=10)
        with answer:
            assert b"/push" in answer.read()


def test_an_open_bind_is_said_aloud(folder: Path) -> None:
    options = ("--host", "0.0.0.0", "--allow-unauthenticated")
    with Running(folder, "app.py", "--port", "0", *options) as server, server.client():
        assert "  bound to '0.0.0.0': other machines can connect" in server.said


def test_a_terminal_without_unicode_gets_ascii(folder: Path) -> None:
    with Running(folder, "app.py", "--port", "0", "--token", "x", PYTHONIOENCODING="ascii") as it:
        assert "  clients bring the token: ?token=~ or Authorization: Bearer ~" in it.said


@pytest.mark.parametrize(
    "arguments", ["record app.py lesson --port 0", "run app.py --port 0 --record lesson"]
)
def test_what_happens_is_recorded(folder: Path, arguments: str) -> None:
    command, *rest = arguments.split()
    for previous in ("", " (the one before is now lesson-1.jsonl)"):
        with Running(folder, *rest, command=command) as server:
            assert f"  records to recordings/lesson.jsonl{previous}" in server.said
            with server.client() as alice:
                alice.send("hello")
                assert alice.recv(timeout=30) == "hello"
            status, out, errors = server.stop()
        assert (status, errors) == (0, "")
        assert re.search(r"^recorded \d rows; look: wsflow show lesson$", out, re.MULTILINE)
    kinds = [row.kind for row in Recording.open("lesson").rows()]
    assert kinds == ["req", "message", "response", "close"]
    assert len(Recording.open("lesson-1")) == 4


def test_a_taken_port_is_said_by_a_process_too(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = ask("run", str(folder / "app.py"), "--port", str(port))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"wsflow: port {port} on 127.0.0.1 can not be had (Address already in use); "
        "stop what listens there, or take another --port (0: a free one)\n"
    )
