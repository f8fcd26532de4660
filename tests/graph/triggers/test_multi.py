"""The Multi-Trigger through real sockets: a port a method, and a judge for bodies."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.recorded.playing import recording_in_memory
from wsflow import Context, Flow, PathError, WiringError

THING: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}},
}


@pytest.fixture
async def web(flow: Flow) -> AsyncIterator[httpx.AsyncClient]:
    server = await flow.serve()
    url = f"http://127.0.0.1:{server.port}"
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as client:
        yield client


def things(flow: Flow, *methods: str, schema: Any = None) -> list[Any]:
    """Answer the methods named with the method and the port; keep the events."""
    kept: list[Any] = []
    trigger = flow.multi("/things/{id}", schema=schema, name="things")

    def answer(ev: Any, ctx: Context) -> None:
        kept.append(ev)
        ctx.emit("response", {"body": {"method": ev["method"], "id": ev["params"]["id"]}})

    for method in methods:
        trigger[method] >> flow.node(answer, name=f"answer {method}")
    return kept


async def test_each_method_has_a_port(flow: Flow, web: httpx.AsyncClient) -> None:
    kept = things(flow, "get", "post", "put", "patch", "delete")
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        got = await web.request(method, "/things/7?a=1", headers={"x-a": "1"})
        assert got.json() == {"method": method, "id": "7"}
    ports = [row.port for row in flow.log.tail(100) if row.kind == "req"]
    assert ports == ["get", "post", "put", "patch", "delete"]
    assert set(kept[0]) == {
        "method", "path", "params", "query", "body", "rawBody", "headers", "routePath",
    }  # fmt: skip
    assert (kept[0]["query"], kept[0]["routePath"]) == ({"a": "1"}, "/things/{id}")


async def test_a_method_without_a_wire_gets_405(flow: Flow, web: httpx.AsyncClient) -> None:
    things(flow, "get", "put")
    got = await web.post("/things/7", json={})
    assert (got.status_code, got.headers["allow"]) == (405, "GET, PUT")
    assert (await web.head("/things/7")).status_code == 405
    flow.nodes["things"]["post"] >> flow.nodes["answer get"]
    assert (await web.post("/things/7", json={})).json()["method"] == "POST"


async def test_without_any_wire_it_takes_nothing_yet(flow: Flow, web: httpx.AsyncClient) -> None:
    things(flow)
    got = await web.get("/things/7")
    assert (got.status_code, got.headers["allow"]) == (405, "")
    assert got.text == "this path takes no method yet\n"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_a_body_that_fails_gets_422_with_the_reasons_and_is_not_routed(
    flow: Flow, web: httpx.AsyncClient, method: str
) -> None:
    kept = things(flow, "post", "put", "patch", schema=THING)
    bodies: list[Any] = [{"name": 1}, [], "x"]
    for body in bodies:
        got = await web.request(method, "/things/7", json=body)
        assert (got.status_code, got.headers["content-type"]) == (422, "application/json")
    assert got.json() == {"errors": [{"path": "$", "reason": "must be of type object"}]}
    got = await web.request(method, "/things/7")
    assert got.status_code == 422, "no body is null"
    assert kept == []
    row = flow.log.tail(1)[0]
    assert (row.kind, row.path) == ("drop", "/things/7")
    assert "refused with 422" in (row.error or "")
    assert (await web.request(method, "/things/7", json={"name": "cup"})).status_code == 200


async def test_the_schema_is_not_for_get_and_delete(flow: Flow, web: httpx.AsyncClient) -> None:
    kept = things(flow, "get", "delete", schema=THING)
    assert (await web.get("/things/7")).status_code == 200
    assert (await web.delete("/things/7")).status_code == 200
    assert len(kept) == 2


async def test_what_is_no_json_at_all_gets_400(flow: Flow, web: httpx.AsyncClient) -> None:
    kept = things(flow, "post", schema=THING)
    headers = {"content-type": "application/json"}
    got = await web.post("/things/7", content=b"{", headers=headers)
    assert (got.status_code, kept) == (400, [])
    got = await web.post("/things/7", content=b"\x00", headers={"content-type": "image/png"})
    assert (got.status_code, kept) == (422, [])


async def test_a_large_body_is_judged_beside_and_a_larger_one_gets_413(
    flow: Flow, web: httpx.AsyncClient
) -> None:
    kept = things(flow, "post", schema={"type": "array", "items": {"type": "integer"}})
    assert (await web.post("/things/7", json=list(range(10_000)))).status_code == 200
    got = await web.post("/things/7", json=["x"] * 10_000)
    assert (got.status_code, len(got.json()["errors"])) == (422, 10)
    assert (await web.post("/things/7", json="x" * 2**20)).status_code == 413
    assert len(kept) == 1


async def test_nobody_waits_for_a_judge(flow: Flow, web: httpx.AsyncClient) -> None:
    things(flow, "get", "post", schema={"items": {"type": "integer"}})
    judged = asyncio.create_task(web.post("/things/1", json=list(range(80_000))))
    answered = 0
    while not judged.done():
        answered += (await web.get("/things/2")).status_code == 200
    assert (await judged).status_code == 200
    assert answered > 1


async def test_another_schema_in_its_place_counts_from_the_next_request(
    flow: Flow, web: httpx.AsyncClient
) -> None:
    things(flow, "post", schema=THING)
    trigger: Any = flow.nodes["things"]
    assert (await web.post("/things/7", json=1)).status_code == 422
    trigger.schema = None
    assert (await web.post("/things/7", json=1)).status_code == 200


def test_a_wrong_schema_leaves_nothing_behind(flow: Flow) -> None:
    with pytest.raises(WiringError, match="is no JSON Schema"):
        flow.multi("/x", schema={"type": "strnig"})
    assert flow.nodes == {}


def test_a_path_belongs_to_one_trigger_a_method(flow: Flow) -> None:
    flow.http("/a", method="PUT")
    with pytest.raises(PathError, match="'/a' is taken by <HttpTrigger PUT /a"):
        flow.multi("/a")
    flow.multi("/b")
    with pytest.raises(PathError, match="'/b' is taken by <MultiTrigger /b"):
        flow.http("/b", method="POST")
    flow.remove(flow.nodes["/b"])
    flow.http("/b", method="POST")


async def test_its_requests_are_recorded_and_replayed(flow: Flow, tmp_path: Path) -> None:
    things(flow, "get", "post", schema=THING)
    server = await flow.serve()
    url = f"http://127.0.0.1:{server.port}"
    async with recording_in_memory(flow, tmp_path), httpx.AsyncClient(base_url=url) as web:
        await web.get("/things/1")
        await web.post("/things/2", json={"name": "cup"})
        await web.post("/things/3", json={"name": 3})
    report = await flow.replay("lesson", folder=tmp_path)
    assert report.ok, report.diff
    assert report.tally.same == 2, "what was refused asked nobody"
