"""JSON Schema as a judge: right bodies pass, wrong ones get reasons a client may read."""

import subprocess
import sys
import time
from typing import Any

import pytest

from wsflow import WiringError
from wsflow.errors import MissingPackageError
from wsflow.graph.schema import MAX_REASONS, Schema

THING: dict[str, Any] = {
    "type": "object",
    "required": ["name", "size"],
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-z]*$"},
        "size": {"type": ["integer", "null"], "minimum": 1, "maximum": 9},
        "tags": {"type": "array", "items": {"enum": ["secret-a", "secret-b"]}, "uniqueItems": True},
        "inner": {"$ref": "#/$defs/inner"},
    },
    "additionalProperties": False,
    "$defs": {"inner": {"type": "object", "properties": {"on": {"const": True}}}},
}


@pytest.mark.parametrize(
    "body",
    [
        {"name": "cup", "size": 3},
        {"name": "cup", "size": None, "tags": ["secret-a"], "inner": {"on": True, "more": 1}},
    ],
)
def test_what_fits_has_no_reasons(body: Any) -> None:
    assert Schema(THING).reasons(body) == []


@pytest.mark.parametrize(
    ("body", "path", "reason"),
    [
        (None, "$", "must be of type object"),
        ("text", "$", "must be of type object"),
        ({"name": "cup"}, "$", "lacks 'size'"),
        ({}, "$", "lacks 'name', 'size'"),
        ({"name": 1, "size": 1}, "$.name", "must be of type string"),
        ({"name": "cup", "size": "1"}, "$.size", "must be of type integer or null"),
        ({"name": "cup", "size": True}, "$.size", "must be of type integer or null"),
        ({"name": "c", "size": 1}, "$.name", "has length 1, which does not keep to minLength 2"),
        ({"name": "CUP", "size": 1}, "$.name", "does not have the form it must have"),
        ({"name": "cup", "size": 10}, "$.size", "does not keep to maximum 9"),
        ({"name": "cup", "size": 1, "x": 1}, "$", "has keys that are not known: 'x'"),
        (
            {"name": "cup", "size": 1, "tags": ["x"]},
            "$.tags[0]",
            "is none of the values allowed",
        ),
        (
            {"name": "cup", "size": 1, "tags": ["secret-a", "secret-a"]},
            "$.tags",
            "has items that are equal",
        ),
        ({"inner": {"on": 1}}, "$.inner.on", "is none of the values allowed"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_where_and_why(body: Any, path: str, reason: str) -> None:
    found = Schema(THING).reasons(body)
    assert {"path": path, "reason": reason} in found
    assert "secret" not in str(found), "the schema's own values stay here"
    assert "None" not in str(found), "and so does Python"


@pytest.mark.parametrize(
    ("items", "unique"),
    [
        ([], True),
        ([1, "1", True, None, [], {}], True),
        ([0, False, "", 1.5, -0.5], True),
        ([1, 1.0], False),
        ([{"a": 1, "b": 2}, {"b": 2.0, "a": 1}], False),
        ([[1], [1]], False),
        ([1e400, 1e308], True),
        ("aa", True),
    ],
)
def test_items_are_equal_as_json_schema_says(items: Any, unique: bool) -> None:
    assert (Schema({"uniqueItems": True}).reasons(items) == []) is unique


def test_many_items_are_compared_in_no_time() -> None:
    items = [{"n": n} for n in range(20_000)]
    began = time.process_time()
    assert Schema({"uniqueItems": True}).reasons(items) == []
    assert time.process_time() - began < 5


def test_ten_reasons_are_enough_and_long_keys_are_cut() -> None:
    schema = Schema({"additionalProperties": {"type": "string"}})
    found = schema.reasons({"k" * 1_000 + str(n): n for n in range(1_000)})
    assert len(found) == MAX_REASONS
    assert all(len(one["path"]) <= 80 for one in found)
    closed = Schema({"additionalProperties": False})
    (one,) = closed.reasons({"k" * 1_000 + str(n): n for n in range(1_000)})
    assert len(one["reason"]) < 1_000


def test_a_body_nested_too_deeply_is_told_so() -> None:
    schema = Schema({"items": {"$ref": "#"}, "type": "array"})
    body: list[Any] = []
    for _ in range(50_000):
        body = [body]
    assert schema.reasons(body) == [{"path": "$", "reason": "is nested too deeply"}]
    while body:  # taken apart by hand: the interpreter would recurse
        body = body[0]


@pytest.mark.parametrize("body", [10**400, float("inf")], ids=["digits", "infinity"])
def test_a_number_that_can_not_be_divided_is_no_fault_of_ours(body: Any) -> None:
    """Found A14: the client got 500, and the log an error."""
    told = [{"path": "$", "reason": "has a number that is too large"}]
    assert Schema({"multipleOf": 0.1}).reasons(body) == told


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ("object", "a schema is a mapping such as"),
        ([], "a schema is a mapping such as"),
        ({"type": "strnig"}, "is no JSON Schema"),
        ({"properties": {"a": {"minimum": "1"}}}, r"at \$\.properties\.a\.minimum"),
        ({"$ref": "https://example.com/x.json"}, "only places inside it are looked up"),
        ({"properties": {"a": {"$ref": "other.json"}}}, "refers to 'other.json'"),
    ],
)
def test_what_is_no_schema_is_refused_when_it_is_declared(schema: Any, text: str) -> None:
    with pytest.raises(WiringError, match=text):
        Schema(schema)


def test_true_and_false_are_schemas() -> None:
    assert Schema(True).reasons(1) == []
    assert Schema(False).reasons(1) == [{"path": "$", "reason": "is not allowed"}]


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'wsflow\[schema\]'"):
        Schema({})


def test_it_is_loaded_when_it_is_needed() -> None:
    code = (
        "import sys, wsflow; flow = wsflow.Flow('x'); flow.multi('/x');"
        "assert 'jsonschema' not in sys.modules; flow.multi('/y', schema={});"
        "assert 'jsonschema' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=55)
    assert done.returncode == 0, done.stderr
