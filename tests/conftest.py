"""What most tests start from: a flow of their own that is stopped when they end."""

from collections.abc import AsyncIterator

import pytest

from wsflow import Flow, ManualClock


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
