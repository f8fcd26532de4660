"""A log of two sessions, told by hand."""

from __future__ import annotations

import pytest

from tests.log.logged import know, put
from wsflow import ManualClock
from wsflow.log.log import Log
from wsflow.log.store import Store


@pytest.fixture
def store() -> Store:
    clock = ManualClock()

    def second() -> int:
        clock.advance(1)
        return clock.time_ns()

    return Store(clock=second)


@pytest.fixture
def log(store: Store) -> Log:
    return Log(store)


@pytest.fixture
def story(store: Store) -> Store:
    """Two sessions, six rows, at seconds one to six."""
    know(store, 1, "/red")
    know(store, 2, "/blue")
    put(store, "req", "chat", "req", session=1)
    put(store, "message", "chat", "message", session=1, data="hi")
    put(store, "route", "split", "out", session=1, cause=2, data={"n": 1})
    put(store, "response", "shout", "response", session=1, cause=3, data="HI", elapsed=0.25)
    put(store, "message", "chat", "message", session=2, data=b"\x00")
    put(store, "error", "shout", "in", session=2, cause=5, error="ValueError: no")
    return store
