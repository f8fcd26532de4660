"""Exercise 9: counting, each and all."""

from __future__ import annotations

from inspect import cleandoc

from tests.course.task import Event, Mistake, Task, answers, heard, said
from wsflow import Context, Flow


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


TASK = Task(
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
)
