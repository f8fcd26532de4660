"""What most tests start from: a flow of their own that is stopped when they end."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from tests.needs import missing
from wsflow import Flow, ManualClock

if TYPE_CHECKING:
    from playwright.async_api import Browser


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run what takes minutes, and at length")


# `jsonschema` takes two seconds to import where this one is: it compiles grammars of addresses in
# languages that no schema here asks for
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

# how long an example takes is for the machine to say
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_configure() -> None:
    """A job in the background ignores Ctrl-C, and all that it starts: here it is to be heard."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # before -m
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


@pytest.fixture
def long(request: pytest.FixtureRequest) -> bool:
    """Whether there is time."""
    return bool(request.config.getoption("--long"))


@pytest.fixture
async def flow() -> AsyncIterator[Flow]:
    """A flow with nothing in it."""
    flow = Flow("test", env={"STAGE": "test"})
    yield flow
    await flow.stop()


@pytest.fixture
def clock() -> ManualClock:
    """Time that stands still until a test moves it."""
    return ManualClock()


@pytest.fixture
async def timed(clock: ManualClock) -> AsyncIterator[Flow]:
    """A flow that lives by `clock`."""
    flow = Flow("timed", clock=clock)
    yield flow
    await flow.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A Chromium for all tests of a worker that need one, in a loop that lasts as long."""
    from tests.browser.panel_page import chromium  # and with it playwright, which only they need

    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def page_flow() -> AsyncIterator[Flow]:
    """A flow with nothing in it for a page to show, in the loop of the browser."""
    from ipywidgets import Widget

    flow = Flow("shown")
    yield flow
    await flow.stop()
    Widget.close_all()  # a registry keeps them until then


@pytest.fixture
def parquet() -> None:
    """What a test of Parquet files needs. It is part of the test extra, so CI has it."""
    if find_spec("pyarrow") is None:
        missing("to_parquet needs: pip install wsflow[parquet]")


@pytest.fixture
def imports_forgotten() -> Iterator[None]:
    """What a test imports is forgotten again."""
    modules, path = set(sys.modules), sys.path[:]
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]
