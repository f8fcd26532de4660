"""The test command: lint, format, types and the tests, side by side where they do not disturb.

Tests marked `serial` (they count seconds, memory, descriptors or CPU) come last, with nothing
beside them. Nothing stops the row: a formatting slip must not hide a failing test. Arguments go to
pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.passes import OUTCOMES, Pass, Taken, Told

ROOT = Path(__file__).resolve().parents[1]

QUICK: tuple[tuple[str, ...], ...] = (("ruff", "check"), ("ruff", "format", "--check"))
THOROUGH: tuple[tuple[str, ...], ...] = (("mypy",),)
"""Takes a while: it runs beside the tests."""

WORKERS = 3
SIDE_BY_SIDE = ("-n", str(WORKERS), "--dist", "worksteal")
ALONE = ("-n", "0")
NO_TESTS = 5
"""pytest's status when there was none to run; the other pass may have had some."""
BROKEN_OFF = (2, 3, 4)
"""Its statuses when it was interrupted (or told to stop at a failure) or never began."""

LONG = 5.0
"""Seconds a test may take that is not marked `slow`."""
SHOWN = 10
"""How many of the longest tests are told."""


class Check:
    """A tool of this interpreter's environment in a process of its own, its output kept back."""

    def __init__(self, command: Sequence[str], folder: Path, root: Path) -> None:
        self.name = " ".join(command)
        self._said = folder / self.name
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                (sys.executable, "-m", *command), cwd=root, stdout=said, stderr=said
            )

    def passes(self) -> bool:
        """Wait for its end and print what it said under a heading."""
        status = self._process.wait()
        print(f"== {self.name}\n{self._said.read_text()}", end="", flush=True)
        return status == 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def play(which: Pass, arguments: Sequence[str], told: Path, root: Path) -> int:
    """Run one pass of the tests; return pytest's status."""
    options = (*SIDE_BY_SIDE, *arguments) if which == "parallel" else (*arguments, *ALONE)
    print(f"== pytest, {which}: {' '.join(options)}", flush=True)
    plugin = ("-p", "tests.passes", f"--pass={which}", f"--told={told}")
    command = (sys.executable, "-m", "pytest", *plugin, *options)
    return subprocess.run(command, cwd=root, env=environment(), check=False).returncode


def environment() -> dict[str, str]:
    """Return ours, in which Python keeps what it compiled.

    Where it does not, as in many containers, each of some thousand processes compiles all of wsflow
    again, and each worker rewrites the asserts of all tests.
    """
    return os.environ | {"PYTHONDONTWRITEBYTECODE": ""}


def tell(passes: Iterable[Told], seconds: float) -> None:
    """Say how long tests took, and last what became of them, in the form that pytest gives it."""
    outcomes: Counter[str] = Counter()
    tests: list[Taken] = []
    for one in passes:
        outcomes.update(one.outcomes)
        tests += one.tests
    print(f"== the {SHOWN} longest of {len(tests)} tests")
    for test in sorted(tests, key=lambda test: -test.seconds)[:SHOWN]:
        print(f"{test.seconds:7.2f} s  {test.test}")
    unmarked = [test for test in tests if test.call > LONG and not test.slow]
    if unmarked:
        print(f"== WARNING: above {LONG:g} s and not marked `slow`")
        for test in unmarked:
            print(f"{test.call:7.2f} s  {test.test}")
    used = os.times()
    cpu = used.user + used.system + used.children_user + used.children_system
    print(f"== CPU time {cpu:.0f} s, of this process and of all that ended below it")
    became = ", ".join(f"{outcomes[name]} {name}" for name in OUTCOMES if outcomes[name])
    print(f"== {became or 'no tests ran'} in {seconds:.2f}s ==", flush=True)


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Run every step; return 1 when any of them failed, 0 otherwise."""
    began = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="passes-")))
        told = [folder / "parallel", folder / "serial"]
        quick, thorough = (
            [stack.enter_context(Check(command, folder, root)) for command in commands]
            for commands in (QUICK, THOROUGH)
        )
        failed = [check.name for check in quick if not check.passes()]
        statuses = [play("parallel", arguments, told[0], root)]
        failed += [check.name for check in thorough if not check.passes()]
        serial = Told.read(told[0]).others
        if serial and statuses[0] not in BROKEN_OFF:
            statuses.append(play("serial", (*arguments, *serial), told[1], root))
        if 0 not in statuses or not {0, NO_TESTS}.issuperset(statuses):
            failed.append("pytest")
        tell(map(Told.read, told), time.monotonic() - began)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
