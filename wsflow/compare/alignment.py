"""Which of two lists' items belong together, with as few changes between them as can be found.

It knows keys and their order alone; what they stand for is the business of `compare`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol, TypeAlias

EDITS = 64
"""Changes that are weighed against each other at a time."""

MAX_STEPS = 500_000
"""Steps of that in one report, about a second; beyond, first is paired with first."""

Span: TypeAlias = tuple[range | list[int], range | list[int], bool]
"""Items of the one and of the other that belong together (by position), and whether equal."""


class Work(Protocol):
    """What bounds the work: `steps` is what is left of it."""

    steps: int


# ---- in order


def aligned(before: list[Any], after: list[Any], work: Work) -> Iterator[Span]:
    """Give spans that belong together, found with few changes while there are steps for it."""
    i = j = 0
    common = set(before) & set(after)
    while i < len(before) and j < len(after):
        start_i, start_j = i, j
        while i < len(before) and j < len(after) and before[i] == after[j]:
            i, j = i + 1, j + 1
        if i > start_i:
            yield range(start_i, i), range(start_j, j), True
            continue
        if work.steps > 0 and common:
            for left, right, equal in _edited(before, after, i, j, work):
                yield left, right, equal
                i, j = left.stop, right.stop
            continue
        while i < len(before) and j < len(after) and before[i] != after[j]:
            i, j = i + 1, j + 1
        yield range(start_i, i), range(start_j, j), False
    yield range(i, len(before)), range(j, len(after)), False


def _edited(
    before: list[Any], after: list[Any], i0: int, j0: int, work: Work
) -> list[tuple[range, range, bool]]:
    """Return spans from `(i0, j0)` on, where they differ, with the fewest changes up to `EDITS`.

    Diagonal by diagonal (`j - i`), how far one gets with so many changes: Ukkonen, "Algorithms
    for approximate string matching", 1985.
    """
    n, m = len(before), len(after)

    def slide(i: int, k: int) -> int:
        start = i
        while i < n and i + k < m and before[i] == after[i + k]:
            i += 1
        work.steps -= i - start + 1
        return i

    fronts = [{j0 - i0: i0}]
    while fronts[-1].get(m - n) != n and len(fronts) <= EDITS:
        front = fronts[-1]
        reached = {}
        for k in range(min(front) - 1, max(front) + 2):
            ways = _ways(front, k, n, m)
            if ways:
                reached[k] = slide(max(ways)[0], k)
        fronts.append(reached)
        if work.steps <= 0:
            break
    return _way_back(fronts, n, m)


def _ways(front: dict[int, int], k: int, n: int, m: int) -> list[tuple[int, int, int]]:
    """Return how far each kind of change leads on a diagonal: where, rank, from which diagonal."""
    ways = []
    i = front.get(k)
    if i is not None and i < n and i + k < m:
        ways.append((i + 1, 3, k))  # changed
    i = front.get(k - 1)
    if i is not None and i + k - 1 < m:
        ways.append((i, 2, k - 1))  # extra
    i = front.get(k + 1)
    if i is not None and i < n:
        ways.append((i + 1, 1, k + 1))  # missing
    return ways


def _way_back(fronts: list[dict[int, int]], n: int, m: int) -> list[tuple[range, range, bool]]:
    """Return the spans that lead to where the last front got farthest, first to last."""
    front = fronts[-1]
    k = m - n if front.get(m - n) == n else max(front, key=lambda k: 2 * front[k] + k)
    i = front[k]
    spans: list[tuple[range, range, bool]] = []
    for earlier in reversed(fronts[:-1]):
        reached, _, origin = max(_ways(earlier, k, n, m))
        came = earlier[origin]
        if i > reached:
            spans.append((range(reached, i), range(reached + k, i + k), True))
        spans.append((range(came, reached), range(came + origin, reached + k), False))
        i, k = came, origin
    spans.reverse()
    return spans


# ---- in any order


def unordered(before: list[Any], after: list[Any]) -> Iterator[Span]:
    """Give what is equal wherever it stands, and then what is left of both."""
    left: dict[Any, deque[int]] = {}
    for index, key in enumerate(after):
        left.setdefault(key, deque()).append(index)
    same: tuple[list[int], list[int]] = ([], [])
    missing = []
    for index, key in enumerate(before):
        there = left.get(key)
        if there:
            same[0].append(index)
            same[1].append(there.popleft())
        else:
            missing.append(index)
    yield *same, True
    yield missing, sorted(index for group in left.values() for index in group), False
