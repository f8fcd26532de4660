"""What was said on each route, in each direction: the forms of messages, learned from rows.

A log and a recording tell the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from ..events import ANSWERS, Told, is_reply
from .inference import InferredSchema


class Sorting(NamedTuple):
    """How messages of a route are told apart: a field of their JSON, and its values."""

    field: str = ""
    cases: tuple[str, ...] = ()


class Messages:
    """What was said in one direction: as JSON, as text, as bytes."""

    def __init__(self, sorting: Sorting) -> None:
        self.sorting = sorting
        self.json: dict[str, InferredSchema] = {}
        """By the case of `sorting`; "" for all that is none."""
        self.text = self.binary = False

    def add(self, value: Any) -> None:
        """Take one message; text is JSON when it holds an object or an array."""
        if isinstance(value, bytes):
            self.binary = True
            return
        if isinstance(value, str):
            read = _read(value)
            if read is None:
                self.text = True
                return
            value = read
        case = value.get(self.sorting.field) if isinstance(value, dict) else None
        known = isinstance(case, str) and case in self.sorting.cases
        self.json.setdefault(case if known else "", InferredSchema()).add(value)  # type: ignore[arg-type]

    def forms(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Give each form of message: its case, its content type and its schema.

        A case that nobody said is one too: it is expected.
        """
        for case, learned in self.json.items():
            schema = learned.schema()
            if case:
                schema.setdefault("properties", {})[self.sorting.field] = {"const": case}
            yield case, "application/json", schema
        field = self.sorting.field
        for case in self.sorting.cases:
            if case not in self.json:
                expected = {"type": "object", "properties": {field: {"const": case}}}
                yield case, "application/json", expected | {"required": [field]}
        if self.text:
            yield "text", "text/plain", {"type": "string"}
        if self.binary:
            yield "binary", "application/octet-stream", {"type": "string", "format": "binary"}


Usage: TypeAlias = dict[tuple[str, str, bool], Messages]
"""What was said by trigger, port (`message` on sockets) and direction (True: to the client)."""


def usage(rows: Iterable[Told], triggers: Mapping[str, Sorting]) -> Usage:
    """Return what was said on the routes of these triggers."""
    heard: Usage = {
        (name, "message", False): Messages(sorting)
        for name, sorting in triggers.items()
        if sorting.cases
    }
    route_of: dict[str, str] = {}
    asked: dict[int, tuple[str, str]] = {}

    def hear(trigger: str, port: str, is_answer: bool, value: Any) -> None:
        key = (trigger, port, is_answer)
        if key not in heard:
            heard[key] = Messages(Sorting() if is_answer else triggers[trigger])
        heard[key].add(value)

    for row in rows:
        kind, who = row.kind, row.session
        if kind in ANSWERS:
            if who in route_of:
                hear(route_of[who], "message", True, row.value)
            elif who is None and row.scope in asked:
                hear(
                    *asked[row.scope], True, row.value["body"] if is_reply(row.value) else row.value
                )
        elif row.node not in triggers:
            continue
        elif who is not None:
            route_of[who] = row.node
            if kind == "message":
                hear(row.node, "message", False, row.value)
        elif kind == "req":
            asked[row.scope] = (row.node, row.port)
            body = row.value.get("body") if isinstance(row.value, dict) else None
            if body is not None:
                hear(row.node, row.port, False, body)
    return heard


def _read(text: str) -> Any:
    """Return the object or array a text holds as JSON, or None."""
    if text.lstrip()[:1] not in {"{", "["}:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # it only begins like JSON
        return None
