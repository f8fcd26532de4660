"""The contract of a flow as an AsyncAPI 3 document: channels from its routes, messages from rows.

What was said is the only source of the messages' schemas: play all that clients may do, then ask.
Values that were seen never get in, only their form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

from ..base.urls import PathTemplate
from ..events import Told
from ..graph.node import Node
from ..graph.nodes.switch import Switch
from ..graph.triggers.http import RequestTrigger
from ..graph.triggers.multi import JUDGED, MultiTrigger
from ..graph.triggers.websocket import WebSocketTrigger
from .usage import Messages, Sorting, Usage, usage

Json: TypeAlias = dict[str, Any]
Route: TypeAlias = WebSocketTrigger | RequestTrigger

ASYNCAPI = "3.0.0"


class ServerAddress(NamedTuple):
    """Where a flow is served."""

    host: str
    """With its port."""
    is_secure: bool
    needs_token: bool


def document(
    name: str,
    nodes: Iterable[Node],
    rows: Iterable[Told],
    version: str,
    place: ServerAddress | None,
) -> Json:
    """Return the document of a flow whose `rows` tell what was said."""
    routes = [node for node in nodes if isinstance(node, Route)]
    heard = usage(rows, {node.name: _sorting(node) for node in routes})
    made = Document(heard, place)
    by_pattern: dict[str, list[RequestTrigger]] = {}
    for route in routes:
        if isinstance(route, WebSocketTrigger):
            made.socket(route)
        else:
            by_pattern.setdefault(route.pattern, []).append(route)
    for triggers in by_pattern.values():
        made.requests(triggers)
    info = {"title": name, "version": version}
    parts = {key: part for key, part in made.parts.items() if part}
    return {"asyncapi": ASYNCAPI, "info": info, "defaultContentType": "application/json", **parts}


class Document:
    """The document in the making."""

    def __init__(self, heard: Usage, place: ServerAddress | None) -> None:
        self.parts: dict[str, Json] = {
            "servers": {},
            "channels": {},
            "operations": {},
            "components": {},
        }
        self._heard, self._place = heard, place

    def socket(self, trigger: WebSocketTrigger) -> None:
        """Write a channel with what clients send and what they get."""
        binding: Json = {"method": "GET", "bindingVersion": "0.1.0"}
        if trigger.subprotocols:
            spoken = {"type": "string", "enum": list(trigger.subprotocols)}
            properties = {"Sec-WebSocket-Protocol": spoken}
            binding["headers"] = {"type": "object", "properties": properties}
        channel = self._channel(trigger.template, "ws")
        self.parts["channels"][channel]["bindings"] = {"ws": binding}
        for action, who in (("receive", "client"), ("send", "server")):
            said = self._heard.get((trigger.name, "message", who == "server"))
            self._operation(action, channel, self._messages(channel, who, said))

    def requests(self, triggers: list[RequestTrigger]) -> None:
        """Write a channel with an operation for each method that is taken."""
        channel = self._channel(triggers[0].template, "http")
        for trigger in triggers:
            for method in filter(trigger.takes, trigger.methods):
                port = trigger.port_of(method)
                if isinstance(trigger, MultiTrigger) and trigger.schema and method in JUDGED:
                    payload = self._component(trigger.name, trigger.schema.document)
                    asked = [self._message(channel, f"{method}_request", payload=payload)]
                else:
                    said = self._heard.get((trigger.name, port, False))
                    asked = self._messages(channel, f"{method}_request", said)
                answers = self._heard.get((trigger.name, port, True))
                told = self._messages(channel, f"{method}_response", answers)
                operation = self._operation("receive", channel, asked, f"_{method}")
                operation["bindings"] = {"http": {"method": method, "bindingVersion": "0.3.0"}}
                here = {"$ref": f"#/channels/{channel}"}
                operation["reply"] = {"channel": here, "messages": told}

    # ---- pieces

    def _channel(self, template: PathTemplate, protocol: str) -> str:
        """Begin a channel and return its key."""
        address, parameters = _address(template)
        key = _key(f"{protocol}{template.pattern}", self.parts["channels"])
        channel: Json = {"address": address, "messages": {}}
        if parameters:
            channel["parameters"] = parameters
        if self._place is not None:
            self._serve(protocol, self._place)
            channel["servers"] = [{"$ref": f"#/servers/{protocol}"}]
        self.parts["channels"][key] = channel
        return key

    def _serve(self, protocol: str, place: ServerAddress) -> None:
        server: Json = {"host": place.host, "protocol": protocol + "s" * place.is_secure}
        if place.needs_token:
            schemes = {"token": {"type": "httpApiKey", "name": "token", "in": "query"}}
            self.parts["components"]["securitySchemes"] = schemes
            server["security"] = [{"$ref": "#/components/securitySchemes/token"}]
        self.parts["servers"][protocol] = server

    def _messages(self, channel: str, who: str, said: Messages | None) -> list[Json]:
        """Write the messages of one direction and return references to them."""
        return [
            self._message(channel, f"{who}_{case or 'json'}", kind, payload)
            for case, kind, payload in (said.forms() if said else ())
        ]

    def _message(
        self, channel: str, name: str, kind: str = "application/json", payload: Any = None
    ) -> Json:
        messages: Json = self.parts["channels"][channel]["messages"]
        key = _key(name, messages)
        messages[key] = {"name": name, "contentType": kind, "payload": payload}
        return {"$ref": f"#/channels/{channel}/messages/{key}"}

    def _operation(self, action: str, channel: str, messages: list[Json], more: str = "") -> Json:
        operation: Json = {
            "action": action,
            "channel": {"$ref": f"#/channels/{channel}"},
            "messages": messages,
        }
        self.parts["operations"][f"{action}_{channel}{more}"] = operation
        return operation

    def _component(self, name: str, schema: Any) -> Json:
        """Write a schema among the components, its references led there; return one to it."""
        schemas = self.parts["components"].setdefault("schemas", {})
        key = _key(name, {})
        schemas[key] = _led(schema, f"#/components/schemas/{key}")
        return {"$ref": f"#/components/schemas/{key}"}


def _sorting(node: Route) -> Sorting:
    """Return how the author tells messages apart: by the first switch on the port `message`."""
    if isinstance(node, WebSocketTrigger):
        for wire in node.wires():
            switch = wire.target.node
            if (
                wire.source.name == "message"
                and isinstance(switch, Switch)
                and "." not in switch.field
            ):
                cases = (value for _, value in switch.cases if isinstance(value, str) and value)
                return Sorting(switch.field, tuple(cases))
    return Sorting()


def _address(template: PathTemplate) -> tuple[str, Json]:
    """Return the pattern as AsyncAPI writes it, and its parameters; both in ASCII."""
    segments, parameters = [], {}
    for number, segment in enumerate(template.pattern.split("/")[1:]):
        if template.shape[number] is None:
            name = segment.strip("{}").removeprefix(":")
            name = name if name.isascii() else f"p{number + 1}"
            parameters[name] = {"description": f"segment {number + 1} of the path"}
            segment = f"{{{name}}}"
        segments.append(segment)
    return "/" + "/".join(segments), parameters


def _key(name: str, taken: Json) -> str:
    """Return a name that needs no escape in a reference, other than those taken."""
    base = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "root"
    key, number = base, 1
    while key in taken:
        number += 1
        key = f"{base}_{number}"
    return key


def _led(schema: Any, there: str) -> Any:
    """Return a schema whose references to itself lead to where it stands now."""
    if isinstance(schema, list):
        return [_led(one, there) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: there + one[1:] if key == "$ref" and isinstance(one, str) else _led(one, there)
        for key, one in schema.items()
    }
