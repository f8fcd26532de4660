"""The ways of wires: smooth through their points, and no count upon another."""

from __future__ import annotations

from wsflow.views.wire_path import REACH, Point, back_path, forward_path


def test_a_way_goes_through_its_points_and_is_level_there() -> None:
    made = forward_path([Point(0, 0), Point(100, 50), Point(200, 50), Point(300, 0)], [])
    assert made.path == "M0 0C50 0 50 50 100 50C150 50 150 50 200 50C250 50 250 0 300 0"
    assert (made.label, made.back) == (Point(150, 50), False)


def test_counts_of_wires_that_cross_stand_beside_each_other() -> None:
    placed: list[Point] = []
    one = forward_path([Point(0, 0), Point(400, 100)], placed)
    two = forward_path([Point(0, 100), Point(400, 0)], placed)
    assert one.label == Point(200, 50)
    assert placed == [one.label, two.label]
    apart = abs(one.label.x - two.label.x), abs(one.label.y - two.label.y)
    assert apart[0] > 70 or apart[1] > 13


def test_a_way_back_leads_below_and_enters_from_the_left() -> None:
    made = back_path(Point(300, 20), Point(100, 40), 90)
    assert made.path.startswith(f"M300 20C{300 + REACH} 20 ")
    assert made.path.endswith(f"C{100 - REACH} 90 {100 - REACH} 40 100 40")
    assert (made.label, made.back) == (Point(200, 90), True)
