"""A recorded session at a live server: what goes over its socket, and how it ends."""

from __future__ import annotations

import asyncio
import http.server
import threading
from pathlib import Path

import pytest
from websockets.sync.server import ServerConnection

from tests.peers.chat import differences, played, serving
from wsflow import Flow
from wsflow.graph.context import Context
from wsflow.recording import Recording
from wsflow.replay import live
from wsflow.types import MessageEvent


async def test_queries_headers_and_subprotocols_are_the_recorded_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flow = Flow("asks")
    flow.websocket("/ask ü", subprotocols=["v2"])
    headers = {"X-Lesson": "1", "Authorization": "Bearer s3cret", "Sec-WebSocket-Protocol": "v2"}
    with flow.record("asks") as recorder:
        async with flow.client("/ask%20%C3%BC?a=1&a=2&key=s3cret", headers=headers):
            pass
    await flow.stop()
    seen: list[ServerConnection] = []
    with serving(seen.append) as url:
        recording = Recording.open(recorder.path)
        await asyncio.to_thread(played, f"{url}/v1/?token=x", recording)
    (request,) = (one.request for one in seen)
    assert request is not None
    assert request.path == "/v1/ask%20%C3%BC?a=1&a=2&token=x"
    assert request.headers["X-Lesson"] == "1"
    assert request.headers["Sec-WebSocket-Protocol"] == "v2"
    assert "Authorization" not in request.headers


async def test_a_refused_handshake_is_told_and_its_answers_are_missing(chat: Recording) -> None:
    flow = Flow("other")
    flow.websocket("/elsewhere")
    async with flow.serving() as server:
        report = await asyncio.to_thread(played, server.url, chat)
    assert report.tally.missing == 10
    assert len(report.errors) == 3
    assert "RefusedError: connection to '/chat/alice' refused with 404" in report.errors[0]


def test_a_web_server_without_websockets_is_told(chat: Recording) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            report = played(f"ws://127.0.0.1:{server.server_port}", chat)
        finally:
            server.shutdown()
            thread.join()
    assert report.tally.missing == 10
    assert "no WebSocket at '/chat/alice'" in report.errors[0]


def test_a_server_that_leaves_early_is_no_disaster(
    chat: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_WAIT", 1.0)

    def brief(connection: ServerConnection) -> None:
        connection.send(f"{connection.recv()!s}, and goodbye")

    with serving(brief) as url:
        report = played(url, chat)
    assert not report.ok
    assert ("changed", "alice: hello, all", "hello, all, and goodbye") in differences(report)


async def test_bytes_go_and_come_as_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flow = Flow("echo")

    @flow.node
    def back(event: MessageEvent, ctx: Context) -> None:
        ctx.emit("response", {"body": event["message"]})

    flow.websocket("/").message >> back
    with flow.record("echo") as recorder:
        async with flow.client("/") as client:
            for data in (b"\x00\xff", "text", b"", ""):
                await client.send(data)
                assert await client.receive() == data
    await flow.stop()

    def echo(connection: ServerConnection) -> None:
        for data in connection:
            connection.send(data)

    with serving(echo) as url:
        report = await asyncio.to_thread(played, url, Recording.open(recorder.path))
    assert report.ok, report
    assert report.tally.same == 4
