"""The Switch: sorts events by a field of the JSON they carry, one output port a value.

What it looks at is the message of a socket event, the body of an HTTP event, or else the value
itself. The event goes on as it came.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from ...errors import WiringError
from ..context import Context
from ..node import Node
from ..port import Output

if TYPE_CHECKING:
    from ..host import Host

Key: TypeAlias = tuple[str, Any]

_ABSENT: Any = object()


class Switch(Node):
    """Make one with `actions = chat.message.where("action")`; wire more to it with `>>`.

    `actions["move"] >> node` takes the events whose field is "move"; text, numbers, true, false and
    null can be cases. Input `in`; an output for each case, and `default` for all else: another
    value, no such field, no JSON, or a case that has no wire.

    `field` is a key, or keys and list indexes joined with dots: `"user.role"`, `"items.0.id"`.
    """

    def __init__(self, host: Host, name: str, field: str) -> None:
        super().__init__(host, name, ("in",), ("default",))
        self.look_at(field)
        self.cases: dict[Key, Output] = {}
        self.define(self._sort)

    def look_at(self, field: str) -> None:
        """Sort by this field from the next event on.

        Raises:
            WiringError: it names none.
        """
        if not isinstance(field, str) or not all(field.split(".")):
            raise WiringError(
                f"where() takes the name of a field, such as 'action' or 'user.role', not {field!r}"
            )
        self.field = field
        self._steps = tuple(field.split("."))

    def case(self, value: str | float | bool | None) -> Output:
        """Return the port for events whose field is `value`; it is made when it is not there.

        Raises:
            WiringError: no field can have that value, or it is one that `==` can not tell.
        """
        if not isinstance(value, str | int | float | bool | None) or value != value:
            raise WiringError(
                f"a case of {self.name!r} is text, a number, True, False or None, not {value!r}"
            )
        key = _key(value)
        if key not in self.cases:
            self.cases[key] = self.add_output(_port_name(value))
        return self.cases[key]

    def __getitem__(self, value: Any) -> Output:
        """Return the port of a case (see `case`); what fits none leaves by `switch.default`."""
        return self.case(value)

    def default_output(self) -> Output:
        return self.outputs["default"]

    # ---- with events

    def _sort(self, event: Any, ctx: Context) -> None:
        value = self._found(_content(event))
        kind = _KINDS.get(type(value))
        output = None if kind is None else self.cases.get((kind, value))
        if output is None or not output.wires:
            output = self.outputs["default"]
        ctx.route(event, output.name)

    def _found(self, value: Any) -> Any:
        for step in self._steps:
            if type(value) is dict or isinstance(value, Mapping):
                value = value.get(step, _ABSENT)
            elif isinstance(value, list) and step.isdecimal() and len(step) < 10:
                value = value[int(step)] if int(step) < len(value) else _ABSENT
            else:
                return _ABSENT
        return value

    def __repr__(self) -> str:
        cases = ", ".join(output.name for output in self.cases.values()) or "no cases yet"
        return f"<Switch {self.name} by {self.field}: {cases}>"


_KINDS = {str: "text", int: "number", float: "number", bool: "bool", type(None): "null"}

_ORDERED = ((bool, "bool"), *_KINDS.items())
"""Python's True is a number too: it is asked for first."""

_RESERVED = frozenset({"in", "default"})


def _key(value: Any) -> Key:
    """Return what tells one case from another: in JSON, 1 is not true, but it is 1.0."""
    return next(kind for one, kind in _ORDERED if isinstance(value, one)), value


def _port_name(value: Any) -> str:
    """Return a case as the name of a port: text as it is, in quotes where that means a port or
    another value; the rest as JSON writes it."""
    if not isinstance(value, str):
        return json.dumps(value)
    is_plain = value and value.isprintable() and value not in _RESERVED and _is_no_json(value)
    return value if is_plain else json.dumps(value)


def _is_no_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return True
    return False


def _content(event: Any) -> Any:
    """Return what an event carries, read as JSON where it is text."""
    if type(event) is dict or isinstance(event, Mapping):
        if "message" in event and "sessionId" in event:
            event = event["message"]
        elif "body" in event and "routePath" in event:
            event = event["body"]
    if isinstance(event, str | bytes):
        try:
            return _decode(event)
        except (ValueError, RecursionError):  # no JSON, or none that anybody wants
            return _ABSENT
    return event


def _load(data: Any) -> Any:
    """Load msgspec at the first use: it is a large part of our import time."""
    global _decode
    import msgspec

    _decode = msgspec.json.Decoder().decode
    return _decode(data)


_decode: Callable[[Any], Any] = _load
