"""The test command: lint, format, types, then the tests, each in a process of its own.

Nothing stops the row: a formatting slip must not hide a failing test. Arguments go to pytest.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

STEPS: tuple[tuple[str, ...], ...] = (
    ("ruff", "check"),
    ("ruff", "format", "--check"),
    ("mypy",),
    ("pytest",),
)


def passes(step: Sequence[str]) -> bool:
    """Run one tool of this interpreter's environment under a heading of one line."""
    print(f"== {' '.join(step)}", flush=True)
    return subprocess.run((sys.executable, "-m", *step), check=False).returncode == 0


def main(arguments: Sequence[str]) -> int:
    """Run every step; return 1 when any of them failed, 0 otherwise."""
    os.chdir(ROOT)
    *checks, tests = STEPS
    failed = [" ".join(step) for step in (*checks, (*tests, *arguments)) if not passes(step)]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
