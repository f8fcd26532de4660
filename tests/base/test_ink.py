"""Mermaid pictures are read on white and on black, whenever they were drawn."""

import json

import pytest

from wsflow.base.ink import LINE, PAPER, TEXT, coloured

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
