"""A connection without a wire: how it ends, and what its session may always count on."""

from __future__ import annotations

import pytest

from wsflow import Flow
from wsflow.base.interfaces import Refusal, Request
from wsflow.types import Data
from wsflow.wire.loopback import Loopback


class Ear(Loopback):
    """The least of them: the other end hears, and takes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.inbox: list[Data] = []

    def send(self, data: Data) -> int:
        self.inbox.append(data)
        self._taken += 1
        return len(data)

    def resume(self) -> None:
        """It never waits."""


Told = list[tuple[int | None, str]]


@pytest.fixture
def told(flow: Flow) -> Told:
    """Code and reason of each end, as handlers hear of it."""
    told: Told = []
    hear = flow.node(lambda ev: told.append((ev["code"], ev["reason"])), name="hear")
    flow.websocket("/chat").close >> hear
    return told


@pytest.fixture
async def ear(flow: Flow, told: Told) -> Ear:
    """The other end of an open session."""
    await flow.start()
    endpoint, ear = flow._host.endpoint(None), Ear()
    verdict = endpoint.admit(Request("GET", "/chat", "", (("host", "memory"),), "memory"))
    assert not isinstance(verdict, Refusal)
    ear.session = endpoint.open(verdict, ear)
    ear.session.start()
    return ear


def errors(flow: Flow) -> list[str | None]:
    """Return what the log says went wrong, of each end."""
    return [row.error for row in flow.log.tail(100) if row.kind == "close"]


async def test_our_close_is_answered_at_once(flow: Flow, told: Told, ear: Ear) -> None:
    ear.session.send("last")
    ear.session.close(4000, "enough")
    assert (ear.inbox, ear.closed, ear.session.state) == (["last"], (4000, "enough"), "closed")
    assert (told, errors(flow)) == ([(4000, "enough")], [None])


async def test_what_is_dropped_has_no_code_and_says_so(flow: Flow, told: Told, ear: Ear) -> None:
    ear.abort()
    assert ear.closed == (None, "")
    assert (told, errors(flow)) == ([(None, "")], ["connection dropped"])


async def test_the_first_end_counts(flow: Flow, told: Told, ear: Ear) -> None:
    ear.end(1000, "bye")
    ear.close(4000, "enough")
    ear.abort()
    assert ear.closed == (1000, "bye")
    assert (told, errors(flow)) == ([(1000, "bye")], [None])


async def test_it_is_never_silent_and_tells_how_much_was_taken(ear: Ear) -> None:
    ear.ping()
    assert (ear.heard(), ear.settled()) == (True, True)
    ear.session.send("a")
    ear.session.send("b")
    assert ear.progress() == 2
