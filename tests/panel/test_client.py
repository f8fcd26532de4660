"""Clients in the page: what a page is told to connect, and the bridge for one that can not."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio.lowlevel
import pytest
import pytest_asyncio
import trustme
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.panel_page import in_browser, shown
from wsflow import Flow, RefusedError, WsflowError
from wsflow.graph.triggers.websocket import WebSocketTrigger
from wsflow.panel.client import MAX_AHEAD, MAX_CLIENTS, MAX_MESSAGES, MAX_QUEUE, ClientPart
from wsflow.panel.part import News

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def chat(flow: Flow) -> WebSocketTrigger:
    return flow.websocket("/chat/{room}")


@pytest.fixture
async def part(flow: Flow, chat: WebSocketTrigger) -> ClientPart:
    await flow.start()
    return ClientPart(flow)


@pytest.fixture
def echo(flow: Flow, chat: WebSocketTrigger) -> None:
    chat.message >> flow.node(
        lambda ev, ctx: ctx.emit("response", {"body": ev["message"]}), name="echo"
    )


def told(part: ClientPart, client: str | None = None) -> News:
    """Return what the part tells, made sure that Jupyter's channel carries it."""
    news = part.news() or {}
    json.dumps(news, ensure_ascii=False, allow_nan=False).encode()
    return news if client is None else dict(news.get("clients", {}).get(client, {}))


def texts(news: News) -> list[str]:
    return [text for _, text, _ in news.get("messages", [])]


def kinds(flow: Flow) -> list[str]:
    return [row.kind for row in flow.log.tail(100)]


# ---- what it tells of the server


async def test_it_tells_where_the_server_is_and_at_once_when_it_moves(
    flow: Flow, part: ClientPart
) -> None:
    first = told(part)
    assert (first["server"], first["running"], first["routes"]) == (None, True, ["/chat/{room}"])
    server = await flow.serve(token="s3cret")
    assert told(part) == {"server": {"url": server.url, "port": server.port, "token": "s3cret"}}
    assert part.news() is None
    await server.stop()
    assert told(part) == {"server": None}
    other = await flow.serve()
    assert told(part)["server"] == {"url": other.url, "port": other.port, "token": None}
    flow.websocket("/more")
    assert told(part) == {"routes": ["/chat/{room}", "/more"]}


# ---- the bridge


@pytest.mark.usefixtures("echo")
async def test_a_bridged_client_is_a_session_like_any_other(flow: Flow, part: ClientPart) -> None:
    answer = part.connect("c1", "/chat/red%20room?lang=de")
    (session,) = flow.sessions
    assert answer == {"session": session.id}
    assert (session.peer, session.path, session.params) == (
        "panel", "/chat/red room", {"room": "red room"},
    )  # fmt: skip
    assert session.query == {"lang": "de"}
    part.send("c1", "text", "hello")
    part.send("c1", "hex", "00 ff")
    news = told(part, "c1")
    assert news["messages"] == [
        ("text", "hello", 5), ("binary", "00 ff", 2),
    ]  # fmt: skip
    part.leave("c1", 4000, "enough")
    assert told(part, "c1") == {"messages": [], "skipped": 0, "closed": (4000, "enough")}
    assert kinds(flow) == ["req", "message", "response", "message", "response", "close"]
    assert not list(flow.sessions)
    assert part.news() is None


async def test_the_server_closes_a_bridged_client_with_its_code(
    flow: Flow, part: ClientPart
) -> None:
    part.connect("c1", "/chat/red")
    flow.sessions[0].send("last words")
    flow.sessions[0].close(4001, "you again")
    news = told(part, "c1")
    assert texts(news) == ["last words"]
    assert news["closed"] == (4001, "you again")
    with pytest.raises(WsflowError, match="not connected"):
        part.send("c1", "text", "wait")


async def test_a_client_that_was_just_closed_can_not_send(flow: Flow, part: ClientPart) -> None:
    part.connect("c1", "/chat/red")
    flow.sessions[0].close()
    with pytest.raises(WsflowError, match="closed: nothing was sent"):
        part.send("c1", "text", "wait")


async def test_several_clients_are_told_apart(flow: Flow, part: ClientPart) -> None:
    for name in ("alice", "bob"):
        part.connect(name, "/chat/red")
    first, second = flow.sessions
    first.send("for alice")
    second.send("for bob")
    clients = told(part)["clients"]
    assert {name: texts(news) for name, news in clients.items()} == {
        "alice": ["for alice"],
        "bob": ["for bob"],
    }
    with pytest.raises(WsflowError, match="connected already"):
        part.connect("bob", "/chat/red")


async def test_a_page_that_closes_takes_its_clients_with_it(flow: Flow, part: ClientPart) -> None:
    codes: list[int | None] = []
    flow.nodes["/chat/{room}"].close >> flow.node(lambda ev: codes.append(ev["code"]), name="bye")
    part.connect("c1", "/chat/red")
    part.connect("c2", "/chat/red")
    part.close()
    assert codes == [1001, 1001]
    assert not list(flow.sessions)


async def test_a_flow_that_stops_closes_them_and_refuses_more(flow: Flow, part: ClientPart) -> None:
    part.connect("c1", "/chat/red")
    await flow.stop()
    assert told(part)["clients"]["c1"]["closed"] == (1001, "flow stopped")
    with pytest.raises(WsflowError, match="does not run"):
        part.connect("c1", "/chat/red")


@pytest.mark.parametrize(
    "path", ["/nowhere", "", "chat/red", "/chat/a/b", "/chat/\ud800", "/" * 9999]
)
async def test_a_path_without_a_route_is_refused_with_the_routes(
    flow: Flow, part: ClientPart, path: str
) -> None:
    if path == "/chat/\ud800":
        part.connect("c1", path)  # what no path can hold becomes a question mark
        assert flow.sessions[0].path == "/chat/?"
        return
    with pytest.raises(RefusedError) as caught:
        part.connect("c1", path)
    assert "routes: /chat/{room}" in str(caught.value) or caught.value.status == 414
    assert not list(flow.sessions)


async def test_more_clients_than_a_page_may_have_are_refused(flow: Flow, part: ClientPart) -> None:
    for number in range(MAX_CLIENTS):
        part.connect(f"c{number}", "/chat/red")
    with pytest.raises(WsflowError, match="disconnect one"):
        part.connect("one more", "/chat/red")


async def test_the_limits_of_the_server_hold_for_the_bridge_too(
    flow: Flow, part: ClientPart
) -> None:
    await flow.serve(max_message_size=10)
    part.connect("c1", "/chat/red")
    part.send("c1", "text", "x" * 11)
    assert told(part, "c1")["closed"] == (1009, "a message may have 10 bytes")


# ---- who is slow


async def test_a_page_is_told_the_newest_and_how_many_it_missed(
    flow: Flow, part: ClientPart
) -> None:
    part.connect("c1", "/chat/red")
    for number in range(MAX_MESSAGES + 50):
        flow.sessions[0].send(str(number))
    news = told(part, "c1")
    assert (len(news["messages"]), news["skipped"], texts(news)[-1]) == (MAX_MESSAGES, 50, "249")
    assert part.news() is None


@pytest.mark.parametrize(
    ("body", "fit"), [("x", MAX_QUEUE), ("x" * 2**20, 8)], ids=["many", "large"]
)
async def test_a_page_that_does_not_look_holds_the_session_back(
    flow: Flow, part: ClientPart, body: str, fit: int
) -> None:
    part.connect("c1", "/chat/red")
    session = flow.sessions[0]
    for _ in range(fit + 3):
        session.send(body)
    assert (session.backlog, session.messages_out) == (3 * len(body), fit)
    assert len(told(part, "c1")["messages"]) == min(fit, MAX_MESSAGES)
    await turned()
    assert (session.backlog, session.messages_out) == (0, fit + 3)
    assert len(told(part, "c1")["messages"]) == 3


async def turned() -> None:
    """What was posted into the loop has been done."""
    for _ in range(3):
        await anyio.lowlevel.checkpoint()


@pytest.mark.usefixtures("echo")
async def test_what_is_sent_to_a_paused_flow_waits_in_order(flow: Flow, part: ClientPart) -> None:
    part.connect("c1", "/chat/red")
    flow.pause()
    for number in range(MAX_AHEAD):
        part.send("c1", "text", str(number))
    with pytest.raises(WsflowError, match="is the flow paused"):
        part.send("c1", "text", "too much")
    assert flow.sessions[0].messages_in == 0
    flow.resume()
    await turned()
    assert texts(told(part, "c1")) == [str(number) for number in range(MAX_AHEAD)]


@pytest.mark.parametrize(
    "body", [EVIL, "x" * 2**20, "\u202egnirts", "\x00\x1b[31m\x7f", b"\x00" * 2**20, "\U0001f600"]
)
async def test_no_message_or_reason_breaks_the_channel(
    flow: Flow, part: ClientPart, body: str | bytes
) -> None:
    part.connect("c1", "/chat/red")
    flow.sessions[0].send(body)
    flow.sessions[0].close(4000, body[:30] if isinstance(body, str) else "")
    (message,) = told(part, "c1")["messages"]
    assert message[2] == len(body if isinstance(body, bytes) else body.encode())
    assert len(message[1]) <= 4000


@pytest.mark.usefixtures("echo")
async def test_a_bridge_works_to_a_flow_in_a_thread_of_its_own(
    flow: Flow, chat: WebSocketTrigger
) -> None:
    part = ClientPart(flow)
    await flow.serve(thread=True)
    flow._host.call(part.connect, "c1", "/chat/red")
    flow._host.call(part.send, "c1", "text", "over there")
    assert texts(told(part, "c1")) == ["over there"]
    flow._host.call(part.close)
    assert not list(flow.sessions)


# ---- in a browser


@pytest.fixture
def talk(page_flow: Flow) -> Flow:
    """A flow that says everything again."""
    chat = page_flow.websocket("/chat/{room}")
    chat.message >> page_flow.node(
        lambda ev, ctx: ctx.emit("response", {"body": ev["message"]}), name="echo"
    )
    return page_flow


def card(page: Page, name: str = "alice") -> Locator:
    return page.get_by_role("region", name=f"Client {name}")


def button(inside: Page | Locator, name: str) -> Locator:
    return inside.get_by_role("button", name=name, exact=True)


def lines(card: Locator) -> Locator:
    return card.get_by_role("log").locator("li:not(.wf-empty)")


async def says(card: Locator, text: str, kind: str = "text") -> None:
    await card.get_by_label("What the message is").select_option(kind)
    await card.get_by_role("textbox", name="Message of").fill(text)
    await card.get_by_role("textbox", name="Message of").press("Enter")


@contextlib.asynccontextmanager
async def jupyter(base: str = "/") -> AsyncIterator[int]:
    """Run what Jupyter is here: empty pages, and at `base`proxy/PORT/ what listens on that port.

    Like jupyter-server-proxy it takes that from the path and passes the headers on.
    """

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()  # a browser connects ahead of what it may need
            return
        method, target, rest = head.decode().split(" ", 2)
        port, _, path = target.removeprefix(f"{base}proxy/").partition("/")
        if port.isdigit():
            there, out = await asyncio.open_connection("127.0.0.1", int(port))
            out.write(f"{method} /{path} {rest}".encode())
            await asyncio.gather(carry(reader, out), carry(there, writer))
        else:
            status = b"200 OK" if target == "/lab" else b"404 Not Found"
            writer.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\n")
            writer.write(b"content-type: text/html\r\ncontent-length: 0\r\n\r\n")
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest_asyncio.fixture(loop_scope="session")
async def lab() -> AsyncIterator[str]:
    """The address of a page on this machine."""
    async with jupyter() as port:
        yield f"http://localhost:{port}/lab"


@pytest_asyncio.fixture(loop_scope="session")
async def hub() -> AsyncIterator[str]:
    """The address of a page on another machine."""
    async with jupyter() as port:
        yield f"http://hub.example.org:{port}/lab"


@in_browser
async def test_a_page_on_this_machine_goes_straight_to_the_port(
    browser: Browser, talk: Flow, lab: str
) -> None:
    async with talk.serving(), shown(browser, talk, "client", at=lab) as (page, _):
        alice = card(page)
        await alice.get_by_label("room").fill("red room/ü")
        await button(alice, "Connect").click()
        await expect(alice.get_by_role("status").first).to_have_text("direct")
        (session,) = talk.sessions
        assert session.params == {"room": "red room/ü"}
        assert session.headers["origin"] == lab.removesuffix("/lab")
        await says(alice, "hello")
        await says(alice, "00 ff", "hex")
        await expect(lines(alice).locator(".wf-text")).to_have_text(
            ["connected straight to the port", "hello", "hello", *["2 B binary: 00 ff"] * 2]
        )
        await says(alice, "{oops", "json")
        await expect(alice).to_contain_text("line 1 column 2")
        session.close(4001, "you again")
        await expect(lines(alice).last).to_contain_text("closed: 4001 you again")
        await button(alice, "Connect").click()
        await expect(button(alice, "Disconnect")).to_be_enabled()
        await button(alice, "Disconnect").click()
        await expect(lines(alice).last).to_contain_text("closed: 1000")
        assert not list(talk.sessions)


@in_browser
@pytest.mark.parametrize("token", ["s3cret", "two words/ü"])
async def test_the_token_is_brought_along(
    browser: Browser, talk: Flow, token: str, lab: str
) -> None:
    async with talk.serving(token=token), shown(browser, talk, "client", at=lab) as (page, _):
        await button(card(page), "Connect").click()
        await expect(card(page).get_by_role("status").first).to_have_text("direct")
        assert len(talk.sessions) == 1


@in_browser
async def test_a_client_is_told_at_once_where_a_server_is_that_moved(
    browser: Browser, talk: Flow, lab: str
) -> None:
    async with shown(browser, talk, "client", at=lab) as (page, _):
        await expect(page.get_by_text("The flow does not run.")).to_be_visible()
        await button(card(page), "Connect").click()
        await expect(card(page)).to_contain_text("Run  await flow.serve()  in a cell.")
        first = await talk.serve()
        await expect(page.locator(".wf-client > .wf-tools")).to_contain_text(first.url)
        await button(card(page), "Connect").click()
        await expect(button(card(page), "Disconnect")).to_be_visible()
        await first.stop()
        await expect(lines(card(page)).last).to_contain_text("closed: 1001 server stopped")
        second = await talk.serve()
        assert second.port != first.port
        await expect(page.locator(".wf-client > .wf-tools")).to_contain_text(second.url)
        await button(card(page), "Connect").click()
        await says(card(page), "there you are")
        await expect(lines(card(page)).last).to_contain_text("there you are")


@in_browser
async def test_a_page_from_elsewhere_takes_the_channel(
    browser: Browser, talk: Flow, hub: str
) -> None:
    await talk.start()
    async with shown(browser, talk, "client", at=hub) as (page, _):
        alice = card(page)
        await button(alice, "Connect").click()
        await expect(alice.get_by_role("status").first).to_have_text("channel")
        (session,) = talk.sessions
        assert session.peer == "panel"
        await expect(button(alice, session.id.split("-")[0])).to_be_visible()
        await says(alice, EVIL)
        await expect(lines(alice)).to_have_count(3)
        await says(alice, "AP8=", "base64")
        await expect(lines(alice).locator(".wf-text")).to_have_text(
            [
                "connected over the notebook's channel, without a port",
                *(EVIL, EVIL),
                *["2 B binary: 00 ff"] * 2,
            ]
        )
        assert await page.locator("img").count() == 0
        await button(alice, "Disconnect").click()
        await expect(lines(alice).last).to_contain_text("closed: 1000")


@in_browser
async def test_several_clients_talk_side_by_side_and_leave_with_their_page(
    browser: Browser, talk: Flow
) -> None:
    codes: list[int | None] = []
    talk.nodes["/chat/{room}"].close >> talk.node(lambda ev: codes.append(ev["code"]), name="bye")
    await talk.start()
    async with shown(browser, talk, "client") as (page, _):
        await button(page, "Add a client").click()
        for name in ("alice", "bob"):
            await button(card(page, name), "Connect").click()
            await says(card(page, name), f"I am {name}")
        for name in ("alice", "bob"):
            await expect(lines(card(page, name))).to_have_count(3)
            await expect(lines(card(page, name)).last).to_contain_text(f"I am {name}")
        await button(card(page, "bob"), "Remove bob").click()
        await expect(card(page, "bob")).to_have_count(0)
        await page.evaluate("window.leave()")
        with anyio.fail_after(20):
            while len(codes) < 2:
                await anyio.lowlevel.checkpoint()
    assert codes == [1000, 1001]


@in_browser
async def test_a_path_nobody_answers_is_refused_with_the_routes(
    browser: Browser, talk: Flow, lab: str
) -> None:
    async with talk.serving(), shown(browser, talk, "client", at=lab) as (page, _):
        path = card(page).get_by_role("combobox", name="Path")
        await path.fill("/nowhere")
        await path.press("Enter")
        await expect(card(page)).to_contain_text("refused with 404")
        await expect(card(page)).to_contain_text("routes: /chat/{room}")
        await path.fill("/chat/{room}")
        await card(page).get_by_label("room").fill("")
        await button(card(page), "Connect").click()
        await expect(card(page)).to_contain_text("the path needs a value for room")


@in_browser
async def test_a_transcript_keeps_the_last_two_hundred_and_what_is_read_stays(
    browser: Browser, talk: Flow
) -> None:
    await talk.start()
    async with shown(browser, talk, "client") as (page, _):
        alice = card(page)
        await button(alice, "Connect").click()
        await expect(button(alice, "Disconnect")).to_be_visible()
        session = talk.sessions[0]
        for number in range(150):
            session.send(f"line {number}")
        await expect(lines(alice).last).to_contain_text("line 149")
        log = alice.get_by_role("log")
        await log.evaluate("(list) => { list.scrollTop = 2000; }")
        seen = """(list) => {
            const { x, y } = list.getBoundingClientRect();
            return document.elementFromPoint(x + 200, y + 60).textContent;
        }"""
        before = await log.evaluate(seen)
        for number in range(150, 230):
            session.send(f"line {number}")
        await expect(lines(alice).last).to_contain_text("line 229")
        await expect(lines(alice)).to_have_count(200)
        assert await log.evaluate(seen) == before


@in_browser
@pytest.mark.parametrize("token", [None, "s3cret"])
async def test_a_page_from_elsewhere_goes_through_jupyters_proxy_where_there_is_one(
    browser: Browser, talk: Flow, token: str | None
) -> None:
    """The Host is Jupyter's own, and let in because its page shows the panel (P19)."""
    async with (
        talk.serving(token=token) as server,
        jupyter("/user/ann/") as port,
        shown(browser, talk, "client", at=f"http://hub.example.org:{port}/lab") as (page, _),
    ):
        config = json.dumps({"baseUrl": "/user/ann/"})
        await page.evaluate(
            "(text) => document.body.append(Object.assign(document.createElement('script'),"
            " { id: 'jupyter-config-data', type: 'application/json', textContent: text }))",
            config,
        )
        alice = card(page)
        path = alice.get_by_role("combobox", name="Path")
        await path.fill("/nowhere")
        await path.press("Enter")
        await expect(alice).to_contain_text("refused with 404")
        await path.fill("/chat/red")
        await button(alice, "Connect").click()
        await expect(alice.get_by_role("status").first).to_have_text("proxy")
        (session,) = server.sessions
        assert session.headers["host"] == f"hub.example.org:{port}"
        await says(alice, "hello over there")
        await expect(lines(alice).last).to_contain_text("hello over there")
        await button(alice, "Disconnect").click()
        await expect(button(alice, "Connect")).to_be_enabled()


@in_browser
async def test_a_proxy_that_does_not_answer_leaves_the_channel(
    browser: Browser, talk: Flow, hub: str
) -> None:
    async with (
        talk.serving(),
        shown(browser, talk, "client", at=hub) as (
            page,
            _,
        ),
    ):
        await page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'),"
            " { id: 'jupyter-config-data', type: 'x', textContent: '{\"baseUrl\": \"/none/\"}' }))"
        )
        await button(card(page), "Connect").click()
        await expect(card(page).get_by_role("status").first).to_have_text("channel")


@in_browser
@pytest.mark.parametrize(("trusted", "via"), [(True, "direct"), (False, "channel")])
async def test_a_server_with_a_certificate_is_reached_where_the_browser_trusts_it(
    browser: Browser, talk: Flow, lab: str, tmp_path: Path, trusted: bool, via: str
) -> None:
    issued = trustme.CA().issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(issued.cert_chain_pems[0].bytes())
    key.write_bytes(issued.private_key_pem.bytes())
    options: dict[str, Any] = {"at": lab, "ignore_https_errors": trusted}
    async with (
        talk.serving(certfile=str(cert), keyfile=str(key)),
        shown(browser, talk, "client", **options) as (page, _),
    ):
        await button(card(page), "Connect").click()
        await expect(card(page).get_by_role("status").first).to_have_text(via)
        await says(card(page), "hello")
        await expect(lines(card(page)).last).to_contain_text("hello")


@in_browser
async def test_a_page_the_kernel_forgot_says_that_its_clients_are_gone(
    browser: Browser, talk: Flow
) -> None:
    await talk.start()
    async with shown(browser, talk, "client") as (page, panel):
        alice = card(page)
        await button(alice, "Connect").click()
        await expect(button(alice, "Disconnect")).to_be_visible()
        for one in list(panel._pages):
            panel._bye(one)
        await says(alice, "are you there?")
        await expect(alice.get_by_role("log")).to_contain_text("the kernel lost this page")
        await expect(lines(alice).last).to_contain_text("not sent: this client is not connected")
        await button(alice, "Connect").click()
        await says(alice, "here again")
        await expect(lines(alice).last).to_contain_text("here again")
        await talk.stop()
        await expect(lines(alice).last).to_contain_text("closed: 1001 flow stopped")
        await button(alice, "Connect").click()
        await expect(alice).to_contain_text("The flow does not run.")


@in_browser
async def test_what_is_sent_while_a_tab_is_hidden_stands_there_afterwards(
    browser: Browser, talk: Flow
) -> None:
    await talk.start()
    async with shown(browser, talk, "composer", "client", "log") as (page, _):
        alice = card(page)
        await page.get_by_role("tab", name="Clients").click()
        await button(alice, "Connect").click()
        await expect(button(alice, "Disconnect")).to_be_visible()
        await page.get_by_role("tab", name="Log").click()
        talk.sessions[0].send("meanwhile")
        await expect(page.locator(".wf-log")).to_contain_text("meanwhile")
        await page.get_by_role("tab", name="Clients").click()
        await expect(lines(alice).last).to_contain_text("meanwhile")
