"""What was answered then against what is answered now, session by session.

Answers are paired in order, with as few changes as can be found quickly: same, changed, missing,
extra, late. Who sees them only as they come is a `Stream`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from itertools import groupby, zip_longest
from typing import Any, TypeAlias

from .alignment import Span, aligned, unordered
from .answer import Answer, Pair, Status, Tally
from .rules import NO_RULES, Rules

NEAR = 0.005
"""Seconds within which answers to different events may change places: who was first was chance."""

Match: TypeAlias = tuple[Answer | None, Answer | None]
"""An answer then and the one that stands for it now."""


def compare(
    session: str,
    old: list[Answer],
    new: list[Answer],
    rules: Rules = NO_RULES,
    tally: Tally | None = None,
) -> Iterator[Pair]:
    """Give the pairs of one session, in the order of time; `tally` bounds the work.

    Where it is known which events were answered, only answers to the same one belong together.
    """
    tally = tally or Tally()
    known = not rules.any_order and all(one.event or one.excuse for one in (*old, *new))
    before, after = _keys(old, rules, known=known), _keys(new, rules, known=known)
    if rules.any_order:
        spans: Iterator[Span] = unordered(before, after)
    else:
        spans = aligned(before, after, tally)
    for equal, group in groupby(spans, key=lambda span: span[2]):
        then, now = list[Answer](), list[Answer]()
        for left, right, _ in group:
            then += [old[i] for i in left]
            now += [new[j] for j in right]
        if not equal:
            tally.excused.update(one.excuse for one in then if one.excuse)
            then, now = _owed(then, now)
        by_cause = known and not equal
        matches = _by_event(then, now, rules, tally) if by_cause else zip_longest(then, now)
        for one, other in matches:
            yield _judged(session, one, other, equal, rules)


def _keys(some: list[Answer], rules: Rules, *, known: bool = False) -> list[Any]:
    """Return what has to be equal; of answers to known events the event, too."""
    bodies = [_comparable(rules.normal(one.body)) for one in some]
    return [(one.event, body) for one, body in zip(some, bodies, strict=True)] if known else bodies


def _by_event(then: list[Answer], now: list[Answer], rules: Rules, tally: Tally) -> list[Match]:
    """Return what belongs together: answers to one event as they align, or else equal ones."""
    events: dict[int, tuple[list[Answer], list[Answer]]] = {}
    for side, some in enumerate((then, now)):
        for one in some:
            events.setdefault(one.event, ([], []))[side].append(one)
    found = [
        (before[i] if i is not None else None, after[j] if j is not None else None)
        for before, after in events.values()
        for left, right, _ in aligned(_keys(before, rules), _keys(after, rules), tally)
        for i, j in zip_longest(left, right)
    ]
    extra: dict[Any, deque[Answer]] = {}
    for old, new in found:
        if old is None and new is not None:
            (key,) = _keys([new], rules)
            extra.setdefault(key, deque()).append(new)
    matches: list[Match] = []
    for old, new in found:
        if old is not None:
            (key,) = _keys([old], rules)
            moved = None if new else extra.get(key)
            matches.append((old, moved.popleft() if moved else new))
    matches += [(None, one) for some in extra.values() for one in some]
    return list(_in_order(sorted(matches, key=_when), rules))


def _in_order(matches: list[Match], rules: Rules) -> Iterator[Match]:
    """Give the matches; what is equal and yet was overtaken is missing here and extra there."""
    newest = -math.inf
    for old, new in matches:
        if old and new and new.t < newest - NEAR and _same(old, new, rules):
            yield old, None
            yield None, new
        else:
            newest = max(newest, new.t) if new else newest
            yield old, new


def _owed(then: list[Answer], now: list[Answer]) -> tuple[list[Answer], list[Answer]]:
    """Leave out what is excused; of what came now, only where nothing else stands for it."""
    then = [one for one in then if not one.excuse]
    spare = len(then) - sum(not one.excuse for one in now)
    chosen = []
    for one in now:
        if one.excuse:
            spare -= 1
        if not one.excuse or spare >= 0:
            chosen.append(one)
    return then, chosen


def _judged(
    session: str, old: Answer | None, new: Answer | None, equal: bool, rules: Rules
) -> Pair:
    status: Status
    if old is None:
        status = "extra"
    elif new is None:
        status = "missing"
    elif not equal and not _same(old, new, rules):
        status = "changed"
    elif rules.late is not None and new.t - old.t > rules.late:
        status = "late"
    else:
        status = "same"
    return Pair(session, status, old, new)


def _same(old: Answer, new: Answer, rules: Rules) -> bool:
    return _keys([old], rules) == _keys([new], rules)


def _when(pair: Match) -> float:
    return (pair[0] or pair[1] or Answer(0.0, None)).t


def _comparable(body: Any) -> Any:
    """Return a body as what can be a key."""
    return body if isinstance(body, str | bytes) else (type(body).__name__, repr(body))
