"""Kinds of rows: which are events and which are answers is said once, and read everywhere."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.test_architecture import MODULES
from wsflow.events import ANSWERS, EVENTS, HAND, KINDS, Row, is_by_hand, is_reply


def listed(path: Path) -> list[set[object]]:
    """Return the texts of each set, list, tuple, dict and `case` that a module writes down."""
    found: list[list[ast.expr | None]] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Set | ast.List | ast.Tuple):
            found.append([*node.elts])
        elif isinstance(node, ast.Dict):
            found.append([*node.keys])
        elif isinstance(node, ast.MatchOr):
            found.append([one.value for one in node.patterns if isinstance(one, ast.MatchValue)])
    return [{one.value for one in some if isinstance(one, ast.Constant)} for some in found]


@pytest.mark.parametrize("name", sorted({*MODULES} - {"events"}))
def test_no_other_module_says_which_kinds_are_events_or_answers(name: str) -> None:
    for some in listed(MODULES[name]):
        assert not some >= ANSWERS, "import ANSWERS"
        assert not some >= EVENTS or some >= {*KINDS} - ANSWERS, "import EVENTS"


def test_events_and_answers_are_kinds_and_none_is_both() -> None:
    assert {*KINDS} >= EVENTS | ANSWERS
    assert not EVENTS & ANSWERS
    assert listed(MODULES["events"]).count({*ANSWERS}) == 1


@pytest.mark.parametrize(
    ("kind", "port", "cause", "by_hand"),
    [
        ("response", HAND, 3, True),
        ("response", "response", 3, False),
        ("send", "send", 0, True),
        ("send", "send", 3, False),
        ("broadcast", "", 0, True),
        ("broadcast", "", 3, False),
        ("fire", "out", 0, False),
    ],
)
def test_what_a_person_answered(kind: str, port: str, cause: int, by_hand: bool) -> None:
    row = Row(9, 0, 1, cause, kind, "node", port, "s1", "/", "hi", 2, None, None)
    assert is_by_hand(row) == by_hand


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        ({"status": 404, "headers": {}, "body": "no"}, True),
        ({"status": 404, "body": "no"}, False),
        ("text", False),
        (None, False),
    ],
)
def test_a_reply_is_all_of_a_response(data: object, whole: bool) -> None:
    assert is_reply(data) == whole
