"""Testing a flow with pytest: serve it, connect to it, or ask only for its replies.

    # conftest.py
    pytest_plugins = ["wsflow.testing"]

    # test_chat.py
    from wsflow.testing import assert_replies, connect, connect_sync
    from app import flow

    async def test_in_memory():                        # no port: the shortest way
        await assert_replies(flow, "/chat/red", sends=["hi"], expects=["HI"])

    async def test_over_a_socket(serve_flow):          # a free port, stopped when the test ends
        async with connect(serve_flow(flow), "/chat/red") as alice:
            await alice.send("hi")
            assert await alice.recv() == "HI"

    def test_without_async(serve_flow):                # needs no plugin that runs async tests
        with connect_sync(serve_flow(flow), "/chat/red") as alice:
            alice.send("hi")
            assert alice.recv(timeout=5) == "HI"

A flow that `serve_flow` serves runs in a thread of its own, so it answers whatever the test waits
for. A test that shares asyncio's events or queues with its handlers needs them in its own loop:
`async with flow.serving() as server`. PYTEST_DONT_REWRITE (it is no test module, and may be
imported before pytest makes it a plugin).
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from websockets.asyncio import client as asyncio_client
from websockets.datastructures import Headers
from websockets.sync import client as sync_client

from .base.bodies import to_data
from .errors import ReceiveTimeoutError, SessionClosedError, WsflowError
from .flow import Flow
from .types import Data
from .wire.memory import Client
from .wire.server import Server

if TYPE_CHECKING or "pytest" in sys.modules:
    import pytest

R = TypeVar("R")

SyncClient: TypeAlias = AbstractContextManager[sync_client.ClientConnection]

Serve: TypeAlias = Callable[..., Server]
"""What the fixture `serve_flow` gives: `(flow, **options) -> Server`."""

EXTRA_REPLIES = 10
"""Replies beyond those expected that are shown."""

# ---- over sockets


def connect(server: Server, path: str, **options: Any) -> asyncio_client.connect:
    """Return a `websockets` client for a route: `async with connect(server, "/chat/red") as alice`.

    It brings the server's token, when there is one. `options` are those of `websockets`.
    """
    return asyncio_client.connect(server.url + path, **_complete(server, options))


def connect_sync(server: Server, path: str, **options: Any) -> SyncClient:
    """Return the same for a plain `with` in a test that is no coroutine."""
    client: SyncClient = sync_client.connect(server.url + path, **_complete(server, options))
    return client


def _complete(server: Server, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a client with what every client of this server needs."""
    headers = Headers(options.get("additional_headers") or {})
    if server.options.token is not None and "Authorization" not in headers:
        headers["Authorization"] = f"Bearer {server.options.token}"
    # a proxy that the environment names is not for loopback
    return {"proxy": None, **options, "additional_headers": headers}


def serving() -> Generator[Serve, None, None]:
    """Give a function that serves flows, and stop them all in the end (the body of `serve_flow`).

    `serve(flow, **options)` takes the options of `Flow.serve` and returns the server.
    """
    flows: list[Flow] = []

    def serve(flow: Flow, **options: Any) -> Server:
        if flow.running and flow not in flows:
            raise WsflowError(f"{flow!r} runs already; serve_flow takes one that does not")
        flows.append(flow)
        return _outside(lambda: flow.serve(thread=True, **options))

    try:
        yield serve
    finally:
        for flow in reversed(flows):
            _outside(flow.stop)


def _outside(function: Callable[[], Coroutine[Any, Any, R]]) -> R:
    """Await `function()` in a loop of its own, whether or not a loop runs here, and wait for it."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(function())).result()


if "pytest" in sys.modules:  # whoever imports this without pytest wants the helpers only
    serve_flow = pytest.fixture(serving, name="serve_flow")

# ---- in memory


async def assert_replies(
    flow: Flow,
    path: str,
    *,
    sends: Sequence[Any] = (),
    expects: Sequence[Any] = (),
    timeout: float = 5.0,
) -> None:
    """Connect in memory, send everything, and assert what comes back, in this order.

    `str` and `bytes` are messages as they are; everything else is JSON, both ways. `timeout` is in
    seconds, for each reply. More replies than expected are a failure when they are there by then;
    later ones are not waited for. A flow that did not run before is stopped.

    Raises:
        AssertionError: something else came back, or too little; it tells what handlers raised.
        RefusedError: the flow has no such route.
    """
    running, before = flow.running, _newest(flow)
    try:
        async with flow.client(path) as client:
            for message in sends:
                await client.send(to_data(message))
            got, why = await _replies(client, len(expects), timeout)
        if len(got) != len(expects) or not all(map(_fits, got, expects)):
            raise AssertionError(_difference(path, sends, expects, got, why, _errors(flow, before)))
    finally:
        if not running:
            await flow.stop()


async def _replies(client: Client, count: int, timeout: float) -> tuple[list[Data], str]:
    """Return `count` replies and those that came with them, and why there are no more."""
    got: list[Data] = []
    try:
        while len(got) < count + EXTRA_REPLIES:
            got.append(await client.receive(timeout if len(got) < count else 0))
    except ReceiveTimeoutError:
        return got, f"nothing more came within {timeout:g} s"
    except SessionClosedError as error:
        return got, str(error)
    return got, ""


def _fits(got: Data, expected: Any) -> bool:
    if isinstance(expected, str | bytes) or got == expected:  # mock.ANY is equal to everything
        return bool(got == expected)
    try:
        return bool(json.loads(got) == expected)
    except ValueError:
        return False


def _difference(
    path: str,
    sends: Sequence[Any],
    expects: Sequence[Any],
    got: Sequence[Data],
    why: str,
    errors: list[str],
) -> str:
    lines = [f"{path}: other replies than expected", f"  sent      {_listed(sends)}"]
    lines += [f"  expected  {_listed(expects)}", f"  received  {_listed(got)}"]
    lines += [f"  then      {why}"] if len(got) < len(expects) else []
    return "\n".join(lines + [f"  error     {error}" for error in errors])


def _listed(messages: Sequence[Any]) -> str:
    return ", ".join(f"{message!r:.200}" for message in messages) or "nothing"


def _newest(flow: Flow) -> int:
    return next((row.seq for row in flow.log.tail(1)), 0)


def _errors(flow: Flow, after: int) -> list[str]:
    """Return what handlers raised since the row `after`: most often why a reply is missing."""
    rows = [row for row in flow.log.tail(1_000) if row.seq > after and row.kind == "error"]
    return [f"{row.node}: {row.error}" for row in rows]
