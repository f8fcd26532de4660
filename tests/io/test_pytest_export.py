"""A recording as a test: it passes while the flow answers as it did, else it tells what differs."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wsflow.errors import RecordingError
from wsflow.io.format import FORMAT, write_object
from wsflow.recording import Recording

ROOT = Path(__file__).resolve().parents[2]

APP = """
from wsflow import Flow

flow = Flow("chat")


@flow.node
def shout(ev, ctx):
    ctx.emit("response", {"body": ev["message"].upper()})


flow.websocket("/chat/{room}").message >> shout
"""

RECORD = """
import asyncio
from app import flow


async def main():
    with flow.record("lesson-1"):
        async with flow.client("/chat/red") as alice:
            for said in ("hi", "ho"):
                await alice.send(said)
                await alice.receive()
    await flow.stop()


asyncio.run(main())
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with an app, and a recording of it."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "record.py").write_text(RECORD)
    subprocess.run([sys.executable, "record.py"], cwd=tmp_path, env=environment(), check=True)
    return tmp_path


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


def run(project: Path, test: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:hypothesispytest",
        str(test),
    ]
    return subprocess.run(
        command, cwd=project, env=environment(), capture_output=True, text=True, check=False
    )


def lesson(project: Path) -> Recording:
    return Recording.open("lesson-1", folder=project / "recordings")


def test_the_test_passes_for_the_flow_it_came_from_and_fails_for_another(project: Path) -> None:
    test = lesson(project).to_pytest(project / "test_lesson.py")
    good = run(project, test)
    assert good.returncode == 0, good.stdout
    assert "1 passed" in good.stdout
    (project / "app.py").write_text(APP.replace("upper()", "title()"))
    bad = run(project, test)
    assert bad.returncode == 1
    assert "test_lesson_1_is_answered_as_recorded" in bad.stdout
    assert "DIFFERENT" in bad.stdout
    for text in ("changed", "HI", "Hi", "HO", "Ho"):
        assert text in bad.stdout


def test_rules_go_to_the_replay(project: Path) -> None:
    (project / "app.py").write_text(APP.replace('"body": ', '"body": "12:00:00 " + '))
    subprocess.run([sys.executable, "record.py"], cwd=project, env=environment(), check=True)
    (project / "app.py").write_text(APP.replace('"body": ', '"body": "13:30:10 " + '))
    recording = lesson(project)
    assert run(project, recording.to_pytest(project / "test_strict.py")).returncode == 1
    mild = recording.to_pytest(project / "test_mild.py", ignore_times=True, ignore=["id"])
    assert "replay(RECORDING, ignore_times=True, ignore=['id'])" in mild.read_text()
    assert run(project, mild).returncode == 0


def test_it_finds_the_recording_from_where_it_is(project: Path) -> None:
    (project / "tests").mkdir()
    (project / "conftest.py").write_text("")  # puts the app's folder on the path
    test = lesson(project).to_pytest(project / "tests" / "test_lesson.py", app="app:flow")
    assert "Path(__file__).parent / '../recordings/lesson-1.jsonl'" in test.read_text()
    assert run(project, test).returncode == 0


@pytest.mark.parametrize(
    "app", ["app", "app:", ":flow", "app.py:flow", "a;b:c", "app:flow()", "1:2"]
)
def test_an_app_that_is_none_is_refused(tmp_path: Path, app: str) -> None:
    with pytest.raises(RecordingError, match="is no flow of a module"):
        empty(tmp_path / "one.jsonl").to_pytest(tmp_path / "test_one.py", app=app)
    assert not (tmp_path / "test_one.py").exists()


def empty(path: Path, created: str = "") -> Recording:
    path.write_bytes(write_object({"wsflow": FORMAT, "created": created}))
    return Recording.open(path)


def test_nothing_of_a_recording_becomes_code(tmp_path: Path) -> None:
    evil = tmp_path / 'a"""; import os; x = """{app}\'.jsonl'
    recording = empty(evil, created='2024-01-01"""\nimport os\n')
    test = recording.to_pytest(tmp_path / "test_evil.py")
    tree = ast.parse(test.read_text())
    kinds = [type(node).__name__ for node in tree.body]
    assert kinds == ["Expr", "Import", "ImportFrom", "ImportFrom", "Assign", "FunctionDef"]
    imported = {
        alias.name for one in tree.body if isinstance(one, ast.Import) for alias in one.names
    }
    assert imported == {"asyncio"}


def test_what_can_not_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"test_one\.py: can not be written: No such file"):
        empty(tmp_path / "one.jsonl").to_pytest(tmp_path / "nowhere" / "test_one.py")


def test_the_test_is_formatted_as_people_write(tmp_path: Path) -> None:
    test = empty(tmp_path / "one.jsonl", "2024-05-01T10:00:00Z").to_pytest(tmp_path / "test_one.py")
    text = test.read_text()
    assert '"one" was recorded on 2024-05-01' in text
    assert max(map(len, text.splitlines())) <= 100
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", "--line-length=100", test],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.count("\n-") <= 2, done.stdout
