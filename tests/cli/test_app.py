"""The app: which flow is meant, whose fault an error is, and what a person reads of it."""

import json
import sys
from pathlib import Path

import pytest

from tests.process.command import ECHO, Running, ask, write
from wsflow.cli import app
from wsflow.cli import main as cli


@pytest.mark.usefixtures("imports_forgotten")
def test_a_file_imports_its_neighbours(folder: Path) -> None:
    (folder / "deep").mkdir()
    write(folder, "deep/neighbour.py", "NAME = 'from the neighbour'")
    write(
        folder,
        "deep/my-app.py",
        "from neighbour import NAME\nfrom wsflow import Flow\nmine = Flow(NAME)\nsame = mine\n",
    )
    assert app.load("deep/my-app.py").name == "from the neighbour"
    assert app.load("deep/my-app.py:same").name == "from the neighbour"


@pytest.mark.usefixtures("imports_forgotten")
def test_a_file_named_like_a_library_does_not_hide_it(folder: Path) -> None:
    write(folder, "json.py", ECHO)
    assert app.load("json.py").name == "echo"
    assert sys.modules["json"] is json


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("app.py", ("app.py", "")),
        ("app.py:chat", ("app.py", "chat")),
        ("pkg.mod:chat", ("pkg.mod", "chat")),
        (r"C:\work\app.py", (r"C:\work\app.py", "")),
        (r"C:\work\app.py:chat", (r"C:\work\app.py", "chat")),
    ],
)
def test_targets(target: str, parts: tuple[str, str]) -> None:
    assert app._split(target) == parts


# ---- as a command


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


def test_a_users_exit_is_the_users(folder: Path) -> None:
    write(folder, "exits.py", "import sys\nsys.exit('set CHAT_KEY first')\n")
    done = ask("run", "exits.py")
    assert (done.returncode, done.stderr) == (1, "set CHAT_KEY first\n")
