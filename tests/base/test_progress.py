"""A bar for work that takes long: nothing before a second has passed, nothing when it is done."""

from __future__ import annotations

import html
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import anyio
import pytest

from wsflow.base import progress
from wsflow.base.progress import follow


class Bar:
    """Takes down what a bar shows."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.shown: list[float] = []
        self.over = 0

    def __call__(self, what: str) -> Bar:
        self.begun.append(what)
        return self

    def __enter__(self) -> Callable[[float], None]:
        return self.shown.append

    def __exit__(self, *_: object) -> None:
        self.over += 1


@pytest.fixture
def bar(monkeypatch: pytest.MonkeyPatch) -> Bar:
    """The bar that is shown, after no time at all."""
    bar = Bar()
    monkeypatch.setattr(progress, "_bar", bar)
    monkeypatch.setattr(progress, "BAR_DELAY", 0.0)
    monkeypatch.setattr(progress, "BAR_INTERVAL", 0.001)
    return bar


async def test_short_work_is_not_told_of(bar: Bar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "BAR_DELAY", 60.0)
    await follow("replay", lambda: 0.5, anyio.lowlevel.checkpoint)
    assert bar.begun == []


async def test_long_work_shows_how_far_it_is_until_it_is_done(bar: Bar) -> None:
    done, shares = anyio.Event(), iter([0.1, 0.5, 0.9])

    def share() -> float:
        now = next(shares)
        if now == 0.9:
            done.set()
        return now

    await follow("replay lesson", share, done.wait)
    assert (bar.begun, bar.shown, bar.over) == (["replay lesson"], [0.1, 0.5, 0.9], 1)


async def test_a_bar_goes_away_when_the_work_fails(bar: Bar) -> None:
    async def fail() -> None:
        if bar.shown:
            raise LookupError("gone")
        await anyio.sleep_forever()

    with pytest.raises(LookupError, match="gone"):
        await follow("replay", lambda: 0.0, fail)
    assert bar.over == 1


async def test_a_bar_goes_away_when_nobody_waits_any_more(bar: Bar) -> None:
    with anyio.move_on_after(0.05):
        await follow("replay", lambda: 0.0, anyio.sleep_forever)
    assert bar.over == 1
    assert bar.shown


# ---- where it is shown


class Handle:
    """What IPython gives for something it shows under an id of its own."""

    def __init__(self) -> None:
        self.pages: list[str] = []

    def update(self, page: str) -> None:
        self.pages.append(page)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Handle:
    """A kernel that shows pages; IPython itself is not needed."""
    handle = Handle()

    def display(page: str, *, display_id: bool) -> Handle:
        assert display_id
        handle.update(page)
        return handle

    package, module = ModuleType("IPython"), ModuleType("IPython.display")
    shell = type("Shell", (), {"kernel": object()})()
    package.get_ipython = lambda: shell  # type: ignore[attr-defined]
    module.HTML, module.display = str, display  # type: ignore[attr-defined]
    package.display = module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return handle


def test_a_notebook_has_a_line_that_is_gone_in_the_end(
    notebook: Handle, capfd: pytest.CaptureFixture[str]
) -> None:
    evil = "replay <img src=x>'"
    with progress._bar(evil) as show:
        show(0.255)
    first, then, last = notebook.pages
    assert "value='0.0000'" in first
    assert "value='0.2550'" in then
    assert html.escape(evil) in then
    assert then.endswith(" 26 %") or then.endswith(" 25 %")
    assert "<img" not in then
    assert last == ""
    assert capfd.readouterr() == ("", "")


def test_a_line_in_a_notebook_is_gone_also_when_the_work_fails(notebook: Handle) -> None:
    with pytest.raises(ZeroDivisionError), progress._bar("replay"):
        _ = 1 / 0
    assert notebook.pages[-1] == ""


def test_a_shell_without_a_kernel_is_a_terminal(
    notebook: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: object())
    with progress._bar("replay") as show:
        show(0.5)
    assert notebook.pages == []


def test_a_terminal_has_a_bar_and_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    class Terminal:
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

        def flush(self) -> None:
            pass

    monkeypatch.setattr(progress, "_shell", lambda: None)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress._bar("replay lesson") as show:
        show(0.5)
    whole = "".join(written)
    assert "replay lesson" in whole
    assert "50%" in whole
    assert whole.rstrip().endswith("\x1b[2K")  # the line is wiped


def test_into_a_file_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_shell", lambda: None)
    with progress._bar("replay") as show:
        show(0.5)
    assert capfd.readouterr() == ("", "")


def test_ipython_is_not_loaded_to_find_out(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: dict[str, Any] = {name: one for name, one in sys.modules.items() if name != "IPython"}
    monkeypatch.setattr(sys, "modules", loaded)
    assert progress._shell() is None
    assert "IPython" not in loaded
