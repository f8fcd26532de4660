"""The command itself: its version, and what it does when nothing is asked for."""

import subprocess
import sys
from pathlib import Path

import wsflow
from tests.process.command import ask


def test_the_version_of_command_and_module() -> None:
    script = Path(sys.executable).with_name("wsflow")
    said = f"wsflow {wsflow.__version__}\n"
    assert subprocess.check_output([script, "--version"], text=True) == said
    assert ask("--version").stdout == said


def test_no_command_is_a_wish_for_help() -> None:
    done = ask()
    assert (done.returncode, done.stdout) == (0, ask("--help").stdout)
