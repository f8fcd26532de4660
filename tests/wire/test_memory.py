"""The client in memory: it goes the way of a socket, waits where a socket would, and is refused."""

import contextlib
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from tests.process.turns import turns
from wsflow import (
    Client,
    Context,
    Flow,
    PathError,
    ReceiveTimeoutError,
    RefusedError,
    ReplyError,
    SessionClosedError,
)
from wsflow.wire.memory import MAX_INBOX


@pytest.fixture
def echo(flow: Flow) -> Flow:
    """A flow that sends every message back."""
    node = flow.node(lambda ev, ctx: ctx.emit("response", {"body": ev["message"]}), name="echo")
    flow.websocket("/echo/{room}").message >> node
    return flow


@pytest.fixture
def kept(flow: Flow) -> dict[str, Context]:
    """The `req` contexts of `/push/{name}`, by that name."""
    kept: dict[str, Context] = {}
    keep = flow.node(lambda ev, ctx: kept.update({ev["params"]["name"]: ctx}), name="keep")
    flow.websocket("/push/{name}").req >> keep
    return kept


# ---- connecting


async def test_awaiting_a_client_connects_it(echo: Flow) -> None:
    client = echo.client("/echo/red")
    assert len(echo.sessions) == 0
    assert await client is client
    assert client.session is echo.sessions[0]
    assert echo.sessions[0].params == {"room": "red"}


async def test_a_client_connects_at_its_first_send_and_once(echo: Flow) -> None:
    client = echo.client("/echo/red")
    await client.send("x")
    await client.connect()
    assert await client.receive() == "x"
    assert len(echo.sessions) == 1


async def test_a_client_in_a_block_is_closed_at_its_end(echo: Flow) -> None:
    async with echo.client("/echo/red") as client:
        await client.send("x")
    assert client.closed == (1000, "")
    assert len(echo.sessions) == 0


async def test_facts_of_the_handshake_arrive_as_given(flow: Flow) -> None:
    got: list[Any] = []
    flow.websocket("/a/{b}").req >> flow.node(lambda ev: got.append(ev), name="keep")
    client = await flow.client("/a/%C3%BC?x=1&x=2", headers={"X-Name": "Ann"}, peer="1.2.3.4")
    assert client.session is not None
    assert got == [
        {
            "peer": "1.2.3.4",
            "sessionId": client.session.id,
            "method": "GET",
            "params": {"b": "ü"},
            "query": {"x": ["1", "2"]},
            "headers": {"host": "memory", "x-name": "Ann"},
        }
    ]


async def test_an_unknown_path_is_refused_with_404(echo: Flow) -> None:
    with pytest.raises(RefusedError, match=r"connection to '/nowhere' refused with 404") as caught:
        await echo.client("/nowhere")
    assert caught.value.status == 404
    assert "/echo/{room}" in str(caught.value)
    assert isinstance(caught.value, ConnectionError)
    row = echo.log.tail(1)[0]
    assert (row.kind, row.path) == ("drop", "/nowhere")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/echo/" + "x" * 3_000, {}, 414),
        ("/echo/a%00b", {}, 400),
        ("/echo/a?" + "a=1&" * 2_000, {}, 400),
        ("/echo/a", {"x-big": "x" * 20_000}, 431),
        ("/echo/a", {f"x-{n}": "1" for n in range(101)}, 431),
    ],
)
async def test_a_handshake_past_the_limits_is_refused(
    echo: Flow, path: str, headers: dict[str, str], status: int
) -> None:
    with pytest.raises(RefusedError) as caught:
        await echo.client(path, headers=headers)
    assert caught.value.status == status
    assert len(echo.sessions) == 0


async def test_a_refused_client_may_try_again(flow: Flow) -> None:
    client = flow.client("/late")
    with pytest.raises(RefusedError):
        await client
    flow.websocket("/late")
    await client
    assert client.closed is None


# ---- sending and receiving


@pytest.mark.parametrize("message", ["", "x", "grün", b"", b"\x00\xff", "x" * 100_000])
async def test_messages_come_back_as_they_were_sent(echo: Flow, message: str | bytes) -> None:
    client = await echo.client("/echo/red")
    await client.send(message)
    back = await client.receive()
    assert (back, type(back)) == (message, type(message))


async def test_json_goes_and_comes_as_json(echo: Flow) -> None:
    client = await echo.client("/echo/red")
    await client.send_json({"a": ["ü", None]})
    assert await client.receive_json() == {"a": ["ü", None]}
    with pytest.raises(ReplyError):
        await client.send_json({1, 2})


@pytest.mark.parametrize("message", [3, None, {"a": 1}, ["x"]])
async def test_only_text_and_bytes_are_messages(echo: Flow, message: Any) -> None:
    with pytest.raises(TypeError, match=r"send takes str or bytes.*send_json"):
        await echo.client("/echo/red").send(message)


async def test_messages_are_received_in_the_order_they_were_sent(echo: Flow) -> None:
    client = await echo.client("/echo/red")
    for n in range(500):
        await client.send(str(n))
    assert [await client.receive() for n in range(500)] == [str(n) for n in range(500)]


async def test_a_message_larger_than_the_limit_closes_with_1009(flow: Flow) -> None:
    flow.websocket("/")
    client = await flow.client("/")
    await client.send("x" * 2**20)
    await client.send("ü" * 2**19 + "x")
    assert client.closed is not None
    assert client.closed[0] == 1009
    with pytest.raises(SessionClosedError) as caught:
        await client.send("more")
    assert caught.value.code == 1009


async def test_receiving_nothing_times_out_and_says_where_to_look(echo: Flow) -> None:
    client = await echo.client("/echo/red")
    with pytest.raises(ReceiveTimeoutError, match=r"nothing arrived .* 0\.01 s; look at flow.log"):
        await client.receive(timeout=0.01)
    await client.send("still alive")
    assert await client.receive() == "still alive"


async def test_a_time_out_of_zero_takes_what_is_there(echo: Flow) -> None:
    client = await echo.client("/echo/red")
    await client.send("x")
    assert await client.receive(timeout=0) == "x"
    with pytest.raises(ReceiveTimeoutError):
        await client.receive(timeout=0)


async def test_a_waiting_client_is_woken_by_a_message(flow: Flow, kept: dict[str, Context]) -> None:
    client, got = await flow.client("/push/ann"), list[str | bytes]()

    async def wait() -> None:
        got.append(await client.receive())

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await turns()
        kept["ann"].emit("response", {"body": "news"})
    assert got == ["news"]


async def test_two_tasks_that_wait_both_get_a_message(flow: Flow, kept: dict[str, Context]) -> None:
    client, got = await flow.client("/push/ann"), list[str | bytes]()

    async def wait() -> None:
        got.append(await client.receive(timeout=30))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            group.start_soon(wait)
            await turns()
            for n in "12":
                kept["ann"].emit("response", {"body": n})
    assert sorted(map(str, got)) == ["1", "2"]


async def test_a_client_is_iterated_until_the_session_ends(
    flow: Flow, kept: dict[str, Context]
) -> None:
    client = await flow.client("/push/ann")
    for n in range(3):
        kept["ann"].emit("response", {"body": n})
    kept["ann"].emit("response", {"end": True})
    assert [message async for message in client] == ["0", "1", "2"]


# ---- closing


async def test_closing_tells_code_and_reason(flow: Flow) -> None:
    got: list[Any] = []
    flow.websocket("/").close >> flow.node(
        lambda ev: got.append((ev["code"], ev["reason"])), name="keep"
    )
    client = await flow.client("/")
    await client.close(4001, "enough")
    await client.close()
    assert got == [(4001, "enough")]
    assert client.closed == (4001, "enough")


async def test_closing_a_client_that_never_connected_is_harmless(flow: Flow) -> None:
    client = flow.client("/")
    await client.close()
    assert client.closed is None


async def test_what_came_before_the_close_is_still_received(
    flow: Flow, kept: dict[str, Context]
) -> None:
    client = await flow.client("/push/ann")
    end = {"body": "last", "end": 1, "code": 4000, "reason": "bye"}
    kept["ann"].emit("response", end)
    assert await client.receive() == "last"
    with pytest.raises(SessionClosedError, match=r"with code 4000: bye") as caught:
        await client.receive()
    assert (caught.value.code, caught.value.reason) == (4000, "bye")


async def test_a_waiting_client_is_woken_by_the_close(flow: Flow, kept: dict[str, Context]) -> None:
    client = await flow.client("/push/ann")
    async with anyio.create_task_group() as group:

        async def wait() -> None:
            with pytest.raises(SessionClosedError):
                await client.receive()

        group.start_soon(wait)
        await turns()
        kept["ann"].emit("response", {"end": True})


async def test_stopping_the_flow_closes_clients_with_1001(echo: Flow) -> None:
    client = await echo.client("/echo/red")
    await echo.stop()
    assert client.closed is not None
    assert client.closed[0] == 1001
    with pytest.raises(SessionClosedError):
        await client.receive()


async def test_a_dropped_client_has_no_code(flow: Flow) -> None:
    flow.websocket("/")
    client = await flow.client("/")
    flow.sessions[0].transport.abort()
    assert client.closed == (None, "")
    with pytest.raises(SessionClosedError, match="was closed without a close code"):
        await client.receive()


# ---- back-pressure


async def hold(flow: Flow) -> tuple[Client, anyio.Event, list[str]]:
    """Return a client whose messages are held by handlers until the event is set."""
    go_on, seen = anyio.Event(), list[str]()

    @flow.node
    async def slow(ev: Any) -> None:
        seen.append(ev["message"])
        await go_on.wait()

    flow.websocket("/slow").message >> slow
    return await flow.client("/slow"), go_on, seen


async def test_a_client_that_sends_too_fast_waits_for_the_handlers(flow: Flow) -> None:
    client, go_on, seen = await hold(flow)

    async def talk() -> None:
        for n in range(250):
            await client.send(str(n))

    async with anyio.create_task_group() as group:
        group.start_soon(talk)
        await turns(200)
        assert len(seen) == 100
        go_on.set()
    await flow.stop()
    assert seen == [str(n) for n in range(250)]


async def test_many_tasks_that_send_too_fast_all_get_through(flow: Flow) -> None:
    client, go_on, seen = await hold(flow)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for n in range(250):
                group.start_soon(client.send, str(n))
            await turns()
            go_on.set()
    await flow.stop()
    assert sorted(seen, key=int) == [str(n) for n in range(250)]


async def test_a_sender_that_waits_is_told_when_the_session_ends(flow: Flow) -> None:
    client, _, _ = await hold(flow)
    ended: list[str] = []

    async def talk() -> None:
        with contextlib.suppress(SessionClosedError):
            for _ in range(250):
                await client.send("x")
        ended.append("talk")

    async with anyio.create_task_group() as group:
        group.start_soon(talk)
        await turns()
        await client.close()
    assert ended == ["talk"]


async def test_a_client_that_reads_late_gets_everything_in_order(
    flow: Flow, kept: dict[str, Context]
) -> None:
    client = await flow.client("/push/ann")
    for n in range(3 * MAX_INBOX):
        assert kept["ann"].emit("response", {"body": str(n)}) == 1
    assert flow.sessions[0].backlog > 0
    got = [await client.receive() for _ in range(3 * MAX_INBOX)]
    assert got == [str(n) for n in range(3 * MAX_INBOX)]
    assert flow.sessions[0].backlog == 0


async def test_a_client_that_never_reads_is_closed_with_1013(
    flow: Flow, kept: dict[str, Context]
) -> None:
    client, other = await flow.client("/push/ann"), await flow.client("/push/bob")
    body = "x" * 100_000
    sent = sum(kept["ann"].emit("response", {"body": body}) for _ in range(MAX_INBOX + 500))
    assert MAX_INBOX < sent < MAX_INBOX + 500
    assert client.closed is not None
    assert client.closed[0] == 1013
    kept["bob"].emit("response", {"body": "unaffected"})
    assert await other.receive() == "unaffected"
    assert len(flow.sessions) == 1


async def test_a_client_that_never_reads_is_noticed_by_time(timed: Flow, clock: Any) -> None:
    kept: list[Context] = []
    timed.websocket("/").req >> timed.node(lambda ev, ctx: kept.append(ctx), name="keep")
    client = await timed.client("/")
    for _ in range(MAX_INBOX + 1):
        kept[0].emit("response", {"body": "x"})
    clock.advance(6)
    await timed.log.until(kind="close")
    assert client.closed is not None
    assert client.closed[0] == 1013


async def test_what_waits_when_the_server_ends_the_session_arrives_before_the_close(
    flow: Flow, kept: dict[str, Context]
) -> None:
    client = await flow.client("/push/ann")
    for n in range(MAX_INBOX + 100):
        kept["ann"].emit("response", {"body": str(n)})
    kept["ann"].emit("response", {"end": True, "code": 4000})
    assert client.closed is None
    got = [message async for message in client]
    assert got == [str(n) for n in range(MAX_INBOX + 100)]
    assert client.closed == (4000, "")


# ---- how it looks


async def test_the_repr_says_where_and_how_much_is_unread(echo: Flow) -> None:
    client = echo.client("/echo/red")
    assert repr(client) == "<Client /echo/red not connected yet unread=0>"
    await client.send("x")
    assert client.session is not None
    assert repr(client) == f"<Client /echo/red {client.session.id} open unread=1>"


# ---- from elsewhere


async def test_a_client_reaches_a_flow_in_a_thread_of_its_own(echo: Flow) -> None:
    await echo.serve(thread=True)
    async with echo.client("/echo/red") as client:
        await client.send("over there")
        assert await client.receive() == "over there"


@pytest.mark.parametrize("path", ["chat/red", "ws://127.0.0.1:8000/chat/red", 5])
def test_a_client_takes_a_path(flow: Flow, path: Any) -> None:
    with pytest.raises(PathError, match="takes a path such as '/chat/red', not "):
        flow.client(path)


# ---- whose turn it is (found A4)


async def test_a_client_that_never_waits_lets_others_have_their_turn(echo: Flow) -> None:
    """Found A4: nothing a client in memory does may keep the loop from turning."""
    alice = await echo.client("/echo/red")
    over = False
    turns_of_others = 0

    async def other() -> None:
        nonlocal turns_of_others
        while not over:
            turns_of_others += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        for number in range(500):
            await alice.send(str(number))
            await alice.receive()
        over = True
    assert turns_of_others >= 500


async def test_clients_at_a_time_take_turns(echo: Flow) -> None:
    """Found A4: fifty clients that talk at a time are not served one after the other."""
    order: list[int] = []

    async def talk(number: int) -> None:
        client = await echo.client("/echo/red")
        for _ in range(5):
            await client.send("x")
            await client.receive()
            order.append(number)

    async with anyio.create_task_group() as group:
        for number in range(50):
            group.start_soon(talk, number)
    assert set(order[:50]) == set(range(50))


async def test_who_reads_a_long_backlog_lets_others_have_their_turn(
    flow: Flow, kept: dict[str, Context]
) -> None:
    """Found A4: reading what is there already is no reason to keep the loop."""
    alice = await flow.client("/push/ann")
    for number in range(300):
        kept["ann"].emit("response", {"body": str(number)})
    ran = False

    async def other() -> None:
        nonlocal ran
        ran = True

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        for _ in range(300):
            await alice.receive()
        assert ran


async def test_a_sender_that_is_cancelled_while_it_waits_for_its_turn_has_sent_nothing(
    echo: Flow,
) -> None:
    alice = await echo.client("/echo/red")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await alice.send("never")
    await alice.send("once")
    assert await alice.receive() == "once"
