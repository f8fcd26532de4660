"""The picture of a recording: all of it, in a page's worth of strokes, and text stays text."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import NamedTuple

from wsflow.io.timeline import (
    ANSWER,
    ERROR,
    LEFT,
    MARK,
    MAX_SESSIONS,
    MESSAGE,
    ROW,
    WIDTH,
    timeline,
)


class Told(NamedTuple):
    t: float
    kind: str
    session: str | None = "s1"


def picture(*rows: Told, seconds: float = 10.0) -> ET.Element:
    svg, _, _ = timeline(rows, seconds).partition("<small>")
    return ET.fromstring(svg)


def strokes(svg: ET.Element, colour: str) -> list[float]:
    """Return where across the strokes of a colour stand."""
    paths = [str(one.get("d")) for one in svg.iter("path") if one.get("stroke") == colour]
    return [float(x) for path in paths for x in re.findall(r"M([\d.]+),", path)]


def test_each_kind_has_its_colour_and_its_moment() -> None:
    svg = picture(Told(0, "message"), Told(5, "response"), Told(5, "send"), Told(10, "error"))
    assert strokes(svg, MESSAGE.colour) == [LEFT]
    (middle,) = strokes(svg, ANSWER.colour)
    assert abs(middle - (LEFT + WIDTH - 8) / 2) <= 1
    (last,) = strokes(svg, ERROR.colour)
    assert WIDTH - 10 <= last <= WIDTH


def spans(svg: ET.Element, colour: str) -> list[tuple[float, float]]:
    """Return from where to where the strokes of a colour go down."""
    paths = [str(one.get("d")) for one in svg.iter("path") if one.get("stroke") == colour]
    found = [re.findall(r"M[\d.]+,([\d.]+)v([\d.]+)", path) for path in paths]
    return [(float(top), float(top) + float(height)) for some in found for top, height in some]


def test_at_one_moment_nothing_hides_another() -> None:
    rows = [Told(1, kind, who) for who in ("a", "b") for kind in ("message", "response", "error")]
    svg = picture(*rows)
    for line in (0, 1):
        said, told, failed = (spans(svg, tick.colour)[line] for tick in (MESSAGE, ANSWER, ERROR))
        middle = line * ROW + ROW / 2
        assert line * ROW <= said[0] < said[1] < middle < told[0] < told[1] <= (line + 1) * ROW
        assert said[0] < failed[0] < middle < failed[1] < told[1]
        assert ERROR.width > MESSAGE.width


def test_a_session_is_a_line_from_its_first_row_to_its_last() -> None:
    svg = picture(Told(0, "req"), Told(5, "message"), Told(10, "close"), Told(5, "req", "s2"))
    first, second = svg.iter("line")
    assert (first.get("x1"), first.get("x2")) == (str(LEFT), str(WIDTH - 8))
    assert second.get("x1") == second.get("x2")


def test_the_legend_tells_what_there_is() -> None:
    legend = timeline([Told(0, "message"), Told(1, "error"), Told(1, "mark", None)], 12.0)
    told = re.sub("<[^>]*>", "", legend.partition("<small>")[2])
    assert told.split() == ["0", "to", "12.0", "s", "▍messages", "▍errors", "▍marks"]
    assert "0 to 0.125 s" in timeline([], 0.125)


def test_a_ring_where_a_session_began_and_a_dot_where_it_ended() -> None:
    svg = picture(Told(0, "req"), Told(10, "close"))
    ring, dot = svg.iter("circle")
    assert ring.get("fill") == "none"
    assert dot.get("fill") is None
    assert float(ring.get("cx", "")) < float(dot.get("cx", ""))


def test_each_session_has_a_line_of_its_own() -> None:
    svg = picture(Told(0, "req", "red"), Told(1, "req", "blue"), Told(2, "close", "red"))
    first, second, third = (float(one.get("cy", "")) for one in svg.iter("circle"))
    assert first == third < second
    assert [one.text for one in svg.iter("text")] == ["red", "blue"]


def test_a_mark_goes_across() -> None:
    svg = picture(Told(5, "mark", None), Told(5, "broadcast", None), Told(5, "req"))
    assert len(strokes(svg, MARK.colour)) == 1


def test_what_is_no_event_of_a_session_is_not_drawn() -> None:
    svg = picture(Told(1, "route"), Told(2, "signal"))
    assert not [*svg.iter("path"), *svg.iter("circle")]
    assert len(list(svg.iter("text"))) == 1


def test_more_sessions_than_fit_are_counted() -> None:
    rows = [Told(0, "req", f"s{number}") for number in range(MAX_SESSIONS + 7)]
    assert timeline(rows, 1.0).endswith("; and 7 more sessions</small>")
    assert len(list(picture(*rows).iter("circle"))) == MAX_SESSIONS


def test_the_whole_of_a_long_recording_is_in_a_small_picture() -> None:
    def rows() -> Iterator[Told]:
        for number in range(100_000):
            yield Told(number / 10_000, ("message", "response")[number % 2], f"s{number % 30}")
            yield Told(number / 10_000, "mark", None)

    text = timeline(rows(), 10.0)
    assert len(text) < 200_000
    svg = picture(*rows())
    for colour in (MESSAGE.colour, ANSWER.colour):
        assert max(strokes(svg, colour)) > WIDTH - 12
    assert len(strokes(svg, MARK.colour)) < WIDTH / 2


def test_nothing_and_no_time_at_all_give_a_picture_too() -> None:
    assert picture(seconds=0.0).get("aria-label") == "0 sessions over 0.0 seconds"
    assert picture(Told(0, "req"), seconds=0.0) is not None


def test_a_session_called_like_markup_or_control_code_is_text() -> None:
    svg = picture(Told(0, "req", "<b onload=x>"), Told(0, "req", "'\"&\x1b[31m\u202e"))
    assert [one.text for one in svg.iter("text")] == ["<b onload=x>", "'\"&\\x1b[31m\\u202e"]
    assert not list(svg.iter("b"))
