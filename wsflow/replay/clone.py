"""A flow copied for a replay: the same functions and wires, its own state, time and sessions.

It only declares; `sandbox.py` plays in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..graph.declarations import Declarations
from ..graph.host import Host
from ..graph.nodes.barrier import Barrier
from ..graph.nodes.connections import Connections
from ..graph.nodes.debounce import Debounce
from ..graph.nodes.switch import Switch
from ..graph.nodes.throttle import Throttle
from ..graph.triggers.catch import Catch
from ..graph.triggers.http import HttpTrigger
from ..graph.triggers.inject import Inject
from ..graph.triggers.multi import MultiTrigger
from ..graph.triggers.timer import Timer
from ..graph.triggers.websocket import WebSocketTrigger


def copy(source: Host, target: Declarations) -> None:
    """Declare in `target` all that is declared in `source`."""
    host = target._host
    for node in source.nodes.values():
        match node:
            case WebSocketTrigger():
                path = node.template.pattern
                target.websocket(path, name=node.name, subprotocols=node.subprotocols)
            case HttpTrigger():
                made = target.http(node.pattern, method=node.method, name=node.name)
                made.timeout = math.inf  # a recording has no row for a 504
            case MultiTrigger():
                schema = None if node.schema is None else node.schema.document
                target.multi(node.pattern, schema=schema, name=node.name).timeout = math.inf
            case Timer():
                target.timer(node.seconds, name=node.name)
            case Inject():
                target.inject(node.payload, name=node.name)
            case Catch():
                target.catch(name=node.name)
            case Connections():
                target.connections(name=node.name)
            case Barrier():
                target.barrier(node.tasks, name=node.name, limit=node.limit)
            case Switch():
                made_switch = host.switch(node.field, node.name)
                for _, value in node.cases:
                    made_switch.case(value)
            case Throttle():
                target.throttle(node.seconds, name=node.name)
            case Debounce():
                target.debounce(node.seconds, name=node.name)
            case _:
                target.node(
                    node.function,
                    name=node.name,
                    inputs=tuple(node.inputs),
                    outputs=tuple(node.outputs),
                    params=node.params,
                    setup=node.prepare,
                )
    nodes = target.nodes
    for wire in source.graph.wires():
        start, output, end, entrance = wire.key
        target.connect(nodes[start].output(output), nodes[end].input(entrance))


def bind_timers(target: Host, was: Mapping[str, Any]) -> None:
    """Have those timers that are what they were tick when the recording says.

    `was` describes the recorded flow. The others are new or were changed: they tick in virtual
    time, and only in that.
    """
    then = {
        told.get("name"): told.get("seconds")
        for told in was.get("nodes") or ()
        if isinstance(told, dict) and told.get("kind") == Timer.__name__
    }
    for node in target.nodes.values():
        if isinstance(node, Timer):
            node.recorded = then.get(node.name) == node.seconds
