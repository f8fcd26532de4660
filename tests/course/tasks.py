"""The ten exercises of the course: what is asked, a right solution, and what goes wrong usually.

`python -m tests.course.tasks` plays the right solutions and writes `wsflow/course/exercises/` and the notebook with
the tasks; the tests hold solutions and mistakes against what was written.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from inspect import cleandoc
from pathlib import Path
from typing import Any, TypeAlias

import anyio

from wsflow import Context, Flow, Recording, make_exercise
from wsflow.course.exercise import SHIPPED

Event: TypeAlias = Any
Build: TypeAlias = Callable[[Flow], None]
Play: TypeAlias = Callable[[Flow], Awaitable[None]]

PAUSE = 0.02
"""Seconds between two things that happen."""


@dataclass(frozen=True)
class Mistake:
    """A typical wrong solution, and what the verdict says about it."""

    build: Build
    told: str


@dataclass(frozen=True)
class Task:
    """An exercise before it is one."""

    name: str
    title: str
    task: str
    hints: tuple[str, ...]
    starter: str
    solution: Build
    play: Play
    mistakes: tuple[Mistake, ...]
    rules: dict[str, Any] = field(default_factory=dict)


async def heard(client: Any, count: int = 1) -> None:
    """Wait for answers, then a little."""
    for _ in range(count):
        await client.receive(timeout=5)
    await anyio.sleep(PAUSE)


async def said(client: Any, *messages: Any) -> None:
    """Send, each a little after the other."""
    for message in messages:
        await (
            client.send(message) if isinstance(message, str | bytes) else client.send_json(message)
        )
        await anyio.sleep(PAUSE)


def answers(ctx: Context, body: Any) -> None:
    ctx.emit("response", {"body": body})


# ---- 01 echo


def echo(flow: Flow) -> None:
    @flow.node
    def back(ev: Event, ctx: Context) -> None:
        answers(ctx, ev["message"])

    flow.websocket("/echo").message >> back


def echo_returns(flow: Flow) -> None:
    @flow.node
    def back(ev: Event, ctx: Context) -> Any:
        return ev["message"]

    flow.websocket("/echo").message >> back


def echo_not_wired(flow: Flow) -> None:
    @flow.node
    def back(ev: Event, ctx: Context) -> None:
        answers(ctx, ev["message"])

    flow.websocket("/echo")


def echo_elsewhere(flow: Flow) -> None:
    @flow.node
    def back(ev: Event, ctx: Context) -> None:
        answers(ctx, ev["message"])

    flow.websocket("/").message >> back


def echo_whole_event(flow: Flow) -> None:
    @flow.node
    def back(ev: Event, ctx: Context) -> None:
        answers(ctx, ev)

    flow.websocket("/echo").message >> back


async def play_echo(flow: Flow) -> None:
    async with flow.client("/echo?name=ada") as ada:
        await said(ada, "hello")
        await heard(ada)
        await said(ada, b"\x00\xff")
        await heard(ada)
        await said(ada, "")
        await heard(ada)


# ---- 02 greet


def greet(flow: Flow) -> None:
    @flow.node
    def hello(ev: Event, ctx: Context) -> None:
        answers(ctx, f"welcome, {ev['params']['name']}")

    flow.websocket("/door/{name}").req >> hello


def greet_on_message(flow: Flow) -> None:
    @flow.node
    def hello(ev: Event, ctx: Context) -> None:
        answers(ctx, f"welcome, {ev['params']['name']}")

    flow.websocket("/door/{name}").message >> hello


def greet_both(flow: Flow) -> None:
    @flow.node
    def hello(ev: Event, ctx: Context) -> None:
        answers(ctx, f"welcome, {ev['params']['name']}")

    door = flow.websocket("/door/{name}")
    door.req >> hello
    door.message >> hello


def greet_wrong_key(flow: Flow) -> None:
    @flow.node
    def hello(ev: Event, ctx: Context) -> None:
        answers(ctx, f"welcome, {ev['name']}")

    flow.websocket("/door/{name}").req >> hello


async def play_greet(flow: Flow) -> None:
    async with flow.client("/door/ada") as ada:
        await heard(ada)
        async with flow.client("/door/ben") as ben:
            await heard(ben)
            await said(ben, "thank you")


# ---- 03 sums in JSON


def sums(flow: Flow, dumps: Callable[[Any], Any] = lambda value: value) -> None:
    @flow.node
    def add(ev: Event, ctx: Context) -> None:
        try:
            asked = json.loads(ev["message"])
            total = asked["a"] + asked["b"]
        except (ValueError, KeyError, TypeError):
            answers(ctx, dumps({"error": "send JSON with the numbers a and b"}))
        else:
            answers(ctx, dumps({"sum": total}))

    flow.websocket("/sums").message >> add


def sums_as_repr(flow: Flow) -> None:
    sums(flow, str)


def sums_without_care(flow: Flow) -> None:
    @flow.node
    def add(ev: Event, ctx: Context) -> None:
        asked = json.loads(ev["message"])
        answers(ctx, {"sum": asked["a"] + asked["b"]})

    flow.websocket("/sums").message >> add


def sums_of_text(flow: Flow) -> None:
    @flow.node
    def add(ev: Event, ctx: Context) -> None:
        try:
            asked = json.loads(ev["message"])
            total = str(asked["a"]) + str(asked["b"])
        except (ValueError, KeyError, TypeError):
            answers(ctx, {"error": "send JSON with the numbers a and b"})
        else:
            answers(ctx, {"sum": total})

    flow.websocket("/sums").message >> add


async def play_sums(flow: Flow) -> None:
    async with flow.client("/sums?name=ada") as ada:
        for message in ({"a": 2, "b": 3}, "two and three", {"a": 2}, {"a": -1, "b": 0.5}):
            await said(ada, message)
            await heard(ada)


# ---- 04 a sorter with ports


def sorter(flow: Flow) -> None:
    @flow.node(outputs=("loud", "quiet"))
    def sort(ev: Event, ctx: Context) -> None:
        how, _, text = ev["message"].partition(" ")
        if how in {"loud", "quiet"}:
            ctx.route(text, how)
        else:
            answers(ctx, f"loud or quiet, not {how}")

    @flow.node
    def shout(text: str, ctx: Context) -> None:
        answers(ctx, text.upper())

    @flow.node
    def whisper(text: str, ctx: Context) -> None:
        answers(ctx, text.lower())

    flow.websocket("/voice").message >> sort
    sort.loud >> shout
    sort.quiet >> whisper


def sorter_to_both(flow: Flow) -> None:
    sorter(flow)
    sort, shout = flow.nodes["sort"], flow.nodes["shout"]
    sort.quiet >> shout


def sorter_without_end(flow: Flow) -> None:
    sorter(flow)
    flow.disconnect(flow.nodes["sort"].output("quiet"), flow.nodes["whisper"])


def sorter_unknown_port(flow: Flow) -> None:
    @flow.node(outputs=("loud", "quiet"))
    def sort(ev: Event, ctx: Context) -> None:
        how, _, text = ev["message"].partition(" ")
        ctx.route(text, how)

    @flow.node
    def shout(text: str, ctx: Context) -> None:
        answers(ctx, text.upper())

    @flow.node
    def whisper(text: str, ctx: Context) -> None:
        answers(ctx, text.lower())

    flow.websocket("/voice").message >> sort
    sort.loud >> shout
    sort.quiet >> whisper


async def play_sorter(flow: Flow) -> None:
    async with flow.client("/voice?name=ada") as ada:
        for message in ("loud Hello", "quiet Hello", "sing Hello"):
            await said(ada, message)
            await heard(ada)


# ---- 05 a manager by hand


def manager(flow: Flow, forget: bool = True) -> None:
    @flow.node(inputs=("req", "message", "close"))
    def everybody(ev: Event, ctx: Context) -> None:
        there = ctx.state.get("there", {})
        if ctx.input == "req":
            there[ev["sessionId"]] = ctx
        elif ctx.input == "close":
            del there[ev["sessionId"]]
        else:
            for one in there.values():
                answers(one, f"{ev['params']['name']}: {ev['message']}")
        ctx.state.set("there", there)

    chat = flow.websocket("/chat/{name}")
    chat.req >> everybody.req
    chat.message >> everybody.message
    chat.close >> everybody.close


def manager_answers_author(flow: Flow) -> None:
    @flow.node
    def say(ev: Event, ctx: Context) -> None:
        answers(ctx, f"{ev['params']['name']}: {ev['message']}")

    flow.websocket("/chat/{name}").message >> say


def manager_one_for_all(flow: Flow) -> None:
    @flow.node(inputs=("req", "message"))
    def everybody(ev: Event, ctx: Context) -> None:
        there = ctx.state.get("there", [])
        if ctx.input == "req":
            there.append(ev["sessionId"])
        else:
            for _ in there:
                answers(ctx, f"{ev['params']['name']}: {ev['message']}")
        ctx.state.set("there", there)

    chat = flow.websocket("/chat/{name}")
    chat.req >> everybody.req
    chat.message >> everybody.message


def manager_all_but_author(flow: Flow) -> None:
    @flow.node(inputs=("req", "message", "close"))
    def everybody(ev: Event, ctx: Context) -> None:
        there = ctx.state.get("there", {})
        if ctx.input == "req":
            there[ev["sessionId"]] = ctx
        elif ctx.input == "close":
            del there[ev["sessionId"]]
        else:
            for who, one in there.items():
                if who != ev["sessionId"]:
                    answers(one, f"{ev['params']['name']}: {ev['message']}")
        ctx.state.set("there", there)

    chat = flow.websocket("/chat/{name}")
    chat.req >> everybody.req
    chat.message >> everybody.message
    chat.close >> everybody.close


async def play_manager(flow: Flow) -> None:
    async with flow.client("/chat/ada") as ada, flow.client("/chat/ben") as ben:
        await said(ada, "hello")
        await heard(ada)
        await heard(ben)
        async with flow.client("/chat/cleo") as cleo:
            await said(cleo, "hi")
            for one in (ada, ben, cleo):
                await heard(one)
        await said(ben, "bye")
        await heard(ben)
        await heard(ada)


# ---- 06 private messages


def private(flow: Flow) -> None:
    people = flow.connections(name="people")

    @flow.node
    def enter(ev: Event, ctx: Context) -> None:
        people.join(ctx.session, ev["params"]["name"])  # type: ignore[arg-type]

    @flow.node
    def post(ev: Event, ctx: Context) -> None:
        letter = json.loads(ev["message"])
        if letter["to"] in people.groups:
            body = {"from": ev["params"]["name"], "text": letter["text"]}
            people.broadcast(body, group=letter["to"])
        else:
            answers(ctx, {"error": f"{letter['to']} is not here"})

    chat = flow.websocket("/post/{name}")
    chat.req >> [people.req, enter]
    chat.close >> people.close
    chat.message >> post


def private_to_author(flow: Flow) -> None:
    @flow.node
    def post(ev: Event, ctx: Context) -> None:
        letter = json.loads(ev["message"])
        if letter["to"] == "nobody":
            answers(ctx, {"error": "nobody is not here"})
        else:
            answers(ctx, {"from": ev["params"]["name"], "text": letter["text"]})

    flow.websocket("/post/{name}").message >> post


def private_to_all(flow: Flow) -> None:
    people = flow.connections(name="people")

    @flow.node
    def post(ev: Event, ctx: Context) -> None:
        letter = json.loads(ev["message"])
        people.broadcast({"from": ev["params"]["name"], "text": letter["text"]})

    chat = flow.websocket("/post/{name}")
    chat.req >> people.req
    chat.close >> people.close
    chat.message >> post


def private_without_error(flow: Flow) -> None:
    private(flow)
    people: Any = flow.nodes["people"]
    flow.remove(flow.nodes["post"])

    @flow.node(name="post")
    def post(ev: Event, ctx: Context) -> None:
        letter = json.loads(ev["message"])
        body = {"from": ev["params"]["name"], "text": letter["text"]}
        people.broadcast(body, group=letter["to"])

    flow.nodes["/post/{name}"].message >> post


async def play_private(flow: Flow) -> None:
    async with flow.client("/post/ada") as ada, flow.client("/post/ben") as ben:
        await said(ada, {"to": "ben", "text": "a secret"})
        await heard(ben)
        await said(ben, {"to": "ada", "text": "I keep it"})
        await heard(ada)
        await said(ada, {"to": "nobody", "text": "hello?"})
        await heard(ada)


# ---- 07 answers that cross


def crossing(flow: Flow) -> None:
    @flow.node
    async def think(ev: Event, ctx: Context) -> None:
        await asyncio.sleep(float(ev["message"]))
        ctx.route(f"{ev['message']} s later")

    @flow.node
    def reply(text: str, ctx: Context) -> None:
        answers(ctx, text)

    flow.websocket("/think").message >> think >> reply


def crossing_with_a_global(flow: Flow) -> None:
    current: dict[str, Context] = {}

    @flow.node
    async def think(ev: Event, ctx: Context) -> None:
        current["client"] = ctx
        await asyncio.sleep(float(ev["message"]))
        ctx.route(f"{ev['message']} s later")

    @flow.node
    def reply(text: str, ctx: Context) -> None:
        answers(current["client"], text)

    flow.websocket("/think").message >> think >> reply


def crossing_never_awaited(flow: Flow) -> None:
    @flow.node
    def think(ev: Event, ctx: Context) -> None:
        answers(ctx, f"{ev['message']} s later")

    flow.websocket("/think").message >> think


def crossing_blocking(flow: Flow) -> None:
    @flow.node
    def think(ev: Event, ctx: Context) -> None:
        time.sleep(float(ev["message"]))
        answers(ctx, f"{ev['message']} s later")

    flow.websocket("/think").message >> think


def crossing_one_at_a_time(flow: Flow) -> None:
    lock = asyncio.Lock()

    @flow.node
    async def think(ev: Event, ctx: Context) -> None:
        async with lock:
            await asyncio.sleep(float(ev["message"]))
        answers(ctx, f"{ev['message']} s later")

    flow.websocket("/think").message >> think


async def play_crossing(flow: Flow) -> None:
    async with flow.client("/think?name=ada") as ada, flow.client("/think?name=ben") as ben:
        await said(ada, "0.6")
        await said(ben, "0.1")
        await heard(ben)
        await heard(ada)
        await anyio.sleep(0.3)  # who is late is late, not gone


# ---- 08 rooms


def rooms(flow: Flow) -> None:
    people = flow.connections(name="people")

    @flow.node
    def enter(ev: Event, ctx: Context) -> None:
        people.join(ctx.session, ev["params"]["room"])  # type: ignore[arg-type]

    @flow.node
    def say(ev: Event, ctx: Context) -> None:
        text = f"{ev['query']['name']}: {ev['message']}"
        people.broadcast(text, group=ev["params"]["room"], except_=ctx.session)

    chat = flow.websocket("/rooms/{room}")
    chat.req >> [people.req, enter]
    chat.close >> people.close
    chat.message >> say


def rooms_without_walls(flow: Flow) -> None:
    people = flow.connections(name="people")

    @flow.node
    def say(ev: Event, ctx: Context) -> None:
        people.broadcast(f"{ev['query']['name']}: {ev['message']}", except_=ctx.session)

    chat = flow.websocket("/rooms/{room}")
    chat.req >> people.req
    chat.close >> people.close
    chat.message >> say


def rooms_with_echo(flow: Flow) -> None:
    rooms(flow)
    people: Any = flow.nodes["people"]
    flow.remove(flow.nodes["say"])

    @flow.node(name="say")
    def say(ev: Event, ctx: Context) -> None:
        people.broadcast(f"{ev['query']['name']}: {ev['message']}", group=ev["params"]["room"])

    flow.nodes["/rooms/{room}"].message >> say


def rooms_enter_first(flow: Flow) -> None:
    people = flow.connections(name="people")

    @flow.node
    def enter(ev: Event, ctx: Context) -> None:
        people.join(ctx.session, ev["params"]["room"])  # type: ignore[arg-type]

    @flow.node
    def say(ev: Event, ctx: Context) -> None:
        text = f"{ev['query']['name']}: {ev['message']}"
        people.broadcast(text, group=ev["params"]["room"], except_=ctx.session)

    chat = flow.websocket("/rooms/{room}")
    chat.req >> [enter, people.req]  # the manager does not know the session yet
    chat.close >> people.close
    chat.message >> say


async def play_rooms(flow: Flow) -> None:
    async with (
        flow.client("/rooms/red?name=ada") as ada,
        flow.client("/rooms/red?name=ben") as ben,
        flow.client("/rooms/blue?name=cleo") as cleo,
        flow.client("/rooms/blue?name=dan") as dan,
    ):
        await said(ada, "hello red")
        await heard(ben)
        await said(dan, "hello blue")
        await heard(cleo)
        await said(ben, "hi ada")
        await heard(ada)


# ---- 09 counting


def counting(flow: Flow) -> None:
    @flow.node(inputs=("message", "close"))
    def count(ev: Event, ctx: Context) -> None:
        counts = ctx.state.get("counts", {})
        if ctx.input == "close":
            counts.pop(ev["sessionId"], None)
        else:
            counts[ev["sessionId"]] = counts.get(ev["sessionId"], 0) + 1
            ctx.state.set("all", ctx.state.get("all", 0) + 1)
            answers(ctx, {"yours": counts[ev["sessionId"]], "all": ctx.state.get("all")})
        ctx.state.set("counts", counts)

    desk = flow.websocket("/count")
    desk.message >> count.message
    desk.close >> count.close


def counting_together(flow: Flow) -> None:
    @flow.node
    def count(ev: Event, ctx: Context) -> None:
        total = ctx.state.get("all", 0) + 1
        ctx.state.set("all", total)
        answers(ctx, {"yours": total, "all": total})

    flow.websocket("/count").message >> count


def counting_from_zero(flow: Flow) -> None:
    @flow.node
    def count(ev: Event, ctx: Context) -> None:
        mine = f"count {ev['sessionId']}"
        total, own = ctx.state.get("all", 0), ctx.state.get(mine, 0)
        answers(ctx, {"yours": own, "all": total})
        ctx.state.set("all", total + 1)
        ctx.state.set(mine, own + 1)

    flow.websocket("/count").message >> count


def counting_in_a_local(flow: Flow) -> None:
    @flow.node
    def count(ev: Event, ctx: Context) -> None:
        own = all_ = 0
        own += 1
        all_ += 1
        answers(ctx, {"yours": own, "all": all_})

    flow.websocket("/count").message >> count


async def play_counting(flow: Flow) -> None:
    async with flow.client("/count?name=ada") as ada, flow.client("/count?name=ben") as ben:
        for one in (ada, ben, ada, ada):
            await said(one, "click")
            await heard(one)
    async with flow.client("/count?name=cleo") as cleo:
        await said(cleo, "click")
        await heard(cleo)


# ---- 10 news from elsewhere


def news(flow: Flow) -> None:
    readers = flow.connections(name="readers")
    desk = flow.websocket("/news")
    desk.req >> readers.req
    desk.close >> readers.close

    @flow.node
    def headline(ev: Event, ctx: Context) -> None:
        delivery = readers.broadcast(ev["body"]["text"])
        ctx.emit("response", {"status": 202, "body": {"reached": len(delivery.reached)}})

    flow.http("/push", method="POST") >> headline


def news_to_the_colleague(flow: Flow) -> None:
    flow.websocket("/news")

    @flow.node
    def headline(ev: Event, ctx: Context) -> None:
        answers(ctx, ev["body"]["text"])

    flow.http("/push", method="POST") >> headline


def news_without_receipt(flow: Flow) -> None:
    readers = flow.connections(name="readers")
    desk = flow.websocket("/news")
    desk.req >> readers.req
    desk.close >> readers.close

    @flow.node
    def headline(ev: Event, ctx: Context) -> None:
        readers.broadcast(ev["body"]["text"])
        ctx.emit("response", {"body": {"reached": 0}})

    flow.http("/push", method="POST") >> headline


def news_by_get(flow: Flow) -> None:
    readers = flow.connections(name="readers")
    desk = flow.websocket("/news")
    desk.req >> readers.req
    desk.close >> readers.close

    @flow.node
    def headline(ev: Event, ctx: Context) -> None:
        readers.broadcast(ev["query"].get("text"))

    flow.http("/push") >> headline


async def play_news(flow: Flow) -> None:
    import httpx

    transport = httpx.ASGITransport(app=flow.asgi)
    async with (
        flow.client("/news?name=ada") as ada,
        flow.client("/news?name=ben") as ben,
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as colleague,
    ):
        await ada.connect()
        await ben.connect()
        await anyio.sleep(PAUSE)
        assert (await colleague.post("/push", json={"text": "it rains"})).status_code == 202
        await heard(ada)
        await heard(ben)
        await ben.close()
        await anyio.sleep(PAUSE)
        assert (await colleague.post("/push", json={"text": "it still rains"})).status_code == 202
        await heard(ada)


TASKS = (
    Task(
        "01-echo",
        "An echo",
        "Whatever a client sends to `/echo`, text or bytes, comes back to it unchanged.",
        (
            'A node answers with `ctx.emit("response", {"body": ...})`.',
            'What a client sent is `ev["message"]`, on the port `message` of the trigger.',
            "`echo.message >> back`, and in `back`: "
            '`ctx.emit("response", {"body": ev["message"]})`.',
        ),
        cleandoc(
            """
            flow = Flow("exercise 1")
            echo = flow.websocket("/echo")


            @flow.node
            def back(ev, ctx):
                ...
            """
        ),
        echo,
        play_echo,
        (
            Mistake(echo_returns, "what a node returns goes nowhere"),
            Mistake(echo_not_wired, "Is your node wired to the port of the trigger"),
            Mistake(echo_elsewhere, "does not take"),
            Mistake(echo_whole_event, "was to get 'hello' and got {"),
        ),
    ),
    Task(
        "02-greet",
        "A door that greets",
        "Who connects to `/door/{name}` is greeted at once, before saying a word: `welcome, ada`. "
        "What they say then is not answered.",
        (
            "Which port of the trigger tells that somebody has *connected*?",
            'The name is a parameter of the path: look into `ev["params"]`.',
            "`door.req >> hello`, and the body is `f\"welcome, {ev['params']['name']}\"`.",
        ),
        cleandoc(
            """
            flow = Flow("exercise 2")
            door = flow.websocket("/door/{name}")


            @flow.node
            def hello(ev, ctx):
                ...
            """
        ),
        greet,
        play_greet,
        (
            Mistake(greet_on_message, "When ada connected, ada was to get 'welcome, ada'"),
            Mistake(greet_both, "Ben got 'welcome, ben' when ben sent 'thank you', though nothing"),
            Mistake(greet_wrong_key, "Your node 'hello' raised KeyError: 'name'"),
        ),
    ),
    Task(
        "03-sums",
        "Sums in JSON",
        'A client sends JSON to `/sums`, such as `{"a": 2, "b": 3}`, and gets JSON back: '
        '`{"sum": 5}`. What is no JSON, or lacks a number, is answered '
        '`{"error": "send JSON with the numbers a and b"}`.',
        (
            "A body that is a `dict` is sent as JSON: you need no `json.dumps`.",
            "`json.loads(...)` raises `ValueError` for what is no JSON; a missing key raises `KeyError`.",
            "Wrap the reading into `try: ... except (ValueError, KeyError, TypeError): ...` and "
            "answer in both branches.",
        ),
        cleandoc(
            """
            import json

            flow = Flow("exercise 3")
            sums = flow.websocket("/sums")


            @flow.node
            def add(ev, ctx):
                ...
            """
        ),
        sums,
        play_sums,
        (
            Mistake(sums_as_repr, "That is a dict's repr: give the dict itself as body"),
            Mistake(sums_without_care, "Your node 'add' raised JSONDecodeError"),
            Mistake(sums_of_text, 'was to get {"sum": 5} and got {"sum": "23"}'),
        ),
    ),
    Task(
        "04-sorter",
        "A node with two outputs",
        "`/voice` gets `loud Hello` or `quiet Hello`. Loud texts are answered in capitals, quiet ones in "
        "small letters; anything else with `loud or quiet, not sing`. Sort in a node with the "
        "outputs `loud` and `quiet`, and let two more nodes do the rest.",
        (
            '`@flow.node(outputs=("loud", "quiet"))` gives a node two outputs.',
            '`ctx.route(text, "loud")` sends a text on through the output `loud`.',
            "`sort.loud >> shout` and `sort.quiet >> whisper`; what is neither is answered in `sort` "
            "itself.",
        ),
        cleandoc(
            """
            flow = Flow("exercise 4")
            voice = flow.websocket("/voice")


            @flow.node(outputs=("loud", "quiet"))
            def sort(ev, ctx):
                how, _, text = ev["message"].partition(" ")
                ...
            """
        ),
        sorter,
        play_sorter,
        (
            Mistake(sorter_to_both, "is something wired twice"),
            Mistake(sorter_without_end, "When ada sent 'quiet Hello', ada was to get 'hello'"),
            Mistake(sorter_unknown_port, "Your node 'sort' raised UnknownPortError"),
        ),
    ),
    Task(
        "05-manager",
        "A connection manager by hand",
        "What anybody says in `/chat/{name}` is heard by everybody who is there, the author too: "
        "`ada: hello`. Write it without `flow.connections()`: keep the `ctx` of each `req` in "
        "`ctx.state`, and forget it on `close`.",
        (
            'A node may have several inputs: `@flow.node(inputs=("req", "message", "close"))`; '
            "`ctx.input` tells which one it was.",
            "The `ctx` of a `req` event can answer its client as long as that client is there. Keep "
            'it by `ev["sessionId"]`.',
            "On `message`, walk through what you kept: "
            '`for one in there.values(): one.emit("response", {"body": ...})`.',
        ),
        cleandoc(
            """
            flow = Flow("exercise 5")
            chat = flow.websocket("/chat/{name}")


            @flow.node(inputs=("req", "message", "close"))
            def everybody(ev, ctx):
                there = ctx.state.get("there", {})
                ...
                ctx.state.set("there", there)


            chat.req >> everybody.req
            chat.message >> everybody.message
            chat.close >> everybody.close
            """
        ),
        manager,
        play_manager,
        (
            Mistake(manager_answers_author, "When ada sent 'hello', ben was to get 'ada: hello'"),
            Mistake(manager_one_for_all, "which was meant for ben"),
            Mistake(manager_all_but_author, "When ada sent 'hello', ada was to get 'ada: hello'"),
        ),
        {"any_order": True},
    ),
    Task(
        "06-private",
        "Private messages",
        'In `/post/{name}` a client sends `{"to": "ben", "text": "a secret"}`, and Ben, and nobody '
        'else, gets `{"from": "ada", "text": "a secret"}`. If he is not there, the author gets '
        '`{"error": "ben is not here"}`. Use `flow.connections()`.',
        (
            "A group with one member is a letter box: let everybody join the group of their own name.",
            "`people.join(ctx.session, name)` on `req`, behind `people.req`: "
            "`chat.req >> [people.req, enter]`.",
            '`people.broadcast(body, group=letter["to"])`; `people.groups` tells who is there.',
        ),
        cleandoc(
            """
            import json

            flow = Flow("exercise 6")
            chat = flow.websocket("/post/{name}")
            people = flow.connections(name="people")


            @flow.node
            def post(ev, ctx):
                letter = json.loads(ev["message"])
                ...
            """
        ),
        private,
        play_private,
        (
            Mistake(
                private_to_author,
                'Ada got {"from": "ada", "text": "a secret"}, which was meant for ben',
            ),
            Mistake(private_to_all, "though nothing more was meant for ada"),
            Mistake(private_without_error, 'ada was to get {"error": "nobody is not here"}'),
        ),
    ),
    Task(
        "07-crossing",
        "Answers that cross",
        "A client sends a number of seconds to `/think`, such as `0.5`, and gets `0.5 s later` when so "
        "much time has passed. Others are served meanwhile. Split it: an `async def think` that "
        "waits and routes the text, and a plain node that answers.",
        (
            "`await asyncio.sleep(...)` in an `async def` lets others go on meanwhile.",
            "Each event has a `ctx` of its own. A variable outside the function is shared by all.",
            "`think` routes the text with `ctx.route(...)`; `reply` answers with *its own* `ctx`: it is "
            "in the same scope.",
        ),
        cleandoc(
            """
            import asyncio

            flow = Flow("exercise 7")


            @flow.node
            async def think(ev, ctx):
                ...


            @flow.node
            def reply(text, ctx):
                ...


            flow.websocket("/think").message >> think >> reply
            """
        ),
        crossing,
        play_crossing,
        (
            Mistake(crossing_with_a_global, "which was meant for ada"),
            Mistake(crossing_never_awaited, "too early"),
            Mistake(crossing_blocking, "too early"),
            Mistake(crossing_one_at_a_time, "too late"),
        ),
        {"late": 0.3, "early": 0.05},
    ),
    Task(
        "08-rooms",
        "Rooms",
        "Clients connect to `/rooms/{room}?name=ada`. What one says is heard by the others **in the same "
        "room**, and not by the author: `ada: hello red`.",
        (
            "The manager has groups: `people.join(session, group)`.",
            "The manager must know a session before it can join: mind the order of "
            "`chat.req >> [people.req, enter]`.",
            '`people.broadcast(text, group=ev["params"]["room"], except_=ctx.session)`.',
        ),
        cleandoc(
            """
            flow = Flow("exercise 8")
            chat = flow.websocket("/rooms/{room}")
            people = flow.connections(name="people")


            @flow.node
            def enter(ev, ctx):
                ...


            @flow.node
            def say(ev, ctx):
                ...
            """
        ),
        rooms,
        play_rooms,
        (
            Mistake(rooms_without_walls, "Cleo got 'ada: hello red'"),
            Mistake(rooms_with_echo, "Ada got 'ada: hello red'"),
            Mistake(rooms_enter_first, "Your node 'enter' raised WiringError"),
        ),
        {"any_order": True},
    ),
    Task(
        "09-counting",
        "Counting, each and all",
        "Each message to `/count` is answered with how many *this client* has sent, and how many *all "
        'clients* have: `{"yours": 2, "all": 5}`. Who comes again starts at 1. Use `ctx.state`, not a '
        "global variable.",
        (
            '`ctx.state.get("all", 0)` is 0 the first time; `ctx.state.set("all", ...)` keeps it.',
            '`ev["sessionId"]` tells clients apart: use it in the key.',
            "Count first, then answer. A dict by session in `ctx.state` does it; on `close`, "
            '`counts.pop(ev["sessionId"])` forgets the client.',
        ),
        cleandoc(
            """
            flow = Flow("exercise 9")
            desk = flow.websocket("/count")


            @flow.node
            def count(ev, ctx):
                ...


            desk.message >> count
            """
        ),
        counting,
        play_counting,
        (
            Mistake(counting_together, 'ben was to get {"yours": 1, "all": 2}'),
            Mistake(counting_from_zero, 'got {"yours": 0, "all": 0}'),
            Mistake(counting_in_a_local, 'was to get {"yours": 2, "all": 3}'),
        ),
    ),
    Task(
        "10-news",
        "News from elsewhere",
        "Readers connect to `/news` and listen. A colleague sends `POST /push` with the JSON "
        '`{"text": "it rains"}`: every reader gets the text, and the colleague the status 202 and how '
        'many readers were reached, `{"reached": 2}`.',
        (
            '`flow.http("/push", method="POST")` is a trigger too; `ev["body"]` is its JSON.',
            'In its scope `ctx.emit("response", ...)` answers the *colleague*. Readers are reached '
            "through a manager.",
            "`delivery = readers.broadcast(...)` tells whom it reached: `len(delivery.reached)`.",
        ),
        cleandoc(
            """
            flow = Flow("exercise 10")
            readers = flow.connections(name="readers")
            news = flow.websocket("/news")
            push = flow.http("/push", method="POST", name="push")


            @flow.node
            def headline(ev, ctx):
                ...


            push >> headline
            """
        ),
        news,
        play_news,
        (
            Mistake(
                news_to_the_colleague,
                "The request POST /push got 'it rains', which was meant for ada",
            ),
            Mistake(news_without_receipt, '{"reached": 0}'),
            Mistake(news_by_get, "POST"),
        ),
    ),
)


async def write(task: Task, folder: Path) -> None:
    """Play a right solution, record it, and make the exercise of it."""
    with tempfile.TemporaryDirectory() as scratch:
        flow = Flow(task.name)
        task.solution(flow)
        await flow.start()
        with flow.record(task.name, folder=scratch):
            await task.play(flow)
            await anyio.sleep(PAUSE)
        await flow.stop()
        assert not flow.log.frame(kind="error").size, "a right solution raises nothing"
        make_exercise(
            Recording.open(task.name, folder=scratch),
            task.name,
            title=task.title,
            task=task.task,
            hints=task.hints,
            starter=task.starter,
            rules=task.rules,
            folder=folder,
        ).path.chmod(0o644)


INTRODUCTION = """
# Exercises

Ten flows to build yourself, from an echo to a news desk. Read what is asked, write it where `...` stands,
and run the cell: `wsflow.check` plays a recording of what a right flow answers into yours, and says in
words what is not yet right. Each further try shows one more hint, at most three.

After these exercises you will

- know triggers, nodes, ports and scopes by heart,
- have written a connection manager with your own hands,
- have met the mistakes everybody makes, and know what they look like.

Run the cells with <kbd>Shift</kbd>+<kbd>Enter</kbd>, as often as you like.
"""

CLOSING = """
**A teacher?** `wsflow.make_exercise(recording, ...)` makes an exercise of any recording, and
`wsflow grade folder/` runs the notebooks of a class and tells who solved what.
"""


def notebook() -> dict[str, Any]:
    """Return the notebook of the exercises: what is asked, and a cell to write in."""
    cells = [
        _cell("markdown", INTRODUCTION),
        _cell("code", "import wsflow\nfrom wsflow import Flow"),
    ]
    for task in TASKS:
        asked = f"## {task.name[:2].lstrip('0')} · {task.title}\n\n{task.task}"
        cells.append(_cell("markdown", asked))
        cells.append(_cell("code", f'{task.starter}\n\n\nwsflow.check("{task.name}", flow)'))
    cells.append(_cell("markdown", CLOSING))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number:02d}"
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _cell(kind: str, source: str) -> dict[str, Any]:
    made: dict[str, Any] = {"cell_type": kind, "id": "", "metadata": {}}
    if kind == "code":
        made |= {"execution_count": None, "outputs": []}
    return made | {"source": source.strip().splitlines(keepends=True)}


NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "exercises.ipynb"


async def main() -> None:
    """Write all of them anew."""
    for path in SHIPPED.glob("*.jsonl"):
        path.unlink()
    for task in TASKS:
        await write(task, SHIPPED)
    NOTEBOOK.write_text(json.dumps(notebook(), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
