"""The graph as a live picture: what flows where, how fast, what fails, and one event's way."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Any

from ..events import EVENTS
from ..graph.triggers.base import Trigger
from ..graph.watchdog import written
from ..views.layout import Box, Key, Layout, arrange
from .part import News, Part, text

if TYPE_CHECKING:
    from ..graph.node import Node
    from ..graph.port import Wire
    from .host import Flow

LOOK_SECONDS = 0.25
"""Seconds between two looks at the counts: what changes faster nobody can read."""

RATE_SECONDS = 2.0
"""Seconds over which a rate is taken."""

MAX_NODES = 300
"""Nodes in the picture."""

MAX_ROWS = 2_000
"""Rows of the log that are looked at each time, for the selected session."""

SAMPLED_ROWS = 300
"""Rows that are looked at for handlers' times, when no session is selected."""

FOLLOWED_NS = 5_000_000_000
"""Nanoseconds for which the way of a session's last event is looked at again."""

TITLE_WIDTH, TEXT_WIDTH = 7.6, 6.0
"""Pixels a character of a box's title, and of the rest, takes on the mean."""

HEAD_HEIGHT, PORT_HEIGHT, FOOT_HEIGHT = 46, 17, 8
"""Pixels: of a box above its ports, a port, below them."""

MIN_WIDTH, MAX_WIDTH = 112, 240
NAME_LENGTH = 26
"""Characters of a name in a box."""

KIND_WORDS = {
    "WebSocketTrigger": "WebSocket",
    "HttpTrigger": "HTTP",
    "MultiTrigger": "HTTP, a port a method",
    "Connections": "connection manager",
    "Catch": "catches errors",
}

_FIRES = EVENTS | {"route"}
"""Kinds of rows that tell of an event which leaves a port."""

_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass
class HandlerTimes:
    """How long a node's handlers had run when they answered or routed something."""

    seconds: float = 0.0
    number: int = 0

    def add(self, seconds: float) -> None:
        """Add one; what is old counts less and less."""
        if self.number >= 1_000:
            self.seconds, self.number = self.seconds / 2, self.number // 2
        self.seconds += seconds
        self.number += 1


class DiagramPart(Part):
    """Boxes that keep their places, counts and rates, and the way of a chosen event."""

    name = "diagram"
    actions = ("light", "select")

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow)
        self._store = self.host.store
        self._looked_at = 0.0
        self._signature: Any = None
        self._picture: Layout | None = None
        self._nodes: list[Node] = []
        self._keys: list[Key] = []
        self._counts: deque[tuple[float, dict[Key, int]]] = deque()
        self._times: dict[str, HandlerTimes] = {}
        self._seen = flow.log.seq
        self._told: dict[str, dict[int, Any]] = {}
        self._told_lit: News | None = None
        self._seq = 0
        """The row whose way is lit; 0: none is."""
        self._session = 0
        """The session whose last event's way is lit otherwise; 0: none is."""
        self._last = 0

    # ---- what it tells (the ticker's thread)

    def news(self) -> News | None:
        now = time.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return None
        self._looked_at = now
        try:
            wires = self.host.wires
        except RuntimeError:  # a port is being added in the loop's thread: the next look sees it
            return None
        news = self._drawn(wires)
        self._read_log()
        for name, found in (("wires", self._wires(wires, now)), ("nodes", self._boxes())):
            told = self._told.get(name, {})
            changed = [[index, *line] for index, line in found.items() if told.get(index) != line]
            if changed:
                self._told[name] = found
                news[name] = changed
        lit = self._lit()
        if lit != self._told_lit:
            self._told_lit = news["lit"] = lit
        return news or None

    def _drawn(self, wires: list[Wire]) -> News:
        """Return the picture when it is another one."""
        nodes = list(self.flow.nodes.values())
        keys = [wire.key for wire in wires]
        signature = (
            [
                (node.name, type(node), id(node.function), *node.inputs, "", *node.outputs)
                for node in nodes
            ],
            keys,
            [_about(node) for node in nodes],
        )
        if signature == self._signature:
            return {}
        self._signature, self._told, self._told_lit = signature, {}, None
        self._nodes = nodes[:MAX_NODES]
        shapes = {node.name: _shape(node) for node in self._nodes}
        picture = arrange(shapes, keys, self._picture)
        self._picture, self._keys = picture, list(picture.paths)
        return {
            "graph": {
                "width": round(picture.width),
                "height": round(picture.height),
                "nodes": [self._box(node, shapes[node.name], picture) for node in self._nodes],
                "wires": [
                    {
                        "ends": [text(end, 120) for end in key],
                        "path": line.path,
                        "label": [round(line.label.x), round(line.label.y)],
                        "back": line.back,
                    }
                    for key, line in picture.paths.items()
                ],
                "more": len(nodes) - len(self._nodes),
            }
        }

    def _box(self, node: Node, shape: Box, picture: Layout) -> News:
        place = picture.boxes[node.name]
        return {
            "name": text(node.name, 120),
            "title": text(node.name, NAME_LENGTH),
            "about": text(_about(node), NAME_LENGTH + 6),
            "kind": type(node).__name__,
            "trigger": isinstance(node, Trigger),
            "source": text(_source(node), 200),
            "at": [round(place.x), round(place.y), picture.widths[node.name], shape.height],
            "inputs": [[text(name, NAME_LENGTH), y] for name, y in shape.inputs.items()],
            "outputs": [[text(name, NAME_LENGTH), y] for name, y in shape.outputs.items()],
        }

    def _wires(self, wires: list[Wire], now: float) -> dict[int, tuple[int, float]]:
        """Return for each wire how many events took it, and how many a second lately."""
        counts = {wire.key: wire.count for wire in wires}
        history = self._counts
        history.append((now, counts))
        while len(history) > 2 and now - history[1][0] >= RATE_SECONDS:
            history.popleft()
        then, before = history[0]
        passed = max(now - then, RATE_SECONDS)  # one event after a silence is no high rate
        found = {}
        for index, key in enumerate(self._keys):
            count = counts.get(key, 0)
            more = count - before.get(key, count)
            rate = more / passed if more > 0 else 0.0
            found[index] = (count, round(rate) if rate >= 10 else round(rate, 1))
        return found

    def _boxes(self) -> dict[int, tuple[int, int, float | None]]:
        """Return for each node: events in, errors, mean milliseconds until it answered."""
        found = {}
        for index, node in enumerate(self._nodes):
            took = self._times.get(node.name)
            mean = None if took is None else round(took.seconds / took.number * 1000, 2)
            found[index] = (node.events_in, node.errors, mean)
        return found

    def _read_log(self) -> None:
        """Take handlers' times, and the last event of the selected session, from new rows."""
        seq, session = self._store.seq, self._session
        first = max(self._seen + 1, seq - (MAX_ROWS if session else SAMPLED_ROWS) + 1)
        if seq < first or not (session or any(node.is_async for node in self._nodes)):
            self._seen = max(self._seen, seq)
            return
        places = self._store.places()
        for row in self._store.since(first):
            if row[8] is not None and places[row[2]].kind in ("route", "response"):
                self._times.setdefault(places[row[2]].node, HandlerTimes()).add(row[8])
            if session and row[3] == session and row[4] and not row[5]:
                self._last = row[0]
            self._seen = row[0]

    # ---- the way of one event

    def light(self, seq: int | None = None) -> None:
        """Light the way of one row: what led to it, and what it led to."""
        self._seq = seq or 0

    def select(self, session: str | None = None) -> None:
        """Light the way of the last event of a session, whenever nothing else is lit."""
        self._session = self._number(session) if session else 0
        self._last = self._last_of(self._session) if self._session else 0

    def _number(self, id: str) -> int:
        """Return the number of a session; 0 when the log knows none of that id."""
        sessions = self._store.sessions().items()
        return next((number for number, known in sessions if known.id == id), 0)

    def _last_of(self, number: int) -> int:
        """Return the newest row of a session that began something; 0 when there is none."""
        for block in reversed(self._store.blocks()):
            if number in block.sessions:
                for at in range(len(block) - 1, -1, -1):
                    if block.session[at] == number and not block.cause[at] and block.scope[at]:
                        return block.first + at
        return 0

    def _lit(self) -> News | None:
        """Return which boxes and wires are lit, by their index."""
        seq = self._seq or self._last
        if not seq or (row := self._store.row(seq)) is None:
            return None
        told = self._told_lit
        if told is not None and told["seq"] == seq and self._store.now() - row.time > FOLLOWED_NS:
            return told  # nothing more will come of it, or little
        return self._way(seq)

    def _way(self, seq: int) -> News:
        """Return the boxes and wires a row's event, and all before and behind it, has passed."""
        rows = [*self._above(seq), *self._store.caused(seq)]
        places = self._store.places()
        at = set()
        for number in islice(dict.fromkeys(rows), MAX_ROWS):
            raw = next(iter(self._store.since(number)), None)
            if raw is not None and raw[0] == number:
                at.add(places[raw[2]])
        left = {(place.node, place.port) for place in at if place.kind in _FIRES}
        wires = [index for index, key in enumerate(self._keys) if (key[0], key[1]) in left]
        names = {place.node for place in at} | {self._keys[index][2] for index in wires}
        nodes = [index for index, node in enumerate(self._nodes) if node.name in names]
        return {"seq": seq, "nodes": nodes, "wires": wires, "chosen": bool(self._seq)}

    def _above(self, seq: int) -> Iterable[int]:
        """Give what led to a row, and to that, as far as it is known."""
        row = self._store.row(seq)
        for _ in range(MAX_ROWS):
            if row is None or not row.cause:
                return
            yield row.cause
            row = self._store.row(row.cause)


def _about(node: Node) -> str:
    """Return what kind of node it is, with what its name does not say."""
    kind = type(node).__name__
    if kind == "Node":
        return "async function" if node.is_async else "function"
    words = KIND_WORDS.get(kind) or _CAPITAL.sub(" ", kind.removesuffix("Trigger")).lower()
    path = getattr(getattr(node, "template", None), "pattern", "")
    seconds = getattr(node, "seconds", None)
    more = path if path and path not in node.name else ""
    if isinstance(seconds, int | float):
        more = f"{seconds:g} s"
    return f"{words} · {more}" if more else words


def _source(node: Node) -> str:
    """Return which function it is and where that is written; nothing for ready-made nodes."""
    function = node.function
    if str(getattr(function, "__module__", "")).startswith("wsflow.") and not _is_plain(node):
        return ""
    where = written(function)
    return f"{getattr(function, '__name__', node.name)}, {where}" if where else ""


def _is_plain(node: Node) -> bool:
    return type(node).__name__ == "Node"


def _shape(node: Node) -> Box:
    """Return how large a box is, and where its ports are."""
    inputs, outputs = list(node.inputs), list(node.outputs)
    sides = zip_longest(inputs, outputs, fillvalue="")
    ports = [(len(left) + len(right)) * TEXT_WIDTH + 44 for left, right in sides]
    title = min(len(node.name), NAME_LENGTH) * TITLE_WIDTH + 44
    about = min(len(_about(node)), NAME_LENGTH + 6) * TEXT_WIDTH + 44
    width = round(min(MAX_WIDTH, max(MIN_WIDTH, title, about, *ports)))
    rows = max(len(inputs), len(outputs))
    return Box(
        width=width,
        height=HEAD_HEIGHT + rows * PORT_HEIGHT + FOOT_HEIGHT,
        leads=isinstance(node, Trigger),
        inputs={
            name: HEAD_HEIGHT + index * PORT_HEIGHT + PORT_HEIGHT // 2
            for index, name in enumerate(inputs)
        },
        outputs={
            name: HEAD_HEIGHT + index * PORT_HEIGHT + PORT_HEIGHT // 2
            for index, name in enumerate(outputs)
        },
    )
