"""The servers that are measured, each run as `python -m tests.bench.contestants NAME`.

All speak the same paths: /broadcast sends a message to everyone connected there, all others answer
it with itself (wsflow on /async and /await in `async def` nodes). `rivals.py` has the servers of
others, `process.py` is the parent's side. Never measures anything.
"""

import asyncio
import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench import rivals
from tests.bench.rivals import listening

STOP_LIMIT = 5.0  # seconds a server may take to stop before it ends itself


@dataclass(frozen=True, slots=True)
class Contestant:
    """One server: how it is called, started, and which packages' versions matter to it."""

    name: str
    title: str
    packages: tuple[str, ...]
    command: tuple[str, ...]
    missing: Callable[[], str] = lambda: ""
    """Says what is to be installed before it can take part."""
    version: Callable[[], dict[str, str]] = dict
    """Versions of what is no Python package."""


def announce(port: int) -> None:
    """Tell the parent process that the server listens."""
    print(f"port {port}", flush=True)


async def raw_hypercorn(stop: asyncio.Event) -> None:
    """Serve a bare ASGI app on Hypercorn, without an access log."""
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    listener, port = listening()
    announce(port)
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = "WARNING"
    config.graceful_timeout = 0.5
    await serve(_bare_app(), config, shutdown_trigger=stop.wait)


def _bare_app() -> Any:
    room: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["path"] == "/broadcast":
            await _broadcast(receive, send, room)
        else:
            await _echo(receive, send)

    return app


async def _lifespan(receive: Any, send: Any) -> None:
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})


async def _echo(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})


async def _broadcast(receive: Any, send: Any, room: list[Any]) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    room.append(send)
    while (event := await receive())["type"] == "websocket.receive":
        for member in tuple(room):
            await member({"type": "websocket.send", "text": event["text"]})
    room.remove(send)


async def wsflow(stop: asyncio.Event) -> None:
    """Serve a one-node echo and a connection manager on wsflow, the log on as by default."""
    await _serve_flow(stop)


async def recording(stop: asyncio.Event) -> None:
    """Serve the same, and record all of it."""
    with tempfile.TemporaryDirectory(prefix="wsflow-bench-") as folder:
        await _serve_flow(stop, folder)


async def _serve_flow(stop: asyncio.Event, folder: str | None = None) -> None:
    from wsflow import Flow

    flow = Flow("bench")
    echo = flow.websocket("/echo")
    room = flow.websocket("/broadcast")
    manager = flow.connections()

    @flow.node
    def reply(ev: Any, ctx: Any) -> None:
        ctx.emit("response", {"body": ev["message"]})

    @flow.node
    async def reply_async(ev: Any, ctx: Any) -> None:
        ctx.emit("response", {"body": ev["message"]})

    @flow.node
    async def reply_await(ev: Any, ctx: Any) -> None:
        await asyncio.sleep(0)
        ctx.emit("response", {"body": ev["message"]})

    @flow.node
    def tell(ev: Any, ctx: Any) -> None:
        manager.broadcast(ev["message"])

    echo.message >> reply
    flow.websocket("/async").message >> reply_async
    flow.websocket("/await").message >> reply_await
    room.req >> manager.req
    room.close >> manager.close
    room.message >> tell
    server = await flow.serve()
    if folder is not None:
        flow.record("bench", folder=folder)
    announce(server.port)
    await stop.wait()
    await flow.stop()


SERVERS: dict[str, Callable[[asyncio.Event], Awaitable[None]]] = {
    "raw": raw_hypercorn,
    "wsflow": wsflow,
    "recording": recording,
    "starlette": partial(rivals.starlette, announce=announce),
    "fastapi": partial(rivals.fastapi, announce=announce),
    "websockets": partial(rivals.websockets, announce=announce),
    "aiohttp": partial(rivals.aiohttp, announce=announce),
    "picows": partial(rivals.picows, announce=announce),
}


def _python(name: str, title: str, *packages: str) -> Contestant:
    command = (sys.executable, "-m", "tests.bench.contestants", name)

    def missing() -> str:
        absent = [one for one in packages if importlib.util.find_spec(one) is None]
        return f"pip install {' '.join(absent)}" if absent else ""

    return Contestant(name, title, packages, command, missing)


def _node(name: str, title: str) -> Contestant:
    script = Path(__file__).with_name("node.cjs")
    asked = ("node", "-p", f"require('{name}/package.json').version")

    def version() -> dict[str, str]:
        if shutil.which("node") is None:
            return {}
        own = subprocess.run(("node", "--version"), capture_output=True, text=True, timeout=30)
        its = subprocess.run(asked, capture_output=True, text=True, timeout=30)
        return {"node": own.stdout.strip(), name: its.stdout.strip()} if its.returncode == 0 else {}

    def missing() -> str:
        return "" if version() else f"npm install {name}, and NODE_PATH where that was"

    return Contestant(name, title, (), ("node", str(script), name), missing, version)


BASELINE = _python("raw", "raw Hypercorn", "hypercorn")
OURS = _python("wsflow", "wsflow", "wsflow", "anyio", "hypercorn", "websockets")
RECORDING = _python("recording", "wsflow, recording", *OURS.packages)
CONTESTANTS = (
    BASELINE,
    OURS,
    _python("starlette", "Starlette on Hypercorn", "starlette", "hypercorn"),
    _python("fastapi", "FastAPI on uvicorn", "fastapi", "uvicorn", "websockets"),
    _python("websockets", "websockets", "websockets"),
    _python("aiohttp", "aiohttp", "aiohttp"),
    _python("picows", "picows (C)", "picows"),
    _node("ws", "ws on Node.js"),
    _node("node-red", "Node-RED"),
)


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Set `stop` when the parent closes our stdin, or is killed; then insist."""
    os.read(sys.stdin.fileno(), 1)
    loop.call_soon_threadsafe(stop.set)
    time.sleep(STOP_LIMIT)
    os._exit(3)


async def _run(name: str) -> None:
    # Its large allocations keep glibc from mapping and unmapping a 256 KiB buffer for each read.
    importlib.import_module("pandas")
    stop = asyncio.Event()
    watch = (asyncio.get_running_loop(), stop)
    threading.Thread(target=_watch_stdin, args=watch, daemon=True).start()
    await SERVERS[name](stop)


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1]))
