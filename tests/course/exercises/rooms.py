"""Exercise 8: rooms."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any

from tests.course.task import Event, Mistake, Task, heard, said
from wsflow import Context, Flow


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


TASK = Task(
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
)
