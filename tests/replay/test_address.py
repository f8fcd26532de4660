"""How recorded sessions reach a live server: one rule for replays and for ghosts."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from wsflow.errors import ReplayError
from wsflow.io import format as lines
from wsflow.recording import Recording
from wsflow.replay.address import Address, own_headers, sendable
from wsflow.replay.live import replay_to

Road = Callable[[Recording, str], Awaitable[list[str]]]
"""Bring a recording to a server, and return what went wrong there."""


async def replayed(recording: Recording, url: str) -> list[str]:
    return (await replay_to(url, recording)).errors


async def repeated(recording: Recording, url: str) -> list[str]:
    return (await recording.ghosts(1, jitter=0).run(url, speed=50)).errors


both_roads = pytest.mark.parametrize("bring", [replayed, repeated])


@pytest.fixture
def visit(tmp_path: Path) -> Recording:
    """A session that says something and leaves; its token and its cookie were not recorded."""
    facts = {
        "id": "a",
        "path": "/räume/1",
        "query": {"token": "[redacted]", "page": ["1", "2"]},
        "headers": {
            "cookie": "[redacted]",
            "x-tenant": "me",
            "host": "old:1",
            "origin": "http://old",
            "Sec-WebSocket-Protocol": "soup, chat",
            "sec-websocket-key": "x",
        },
    }
    rows: list[dict[str, Any]] = [
        {"wsflow": 1, "time": 0},
        {"opened": facts},
        {"seq": 1, "t": 0.0, "scope": 1, "kind": "req", "session": "a"},
        {"seq": 2, "t": 0.1, "scope": 2, "kind": "message", "session": "a", "data": "hi"},
        {"seq": 3, "t": 0.2, "scope": 3, "kind": "close", "session": "a", "code": 1000},
    ]
    path = tmp_path / "visit.jsonl"
    path.write_bytes(b"".join(map(lines.write_object, rows)))
    return Recording.open(path)


@both_roads
async def test_what_was_recorded_is_brought_again_and_secrets_stay_at_home(
    visit: Recording, bring: Road
) -> None:
    seen: list[tuple[Any, ...]] = []

    async def handler(socket: ServerConnection) -> None:
        assert socket.request is not None
        headers = socket.request.headers
        seen.append((socket.request.path, socket.subprotocol))
        seen.append(tuple(headers.get(name) for name in ("cookie", "x-tenant", "origin")))
        async for message in socket:
            seen.append((message,))

    protocols: Any = ["chat"]
    async with serve(handler, "127.0.0.1", 0, subprotocols=protocols) as server:
        port = server.sockets[0].getsockname()[1]
        assert await bring(visit, f"ws://127.0.0.1:{port}/base/?token=mine") == []
    path = "/base/r%C3%A4ume/1?page=1&page=2&token=mine"
    assert seen == [(path, "chat"), (None, "me", None), ("hi",)]


@both_roads
@pytest.mark.parametrize(
    "url",
    ["", "chat", "http://x", "ws://", "ws://x:0", "ws://x:y", "ws://127.0.0.1:abc", "ws://[x"],
)
async def test_what_is_no_address(visit: Recording, bring: Road, url: str) -> None:
    with pytest.raises(ReplayError) as told:
        await bring(visit, url)
    assert str(told.value) == f"{url!r} is no address of a WebSocket server: ws://host:port"


@both_roads
async def test_nobody_listens_there(visit: Recording, bring: Road) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ReplayError, match=rf"nobody listens at {url} \(.*refused.*start that"):
            await bring(visit, url)


@both_roads
async def test_a_server_that_speaks_no_websocket_is_told_without_the_query(
    visit: Recording, bring: Road
) -> None:
    def refuse(connection: ServerConnection, request: Any) -> Any:
        return connection.respond(418, "tea")

    async with serve(lambda _: None, "127.0.0.1", 0, process_request=refuse) as server:  # type: ignore[arg-type, return-value]
        port = server.sockets[0].getsockname()[1]
        (error,) = await bring(visit, f"ws://127.0.0.1:{port}?token=mine")
    assert "connection to '/räume/1' refused with 418" in error
    assert "mine" not in error


def test_ports_of_addresses() -> None:
    ports = [Address.of(f"{one}://x").port for one in ("ws", "wss")]
    assert [*ports, Address.of("ws://x:8").port] == [80, 443, 8]


def test_headers_of_a_connection_are_made_anew() -> None:
    recorded = {"Host": "x", "sec-websocket-version": "13", "accept": ["a", "b"], "x": "[redacted]"}
    assert own_headers(recorded) == (("accept", "a"), ("accept", "b"))
    assert own_headers(None) == ()


@pytest.mark.parametrize(
    ("recorded", "sent"),
    [(None, None), (1006, None), (1000, 1000), (1001, 1000), (1011, 1000), (3000, 3000)],
)
def test_a_client_may_not_send_every_code(recorded: int | None, sent: int | None) -> None:
    assert sendable(recorded, "why")[0] == sent
