"""Who sessions are: the facts of their handshakes, weighed, until their last row is gone.

Opposite: `places.py`, which says where a row happened.
"""

from __future__ import annotations

from sys import getsizeof
from typing import Any

from .blocks import Block, Known

OVERHEAD = 600
"""Bytes of a session's facts beside what its client said."""


class Facts:
    """The facts of the sessions that rows speak of, by their number."""

    def __init__(self) -> None:
        self.weight = 0
        """Bytes that they take."""
        self.by_number: dict[int, Known] = {}
        self._weights: dict[int, int] = {}
        self._newest: dict[int, int] = {}
        """The block of a session's newest sealed row, by the `seq` it begins with."""
        self._ended: set[int] = set()

    def know(self, number: int, known: Known, more: int = 0) -> None:
        """Keep a session's facts, and count `more` bytes for what else is kept of it."""
        self._weights[number] = weight = weight_of(known) + more
        self.weight += weight
        self.by_number[number] = known

    def end(self, number: int, at: int, code: int | None, reason: str) -> None:
        """Keep how a session ended; its facts may go with its last row."""
        known = self.by_number.get(number)
        if known is not None:
            self.by_number[number] = known._replace(closed=at, code=code, reason=reason)
        self._ended.add(number)

    def sealed(self, block: Block) -> None:
        """Note whose rows are in a block."""
        for number in block.sessions:
            if number in self.by_number:
                self._newest[number] = block.first

    def dropped(self, block: Block, spared: int) -> list[int]:
        """Forget the sessions whose last row is gone with a block, and return who they are.

        `spared` is about to be told of once more.
        """
        ended = (self._ended & block.sessions) - {spared}
        gone = [one for one in ended if self._newest.get(one, block.first) == block.first]
        for number in gone:
            self._forget(number)
        return gone

    def clear(self) -> list[int]:
        """Forget the sessions that have ended, and return who they were."""
        gone = list(self._ended)
        for number in gone:
            self._forget(number)
        return gone

    def _forget(self, number: int) -> None:
        self._ended.discard(number)
        self._newest.pop(number, None)
        if self.by_number.pop(number, None) is not None:
            self.weight -= self._weights.pop(number)


def weight_of(known: Known) -> int:
    """Return how many bytes the facts of a handshake take."""
    weight = OVERHEAD + getsizeof(known.path)
    for fields in (known.headers, known.params, known.query):
        weight += getsizeof(fields)
        weight += sum(getsizeof(key) + _size(one) for key, one in fields.items())
    return weight


def _size(value: Any) -> int:
    own = getsizeof(value)
    return own + sum(map(getsizeof, value)) if isinstance(value, list) else own
