"""`python -m tests`: two passes over the tests, one verdict, and where the time went."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import __main__ as command

SETTINGS = """
[pytest]
addopts = -p xdist
markers =
    serial: nothing runs beside it
    slow: takes long
"""

TESTS = """
import os, sys
import pytest

def test_beside_others():
    assert "PYTEST_XDIST_WORKER" in os.environ
    assert not sys.dont_write_bytecode

@pytest.mark.serial
def test_alone():
    assert "PYTEST_XDIST_WORKER" not in os.environ
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two tests that tell which pass they are in, and nothing to check it by."""
    monkeypatch.setattr(command, "QUICK", ())
    monkeypatch.setattr(command, "THOROUGH", ())
    monkeypatch.setattr(command, "SIDE_BY_SIDE", ("-n", "1"))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # they take a second each to load
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTHONPATH", str(command.ROOT))
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    (tmp_path / "test_passes.py").write_text(TESTS)
    return tmp_path


def add(root: Path, source: str) -> None:
    """Write one more test."""
    (root / "test_more.py").write_text(f"import pytest\n{source}")


def test_what_is_serial_runs_alone_after_the_rest(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command.main((), root) == 0
    said = capfd.readouterr().out
    assert said.index("== pytest, parallel: -n 1") < said.index("== pytest, serial: ")
    assert said.splitlines()[-1].startswith("== 2 passed in ")


@pytest.mark.parametrize("marks", ["", "@pytest.mark.serial\n"])
def test_a_failure_in_either_pass_fails_and_the_other_still_runs(
    root: Path, capfd: pytest.CaptureFixture[str], marks: str
) -> None:
    add(root, f"{marks}def test_wrong():\n    assert not 'wrong'\n")
    assert command.main((), root) == 1
    told = capfd.readouterr()
    assert told.out.splitlines()[-1].startswith("== 1 failed, 2 passed in ")
    assert told.err == "failed: pytest\n"


@pytest.mark.parametrize(
    ("arguments", "passed"),
    [(["-k", "alone"], 1), (["-k", "beside"], 1), (["test_passes.py", "-m", "serial"], 1)],
)
def test_arguments_go_to_both_passes_and_one_may_have_nothing_to_do(
    root: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], passed: int
) -> None:
    assert command.main(arguments, root) == 0
    assert f"== {passed} passed in " in capfd.readouterr().out


def test_the_serial_pass_looks_only_into_files_that_have_something_for_it(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    add(root, "def test_more(): pass\n")
    assert command.main((), root) == 0
    (serial,) = (line for line in capfd.readouterr().out.splitlines() if "pytest, serial" in line)
    assert "test_passes.py" in serial
    assert "test_more.py" not in serial
    assert command.main(["-k", "beside"], root) == 0
    assert "pytest, serial" not in capfd.readouterr().out


def test_who_needs_what_is_shared_comes_first(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fixture = "@pytest.fixture\ndef {0}(): pass\ndef test_with_{0}({0}): pass\n"
    add(root, "def test_zero(): pass\n" + "".join(map(fixture.format, ("browser", "lab"))))
    assert command.main(["-v"], root) == 0
    said = re.findall(r"PASSED \S+::test_(\w+)", capfd.readouterr().out)
    assert said == ["with_lab", "with_browser", "zero", "beside_others"]


def test_nothing_to_do_in_both_is_a_failure(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert command.main(["-k", "nobody"], root) == 1
    assert "== no tests ran in " in capfd.readouterr().out


def test_a_pass_that_was_broken_off_is_the_last(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--no-such-option"], root) == 1
    assert "pytest, serial" not in capfd.readouterr().out
    add(root, "def test_wrong():\n    assert not 'wrong'\n")
    assert command.main(["-x"], root) == 1
    assert "pytest, serial" not in capfd.readouterr().out


def test_the_ten_longest_of_both_passes_are_told(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    add(root, "@pytest.mark.parametrize('n', range(10))\ndef test_short(n): pass\n")
    assert command.main((), root) == 0
    lines = capfd.readouterr().out.splitlines()
    at = lines.index("== the 10 longest of 12 tests")
    listed = lines[at + 1 : at + 11]
    seconds = [float(line.split()[0]) for line in listed]
    assert seconds == sorted(seconds, reverse=True)
    assert all(".py::test_" in line for line in listed)
    assert lines[at + 11].startswith("== ")


def test_who_takes_long_unmarked_is_listed_and_fails_nothing(
    root: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "LONG", 0.1)
    takes = "    import time\n    time.sleep(0.2)  # what is tested is that it takes time\n"
    for name, marks in (("known", "@pytest.mark.slow\n"), ("unknown", "@pytest.mark.serial\n")):
        with (root / "test_more.py").open("a") as file:
            file.write(f"import pytest\n{marks}def test_{name}():\n{takes}")
    assert command.main((), root) == 0
    warned = capfd.readouterr().out.partition("== WARNING: above 0.1 s and not marked `slow`\n")[2]
    assert "test_unknown" in warned
    assert "test_known" not in warned


def test_checks_say_what_they_say_each_under_its_heading(
    root: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, status in (("content", 0), ("unhappy", 1)):
        (root / f"{name}.py").write_text(f"print('I am {name}')\nraise SystemExit({status})\n")
    monkeypatch.setattr(command, "QUICK", (("content",), ("unhappy",)))
    monkeypatch.setattr(command, "THOROUGH", (("unhappy", "again"),))
    assert command.main((), root) == 1
    told = capfd.readouterr()
    assert told.out.startswith("== content\nI am content\n== unhappy\nI am unhappy\n== pytest")
    assert "\n== unhappy again\nI am unhappy\n== pytest, serial" in told.out
    assert told.err == "failed: unhappy, unhappy again\n"
