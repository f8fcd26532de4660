"""The terminal: rows as lines and tables, and nothing of a client that could steer it."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import pytest
from rich.console import Console, RenderableType

from wsflow import events
from wsflow.cli.terminal import STYLES, alias, counted, line, rows_table
from wsflow.events import Row
from wsflow.io.format import Entry

WILD = "\x1b[2J\u202eé\n"
TAME = r"\x1b[2J\u202eé\n"


def shown(what: RenderableType, width: int = 100) -> list[str]:
    """Return what is printed as lines."""
    out = io.StringIO()
    Console(file=out, width=width, highlight=False, markup=False, emoji=False).print(what)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def row(seq: int, kind: str, **fields: Any) -> Row:
    """Return a row of a log."""
    plain = Row(seq, seq * 10**6, 1, 0, kind, "chat", kind, "s1-ab", "/chat", None, 0, None, None)
    return plain._replace(**fields)


def test_every_kind_of_row_has_a_look() -> None:
    assert set(STYLES) == set(events.KINDS)


@pytest.mark.parametrize("number", [0, 1, 2000])
def test_counted(number: int) -> None:
    assert counted(number, "row") == {0: "0 rows", 1: "1 row", 2000: "2,000 rows"}[number]


def test_a_line_has_when_who_what_where_and_the_data() -> None:
    assert shown(line(row(1, "message", data="hi"))) == [
        "00:00:00.001 s1   message   chat.message         hi"
    ]
    (failed,) = shown(line(row(2, "error", error="ValueError: no", data="hi")))
    assert failed.endswith("ValueError: no  hi")
    (opened,) = shown(line(row(1, "req")))
    assert opened.endswith("/chat"), "where there is no data, the path tells more"


@pytest.mark.parametrize("field", ["data", "path", "error", "node", "port", "session"])
def test_no_text_steers_the_terminal(field: str) -> None:
    wild = row(1, "error", **{field: WILD})
    entry = msgspec.convert({"seq": 1, "kind": "error", field: WILD}, Entry)
    for part in (
        line(wild),
        line(entry),
        rows_table([wild], "ms", lambda _: "1"),
        rows_table([entry], "s", lambda _: "1"),
    ):
        text = shown(part, width=200)
        assert all(one.isprintable() for one in text)
        assert TAME in "\n".join(text)


def test_an_alias_is_the_part_a_person_can_say() -> None:
    assert [alias(row(1, "req", session=one)) for one in ("s7-k3f9", "s7", None)] == [
        "s7",
        "s7",
        "",
    ]


def test_a_table_has_each_row_below_its_cause_and_a_step_to_the_right() -> None:
    rows = [
        row(1, "message"),
        row(2, "route", cause=1),
        row(3, "broadcast", cause=2),
        row(4, "message"),
        row(6, "response", cause=5),
    ]
    _, _, *lines = shown(rows_table(rows, "ms", lambda one: str(one.time // 1_000_000)))
    kinds = [one[9:].partition("chat.")[0].rstrip() for one in lines]
    assert kinds == ["message", "╰ route", "  ╰ broadcast", "message", "response"]


def test_a_chain_without_end_does_not_leave_the_terminal() -> None:
    rows = [row(seq, "route", cause=seq - 1) for seq in range(1, 100)]
    assert "route" in shown(rows_table(rows, "ms", lambda _: "0"))[-1]
    assert "chat.route" in shown(rows_table(rows, "ms", lambda _: "0"))[-1]
