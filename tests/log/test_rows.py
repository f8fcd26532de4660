"""Rows as a person reads them."""

from __future__ import annotations

import pytest

from wsflow import Flow, Row
from wsflow.graph.context import Context
from wsflow.log.rows import DEEPEST, Rows, Trace, data_text, line, where
from wsflow.types import MessageEvent


def row(seq: int, cause: int = 0, *, kind: str = "route", error: str | None = None) -> Row:
    return Row(
        seq, seq * 1_500_000, 1, cause, kind, "shout", "out", "s1-ab", "/", "hi", 2, None, error
    )


async def test_a_trace_is_a_tree_of_what_one_event_caused() -> None:
    flow = Flow()
    chat = flow.websocket("/chat", name="chat")

    @flow.node
    def split(ev: MessageEvent, ctx: Context) -> None:
        ctx.route(ev["message"])
        ctx.emit("response", {"body": "split"})

    @flow.node
    def shout(text: str, ctx: Context) -> None:
        ctx.emit("response", {"body": text.upper()})

    chat.message >> split >> shout
    async with flow.client("/chat") as alice:
        await alice.send("hi")
        await alice.receive()
        await alice.receive()
    first = next(row for row in flow.log if row.kind == "message")
    trace = flow.log.trace(first.seq)
    await flow.stop()

    assert isinstance(trace, Trace)
    assert [(row.kind, step) for row, step in zip(trace, trace.steps(), strict=True)] == [
        ("message", 0),
        ("route", 1),
        ("response", 1),
        ("response", 2),
    ]
    lines = repr(trace).splitlines()
    assert lines[0] == f"<Trace of row {first.seq}: 4 rows>"
    assert lines[4].startswith("      ")
    html = trace._repr_html_()
    assert ">message<" in html
    assert ">└ response<" in html
    assert ">· └ response<" in html


def test_a_trace_tells_milliseconds_since_its_first_row() -> None:
    html = Trace([row(1, kind="message"), row(3, cause=1)])._repr_html_()
    assert ">0.0<" in html
    assert ">3.0<" in html


def test_a_trace_is_indented_only_so_far() -> None:
    chain = Trace(row(seq, cause=seq - 1) for seq in range(1, 40))
    assert max(chain.steps()) == DEEPEST


def test_a_row_whose_cause_is_not_in_the_trace_stands_at_the_left() -> None:
    assert Trace([row(8, cause=3), row(9, cause=8)]).steps() == [0, 1]


def test_nothing_has_a_face_too() -> None:
    assert repr(Trace()) == "<Trace of nothing>"
    assert "<table>" in Trace()._repr_html_()
    assert repr(Rows()) == "<0 rows>"


@pytest.mark.parametrize("kind", [Rows, Trace])
def test_errors_have_a_column_when_there_are_any(kind: type[Rows] | type[Trace]) -> None:
    assert ">error<" not in kind([row(1)])._repr_html_()
    assert ">no &lt;b&gt; here<" in kind([row(1, error="no <b> here")])._repr_html_()


async def test_the_tail_of_a_log_is_a_table_and_a_list() -> None:
    flow = Flow()
    flow.websocket("/chat")
    async with flow.client("/chat") as alice:
        await alice.send("<script>")
    tail = flow.log.tail(2)
    await flow.stop()
    assert [one.kind for one in tail] == ["message", "close"]
    assert "&lt;script&gt;" in tail._repr_html_()
    assert repr(tail).splitlines()[0] == "<2 rows>"


def test_data_is_one_line_without_control_codes() -> None:
    assert data_text("a\x1b[31m\nb") == "'a\\x1b[31m\\nb'"
    assert data_text(None) == ""
    assert len(data_text("x" * 1000)) == 200
    assert data_text(10**5000).startswith("<int: ")


def test_a_line_names_the_port_and_the_error() -> None:
    text = line(row(7, error="ValueError: \x1b"))
    assert "shout.out" in text
    assert "\\x1b" in text


def test_a_row_of_the_loop_is_of_no_node() -> None:
    assert where(row(1)._replace(node="", port="loop")) == "loop"
    assert where(row(1)._replace(node="chat", port="message")) == "chat.message"
    assert where(row(1)._replace(node="chat", port="")) == "chat"
