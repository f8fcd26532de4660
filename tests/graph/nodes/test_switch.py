"""The Switch: sorts by a field of the JSON an event carries; what fits no case is never lost."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.recorded.playing import recording_in_memory
from wsflow import Context, Flow, WiringError
from wsflow.graph.nodes.switch import Switch


class Sorted:
    """A switch behind a socket, and which port each message left by."""

    def __init__(self, flow: Flow, field: str, *cases: Any) -> None:
        self.flow = flow
        self.switch: Switch = flow.websocket("/").message.where(field)
        self.ports: list[str] = []
        for case in cases:
            port = self.switch.case(case)
            port >> flow.node(self._keep(port.name), name=f"case {case!r}")
        self.switch.default >> flow.node(self._keep("default"), name="otherwise")

    def _keep(self, port: str) -> Any:
        return lambda ev: self.ports.append(port)

    async def send(self, *messages: Any) -> list[str]:
        async with self.flow.client("/") as client:
            for message in messages:
                raw = isinstance(message, str | bytes)
                await client.send(message if raw else json.dumps(message))
        return self.ports


async def test_it_sorts_by_a_field(flow: Flow) -> None:
    it = Sorted(flow, "action", "move", "say")
    messages = [{"action": "say"}, {"action": "move", "x": 1}, {"action": "say"}]
    assert await it.send(*messages) == ["say", "move", "say"]


async def test_the_event_goes_on_as_it_came_and_can_be_answered(flow: Flow) -> None:
    chat = flow.websocket("/")
    chat.message.where("action")["echo"] >> flow.node(
        lambda ev, ctx: ctx.emit("response", {"body": ev["message"]}), name="echo"
    )
    async with flow.client("/") as client:
        await client.send('{"action": "echo",  "n": 1}')
        assert await client.receive() == '{"action": "echo",  "n": 1}'
    route = next(row for row in flow.log.tail(10) if row.kind == "route")
    assert (route.node, route.port) == ("/.message where action", "echo")


@pytest.mark.parametrize(
    "message",
    [
        {"action": "sing"},
        {"other": "move"},
        {"action": ["move"]},
        {"action": {"move": 1}},
        {},
        [],
        ["action"],
        "null",
        "move",
        '"move"',
        "",
        "{",
        '{"action": NaN}',
        "[" * 100_000,
        "\ud800",
        b"\xff\x00",
        b"",
    ],
    ids=lambda message: repr(message)[:20],
)
async def test_all_else_goes_to_default(flow: Flow, message: Any) -> None:
    it = Sorted(flow, "action", "move")
    async with flow.client("/") as client:
        raw = isinstance(message, str | bytes)
        data = message if raw else json.dumps(message)
        assert client.session is not None
        client.session.receive(data, len(data))
    assert it.ports == ["default"]
    assert not [row for row in flow.log.tail(100) if row.kind == "error"]


async def test_cases_are_told_apart_as_json_tells_them_apart(flow: Flow) -> None:
    it = Sorted(flow, "v", 1, "1", True, "true", None, "null", 0.5, "")
    values = [1, 1.0, "1", True, "true", None, "null", 0.5, "", 2, False]
    assert await it.send(*({"v": value} for value in values)) == [
        "1", "1", '"1"', "true", '"true"', "null", '"null"', "0.5", '""', "default", "default",
    ]  # fmt: skip


async def test_cases_may_be_called_like_ports(flow: Flow) -> None:
    it = Sorted(flow, "v", "in", "default")
    assert await it.send({"v": "in"}, {"v": "default"}) == ['"in"', '"default"']
    assert it.switch["default"] is not it.switch.default


async def test_binary_json_is_json(flow: Flow) -> None:
    assert await Sorted(flow, "v", "x").send(b'{"v": "x"}') == ["x"]


@pytest.mark.parametrize(
    ("field", "message", "port"),
    [
        ("user.role", {"user": {"role": "admin"}}, "admin"),
        ("user.role", {"user.role": "admin"}, "default"),
        ("user.role", {"user": "admin"}, "default"),
        ("items.1.id", {"items": [{"id": "x"}, {"id": "admin"}]}, "admin"),
        ("items.1.id", {"items": [{"id": "admin"}]}, "default"),
        ("items.-1", {"items": ["admin"]}, "default"),
        ("0", ["admin"], "admin"),
        ("0", {"0": "admin"}, "admin"),
        ("99999999999999999999", ["admin"], "default"),
    ],
)
async def test_a_field_may_lie_deeper(flow: Flow, field: str, message: Any, port: str) -> None:
    assert await Sorted(flow, field, "admin").send(message) == [port]


async def test_a_case_without_a_wire_goes_to_default(flow: Flow) -> None:
    it = Sorted(flow, "v", "x")
    flow.disconnect(it.switch["x"], flow.nodes["case 'x'"])
    assert await it.send({"v": "x"}) == ["default"]


async def test_it_sorts_http_bodies_and_values_of_nodes_too(flow: Flow) -> None:
    kept: list[Any] = []
    kind = flow._host.switch("kind", "where kind")

    @flow.node
    def answer(ev: Any, ctx: Context) -> None:
        kept.append(ev)
        ctx.emit("response", {"status": 204})

    kind["news"] >> answer
    flow.http("/push", method="POST").out >> kind
    push = flow.inject(name="push")
    push >> kind
    server = await flow.serve()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as web:
        assert (await web.post("/push", json={"kind": "news"})).status_code == 204
    push({"kind": "news", "n": 2})
    push('{"kind": "news"}')
    push(3)
    assert [one if isinstance(one, str) else one.get("kind") for one in kept] == [
        None, "news", '{"kind": "news"}',
    ]  # fmt: skip


def test_declared_again_in_a_notebook_it_looks_at_the_other_field(flow: Flow) -> None:
    switch = flow._host.switch("a", "sort")
    switch["x"] >> flow.node(lambda: None, name="sink")
    switch.look_at("b")
    assert (switch.field, len(flow._host.wires)) == ("b", 1)
    assert repr(switch) == "<Switch sort by b: x>"


@pytest.mark.parametrize("field", ["", ".", "a.", "a..b", None, 3])
def test_a_field_that_is_none_is_refused(flow: Flow, field: Any) -> None:
    with pytest.raises(WiringError, match=r"where\(\) takes the name of a field"):
        flow.websocket("/").message.where(field)
    assert list(flow.nodes) == ["/"]


@pytest.mark.parametrize("value", [[], {}, b"x", object(), float("nan"), ("a", "b")])
def test_a_case_no_json_field_can_have_is_refused(flow: Flow, value: Any) -> None:
    with pytest.raises(WiringError, match="a case of 'where v' is text, a number, True, False"):
        flow._host.switch("v", "where v")[value]


async def test_the_port_of_a_case_may_be_renamed_or_removed(flow: Flow) -> None:
    it = Sorted(flow, "v", "x", "in")
    it.switch.rename_port("x", "ex")
    it.switch.remove_port('"in"')
    assert await it.send({"v": "x"}, {"v": "in"}) == ["x", "default"]
    assert [row.port for row in flow.log.tail(100) if row.kind == "route"] == ["ex", "default"]


def test_the_port_of_a_case_is_one(flow: Flow) -> None:
    switch = flow._host.switch("v", "where v")
    assert switch["x"] is switch["x"]
    assert switch[1] is switch[1.0]
    assert switch[1] is not switch[True]


async def test_it_is_there_in_a_replay(flow: Flow, tmp_path: Path) -> None:
    actions = flow.websocket("/").message.where("v")
    for case in (1, "in", None):
        actions[case] >> flow.node(
            lambda ev, ctx, case=case: ctx.emit("response", {"body": [case]}), name=f"case {case}"
        )
    actions.default >> flow.node(lambda ev, ctx: ctx.emit("response", {"body": "?"}), name="else")
    async with recording_in_memory(flow, tmp_path), flow.client("/") as client:
        for value in (1, "in", None, "x"):
            await client.send(json.dumps({"v": value}))
        heard = [await client.receive() for _ in range(4)]
    assert heard == ["[1]", '["in"]', "[null]", "?"]
    report = await flow.replay("lesson", folder=tmp_path)
    assert (report.ok, report.tally.same) == (True, 4), report.diff
