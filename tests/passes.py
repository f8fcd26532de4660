"""A plugin of pytest for `python -m tests`: which pass runs a test, and how long each test took.

Its opposite is `tests/__main__.py`, which runs both passes and tells what both files say. It never
judges a test.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import pytest

Pass = Literal["parallel", "serial"]

SHARED = ("lab", "browser")
"""Fixtures that take seconds to make, and that all tests of a worker share."""

OUTCOMES = ("failed", "passed", "skipped", "xfailed", "xpassed", "error")


@dataclass
class Taken:
    """What one test took."""

    test: str
    slow: bool
    """Whether it is marked so."""
    seconds: float = 0.0
    """All of it, with the fixtures it was the first to need."""
    call: float = 0.0
    """The test itself."""


@dataclass
class Told:
    """What one pass has to tell."""

    outcomes: dict[str, int] = field(default_factory=dict)
    tests: list[Taken] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    """Files that have tests for the other pass."""

    def write(self, path: Path) -> None:
        """Write it to a file."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what was written; a pass that did not get that far tells nothing."""
        if not path.exists():
            return cls()
        told = json.loads(path.read_text())
        tests = [Taken(**test) for test in told["tests"]]
        return cls(told["outcomes"], tests, told["others"])


class Stopwatch:
    """Hears of every test in the process that reports, also of those that ran in workers."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tests: dict[str, Taken] = {}
        self.others: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = Taken(report.nodeid, "slow" in report.keywords)
        test = self._tests.setdefault(report.nodeid, test)
        test.seconds += report.duration
        if report.when == "call":
            test.call = report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        stats = terminalreporter.stats
        outcomes = {name: len(stats[name]) for name in OUTCOMES if name in stats}
        Told(outcomes, list(self._tests.values()), self.others).write(self._path)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker has ended; each has collected everything."""
        self.others = getattr(node, "workeroutput", {}).get("others", self.others)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("passes")
    group.addoption("--pass", choices=["parallel", "serial"], help="run the tests of one pass only")
    group.addoption("--told", type=Path, metavar="FILE", help="write how long tests took")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("told")
    if path is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Stopwatch(path), "stopwatch")


@pytest.hookimpl(trylast=True)  # after -k and -m
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen: Pass | None = config.getoption("pass")
    if chosen is None:
        return
    others = [item for item in items if _pass_of(item) != chosen]
    config.hook.pytest_deselected(items=others)
    items[:] = sorted((item for item in items if _pass_of(item) == chosen), key=_when)
    files = sorted({str(item.path) for item in others})
    if hasattr(config, "workeroutput"):
        config.workeroutput["others"] = files
    elif (stopwatch := config.pluginmanager.get_plugin("stopwatch")) is not None:
        stopwatch.others = files


def _pass_of(item: pytest.Item) -> Pass:
    return "parallel" if item.get_closest_marker("serial") is None else "serial"


def _when(item: pytest.Item) -> int:
    """Return a rank: what shares comes first, for a worker with nothing to do takes others' last.

    So one worker alone makes what is shared, and what takes longest does not begin at the end.
    """
    names = getattr(item, "fixturenames", ())
    return next((at for at, name in enumerate(SHARED) if name in names), len(SHARED))
