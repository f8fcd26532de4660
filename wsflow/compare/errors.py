"""What handlers raised in a replay, and what they had raised when it was recorded."""

from __future__ import annotations

import re
from collections import Counter
from itertools import count

from ..log.blocks import Block
from ..log.log import Log

_PLACE = re.compile(r" \([^()]*(?::|, line )\d+\)$")


class Errors:
    """What handlers raised, then and now; also what the log of a long replay has forgotten."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.raised = 0
        self._next = 0
        self._now: Counter[tuple[str, str]] = Counter()
        self._then: Counter[tuple[str, str]] = Counter()
        self._text: dict[tuple[str, str], str] = {}
        log._store.dropping = self._look_at

    def expect(self, node: str, error: str) -> None:
        """Take an error that was recorded."""
        self._then[_kind_of(node, error)] += 1

    def look(self) -> None:
        """Take what was raised since the last look."""
        for block in self.log._store.blocks():
            self._look_at(block)

    def _look_at(self, block: Block) -> None:
        if block.last < self._next:
            return
        if block.error is not None:
            places = self.log._store.places()
            for seq, place, error in zip(
                count(block.first), block.place, block.error, strict=False
            ):
                if seq >= self._next and error is not None and places[place].kind == "error":
                    self._take(places[place].node, error)
        self._next = block.last + 1

    def _take(self, node: str, error: str) -> None:
        self.raised += 1
        kind = _kind_of(node, error)
        if kind in self._text or len(self._text) < 1_000:
            self._text.setdefault(kind, f"{node}: {error}")
            self._now[kind] += 1

    @property
    def new(self) -> list[str]:
        """Those that were raised more often than they were recorded, each once."""
        more = self._now - self._then
        return [
            text + (f" ({more[kind]} times)" if more[kind] > 1 else "")
            for kind, text in self._text.items()
            if more[kind]
        ]


def _kind_of(node: str, error: str) -> tuple[str, str]:
    """Return what makes two errors the same: not the line of the file, an edit moves it."""
    return node, _PLACE.sub("", error)
