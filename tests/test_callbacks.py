"""Promises P4, P32: whatever a user gives us to call may raise anything (found A1, A2, A12).

The first test finds each public function that takes a callback by its annotations, and fails on one
that is neither thrown at below nor excused.
"""

import asyncio
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

import wsflow
from tests.graph.conftest import errors
from tests.process.turns import turns
from wsflow import Client, Context, Flow, ManualClock, SetupError
from wsflow.graph.state import State
from wsflow.log.log import Log
from wsflow.testing import assert_replies


class NumberTextError(Exception):
    def __str__(self) -> str:
        return 7  # type: ignore[return-value]


class NoTextError(Exception):
    def __str__(self) -> str:
        raise SystemExit("out of a __str__")

    __repr__ = __str__


class Bare(BaseException):
    pass


class SurrogateError(Exception):
    def __str__(self) -> str:
        return "\ud800"


class NoAttributesError(Exception):
    """Even its `__class__` can not be asked for."""

    def __getattribute__(self, name: str) -> Any:
        raise KeyboardInterrupt(name)


FAULTS: list[type[BaseException]] = [
    *(NumberTextError, NoTextError, Bare, SurrogateError),
    *(SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit),
]

Burst = Callable[..., Any]
Scenario = Callable[[Flow, Burst], Awaitable[object]]
SCENARIOS: dict[str, Scenario] = {}
FENCED: dict[str, Scenario] = {}
"""The public functions that take a callback, and what throws at it."""


def throws(*takers: str) -> Callable[[Scenario], Scenario]:
    def note(scenario: Scenario) -> Scenario:
        SCENARIOS[scenario.__name__] = scenario
        FENCED.update(dict.fromkeys(takers, scenario))
        return scenario

    return note


async def ask(flow: Flow) -> Client:
    """Have a client send something on a route that is made for the scenario."""
    client = await flow.client("/scenario")
    await client.send("x")
    return client


def asked(flow: Flow, function: Any) -> None:
    flow.websocket("/scenario", name="scenario").message >> flow.node(function, name="asked")


@throws("Declarations.node(function)")
async def plain_handler(flow: Flow, burst: Burst) -> None:
    asked(flow, burst)
    await ask(flow)


@throws("Node.define(function)")
async def async_handler(flow: Flow, burst: Burst) -> None:
    async def later() -> None:
        await asyncio.sleep(0)
        burst()

    node = flow.node(lambda: None, name="asked")
    node.define(later)
    flow.websocket("/scenario", name="scenario").message >> node
    await ask(flow)


@throws()
async def awaitable_of_a_plain_handler(flow: Flow, burst: Burst) -> None:
    async def later() -> None:
        burst()

    asked(flow, lambda: later())
    await ask(flow)


@throws()
async def close_handler(flow: Flow, burst: Burst) -> None:
    flow.websocket("/scenario").close >> flow.node(burst, name="asked")
    await (await ask(flow)).close()


@throws()
async def task_of_a_handler(flow: Flow, burst: Burst) -> None:
    """Found A12: asyncio lets SystemExit of a child out of the loop."""

    async def child() -> None:
        burst()

    async def parent() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(child())
            await asyncio.sleep(0)
        burst()  # a cancelled child is no error of its group

    asked(flow, parent)
    await ask(flow)


@throws("Context.once(callback)")
async def once(flow: Flow, burst: Burst) -> None:
    def wait(ev: Any, ctx: Context) -> None:
        ctx.once("now", burst)
        ctx.emit("now")

    asked(flow, wait)
    await ask(flow)


@throws()
async def async_once(flow: Flow, burst: Burst) -> None:
    async def later() -> None:
        burst()

    def wait(ev: Any, ctx: Context) -> None:
        ctx.once("now", later)
        ctx.emit("now")

    asked(flow, wait)
    await ask(flow)


@throws("NodeContext.add_helper(factory)")
async def helper(flow: Flow, burst: Burst) -> None:
    node = flow.node(lambda ev, ctx: ctx.thing, name="asked")
    node.setup(lambda ctx: ctx.add_helper("thing", burst))
    flow.websocket("/scenario").message >> node
    await turns(20)
    await ask(flow)


@throws("Declarations.node(setup)", "Node.define(setup)", "Node.setup(function)")
async def setup_while_it_runs(flow: Flow, burst: Burst) -> None:
    flow.node(lambda: None, name="asked", setup=burst)
    await flow.log.until(kind="error")


@throws("NodeEvents.on(callback)")
async def lifecycle(flow: Flow, burst: Burst) -> None:
    flow.node(lambda: None, name="asked", setup=lambda ctx: ctx.events.on("pause", burst))
    await turns(20)
    flow.pause()
    flow.resume()


@throws("Session.when_closed(forget)", "SessionView.when_closed(forget)")
async def when_closed(flow: Flow, burst: Burst) -> None:
    told: list[str] = []

    def wait(ev: Any, ctx: Context) -> None:
        assert ctx.session is not None
        ctx.session.when_closed(burst)
        ctx.session.when_closed(lambda: told.append("the next one"))

    asked(flow, wait)
    flow.nodes["scenario"].close >> flow.node(lambda: told.append("close"), name="bye")
    await (await ask(flow)).close()
    assert told == ["the next one", "close"]


@throws("Serving.freeze(match)")
async def freeze_match(flow: Flow, burst: Burst) -> None:
    trigger = flow.websocket("/scenario")
    flow.freeze(trigger.message, match=burst)
    await ask(flow)


@throws("Serving.freeze(on_held)")
async def freeze_on_held(flow: Flow, burst: Burst) -> None:
    trigger = flow.websocket("/scenario")
    freeze = flow.freeze(trigger.message, on_held=burst)
    await ask(flow)
    freeze.release()


@throws()
async def timer(flow: Flow, burst: Burst) -> None:
    """Found A2: the server stopped at the first tick."""
    tick = flow.timer(0.001)
    done: list[int] = []

    def once_only() -> None:
        done.append(1)
        if len(done) == 1:
            burst()

    tick >> flow.node(once_only, name="asked")
    await flow.log.until(kind="error")
    flow.remove(tick)


@throws("Clock.call_later(action)")
async def alarm(flow: Flow, burst: Burst) -> None:
    flow._host.clock.call_later(0.001, burst)
    await flow.log.until(kind="error")


@throws("Log.watch(watcher)")
async def log_watcher(flow: Flow, burst: Burst) -> None:
    asked(flow, lambda: None)
    stop = flow.log.watch(burst)
    await ask(flow)
    stop()


@throws()
async def inject(flow: Flow, burst: Burst) -> None:
    push = flow.inject()
    push >> flow.node(burst, name="asked")
    push()


@throws()
async def posted_by_a_button(flow: Flow, burst: Burst) -> None:
    flow._host.post(burst)
    await flow.log.until(kind="error")


UNFIT = {"Trigger.define(function)", "Trigger.setup(function)", "Debounce.setup(function)"}
"""These refuse every function."""

OURS = {"Freeze.ring_in(action)", "RequestTrigger.requested(left)"}
"""What is called there is never a user's."""


def _callback_takers() -> set[str]:
    """Return `Class.method(parameter)` of all a user can come by that takes a function."""
    classes: dict[str, Any] = {}
    kinds = {"Callable"}
    for info in pkgutil.walk_packages(wsflow.__path__, "wsflow."):
        if info.name.startswith(("wsflow.cli", "wsflow.__main__")):
            continue
        module = importlib.import_module(info.name)
        for name, value in list(vars(module).items()):
            if inspect.isclass(value) and value.__module__ == module.__name__:
                classes[name] = value
            if name.isidentifier() and name[0].isupper() and "Callable" in str(value)[:200]:
                kinds.add(name)
    todo = [getattr(wsflow, name) for name in wsflow.__all__ if name != "__version__"]
    todo += [wsflow.testing.connect, wsflow.testing.assert_replies, Log, State]
    seen, found = set(), set()
    while todo:
        if (one := todo.pop()) in seen:
            continue
        seen.add(one)
        members = {one.__name__: one} if not inspect.isclass(one) else {}
        for kind in one.__mro__ if inspect.isclass(one) else ():
            if kind.__module__.startswith("wsflow") and not kind.__name__.startswith("_"):
                members |= {f"{kind.__name__}.{name}": value for name, value in vars(kind).items()}
        for label, member in members.items():
            if label.partition(".")[2].startswith("_"):
                continue
            function = getattr(member, "fget", None) or getattr(member, "__func__", member)
            for name, annotation in getattr(function, "__annotations__", {}).items():
                words = set(re.findall(r"\w+", str(annotation)))
                if name == "return":
                    todo += [classes[word] for word in words if word in classes]
                elif words & kinds:
                    found.add(f"{label}({name})")
    return found


def test_p4_every_public_function_that_takes_a_callback_is_thrown_at() -> None:
    found = _callback_takers()
    assert len(found) > 12
    assert found == {*FENCED, *UNFIT, *OURS}


@pytest.fixture
async def busy() -> AsyncIterator[tuple[Flow, list[Client]]]:
    """A flow that runs, and others who are served by it."""
    flow = Flow("fenced", log_rows=10_000)

    @flow.node
    def echo(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": ev["message"]})

    flow.websocket("/").message >> echo
    others = [await flow.client("/") for _ in range(20)]
    yield flow, others
    await flow.stop()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
async def test_p4_anything_raised_by_any_road_costs_one_row(
    scenario: Scenario, fault: type[BaseException], busy: tuple[Flow, list[Client]]
) -> None:
    flow, others = busy

    def burst(*_: Any) -> None:
        raise fault

    with anyio.fail_after(30):
        await scenario(flow, burst)
        await turns(20)
        for other in others:
            await other.send("still here")
            assert await other.receive() == "still here"
    assert len(errors(flow)) == 1
    assert flow.running
    flow.log.frame().to_csv()  # every row of it can be written down


@pytest.mark.parametrize("kind", ["plain", "async"])
async def test_p4_an_error_of_which_nothing_can_be_asked_costs_one_row(
    busy: tuple[Flow, list[Client]], kind: str
) -> None:
    """Within a TaskGroup it is beyond reach: asyncio itself asks for its class."""
    flow, others = busy

    async def bursts() -> None:
        raise NoAttributesError

    def burst() -> None:
        raise NoAttributesError

    asked(flow, burst if kind == "plain" else bursts)
    await ask(flow)
    await flow.log.until(kind="error")
    (row,) = (row for row in flow.log.tail(1_000) if row.kind == "error")
    assert str(row.error).startswith("NoAttributesError")
    for other in others:
        await other.send("still here")
        assert await other.receive() == "still here"


@pytest.mark.parametrize("fault", FAULTS)
async def test_p4_a_setup_that_raises_anything_is_a_setup_error(
    fault: type[BaseException],
) -> None:
    def burst() -> None:
        raise fault

    flow = Flow("unset")
    flow.node(lambda: None, name="n", setup=burst)
    with pytest.raises(SetupError, match=f"setup of node 'n' failed: {fault.__name__}"):
        await flow.start()
    assert not flow.running


@pytest.mark.parametrize("fault", FAULTS)
async def test_p4_errors_behind_catch_cost_a_row_each(fault: type[BaseException]) -> None:
    def burst() -> None:
        raise fault

    flow, seen = Flow("caught"), list[Any]()

    def apologise(ev: Any) -> None:
        seen.append(ev)
        raise fault

    flow.websocket("/").message >> flow.node(burst, name="burst")
    flow.catch() >> flow.node(apologise, name="apologise")
    await (await flow.client("/")).send("x")
    await flow.log.until(kind="error", count=2)
    assert len(errors(flow)) == 2
    assert (seen[0]["type"], seen[0]["node"]) == (fault.__name__, "burst")
    assert all(isinstance(seen[0][key], str) for key in ("error", "type", "traceback"))
    await flow.stop()


@pytest.mark.parametrize("fault", FAULTS)
async def test_p4_in_a_replay_too(fault: type[BaseException], tmp_path: Path) -> None:
    flow, armed = Flow("played"), False

    def burst() -> None:
        if armed:
            raise fault

    async def later() -> None:
        await asyncio.sleep(0)
        burst()

    @flow.node
    def echo(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": ev["message"]})

    chat = flow.websocket("/")
    chat.message >> [flow.node(burst, name="burst"), flow.node(later, name="later"), echo]
    with flow.record("anything", folder=tmp_path):
        client = await flow.client("/")
        await client.send("x")
        await client.send("y")
        assert [await client.receive(), await client.receive()] == ["x", "y"]
        await client.close()
    armed = True
    report = await flow.replay("anything", folder=tmp_path)
    assert "2 same" in report.summary
    assert len(report.errors) == 2
    assert fault.__name__ in report.errors[0]
    await flow.stop()


@pytest.mark.parametrize("fault", FAULTS)
async def test_p4_in_the_check_of_an_exercise_too(
    fault: type[BaseException], tmp_path: Path
) -> None:
    def flow_of(name: str, answer: Any) -> Flow:
        flow = Flow(name)
        flow.websocket("/").message >> flow.node(answer, name="answer")
        return flow

    def right(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": "right"})

    def wrong(ev: Any, ctx: Context) -> None:
        raise fault

    model = flow_of("model", right)
    with model.record("lesson", folder=tmp_path):
        await assert_replies(model, "/", sends=["x"], expects=["right"])
    exercise = wsflow.make_exercise(
        tmp_path / "lesson.jsonl", "one", title="One", task="Do.", folder=tmp_path
    )
    verdict = await asyncio.to_thread(exercise.check, flow_of("learner", wrong))
    assert not verdict.ok
    assert fault.__name__ in repr(verdict)
    assert exercise.check(flow_of("solved", right)).ok


async def test_an_alarm_that_raises_keeps_none_of_the_others_from_going_off() -> None:
    clock, rung = ManualClock(), asyncio.Event()
    flow = Flow("alarms", clock=clock)
    await flow.start()
    clock.call_later(0.0, lambda: sys.exit(1))
    clock.call_later(0.0, rung.set)
    await flow.log.until(kind="error")
    with anyio.fail_after(20):
        await rung.wait()
    await flow.stop()


# ---- P32: a task of its own


async def test_p32_a_newer_message_may_cancel_the_answer_to_the_former() -> None:
    """Found A1: handlers shared tasks, so a stranger's answer was cancelled, or the server."""
    flow, running = Flow("chat"), dict[str, Any]()

    @flow.node
    async def answer(ev: Any, ctx: Context) -> None:
        who, mine = ev["sessionId"], asyncio.current_task()
        if who in running:
            running[who].cancel()
        running[who] = mine
        for word in ("one", "two", "three"):
            await asyncio.sleep(0)
            ctx.emit("response", {"body": f"{ev['message']} {word}"})

    flow.websocket("/").message >> answer
    clients = [await flow.client("/") for _ in range(10)]
    with anyio.fail_after(60):
        for turn in range(5):
            for client in clients:
                await client.send(f"{turn}")
            for client in clients[::2]:
                await client.send(f"newer {turn}")
            for number, client in enumerate(clients):
                last = f"{'newer ' if number % 2 == 0 else ''}{turn}"
                while (said := await client.receive()) != f"{last} three":
                    assert str(said).startswith((last, f"{turn}"))
    assert errors(flow) == []
    assert flow.running
    await flow.stop()


async def test_p32_to_be_cancelled_is_a_mark_and_what_was_cancelled_elsewhere_an_error() -> None:
    flow, mine = Flow("cancelled"), list[Any]()
    caught: list[Any] = []
    flow.catch() >> flow.node(lambda ev: caught.append(ev["node"]), name="caught")

    @flow.node
    async def waits() -> None:
        mine.append(asyncio.current_task())
        await asyncio.sleep(3600)

    @flow.node
    async def awaits() -> None:
        other = asyncio.ensure_future(asyncio.sleep(3600))
        other.cancel()
        await other

    flow.websocket("/").message >> [waits, awaits]
    client = await flow.client("/")
    await client.send("x")
    await flow.log.until(kind="error")
    mine[0].cancel()
    mark = await flow.log.until(kind="mark")
    assert client.session is not None
    assert (mark.node, mark.data, mark.session) == ("waits", "cancelled", client.session.id)
    await turns(10)
    assert caught == ["awaits"]
    assert [text.partition(":")[0] for text in errors(flow)] == ["CancelledError"]
    assert client.session.inflight == 0
    await flow.stop()


async def test_p32_whoever_cancels_all_tasks_of_handlers_stops_no_session() -> None:
    flow, seen = Flow("all"), list[Any]()

    @flow.node
    async def waits(ev: Any, ctx: Context) -> None:
        seen.append(asyncio.current_task())
        await asyncio.sleep(3600)

    @flow.node
    def echo(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": ev["message"]})

    flow.websocket("/").message >> [waits, echo]
    client = await flow.client("/")
    for number in range(250):  # more than may be in flight: they are read on as others end
        await client.send(str(number))
        assert await client.receive() == str(number)
        if number % 50 == 49:
            assert client.session is not None
            client.session.receive("the task of this one has not begun", 1)
            for task in asyncio.all_tasks():
                if task.get_name() == "waits":
                    task.cancel()
            assert await client.receive() == "the task of this one has not begun"
    await flow.stop()


async def test_an_error_in_clean_up_while_the_flow_stops_is_a_row_too() -> None:
    flow = Flow("stopping")

    @flow.node
    async def waits() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise ValueError("not closed")

    flow.websocket("/").message >> waits
    await (await flow.client("/")).send("x")
    await turns(5)
    await flow.stop()
    assert [text[:22] for text in errors(flow)] == ["ValueError: not closed"]


def test_a12_the_loop_s_task_factory_is_its_own_again_when_the_last_flow_has_stopped() -> None:
    async def main() -> list[Any]:
        loop, found = asyncio.get_running_loop(), list[Any]()
        first, second = Flow("first"), Flow("second")
        for step in (first.start, second.start, first.stop, second.stop):
            await step()
            found.append(loop.get_task_factory() is None)
        return found

    assert asyncio.run(main()) == [False, False, False, True]
