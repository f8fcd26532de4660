"""What can be asked for at the command line, and how the help tells it."""

import re
import subprocess
import sys
import textwrap

import pytest

from tests.process.command import ask
from wsflow.cli import arguments


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


def test_the_help_of_run_tells_the_exit_statuses() -> None:
    done = ask("run", "--help")
    assert done.returncode == 0
    for text in ("app.py:chat", "--port", "--allowed-origin", "1001", "Exit status 1"):
        assert text in done.stdout


@pytest.mark.parametrize(
    ("text", "size"), [("65536", 65536), ("64K", 65536), ("64k", 65536), ("4M", 4 * 2**20)]
)
def test_sizes(text: str, size: int) -> None:
    assert arguments._size(text) == size
