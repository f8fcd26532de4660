"""A row's data as text: one line of it, or all of it, whatever it is."""

from __future__ import annotations

from typing import Any

import pytest

from wsflow.base.snapshot import snapshot
from wsflow.panel import row_text
from wsflow.panel.part import CELL_LENGTH


@pytest.mark.parametrize(
    ("data", "form", "shown"),
    [
        (None, "none", ""),
        ("plain", "text", "plain"),
        ("{broken", "text", "{broken"),
        ('[1,{"ü":null}]', "json", '[\n  1,\n  {\n    "ü": null\n  }\n]'),
        ({"a": [True, 1.5]}, "json", '{\n  "a": [\n    true,\n    1.5\n  ]\n}'),
        (7, "json", "7"),
        ({"raw": b"\x01"}, "text", "{'raw': b'\\x01'}"),
        (b"Hi\x00!", "hex", f"00000000  {'48 69 00 21':<47}  Hi·!"),
        ("[" * 50_000, "text", "[" * 50_000),
    ],
)
def test_data_is_shown_in_full_in_a_form_that_fits(data: Any, form: str, shown: str) -> None:
    packed, _ = snapshot(data)
    value = packed.unpack() if hasattr(packed, "unpack") else packed
    assert row_text.whole(value) == {"form": form, "text": shown, "cut": False}


@pytest.mark.parametrize(
    "data",
    ["x" * 200_000, b"x" * 200_000, {"x": "y" * 200_000}, '["' + "x" * 200_000 + '"]', 10**5000],
    ids=["text", "bytes", "value", "json", "number"],
)
def test_data_beyond_64_kb_is_cut_and_says_so(data: Any) -> None:
    told = row_text.whole(data)
    assert told["cut"] is (type(data) is not int)
    assert len(told["text"]) <= row_text.MAX_TEXT


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (None, ""),
        ("two\nlines", "two\nlines"),
        ("x" * 2**20, "x" * (CELL_LENGTH - 1) + "…"),
        (b"\x00\xff", "b'\\x00\\xff'"),
        ({"a": "ü", "n": None}, '{"a":"ü","n":null}'),
        ({"a": b"\x00"}, "{'a': b'\\x00'}"),
        (True, "True"),
        (1.5, "1.5"),
        ({"a": "x" * 300_000}, "(300,008 bytes: open the row)"),
    ],
    ids=str,
)
def test_a_line_of_data_is_short_whatever_it_is(data: Any, line: str) -> None:
    packed, size = snapshot(data)
    assert row_text.one_line(packed, size, row_text.Budget()) == line
