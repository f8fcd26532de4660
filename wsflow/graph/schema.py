"""JSON Schema as a judge of bodies: which are wrong, and why, in words fit for a client.

The library `jsonschema` decides. The words are ours: its own quote Python and the schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from ..errors import MissingPackageError, WiringError
from ..types import texts

MAX_REASONS = 10
"""Reasons that are told of one body."""

KEY_LENGTH = 80
"""Characters of a client's own key that are repeated to it."""


class Schema:
    """A schema whose validator is made once. `$ref` leads to places inside it only."""

    def __init__(self, schema: Mapping[str, Any] | bool) -> None:
        """Take a schema.

        Raises:
            WiringError: it is no JSON Schema, or refers to another document.
            MissingPackageError: `jsonschema` is not installed.
        """
        try:
            from jsonschema import SchemaError
            from jsonschema.validators import Draft202012Validator, extend, validator_for
            from referencing import Registry
        except ImportError as error:
            raise MissingPackageError("a JSON Schema", "schema") from error
        if not isinstance(schema, Mapping | bool):
            raise WiringError(
                "a schema is a mapping such as {'type': 'object', 'required': ['name']}, "
                f"not {schema!r}"
            )
        self.document = schema
        for reference in _references(schema):
            if not reference.startswith("#"):
                raise WiringError(
                    f"the schema refers to {reference!r}; only places inside it are looked up: "
                    "'#/$defs/...'"
                )
        kind = validator_for(schema, default=Draft202012Validator)
        try:
            kind.check_schema(schema)
        except SchemaError as error:
            raise WiringError(
                f"at {error.json_path} it is no JSON Schema: {error.message}"
            ) from error
        # an empty registry: nothing is ever fetched from anywhere
        self._validator = extend(kind, {"uniqueItems": _unique})(schema, registry=Registry())

    def reasons(self, body: Any) -> list[dict[str, str]]:
        """Return why a body is wrong: `[{"path": "$.name", "reason": ...}]`; [] when it is not."""
        try:
            errors = islice(self._validator.iter_errors(body), MAX_REASONS)
            return [
                {"path": _shortened(error.json_path), "reason": reason}
                for error in errors
                for reason in [_reason(error)]
            ]
        except RecursionError:
            return [{"path": "$", "reason": "is nested too deeply"}]
        except ArithmeticError:  # the library divides, and not every number can be
            return [{"path": "$", "reason": "has a number that is too large"}]


def _reason(error: Any) -> str:
    """Return what is wrong in words that show neither our schema nor our language."""
    wanted, found = error.validator_value, error.instance
    match error.validator:
        case "type":
            return f"must be of type {' or '.join(texts(wanted))}"
        case "required":
            return "lacks " + ", ".join(repr(name) for name in wanted if name not in found)
        case "additionalProperties" | "unevaluatedProperties":
            known = error.schema.get("properties", {})
            strange = [_shortened(str(name)) for name in found if name not in known]
            return "has keys that are not known: " + ", ".join(map(repr, strange[:MAX_REASONS]))
        case "enum" | "const":
            return "is none of the values allowed"
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf":
            return f"does not keep to {error.validator} {wanted}"
        case "minLength" | "maxLength" | "minItems" | "maxItems":
            return f"has length {len(found)}, which does not keep to {error.validator} {wanted}"
        case "minProperties" | "maxProperties":
            return f"has {len(found)} keys, which does not keep to {error.validator} {wanted}"
        case "pattern":
            return "does not have the form it must have"
        case "uniqueItems":
            return "has items that are equal"
        case None:
            return "is not allowed"
        case keyword:
            return f"does not keep to {keyword}"


def _unique(_validator: Any, wanted: Any, items: Any, _schema: Any) -> Iterator[Exception]:
    """Judge `uniqueItems` at a price that does not grow with the square of the items (the
    library's does: 11 s for 3,000 objects)."""
    from jsonschema import ValidationError

    if wanted is not True or not isinstance(items, list):
        return
    if len({json.dumps(_level(one), sort_keys=True) for one in items}) < len(items):
        yield ValidationError("not unique")


def _level(value: Any) -> Any:
    """Return a value in which numbers that JSON Schema calls equal are written alike."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_level(one) for one in value]
    if isinstance(value, dict):
        return {key: _level(one) for key, one in value.items()}
    return value


def _references(schema: Any) -> Iterator[str]:
    todo = [schema]
    while todo:
        one = todo.pop()
        if isinstance(one, Mapping):
            todo.extend(one.values())
            yield from (
                one[key] for key in ("$ref", "$dynamicRef") if isinstance(one.get(key), str)
            )
        elif isinstance(one, list):
            todo.extend(one)


def _shortened(text: str) -> str:
    return text if len(text) <= KEY_LENGTH else text[: KEY_LENGTH - 1] + "…"
