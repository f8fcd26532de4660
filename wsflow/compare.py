"""What was answered then against what is answered now, session by session.

Answers are paired in order: same, changed, missing, extra, late. Rules say what does not matter.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any, Literal, NamedTuple, TypeAlias

Status: TypeAlias = Literal["same", "changed", "missing", "extra", "late"]

ALIGNED = 2_000
"""Answers of one session that are aligned; of more that differ, first is paired with first."""

_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?"
    r"|\b\d{2}:\d{2}:\d{2}(?:\.\d+)?\b"
)
_ID = re.compile(
    r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b|\b[0-9a-fA-F]{16,}\b|\bs\d+-[0-9a-f]{4}\b"
)


class Said(NamedTuple):
    """One answer: when (seconds), and what."""

    t: float
    body: Any


class Pair(NamedTuple):
    """An answer then and now; None stands where there is none."""

    session: str
    status: Status
    old: Said | None
    new: Said | None


@dataclass(frozen=True)
class Rules:
    """What does not matter in a comparison.

    `ignore` names parts of JSON bodies: a key at any depth (`"id"`), or a path from the top
    (`"$.user.id"`, `"$.items[*].id"`). `times` and `ids` make dates, clock times, UUIDs, long
    hexadecimal numbers and session ids equal wherever they stand. With `any_order` answers of a
    session may come in any order. `late` is how many seconds later an equal answer may come.
    """

    ignore: tuple[str, ...] = ()
    times: bool = False
    ids: bool = False
    any_order: bool = False
    late: float | None = None

    def normal(self, body: Any) -> Any:
        """Return what is compared of an answer."""
        if not (self.ignore or self.times or self.ids):
            return body
        if isinstance(body, str) and self.ignore and body[:1] in "{[":
            with contextlib.suppress(ValueError):  # text that only begins like JSON
                body = json.dumps(self._without(json.loads(body), "$"), sort_keys=True)
        if isinstance(body, str):
            if self.times:
                body = _TIME.sub("<time>", body)
            if self.ids:
                body = _ID.sub("<id>", body)
        return body

    def _without(self, value: Any, path: str) -> Any:
        if isinstance(value, dict):
            return {
                key: self._without(one, f"{path}.{key}")
                for key, one in value.items()
                if key not in self.ignore and f"{path}.{key}" not in self.ignore
            }
        if isinstance(value, list):
            return [self._without(one, f"{path}[*]") for one in value]
        return value


NO_RULES = Rules()


def compare(
    session: str, old: list[Said], new: list[Said], rules: Rules = NO_RULES
) -> Iterator[Pair]:
    """Give the pairs of one session, in the order of time."""
    before = [rules.normal(one.body) for one in old]
    after = [rules.normal(one.body) for one in new]
    if rules.any_order:
        yield from _unordered(session, old, new, before, after, rules)
        return
    for (a, b), (c, d), equal in _aligned(before, after):
        for then, now in zip_longest(old[a:b], new[c:d]):
            yield _pair(session, then, now, equal, rules)


def _pair(session: str, old: Said | None, new: Said | None, equal: bool, rules: Rules) -> Pair:
    status: Status
    if old is None:
        status = "extra"
    elif new is None:
        status = "missing"
    elif not equal:
        status = "changed"
    elif rules.late is not None and new.t - old.t > rules.late:
        status = "late"
    else:
        status = "same"
    return Pair(session, status, old, new)


Span: TypeAlias = tuple[int, int]


def _aligned(before: list[Any], after: list[Any]) -> Iterator[tuple[Span, Span, bool]]:
    """Give spans of `before` and `after` that belong together, and whether they are equal."""
    if before == after:  # what a good replay gives, at the speed of C
        yield (0, len(before)), (0, len(after)), True
        return
    start, shorter = 0, min(len(before), len(after))
    while start < shorter and _equal(before[start], after[start]):
        start += 1
    end = 0
    while end < shorter - start and _equal(before[-1 - end], after[-1 - end]):
        end += 1
    stop_a, stop_b = len(before) - end, len(after) - end
    yield (0, start), (0, start), True
    if max(stop_a, stop_b) - start > ALIGNED:
        for at in range(start, max(stop_a, stop_b)):
            a, b = (at, min(at + 1, stop_a)), (at, min(at + 1, stop_b))
            one, other = before[a[0] : a[1]], after[b[0] : b[1]]
            yield a, b, one == other
    else:
        keys_a, keys_b = map(_hashable, (before[start:stop_a], after[start:stop_b]))
        matcher = SequenceMatcher(None, keys_a, keys_b, autojunk=False)
        for tag, a1, a2, b1, b2 in matcher.get_opcodes():
            yield (start + a1, start + a2), (start + b1, start + b2), tag == "equal"
    yield (stop_a, len(before)), (stop_b, len(after)), True


def _unordered(
    session: str,
    old: list[Said],
    new: list[Said],
    before: list[Any],
    after: list[Any],
    rules: Rules,
) -> Iterator[Pair]:
    left: dict[Any, list[int]] = {}
    for index, key in enumerate(_hashable(after)):
        left.setdefault(key, []).append(index)
    missing: list[Said] = []
    for said, key in zip(old, _hashable(before), strict=True):
        if left.get(key):
            yield _pair(session, said, new[left[key].pop(0)], True, rules)
        else:
            missing.append(said)
    extra = [new[index] for index in sorted(one for group in left.values() for one in group)]
    for then, now in zip_longest(missing, extra):
        yield _pair(session, then, now, False, rules)


def _equal(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _hashable(values: Iterable[Any]) -> list[Any]:
    return [(type(v).__name__, v if isinstance(v, str | bytes) else repr(v)) for v in values]


@dataclass
class Tally:
    """How many pairs of each kind, and those that differ (the first ten thousand)."""

    same: int = 0
    changed: int = 0
    missing: int = 0
    extra: int = 0
    late: int = 0
    differing: list[Pair] = field(default_factory=list)
    kept: int = 10_000

    def add(self, pair: Pair) -> None:
        """Count a pair."""
        setattr(self, pair.status, getattr(self, pair.status) + 1)
        if pair.status != "same" and len(self.differing) < self.kept:
            self.differing.append(pair)

    @property
    def differences(self) -> int:
        """How many pairs are not the same."""
        return self.changed + self.missing + self.extra + self.late
