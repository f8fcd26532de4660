"""The engine: in which order handlers run, what is cut, and that no error gets out."""

from typing import Any

import anyio
import anyio.lowlevel
import pytest

from tests.turns import turns
from wsflow import Context, Flow, SetupError

FAULTS = (ValueError, SystemExit, KeyboardInterrupt, GeneratorExit)


def errors(flow: Flow) -> list[str]:
    return [row.error or "" for row in flow.log.tail(100_000) if row.kind == "error"]


def marks(flow: Flow) -> list[Any]:
    return [row.data for row in flow.log.tail(100) if row.kind == "mark"]


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


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_handler_that_raises_costs_a_row_and_nothing_else(
    flow: Flow, fault: type[BaseException]
) -> None:
    @flow.node
    def boom(ev: Any, ctx: Context) -> None:
        if ev["message"] == "boom":
            raise fault("on purpose")
        ctx.emit("response", {"body": "alive"})

    flow.websocket("/").message >> boom
    client = await flow.client("/")
    await client.send("boom")
    await client.send("x")
    assert await client.receive() == "alive"
    (error,) = errors(flow)
    assert error.startswith(f"{fault.__name__}: on purpose (test_engine.py:")


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_async_handler_that_raises_costs_a_row_and_nothing_else(
    flow: Flow, fault: type[BaseException]
) -> None:
    @flow.node
    async def boom(ev: Any, ctx: Context) -> None:
        await anyio.lowlevel.checkpoint()
        if ev["message"] == "boom":
            raise fault("on purpose")
        ctx.emit("response", {"body": "alive"})

    flow.websocket("/").message >> boom
    client = await flow.client("/")
    await client.send("boom")
    await flow.log.until(kind="error", node="boom")
    await client.send("x")
    assert await client.receive() == "alive"


async def test_siblings_of_a_handler_that_raises_still_get_the_event(flow: Flow) -> None:
    got: list[str] = []

    @flow.node
    def boom() -> None:
        raise ValueError

    flow.websocket("/").message >> [boom, flow.node(lambda: got.append("sibling"), name="sibling")]
    await flow.client("/").send("x")
    assert got == ["sibling"]


async def test_an_error_row_tells_node_port_value_session_and_cause(flow: Flow) -> None:
    def fail() -> None:
        raise ValueError("no")

    boom = flow.node(fail, name="boom", inputs=("entry",))
    flow.websocket("/room").message >> boom
    client = await flow.client("/room")
    await client.send("x")
    message, row = flow.log.tail(2)
    assert (message.kind, row.kind) == ("message", "error")
    assert (row.node, row.port, row.path) == ("boom", "entry", "/room")
    assert row.data["message"] == "x"
    assert (row.cause, row.session, row.scope) == (message.seq, message.session, message.scope)


async def test_a_once_callback_that_raises_costs_a_row_and_the_next_is_called(flow: Flow) -> None:
    got: list[str] = []

    def boom() -> None:
        raise SystemExit

    @flow.node
    def listen(ev: Any, ctx: Context) -> None:
        ctx.once("ready", boom)
        ctx.once("ready", lambda: got.append("second"))
        ctx.emit("ready")

    flow.websocket("/").message >> listen
    await flow.client("/").send("x")
    assert got == ["second"]
    assert len(errors(flow)) == 1


async def test_a_route_to_an_unknown_port_is_an_error_that_names_the_ports(flow: Flow) -> None:
    def choose(ev: Any, ctx: Context) -> None:
        ctx.route(ev, "maybe")

    flow.websocket("/").message >> flow.node(choose, outputs=("yes", "no"))
    await flow.client("/").send("x")
    (error,) = errors(flow)
    assert "'maybe'" in error
    assert "'yes', 'no'" in error


# ---- catch


async def test_catch_answers_the_client_whose_event_failed(flow: Flow) -> None:
    @flow.node
    def boom(ev: Any) -> None:
        raise ValueError("bad " + ev["message"])

    @flow.node
    def sorry(ev: Any, ctx: Context) -> None:
        keys = ("error", "type", "node", "port", "sessionId")
        ctx.emit("response", {"body": {key: ev[key] for key in keys}})

    flow.websocket("/").message >> boom
    flow.catch().out >> sorry
    client = await flow.client("/")
    await client.send("egg")
    assert await client.receive_json() == {
        "error": "bad egg",
        "type": "ValueError",
        "node": "boom",
        "port": "in",
        "sessionId": flow.sessions[0].id,
    }


async def test_catch_gets_the_value_and_the_traceback(flow: Flow) -> None:
    got: list[Any] = []

    @flow.node
    async def boom(ev: Any) -> None:
        raise LookupError("gone")

    flow.websocket("/").message >> boom
    flow.catch().out >> flow.node(lambda ev: got.append(ev), name="keep")
    await flow.client("/").send("egg")
    await flow.log.until(kind="error")
    await flow.stop()
    (event,) = got
    assert event["value"]["message"] == "egg"
    assert 'raise LookupError("gone")' in event["traceback"]


async def test_catch_hears_of_a_reply_that_can_not_be_sent(flow: Flow) -> None:
    @flow.node
    def bad(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": {1, 2}})

    @flow.node
    def sorry(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": ev["type"]})

    flow.websocket("/").message >> bad
    flow.catch().out >> sorry
    client = await flow.client("/")
    await client.send("x")
    assert await client.receive() == "ReplyError"


async def test_an_error_behind_catch_does_not_come_round_again(flow: Flow) -> None:
    calls: list[str] = []

    @flow.node
    def boom() -> None:
        raise ValueError("first")

    @flow.node
    def forward(ev: Any, ctx: Context) -> None:
        calls.append(ev["error"])
        ctx.route(ev)

    @flow.node
    def boom_again() -> None:
        raise ValueError("second")

    flow.websocket("/").message >> boom
    flow.catch().out >> forward >> boom_again
    await flow.client("/").send("x")
    assert calls == ["first"]
    assert len(errors(flow)) == 2


# ---- what handlers give back


async def test_a_plain_function_may_give_back_an_awaitable(flow: Flow) -> None:
    async def later(ctx: Context) -> None:
        await anyio.lowlevel.checkpoint()
        ctx.emit("response", {"body": "awaited"})

    flow.websocket("/").message >> flow.node(lambda ev, ctx: later(ctx), name="lazy")
    client = await flow.client("/")
    await client.send("x")
    assert await client.receive() == "awaited"


@pytest.mark.parametrize("given", ["text", b"raw", {"body": 1}, [1]])
async def test_a_returned_value_gives_one_hint(flow: Flow, given: Any) -> None:
    flow.websocket("/").message >> flow.node(lambda: given, name="learner")
    client = await flow.client("/")
    await client.send("x")
    await client.send("y")
    (hint,) = marks(flow)
    assert "'learner' returned" in hint
    assert "ctx.emit" in hint
    assert "ctx.route" in hint


async def test_a_changed_handler_is_hinted_at_again(flow: Flow) -> None:
    learner = flow.node(lambda: "one", name="learner")
    flow.websocket("/").message >> learner
    client = await flow.client("/")
    await client.send("x")
    learner.define(lambda: "two")
    await client.send("x")
    assert [text.count("'one'") for text in marks(flow)] == [1, 0]


async def test_none_and_numbers_give_no_hint(flow: Flow) -> None:
    flow.websocket("/").message >> [
        flow.node(lambda: None, name="none"),
        flow.node(lambda: 3, name="number"),
    ]
    await flow.client("/").send("x")
    assert marks(flow) == []


# ---- setup


async def test_setup_runs_once_a_start_and_before_the_first_event(flow: Flow) -> None:
    seen: list[str] = []
    node = flow.node(lambda: seen.append("event"), name="n", setup=lambda: seen.append("setup"))
    flow.websocket("/").message >> node
    client = flow.client("/")
    await client.send("x")
    await client.send("x")
    assert seen == ["setup", "event", "event"]
    await flow.stop()
    await flow.start()
    assert seen == ["setup", "event", "event", "setup"]


async def test_an_async_setup_ends_before_the_first_event(flow: Flow) -> None:
    seen: list[str] = []

    async def setup() -> None:
        await anyio.sleep(0.01)
        seen.append("setup")

    flow.websocket("/").req >> flow.node(lambda: seen.append("req"), name="n", setup=setup)
    async with anyio.create_task_group() as group:
        group.start_soon(flow.client("/").connect)
        group.start_soon(flow.client("/").connect)
    assert seen == ["setup", "req", "req"]


async def test_setup_runs_for_nodes_without_wires_too(flow: Flow) -> None:
    seen: list[str] = []

    lonely = flow.node(lambda: None, name="lonely")
    lonely.setup(lambda ctx: seen.append(ctx.node))
    await flow.start()
    assert seen == ["lonely"]


async def test_a_setup_with_only_defaults_of_its_own_is_called_without_arguments(
    flow: Flow,
) -> None:
    seen: list[int] = []

    def prepare(attempts: int = 3) -> None:
        seen.append(attempts)

    flow.node(lambda: None, name="n", setup=prepare)
    await flow.start()
    assert seen == [3]


async def test_a_setup_that_fails_stops_the_start_and_names_its_node(flow: Flow) -> None:
    def prepare() -> None:
        raise OSError("no database")

    flow.node(lambda: None, name="store", setup=prepare)
    with pytest.raises(SetupError, match=r"setup of node 'store' failed: OSError: no database"):
        await flow.start()
    assert not flow.running


async def test_after_a_repaired_setup_the_flow_starts(flow: Flow) -> None:
    node = flow.node(lambda ev, ctx: ctx.emit("response", {"body": "up"}), name="store")
    flow.websocket("/").req >> node
    node.setup(lambda: 1 / 0)
    with pytest.raises(SetupError):
        await flow.client("/").connect()
    node.setup(lambda: None)
    client = await flow.client("/")
    assert await client.receive() == "up"


async def test_a_node_defined_while_the_flow_runs_is_set_up_at_once(flow: Flow) -> None:
    ready = anyio.Event()
    await flow.start()
    flow.node(lambda: None, name="late", setup=ready.set)
    with anyio.fail_after(20):
        await ready.wait()


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


async def test_stopping_a_paused_flow_lets_close_events_through(flow: Flow) -> None:
    seen: list[str] = []
    flow.websocket("/").close >> flow.node(lambda ev: seen.append(ev["sessionId"]), name="see")
    client = await flow.client("/")
    assert client.session is not None
    flow.pause()
    await flow.stop()
    assert seen == [client.session.id]


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


async def test_handlers_get_a_second_to_end_when_the_flow_stops(flow: Flow) -> None:
    ended: list[str] = []

    @flow.node
    async def part() -> None:
        await anyio.sleep(0.05)
        ended.append("part")

    flow.websocket("/").close >> part
    await flow.client("/")
    await flow.stop()
    assert ended == ["part"]


async def test_a_handler_that_never_ends_does_not_keep_the_flow_from_stopping(flow: Flow) -> None:
    cancelled: list[str] = []

    @flow.node
    async def forever() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append("forever")

    flow.websocket("/").req >> forever
    await flow.client("/")
    with anyio.fail_after(20):
        await flow.stop()
    assert cancelled == ["forever"]
    assert errors(flow) == []


async def test_what_an_async_handler_returns_is_told_once(flow: Flow) -> None:
    """As of a plain one: the commonest mistake of who comes from other frameworks."""

    async def shout(ev: Any, ctx: Context) -> dict[str, str]:
        return {"body": ev["message"]}

    flow.websocket("/chat", name="chat").message >> flow.node(shout)
    async with flow.client("/chat") as client:
        await client.send("a")
        await client.send("b")
        await flow.log.until(kind="message", count=2)
    await flow.stop()
    (told,) = marks(flow)
    assert told.startswith("handler 'shout' returned {'body': 'a'}; returned values go nowhere")
