"""The table of sessions: its rows, what a filter finds, and what of many is shown."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from tests.panel.wire import EVIL, Wire, connected
from wsflow import Flow
from wsflow.panel import sessions as parts_sessions
from wsflow.panel.part import News

pytestmark = pytest.mark.usefixtures("by_hand")


def ids(news: News) -> list[str]:
    return [line[0] for line in news["sessions"]["rows"]]


async def test_a_session_is_a_line_that_changes_with_it(running: Flow, wire: Wire) -> None:
    wire.hello()
    async with running.client("/chat/red", peer="10.1.2.3") as client:
        (line,) = wire.news()["sessions"]["rows"]
        assert line[1:4] == ["10.1.2.3", "/chat/red", "open"]
        assert line[5:] == [0, 0, 0, 0]
        await client.send("hi")
        await client.receive()
        (line,) = wire.news()["sessions"]["rows"]
        assert line[5:7] == [1, 1]
    news = wire.news()["sessions"]
    assert (news["gone"], news["rows"], news["total"]) == ([line[0]], [], 0)


async def test_a_session_can_be_closed_by_hand(running: Flow, wire: Wire) -> None:
    async with running.client("/chat/red") as client:
        (line,) = wire.hello()["sessions"]["rows"]
        given = {"session": line[0], "code": 4000, "reason": "go"}
        assert "error" not in await wire.ask("sessions", "end", **given)
        assert client.closed == (4000, "go")
        assert "no open session" in await wire.refused("sessions", "end", session=line[0])


async def test_the_filter_looks_at_id_peer_and_path(running: Flow, wire: Wire) -> None:
    async with AsyncExitStack() as stack:
        await connected(running, stack, 5)
        everybody = ids(wire.hello())
        for wanted, there in [
            ("/CHAT/R3", everybody[3:4]),
            ("10.0.0.2", everybody[2:3]),
            (f" {everybody[4]} ", everybody[4:]),
            ("nobody", []),
            (EVIL, []),
        ]:
            wire.hello()
            await wire.ask("sessions", "choose", filter=wanted)
            news = wire.news()["sessions"]
            assert [one for one in everybody if one not in news["gone"]] == there
            assert (news["fitting"], news["total"]) == (len(there), 5)


async def test_of_many_sessions_those_are_told_that_come_first_in_the_order(
    running: Flow, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts_sessions, "MAX_ROWS", 3)
    monkeypatch.setattr(parts_sessions, "CHOICE_SECONDS", 0.0)
    async with AsyncExitStack() as stack:
        clients = await connected(running, stack, 6)
        everybody = [client.session.id for client in clients if client.session]
        assert ids(wire.hello()) == everybody[3:]
        for talkative in (clients[1], clients[4], clients[2], clients[2]):
            await talkative.send("hi")
            await talkative.receive()
        await wire.ask("sessions", "choose", order="most received")
        news = wire.news()["sessions"]
        assert news["gone"] == [everybody[3], everybody[5]]
        assert set(ids({"sessions": news})) == {everybody[1], everybody[2], everybody[4]}
        assert (news["fitting"], news["total"]) == (6, 6)


async def test_five_thousand_sessions_are_two_hundred_lines_looked_at_once_a_second(
    running: Flow, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a tick costs is counted: sessions looked at, and rows made."""
    work, now = Counter[str](), [1000.0]
    clock = SimpleNamespace(time=time.time, monotonic=lambda: now[0])
    monkeypatch.setattr(parts_sessions, "time", clock)

    def count(name: str) -> None:
        does = getattr(parts_sessions.SessionsPart, name)

        def counted(part: Any, session: Any) -> Any:
            work[name] += 1
            return does(part, session)

        monkeypatch.setattr(parts_sessions.SessionsPart, name, counted)

    count("_fits")
    count("_row")
    async with AsyncExitStack() as stack:
        clients = [await running.client("/chat/red") for _ in range(5000)]
        for client in clients:
            stack.push_async_callback(client.close)
        news = wire.hello()["sessions"]
        assert len(news["rows"]) == 200
        assert (news["fitting"], news["total"]) == (5000, 5000)
        work.clear()
        for _ in range(20):  # two seconds
            now[0] += 0.1001
            wire.news()
        assert work == {"_fits": 2 * 5000, "_row": 20 * 200}


async def test_client_text_in_a_line_is_bounded(running: Flow, wire: Wire) -> None:
    long = "%3Cimg%20src=x%3E" + "%E2%80%AE" + "x" * 1500
    async with running.client(f"/chat/{long}", peer=EVIL + "p" * 1000):
        (line,) = wire.hello()["sessions"]["rows"]
    assert "\u202e" in line[2]
    assert len(line[2]) == 120
    assert len(line[1]) == 60
