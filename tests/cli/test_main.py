"""The command line, as a person at a terminal meets it: processes, signals, lines and statuses.

Each server is a process of its own on a free port; what it prints says when it is ready.
"""

import contextlib
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.request
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

import wsflow
from tests.command import ECHO, Running, ask, colourless, is_free, write
from wsflow.cli import arguments
from wsflow.cli import main as cli
from wsflow.recording import Recording


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the echo flow in `app.py`, being the current one."""
    (tmp_path / "app.py").write_text(ECHO)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WSFLOW_TOKEN", raising=False)
    return tmp_path


# ---- help and version


def test_the_version_of_command_and_module() -> None:
    script = Path(sys.executable).with_name("wsflow")
    said = f"wsflow {wsflow.__version__}\n"
    assert subprocess.check_output([script, "--version"], text=True) == said
    assert ask("--version").stdout == said


def test_help_names_the_commands_and_loads_nothing_heavy() -> None:
    code = """
        import sys
        from wsflow.cli.main import main
        try:
            main(["--help"])
        except SystemExit as end:
            assert not end.code
        heavy = {"pandas", "ipywidgets", "anywidget", "hypercorn", "rich", "wsflow.demo"}
        sys.exit(f"loaded: {heavy & set(sys.modules)}" if heavy & set(sys.modules) else 0)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^ +run +serve", done.stdout, re.MULTILINE)
    assert re.search(r"^ +demo +three clients", done.stdout, re.MULTILINE)
    named = re.findall(r"^    (\w+) ", done.stdout, re.MULTILINE)
    assert named == ["run", "record", "replay", "show", "repair", "convert", "grade", "lab", "demo"]


def test_no_command_is_a_wish_for_help() -> None:
    done = ask()
    assert (done.returncode, done.stdout) == (0, ask("--help").stdout)


def test_the_help_of_run_tells_the_exit_statuses() -> None:
    done = ask("run", "--help")
    assert done.returncode == 0
    for text in ("app.py:chat", "--port", "--allowed-origin", "1001", "Exit status 1"):
        assert text in done.stdout


# ---- serving, and the end of it


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
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


def test_ctrl_c_while_the_file_is_imported_ends_quietly(folder: Path) -> None:
    write(folder, "slow.py", "print('Ctrl-C serves', flush=True)\nimport time\ntime.sleep(60)\n")
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


# ---- what is printed of clients


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


# ---- options


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


# ---- recording


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


# ---- which flow


def test_a_function_of_a_module_makes_the_flow(folder: Path) -> None:
    with (
        Running(folder, "wsflow.demo:chat_flow", "--port", "0") as server,
        server.client() as me,
    ):
        me.send("/who")
        assert me.recv(timeout=30) == "you are name, one of 1"


def test_a_module_of_the_current_folder(folder: Path) -> None:
    with Running(folder, "app:flow", "--port", "0") as server:
        assert server.stop()[0] == 0


FILES = {
    "two.py": "from wsflow import Flow\na, b = Flow('a'), Flow('b')\ndef make(): return 1\n",
    "none.py": "x = 1\n",
    "bad.py": "from wsflow import Flow\nflow = Flow('x'\n",
    "imports_bad.py": "import bad\n",
    "waits.py": "from wsflow import Flow\nflow = Flow('x')\nawait flow.serve()\n",
    "missing.py": "import nothing_of_that_name\n",
    "raises.py": """\
from wsflow import Flow
flow = Flow("raises")
def wire():
    flow.node(3)
wire()
""",
    "evals.py": "eval('1 +')\n",
    "setup.py": """\
from wsflow import Flow
flow = Flow("setup")
@flow.node
def worker(): pass
@worker.setup
def prepare(): return {}["absent"]
""",
    "notes.ipynb": "{}",
}


def complaint(folder: Path, capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run in this process what is bound to fail, and return status and stderr."""
    for name, text in FILES.items():
        write(folder, name, text)
    status = cli.main(["run", *arguments])
    out, errors = capfd.readouterr()
    assert out == ""
    assert "/wsflow/" not in errors, "frames of wsflow are none of the user's business"
    return status, errors


@pytest.mark.usefixtures("imports_forgotten")
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("nope.py", "nope.py: No such file or directory; Python files there: app.py, bad.py,"),
        (".", ".: Is a directory"),
        ("nope", "no module 'nope'; is it a file? nope.py"),
        ("app.nope", "no module 'app.nope'"),
        ("notes.ipynb", "notes.ipynb is a notebook; export it first"),
        ("none.py", "none.py has no Flow at its top level"),
        ("two.py", "two.py has several Flows: a, b; name one: two.py:a"),
        ("two.py:c", "'c' of two.py does not exist; Flows there: a, b"),
        ("two.py:Flow", "'Flow' of two.py is no Flow but <class 'wsflow.flow.Flow'>"),
        ("two.py:make", "two.py:make is a function that returned 1, not a Flow"),
        ("bad.py", "bad.py:2: SyntaxError: '(' was never closed\n    flow = Flow('x'"),
        ("imports_bad.py", "bad.py:2: SyntaxError"),
        ("waits.py", "serves the flow itself: leave `await flow.serve()` out\n"),
        ("app.py --host 0.0.0.0", "--host 0.0.0.0 would let other machines in without a password"),
        ("app.py --host 192.0.2.1 --token x", "port 8000 on 192.0.2.1 can not be had"),
        ("app.py --port 70000", "argument --port: '70000' is no port: 0 to 65535"),
        ("app.py --port x", "argument --port: 'x' is no port"),
        ("app.py --max-message-size 1G", "'1G' is no size: 65536, 64K or 4M"),
        ("app.py --trusted-proxy x", "'x' does not appear to be an IPv4 or IPv6 network"),
        ("app.py --certfile no.pem", "certfile='no.pem', keyfile="),
        ("app.py --records x", "unrecognized arguments: --records x"),
        ("app.py --record ../x", "'../x' can not name a recording"),
    ],
)
def test_what_can_not_be_served_is_said_in_a_line(
    folder: Path, capfd: pytest.CaptureFixture[str], arguments: str, text: str
) -> None:
    status, errors = complaint(folder, capfd, *arguments.split())
    assert status == 2
    assert errors.startswith("wsflow: ")
    assert text in errors
    assert "Traceback" not in errors
    assert len(errors.splitlines()) <= 3


@pytest.mark.usefixtures("imports_forgotten")
@pytest.mark.parametrize(
    ("argument", "lines"),
    [
        ("raises.py", ["    wire()", "    flow.node(3)", "HandlerError: "]),
        ("missing.py", ["    import nothing_of_that_name", "No module named 'nothing_of_that"]),
        ("evals.py", ["    eval('1 +')", "SyntaxError: invalid syntax"]),
        ("setup.py", ["setup of node 'worker' failed", '{}["absent"]', "KeyError: 'absent'"]),
    ],
)
def test_what_the_users_code_raises_is_told_with_its_own_traceback(
    folder: Path, capfd: pytest.CaptureFixture[str], argument: str, lines: list[str]
) -> None:
    status, errors = complaint(folder, capfd, argument, "--port", "0")
    assert status == 1
    assert "Traceback (most recent call last):" in errors
    assert f'{argument}", line' in errors
    assert "importlib" not in errors
    assert [line for line in lines if line not in errors] == []


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


def test_a_users_exit_is_the_users(folder: Path) -> None:
    write(folder, "exits.py", "import sys\nsys.exit('set CHAT_KEY first')\n")
    done = ask("run", "exits.py")
    assert (done.returncode, done.stderr) == (1, "set CHAT_KEY first\n")


# ---- small parts


@pytest.mark.parametrize(
    ("text", "size"), [("65536", 65536), ("64K", 65536), ("64k", 65536), ("4M", 4 * 2**20)]
)
def test_sizes(text: str, size: int) -> None:
    assert arguments._size(text) == size
