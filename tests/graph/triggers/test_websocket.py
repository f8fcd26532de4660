"""The WebSocket Trigger's own listener: which replies it takes, which it refuses, what it tells."""

from typing import Any

import pytest

from wsflow import Client, Context, Flow


async def replied(flow: Flow, *replies: Any) -> tuple[Client, list[int]]:
    """Emit `replies` for one message; return its client and how many listeners took each."""
    taken: list[int] = []

    @flow.node
    def answer(ev: Any, ctx: Context) -> None:
        taken.extend(ctx.emit("response", reply) for reply in replies)

    flow.websocket("/").message >> answer
    client = await flow.client("/")
    await client.send("x")
    return client, taken


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1008, 1011, 1014, 3000, 3999, 4000, 4999])
async def test_an_end_may_bear_any_code_an_application_may_send(flow: Flow, code: int) -> None:
    client, _ = await replied(flow, {"end": True, "code": code, "reason": "because"})
    assert client.closed == (code, "because")


@pytest.mark.parametrize(
    "code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, "1000", 1000.0, True, None]
)
async def test_another_code_is_an_error_and_the_session_is_kept(flow: Flow, code: Any) -> None:
    client, taken = await replied(flow, {"body": "x", "end": True, "code": code}, {"body": "y"})
    assert client.closed is None
    assert taken == [0, 1]
    assert await client.receive() == "y"
    (error,) = flow.log.frame(kind="error")["error"]
    assert f"close code {code!r} may not be sent" in error


@pytest.mark.parametrize("reason", ["x" * 123, "ü" * 61, ""])
async def test_a_reason_of_up_to_123_bytes_is_sent(flow: Flow, reason: str) -> None:
    client, _ = await replied(flow, {"end": True, "reason": reason})
    assert client.closed == (1000, reason)


@pytest.mark.parametrize("reason", ["x" * 124, "ü" * 62, b"bytes", 3, None, "\ud800"])
async def test_another_reason_is_an_error_and_the_session_is_kept(flow: Flow, reason: Any) -> None:
    client, taken = await replied(flow, {"end": True, "reason": reason})
    assert (client.closed, taken) == (None, [0])
    (error,) = flow.log.frame(kind="error")["error"]
    assert error.startswith(("ReplyError", "UnicodeEncodeError"))


@pytest.mark.parametrize("end", [True, 1, "no", [0]])
async def test_any_true_end_ends(flow: Flow, end: Any) -> None:
    client, _ = await replied(flow, {"end": end})
    assert client.closed == (1000, "")


@pytest.mark.parametrize("end", [False, 0, "", None, []])
async def test_a_false_end_does_not_end_whatever_code_stands_beside(flow: Flow, end: Any) -> None:
    client, taken = await replied(flow, {"body": "x", "end": end, "code": "nonsense"})
    assert (client.closed, taken) == (None, [1])
    assert await client.receive() == "x"


@pytest.mark.parametrize("reply", [None, "text", b"raw", 3, ["body"], ("body", "x"), object()])
async def test_what_is_no_mapping_is_an_error_that_shows_the_form(flow: Flow, reply: Any) -> None:
    client, taken = await replied(flow, reply)
    assert (client.closed, taken) == (None, [0])
    (error,) = flow.log.frame(kind="error")["error"]
    assert "takes a mapping such as {'body': 'hello'}" in error


async def test_any_mapping_is_a_reply(flow: Flow) -> None:
    from types import MappingProxyType

    client, taken = await replied(flow, MappingProxyType({"body": "x"}), {"unknown": 1}, {})
    assert taken == [1, 1, 1]
    assert await client.receive() == "x"
    assert flow.log.frame(kind="error").empty


async def test_after_an_end_replies_are_dropped_counted_and_recorded(flow: Flow) -> None:
    client, taken = await replied(flow, {"end": True}, {"body": "late"}, {"end": True})
    assert taken == [1, 0, 0]
    assert client.session is not None
    assert client.session.dropped == 1
    (row,) = [row for row in flow.log.tail() if row.kind == "drop"]
    assert (row.data, row.size) == ("late", 4)
    assert row.error is not None


async def test_a_response_row_tells_what_was_sent_and_its_size_in_bytes(flow: Flow) -> None:
    await replied(flow, {"body": "grün"}, {"body": {"a": "ü"}}, {"body": b"\x00"}, {})
    rows = [row for row in flow.log.tail() if row.kind == "response"]
    assert [(row.data, row.size) for row in rows] == [("grün", 5), ('{"a":"ü"}', 10), (b"\x00", 1)]
    message = next(row for row in flow.log.tail() if row.kind == "message")
    assert {row.cause for row in rows} == {message.seq}


async def test_every_firing_gets_an_event_of_its_own(flow: Flow) -> None:
    events: list[Any] = []
    chat = flow.websocket("/{room}")
    for port in ("req", "message", "close"):
        chat[port] >> flow.node(lambda ev: events.append(ev), name=port)
    client = await flow.client("/red?a=1&a=2")
    await client.send("x")
    await client.close()
    for key in ("params", "query", "headers"):
        assert events[0][key] == events[1][key] == events[2][key]
        assert len({id(event[key]) for event in events}) == 3
    events[0]["query"]["a"].append("3")
    assert events[1]["query"]["a"] == ["1", "2"]


async def test_the_scope_of_a_close_has_no_listener(flow: Flow) -> None:
    taken: list[int] = []
    flow.websocket("/").close >> flow.node(
        lambda ev, ctx: taken.append(ctx.emit("response", {"body": "x"})), name="part"
    )
    async with flow.client("/") as client:
        await client.send("x")
    assert taken == [0]
    assert flow.log.tail(1)[0].kind == "signal"
    assert flow.log.frame(kind="error").empty
