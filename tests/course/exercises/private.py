"""Exercise 6: private messages."""

from __future__ import annotations

import json
from inspect import cleandoc
from typing import Any

from tests.course.task import Event, Mistake, Task, answers, heard, said
from wsflow import Context, Flow


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


TASK = Task(
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
)
