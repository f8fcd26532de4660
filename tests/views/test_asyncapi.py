"""The AsyncAPI document: judged by the official schema, complete, and without what people said."""

import gzip
import json
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from jsonschema import Draft7Validator

from tests.peers.node import finds
from tests.recorded.playing import recording_in_memory
from wsflow import Context, Flow

OFFICIAL = Path(__file__).parents[1] / "data" / "asyncapi-3.0.0.json.gz"

THING: dict[str, Any] = {
    "type": "object",
    "properties": {"parent": {"$ref": "#"}, "size": {"$ref": "#/$defs/size"}},
    "$defs": {"size": {"type": "integer"}},
}


@pytest.fixture(scope="module")
def judge() -> Draft7Validator:
    return Draft7Validator(json.loads(gzip.decompress(OFFICIAL.read_bytes())))


def resolved(document: Any, reference: str) -> Any:
    """Follow a reference, as every tool will."""
    found = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [one for inner in part.values() for one in references(inner)]
    return [one for inner in part for one in references(inner)] if isinstance(part, list) else []


def whole(flow: Flow) -> None:
    """A flow with everything that has a place in the document."""
    chat = flow.websocket("/chat/:room", name="chat", subprotocols=("chat.v1",))
    actions = chat.message.where("action")

    @flow.node
    def say(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": {"said": json.loads(ev["message"])["text"]}})

    @flow.node
    def thing(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": {"id": 7}})

    actions["say"] >> say
    things = flow.multi("/things/{id}", schema=THING)
    things["get"] >> thing
    things["post"] >> thing
    flow.http("/push", method="POST").out >> thing
    flow.timer(60)
    flow.inject()
    flow.catch()


async def talk(flow: Flow) -> None:
    async with flow.client("/chat/red") as client:
        await client.send('{"action": "say", "text": "a secret"}')
        await client.send("plain")
    server = await flow.serve(token="s3cret")
    headers = {"authorization": "Bearer s3cret"}
    url = f"http://127.0.0.1:{server.port}"
    async with httpx.AsyncClient(base_url=url, headers=headers) as web:
        await web.get("/things/1")
        await web.post("/things/1", json={"size": 3})
        await web.post("/push", content="text")


async def test_the_official_schema_takes_it(flow: Flow, judge: Draft7Validator) -> None:
    whole(flow)
    documents = [flow.to_asyncapi()]
    await talk(flow)
    documents.append(flow.to_asyncapi(version="2.1"))
    for document in documents:
        assert [error.message for error in judge.iter_errors(document)] == []
        assert all(resolved(document, one) for one in references(document))
        assert json.loads(json.dumps(document)) == document
    assert documents[1]["info"] == {"title": "test", "version": "2.1"}


def test_the_judge_judges(flow: Flow, judge: Draft7Validator) -> None:
    whole(flow)
    document = flow.to_asyncapi()
    document["operations"]["receive_ws_chat_room"]["action"] = "listen"
    assert not judge.is_valid(document)


async def test_an_empty_flow_has_a_document_too(flow: Flow, judge: Draft7Validator) -> None:
    document = flow.to_asyncapi()
    assert judge.is_valid(document)
    assert "channels" not in document


async def test_channels_are_the_routes(flow: Flow) -> None:
    whole(flow)
    channels = flow.to_asyncapi()["channels"]
    assert {key: one["address"] for key, one in channels.items()} == {
        "ws_chat_room": "/chat/{room}",
        "http_things_id": "/things/{id}",
        "http_push": "/push",
    }
    assert set(channels["ws_chat_room"]["parameters"]) == {"room"}
    spoken = channels["ws_chat_room"]["bindings"]["ws"]["headers"]["properties"]
    assert spoken["Sec-WebSocket-Protocol"]["enum"] == ["chat.v1"]


async def test_operations_name_the_messages_of_each_direction(flow: Flow) -> None:
    whole(flow)
    await talk(flow)
    document = flow.to_asyncapi()
    named = {
        name: [one["$ref"].rpartition("/")[2] for one in operation["messages"]]
        for name, operation in document["operations"].items()
    }
    assert named == {
        "receive_ws_chat_room": ["client_say", "client_text"],
        "send_ws_chat_room": ["server_json"],
        "receive_http_things_id_GET": [],
        "receive_http_things_id_POST": ["POST_request"],
        "receive_http_push_POST": ["POST_request_text"],
    }
    posted = document["operations"]["receive_http_things_id_POST"]
    assert posted["bindings"]["http"]["method"] == "POST"
    (answer,) = (resolved(document, one["$ref"]) for one in posted["reply"]["messages"])
    assert answer["payload"]["properties"] == {"id": {"type": "integer"}}


@pytest.mark.slow
@pytest.mark.timeout(200)  # npm fetches first
async def test_the_official_parser_takes_it(flow: Flow, tmp_path: Path) -> None:
    parser = await anyio.to_thread.run_sync(finds, "@asyncapi/parser@3")
    whole(flow)
    await talk(flow)
    (tmp_path / "flow.json").write_text(json.dumps(flow.to_asyncapi()))
    (tmp_path / "judge.js").write_text(
        """
        const { Parser } = require("@asyncapi/parser");
        const text = require("fs").readFileSync("flow.json", "utf8");
        new Parser().parse(text).then(({ document, diagnostics }) => {
          const wrong = diagnostics.filter((one) => one.severity === 0);
          wrong.forEach((one) => console.log(one.path.join("."), one.message));
          console.log(document ? `${document.channels().all().length} channels` : "no document");
        });
        """
    )
    done = await anyio.run_process(["node", "judge.js"], cwd=tmp_path, env=parser)
    assert done.stdout.decode().split("\n")[0] == f"{len(flow.to_asyncapi()['channels'])} channels"


async def test_a_message_has_the_schema_of_what_was_said(flow: Flow) -> None:
    whole(flow)
    await talk(flow)
    messages = flow.to_asyncapi()["channels"]["ws_chat_room"]["messages"]
    assert messages["client_say"] == {
        "name": "client_say",
        "contentType": "application/json",
        "payload": {
            "type": "object",
            "properties": {"action": {"const": "say"}, "text": {"type": "string"}},
            "required": ["action", "text"],
        },
    }
    assert messages["client_text"]["contentType"] == "text/plain"


async def test_the_schema_at_the_door_is_the_schema_in_the_document(flow: Flow) -> None:
    whole(flow)
    document = flow.to_asyncapi()
    message = document["channels"]["http_things_id"]["messages"]["POST_request"]
    schema = resolved(document, message["payload"]["$ref"])
    here = message["payload"]["$ref"]
    assert schema["properties"]["parent"] == {"$ref": here}
    assert schema["properties"]["size"] == {"$ref": f"{here}/$defs/size"}
    assert THING["properties"]["parent"] == {"$ref": "#"}, "the author's own stays as it is"


async def test_nothing_that_was_said_or_secret_is_in_it(flow: Flow) -> None:
    whole(flow)
    await talk(flow)
    text = json.dumps(flow.to_asyncapi())
    assert "secret" not in text
    assert "s3cret" not in text


async def test_while_it_is_served_it_says_where_and_how_to_get_in(flow: Flow) -> None:
    whole(flow)
    assert "servers" not in flow.to_asyncapi()
    server = await flow.serve(token="s3cret")
    document = flow.to_asyncapi()
    assert document["servers"]["ws"]["host"] == f"127.0.0.1:{server.port}"
    assert {one["protocol"] for one in document["servers"].values()} == {"ws", "http"}
    (scheme,) = document["servers"]["ws"]["security"]
    assert resolved(document, scheme["$ref"])["name"] == "token"
    assert document["channels"]["http_push"]["servers"] == [{"$ref": "#/servers/http"}]


async def test_a_recording_tells_as_much_as_the_log(flow: Flow, tmp_path: Path) -> None:
    whole(flow)
    async with recording_in_memory(flow, tmp_path):
        await talk(flow)
    from_log = flow.to_asyncapi()
    flow.log.clear()
    assert flow.to_asyncapi() != from_log
    assert flow.to_asyncapi(recording="lesson", folder=tmp_path) == from_log


def test_names_that_a_reference_can_not_hold_are_written_otherwise(
    flow: Flow, judge: Draft7Validator
) -> None:
    flow.websocket("/a b/{größe}/~", name="a/b ~ c")
    flow.websocket("/a-b/{other}/~", name="another")
    flow.websocket("/", name="root")
    document = flow.to_asyncapi()
    assert [error.message for error in judge.iter_errors(document)] == []
    assert [one["address"] for one in document["channels"].values()] == [
        "/a b/{p2}/~", "/a-b/{other}/~", "/",
    ]  # fmt: skip
    assert all(resolved(document, one) for one in references(document))
