"""A recording played to live servers: what they get, in which order, and how it may go wrong."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.http11 import Response
from websockets.sync.server import ServerConnection

from tests.peers.chat import Chat, differences, played, serving
from tests.peers.node import finds
from tests.process.command import ask
from tests.recorded.playing import Script
from wsflow import Flow
from wsflow.compare.rules import Rules
from wsflow.demo import chat_flow
from wsflow.graph.context import Context
from wsflow.recording import Recording
from wsflow.replay import live
from wsflow.replay.address import Address
from wsflow.types import HttpEvent

# ---- servers of other makes


@pytest.mark.parametrize("speed", [None, 1.0, 1000.0])
def test_a_server_written_with_websockets_answers_the_same(
    chat: Recording, speed: float | None
) -> None:
    server = Chat()
    with server.serving() as url:
        report = played(url, chat, speed=speed)
    assert report.ok, report
    assert report.tally.same == 10
    assert not report.errors
    assert server.paths == ["/chat/alice", "/chat/bob", "/chat/carol"]
    assert server.codes == [1000, 4000, 1000]


def test_ten_times_in_a_row_without_a_slip(chat: Recording) -> None:
    for _ in range(10):
        with Chat().serving() as url:
            assert played(url, chat).ok


def test_another_answer_is_found(chat: Recording) -> None:
    with Chat(lambda text: text.replace("one of", "among")).serving() as url:
        report = played(url, chat)
    assert not report.ok
    assert differences(report) == [("changed", "you are bob, one of 2", "you are bob, among 2")]


def test_rules_reach_the_comparison(chat: Recording) -> None:
    with Chat(lambda text: f"{text} 12:34:56").serving() as url:
        assert played(url, chat, rules=Rules(times=True)).tally.changed == 10
    with Chat().serving() as url:
        assert played(url, chat, rules=Rules(any_order=True)).ok


NODE = """
const { WebSocketServer } = require("ws");
const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
const here = new Map();
const tell = (text) => here.forEach((_, one) => one.send(text));
server.on("listening", () => console.log(server.address().port));
server.on("connection", (socket, request) => {
  const name = decodeURIComponent(request.url.split("/").pop());
  here.set(socket, name);
  socket.on("message", (data) => {
    const text = data.toString();
    if (text === "/who") socket.send(`you are ${name}, one of ${here.size}`);
    else tell(`${name}: ${text}`);
  });
  socket.on("close", () => {
    here.delete(socket);
    tell(`${name} left`);
  });
});
"""


@pytest.fixture(scope="module")
def node_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The chat in Node, with the package `ws`."""
    folder = tmp_path_factory.mktemp("node")
    (folder / "chat.js").write_text(NODE)
    process = subprocess.Popen(
        ["node", "chat.js"], cwd=folder, env=finds("ws@8"), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield f"ws://127.0.0.1:{process.stdout.readline().strip()}"
    process.kill()
    process.communicate()


@pytest.mark.timeout(200)  # npm fetches first
@pytest.mark.parametrize("speed", [None, 10.0])
def test_a_server_in_node_answers_the_same(
    node_server: str, chat: Recording, speed: float | None
) -> None:
    report = played(node_server, chat, speed=speed)
    assert report.ok, report
    assert report.tally.same == 10


@pytest.mark.timeout(200)
def test_the_command_plays_to_node_too(node_server: str, chat: Recording) -> None:
    done = ask("replay", str(chat.path), "--to", node_server)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("the same  chat: 10 same (10 events in ")


# ---- what a server gets


async def test_a_flow_that_serves_hears_it_like_from_its_clients(chat: Recording) -> None:
    flow = chat_flow()
    async with flow.serving() as server:
        report = await asyncio.to_thread(played, server.url, chat)
    assert report.ok, report
    kinds = [row.kind for row in flow.log]
    assert kinds == [row.kind for row in chat.rows()]


async def test_http_requests_are_made_in_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def news() -> Flow:
        flow = Flow("news")
        readers = flow.connections(name="readers")
        flow.websocket("/news").req >> readers.req

        @flow.node
        def publish(event: HttpEvent, ctx: Context) -> None:
            ctx.route(event["body"]["headline"])
            ctx.emit("response", {"body": f"told {len(readers.sessions)}"})

        flow.http("/push", method="POST") >> publish >> readers.broadcast
        return flow

    monkeypatch.chdir(tmp_path)
    flow = news()
    async with flow.serving() as server:
        with flow.record("news") as recorder:
            async with flow.client("/news") as one, flow.client("/news") as other:
                for headline in ("first", "second"):
                    data = json.dumps({"headline": headline}).encode()
                    await asyncio.to_thread(post, f"{server.url}/push", data)
                    assert await one.receive() == headline
                    assert await other.receive() == headline
    for speed in (None, 100.0):
        flow = news()
        async with flow.serving() as server:
            recording = Recording.open(recorder.path)
            report = await asyncio.to_thread(played, server.url, recording, speed=speed)
        assert report.ok, report
        assert report.tally.same == 6


def post(url: str, data: bytes) -> None:
    """Make an HTTP request with a JSON body."""
    address = Address.of(url.removesuffix("/push"))
    event = {"method": "POST", "path": "/push", "headers": {"content-type": "application/json"}}
    address.ask(event, data)


def test_only_some_sessions_and_only_up_to_a_moment(
    chat: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_WAIT", 0.2)  # for what others would have said
    server = Chat()
    (bob,) = {row.session for row in chat.rows() if row.path == "/chat/bob"}
    with server.serving() as url:
        report = played(url, chat, sessions=[bob], until=3600.0, loop=2)
    assert server.paths == ["/chat/bob", "/chat/bob"]
    assert report.events == 2 * 4


# ---- servers that are not there, or not as they should be


@pytest.mark.parametrize("speed", [None, 100.0])
def test_a_server_that_says_nothing_is_not_waited_for_forever(
    chat: Recording, speed: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_WAIT", 0.2)
    got: list[Any] = []

    def mute(connection: ServerConnection) -> None:
        got.extend(connection)

    with serving(mute) as url:
        report = played(url, chat, speed=speed)
    assert sorted(got) == ["/who", "Grüß euch", "alone", "hello, all"], "all is said"
    assert report.tally.missing == 10


@pytest.mark.parametrize("speed", [None, 100.0])
def test_a_server_that_shakes_no_hands_is_not_waited_for_forever(
    chat: Recording, speed: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_WAIT", 0.2)
    monkeypatch.setattr(live, "LEAVE", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        report = played(f"ws://127.0.0.1:{silent.getsockname()[1]}", chat, speed=speed)
    assert report.tally.missing == 10


def test_p29_a_session_that_is_refused_makes_it_incomplete(chat: Recording, tmp_path: Path) -> None:
    """Found A5: where it was answered nothing, nothing but that shows it."""
    script = Script(tmp_path / "quiet.jsonl")
    script.opens("s1", path="/nobody")
    script.says("s1", "hello", 0.1)
    script.says("s1", "is there anybody", 0.2)
    with serving(lambda _: None, process_request=refuse) as url:
        report = played(url, script.recording())
    assert not report.tally.differences
    assert report.verdict == "incomplete"
    assert "not played: 1 sessions that were refused or broke" in report.lacks
    assert "not played: 2 messages to a server that takes none" in report.lacks


def refuse(connection: ServerConnection, _: object) -> Response:
    return connection.respond(403, "no")


def test_answers_nobody_expected_are_extra(chat: Recording) -> None:
    server = Chat()

    def eager(connection: ServerConnection) -> None:
        connection.send("welcome")
        server.handle(connection)

    with serving(eager, process_response=server.enter) as url:
        report = played(url, chat)
    assert differences(report) == [("extra", None, "welcome")] * 3
