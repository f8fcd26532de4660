"""What does not matter when answers are compared."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from typing import Any

from .answer import HttpAnswer

_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?"
    r"|\b\d{2}:\d{2}:\d{2}(?:\.\d+)?\b"
)
_ID = re.compile(
    r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b|\b[0-9a-fA-F]{16,}\b|\bs\d+-[0-9a-f]{4}\b"
)


@dataclass(frozen=True)
class Rules:
    """What does not matter in a comparison.

    `ignore` names parts of JSON bodies: a key at any depth (`"id"`), or a path from the top
    (`"$.user.id"`, `"$.items[*].id"`, `"$.items[0].id"`). `times` and `ids` make dates, clock
    times, UUIDs, long hexadecimal numbers and session ids equal wherever they stand. With
    `any_order` answers of a session may come in any order. `late` is how many seconds later an
    equal answer may come.
    """

    ignore: tuple[str, ...] = ()
    times: bool = False
    ids: bool = False
    any_order: bool = False
    late: float | None = None

    @property
    def plain(self) -> bool:
        """Whether bodies are compared as they are."""
        return not (self.ignore or self.times or self.ids)

    def normal(self, body: Any) -> Any:
        """Return what is compared of an answer."""
        if self.plain:
            return body
        if isinstance(body, HttpAnswer):
            return body._replace(body=self.normal(body.body))
        if isinstance(body, str) and self.ignore and body.lstrip()[:1] in {"{", "["}:
            with contextlib.suppress(ValueError, RecursionError):  # it only begins like JSON
                body = json.dumps(self._without(json.loads(body), "$"), sort_keys=True)
        if isinstance(body, str):
            if self.times:
                body = _TIME.sub("<time>", body)
            if self.ids:
                body = _ID.sub("<id>", body)
        return body

    def _without(self, value: Any, *paths: str) -> Any:
        """Return a value without what is ignored; `paths` are the names its place has."""
        if isinstance(value, dict):
            return {
                key: self._without(one, *(f"{path}.{key}" for path in paths))
                for key, one in value.items()
                if key not in self.ignore and not self._ignores(f"{path}.{key}" for path in paths)
            }
        if isinstance(value, list):
            indexed = any("[" in name for name in self.ignore)
            if not indexed:
                return [self._without(one, *paths) for one in value]
            named = [
                (one, [f"{path}[{at}]" for path in paths for at in (index, "*")])
                for index, one in enumerate(value)
            ]
            return [self._without(one, *names) for one, names in named if not self._ignores(names)]
        return value

    def _ignores(self, paths: Any) -> bool:
        return any(path in self.ignore for path in paths)


NO_RULES = Rules()
