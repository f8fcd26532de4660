"""The lab: a real JupyterLab on the first notebook, and notebooks for those who have no clone."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import termios
import urllib.request
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import pytest

from tests.process.command import WSFLOW, is_free
from wsflow.cli import arguments, lab
from wsflow.cli import main as cli
from wsflow.cli.terminal import CommandError

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def get(url: str, process: subprocess.Popen[Any]) -> Any:
    """Return what a URL of Jupyter's REST interface answers, once it does."""
    request = urllib.request.Request(url, headers={"Authorization": "token tok"})
    while process.poll() is None:
        with (
            contextlib.suppress(OSError),  # it is not there yet
            urllib.request.urlopen(request, timeout=20) as answer,
        ):
            return json.load(answer)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    raise AssertionError("it has ended")


class Terminal:
    """A terminal a command runs in: keys go in, what it shows is `said`."""

    def __init__(self, *command: str, **environment: str) -> None:
        self._ours, theirs = pty.openpty()
        self.said = ""
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # Ctrl-C is for who has it
        )
        os.close(theirs)

    def until(self, text: str) -> None:
        """Read up to a text."""
        while text not in self.said:
            self.said += os.read(self._ours, 65536).decode()

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def read_to_the_end(self) -> None:
        """Read until the command has ended."""
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while part := os.read(self._ours, 65536):
                self.said += part.decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


# ---- JupyterLab


@pytest.mark.timeout(180)
@pytest.mark.parametrize("by", ["Ctrl-C", "SIGTERM"])
def test_jupyterlab_opens_the_first_notebook_and_ends_cleanly(tmp_path: Path, by: str) -> None:
    port = free_port()
    options = (
        "--no-browser",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=tok",
        "--LanguageServerManager.autodetect=False",
    )
    folders = {f"JUPYTER_{name}_DIR": str(tmp_path) for name in ("CONFIG", "DATA", "RUNTIME")}
    with Terminal(*WSFLOW, "lab", *options, **folders) as terminal:
        process = terminal.process
        terminal.until("Use Control-C to stop this server")
        assert get(f"http://127.0.0.1:{port}/api/status", process)["kernels"] == 0
        there = get(f"http://127.0.0.1:{port}/api/contents/", process)["content"]
        assert {"01-first-flow.ipynb", "images"} <= {one["name"] for one in there}
        (opened,) = tmp_path.glob(f"jpserver-file-to-run-{process.pid}-open.html")
        assert "/lab/tree/01-first-flow.ipynb" in opened.read_text()
        if by == "Ctrl-C":
            terminal.type("\x03")
            terminal.until("Shut down this Jupyter server (y/[n])?")
            terminal.type("y\n")
        else:
            process.send_signal(signal.SIGTERM)
        terminal.read_to_the_end()
        assert process.wait(timeout=60) == 0, terminal.said
    assert "Traceback" not in terminal.said
    assert is_free(port)


def test_without_jupyterlab_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "jupyterlab", None)
    assert cli.main(["lab"]) == 2
    said = "wsflow: wsflow lab needs its packages: pip install 'wsflow[lab]'\n"
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize("user", [0, 1000])
def test_only_root_is_told_that_it_is_root(user: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    allowed = ["--allow-root"] * (user == 0)
    assert lab.arguments(ROOT / "x.ipynb", ["--port", "1"]) == [
        str(ROOT / "x.ipynb"),
        f"--ServerApp.root_dir={ROOT}",
        *allowed,
        "--port",
        "1",
    ]
    assert lab.arguments(ROOT, ["--notebook-dir=/x"]) == [str(ROOT), *allowed, "--notebook-dir=/x"]
    assert lab.arguments(ROOT, ["--allow-root"]).count("--allow-root") == 1


@pytest.mark.parametrize(
    ("given", "ours", "jupyters"),
    [
        ("lab", "lab", ""),
        ("lab my.ipynb --port 8 x", "lab my.ipynb", "--port 8 x"),
        ("lab --port 8", "lab", "--port 8"),
        ("lab -h", "lab -h", ""),
        ("run app.py --port 8", "run app.py --port 8", ""),
    ],
)
def test_options_of_lab_are_jupyters(given: str, ours: str, jupyters: str) -> None:
    assert arguments.for_jupyter(given.split()) == (ours.split(), jupyters.split())


# ---- which notebook


def test_a_notebook_is_found_by_its_path_or_its_lesson(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.ipynb").touch()
    first = ROOT / "notebooks" / "01-first-flow.ipynb"
    assert lab.find(None) == first
    assert lab.find("01-first-flow") == first
    assert lab.find("01-first-flow.ipynb") == first
    assert lab.find("mine.ipynb") == tmp_path / "mine.ipynb"
    assert lab.find(".") == tmp_path
    with pytest.raises(CommandError, match=r"no notebook 'mine'; in .*: 01-first-flow\.ipynb"):
        lab.find("mine")


def test_without_notebooks_it_asks_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lab, "CLONE", tmp_path)
    monkeypatch.setattr(lab, "BUNDLED", tmp_path / "notebooks")
    assert cli.main(["lab"]) == 2
    assert "came without notebooks; name one: wsflow lab my.ipynb" in capsys.readouterr().err


# ---- installed from a wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of a checkout in which somebody worked."""
    folder, source = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("source")
    for name in ("wsflow", "notebooks"):
        shutil.copytree(ROOT / name, source / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    left = source / "notebooks" / ".ipynb_checkpoints"
    left.mkdir(exist_ok=True)
    (left / "01-first-flow-checkpoint.ipynb").touch()
    isolation = ["--no-build-isolation"] if find_spec("hatchling") else []
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", *isolation, "-w", folder, source],
        check=True,
    )
    (built,) = folder.glob("wsflow-*.whl")
    return built


def test_a_wheel_has_the_notebooks(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert f"wsflow/notebooks/{path.name}" in names
    assert "wsflow/notebooks/images/first-flow.png" in names
    assert not [name for name in names if "checkpoint" in name]
    panel = ROOT / "wsflow" / "panel"
    for path in (*panel.glob("*.js"), *panel.glob("*.css")):
        assert f"wsflow/panel/{path.name}" in names
    assert "wsflow/course/exercises/01-echo.jsonl" in names
    assert "wsflow/py.typed" in names
    assert not [name for name in names if re.match(r"(notebooks|tests)/", name)]


def test_an_installed_wsflow_copies_its_notebooks_and_overwrites_nothing(
    wheel: Path, tmp_path: Path
) -> None:
    installed, mine = tmp_path / "site", tmp_path / "mine"
    mine.mkdir()
    zipfile.ZipFile(wheel).extractall(installed)

    def folder() -> str:
        done = subprocess.run(
            [sys.executable, "-c", "from wsflow.cli import lab; print('in', lab.folder())"],
            env={**os.environ, "PYTHONPATH": str(installed), "COLUMNS": "500"},
            cwd=mine,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr

    copies = mine / "wsflow-notebooks"
    assert re.fullmatch(rf"copied \d+ files to {copies}\nin wsflow-notebooks\n", folder())
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert (copies / path.name).read_bytes() == path.read_bytes()
    (copies / "01-first-flow.ipynb").write_text("what I wrote")
    (copies / "images" / "first-flow.png").unlink()
    assert folder() == f"copied 1 file to {copies}\nin wsflow-notebooks\n"
    assert (copies / "01-first-flow.ipynb").read_text() == "what I wrote"
    assert folder() == "in wsflow-notebooks\n"


def test_copies_that_can_not_be_made_are_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lab, "CLONE", tmp_path)
    monkeypatch.setattr(lab, "BUNDLED", ROOT / "notebooks")
    (tmp_path / "wsflow-notebooks").write_text("a file")
    assert cli.main(["lab"]) == 2
    assert capsys.readouterr().err == "wsflow: wsflow-notebooks: can not be written: File exists\n"
