"""What JSON values look like, learned from examples: kinds, keys, which are always there.

No value that was seen is kept: a schema tells the form of messages, not what people wrote.
"""

from __future__ import annotations

from typing import Any

MAX_KEYS = 100
"""Keys beyond which an object is a dictionary: its keys are data, and only its values alike."""

MAX_DEPTH = 20
"""Levels that are looked into."""


class InferredSchema:
    """Add examples, then ask for the JSON Schema they all fit."""

    __slots__ = ("_count", "_fields", "_items", "_kinds", "_objects", "_values")

    def __init__(self) -> None:
        self._count = self._objects = 0
        self._kinds: dict[str, None] = {}
        self._fields: dict[str, InferredSchema] = {}
        self._items: InferredSchema | None = None
        self._values: InferredSchema | None = None
        """What the values are like, once there were too many keys."""

    def add(self, value: Any, depth: int = 0) -> None:
        """Take one more example, as JSON was read."""
        self._count += 1
        self._kinds[_kind(value)] = None
        if depth >= MAX_DEPTH:
            return
        if isinstance(value, dict):
            self._objects += 1
            for key, one in value.items():
                self._field(str(key)).add(one, depth + 1)
        elif isinstance(value, list):
            if self._items is None:
                self._items = InferredSchema()
            for one in value:
                self._items.add(one, depth + 1)

    def _field(self, key: str) -> InferredSchema:
        if self._values is not None:
            return self._values
        if key not in self._fields and len(self._fields) >= MAX_KEYS:
            self._values = InferredSchema()
            for one in self._fields.values():
                self._values._take(one)
            self._fields.clear()
            return self._values
        return self._fields.setdefault(key, InferredSchema())

    def _take(self, other: InferredSchema) -> None:
        """Add all that another one was told."""
        self._count += other._count
        self._objects += other._objects
        self._kinds |= other._kinds
        for key, one in other._fields.items():
            self._field(key)._take(one)
        for mine, theirs in (("_items", other._items), ("_values", other._values)):
            if theirs is not None:
                if getattr(self, mine) is None:
                    setattr(self, mine, InferredSchema())
                getattr(self, mine)._take(theirs)

    def schema(self) -> dict[str, Any]:
        """Return a JSON Schema; `{}` when there was no example."""
        kinds = [kind for kind in self._kinds if kind != "integer" or "number" not in self._kinds]
        if not kinds:
            return {}
        schema: dict[str, Any] = {"type": kinds[0] if len(kinds) == 1 else kinds}
        if self._values is not None:
            schema["additionalProperties"] = self._values.schema()
        elif self._fields:
            schema["properties"] = {key: one.schema() for key, one in self._fields.items()}
            always = [key for key, one in self._fields.items() if one._count == self._objects]
            if always:
                schema["required"] = always
        if self._items is not None and self._items._count:
            schema["items"] = self._items.schema()
        return schema


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case dict():
            return "object"
        case list():
            return "array"
        case _:
            return "string"
