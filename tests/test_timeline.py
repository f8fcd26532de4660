"""The picture of a recording: all of it, in a page's worth of strokes, and text stays text."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import NamedTuple

from wsflow.timeline import COLOURS, LEFT, MARK, MAX_SESSIONS, WIDTH, timeline


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
    assert strokes(svg, COLOURS["message"]) == [LEFT]
    (middle,) = strokes(svg, COLOURS["response"])
    assert abs(middle - (LEFT + WIDTH - 8) / 2) <= 1
    (last,) = strokes(svg, COLOURS["error"])
    assert WIDTH - 10 <= last <= WIDTH


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
    assert len(strokes(svg, MARK)) == 1


def test_what_is_no_event_of_a_session_is_not_drawn() -> None:
    svg = picture(Told(1, "route"), Told(2, "signal"))
    assert not [*svg.iter("path"), *svg.iter("circle")]
    assert len(list(svg.iter("text"))) == 1


def test_more_sessions_than_fit_are_counted() -> None:
    rows = [Told(0, "req", f"s{number}") for number in range(MAX_SESSIONS + 7)]
    assert timeline(rows, 1.0).endswith("<small>and 7 more</small>")
    assert len(list(picture(*rows).iter("circle"))) == MAX_SESSIONS


def test_the_whole_of_a_long_recording_is_in_a_small_picture() -> None:
    def rows() -> Iterator[Told]:
        for number in range(100_000):
            yield Told(number / 10_000, ("message", "response")[number % 2], f"s{number % 30}")
            yield Told(number / 10_000, "mark", None)

    text = timeline(rows(), 10.0)
    assert len(text) < 200_000
    svg = picture(*rows())
    for colour in (COLOURS["message"], COLOURS["response"]):
        assert max(strokes(svg, colour)) > WIDTH - 12
    assert len(strokes(svg, MARK)) < WIDTH / 2


def test_nothing_and_no_time_at_all_give_a_picture_too() -> None:
    assert picture(seconds=0.0).get("aria-label") == "0 sessions over 0.0 seconds"
    assert picture(Told(0, "req"), seconds=0.0) is not None


def test_a_session_called_like_markup_or_control_code_is_text() -> None:
    svg = picture(Told(0, "req", "<b onload=x>"), Told(0, "req", "'\"&\x1b[31m\u202e"))
    assert [one.text for one in svg.iter("text")] == ["<b onload=x>", "'\"&\\x1b[31m\\u202e"]
    assert not list(svg.iter("b"))
