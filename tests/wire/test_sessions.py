"""All sessions of a flow: found by id, closed together, waited for."""

import anyio
import pytest

from tests.process.turns import turns
from wsflow import Flow, WsflowError


@pytest.fixture
async def three(flow: Flow) -> Flow:
    """A flow with three sessions on `/0`, `/1` and `/2`."""
    flow.websocket("/{n}")
    for n in range(3):
        await flow.client(f"/{n}", peer="1.2.3.4")
    return flow


async def test_sessions_are_given_oldest_first(three: Flow) -> None:
    sessions = three.sessions
    assert [session.path for session in sessions] == ["/0", "/1", "/2"]
    assert (len(sessions), sessions[0].path, sessions[-1].path) == (3, "/0", "/2")


async def test_a_session_is_found_by_its_id_or_its_number(three: Flow) -> None:
    second = three.sessions[1]
    assert three.sessions[second.id] is second
    assert three.sessions["s2"] is second
    assert three.sessions.find("s2") is second


@pytest.mark.parametrize("id", ["s", "s22", "2", "", "nobody"])
async def test_an_unknown_id_is_an_error_that_names_the_open_ones(three: Flow, id: str) -> None:
    with pytest.raises(WsflowError, match=rf"no open session '{id}'; open: s1-\w+, s2-\w+, s3-\w+"):
        three.sessions.find(id)


async def test_without_sessions_the_error_says_none(flow: Flow) -> None:
    with pytest.raises(WsflowError, match="no open session 's1'; open: none"):
        flow.sessions.find("s1")


async def test_an_id_is_given_once_in_a_run_and_differs_between_flows(flow: Flow) -> None:
    names = [flow.sessions.name() for _ in range(100)]
    assert [number for _, number in names] == list(range(1, 101))
    assert len({id for id, _ in names}) == 100
    others = {Flow("other").sessions.name()[0] for _ in range(20)}
    assert len(others - {names[0][0]}) > 15


async def test_who_left_is_not_among_them(three: Flow) -> None:
    gone = three.sessions[1]
    assert gone in three.sessions
    gone.close()
    assert gone not in three.sessions
    assert gone.id not in three.sessions
    assert three.sessions[0].id in three.sessions
    three.sessions.remove(gone)
    assert len(three.sessions) == 2


async def test_sessions_may_come_and_go_while_they_are_looked_through(three: Flow) -> None:
    for session in three.sessions:
        session.close()
    assert len(three.sessions) == 0


async def test_everybody_is_closed_with_one_word(three: Flow) -> None:
    three.sessions.close_all(1001, "server stopped")
    ended = three.log.sessions()
    assert list(ended["code"]) == [1001] * 3
    assert set(ended["reason"]) == {"server stopped"}


async def test_who_waits_for_the_last_session_is_told(three: Flow) -> None:
    told: list[int] = []

    async def wait(n: int) -> None:
        await three.sessions.emptied()
        told.append(n)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for n in (1, 2):
                group.start_soon(wait, n)
            await turns()
            assert told == []
            three.sessions.close_all(1000, "")
        await three.sessions.emptied()
    assert sorted(told) == [1, 2]


async def test_a_paused_flow_reads_from_nobody_who_comes_later(three: Flow) -> None:
    three.pause()
    await three.client("/late")
    assert [session.halted for session in three.sessions] == [True] * 4
    three.resume()
    assert [session.halted for session in three.sessions] == [False] * 4


async def test_the_repr_is_short_and_the_html_a_table(three: Flow) -> None:
    for _ in range(20):
        await three.client("/x")
    assert repr(three.sessions).startswith("<Sessions 23 open: s1-")
    assert len(repr(three.sessions)) < 80
    page = three.sessions._repr_html_()
    assert page.count("<tr>") == 24
    assert "1.2.3.4" in page


async def test_what_a_client_chose_is_text_in_the_html(flow: Flow) -> None:
    flow.websocket("/{n}")
    evil = "<img src=x onerror=alert(1)>"
    await flow.client(f"/{evil}", peer=evil)
    assert "<img" not in flow.sessions._repr_html_()
    assert "&lt;img" in flow.sessions._repr_html_()
