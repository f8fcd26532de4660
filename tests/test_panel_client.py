"""Clients in the page: what a page is told to connect, and the bridge for one that can not."""

import json

import pytest

from wsflow import Flow, RefusedError, WsflowError
from wsflow.panel.client import AHEAD, MOST, QUEUE, SHOWN, ClientPart
from wsflow.panel.part import News
from wsflow.triggers.websocket import WebSocketTrigger

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
    return [text for _, _, text, _ in news.get("messages", [])]


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
    assert [message[1:] for message in news["messages"]] == [
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
    for number in range(MOST):
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
    for number in range(SHOWN + 50):
        flow.sessions[0].send(str(number))
    news = told(part, "c1")
    assert (len(news["messages"]), news["skipped"], texts(news)[-1]) == (SHOWN, 50, "249")
    assert part.news() is None


@pytest.mark.parametrize(("body", "fit"), [("x", QUEUE), ("x" * 2**20, 8)], ids=["many", "large"])
async def test_a_page_that_does_not_look_holds_the_session_back(
    flow: Flow, part: ClientPart, body: str, fit: int
) -> None:
    part.connect("c1", "/chat/red")
    session = flow.sessions[0]
    for _ in range(fit + 3):
        session.send(body)
    assert (session.backlog, session.messages_out) == (3 * len(body), fit)
    assert len(told(part, "c1")["messages"]) == min(fit, SHOWN)
    await turned()
    assert (session.backlog, session.messages_out) == (0, fit + 3)
    assert len(told(part, "c1")["messages"]) == 3


async def turned() -> None:
    """What was posted into the loop has been done."""
    import anyio

    for _ in range(3):
        await anyio.lowlevel.checkpoint()


@pytest.mark.usefixtures("echo")
async def test_what_is_sent_to_a_paused_flow_waits_in_order(flow: Flow, part: ClientPart) -> None:
    part.connect("c1", "/chat/red")
    flow.pause()
    for number in range(AHEAD):
        part.send("c1", "text", str(number))
    with pytest.raises(WsflowError, match="is the flow paused"):
        part.send("c1", "text", "too much")
    assert flow.sessions[0].messages_in == 0
    flow.resume()
    await turned()
    assert texts(told(part, "c1")) == [str(number) for number in range(AHEAD)]


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
    assert message[3] == len(body if isinstance(body, bytes) else body.encode())
    assert len(message[2]) <= 4000
