"""The engine: in which order handlers run, what is cut, and that no error gets out."""

from typing import Any

import anyio
import anyio.lowlevel

from tests.graph.conftest import errors
from tests.process.turns import turns
from wsflow import Context, Flow

# ---- the order of things


async def test_what_a_handler_routes_starts_after_its_end(flow: Flow) -> None:
    seen = []

    @flow.node
    def first(ev: Any, ctx: Context) -> None:
        ctx.route(ev)
        seen.append("first ends")

    @flow.node
    def second() -> None:
        seen.append("second starts")

    flow.websocket("/").message >> first >> second
    await flow.client("/").send("x")
    assert seen == ["first ends", "second starts"]


async def test_what_an_async_handler_routes_starts_at_its_next_await(flow: Flow) -> None:
    seen: list[Any] = []
    done = anyio.Event()

    @flow.node
    async def source(ev: Any, ctx: Context) -> None:
        ctx.route(1)
        ctx.route(2)
        seen.append("before")
        await anyio.lowlevel.checkpoint()
        seen.append("after")
        ctx.route(3)

    @flow.node
    def sink(value: int) -> None:
        seen.append(value)
        if value == 3:
            done.set()

    flow.websocket("/").message >> source >> sink
    await flow.client("/").send("x")
    await done.wait()
    assert seen == ["before", 1, 2, "after", 3]


async def test_the_worklist_is_first_in_first_out(flow: Flow) -> None:
    seen: list[str] = []

    @flow.node
    def root(ev: Any, ctx: Context) -> None:
        ctx.route(1)
        ctx.route(2)

    @flow.node
    def left(value: int, ctx: Context) -> None:
        seen.append(f"left {value}")
        ctx.route(value)

    @flow.node
    def right(value: int) -> None:
        seen.append(f"right {value}")

    @flow.node
    def below(value: int) -> None:
        seen.append(f"below {value}")

    flow.websocket("/").message >> root >> [left, right]
    left >> below
    await flow.client("/").send("x")
    assert seen == ["left 1", "right 1", "left 2", "right 2", "below 1", "below 2"]


async def test_fan_out_follows_the_order_of_the_wires(flow: Flow) -> None:
    seen: list[str] = []
    chat = flow.websocket("/")
    nodes = {
        name: flow.node(lambda name=name: seen.append(name), name=name) for name in ("c", "a", "b")
    }
    for name in "bca":
        chat.message >> nodes[name]
    await flow.client("/").send("x")
    assert seen == ["b", "c", "a"]


async def test_every_wire_carries_the_same_value(flow: Flow) -> None:
    got: list[Any] = []
    value = object()

    @flow.node
    def source(ev: Any, ctx: Context) -> None:
        ctx.route(value)

    flow.websocket("/").message >> source
    source >> [flow.node(lambda ev: got.append(ev), name=name) for name in "ab"]
    await flow.client("/").send("x")
    assert [one is value for one in got] == [True, True]


async def test_async_handlers_start_in_the_order_of_the_messages(flow: Flow) -> None:
    started: list[str] = []
    all_there, go_on = anyio.Event(), anyio.Event()

    @flow.node
    async def slow(ev: Any) -> None:
        started.append(ev["message"])
        if len(started) == 50:
            all_there.set()
        await go_on.wait()

    flow.websocket("/").message >> slow
    client = await flow.client("/")
    for n in range(50):
        await client.send(str(n))
    await all_there.wait()
    go_on.set()
    assert started == [str(n) for n in range(50)]


async def test_plain_and_async_handlers_of_a_session_start_in_the_order_of_its_events(
    flow: Flow,
) -> None:
    seen: list[str] = []
    done = anyio.Event()

    @flow.node
    async def greet() -> None:
        seen.append("req")

    @flow.node
    def read() -> None:
        seen.append("message")

    @flow.node
    async def part() -> None:
        seen.append("close")
        done.set()

    chat = flow.websocket("/")
    chat.req >> greet
    chat.message >> read
    chat.close >> part
    client = await flow.client("/")
    await client.send("x")
    await client.close()
    await done.wait()
    assert seen == ["req", "message", "close"]


async def test_events_that_wait_for_their_turn_are_not_lost_when_the_flow_stops(flow: Flow) -> None:
    seen: list[str] = []

    @flow.node
    async def greet() -> None:
        seen.append("req")

    chat = flow.websocket("/")
    chat.req >> greet
    chat.message >> flow.node(lambda: seen.append("message"), name="read")
    chat.close >> flow.node(lambda: seen.append("close"), name="part")
    await flow.client("/").send("x")
    await flow.stop()
    assert seen == ["req", "message", "close"]


async def test_a_session_does_not_wait_for_the_handlers_of_another(flow: Flow) -> None:
    seen: list[str] = []

    @flow.node
    async def greet(ev: Any) -> None:
        await anyio.Event().wait()
        seen.append(f"req {ev['params']['name']}")

    chat = flow.websocket("/{name}")
    plain = flow.websocket("/plain/{name}")
    chat.req >> greet
    plain.message >> flow.node(lambda: seen.append("message"), name="read")
    bob = await flow.client("/plain/bob")
    await flow.client("/ann")
    await bob.send("x")
    assert seen == ["message"]


async def test_an_async_handler_is_not_waited_for(flow: Flow) -> None:
    release = anyio.Event()

    @flow.node
    async def stream(ev: Any, ctx: Context) -> None:
        await release.wait()
        ctx.emit("response", {"body": "late"})

    @flow.node
    def echo(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": ev["message"]})

    chat = flow.websocket("/")
    chat.req >> stream
    chat.message >> echo
    client = await flow.client("/")
    await client.send("now")
    assert await client.receive() == "now"
    release.set()
    assert await client.receive() == "late"


async def test_an_event_leaves_on_every_wire_of_its_port_and_counts_there(flow: Flow) -> None:
    sink = flow.node(lambda: None, name="sink")
    flow.websocket("/").message >> sink
    client = await flow.client("/")
    for _ in range(3):
        await client.send("x")
    assert [wire.count for wire in flow._host.wires] == [3]
    assert sink.events_in == 3


async def test_wires_made_while_events_flow_carry_the_next_event(flow: Flow) -> None:
    got: list[str] = []
    chat = flow.websocket("/")
    client = await flow.client("/")
    await client.send("too early")
    chat.message >> flow.node(lambda ev: got.append(ev["message"]), name="late")
    await client.send("in time")
    assert got == ["in time"]


# ---- loops


async def test_a_loop_that_comes_to_an_end_is_legal(flow: Flow) -> None:
    seen: list[int] = []

    def step(ev: Any, ctx: Context) -> None:
        left = ev if isinstance(ev, int) else 900
        seen.append(left)
        if left:
            ctx.route(left - 1, "again")

    count = flow.node(step, name="count", outputs=("again", "out"))
    flow.websocket("/").message >> count
    count["again"] >> count
    await flow.client("/").send("x")
    assert seen == list(range(900, -1, -1))
    assert errors(flow) == []


async def test_an_endless_loop_is_cut_and_its_nodes_are_named(flow: Flow) -> None:
    ping = flow.node(lambda ev, ctx: ctx.route(ev), name="ping")
    pong = flow.node(lambda ev, ctx: ctx.route(ev), name="pong")
    flow.websocket("/").message >> ping >> pong >> ping
    await flow.client("/").send("x")
    (error,) = errors(flow)
    assert error.startswith("RunawayError")
    assert "ping" in error
    assert "pong" in error
    assert "1000 hops" in error or "1001 hops" in error


async def test_a_cut_loop_names_no_node_of_an_earlier_loop(flow: Flow) -> None:
    @flow.node
    def innocent(ev: Any, ctx: Context) -> None:
        left = ev if isinstance(ev, int) else 990
        if left:
            ctx.route(left - 1)

    guilty = flow.node(lambda ev, ctx: ctx.route(ev), name="guilty")
    flow.websocket("/long").message >> innocent >> innocent
    flow.websocket("/endless").message >> guilty >> guilty
    await flow.client("/long").send("x")
    await flow.client("/endless").send("x")
    (error,) = errors(flow)
    assert "guilty" in error
    assert "innocent" not in error


async def test_a_loop_that_doubles_is_cut_too(flow: Flow) -> None:
    top = flow.node(lambda ev, ctx: ctx.route(ev), name="top")
    left = flow.node(lambda ev, ctx: ctx.route(ev), name="left")
    right = flow.node(lambda ev, ctx: ctx.route(ev), name="right")
    flow.websocket("/").message >> top >> [left, right]
    left >> top
    right >> top
    await flow.client("/").send("x")
    (error,) = errors(flow)
    assert error.startswith("RunawayError")
    assert "top" in error


async def test_after_a_cut_loop_the_session_goes_on(flow: Flow) -> None:
    chat = flow.websocket("/")
    loop = flow.node(lambda ev, ctx: ctx.route(ev), name="loop")
    loop >> loop

    @flow.node
    def choose(ev: Any, ctx: Context) -> None:
        if ev["message"] == "loop":
            ctx.route(ev)
        else:
            ctx.emit("response", {"body": "fine"})

    chat.message >> choose >> loop
    client = await flow.client("/")
    await client.send("loop")
    await client.send("hello")
    assert await client.receive() == "fine"


async def test_a_loop_through_an_async_handler_is_no_runaway(flow: Flow) -> None:
    done = anyio.Event()

    @flow.node
    async def beat(ev: Any, ctx: Context) -> None:
        left = ev if isinstance(ev, int) else 1_500
        if left:
            ctx.route(left - 1)
        else:
            done.set()

    flow.websocket("/").message >> beat >> beat
    await flow.client("/").send("x")
    await done.wait()
    assert errors(flow) == []


# ---- errors


async def test_siblings_of_a_handler_that_raises_still_get_the_event(flow: Flow) -> None:
    got: list[str] = []

    @flow.node
    def boom() -> None:
        raise ValueError

    flow.websocket("/").message >> [boom, flow.node(lambda: got.append("sibling"), name="sibling")]
    await flow.client("/").send("x")
    assert got == ["sibling"]


# ---- what handlers give back


async def test_a_plain_function_may_give_back_an_awaitable(flow: Flow) -> None:
    async def later(ctx: Context) -> None:
        await anyio.lowlevel.checkpoint()
        ctx.emit("response", {"body": "awaited"})

    flow.websocket("/").message >> flow.node(lambda ev, ctx: later(ctx), name="lazy")
    client = await flow.client("/")
    await client.send("x")
    assert await client.receive() == "awaited"


# ---- pause and resume


async def test_while_paused_triggers_are_held_and_let_go_in_order(flow: Flow) -> None:
    seen: list[str] = []
    chat = flow.websocket("/{name}")
    chat.req >> flow.node(lambda ev: seen.append(ev["params"]["name"]), name="see")
    await flow.start()
    flow.pause()
    for name in "abc":
        await flow.client(f"/{name}")
    assert seen == []
    flow.resume()
    assert seen == ["a", "b", "c"]


async def test_messages_of_a_pause_arrive_after_it_in_order(flow: Flow) -> None:
    seen: list[str] = []
    flow.websocket("/").message >> flow.node(lambda ev: seen.append(ev["message"]), name="see")
    client = await flow.client("/")
    flow.pause()

    async def talk() -> None:
        for n in range(3):
            await client.send(str(n))

    async with anyio.create_task_group() as group:
        group.start_soon(talk)
        await turns()
        assert seen == []
        flow.resume()
    assert seen == ["0", "1", "2"]


async def test_what_waits_behind_a_handler_that_starts_waits_for_the_pause_too(flow: Flow) -> None:
    seen: list[str] = []

    @flow.node
    async def slow(ev: Any) -> None:
        seen.append(f"slow {ev['message']}")

    @flow.node
    def plain(ev: Any) -> None:
        seen.append(f"plain {ev['message']}")

    chat = flow.websocket("/")
    chat.message >> [slow, plain]
    alice = flow.client("/")
    await alice.connect()
    session = alice.session
    assert session is not None
    session.receive("1", 1)
    session.receive("2", 1)  # behind the first, whose async handler has not started
    flow.pause()
    session.receive("3", 1)
    await turns(20)
    assert seen == ["plain 1", "slow 1"]
    flow.resume()
    await turns(20)
    assert [one for one in seen if one.startswith("plain")] == ["plain 1", "plain 2", "plain 3"]
    assert session.inflight == 0


async def test_a_running_handler_goes_on_while_the_flow_is_paused(flow: Flow) -> None:
    go_on = anyio.Event()

    @flow.node
    async def slow(ev: Any, ctx: Context) -> None:
        await go_on.wait()
        ctx.route("from slow")

    @flow.node
    def answer(value: str, ctx: Context) -> None:
        ctx.emit("response", {"body": value})

    flow.websocket("/").message >> slow >> answer
    client = await flow.client("/")
    await client.send("x")
    flow.pause()
    go_on.set()
    assert await client.receive() == "from slow"


# ---- time


async def test_rows_of_an_async_handler_tell_how_long_it_had_run(flow: Flow) -> None:
    @flow.node
    async def slow(ev: Any, ctx: Context) -> None:
        await anyio.sleep(0.02)
        ctx.emit("response", {"body": "x"})

    @flow.node
    def quick(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": "y"})

    flow.websocket("/").message >> [slow, quick]
    await flow.client("/").send("x")
    row = await flow.log.until(kind="response", node="slow")
    assert row.elapsed is not None
    assert 0.01 < row.elapsed < 60
    assert (await flow.log.until(kind="response", node="quick")).elapsed is None
