"""The flow behind `Flow`: sessions, recorders and the panel meet it here."""

from pathlib import Path

from wsflow import Flow


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
