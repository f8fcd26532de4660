"""One trigger firing: who listens, in which order, until when; through contexts and alone."""

from typing import Any

from wsflow import Context, Flow, ManualClock
from wsflow.graph.scope import Scope

CTX: Any = None


def nothing() -> None: ...


def test_listeners_are_taken_in_order_and_once() -> None:
    scope, first, second = Scope(1, None, None), (10.0, nothing, CTX), (5.0, nothing, CTX)
    scope.once("ready", first, 0.0)
    scope.once("ready", second, 0.0)
    assert scope.take("ready", 1.0) == [first, second]
    assert scope.take("ready", 1.0) == []


def test_signals_are_kept_apart() -> None:
    scope, listener = Scope(1, None, None), (10.0, nothing, CTX)
    scope.once("a", listener, 0.0)
    assert scope.take("b", 1.0) == []
    assert scope.take("a", 1.0) == [listener]


def test_a_listener_is_gone_at_the_moment_it_expires() -> None:
    for now, taken in ((9.999, 1), (10.0, 0), (11.0, 0)):
        scope = Scope(1, None, None)
        scope.once("ready", (10.0, nothing, CTX), 0.0)
        assert len(scope.take("ready", now)) == taken


def test_expired_listeners_leave_no_growth() -> None:
    scope = Scope(1, None, None)
    for now in range(1_000):
        scope.once("never", (now + 1.0, nothing, CTX), float(now))
    assert scope.waits is not None
    assert len(scope.waits["never"]) <= 2


async def test_once_is_heard_once(flow: Flow) -> None:
    heard: list[Any] = []

    @flow.node
    def listen(ev: Any, ctx: Context) -> None:
        ctx.once("ready", lambda *args: heard.append(args))
        assert ctx.emit("ready", 1, "two") == 1
        assert ctx.emit("ready", 3) == 0

    flow.websocket("/").message >> listen
    await flow.client("/").send("x")
    assert heard == [(1, "two")]


async def test_once_hears_upstream_and_siblings_but_no_other_scope(flow: Flow) -> None:
    heard: list[str] = []

    @flow.node
    def listen(ev: Any, ctx: Context) -> None:
        if ev["message"] == "first":
            ctx.once("ready", lambda: heard.append(ev["message"]))
        ctx.route(ev)

    @flow.node
    def speak(ev: Any, ctx: Context) -> None:
        if ev["message"] == "second":
            ctx.emit("ready")

    flow.websocket("/").message >> listen >> speak
    client = await flow.client("/")
    await client.send("first")
    await client.send("second")
    assert heard == []


async def test_a_signal_from_a_node_further_down_reaches_the_listener(flow: Flow) -> None:
    heard: list[str] = []

    @flow.node
    def listen(ev: Any, ctx: Context) -> None:
        ctx.once("ready", heard.append)
        ctx.route(object())

    @flow.node
    def speak(ev: Any, ctx: Context) -> None:
        ctx.emit("ready", "from below")

    (
        flow.websocket("/").message
        >> listen
        >> flow.node(lambda ev, ctx: ctx.route(3), name="between")
        >> speak
    )
    await flow.client("/").send("x")
    assert heard == ["from below"]


async def test_once_is_gone_after_its_time_out(timed: Flow, clock: ManualClock) -> None:
    heard: list[str] = []
    kept: list[Context] = []

    @timed.node
    def listen(ev: Any, ctx: Context) -> None:
        ctx.once("ready", lambda: heard.append("thirty"))
        ctx.once("ready", lambda: heard.append("sixty"), timeout=60)
        kept.append(ctx)

    timed.websocket("/").message >> listen
    await timed.client("/").send("x")
    clock.advance(30)
    assert kept[0].emit("ready") == 1
    assert heard == ["sixty"]


async def test_a_response_also_calls_those_who_listen_for_it(flow: Flow) -> None:
    heard: list[Any] = []

    @flow.node
    def watch(ev: Any, ctx: Context) -> None:
        ctx.once("response", heard.append)
        assert ctx.emit("response", {"body": "hi"}) == 2

    flow.websocket("/").message >> watch
    client = await flow.client("/")
    await client.send("x")
    assert await client.receive() == "hi"
    assert heard == [{"body": "hi"}]


async def test_a_signal_nobody_hears_is_a_recorded_no_op(flow: Flow) -> None:
    flow.websocket("/").message >> flow.node(lambda ev, ctx: ctx.emit("hello", 1, 2), name="n")
    await flow.client("/").send("x")
    row, hint = flow.log.tail(2)
    assert (row.kind, row.node, row.port, row.data) == ("signal", "n", "hello", [1, 2])
    assert hint.kind == "mark"


async def test_an_async_callback_is_awaited(flow: Flow) -> None:
    async def answer(ctx: Context) -> None:
        ctx.emit("response", {"body": "awaited"})

    @flow.node
    def listen(ev: Any, ctx: Context) -> None:
        ctx.once("ready", answer)
        ctx.emit("ready", ctx)

    flow.websocket("/").message >> listen
    client = await flow.client("/")
    await client.send("x")
    assert await client.receive() == "awaited"


async def test_a_callback_that_listens_again_hears_the_next_signal_only(flow: Flow) -> None:
    heard: list[int] = []

    @flow.node
    def listen(ev: Any, ctx: Context) -> None:
        def again(n: int) -> None:
            heard.append(n)
            ctx.once("beat", again)

        ctx.once("beat", again)
        for n in range(3):
            ctx.emit("beat", n)

    flow.websocket("/").message >> listen
    await flow.client("/").send("x")
    assert heard == [0, 1, 2]


async def test_req_and_message_are_two_scopes(flow: Flow) -> None:
    chat = flow.websocket("/")
    client = await flow.client("/")
    await client.send("x")
    await client.close()
    assert chat.outputs.keys() == {"req", "message", "close"}
    assert [row.scope for row in flow.log.tail()] == [1, 2, 3]
