"""Query strings as events carry them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsflow.base.query import MAX_FIELDS, parse_query
from wsflow.types import Query


@pytest.mark.parametrize(
    ("raw", "query"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2", {"a": ["1", "2"]}),
        ("a=2&b=x&a=1", {"a": ["2", "1"], "b": "x"}),
        ("a=", {"a": ""}),
        ("a", {"a": ""}),
        ("a=&a=", {"a": ["", ""]}),
        ("a=%C3%BC+b%20c", {"a": "ü b c"}),
        ("%C3%BC=1", {"ü": "1"}),
        ("a=1;b=2", {"a": "1;b=2"}),
        ("a=b=c", {"a": "b=c"}),
        ("&&a=1&", {"a": "1"}),
        ("a=%zz", {"a": "%zz"}),
    ],
)
def test_one_value_is_a_text_and_a_repeated_one_a_list(raw: str, query: Query) -> None:
    assert parse_query(raw) == query


def test_a_thousand_fields_are_read_and_more_are_refused() -> None:
    assert len(parse_query("a=1&" * (MAX_FIELDS - 1) + "a=1")["a"]) == MAX_FIELDS
    with pytest.raises(ValueError, match="Max number of fields"):
        parse_query("a=1&" * MAX_FIELDS + "a=1")


@given(st.binary(max_size=200))
def test_no_bytes_in_a_query_can_raise(raw: bytes) -> None:
    parse_query(raw.decode("latin1"))
