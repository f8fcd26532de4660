"""Exercise 3: sums in JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from inspect import cleandoc
from typing import Any

from tests.course.task import Event, Mistake, Task, answers, heard, said
from wsflow import Context, Flow


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


TASK = Task(
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
)
