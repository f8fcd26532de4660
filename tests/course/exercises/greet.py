"""Exercise 2: a door that greets."""

from __future__ import annotations

from inspect import cleandoc

from tests.course.task import Event, Mistake, Task, answers, heard, said
from wsflow import Context, Flow


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


TASK = Task(
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
)
