"""The flow behind `Flow`: sessions, recorders and the panel meet it here."""

from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from wsflow import Flow
from wsflow.base.interfaces import Refusal, Request
from wsflow.wire.policy import Policy
from wsflow.wire.server import Server


async def test_clients_of_a_removed_trigger_are_told_and_others_stay(flow: Flow) -> None:
    gone, stays = flow.websocket("/gone"), flow.websocket("/stays")
    stays.message >> flow.node(
        lambda ev, ctx: ctx.emit("response", {"body": "still here"}), name="answer"
    )
    one, other = await flow.client("/gone"), await flow.client("/stays")
    flow.remove(gone)
    assert one.closed == (1012, "this route is gone")
    await other.send("x")
    assert await other.receive() == "still here"


def test_a_description_is_plain_values(flow: Flow) -> None:
    chat = flow.websocket("/chat", name="chat")
    flow.timer(5, name="beat")
    chat.message >> flow.node(lambda: None, name="shout")
    assert flow._host.describe() == {
        "name": flow.name,
        "nodes": [
            {"name": "chat", "kind": "WebSocketTrigger", "path": "/chat"},
            {"name": "beat", "kind": "Timer", "seconds": 5.0},
            {"name": "shout", "kind": "Node"},
        ],
        "wires": [["chat", "message", "shout", "in"]],
    }


async def test_one_file_has_one_recorder(flow: Flow, tmp_path: Path) -> None:
    first = flow.record("lesson", folder=tmp_path)
    again = flow.record("lesson", folder=tmp_path)
    assert list(flow._host.recorders.values()) == [again]
    assert first is not again
    await flow.stop()
    assert not flow._host.recorders


# ---- clients that go astray


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody types here, as in a notebook."""
    monkeypatch.setattr("wsflow.host.interactive", lambda: True)


async def got(server: Server) -> str:
    """Return what a browser gets that asks for no page in particular."""
    url = server.url.replace("ws", "http", 1)
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(url)
    assert response.status_code == 404
    return response.text


THERE = "; there are: WebSocket /chat/{room}, POST /push"


@pytest.mark.usefixtures("typed")
async def test_who_asks_for_no_route_is_told_which_there_are(flow: Flow) -> None:
    """found D14: `connect(server.url)` and a browser got a bare 404."""
    flow.websocket("/chat/{room}")
    flow.http("/push", method="POST")
    server = await flow.serve()
    with pytest.raises(InvalidStatus) as caught:
        await connect(server.url, proxy=None)
    response = caught.value.response
    assert response.status_code == 404
    assert (response.body or b"").decode() == f"no WebSocket route on this path{THERE}\n"
    assert await got(server) == f"no route on this path{THERE}\n"
    assert THERE in str(flow.log.tail(1)[0])


async def test_strangers_are_told_of_no_route(flow: Flow) -> None:
    """found D14: nor is anybody where nobody types, as in a program that runs."""
    flow.websocket("/chat/{room}")
    server = await flow.serve()
    assert await got(server) == "no route on this path\n"


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize(("client", "told"), [("127.0.0.1", True), ("203.0.113.9", False)])
async def test_only_clients_of_this_machine_are_told(flow: Flow, client: str, told: bool) -> None:
    """found D14."""
    for number in range(30):
        flow.websocket(f"/{number}")
    door = flow._host.endpoint(Policy(check_host=False))
    refused = door.admit(Request("GET", "/", "", (), client, client))
    assert isinstance(refused, Refusal)
    assert ("and 10 more" in refused.body) is told
    assert ("/1" in refused.body) is told
