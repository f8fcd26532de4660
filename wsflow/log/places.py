"""Where rows happen, as numbers: a row bears one in place of its kind, node, port and path.

Opposite: `facts.py`, which says who a row's session is. Never: more than so many places that
clients may have named.
"""

from __future__ import annotations

import threading
from sys import getsizeof

from .blocks import Place

MAX_FOREIGN = 1_000
"""Places that clients may have named; beyond, what they name is left out."""

MAX_NAME = 200
"""Characters of a name that clients may have given."""

OTHER = "…"
"""The port of signals beyond those."""

OVERHEAD = 160
"""Bytes of a place beside its names."""


class Places:
    """Numbers of places. Made in the flow's loop, read from any thread."""

    def __init__(self) -> None:
        self.weight = 0
        """Bytes that places take which clients may have named."""
        self._all: list[Place] = []
        self._numbers: dict[Place, int] = {}
        self._foreign: list[int] = []
        self._lock = threading.Lock()

    def number(self, kind: str, node: str, port: str, path: str = "") -> int:
        """Return the number of a place; the same names always give the same number."""
        place = Place(kind, node, port, path)
        number = self._numbers.get(place)
        return self._new(place) if number is None else number

    def _new(self, place: Place) -> int:
        is_foreign = _is_foreign(place)
        if is_foreign:
            place = place._replace(port=place.port[:MAX_NAME], path=place.path[:MAX_NAME])
            if place not in self._numbers and len(self._foreign) >= MAX_FOREIGN:
                port = OTHER if place.kind == "signal" else place.port
                place, is_foreign = place._replace(port=port, path=""), False
        with self._lock:
            number = self._numbers.setdefault(place, len(self._all))
            if number == len(self._all):
                self._all.append(place)
                if is_foreign:
                    self._foreign.append(number)
                    self.weight += OVERHEAD + getsizeof(place.port) + getsizeof(place.path)
        return number

    def forget_foreign(self) -> None:
        """Forget what clients may have named; its numbers are not given again."""
        with self._lock:
            for number in self._foreign:
                place = self._all[number]
                del self._numbers[place]
                self._all[number] = Place(place.kind, place.node, "", "")
            self._foreign.clear()
            self.weight = 0

    def all(self) -> list[Place]:
        """Return the places there are; a row's `place` is an index into them."""
        return list(self._all)

    def __getitem__(self, number: int) -> Place:
        return self._all[number]


def _is_foreign(place: Place) -> bool:
    """Whether clients may have named it: a path that is no node's, or a signal, which a handler
    may call as a message says."""
    return place.kind == "signal" or bool(place.path and not place.node)
