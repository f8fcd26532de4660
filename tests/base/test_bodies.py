"""From the body of a response to what travels."""

import enum
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsflow import ReplyError
from wsflow.base.bodies import to_data, to_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)  # fmt: skip


@pytest.mark.parametrize(
    ("body", "data"),
    [
        ("", ""),
        ("x", "x"),
        ("ü \U0001f600", "ü \U0001f600"),
        ('{"a": 1}', '{"a": 1}'),
        (b"", b""),
        (b"\x00\xff", b"\x00\xff"),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"ab"), b"ab"),
        (0, "0"),
        (1.5, "1.5"),
        (False, "false"),
        (None, "null"),
        ({}, "{}"),
        ([], "[]"),
        ({"a": [1, {"b": None}]}, '{"a":[1,{"b":null}]}'),
        ("grün", "grün"),
        (["grün", "\u2028"], '["grün","\u2028"]'),
        ((1, 2), "[1,2]"),
        ({1: 2}, '{"1":2}'),
    ],
)
def test_a_body_becomes_text_or_bytes(body: Any, data: str | bytes) -> None:
    made = to_data(body)
    assert (made, type(made)) == (data, type(data))


class Text(str):
    __slots__ = ()


class Color(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(("body", "text"), [(Text("red"), "red"), (Color.RED, "red")])
def test_a_kind_of_text_becomes_plain_text(body: str, text: str) -> None:
    made = to_data(body)
    assert (made, type(made)) == (text, str)


def test_a_kind_of_bytes_becomes_plain_bytes() -> None:
    class Raw(bytes):
        __slots__ = ()

    assert type(to_data(Raw(b"x"))) is bytes


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


def cycle() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


@pytest.mark.parametrize(
    "body",
    [
        {1, 2},
        object(),
        b"bytes inside".join,
        {"raw": b"x"},
        [float("nan")],
        float("inf"),
        [1e999],
        {(1, 2): 3},
        {"n": 1 + 2j},
        cycle(),
        deep(),
    ],
    ids=lambda body: type(body).__name__,
)
def test_what_json_can_not_hold_is_a_reply_error(body: Any) -> None:
    with pytest.raises(ReplyError, match="can not be sent as JSON") as caught:
        to_data(body)
    assert isinstance(caught.value, ValueError)
    assert len(str(caught.value)) < 1_000


def test_the_error_says_what_was_wrong() -> None:
    with pytest.raises(ReplyError, match="nested too deeply"):
        to_json(deep())
    with pytest.raises(ReplyError, match=r"body \{1, 2\} .* Object of type set"):
        to_json({1, 2})


@given(JSON)
def test_json_comes_back_as_it_was(body: Any) -> None:
    assert json.loads(to_json(body)) == body


def test_json_is_compact_and_keeps_non_ascii() -> None:
    assert to_json({"a": "ü", "b": [1, 2]}) == '{"a":"ü","b":[1,2]}'
