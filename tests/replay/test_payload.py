"""Requests that are made again as they were, and answers that are compared as they went out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.recorded.playing import (
    Script,
    assert_same,
    record,
    rows,
)
from wsflow import Context, Flow, Recording
from wsflow.types import HttpEvent
from wsflow.wire.server import Server


async def test_requests_of_all_kinds_are_made_again(tmp_path: Path) -> None:
    flow = Flow("http")

    @flow.node
    def answer(event: HttpEvent, ctx: Context) -> None:
        bodies: dict[str, Any] = {
            "json": {"got": event["body"], "é": [1, None, 2.5]},
            "bytes": b"\x00\xff",
            "ascii": b"abc",
            "null": None,
            "text": f"{event['method']} {event['body']!r}",
            "list": [event["query"], event["params"]],
        }
        kind = event["params"]["kind"]
        if kind == "twice":
            ctx.emit("response", {"body": "first"})
        ctx.emit("response", {"body": bodies[kind]} if kind in bodies else {"status": 204})

    for method in ("GET", "POST", "PUT"):
        flow.http("/x/{kind}", method=method).out >> answer

    async def talk(server: Server) -> None:
        async with httpx.AsyncClient(base_url=server.url.replace("ws", "http")) as http:
            for kind in ("json", "bytes", "ascii", "null", "text", "list", "nothing", "twice"):
                await http.get(f"/x/{kind}?a=1&a=2&b=%C3%A9")
            await http.post("/x/json", json={"a": [1, "ü"]})
            await http.post("/x/text", data={"a": "1", "b": ["2", "3"]})
            await http.put("/x/text", content=b"\x00\xff", headers={"content-type": "image/x"})
            await http.put("/x/text", content="grüße", headers={"content-type": "text/plain"})
            await http.post("/x/json", content="null", headers={"content-type": "application/json"})

    recording = await record(flow, tmp_path, talk)
    report = await assert_same(flow, recording)
    assert report.events == 13
    answer.define(lambda event, ctx: ctx.emit("response", {"body": "other"}) and None)
    report = await flow.replay(recording)
    assert report.tally.changed == 13
    assert rows(report)[0][0].startswith("GET /x/json #")


async def test_a_request_nobody_answers_is_not_an_answer_of_504(tmp_path: Path) -> None:
    flow = Flow("silent")
    flow.http("/silent")
    script = Script(tmp_path / "silent.jsonl")
    event: dict[str, Any] = {"method": "GET", "path": "/silent", "query": {}, "headers": {}}
    script.row(0.0, "req", data=event)
    script.row(500.0, "mark", data="much later")
    report = await flow.replay(script.recording())
    assert (report.ok, report.events) == (True, 1)


def pushing(reply: Callable[[Any], dict[str, Any]]) -> Flow:
    flow = Flow("push")

    @flow.node
    def answer(ev: Any, ctx: Any) -> None:
        ctx.emit("response", reply(ev))

    flow.http("/push", method="POST").out >> answer
    return flow


async def pushed(folder: Path, reply: dict[str, Any], **rules: Any) -> Recording:
    flow = pushing(lambda _: reply)
    with flow.record("lesson", folder=folder):
        server = await flow.serve()
        async with httpx.AsyncClient(trust_env=False) as web:
            await web.post(server.url.replace("ws", "http", 1) + "/push", content=b"x")
    await flow.stop()
    return Recording.open("lesson", folder=folder)


PLAIN: dict[str, Any] = {"body": "done"}
MADE = {"status": 201, "body": {"id": 1}}


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        (PLAIN, PLAIN | {"status": 404}, ("200 text/plain done", "404 text/plain done")),
        (
            MADE,
            MADE | {"status": 200},
            ('201 application/json {"id":1}', '200 application/json {"id":1}'),
        ),
        (
            {"body": '{"id":1}'},
            {"body": {"id": 1}},
            ('200 text/plain {"id":1}', '200 application/json {"id":1}'),
        ),
        (
            PLAIN | {"headers": {"Content-Type": "text/html; charset=utf-8"}},
            PLAIN,
            ("200 text/html done", "200 text/plain done"),
        ),
        (
            {"body": {"status": 500, "headers": {}, "body": "no"}},
            {"body": "no", "status": 500},
            (
                '200 application/json {"status":500,"headers":{},"body":"no"}',
                "500 text/plain no",
            ),
        ),
    ],
)
async def test_http_answers_are_compared_with_status_and_content_type(
    tmp_path: Path, then: dict[str, Any], now: dict[str, Any], told: tuple[str, str]
) -> None:
    recording = await pushed(tmp_path, then)
    assert (await pushing(lambda _: then).replay(recording)).ok
    report = await pushing(lambda _: now).replay(recording)
    assert report.tally.changed == 1, report
    assert tuple(report.diff.loc[0, ["old", "new"]]) == told
    assert told[1].partition(" ")[0] in repr(report)


@pytest.mark.parametrize("body", ["", "{}", b"\x00", None, 0, [], {"body": ""}])
@pytest.mark.parametrize(
    "kind", [None, "text/plain; charset=utf-8", "application/octet-stream", "application/json"]
)
async def test_an_answer_is_recorded_with_the_content_type_it_had(
    tmp_path: Path, body: Any, kind: str | None
) -> None:
    reply = {"body": body, "headers": {} if kind is None else {"Content-Type": kind}}
    recording = await pushed(tmp_path, reply)
    report = await pushing(lambda _: reply).replay(recording)
    assert (report.ok, report.tally.same) == (True, 1)


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ({"body": {"id": 1, "a": 2}}, {"body": {"id": 2, "a": 2}}),
        (PLAIN, PLAIN | {"headers": {"content-type": "text/plain"}}),
        (PLAIN, PLAIN | {"headers": {"x-own": "1"}}),
        ({"status": 204}, {"status": 204, "body": ""}),
    ],
)
async def test_what_does_not_matter_of_http_answers_is_not_compared(
    tmp_path: Path, then: dict[str, Any], now: dict[str, Any]
) -> None:
    recording = await pushed(tmp_path, then)
    report = await pushing(lambda _: now).replay(recording, ignore="id")
    assert report.ok, report
