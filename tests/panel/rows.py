"""Rows told by hand, as the engine would tell them."""

from __future__ import annotations

from typing import Any

from wsflow import Flow
from wsflow.base.snapshot import snapshot
from wsflow.log.blocks import Known
from wsflow.log.store import Store
from wsflow.panel.rates import Rates

EVIL = '<img src=x onerror=alert(1)>\u202e\x00\ud800"'


def tell(flow: Flow, *, data: Any = None, place: str = "route shout out", **more: Any) -> int:
    """Tell one row, as the engine would."""
    store = flow._host.store
    packed, size = snapshot(data)
    session, scope, cause = (more.get(name, 0) for name in ("session", "scope", "cause"))
    number = store.place(*place.split(" "))
    return store.tell(
        number, session, scope, cause, packed, size, more.get("elapsed"), more.get("error")
    )


def know(flow: Flow, number: int, id: str) -> None:
    flow._host.store.know(number, Known(id, "10.0.0.1", "/chat/red", "GET", {}, {}, {}, opened=0))


def seqs(news: Any) -> list[int]:
    return [line[0] for line in news["rows"]]


SECOND = 10**9


START = 1_700_000_000 * SECOND


class Clock:
    """UTC in nanoseconds, moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


class Told:
    """A flow's store, told by hand, and its rates."""

    def __init__(self, **bounds: int) -> None:
        self.clock = Clock()
        self.flow = Flow("told")
        self.store = self.flow._host.store = Store(clock=self.clock, **bounds)
        self.rates = Rates(self.flow)
        self._first = START // SECOND

    def tell(
        self, kind: str, node: str = "chat", cause: int = 0, session: int = 1, **rest: Any
    ) -> int:
        place = self.store.place(kind, node, "out")
        return self.store.tell(place, session, 1, cause, None, 0, **rest)

    def move(self, seconds: float) -> None:
        self.clock.now += round(seconds * SECOND)

    def values(self) -> dict[int, tuple[Any, ...]]:
        """Return what is known of each second, counted from the first."""
        self.rates.look()
        return {at - self._first: values for at, values in self.rates.since(0)}
