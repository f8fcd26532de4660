"""Exercise 5: a connection manager by hand."""

from __future__ import annotations

from inspect import cleandoc

from tests.course.task import Event, Mistake, Task, answers, heard, said
from wsflow import Context, Flow


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


TASK = Task(
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
)
