"""Exercise 7: answers that cross."""

from __future__ import annotations

import asyncio
import time
from inspect import cleandoc

import anyio

from tests.course.task import Event, Mistake, Task, answers, heard, said
from wsflow import Context, Flow


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


TASK = Task(
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
)
