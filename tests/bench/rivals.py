"""The other servers of the field, as their own manuals would have them written.

All speak the paths of `contestants.py`; compression and access logs are off everywhere. Only what
is installed takes part.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

Announce = Callable[[int], None]


def listening() -> tuple[socket.socket, int]:
    """Return a socket that listens, and its port."""
    # Without proto asyncio sets no TCP_NODELAY on what this socket accepts: 40 ms stalls.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    listener.setblocking(False)
    return listener, listener.getsockname()[1]


async def starlette(stop: asyncio.Event, announce: Announce) -> None:
    """Serve Starlette on Hypercorn."""
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute
    from starlette.websockets import WebSocket, WebSocketDisconnect

    room: list[WebSocket] = []

    async def echo(client: WebSocket) -> None:
        await client.accept()
        try:
            while True:
                await client.send_text(await client.receive_text())
        except WebSocketDisconnect:
            pass

    async def broadcast(client: WebSocket) -> None:
        await client.accept()
        room.append(client)
        try:
            while True:
                text = await client.receive_text()
                for member in tuple(room):
                    await member.send_text(text)
        except WebSocketDisconnect:
            room.remove(client)

    routes = [WebSocketRoute("/broadcast", broadcast), WebSocketRoute("/{path:path}", echo)]
    listener, port = listening()
    announce(port)
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = "WARNING"
    config.graceful_timeout = 0.5
    app: Any = Starlette(routes=routes)
    await serve(app, config, shutdown_trigger=stop.wait)


async def fastapi(stop: asyncio.Event, announce: Announce) -> None:
    """Serve FastAPI on uvicorn, with its newer WebSocket protocol."""
    import uvicorn
    from fastapi import FastAPI, WebSocket, WebSocketDisconnect

    app = FastAPI()
    room: list[WebSocket] = []

    async def broadcast(client: WebSocket) -> None:
        await client.accept()
        room.append(client)
        try:
            while True:
                text = await client.receive_text()
                for member in tuple(room):
                    await member.send_text(text)
        except WebSocketDisconnect:
            room.remove(client)

    async def echo(client: WebSocket) -> None:
        await client.accept()
        try:
            while True:
                await client.send_text(await client.receive_text())
        except WebSocketDisconnect:
            pass

    app.websocket("/broadcast")(broadcast)
    app.websocket("/{path:path}")(echo)
    listener, port = listening()
    config = uvicorn.Config(
        app,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 (it tells by this flag alone)
        await asyncio.sleep(0.01)
    announce(port)
    await stop.wait()
    server.should_exit = True
    await serving


async def websockets(stop: asyncio.Event, announce: Announce) -> None:
    """Serve with the websockets library."""
    from websockets.asyncio.server import ServerConnection, broadcast, serve

    room: set[ServerConnection] = set()

    async def talk(client: ServerConnection) -> None:
        assert client.request is not None
        if client.request.path != "/broadcast":
            async for message in client:
                await client.send(message)
            return
        room.add(client)
        async for message in client:
            broadcast(room, message)
        room.discard(client)

    listener, port = listening()
    async with serve(talk, sock=listener, compression=None):
        announce(port)
        await stop.wait()


async def aiohttp(stop: asyncio.Event, announce: Announce) -> None:
    """Serve with aiohttp."""
    from aiohttp import WSMsgType, web

    room: list[web.WebSocketResponse] = []

    async def talk(request: web.Request) -> web.WebSocketResponse:
        client = web.WebSocketResponse(compress=False)
        await client.prepare(request)
        together = request.path == "/broadcast"
        if together:
            room.append(client)
        async for message in client:
            if message.type is WSMsgType.TEXT:
                for member in tuple(room) if together else (client,):
                    await member.send_str(message.data)
        if together:
            room.remove(client)
        return client

    app = web.Application()
    app.router.add_get("/{path:.*}", talk)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    listener, port = listening()
    await web.SockSite(runner, listener).start()
    announce(port)
    await stop.wait()
    await runner.cleanup()


async def picows(stop: asyncio.Event, announce: Announce) -> None:
    """Serve with picows, written in C: frames as they come, nobody checks the text."""
    from picows import (
        WSCloseCode,
        WSFrame,
        WSListener,
        WSMsgType,
        WSTransport,
        WSUpgradeRequest,
        ws_create_server,
    )

    room: set[WSTransport] = set()

    class Echo(WSListener):
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            if frame.msg_type == WSMsgType.CLOSE:
                transport.send_close(frame.get_close_code(), frame.get_close_message())
                transport.disconnect()
            else:
                self.answer(transport, frame)

        def answer(self, transport: WSTransport, frame: WSFrame) -> None:
            transport.send(frame.msg_type, frame.get_payload_as_bytes())

    class Together(Echo):
        def on_ws_connected(self, transport: WSTransport) -> None:
            room.add(transport)

        def on_ws_disconnected(self, transport: WSTransport) -> None:
            room.discard(transport)

        def answer(self, transport: WSTransport, frame: WSFrame) -> None:
            payload = frame.get_payload_as_bytes()
            for member in room:
                member.send(frame.msg_type, payload)

    def choose(request: WSUpgradeRequest) -> WSListener:
        return Together() if request.path == b"/broadcast" else Echo()

    server = await ws_create_server(choose, "127.0.0.1", 0)
    announce(server.sockets[0].getsockname()[1])
    await stop.wait()
    for member in tuple(room):
        member.send_close(WSCloseCode.GOING_AWAY)
    server.close()
