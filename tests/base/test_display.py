"""The small HTML table in which everything is text; pictures are read on white and on black."""

import html.parser
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsflow.base.display import LINE, MAX_CELL, PAPER, TEXT, coloured, table

EVIL = "<img src=x onerror=alert(1)>"


class Reader(html.parser.HTMLParser):
    """Collects tags and text as a browser would."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_markup_in_a_cell_a_head_and_a_note_is_text() -> None:
    read = Reader(table([EVIL], [[EVIL]], note=EVIL))
    assert "img" not in read.tags
    assert read.text == EVIL * 3


@given(st.text(max_size=150))
def test_no_text_makes_a_tag(text: str) -> None:
    read = Reader(table(["head"], [[text, f"'{text}\""]], note="n"))
    assert read.tags == [
        "div",
        "table",
        "thead",
        "tr",
        "th",
        "tbody",
        "tr",
        "td",
        "td",
        "p",
        "small",
    ]


@pytest.mark.parametrize(
    ("value", "side"), [(3, "right"), (1.5, "right"), ("3", "left"), (None, "left")]
)
def test_numbers_stand_right(value: object, side: str) -> None:
    page = table(["n"], [[value]])
    assert f"<td style='text-align:{side}'>" in page
    assert f"<th style='text-align:{side}'>" in page


def test_a_column_has_one_side() -> None:
    page = table(["fact", ""], [["messages", 3], ["length", "1.5 s"]])
    assert "right" not in page
    assert table(["n"], [[3], [None], [""]]).count("right") == 4


def test_none_is_an_empty_cell() -> None:
    assert Reader(table(["n"], [[None]])).text == "n"


def test_long_text_is_cut() -> None:
    text = Reader(table([], [["x" * 10_000]])).text
    assert text == "x" * (MAX_CELL - 1) + "…"


@pytest.mark.parametrize("sign", ["\x1b", "\x00", "\u202e", "\u2066", "\r", "\n"])
def test_control_and_direction_marks_are_shown_not_obeyed(sign: str) -> None:
    text = Reader(table([], [[f"a{sign}b"]])).text
    assert text == f"a{repr(sign)[1:-1]}b"


def test_a_table_without_rows_has_its_head_and_note() -> None:
    assert Reader(table(["a", "b"], [], note="nothing yet")).text == "abnothing yet"
    assert "<small>" not in table(["a"], [])


# ---- Mermaid

NOTE = "#fff3c4"


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
def test_what_is_drawn_on_the_page_is_read_on_both_of_labs_themes(page: str) -> None:
    assert contrast(LINE, page) > 4.2


@pytest.mark.parametrize("fill", [PAPER, NOTE])
def test_what_stands_in_a_box_is_read(fill: str) -> None:
    assert contrast(TEXT, fill) > 7


def test_the_source_itself_stays_as_it_is() -> None:
    directive, _, rest = coloured("flowchart LR\n    a --> b").partition("\n")
    assert rest == "flowchart LR\n    a --> b"
    told = json.loads(directive.removeprefix("%%{init: ").removesuffix("}%%"))
    assert told["theme"] == "base"
    assert told["themeVariables"]["noteBkgColor"] == NOTE
