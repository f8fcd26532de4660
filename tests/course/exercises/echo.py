"""Exercise 1: an echo."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any

from tests.course.task import Event, Mistake, Task, answers, heard, said
from wsflow import Context, Flow


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


TASK = Task(
    "01-echo",
    "An echo",
    "Whatever a client sends to `/echo`, text or bytes, comes back to it unchanged.",
    (
        'A node answers with `ctx.emit("response", {"body": ...})`.',
        'What a client sent is `ev["message"]`, on the port `message` of the trigger.',
        '`echo.message >> back`, and in `back`: `ctx.emit("response", {"body": ev["message"]})`.',
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
)
