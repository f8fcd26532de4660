"""Where boxes and wires stand: readable, deterministic, and in place when something is added."""

from __future__ import annotations

import random
import re
from itertools import combinations

import pytest

from wsflow.views.layout import COLUMN_GAP, MARGIN, ROW_GAP, Box, Key, Layout, arrange, backwards


def box(*, leads: bool = False, height: int = 71, ins: str = "in", outs: str = "out") -> Box:
    inputs = {} if leads else {name: 54 + 17 * at for at, name in enumerate(ins.split())}
    outputs = {name: 54 + 17 * at for at, name in enumerate(outs.split())}
    return Box(120, height, leads, inputs, outputs)


def wires(text: str) -> list[Key]:
    """Read `a>b` or `a.x>b.y`."""
    found: list[Key] = []
    for wire in text.split():
        ends = [end.partition(".") for end in wire.split(">")]
        (source, _, out), (target, _, entrance) = ends
        found.append((source, out or "out", target, entrance or "in"))
    return found


def shapes(names: str, leads: str = "t") -> dict[str, Box]:
    return {name: box(leads=name in leads.split()) for name in names.split()}


def columns(layout: Layout) -> dict[str, float]:
    lefts = sorted({point.x for point in layout.boxes.values()})
    return {name: lefts.index(point.x) for name, point in layout.boxes.items()}


def check(layout: Layout, there: dict[str, Box]) -> None:
    """No box over another or outside, every wire drawn from port to port."""
    assert layout.boxes.keys() == there.keys()
    for (one, a), (two, b) in combinations(layout.boxes.items(), 2):
        if a.x == b.x:
            upper, lower = sorted((a.y, b.y))
            assert lower - upper >= there[one if a.y == upper else two].height + ROW_GAP - 0.01
    for name, point in layout.boxes.items():
        assert MARGIN <= point.x <= layout.width - layout.widths[name] - MARGIN
        assert MARGIN - 0.01 <= point.y <= layout.height - there[name].height - MARGIN + 0.01
    for (source, out, target, entrance), line in layout.paths.items():
        start = layout.boxes[source]
        end = layout.boxes[target]
        numbers = [float(number) for number in re.findall(r"-?\d+", line.path)]
        leaves = (start.x + layout.widths[source], start.y + there[source].outputs[out])
        enters = (end.x, end.y + there[target].inputs[entrance])
        assert numbers[:2] == pytest.approx(leaves, abs=1)
        assert numbers[-2:] == pytest.approx(enters, abs=1)
        assert all(0 <= y <= layout.height for y in numbers[1::2])
        assert all(0 <= x <= layout.width for x in numbers[0::2])


def test_nothing_gives_an_empty_picture() -> None:
    assert arrange({}, []).boxes == {}


def test_a_box_stands_behind_the_longest_way_to_it() -> None:
    there = shapes("t a b c d")
    layout = arrange(there, wires("t>a a>b b>c t>c t>d"))
    assert columns(layout) == {"t": 0, "a": 1, "b": 2, "c": 3, "d": 1}
    check(layout, there)


def test_triggers_stand_left_and_a_function_nobody_feeds_does_not() -> None:
    there = shapes("alone t u a", leads="t u")
    assert columns(arrange(there, wires("u>a"))) == {"t": 0, "u": 0, "alone": 1, "a": 1}
    assert columns(arrange(shapes("a b", leads=""), wires("a>b"))) == {"a": 0, "b": 1}


def test_a_loop_is_drawn_back_below_what_is_between() -> None:
    there = shapes("t a b c")
    keys = wires("t>a a>b b>c c>a b>b")
    layout = arrange(there, keys)
    assert backwards(there, keys) == set(wires("c>a b>b"))
    assert columns(layout) == {"t": 0, "a": 1, "b": 2, "c": 3}
    lowest = max(point.y for point in layout.boxes.values()) + 71
    assert all(line.label.y > lowest for line in layout.paths.values() if line.back)
    assert len({line.label.y for line in layout.paths.values() if line.back}) == 2
    check(layout, there)


def test_a_loop_without_a_trigger_begins_where_it_is_declared() -> None:
    assert backwards(shapes("a b", leads=""), wires("a>b b>a")) == set(wires("b>a"))


def test_a_wire_past_a_column_goes_round_its_boxes() -> None:
    there = shapes("t a b")
    layout = arrange(there, wires("t>a a>b t>b"))
    line = layout.paths["t", "out", "b", "in"]
    a = layout.boxes["a"]
    middle = line.label
    assert a.x <= middle.x <= a.x + layout.widths["a"]
    assert not a.y <= middle.y <= a.y + 71


def test_boxes_are_sorted_so_that_wires_do_not_cross() -> None:
    there = shapes("t u v a b c", leads="t u v")
    layout = arrange(there, wires("t>c u>b v>a"))
    ys = {name: point.y for name, point in layout.boxes.items()}
    assert ys["c"] == ys["t"] < ys["b"] == ys["u"] < ys["a"] == ys["v"]


def test_counts_of_wires_side_by_side_do_not_cover_each_other() -> None:
    there = {"t": box(leads=True, outs="req message close"), "m": box(ins="req message close")}
    layout = arrange(there, wires("t.req>m.req t.message>m.message t.close>m.close"))
    for a, b in combinations([line.label for line in layout.paths.values()], 2):
        assert abs(a.x - b.x) > 70 or abs(a.y - b.y) > 13


def test_what_is_added_moves_nothing_that_was_there() -> None:
    there = shapes("t a b c")
    keys = wires("t>a t>b a>c")
    before = arrange(there, keys)
    there |= shapes("new more")
    keys += wires("t>new new>more b>more")
    after = arrange(there, keys, before)
    assert {name: after.boxes[name] for name in before.boxes} == before.boxes
    check(after, there)


def test_what_is_taken_away_moves_nothing_that_stays() -> None:
    there = shapes("t a b c")
    before = arrange(there, wires("t>a t>b t>c"))
    del there["b"]
    after = arrange(there, wires("t>a t>c"), before)
    assert after.boxes == {name: before.boxes[name] for name in "tac"}
    check(after, there)


def test_a_box_that_moves_to_another_column_finds_a_gap_there() -> None:
    there = shapes("t a b c")
    before = arrange(there, wires("t>a t>b t>c"))
    after = arrange(there, wires("t>a t>b t>c a>c"), before)
    assert columns(after)["c"] == 2
    assert after.boxes["a"] == before.boxes["a"]
    check(after, there)


def test_a_box_that_grows_pushes_those_below_it() -> None:
    there = shapes("t a b")
    keys = wires("t>a t>b")
    before = arrange(there, keys)
    there["a"] = box(height=150)
    after = arrange(there, keys, before)
    assert after.boxes["a"] == before.boxes["a"]
    check(after, there)


def test_another_graph_is_another_picture() -> None:
    before = arrange(shapes("t a b c"), wires("t>a"))
    there = shapes("t x y z v w")
    after = arrange(there, wires("t>x x>y"), before)
    assert after.boxes == arrange(there, wires("t>x x>y")).boxes


@pytest.mark.parametrize("seed", range(12))
def test_any_graph_is_drawn_and_goes_on_being_drawn(seed: int) -> None:
    draw = random.Random(seed)
    there: dict[str, Box] = {}
    keys: list[Key] = []
    before: Layout | None = None
    for size in (8, 20, 60):
        while len(there) < size:
            number = len(there)
            there[f"n{number}"] = box(leads=number % 7 == 0, height=draw.choice((71, 88, 105)))
        names = list(there)
        keys = [
            (draw.choice(names), "out", target, "in")
            for target in draw.choices(names, k=size)
            if not there[target].leads
        ]
        keys = list(dict.fromkeys(keys))
        before = arrange(there, keys, before)
        check(before, there)
        assert set(before.paths) == set(keys)
        assert arrange(there, keys, before) == before
    assert before is not None
    assert before.width > COLUMN_GAP
