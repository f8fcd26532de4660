"""The app: which flow is meant, and whose fault an error is.

What a person reads when it goes wrong is tested in `test_cli.py`.
"""

import json
import sys
from pathlib import Path

import pytest

from tests.command import ECHO, write
from wsflow.cli import app


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, being the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


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
