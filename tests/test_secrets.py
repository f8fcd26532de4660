"""No secret a client brought, nor the server's own, is seen anywhere (P20, P23, found A5).

Each channel brings a canary of its own, and the flow does with it all that flows do; then all that
wsflow writes down, shows or hands out is searched for it.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from tests.peers.raw import Raw, close, eventually, text
from wsflow import Context, Flow, Recording
from wsflow.panel.client import ClientPart
from wsflow.panel.parts import PART_CLASSES
from wsflow.views.statuspage import StatusPage

OWN = "own~Canary/of+the.server=1"
"""A token with characters that addresses, JSON and HTML write otherwise."""

BASIC = base64.b64encode(b"ann:canary-in-basic").decode()

CHANNELS: dict[str, tuple[str, list[tuple[str, str]], tuple[str, ...]]] = {
    "bearer": ("", [("Authorization", "Bearer canary.in-bearer_1")], ("canary.in-bearer_1",)),
    "basic": ("", [("Authorization", f"Basic {BASIC}")], (BASIC, "canary-in-basic")),
    "header": ("", [("X-Api-Key", "canary-in-header")], ("canary-in-header",)),
    "header of a cloud": ("", [("X-Amz-Security-Token", "canary-in-amz")], ("canary-in-amz",)),
    "cookie": ("", [("Cookie", "a=b; sid=canary-in-cookie")], ("canary-in-cookie",)),
    "query": ("&api_key=canary-in-query", [], ("canary-in-query",)),
    "query, twice": (
        "&Signature=canary-one&Signature=canary-two",
        [],
        ("canary-one", "canary-two"),
    ),
    "query, escaped": ("&secret=canary%2Fin%2Fquery", [], ("canary/in/query", "canary%2Fin")),
    "user of an address": ("", [("Referer", "http://u:canary-in-user@h/")], ("canary-in-user",)),
    "query of an address": (
        "",
        [("Referer", "http://h/?a=1&access_token=canary-in-referer")],
        ("canary-in-referer",),
    ),
    "subprotocol": (
        "",
        [("Sec-WebSocket-Protocol", "realtime, openai-insecure-api-key.canary-in-protocol")],
        ("canary-in-protocol",),
    ),
    "subprotocol of a name": (
        "",
        [("Sec-WebSocket-Protocol", "access_token, canary-after-name")],
        ("canary-after-name",),
    ),
}


class Spy(logging.Handler):
    """Another handler of `logging`, such as writes to stderr."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))


@pytest.fixture
def spy() -> Iterator[Spy]:
    logger, spy = logging.getLogger("wsflow"), Spy()
    logger.addHandler(spy)
    yield spy
    logger.removeHandler(spy)


def spreading(flow: Flow) -> None:
    """Have a flow move handshakes on by all roads there are."""

    @flow.node
    def spread(ev: Any, ctx: Context) -> None:
        ctx.state.set("last", ev["headers"])
        for value in (ev["headers"], ev["query"], list(ev["headers"].items()), str(ev), [[ev]]):
            ctx.route(value)
            ctx.emit("note", value)
            ctx.emit("note", value, 2**70)
            ctx.emit("response", {"body": value})
            manager.broadcast(value)
        ctx.route({"packs": False, "number": 2**70, "event": ev})
        ctx.route(json.dumps(ctx.state.get("last")).encode())
        ctx.log.info(ev)
        ctx.log.warning("with %s", ev["headers"])
        ctx.log.error("failed", exc_info=LookupError(ev))
        ctx.emit("response", 2**70)
        ctx.emit("response", {"body": {1, str(ev)}})
        raise ValueError(ev)

    @flow.node
    def last(ev: Any, ctx: Context) -> None:
        first = next(iter({**ev["query"], **ctx.state.get("last", {})}.values()))
        ctx.emit("response", {"end": True, "code": 4000, "reason": str(first)[:100]})

    @flow.node
    def caught(ev: Any, ctx: Context) -> None:
        ctx.route(ev)
        raise RuntimeError(ev["traceback"])

    manager = flow.connections()
    chat = flow.websocket("/chat/{room}", subprotocols=("realtime",))
    chat.req >> manager.req
    chat.close >> manager["close"]
    chat.req >> spread
    chat.message >> last
    flow.http("/post", method="POST").out >> spread
    flow.catch().out >> caught


async def visited(port: int, query: str, headers: list[tuple[str, str]]) -> None:
    """Open a socket, make requests that pack, do not, and are refused, and say goodbye."""
    plain = [pair for pair in headers if "Protocol" not in pair[0]]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as web:
        for path, body in (("/post", '{"id": 1}'), ("/post", '{"id": 99999999999999999999}')):
            kind = ("content-type", "application/json")
            await web.post(
                f"{path}?token={OWN_IN_URL}{query}", content=body, headers=[*plain, kind]
            )
        for path in ("/nowhere", f"/{OWN_IN_URL}", "/post"):
            await web.get(f"{path}?token={OWN_IN_URL}{query}", headers=plain)
        await web.post(f"/post?x=1{query}", headers=[*plain, ("origin", f"http://{OWN}/")])
    async with Raw.websocket(port, f"/chat/red?token={OWN_IN_URL}{query}", headers) as raw:
        await raw.send(text("end"))
        await raw.send(close(1000, "gone"))
        await eventually(lambda: raw.sock.fileno() >= 0)


OWN_IN_URL = str(httpx.QueryParams({"t": OWN})).removeprefix("t=")


async def everything(flow: Flow, port: int, folder: Path) -> dict[str, str]:
    """Return all that wsflow says of what happened, by where it says it."""
    log, recording = flow.log, Recording.open("canary", folder=folder)
    for path in (log.to_csv, recording.to_csv, recording.to_har, recording.to_pytest):
        path(folder / f"{path.__qualname__}.out")
    report = await flow.replay(recording)
    page = StatusPage(flow.name, flow._host.graph.nodes.values, lambda: 0)
    # a page's own clients connect with the token: that part is told it, in a message no file keeps
    parts = [made(flow) for made in PART_CLASSES.values() if made is not ClientPart]
    news = [part.news() for part in parts]
    for part in parts:
        part.close()
    said = {
        "rows": repr([(row, row.data) for row in log.tail(10_000)]),
        "frame": html_of(log.frame()) + log.frame().to_csv(),
        "log": repr(log) + log._repr_html_() + str(log.sequence()),
        "sessions": log.sessions().to_csv() + repr(flow.sessions) + flow.sessions._repr_html_(),
        "recording": repr(recording) + recording._repr_html_() + repr(recording.info()),
        "sequence": str(recording.sequence()),
        "replay": repr(report) + report._repr_html_() + report.diff.to_csv(),
        "contract": json.dumps([flow.to_asyncapi(), flow.to_asyncapi(recording=recording)]),
        "page": page._page(list(flow._host.graph.nodes.values()), "nonce"),
        "flow": repr(flow) + repr(flow.server) + repr(flow._repr_mimebundle_()),
        "panel": repr(news),
    }
    return said | files_of(folder)


def html_of(frame: pd.DataFrame) -> str:
    """Return a frame as a notebook shows it, with nothing cut off."""
    with pd.option_context("display.max_colwidth", None, "display.max_rows", None):
        return frame.to_html()


def files_of(folder: Path) -> dict[str, str]:
    """Return what stands in each file of a folder."""
    files = [one for one in folder.rglob("*") if one.is_file()]
    return {one.name: one.read_bytes().decode("latin1") for one in files}


@pytest.mark.parametrize("channel", CHANNELS)
async def test_p20_a_canary_of_each_channel_is_found_nowhere(
    flow: Flow, channel: str, tmp_path: Path, spy: Spy, capfd: pytest.CaptureFixture[str]
) -> None:
    """Found A5: moved on as a value of its own, logged, raised or not to be packed, it was."""
    query, headers, canaries = CHANNELS[channel]
    spreading(flow)
    server = await flow.serve(token=OWN)
    with flow.record("canary", folder=tmp_path):
        await visited(server.port, query, headers)
        await flow.log.until(kind="close")
    said = await everything(flow, server.port, tmp_path)
    said |= {"logging": "\n".join(spy.said), "stderr": "".join(capfd.readouterr())}
    assert len(spy.said) >= 6
    whole = [OWN, OWN_IN_URL, json.dumps(OWN)[1:-1], *canaries]
    leaks = {where: one for where, told in said.items() for one in whole if one in told}
    assert leaks == {}
    kinds = {row.kind for row in flow.log.tail(10_000)}
    assert kinds >= {"req", "route", "signal", "broadcast", "response", "error", "mark", "drop"}


async def test_handlers_get_the_real_values(flow: Flow) -> None:
    got: list[Any] = []
    flow.websocket("/").req >> flow.node(got.append, name="got")
    async with flow.client("/?token=canary-in-query", headers={"cookie": "a=canary-in-cookie"}):
        pass
    assert got[0]["query"] == {"token": "canary-in-query"}
    assert got[0]["headers"]["cookie"] == "a=canary-in-cookie"


async def test_a_client_s_own_message_is_kept_as_it_was_said(flow: Flow) -> None:
    """A replay has to say it again; only the server's own token is taken out of it."""
    flow.websocket("/")
    server = await flow.serve(token=OWN)
    cookie = [("Cookie", "a=canary-in-cookie"), ("Authorization", f"Bearer {OWN}")]
    async with Raw.websocket(server.port, "/", cookie) as raw:
        await raw.send(text(f"canary-in-cookie and {OWN}"))
        row = await flow.log.until(kind="message")
    assert row.data == "canary-in-cookie and [redacted]"
