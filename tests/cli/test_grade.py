"""Grading a folder of notebooks, each in a process of its own."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.course.tasks import notebook
from wsflow import WsflowError
from wsflow.cli import grade as grading
from wsflow.cli import main as cli
from wsflow.cli.grade import Mark, grade_one
from wsflow.cli.terminal import CommandError

RIGHT = """
import wsflow
from wsflow import Flow

flow = Flow("mine")
echo = flow.websocket("/echo")

@flow.node
def back(ev, ctx):
    ctx.emit("response", {"body": ev["message"]})

echo.message >> back
"""
CHECKED = RIGHT + '\nwsflow.check("01-echo", flow)'
WRONG = CHECKED.replace('ev["message"]', '"hello"')


def written(folder: Path, name: str, *cells: str) -> Path:
    path = folder / f"{name}.ipynb"
    made = notebook()
    made["cells"] = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# mine"]},
        *(
            {"cell_type": "code", "metadata": {}, "outputs": [], "source": cell.splitlines(True)}
            for cell in cells
        ),
    ]
    path.write_text(json.dumps(made))
    return path


def graded(folder: Path, **options: Any) -> tuple[int, str]:
    out = Console(file=io.StringIO(), width=100)
    status = grading.grade(folder, out, **options)
    assert isinstance(out.file, io.StringIO)
    return status, out.file.getvalue()


def test_a_class_is_graded_line_by_line(tmp_path: Path) -> None:
    written(tmp_path, "ada", CHECKED)
    written(tmp_path, "ben", WRONG)
    written(tmp_path, "cleo", "1 + 1")
    (tmp_path / "dan.ipynb").write_text("{")
    status, text = graded(tmp_path)
    assert status == 1
    lines = text.splitlines()
    assert lines[1].split() == ["ada.ipynb", "01-echo", "solved"]
    assert lines[2].startswith("ben.ipynb   01-echo   not yet  When ada sent b")
    assert "there is no wsflow.check(...) in it" in lines[3]
    assert "dan.ipynb is no notebook" in lines[4]
    assert lines[-1] == "1 of 2 solved"


def test_all_solved_is_exit_status_0(tmp_path: Path) -> None:
    written(tmp_path, "ada", CHECKED)
    assert graded(tmp_path)[0] == 0
    assert cli.main(["grade", str(tmp_path / "ada.ipynb")]) == 0


def test_the_last_check_of_an_exercise_counts(tmp_path: Path) -> None:
    path = written(tmp_path, "ada", WRONG, CHECKED)
    assert grade_one(path).marks == [Mark("01-echo", True)]


def test_an_exercise_can_be_asked_for_where_nobody_checks(tmp_path: Path) -> None:
    path = written(tmp_path, "ada", RIGHT)
    assert grade_one(path).marks == []
    assert grade_one(path, "01-echo").marks == [Mark("01-echo", True)]


def test_nobody_can_be_reached_while_grading_yet_serving_works(tmp_path: Path) -> None:
    ports = """
import pathlib

server = await flow.serve()
table = pathlib.Path("/proc/self/net/tcp").read_text().splitlines()[1:]
mine = {str(link.readlink()) for link in pathlib.Path("/proc/self/fd").iterdir() if link.exists()}
listening = [line for line in table if line.split()[3] == "0A"]
assert not [line for line in listening if f"socket:[{line.split()[9]}]" in mine]
assert server.url == "ws://no-port-while-grading"
async with flow.client("/echo") as me:
    await me.send("x")
    assert await me.receive() == "x"
await flow.stop()
"""
    if not sys.platform.startswith("linux"):
        pytest.skip("needs /proc: run it on Linux")
    one = grade_one(written(tmp_path, "ada", RIGHT, ports, 'wsflow.check("01-echo", flow)'))
    assert one.raised == []
    assert one.ok


def test_a_thread_of_a_notebook_gets_no_port_either(tmp_path: Path) -> None:
    threaded = """
import asyncio, threading

told = []
thread = threading.Thread(target=lambda: told.append(asyncio.run(flow.serve(port=-1)).url))
thread.start()
thread.join()
assert told == ["ws://no-port-while-grading"]
assert Flow.serve.__module__ == "wsflow.serving"  # it is the one everybody has
"""
    one = grade_one(written(tmp_path, "ada", RIGHT, threaded, 'wsflow.check("01-echo", flow)'))
    assert one.raised == []
    assert one.ok


def test_a_cell_that_raises_costs_itself_alone(tmp_path: Path) -> None:
    one = grade_one(written(tmp_path, "ada", "1 / 0", CHECKED, "raise SystemExit"))
    assert one.ok
    assert one.raised[0] == "cell 1: ZeroDivisionError: division by zero"


def test_what_a_notebook_prints_or_leaves_behind_disturbs_nobody(tmp_path: Path) -> None:
    one = grade_one(
        written(tmp_path, "ada", "print('{' * 10_000)", CHECKED, "import asyncio\nasyncio.Event()")
    )
    assert one.ok


def test_a_notebook_that_does_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grading, "TIMEOUT", 3.0)
    one = grade_one(written(tmp_path, "ada", "while True: pass"))
    assert one.trouble == "it ran longer than 3 s and was ended"


def test_a_process_that_dies_is_told(tmp_path: Path) -> None:
    one = grade_one(written(tmp_path, "ada", "import os\nos.kill(os.getpid(), 9)"))
    assert one.trouble.startswith("its process ended (-9)")


def test_json_has_every_word(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    written(tmp_path, "ben", WRONG)
    assert cli.main(["grade", str(tmp_path), "--json"]) == 1
    (one,) = json.loads(capfd.readouterr().out)
    assert one["notebook"] == "ben.ipynb"
    assert one["marks"][0]["solved"] is False
    assert "was to get" in one["marks"][0]["words"][0]


def test_a_folder_without_notebooks_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no notebook in"):
        graded(tmp_path)
    with pytest.raises(CommandError, match="no such folder or notebook"):
        graded(tmp_path / "nowhere")


def test_an_exercise_nobody_has_is_told_once(tmp_path: Path) -> None:
    written(tmp_path, "ada", RIGHT)
    with pytest.raises(WsflowError, match="no exercise '99-moon'"):
        graded(tmp_path, name="99-moon")
