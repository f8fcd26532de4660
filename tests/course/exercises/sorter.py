"""Exercise 4: a node with two outputs."""

from __future__ import annotations

from inspect import cleandoc

from tests.course.task import Event, Mistake, Task, answers, heard, said
from wsflow import Context, Flow


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


TASK = Task(
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
)
