"""Inference: the schema of examples fits all of them, says what is always there, keeps no value."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from wsflow.views.inference import MAX_KEYS, InferredSchema


def learned(*examples: Any) -> dict[str, Any]:
    schema = InferredSchema()
    for example in examples:
        schema.add(example)
    return schema.schema()


@pytest.mark.parametrize(
    ("examples", "schema"),
    [
        ([], {}),
        ([1], {"type": "integer"}),
        ([1, 2.5], {"type": "number"}),
        ([True, None, "x"], {"type": ["boolean", "null", "string"]}),
        ([b"raw"], {"type": "string"}),
        ([[]], {"type": "array"}),
        ([[1], ["x"]], {"type": "array", "items": {"type": ["integer", "string"]}}),
        ([{}], {"type": "object"}),
        (
            [{"a": 1, "b": "x"}, {"a": 2}],
            {
                "type": "object",
                "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
                "required": ["a"],
            },
        ),
        (
            [{"a": 1}, []],
            {
                "type": ["object", "array"],
                "properties": {"a": {"type": "integer"}},
                "required": ["a"],
            },
        ),
    ],
)
def test_a_schema_says_what_all_examples_are(examples: list[Any], schema: dict[str, Any]) -> None:
    assert learned(*examples) == schema


def test_a_dictionary_with_many_keys_has_none_of_them_in_its_schema() -> None:
    many = {f"user{n}": {"n": n, **({"x": 1} if n % 2 else {})} for n in range(MAX_KEYS + 1)}
    schema = learned({"by_user": many}, {"by_user": {"one more": {"n": "text"}}})
    inner = schema["properties"]["by_user"]
    assert inner["additionalProperties"]["properties"]["n"] == {"type": ["integer", "string"]}
    assert inner["additionalProperties"]["required"] == ["n"]
    assert "user" not in str(inner)


def test_no_value_gets_into_a_schema() -> None:
    assert "secret" not in str(learned({"password": "secret", "list": ["secret"]}))


def test_what_lies_very_deep_is_not_looked_into() -> None:
    deep: Any = "x"
    for _ in range(5_000):
        deep = {"a": deep}
    assert str(learned(deep)).count("'a'") < 50


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcdef"), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.lists(JSON, min_size=1, max_size=6))
def test_every_example_fits_the_schema_it_was_learned_from(examples: list[Any]) -> None:
    validator = Draft202012Validator(learned(*examples))
    for example in examples:
        assert validator.is_valid(example), example
