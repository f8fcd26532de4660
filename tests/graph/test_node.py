"""A node: which functions it can call and how, and its ports by name."""

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from wsflow import Context, Flow, HandlerError, UnknownPortError, WiringError, WsflowError
from wsflow.graph.node import arity, is_async

EV, CTX = "the event", "the context"


class Recorder:
    """Handlers that note what they were called with."""

    def __init__(self) -> None:
        self.got: tuple[Any, ...] = ()

    def both(self, ev: Any, ctx: Any) -> None:
        self.got = (ev, ctx)

    def one(self, ev: Any) -> None:
        self.got = (ev,)

    def none(self) -> None:
        self.got = ("called",)

    def any(self, *args: Any) -> None:
        self.got = args

    def one_and_any(self, ev: Any, *rest: Any) -> None:
        self.got = (ev, *rest)

    def optional_ctx(self, ev: Any, ctx: Any = None) -> None:
        self.got = (ev, ctx)

    def own_default(self, ev: Any, limit: int = 3) -> None:
        self.got = (ev, limit)

    def three_with_default(self, ev: Any, ctx: Any, limit: int = 3) -> None:
        self.got = (ev, ctx, limit)

    def keywords(self, ev: Any, *, limit: int = 3, **more: Any) -> None:
        self.got = (ev, limit, more)

    def only_defaults(self, limit: int = 3) -> None:
        self.got = (limit,)

    def __call__(self, ev: Any, ctx: Any) -> None:
        self.got = (ev, ctx)


# ---- which functions


@pytest.mark.parametrize(
    ("form", "got"),
    [
        ("both", (EV, CTX)),
        ("one", (EV,)),
        ("none", ("called",)),
        ("any", (EV, CTX)),
        ("one_and_any", (EV, CTX)),
        ("optional_ctx", (EV, CTX)),
        ("own_default", (EV, 3)),
        ("three_with_default", (EV, CTX, 3)),
        ("keywords", (EV, 3, {})),
        ("only_defaults", (3,)),
        ("__call__", (EV, CTX)),
    ],
)
def test_a_handler_gets_as_much_as_it_asks_for(flow: Flow, form: str, got: tuple[Any, ...]) -> None:
    recorder = Recorder()
    flow.node(getattr(recorder, form), name="n").call(EV, CTX)
    assert recorder.got == got


def test_an_object_that_can_be_called_is_a_handler(flow: Flow) -> None:
    recorder = Recorder()
    flow.node(recorder, name="n").call(EV, CTX)
    assert recorder.got == (EV, CTX)


def test_a_partial_is_called_with_what_is_left(flow: Flow) -> None:
    got: list[Any] = []
    handler = functools.partial(lambda greeting, ev: got.append((greeting, ev)), "hello")
    flow.node(handler, name="n").call(EV, CTX)
    assert got == [("hello", EV)]


def test_a_partial_with_a_keyword_is_called_without_it(flow: Flow) -> None:
    got: list[Any] = []
    handler = functools.partial(lambda ev, limit: got.append((ev, limit)), limit=3)
    flow.node(handler, name="n").call(EV, CTX)
    assert got == [(EV, 3)]


def test_a_built_in_gets_the_event(flow: Flow) -> None:
    got: list[Any] = []
    flow.node(got.append).call(EV, CTX)
    assert got == [EV]


def test_a_built_in_that_does_not_tell_its_parameters_gets_the_event(flow: Flow) -> None:
    assert flow.node(max, name="n").call([1, 3, 2], CTX) == 3


def test_static_and_class_methods_are_handlers(flow: Flow) -> None:
    class Tools:
        @staticmethod
        def alone(ev: Any) -> Any:
            return ev

        @classmethod
        def with_class(cls, ev: Any, ctx: Any) -> Any:
            return cls.__name__, ev

    assert flow.node(Tools.alone).call(EV, CTX) == EV
    assert flow.node(Tools.with_class).call(EV, CTX) == ("Tools", EV)


def test_a_handler_of_two_arguments_is_called_without_a_wrapper(flow: Flow) -> None:
    def handler(ev: Any, ctx: Context) -> None: ...

    assert flow.node(handler).call is handler


def three(ev: Any, ctx: Any, more: Any) -> None: ...


def keyword(ev: Any, *, key: str) -> None: ...


def defaults_then(ev: Any, ctx: Any, a: Any, b: int = 1) -> None: ...


@pytest.mark.parametrize("function", [three, keyword, defaults_then])
def test_impossible_parameters_are_an_error_that_shows_both_sides(
    flow: Flow, function: Callable[..., None]
) -> None:
    with pytest.raises(HandlerError) as caught:
        flow.node(function, name="n")
    text = str(caught.value)
    assert "handler 'n' has parameters (ev" in text
    assert "a node calls it with (event, ctx), (event) or ()" in text
    assert isinstance(caught.value, TypeError)


def generator(ev: Any) -> Iterator[int]:
    yield 1


async def async_generator(ev: Any) -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("function", [generator, async_generator])
def test_a_generator_is_an_error_that_says_what_to_call_instead(
    flow: Flow, function: Callable[..., Any]
) -> None:
    with pytest.raises(HandlerError, match=r"handler 'n' is a generator; .* ctx\.route\(value\)"):
        flow.node(function, name="n")


@pytest.mark.parametrize("thing", [3, "shout", {"a": 1}])
def test_what_is_no_function_is_an_error(flow: Flow, thing: Any) -> None:
    with pytest.raises(HandlerError, match=rf"handler 'n' must be a function, not {thing!r}"):
        flow.node(thing, name="n")


def test_a_refused_function_leaves_no_node_behind(flow: Flow) -> None:
    with pytest.raises(HandlerError):
        flow.node(three, name="n")
    assert flow.nodes == {}
    assert flow.node(lambda ev: None, name="n").name == "n"


def test_a_lambda_needs_a_name(flow: Flow) -> None:
    with pytest.raises(HandlerError, match=r"no name of its own: flow.node\(..., name="):
        flow.node(lambda: None)
    with pytest.raises(HandlerError, match="no name of its own"):
        flow.node(functools.partial(print))


def test_a_setup_takes_the_context_or_nothing(flow: Flow) -> None:
    with pytest.raises(HandlerError, match=r"setup of 'n' .* calls it with \(ctx\) or \(\)"):
        flow.node(lambda: None, name="n", setup=lambda ev, ctx: None)
    node = flow.node(lambda: None, name="m")
    with pytest.raises(HandlerError, match="setup of 'm' must be a function"):
        node.setup("later")  # type: ignore[arg-type]


@pytest.mark.parametrize(("forms", "most"), [(("(ctx)", "()"), 1), (("(event, ctx)", "()"), 1)])
def test_arity_knows_the_forms_it_was_given(forms: tuple[str, ...], most: int) -> None:
    assert arity(lambda *args: None, "x", forms) == most


def test_async_functions_of_every_form_are_known() -> None:
    async def plain(ev: Any) -> None: ...

    class Caller:
        async def __call__(self, ev: Any) -> None: ...

        async def method(self, ev: Any) -> None: ...

    yes: list[Callable[..., Any]] = [plain, functools.partial(plain, 1), Caller(), Caller().method]
    no: list[Callable[..., Any]] = [lambda ev: plain(ev), print, Recorder(), functools.partial(max)]
    assert [is_async(one) for one in (*yes, *no)] == [True] * 4 + [False] * 4


async def test_an_object_with_an_async_call_is_awaited(flow: Flow) -> None:
    class Answer:
        async def __call__(self, ev: Any, ctx: Context) -> None:
            ctx.emit("response", {"body": "awaited"})

    flow.websocket("/").message >> flow.node(Answer(), name="n")
    client = await flow.client("/")
    await client.send("x")
    assert await client.receive() == "awaited"


async def test_a_changed_function_is_called_from_the_next_event_on(flow: Flow) -> None:
    node = flow.node(lambda ev, ctx: ctx.emit("response", {"body": "old"}), name="n")
    flow.websocket("/").message >> node
    client = await flow.client("/")
    await client.send("x")
    node.define(lambda ev, ctx: ctx.emit("response", {"body": "new"}))
    await client.send("x")
    assert [await client.receive() for _ in range(2)] == ["old", "new"]


def test_a_node_is_still_its_function(flow: Flow) -> None:
    @flow.node
    def double(ev: int) -> int:
        return 2 * ev

    assert double(4) == 8


def test_params_are_copied_and_read_only(flow: Flow) -> None:
    settings = {"limit": 3}
    node = flow.node(lambda: None, name="n", params=settings)
    settings["limit"] = 4
    assert node.params["limit"] == 3
    with pytest.raises(TypeError):
        node.params["limit"] = 5  # type: ignore[index]


# ---- ports


def test_a_node_has_in_and_out_unless_told_otherwise(flow: Flow) -> None:
    node = flow.node(lambda: None, name="n")
    assert (list(node.inputs), list(node.outputs)) == (["in"], ["out"])
    other = flow.node(lambda: None, name="m", inputs=("a", "b"), outputs=())
    assert (list(other.inputs), list(other.outputs)) == (["a", "b"], [])


def test_ports_are_found_by_attribute_and_by_name(flow: Flow) -> None:
    node = flow.node(lambda: None, name="n", outputs=("yes", "not so sure"))
    assert node.yes is node["yes"] is node.output("yes")
    assert node["not so sure"].name == "not so sure"
    assert node["in"] is node.input("in")


def test_a_port_added_twice_is_one_port(flow: Flow) -> None:
    node = flow.node(lambda: None, name="n")
    assert node.add_output("late") is node.add_output("late")
    assert node.add_input("extra") is node["extra"]
    assert (list(node.inputs), list(node.outputs)) == (["in", "extra"], ["out", "late"])


def test_an_input_and_an_output_can_not_share_a_name(flow: Flow) -> None:
    node = flow.node(lambda: None, name="n")
    with pytest.raises(WiringError, match="node 'n' has a port 'in' already"):
        node.add_output("in")
    with pytest.raises(WiringError, match="has a port 'out' already"):
        node.add_input("out")


@pytest.mark.parametrize("name", ["", "a\nb", "\x00", 3, None])
def test_a_port_needs_a_name(flow: Flow, name: Any) -> None:
    node = flow.node(lambda: None, name="n")
    with pytest.raises(WiringError, match="needs a name, not"):
        node.add_output(name)


@pytest.mark.parametrize("side", ["input", "output"])
def test_an_unknown_port_is_an_error_that_names_the_ports(flow: Flow, side: str) -> None:
    node = flow.node(lambda: None, name="n", inputs=("a", "b"), outputs=("c",))
    there_are = {"input": "'a', 'b'", "output": "'c'"}[side]
    with pytest.raises(UnknownPortError) as caught:
        getattr(node, side)("x")
    assert str(caught.value) == f"node 'n' has no {side} port 'x'; its {side} ports: {there_are}"
    assert isinstance(caught.value, LookupError)


def test_an_unknown_port_by_name_is_an_error_that_reads_well(flow: Flow) -> None:
    node = flow.node(lambda: None, name="n")
    with pytest.raises(UnknownPortError) as caught:
        node["x"]
    assert str(caught.value) == "node 'n' has no port 'x'; its ports: 'in', 'out'"


def test_a_node_without_ports_says_so(flow: Flow) -> None:
    node = flow.node(lambda: None, name="n", outputs=())
    with pytest.raises(UnknownPortError, match="its output ports: none"):
        node.output("out")


def test_an_unknown_attribute_names_the_ports(flow: Flow) -> None:
    node = flow.node(lambda: None, name="n", outputs=("yes", "no"))
    with pytest.raises(AttributeError, match=r"node 'n' has no 'maybe'; its ports: in, yes, no"):
        _ = node.maybe
    assert not hasattr(node, "maybe")


async def test_a_renamed_output_keeps_its_wires_its_place_and_its_order(flow: Flow) -> None:
    got: list[str] = []
    node = flow.node(
        lambda ev, ctx: ctx.route("x", "sure"), name="n", outputs=("yes", "no", "maybe")
    )
    node.yes >> flow.node(lambda ev: got.append(ev), name="sink")
    flow.websocket("/").message >> node
    node.rename_port("yes", "sure")
    await flow.client("/").send("x")
    assert got == ["x"]
    assert list(node.outputs) == ["sure", "no", "maybe"]
    assert flow.log.tail(1)[0].port == "sure"


async def test_a_renamed_input_is_what_handlers_see(flow: Flow) -> None:
    got: list[str] = []
    node = flow.node(lambda ev, ctx: got.append(ctx.input), name="n", inputs=("a", "b"))
    flow.websocket("/").message >> node.b
    node.rename_port("b", "entry")
    await flow.client("/").send("x")
    assert got == ["entry"]


def test_a_port_can_not_be_renamed_to_a_taken_or_unknown_name(flow: Flow) -> None:
    node = flow.node(lambda: None, name="n", outputs=("yes", "no"))
    with pytest.raises(WiringError, match="has a port 'no' already"):
        node.rename_port("yes", "no")
    with pytest.raises(WiringError, match="has a port 'in' already"):
        node.rename_port("yes", "in")
    with pytest.raises(UnknownPortError):
        node.rename_port("maybe", "perhaps")


def test_a_removed_port_takes_its_wires_with_it(flow: Flow) -> None:
    first = flow.node(lambda: None, name="first", outputs=("yes", "no"))
    second = flow.node(lambda: None, name="second", inputs=("a", "b"))
    first.yes >> second.a
    first.no >> second.b
    first.remove_port("yes")
    second.remove_port("b")
    assert flow._host.wires == []
    assert (list(first.outputs), list(second.inputs)) == (["no"], ["a"])


def test_reshaped_ports_that_stay_keep_their_wires(flow: Flow) -> None:
    first = flow.node(lambda: None, name="first", outputs=("yes", "no"))
    first.yes >> flow.node(lambda: None, name="a")
    first.no >> flow.node(lambda: None, name="b")
    first.reshape(("in",), ("yes", "new"))
    assert [wire.key for wire in flow._host.wires] == [("first", "yes", "a", "in")]
    assert list(first.outputs) == ["yes", "new"]


def test_the_only_port_stands_for_the_node(flow: Flow) -> None:
    node = flow.node(lambda: None, name="n", inputs=("entry",), outputs=("exit",))
    assert node.default_input().name == "entry"
    assert node.default_output().name == "exit"


def test_with_several_ports_one_must_be_named(flow: Flow) -> None:
    node = flow.node(lambda: None, name="n", inputs=("a", "b"), outputs=("c", "d"))
    with pytest.raises(UnknownPortError, match="its input ports: 'a', 'b'"):
        node.default_input()
    with pytest.raises(UnknownPortError, match="its output ports: 'c', 'd'"):
        node.default_output()


# ---- how it looks


async def test_the_repr_counts_events_and_errors(flow: Flow) -> None:
    node = flow.node(lambda ev, ctx: ctx.route(ev), name="n")
    flow.websocket("/").message >> node >> flow.node(lambda: 1 / 0, name="boom")
    await flow.client("/").send("x")
    assert repr(node) == "<Node n in=1 out=1>"
    assert repr(flow.nodes["boom"]) == "<Node boom in=1 out=0 errors=1>"


def test_a_handler_whose_one_parameter_is_ctx_is_told_of_the_event(flow: Flow) -> None:
    with pytest.raises(HandlerError, match=r"write \(event, ctx\)"):
        flow.node(lambda ctx: None, name="n")
    assert flow.nodes == {}


def test_one_function_wired_twice_is_one_node(flow: Flow) -> None:
    def both(ev: object) -> None: ...

    a, b = flow.node(lambda: None, name="a"), flow.node(lambda: None, name="b")
    assert (a >> both) is (b >> both)
    assert set(flow.nodes) == {"a", "b", "both"}


def test_a_name_in_the_place_of_the_function_is_told(flow: Flow) -> None:
    decorate: Any = flow.node
    with pytest.raises(HandlerError, match=r"takes a function, not 'shout': @flow.node, or"):
        decorate("shout")


def test_an_unknown_port_is_an_error_of_wsflow_and_no_attribute(flow: Flow) -> None:
    chat = flow.websocket("/chat")
    assert not hasattr(chat, "mesage")
    with pytest.raises(WsflowError, match="has no 'mesage'; its ports: req, message, close"):
        _ = chat.mesage
