"""The Multi-Trigger: one path, a port a method; and, if it has a JSON Schema, a judge at the door.

Opposite: the HTTP Trigger, which takes one method and everything. Contract: the map, section 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...base.bodies import content_type, to_json
from ...base.interfaces import Refusal
from ...base.threads import aside
from ...base.urls import PathTemplate
from ...types import HttpEvent
from ..schema import Schema
from .http import RequestTrigger

if TYPE_CHECKING:
    from ..host import Host

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

JUDGED = frozenset({"POST", "PUT", "PATCH"})
"""Methods that bring a body: without one it is judged as null."""

LONG_BODY = 16 * 1024
"""Bytes of a body beyond which it is judged in a thread: that may take a while."""


class MultiTrigger(RequestTrigger):
    """An HTTP route with a port a method. Make one with `flow.multi("/things/{id}")`.

    Ports `get`, `post`, `put`, `patch`, `delete`: a request of that method, as the HTTP Trigger
    tells of it. A method whose port has no wire gets 405. With a `schema` a body of POST, PUT or
    PATCH that fails gets 422 with the reasons, and nothing is routed.
    """

    def __init__(self, host: Host, name: str, template: PathTemplate) -> None:
        super().__init__(host, name, template, METHODS)
        self.schema: Schema | None = None
        """What bodies must fit; None takes all."""

    def port_of(self, method: str) -> str:
        return method.lower()

    def takes(self, method: str) -> bool:
        return bool(self.outputs[method.lower()].wires)

    async def judged(self, event: HttpEvent) -> Refusal | None:
        if self.schema is None or event["method"] not in JUDGED:
            return None
        judge, body = self.schema.reasons, event["body"]
        if len(event["rawBody"]) > LONG_BODY:
            reasons = await aside(judge, body)
        else:
            reasons = judge(body)
        if not reasons:
            return None
        told = {"errors": reasons}
        return Refusal(422, to_json(told), (("content-type", content_type(told)),))
