"""Exercise 10: news from elsewhere."""

from __future__ import annotations

from inspect import cleandoc

import anyio

from tests.course.task import PAUSE, Event, Mistake, Task, answers, heard
from wsflow import Context, Flow


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


TASK = Task(
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
)
