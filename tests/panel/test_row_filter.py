"""Which rows a filter lets through, and what a search may cost."""

from __future__ import annotations

from typing import Any

import pytest

from tests.panel.rows import know, seqs, tell
from wsflow import Flow, WsflowError
from wsflow.panel.log import LogPart
from wsflow.panel.row_filter import RowFilter


@pytest.fixture
def part(flow: Flow) -> LogPart:
    return LogPart(flow)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"kinds": ["message"]}, [1]),
        ({"kinds": ["message", "error"]}, [1, 5]),
        ({"where": "shout"}, [2, 3, 5]),
        ({"where": "SHOUT.res"}, [3]),
        ({"session": "s1"}, [1, 2]),
        ({"session": "S1-abc"}, [1, 2]),
        ({"session": "s2"}, [3]),
        ({"session": "nobody"}, []),
        ({"text": "hello"}, [1, 2]),
        ({"text": "GRÜSS"}, [3]),
        ({"text": '"n": 42'}, []),
        ({"text": "'n': 42"}, [2]),
        ({"text": "no such room"}, [5]),
        ({"text": "raw"}, [4]),
        ({"text": "hello", "where": "chat"}, [1]),
        ({}, [1, 2, 3, 4, 5]),
    ],
)
def test_only_rows_that_fit_all_of_a_filter_are_shown(
    flow: Flow, part: LogPart, wish: dict[str, Any], expected: list[int]
) -> None:
    know(flow, 1, "s1-abc")
    know(flow, 2, "s2-def")
    tell(flow, data="Hello", place="message chat message /chat", session=1)
    tell(flow, data={"hello": [1], "n": 42}, session=1)
    tell(flow, data="grüss dich", place="response shout response", session=2)
    tell(flow, data=b"\x00raw", place="route other out")
    tell(flow, place="error shout in", error="KeyError: No such room")
    part.choose(view=1, **wish)
    news = part.news()
    assert news is not None
    assert (news["view"], seqs(news)) == (1, expected)


def test_a_kind_that_does_not_exist_is_an_error_that_names_those_that_do(part: LogPart) -> None:
    with pytest.raises(WsflowError, match="no rows of kind 'mesage'; kinds: req, message"):
        part.choose(view=1, kinds=["mesage"])


def test_a_search_in_large_events_is_bounded_by_what_it_costs(flow: Flow) -> None:
    for _ in range(50):
        tell(flow, data={"numbers": [7] * 10_000})
    found, last, left = RowFilter(flow._host.store, text="42").select(
        flow._host.store.since(1), 1_000
    )
    assert (found, left <= 0) == ([], True)
    assert 1 < last < 50
