"""Where a replay plays: sessions as recorded, and which event each answer was for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.replay.sandboxed import BEGAN, facts, played, rooms
from wsflow import Context, Flow
from wsflow.compare.answer import EARLIER, NOBODY, HttpAnswer
from wsflow.errors import ReplayError
from wsflow.log.log import Log
from wsflow.replay.sandbox import CLOSING, Sandbox
from wsflow.replay.virtual_time import VirtualLoop


@pytest.fixture
def flow() -> Flow:
    return rooms()


# ---- sessions


def test_a_session_has_the_recorded_facts_and_is_heard(flow: Flow) -> None:
    heard: list[Any] = []

    async def play(_: VirtualLoop, sandbox: Sandbox, log: Log) -> Any:
        client = sandbox.open(
            facts("s9", query={"a": ["1", "2"]}, headers={"x-own": "é"}), heard.append
        )
        client.receive("hi", 2)
        client.lost(4000, "tired")
        session = client.session
        assert (session.id, session.peer, session.path) == ("s9", "1.2.3.4", "/chat/red")
        assert (session.query, session.headers) == ({"a": ["1", "2"]}, {"x-own": "é"})
        return [(row.kind, row.session) for row in log.tail()]

    assert played(flow, play) == [(kind, "s9") for kind in ("req", "message", "response", "close")]
    assert heard == ["s9: hi"]


@pytest.mark.parametrize(
    ("path", "room"), [("/chat/a b", "a b"), ("/chat/50%", "50%"), ("/chat/a/b", "a/b")]
)
def test_a_path_is_recorded_decoded_and_finds_its_route_again(
    flow: Flow, path: str, room: str
) -> None:
    async def play(_: VirtualLoop, sandbox: Sandbox, __: Log) -> Any:
        return sandbox.open(facts(path=path, params={"room": room}), lambda _: None).session.params

    assert played(flow, play) == {"room": room}


def test_a_session_without_a_route_is_told_with_the_routes_there_are(flow: Flow) -> None:
    async def play(_: VirtualLoop, sandbox: Sandbox, __: Log) -> None:
        sandbox.open(facts(path="/news"), lambda _: None)

    with pytest.raises(
        ReplayError, match=r"'s1' connected to '/news'.*404.*routes: /chat/\{room\}"
    ):
        played(flow, play)


def test_who_was_let_in_then_is_let_in_now(flow: Flow) -> None:
    """Caps and origins are for doors to the street."""

    async def play(_: VirtualLoop, sandbox: Sandbox, __: Log) -> int:
        for number in range(50):
            sandbox.open(facts(f"s{number}"), lambda _: None)
        clone: Any = sandbox.flow
        return len(clone.sessions)

    assert played(flow, play) == 50


def test_a_close_of_ours_is_answered_when_it_was_recorded_or_after_a_while() -> None:
    flow = Flow("chat")

    @flow.node
    def leave(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"end": True, "code": 4001})

    flow.websocket("/chat/{room}").message >> leave

    async def play(loop: VirtualLoop, sandbox: Sandbox, log: Log) -> Any:
        told, untold = (
            sandbox.open(facts("a"), lambda _: None),
            sandbox.open(facts("b"), lambda _: None),
        )
        for client in (told, untold):
            client.receive("bye", 3)
            client.receive("too late", 8)
        await loop.until(1.0)
        told.lost(4002, "recorded")
        await loop.until(CLOSING + 1)
        known = {one.id: one for one in log._store.sessions().values()}
        return [(known[who].code, (known[who].closed or 0) - BEGAN) for who in "ab"]

    (code, at), (other, later) = played(flow, play)
    assert (code, round(at / 1e9)) == (4002, 1)
    assert (other, round(later / 1e9)) == (4001, round(CLOSING))


def test_what_a_socket_would_have_held_back_waits_and_comes_in_order() -> None:
    flow = Flow("chat")
    came: list[str] = []

    @flow.node
    async def slow(ev: Any, ctx: Context) -> None:
        came.append(ev["message"])

        await asyncio.sleep(1.0)

    @flow.node
    def gone(ev: Any, ctx: Context) -> None:
        came.append(f"gone {ev['code']}")

    chat = flow.websocket("/chat/{room}")
    chat.message >> slow
    chat.close >> gone

    async def play(loop: VirtualLoop, sandbox: Sandbox, _: Log) -> int:
        client = sandbox.open(facts(), lambda _: None)
        for number in range(150):
            client.receive(str(number), 1)
        client.lost(1000)
        await loop.until(0.5)
        held = len(came)
        await loop.until(5.0)
        return held

    assert played(flow, play) == 100
    assert came == [*map(str, range(150)), "gone 1000"]


# ---- requests


def test_a_request_is_answered_with_status_type_and_body() -> None:
    flow = Flow("push")

    @flow.node
    def answer(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"status": 201, "body": {"got": ev["body"], "to": ev["query"]}})

    flow.http("/push/{who}", method="PUT").out >> answer
    event = {"method": "PUT", "path": "/push/ann", "query": {"a": "1"}, "headers": {}}

    async def play(_: VirtualLoop, sandbox: Sandbox, __: Log) -> Any:
        return await sandbox.request(event, b"hi", 1)

    told = '{"got":"hi","to":{"a":"1"}}'
    assert played(flow, play) == HttpAnswer(201, "application/json", told)


@pytest.mark.parametrize(("method", "path"), [("GET", "/push"), ("PUT", "/nowhere")])
def test_a_request_without_a_route_is_told_with_the_remedy(method: str, path: str) -> None:
    flow = Flow("push")
    flow.http("/push", method="PUT")

    async def play(_: VirtualLoop, sandbox: Sandbox, __: Log) -> Any:
        return await sandbox.request({"method": method, "path": path}, b"", 1)

    with pytest.raises(ReplayError, match=rf"{method} '{path}' has no route.*flow\.http\('{path}'"):
        played(flow, play)


# ---- injects


def test_an_inject_is_pushed_again_and_what_is_gone_is_not(flow: Flow) -> None:
    pushed: list[Any] = []

    @flow.node
    def note(ev: Any) -> None:
        pushed.append(ev)

    flow.inject(name="button").out >> note

    async def play(_: VirtualLoop, sandbox: Sandbox, __: Log) -> list[bool]:
        return [sandbox.fire(name, {"a": 1}, 5) for name in ("button", "gone", "note")]

    assert played(flow, play) == [True, False, False]
    assert len(pushed) == 1


# ---- which event is which


def origins(flow: Flow, play: Callable[[Sandbox, Callable[[], None]], None]) -> list[int]:
    """Return the recorded events of what is answered, in the order of answers."""

    async def run(_: VirtualLoop, sandbox: Sandbox, log: Log) -> list[int]:
        heard: list[int] = []
        play(sandbox, lambda: heard.append(log._store.seq))
        return [sandbox.origin(one) for one in heard]

    found: list[int] = played(flow, run)
    return found


def test_an_answer_is_known_to_be_for_the_recorded_event(flow: Flow) -> None:
    def play(sandbox: Sandbox, note: Callable[[], None]) -> None:
        one = sandbox.open(facts("s1"), lambda _: note(), 10)
        other = sandbox.open(facts("s2"), lambda _: note(), 11)
        one.receive("a", 1, 12)
        other.receive("b", 1, 20)  # sessions that are not played had the numbers between
        one.receive("c", 1, 21)
        one.receive("d", 1, 0)
        one.receive("e", 1, 23)

    assert origins(flow, play) == [12, 20, 21, 0, 23]


def test_what_a_manager_sends_is_for_the_event_that_made_it_send() -> None:
    flow = Flow("chat")
    manager = flow.connections()
    chat = flow.websocket("/chat/{room}")
    chat.req >> manager.req

    @flow.node
    def tell(ev: Any, ctx: Context) -> None:
        manager.broadcast(ev["message"])

    chat.message >> tell

    def play(sandbox: Sandbox, note: Callable[[], None]) -> None:
        client = sandbox.open(facts("s1"), lambda _: note(), 10)
        sandbox.open(facts("s2"), lambda _: note(), 11)
        client.receive("a", 1, 15)
        manager.broadcast("by nobody")

    assert origins(flow, play) == [15, 15, NOBODY, NOBODY]


def test_a_greeting_is_for_the_connection_and_news_are_for_the_request() -> None:
    flow = Flow("news")
    manager = flow.connections()
    chat = flow.websocket("/chat/{room}")
    chat.req >> manager.req

    @flow.node
    def greet(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": "welcome"})

    @flow.node
    def publish(ev: Any, ctx: Context) -> None:
        manager.broadcast(ev["body"])
        ctx.emit("response", {"body": "told"})

    chat.req >> greet
    flow.http("/push", method="POST").out >> publish

    async def play(_: VirtualLoop, sandbox: Sandbox, log: Log) -> list[int]:
        heard: list[int] = []
        sandbox.open(facts(), lambda _: heard.append(log._store.seq), 30)
        event = {"method": "POST", "path": "/push", "headers": {"content-type": "text/plain"}}
        await sandbox.request(event, b"news", 40)
        return [sandbox.origin(one) for one in heard]

    assert played(flow, play) == [30, 40]


def test_what_began_before_the_recording_is_for_none_of_its_events() -> None:
    flow = Flow("stream")

    @flow.node
    async def stream(ev: Any, ctx: Context) -> None:
        for number in range(3):
            await asyncio.sleep(1.0)
            ctx.emit("response", {"body": number})

    chat = flow.websocket("/chat/{room}")
    chat.req >> stream

    async def play(loop: VirtualLoop, sandbox: Sandbox, log: Log) -> list[int]:
        heard: list[int] = []
        sandbox.open(facts("s1"), lambda _: heard.append(log._store.seq))
        await loop.until(0.5)
        sandbox.begun()
        sandbox.open(facts("s2"), lambda _: heard.append(log._store.seq), 9)
        await loop.until(2.2)
        return [sandbox.origin(one) for one in heard]

    assert played(flow, play) == [EARLIER, 9, EARLIER]


def test_what_the_log_has_forgotten_is_not_known(flow: Flow) -> None:
    async def run(_: VirtualLoop, sandbox: Sandbox, log: Log) -> int:
        client = sandbox.open(facts("s1"), lambda _: None, 10)
        log._store.clear()
        client.receive("a", 1, 11)
        return sandbox.origin(1)

    assert played(flow, run) == 0


# ---- the end


def test_the_end_closes_whom_nobody_let_go() -> None:
    flow = Flow("chat")
    gone: list[str] = []

    @flow.node
    def leave(ev: Any) -> None:
        gone.append(ev["sessionId"])

    flow.websocket("/chat/{room}").close >> leave

    async def play(_: VirtualLoop, sandbox: Sandbox, __: Log) -> None:
        for who in ("a", "b"):
            sandbox.open(facts(who), lambda _: None)

    played(flow, play)
    assert sorted(gone) == ["a", "b"]


@pytest.fixture(autouse=True)
def nothing_is_left_over() -> Iterator[None]:
    from wsflow.base.current import current_flow

    yield
    assert current_flow.get() is None
