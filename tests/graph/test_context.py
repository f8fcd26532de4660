"""What a handler sees as `ctx`, during its run and long after."""

import gc
import logging
import threading
import weakref
from collections.abc import Callable
from typing import Any

import anyio.to_thread
import pytest

from wsflow import Context, Flow, SetupError, UnknownPortError


async def seen_by(flow: Flow, look: Callable[[Context], Any], **options: Any) -> Any:
    """Return what a handler gets from `look(ctx)` for one message."""
    seen: list[Any] = []
    node = flow.node(lambda ev, ctx: seen.append(look(ctx)), name="n", **options)
    flow.websocket("/c").message >> next(iter(node.inputs.values()))
    await flow.client("/c").send("x")
    (value,) = seen
    return value


async def prepared(flow: Flow, look: Callable[[Any], Any], **options: Any) -> Any:
    """Return what a setup gets from `look(ctx)`."""
    seen: list[Any] = []
    flow.node(lambda: None, name="n", setup=lambda ctx: seen.append(look(ctx)), **options)
    await flow.start()
    (value,) = seen
    return value


SURROUNDINGS: dict[str, Callable[[Any], Any]] = {
    "names": lambda ctx: (ctx.node, ctx.flow),
    "ports": lambda ctx: (ctx.inputs, ctx.outputs),
    "params": lambda ctx: dict(ctx.params),
    "env": lambda ctx: dict(ctx.env),
}
EXPECTED = {
    "names": ("n", "test"),
    "ports": (["in"], ["yes", "no"]),
    "params": {"limit": 3},
    "env": {"STAGE": "test"},
}


@pytest.mark.parametrize("what", SURROUNDINGS)
@pytest.mark.parametrize("where", [seen_by, prepared])
async def test_handlers_and_setups_see_their_surroundings(
    flow: Flow, where: Callable[..., Any], what: str
) -> None:
    options = {"outputs": ("yes", "no"), "params": {"limit": 3}}
    assert await where(flow, SURROUNDINGS[what], **options) == EXPECTED[what]


async def test_input_is_the_port_the_event_came_in_on(flow: Flow) -> None:
    assert await seen_by(flow, lambda ctx: ctx.input, inputs=("a", "b")) == "a"


async def test_the_session_is_that_of_the_originating_event(flow: Flow) -> None:
    session: Any = await seen_by(flow, lambda ctx: ctx.session)
    assert session is flow.sessions[0]
    assert session.path == "/c"


async def test_a_setup_has_no_session(flow: Flow) -> None:
    assert await prepared(flow, lambda ctx: ctx.session) is None


@pytest.mark.parametrize("name", ["route", "emit", "once", "input"])
async def test_a_setup_can_not_route_emit_or_listen(flow: Flow, name: str) -> None:
    assert not await prepared(flow, lambda ctx: hasattr(ctx, name))


@pytest.mark.parametrize("name", ["params", "env"])
async def test_settings_and_environment_are_read_only(flow: Flow, name: str) -> None:
    mapping = await seen_by(flow, lambda ctx: getattr(ctx, name))
    with pytest.raises(TypeError):
        mapping["x"] = 1


async def test_port_names_are_copies(flow: Flow) -> None:
    (await seen_by(flow, lambda ctx: ctx.outputs)).clear()
    assert list(flow.nodes["n"].outputs) == ["out"]


async def test_the_environment_of_the_process_is_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WSFLOW_TEST", "yes")
    flow = Flow("env")
    assert await prepared(flow, lambda ctx: ctx.env["WSFLOW_TEST"]) == "yes"
    await flow.stop()


async def test_elapsed_is_none_in_a_plain_handler(flow: Flow) -> None:
    assert await seen_by(flow, lambda ctx: ctx.elapsed) is None


async def test_the_repr_says_where_it_belongs(flow: Flow) -> None:
    assert await seen_by(flow, repr) == "<Context test.n>"


# ---- kept contexts


async def test_a_kept_context_still_answers_and_routes(flow: Flow) -> None:
    kept: list[Context] = []
    keep = flow.node(lambda ev, ctx: kept.append(ctx), name="keep")
    sink = flow.node(lambda ev, ctx: ctx.emit("response", {"body": ev}), name="sink")
    flow.websocket("/").req >> keep >> sink
    client = await flow.client("/")
    assert kept[0].emit("response", {"body": "later"}) == 1
    assert await client.receive() == "later"
    kept[0].route("later too")
    assert await client.receive() == "later too"


async def test_a_kept_context_answers_its_own_client_from_another_scope(flow: Flow) -> None:
    kept: dict[str, Context] = {}
    chat = flow.websocket("/{name}")
    chat.req >> flow.node(lambda ev, ctx: kept.update({ev["params"]["name"]: ctx}), name="keep")

    @flow.node
    def to_all(ev: Any, ctx: Context) -> None:
        for name, other in kept.items():
            other.emit("response", {"body": f"{name} hears {ev['message']}"})

    chat.message >> to_all
    ann, bob = await flow.client("/ann"), await flow.client("/bob")
    await ann.send("hi")
    assert await ann.receive() == "ann hears hi"
    assert await bob.receive() == "bob hears hi"


async def test_a_kept_context_of_a_session_that_ended_is_harmless(flow: Flow) -> None:
    kept: list[Context] = []
    flow.websocket("/").req >> flow.node(lambda ev, ctx: kept.append(ctx), name="keep")
    client = await flow.client("/")
    await client.close()
    assert kept[0].emit("response", {"body": "too late"}) == 0
    row = flow.log.tail(1)[0]
    assert (row.kind, row.data) == ("drop", "too late")
    assert flow.log.frame(kind="error").empty


# ---- in other threads


async def test_what_threads_answer_is_told_in_the_order_it_left(flow: Flow) -> None:
    def answer(ctx: Context, name: str) -> None:
        for number in range(50):
            assert ctx.emit("response", {"body": f"{name}{number}"}) == 1

    @flow.node
    async def work(ev: Any, ctx: Context) -> None:
        await anyio.to_thread.run_sync(answer, ctx, ev["message"])

    flow.websocket("/c").message >> work
    client = flow.client("/c")
    for name in "abcd":
        await client.send(name)
    heard = [await client.receive(timeout=30) for _ in range(200)]
    rows = flow.log.tail(1_000)
    assert [row.data for row in rows if row.kind == "response"] == heard
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))


async def test_what_a_thread_routes_and_awaits_goes_on_in_the_loop_at_once(flow: Flow) -> None:
    seen: list[tuple[str, int]] = []

    def elsewhere(ctx: Context) -> None:
        ctx.once("heard", lambda: seen.append(("heard", threading.get_ident())))
        ctx.route("x")
        with pytest.raises(UnknownPortError):
            ctx.route("x", "nowhere")

    @flow.node
    async def work(ev: Any, ctx: Context) -> None:
        await anyio.to_thread.run_sync(elsewhere, ctx)

    @flow.node
    def behind(ev: Any, ctx: Context) -> None:
        seen.append(("behind", threading.get_ident()))
        ctx.emit("heard")
        ctx.emit("response", {"body": "done"})

    flow.websocket("/c").message >> work >> behind
    client = flow.client("/c")
    await client.send("x")
    assert await client.receive(timeout=30) == "done"
    assert seen == [("behind", threading.get_ident()), ("heard", threading.get_ident())]


async def test_a_context_kept_by_a_thread_outlives_its_flow(flow: Flow) -> None:
    kept: list[Context] = []
    flow.websocket("/c").message >> flow.node(lambda ev, ctx: kept.append(ctx), name="keep")
    await flow.client("/c").send("x")
    await flow.stop()
    assert await anyio.to_thread.run_sync(kept[0].emit, "response", {"body": "late"}) == 0


async def test_values_travel_by_reference(flow: Flow) -> None:
    value = object()
    got: list[Any] = []
    flow.websocket("/").message >> flow.node(lambda ev, ctx: ctx.route(value), name="a")
    flow.nodes["a"] >> flow.node(lambda ev: got.append(ev), name="b")
    await flow.client("/").send("x")
    assert got[0] is value


# ---- helpers


async def test_a_helper_is_made_for_each_context_on_first_use(flow: Flow) -> None:
    made: list[str] = []

    def greeter(ctx: Context) -> Callable[[str], None]:
        made.append(ctx.node)
        return lambda text: ctx.route(f"{ctx.node}: {text}")

    got: list[str] = []
    flow.node(lambda: None, name="tools", setup=lambda ctx: ctx.add_helper("greet", greeter))
    user = flow.node(lambda ev, ctx: (ctx.greet("one"), ctx.greet("two")), name="user")
    idle = flow.node(lambda ev, ctx: None, name="idle")
    user >> flow.node(lambda ev: got.append(ev), name="sink")
    flow.websocket("/").message >> [user, idle]
    await flow.client("/").send("x")
    assert got == ["user: one", "user: two"]
    assert made == ["user"]


async def test_an_unknown_attribute_names_the_helpers(flow: Flow) -> None:
    flow.node(lambda: None, name="t", setup=lambda ctx: ctx.add_helper("greet", lambda ctx: 1))
    flow.websocket("/").message >> flow.node(lambda ev, ctx: ctx.gret, name="n")
    await flow.client("/").send("x")
    (error,) = flow.log.frame(kind="error")["error"]
    assert "ctx has no 'gret'; helpers of this flow: greet" in error


@pytest.mark.parametrize("name", ["route", "session", "emit", "_hidden", "not a name", "", "node"])
async def test_a_helper_can_not_take_a_name_of_ctx(flow: Flow, name: str) -> None:
    flow.node(lambda: None, name="t", setup=lambda ctx: ctx.add_helper(name, lambda ctx: 1))
    with pytest.raises(SetupError, match="a helper can not be named"):
        await flow.start()


async def test_two_nodes_can_not_add_one_helper(flow: Flow) -> None:
    for name in ("one", "two"):
        flow.node(lambda: None, name=name, setup=lambda ctx: ctx.add_helper("x", lambda ctx: 1))
    with pytest.raises(SetupError, match="helper 'x' was added by node 'one' already"):
        await flow.start()


async def test_a_helper_is_there_after_a_second_start_and_gone_with_its_setup(flow: Flow) -> None:
    tools = flow.node(lambda: None, name="tools")
    tools.setup(lambda ctx: ctx.add_helper("x", lambda ctx: 1))
    got: list[bool] = []
    flow.websocket("/").message >> flow.node(
        lambda ev, ctx: got.append(hasattr(ctx, "x")), name="n"
    )
    for _ in range(2):
        await flow.client("/").send("x")
        await flow.stop()
    tools.setup(lambda ctx: None)
    await flow.client("/").send("x")
    assert got == [True, True, False]


async def test_the_helper_of_a_removed_node_is_gone(flow: Flow) -> None:
    tools = flow.node(lambda: None, name="tools")
    tools.setup(lambda ctx: ctx.add_helper("x", lambda ctx: 1))
    await flow.start()
    flow.remove(tools)
    assert not await seen_by(flow, lambda ctx: hasattr(ctx, "x"))


# ---- the logger


async def test_lines_of_the_logger_are_rows_of_the_log(flow: Flow) -> None:
    await seen_by(flow, lambda ctx: ctx.log.warning("only %d left", 3))
    row = flow.log.tail(1)[0]
    assert (row.kind, row.node, row.data) == ("mark", "n", "WARNING only 3 left")


async def test_a_line_of_the_logger_names_its_node_when_that_has_a_dot(flow: Flow) -> None:
    flow.websocket("/").message >> flow.node(lambda ev, ctx: ctx.log.info("hi"), name="v1.parse")
    await flow.client("/").send("x")
    assert flow.log.tail(1)[0].node == "v1.parse"


async def test_lines_below_info_are_no_rows(flow: Flow) -> None:
    await seen_by(flow, lambda ctx: ctx.log.debug("details"))
    assert flow.log.tail(1)[0].kind == "message"


async def test_lines_of_the_logger_reach_pythons_logging_too(
    flow: Flow, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        await seen_by(flow, lambda ctx: ctx.log.info("hello"))
    assert caplog.record_tuples == [("wsflow.flow.test.n", logging.INFO, "hello")]


async def test_two_flows_of_one_name_keep_their_lines_apart() -> None:
    first, second = Flow("clone"), Flow("clone")
    await seen_by(first, lambda ctx: ctx.log.info("from the first"))
    assert [row.data for row in first.log.tail() if row.kind == "mark"] == ["INFO from the first"]
    assert len(second.log) == 0
    await first.stop()


async def test_a_flow_whose_name_begins_another_hears_nothing_of_it() -> None:
    outer, inner = Flow("a"), Flow("a.b")
    await seen_by(inner, lambda ctx: ctx.log.info("inner"))
    assert len(outer.log) == 0
    await inner.stop()


def test_a_flow_nobody_holds_is_let_go() -> None:
    gone = weakref.ref(Flow("nobody holds me"))
    gc.collect()
    assert gone() is None
