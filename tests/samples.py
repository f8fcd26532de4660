"""The flows behind the files in recordings/, and who talked to them when they were recorded.

`python -m tests.samples` records all of them again, over real sockets; `test_samples.py` replays
each file into its flow. Read one function for what a sample is about, its `play_...` for who spoke.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
from websockets.asyncio.client import connect

from wsflow import Flow
from wsflow.graph.context import Context
from wsflow.io.recorder import Recorder
from wsflow.types import CloseEvent, HttpEvent, MessageEvent, SocketEvent, TimerEvent
from wsflow.wire.server import Server

FOLDER = Path(__file__).parent.parent / "recordings"


# ---- hello: one client, one answer


def hello() -> Flow:
    """Greet whoever says a name."""
    flow = Flow("hello")

    @flow.node
    def greet(event: MessageEvent, ctx: Context) -> None:
        ctx.emit("response", {"body": f"Hello, {event['message']!s}!"})

    flow.websocket("/hello", name="door").message >> greet
    return flow


async def play_hello(_: Flow, server: Server, recorder: Recorder) -> None:
    async with connect(f"{server.url}/hello", proxy=None) as client:
        await client.send("world")
        assert await client.recv() == "Hello, world!"


# ---- chat: three people, of whom one leaves and one is told apart


def chat() -> Flow:
    """Let all in a room hear what one says; `/who` is answered to who asked alone."""
    flow = Flow("chat")
    room = flow.websocket("/chat/{name}", name="room")
    people = flow.connections(name="people")

    @flow.node
    def arrive(event: SocketEvent, ctx: Context) -> None:
        ctx.route(f"{event['params']['name']} is here")

    @flow.node
    def listen(event: MessageEvent, ctx: Context) -> None:
        name, message = event["params"]["name"], event["message"]
        if message == "/who":
            ctx.emit("response", {"body": {"you": name, "here": len(people.sessions)}})
        else:
            ctx.route(f"{name}: {message!s}")

    @flow.node
    def leave(event: CloseEvent, ctx: Context) -> None:
        ctx.route(f"{event['params']['name']} left ({event['code']})")

    room.req >> [people.req, arrive]
    room.message >> listen
    room.close >> [people.close, leave]
    for node in (arrive, listen, leave):
        node >> people.broadcast
    return flow


async def play_chat(_: Flow, server: Server, recorder: Recorder) -> None:
    def enter(name: str) -> connect:
        return connect(f"{server.url}/chat/{name}", proxy=None)

    async with enter("alice") as alice, enter("bob") as bob:
        recorder.mark("carol comes in")
        async with enter("carol") as carol:
            for speaker, text in (
                (alice, "Hello, both of you!"),
                (bob, "Grüß dich, Alice 👋"),
                (carol, "שלום"),
                (alice, "Two things: <b>bold</b> is text here, and so is a\nsecond line."),
            ):
                await speaker.send(text)
                await asyncio.sleep(0.3)
            await bob.send("/who")
            await asyncio.sleep(0.2)
            recorder.mark("carol leaves")
            await carol.close(4000, "my train")
        await asyncio.sleep(0.2)
        await alice.send("She was in a hurry.")
        heard = [str(await bob.recv()) for _ in range(9)]
    assert heard[-2:] == ["carol left (4000)", "alice: She was in a hurry."], heard


# ---- crash: a handler raises, and nothing else happens


def crash() -> Flow:
    """Divide two numbers. What can not be divided costs a row in the log, and the client lives."""
    flow = Flow("crash")

    @flow.node
    def divide(event: MessageEvent, ctx: Context) -> None:
        above, below = json.loads(event["message"])
        ctx.emit("response", {"body": {"result": above / below}})

    @flow.node
    def regret(event: dict[str, Any], ctx: Context) -> None:
        ctx.emit("response", {"body": {"error": event["type"]}})

    flow.websocket("/divide", name="sums").message >> divide
    flow.catch(name="faults").out >> regret
    return flow


async def play_crash(_: Flow, server: Server, recorder: Recorder) -> None:
    async with connect(f"{server.url}/divide", proxy=None) as client:
        answers = []
        for sum_ in ("[84, 2]", "[1, 0]", "what?", "[1, 2, 3]", "[10, 4]"):
            await client.send(sum_)
            answers.append(json.loads(await client.recv()))
            await asyncio.sleep(0.1)
    assert [answer.get("error") for answer in answers] == [
        None, "ZeroDivisionError", "JSONDecodeError", "ValueError", None
    ]  # fmt: skip


# ---- slow-client: one that stops reading is let go, another does not notice


def slow_client() -> Flow:
    """Send a film, frame by frame, and answer pings meanwhile."""
    flow = Flow("slow-client")

    @flow.node
    def project(event: MessageEvent, ctx: Context) -> None:
        if event["message"] == "ping":
            ctx.emit("response", {"body": "pong"})
            return
        for number in range(FRAMES):
            ctx.emit("response", {"body": {"frame": number, "pixels": "0" * 200_000}})

    flow.websocket("/film", name="cinema").message >> project
    return flow


FRAMES = 40


async def play_slow_client(_: Flow, server: Server, recorder: Recorder) -> None:
    """The film is 8 MB: more than the sockets hold between a server and who does not read."""
    line = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.connect(("127.0.0.1", server.port))
    slow = await connect(f"{server.url}/film", sock=line, max_queue=1, ping_interval=None)
    async with connect(f"{server.url}/film", proxy=None) as quick:
        await slow.send("film, please")
        while len(server.sessions) == 2:  # until the server gives up on the slow one
            await quick.send("ping")
            assert await quick.recv() == "pong"
            await asyncio.sleep(0.5)
    slow.transport.abort()


# ---- binary: bytes are bytes, whatever they are


def binary() -> Flow:
    """Turn each byte round, and say of text how many bytes it would be."""
    flow = Flow("binary")

    @flow.node
    def invert(event: MessageEvent, ctx: Context) -> None:
        message = event["message"]
        if isinstance(message, str):
            ctx.emit("response", {"body": {"bytes": len(message.encode())}})
        else:
            ctx.emit("response", {"body": bytes(255 - byte for byte in message)})

    flow.websocket("/invert", name="bytes").message >> invert
    return flow


async def play_binary(_: Flow, server: Server, recorder: Recorder) -> None:
    async with connect(f"{server.url}/invert", proxy=None) as client:
        every = bytes(range(256))
        for message in (b"", b"\x00\x01\x02", every, PIXEL, "text, with an é", b"\xff" * 3000):
            await client.send(message)
            answer = await client.recv()
            assert isinstance(answer, type(message)) or isinstance(message, str)
            await asyncio.sleep(0.05)


PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63606060000000040001f61738550000000049454e44ae426082"
)
"""A PNG of one black pixel."""


# ---- countdown: handlers that take their time


def countdown() -> Flow:
    """Count down, a number every quarter of a second, and end the session with code 4001."""
    flow = Flow("countdown")

    @flow.node
    async def count(event: MessageEvent, ctx: Context) -> None:
        for left in range(int(event["message"]), 0, -1):
            ctx.emit("response", {"body": left})
            await anyio.sleep(0.25)
        ctx.emit("response", {"body": "lift-off", "end": True, "code": 4001, "reason": "gone"})

    flow.websocket("/countdown", name="pad").message >> count
    return flow


async def play_countdown(_: Flow, server: Server, recorder: Recorder) -> None:
    async with connect(f"{server.url}/countdown", proxy=None) as client:
        await client.send("8")
        heard = [await client.recv() for _ in range(9)]
        await client.wait_closed()
        assert heard[-1] == "lift-off"
        assert client.close_code == 4001


# ---- news: an HTTP request starts a broadcast


def news() -> Flow:
    """Tell all who listen what somebody posts, and tell him whom it reached."""
    flow = Flow("news")
    wire = flow.websocket("/news", name="wire")
    press = flow.http("/news", method="POST", name="press")
    readers = flow.connections(name="readers")

    @flow.node
    def publish(event: HttpEvent, ctx: Context) -> None:
        delivery = readers.broadcast({"headline": event["body"]["headline"]})
        ctx.emit("response", {"status": 201, "body": {"readers": len(delivery.reached)}})

    wire.req >> readers.req
    wire.close >> readers.close
    press.out >> publish
    return flow


async def play_news(_: Flow, server: Server, recorder: Recorder) -> None:
    url = server.url.replace("ws://", "http://") + "/news"
    async with (
        httpx.AsyncClient(trust_env=False) as editor,
        connect(f"{server.url}/news", proxy=None) as one,
    ):
        for number, headline in enumerate(("Sockets found on the Moon", "Moon found in a socket")):
            async with connect(f"{server.url}/news", proxy=None) as other:
                posted = await editor.post(url, json={"headline": headline})
                assert (posted.status_code, posted.json()) == (201, {"readers": 2}), number
                assert await one.recv() == await other.recv()
            await asyncio.sleep(0.2)


# ---- auction: a timer, a hammer, and bidders who are held back


def auction() -> Flow:
    """Take bids, one in 0.2 s from each bidder; tell all who leads, and when the hammer falls."""
    flow = Flow("auction")
    hall = flow.websocket("/auction", name="hall")
    actions = hall.message.where("action", name="actions")
    bids, pauses = flow.throttle(0.2, name="bids"), flow.debounce(0.3, name="pauses")
    bidders = flow.connections(name="bidders")
    hammer = flow.inject({"lot": "a teapot"}, name="hammer")

    @flow.node
    def bid(event: MessageEvent, ctx: Context) -> None:
        said, best = json.loads(event["message"]), ctx.state.get("best", 0)
        if said["amount"] > best:
            ctx.state.set("best", said["amount"])
        ctx.emit("response", {"body": {"taken": said["amount"] > best}})

    @flow.node
    def hold(event: MessageEvent, ctx: Context) -> None:
        ctx.emit("response", {"body": {"wait": True}})

    @flow.node
    def nudge(event: MessageEvent, ctx: Context) -> None:
        ctx.emit("response", {"body": {"still thinking": True}})

    @flow.node
    def lead(event: TimerEvent, ctx: Context) -> None:
        ctx.route({"tick": event["count"], "best": ctx.state.get("best", 0)})

    @flow.node
    def sell(event: Any, ctx: Context) -> None:
        ctx.route({"sold": event["lot"], "for": ctx.state.get("best", 0)})

    hall.req >> bidders.req
    hall.close >> bidders.close
    actions["bid"] >> bids >> bid
    bids.dropped >> hold
    actions["think"] >> pauses >> nudge
    actions.default >> hold
    flow.timer(0.4, name="clock").out >> lead >> bidders.broadcast
    hammer.out >> sell >> bidders.broadcast
    return flow


async def play_auction(flow: Flow, server: Server, _: Recorder) -> None:
    async with (
        connect(f"{server.url}/auction", proxy=None) as anna,
        connect(f"{server.url}/auction", proxy=None) as ben,
    ):
        for amount in (10, 25, 26):  # anna's second bid comes too soon
            await anna.send(json.dumps({"action": "bid", "amount": amount}))
            await asyncio.sleep(0.15)
            await ben.send(json.dumps({"action": "think"}))
        await ben.send(json.dumps({"action": "bid", "amount": 40}))
        await ben.send("forty!")
        await asyncio.sleep(0.9)
        hammer = flow.nodes["hammer"]
        hammer()
        while "sold" not in await anna.recv():
            pass


# ---- whiteboard.har: a page in Chromium, captured by the browser


def whiteboard() -> Flow:
    """A page with two pens: what one draws all see, a picture is answered by how big it is."""
    flow = Flow("whiteboard")
    page = flow.http("/", method="GET", name="page")
    board = flow.websocket("/board/{pen}", name="board")
    pens = flow.connections(name="pens")

    @flow.node
    def show(event: HttpEvent, ctx: Context) -> None:
        html = {"content-type": "text/html; charset=utf-8"}
        ctx.emit("response", {"body": PAGE, "headers": html})

    @flow.node
    def draw(event: MessageEvent, ctx: Context) -> None:
        message = event["message"]
        if isinstance(message, bytes):
            ctx.emit("response", {"body": bytes(reversed(message))})
        else:
            ctx.route({"pen": event["params"]["pen"], "line": json.loads(message)})

    page.out >> show
    board.req >> pens.req
    board.close >> pens.close
    board.message >> draw >> pens.broadcast
    return flow


PAGE = """<!doctype html>
<meta charset="utf-8">
<title>whiteboard</title>
<link rel="icon" href="data:,">
<script type="module">
const wait = ms => new Promise(done => setTimeout(done, ms));
const open = async pen => {
  const socket = new WebSocket(`ws://${location.host}/board/${pen}`);
  socket.binaryType = "arraybuffer";
  await new Promise(done => socket.onopen = done);
  return socket;
};
const red = await open("red"), blue = await open("blue");
await wait(100);
for (let x = 0; x < 5; x++) {
  red.send(JSON.stringify([[x, 0], [x + 1, x * x]]));
  await wait(50);
  blue.send(JSON.stringify([[0, x], [9 - x, 9]]));
  await wait(50);
}
blue.send(new Uint8Array([0, 1, 2, 253, 254, 255]));
red.send(JSON.stringify("Grüße, 画板 🖍"));
await wait(100);
red.close(4002, "pen down");
await wait(100);
blue.send(JSON.stringify("alone"));
await wait(100);
blue.close(1000);
await wait(200);
document.title = "whiteboard, done";
</script>
"""


async def capture_whiteboard(server: Server) -> dict[str, Any]:
    from tests.browser import har  # and with it playwright, which only this needs

    url = server.url.replace("ws://", "http://") + "/"
    return await har.visit(url, "document.title == 'whiteboard, done'")


# ---- all of them


@dataclass(frozen=True)
class Sample:
    """A file in recordings/, the flow it was recorded from, and what does not matter in replay."""

    file: str
    flow: Callable[[], Flow]
    play: Callable[[Flow, Server, Recorder], Awaitable[None]] | None = None
    redact: tuple[str, ...] = ()
    """Keys that are not kept, nor compared."""

    @property
    def path(self) -> Path:
        """Where it lies."""
        return FOLDER / self.file


SAMPLES = (
    Sample("hello.jsonl", hello, play_hello),
    Sample("chat.jsonl", chat, play_chat),
    Sample("crash.jsonl", crash, play_crash),
    Sample("slow-client.jsonl", slow_client, play_slow_client, redact=("pixels",)),
    Sample("binary.jsonl", binary, play_binary),
    Sample("countdown.jsonl", countdown, play_countdown),
    Sample("news.jsonl", news, play_news),
    Sample("auction.jsonl", auction, play_auction),
    Sample("whiteboard.har", whiteboard),
)


async def record(sample: Sample) -> None:
    """Serve the flow, have it talked to, and put what was recorded where the old file was."""
    flow = sample.flow()
    async with flow.serving() as server:
        if sample.play is None:
            har = await capture_whiteboard(server)
            sample.path.write_text(json.dumps(har, indent=1, ensure_ascii=False) + "\n")
            return
        with tempfile.TemporaryDirectory() as folder:
            recorder = flow.record(sample.path.stem, folder=folder, redact=sample.redact)
            await sample.play(flow, server, recorder)
            await server_is_empty(server)
            shutil.copyfile(recorder.stop(), sample.path)


async def server_is_empty(server: Server) -> None:
    """Wait until the last client's close is told."""
    async with asyncio.timeout(5):
        await server.sessions.emptied()


def main(names: Iterable[str]) -> int:
    """Record those named, or all."""
    wanted = set(names)
    for sample in SAMPLES:
        if not wanted or sample.file in wanted or sample.path.stem in wanted:
            asyncio.run(record(sample))
            sys.stdout.write(f"{sample.file}: {sample.path.stat().st_size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
