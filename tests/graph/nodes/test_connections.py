"""The connection manager: whom a broadcast reaches, whom it misses and why."""

from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from wsflow import Client, Context, Flow, ReplyError, WiringError
from wsflow.graph.nodes.connections import LEFT, SLOW, UNKNOWN, Connections, Delivery
from wsflow.wire.memory import MAX_INBOX


@pytest.fixture
def manager(flow: Flow) -> Connections:
    chat = flow.websocket("/{name}", name="chat")
    manager = flow.connections()
    chat.req >> manager.req
    chat.close >> manager["close"]
    return manager


async def joined(flow: Flow, *names: str) -> tuple[list[Client], list[str]]:
    """Connect clients and return them and their session ids."""
    clients = [await flow.client(f"/{name}") for name in names]
    return clients, [client.session.id for client in clients if client.session is not None]


async def inbox(client: Client) -> list[str | bytes]:
    """Return what a client has got by now."""
    assert client._transport is not None
    return list(client._transport.inbox)


# ---- who is there


async def test_sessions_come_and_go_oldest_first(flow: Flow, manager: Connections) -> None:
    clients, ids = await joined(flow, "ann", "bob", "eve")
    assert manager.sessions == ids
    await clients[1].close()
    assert manager.sessions == [ids[0], ids[2]]
    await flow.stop()
    assert manager.sessions == []


async def test_many_sessions_leave_nothing_behind(flow: Flow, manager: Connections) -> None:
    for _ in range(500):
        async with flow.client("/x") as client:
            assert client.session is not None
            manager.join(client.session, "room")
    assert (manager.sessions, manager.groups, len(flow.sessions)) == ([], {}, 0)


async def test_who_leaves_passes_by_no_group_of_others(flow: Flow, manager: Connections) -> None:
    """Found A13: a leave looked at every group there is."""

    class Counted(dict[str, dict[str, None]]):
        looked = 0

        def __getitem__(self, group: str) -> dict[str, None]:
            Counted.looked += 1
            return super().__getitem__(group)

        def __iter__(self) -> Iterator[str]:
            raise AssertionError("all groups were looked at")

    (ann, bob, _), ids = await joined(flow, "ann", "bob", "eve")
    manager._groups = Counted()
    for number in range(1_000):
        manager.join(ids[0], f"room {number}")
    for group in ("one", "two"):
        manager.join(ids[1], group)
        manager.join(ids[2], group)
    Counted.looked = 0
    await bob.close()
    assert Counted.looked <= 8
    assert list(manager._groups.values())[-2:] == [{ids[2]: None}] * 2
    await ann.close()
    assert list(manager._groups.keys()) == ["one", "two"]
    manager.leave(ids[2], "one")
    manager.leave(ids[2], "one")
    manager.leave(ids[2], "never")
    assert list(manager._groups.keys()) == ["two"]
    assert manager._joined == {ids[2]: {"two": None}}


# ---- broadcasting


@pytest.mark.parametrize(
    ("body", "data"), [("hi", "hi"), (b"raw", b"raw"), ({"a": "ü"}, '{"a":"ü"}'), (None, "null")]
)
async def test_everybody_gets_a_broadcast(
    flow: Flow, manager: Connections, body: Any, data: str | bytes
) -> None:
    clients, ids = await joined(flow, "ann", "bob")
    delivery = manager.broadcast(body)
    assert delivery == Delivery(tuple(ids), {})
    assert delivery
    assert [await client.receive() for client in clients] == [data, data]


async def test_a_broadcast_to_nobody_reaches_nobody(manager: Connections) -> None:
    assert manager.broadcast("hi") == Delivery((), {})


async def test_all_get_broadcasts_in_the_same_order(flow: Flow, manager: Connections) -> None:
    clients, _ = await joined(flow, "ann", "bob")
    for n in range(100):
        manager.broadcast(str(n))
    for client in clients:
        assert await inbox(client) == [str(n) for n in range(100)]


async def test_some_can_be_left_out(flow: Flow, manager: Connections) -> None:
    clients, (ann, bob, eve) = await joined(flow, "ann", "bob", "eve")
    assert manager.broadcast("1", except_=ann).reached == (bob, eve)
    assert manager.broadcast("2", except_=[ann, eve]).reached == (bob,)
    assert manager.broadcast("3", except_=["nobody"]).reached == (ann, bob, eve)
    assert [await inbox(client) for client in clients] == [["3"], ["1", "2", "3"], ["1", "3"]]


async def test_one_session_is_sent_to_by_id_or_as_an_object(
    flow: Flow, manager: Connections
) -> None:
    (ann, bob), (ann_id, bob_id) = await joined(flow, "ann", "bob")
    assert manager.send(ann_id, "by id").reached == (ann_id,)
    assert manager.send(flow.sessions[1], {"by": "object"}).reached == (bob_id,)
    assert await inbox(ann) == ["by id"]
    assert await inbox(bob) == ['{"by":"object"}']


# ---- groups


async def test_a_group_gets_what_is_for_it(flow: Flow, manager: Connections) -> None:
    clients, (ann, bob, _) = await joined(flow, "ann", "bob", "eve")
    manager.join(ann, "red")
    manager.join(flow.sessions[1], "red")
    manager.join(ann, "red")
    assert manager.groups == {"red": [ann, bob]}
    assert manager.broadcast("x", group="red").reached == (ann, bob)
    assert manager.broadcast("y", group="red", except_=ann).reached == (bob,)
    assert manager.broadcast("z", group="blue").reached == ()
    assert [await inbox(client) for client in clients] == [["x"], ["x", "y"], []]


async def test_a_group_exists_while_somebody_is_in_it(flow: Flow, manager: Connections) -> None:
    (one, _), (ann, bob) = await joined(flow, "ann", "bob")
    manager.join(ann, "red")
    manager.join(bob, "red")
    manager.join(ann, "blue")
    manager.leave(bob, "red")
    manager.leave(bob, "red")
    manager.leave("nobody", "green")
    assert manager.groups == {"red": [ann], "blue": [ann]}
    await one.close()
    assert manager.groups == {}


async def test_who_is_unknown_can_not_join(flow: Flow, manager: Connections) -> None:
    with pytest.raises(WiringError, match=r"session 's99' is not known to 'connections'.*req"):
        manager.join("s99", "red")
    assert manager.groups == {}


async def test_a_group_can_be_joined_in_the_req_handler(flow: Flow, manager: Connections) -> None:
    @flow.node
    def enter(ev: Any, ctx: Context) -> None:
        manager.join(ev["sessionId"], ev["params"]["name"])

    flow.connect(flow.nodes["chat"]["req"], enter)  # type: ignore[arg-type]
    _, (red, _) = await joined(flow, "red", "blue")
    assert manager.groups["red"] == [red]


# ---- who could not be reached


async def test_a_session_that_ends_is_missed_and_said_so(flow: Flow, manager: Connections) -> None:
    _, (ann, bob) = await joined(flow, "ann", "bob")
    flow.sessions[0].block()
    flow.sessions[0].deliver("something that waits")
    flow.sessions[0].close()
    delivery = manager.broadcast("x")
    assert delivery.reached == (bob,)
    assert delivery.missed == {ann: LEFT}
    assert not delivery


async def test_a_client_that_does_not_keep_up_is_missed_and_said_so(
    flow: Flow, manager: Connections
) -> None:
    (_, bob), (ann, _) = await joined(flow, "ann", "bob")
    body, deliveries = "x" * 1_000_000, list[Delivery]()
    while len(deliveries) < MAX_INBOX + 50 and manager.sessions[0] == ann:
        deliveries.append(manager.broadcast(body))
        await bob.receive()
    assert deliveries[-1].missed == {ann: SLOW}
    assert all(deliveries[:-1])


async def test_an_unknown_session_is_missed_and_said_so(manager: Connections) -> None:
    assert manager.send("s99", "x").missed == {"s99": UNKNOWN}


async def test_a_client_that_left_delays_nobody_and_is_not_asked_again(
    flow: Flow, manager: Connections
) -> None:
    (ann, bob), ids = await joined(flow, "ann", "bob")
    await ann.close()
    assert manager.broadcast("x") == Delivery((ids[1],), {})
    assert await bob.receive() == "x"


@pytest.mark.parametrize(
    "body", [{1, 2}, float("nan"), "\ud800", {"a": ["\ud800"]}, [1e999], object()]
)
async def test_a_body_nothing_can_carry_raises_and_nobody_got_it(
    flow: Flow, manager: Connections, body: Any
) -> None:
    clients, _ = await joined(flow, "ann", "bob")
    with pytest.raises(ReplyError):
        manager.broadcast(body)
    assert [await inbox(client) for client in clients] == [[], []]
    assert manager.broadcast("fine")
    assert flow.log.frame(kind="error").empty


def test_the_repr_of_a_delivery_says_whom_it_missed() -> None:
    missed = {f"s{n}": LEFT for n in range(5)}
    assert repr(Delivery(("s9",), {})) == "<Delivery reached 1>"
    text = repr(Delivery((), missed))
    assert text == (
        "<Delivery reached 0, missed 5: s0: session has ended, "
        "s1: session has ended, s2: session has ended, …>"
    )


# ---- from the input port


async def posted(flow: Flow, event: Any) -> None:
    """Send one value to the manager's port `broadcast`."""
    source = flow.node(lambda ev, ctx: ctx.route(event), name="source")
    flow.websocket("/post/now").message >> source
    source >> flow.nodes["connections"]["broadcast"]
    await flow.client("/post/now").send("go")


@pytest.mark.parametrize("event", ["hi", {"body": "hi"}, {"body": "hi", "group": None}])
async def test_the_port_takes_a_body_or_a_mapping(
    flow: Flow, manager: Connections, event: Any
) -> None:
    (ann,), _ = await joined(flow, "ann")
    await posted(flow, event)
    assert await ann.receive() == "hi"


async def test_the_port_takes_a_group_and_whom_to_leave_out(
    flow: Flow, manager: Connections
) -> None:
    clients, (ann, bob, _) = await joined(flow, "ann", "bob", "eve")
    manager.join(ann, "red")
    manager.join(bob, "red")
    await posted(flow, {"body": "hi", "group": "red", "except": [ann]})
    assert [await inbox(client) for client in clients] == [[], ["hi"], []]


async def test_the_port_sends_a_mapping_without_a_body_as_it_is(
    flow: Flow, manager: Connections
) -> None:
    (ann,), _ = await joined(flow, "ann")
    await posted(flow, {"price": 3})
    assert await ann.receive_json() == {"price": 3}


async def test_a_bad_body_at_the_port_is_an_error_row(flow: Flow, manager: Connections) -> None:
    (ann,), _ = await joined(flow, "ann")
    await posted(flow, {"body": {1, 2}})
    (error,) = flow.log.frame(kind="error")["error"]
    assert error.startswith("ReplyError")
    assert await inbox(ann) == []


# ---- the log, and other threads


async def test_a_broadcast_is_a_row_that_causes_its_responses(
    flow: Flow, manager: Connections
) -> None:
    _, ids = await joined(flow, "ann", "bob")
    manager.broadcast({"n": 1})
    row, *responses = flow.log.tail(3)
    assert (row.kind, row.node, row.port, row.data) == (
        "broadcast",
        "connections",
        "broadcast",
        {"n": 1},
    )
    assert [(one.kind, one.session, one.cause) for one in responses] == [
        ("response", ids[0], row.seq),
        ("response", ids[1], row.seq),
    ]
    assert flow.log.trace(row.seq) == [row, *responses]


async def test_another_thread_may_broadcast_send_and_join(flow: Flow, manager: Connections) -> None:
    (ann,), (id,) = await joined(flow, "ann")

    def elsewhere() -> list[Delivery]:
        manager.join(id, "red")
        return [manager.broadcast("1", group="red"), manager.send(id, "2")]

    deliveries = await anyio.to_thread.run_sync(elsewhere)
    assert [one.reached for one in deliveries] == [(id,), (id,)]
    assert [await ann.receive() for _ in range(2)] == ["1", "2"]


async def test_a_broadcast_of_a_handler_reaches_all_and_a_response_only_its_own(
    flow: Flow, manager: Connections
) -> None:
    @flow.node
    def talk(ev: Any, ctx: Context) -> None:
        manager.broadcast("to all")
        ctx.emit("response", {"body": "to you"})

    flow.connect(flow.nodes["chat"]["message"], talk)  # type: ignore[arg-type]
    (ann, bob), _ = await joined(flow, "ann", "bob")
    await ann.send("x")
    assert await inbox(ann) == ["to all", "to you"]
    assert await inbox(bob) == ["to all"]


async def test_the_repr_counts_sessions_and_groups(flow: Flow, manager: Connections) -> None:
    _, (ann, _) = await joined(flow, "ann", "bob")
    manager.join(ann, "red")
    assert repr(manager) == "<Connections connections sessions=2 groups=1>"


async def test_a_message_event_routed_to_broadcast_sends_what_was_said_and_no_handshake(
    flow: Flow, manager: Connections
) -> None:
    chat = flow.websocket("/told")
    chat.message >> manager.broadcast
    chat.req >> manager.broadcast
    (ann,), _ = await joined(flow, "ann")
    teller = await flow.client("/told", headers={"Cookie": "id=secret"})
    await teller.send("news")
    assert await ann.receive() == "news"
    assert not any("secret" in repr(row) for row in flow.log.tail(100))


async def test_a_broadcast_may_leave_out_a_session_itself(flow: Flow, manager: Connections) -> None:
    await joined(flow, "ann", "bob")
    session = flow.sessions[0]
    assert manager.broadcast("x", except_=session).reached == tuple(
        one.id for one in flow.sessions if one is not session
    )
    assert (
        manager.broadcast("x", except_=[session]).reached
        == manager.broadcast("x", except_=session.id).reached
    )
