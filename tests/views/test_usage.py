"""What was said on a route, learned from rows of a log and from those of a recording alike."""

import json
from pathlib import Path
from typing import Any

import httpx

from tests.recorded.playing import recording_in_memory
from wsflow import Flow, Recording
from wsflow.views.usage import Sorting, Usage, usage


def talkative(flow: Flow) -> None:
    """A chat that answers with JSON, text and bytes, and an HTTP route that echoes."""
    chat = flow.websocket("/chat", name="chat")

    @flow.node
    def answer(ev: Any, ctx: Any) -> None:
        for body in ({"n": 1}, "text", b"\x00"):
            ctx.emit("response", {"body": body})

    chat.message >> answer
    flow.http("/push", method="POST", name="push").out >> flow.node(
        lambda ev, ctx: ctx.emit("response", {"body": [ev["body"]]}), name="echo"
    )


async def talk(flow: Flow) -> None:
    async with flow.client("/chat") as client:
        for message in ('{"action": "say"}', '{"action": "hop"}', "[1]", "plain", "{", b"\x00"):
            await client.send(message)
        flow.sessions[0].send({"by": "hand"})


SORTED = {"chat": Sorting("action", ("say",)), "push": Sorting()}


def forms(heard: Usage, *key: Any) -> dict[str, Any]:
    return {case: schema for case, _, schema in heard[key].forms()}


async def test_messages_are_sorted_by_kind_and_case(flow: Flow) -> None:
    talkative(flow)
    await talk(flow)
    heard = usage(flow.log, SORTED)
    sent = forms(heard, "chat", "message", False)
    assert list(sent) == ["say", "", "text", "binary"]
    assert sent["say"] == {
        "type": "object",
        "properties": {"action": {"const": "say"}},
        "required": ["action"],
    }
    assert sent[""]["type"] == ["object", "array"]
    got = forms(heard, "chat", "message", True)
    assert set(got[""]["properties"]) == {"n", "by"}, "what was sent by hand counts too"
    assert {"text", "binary"} < set(got)


async def test_a_recording_tells_the_same_as_the_log(flow: Flow, tmp_path: Path) -> None:
    talkative(flow)
    async with recording_in_memory(flow, tmp_path):
        await talk(flow)
        server = await flow.serve()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as web:
            assert (await web.post("/push", json={"a": [1]})).json() == [{"a": [1]}]
            assert (await web.post("/push")).json() == [None]
    from_log = usage(flow.log, SORTED)
    from_file = usage(Recording.open("lesson", folder=tmp_path).rows(), SORTED)
    assert set(from_log) == set(from_file) == {
        ("chat", "message", False), ("chat", "message", True),
        ("push", "out", False), ("push", "out", True),
    }  # fmt: skip
    for key, said in from_log.items():
        assert list(said.forms()) == list(from_file[key].forms())
    assert forms(from_log, "push", "out", False)[""]["properties"] == {
        "a": {"type": "array", "items": {"type": "integer"}}
    }


async def test_of_an_http_answer_the_body_counts_whatever_its_status(flow: Flow) -> None:
    flow.http("/push", method="POST", name="push").out >> flow.node(
        lambda ev, ctx: ctx.emit("response", {"status": 404, "body": {"no": 1}}), name="refuse"
    )
    server = await flow.serve()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as web:
        assert (await web.post("/push")).status_code == 404
    assert list(forms(usage(flow.log, SORTED), "push", "out", True)[""]["properties"]) == ["no"]


async def test_routes_nobody_asks_for_are_left_out(flow: Flow) -> None:
    talkative(flow)
    await talk(flow)
    assert usage(flow.log, {}) == {}


async def test_what_only_begins_like_json_is_text(flow: Flow) -> None:
    talkative(flow)
    async with flow.client("/chat") as client:
        for message in ("[" * 100_000, "{x}", '"text"', "3", json.dumps("x")):
            await client.send(message)
    plain = {"chat": Sorting()}
    assert list(forms(usage(flow.log, plain), "chat", "message", False)) == ["text"]


def test_a_case_that_nobody_said_is_expected() -> None:
    heard = usage([], SORTED)
    assert forms(heard, "chat", "message", False) == {
        "say": {
            "type": "object",
            "properties": {"action": {"const": "say"}},
            "required": ["action"],
        }
    }
