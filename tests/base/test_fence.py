"""The fence: what is called behind it returns, or its error is told; nothing passes."""

import asyncio

import pytest

from wsflow.base.fence import fenced


def test_what_is_called_returns_through_it() -> None:
    told = list[BaseException]()
    assert fenced(told.append, max, 1, 2) == 2
    assert told == []


@pytest.mark.parametrize(
    "fault", [ValueError, SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit]
)
def test_p4_what_it_raises_is_told_and_passes_not(fault: type[BaseException]) -> None:
    def burst() -> None:
        raise fault

    told = list[BaseException]()
    assert fenced(told.append, burst) is None
    assert [type(one) for one in told] == [fault]
