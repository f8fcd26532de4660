"""A chat to learn from: a whole WebSocket server in a few lines.

`wsflow demo` plays it (`cli/demo.py`). Try it: `wsflow run wsflow.demo:chat_flow`.
"""

from __future__ import annotations

from .flow import Flow
from .graph.context import Context
from .types import CloseEvent, MessageEvent


def chat_flow() -> Flow:
    """Return a chat: all hear what one says, and `/who` is answered to who asked alone."""
    flow = Flow("chat")
    chat = flow.websocket("/chat/{name}", name="chat")
    people = flow.connections(name="people")

    @flow.node
    def listen(event: MessageEvent, ctx: Context) -> None:
        name, message = event["params"]["name"], str(event["message"])
        if message == "/who":
            here = len(people.sessions)
            ctx.emit("response", {"body": f"you are {name}, one of {here}"})
        else:
            ctx.route(f"{name}: {message}")

    @flow.node
    def farewell(event: CloseEvent, ctx: Context) -> None:
        ctx.route(f"{event['params']['name']} left")

    chat.req >> people.req
    chat.message >> listen >> people.broadcast
    chat.close >> [people.close, farewell]
    farewell >> people.broadcast
    return flow
