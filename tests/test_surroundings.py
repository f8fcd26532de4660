"""Odd places to be in: no working directory, a file for a folder, a zip, a full device (A19)."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import wsflow
from wsflow import Flow, RecordingError

ROOT = Path(__file__).parent.parent


def run(code: str, folder: Path) -> str:
    """Return what a program prints that begins in `folder`."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use can not be deleted")
@pytest.mark.parametrize("what", ["record", "replay"])
def test_a19_without_a_working_directory_recordings_need_a_whole_path(
    tmp_path: Path, what: str
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    told = run(
        f"""
import os, wsflow
os.rmdir(os.getcwd())
flow = wsflow.Flow("lost")
try:
    flow.{what}("lesson")
except wsflow.RecordingError as error:
    print(error)
flow.record("lesson", folder={str(tmp_path)!r}).stop()
""",
        folder,
    )
    assert "there is no way to recordings from here" in told
    assert "os.chdir(...)" in told
    assert (tmp_path / "lesson.jsonl").exists()


@pytest.mark.parametrize(
    ("folder", "words"), [("a\0b", "is no folder"), ("f" * 300, "a shorter name: folder=")]
)
async def test_a_folder_that_can_not_be_is_an_error_of_ours(
    flow: Flow, tmp_path: Path, folder: str, words: str
) -> None:
    with pytest.raises(RecordingError, match=words):
        flow.record("x", folder=tmp_path / folder)


@pytest.mark.parametrize("below", ["", "/deeper"])
def test_a19_a_file_for_a_folder_is_named_as_such(tmp_path: Path, below: str) -> None:
    (tmp_path / "afile").touch()
    with pytest.raises(RecordingError, match="is a file; name another folder: folder="):
        Flow("x").record("lesson", folder=f"{tmp_path}/afile{below}")


def test_a_link_that_leads_to_itself_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "round").symlink_to(tmp_path / "round")
    with pytest.raises(RecordingError):
        Flow("x").record("lesson", folder=tmp_path / "round")


def test_a19_out_of_a_zip_the_pages_are_there_too(tmp_path: Path) -> None:
    house = Path(wsflow.__file__).parent
    with zipfile.ZipFile(tmp_path / "wsflow.zip", "w") as archive:
        for path in house.rglob("*"):
            if path.suffix in {".py", ".js", ".css"}:
                archive.write(path, path.relative_to(house.parent))
    told = run(
        f"""
sys.meta_path = [one for one in sys.meta_path if "editable" not in repr(one).lower()]
sys.path[0] = {str(tmp_path / "wsflow.zip")!r}
import wsflow
assert ".zip" in wsflow.__file__
from wsflow.views.statuspage import _read
from wsflow.panel.bundle import script, style
print(all((_read("css"), _read("js"), script(), style())))
""",
        tmp_path,
    )
    assert told == "True\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
@pytest.mark.parametrize("command", ["demo", "--version"])
def test_a19_output_that_nobody_takes_is_said_in_a_line(command: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "wsflow", command],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=50,
        )
    assert done.stderr == "wsflow: the output can not be written: No space left on device\n"
    assert done.returncode == 2
