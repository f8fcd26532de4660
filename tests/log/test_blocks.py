"""Sealed rows: a column each, and no column where all rows are without."""

from __future__ import annotations

from typing import Any

import pytest

from wsflow.log.blocks import WIDTH, block_of

ROW = (10, 1, 7, 2, 4, "hi", 2, None, None)
FAILED = (11, 2, 8, 3, 5, None, 0, 0.5, "ValueError: no")


@pytest.mark.parametrize("rows", [[ROW], [FAILED], [ROW, FAILED], [FAILED, ROW, ROW]])
def test_rows_come_out_as_they_went_in(rows: list[tuple[Any, ...]]) -> None:
    block = block_of(41, [field for row in rows for field in row])
    assert list(block.raw()) == [(41 + at, *row) for at, row in enumerate(rows)]
    assert (len(block), block.last) == (len(rows), 40 + len(rows))
    assert block.sessions == {row[2] for row in rows}
    assert len(ROW) == WIDTH


def test_what_no_row_has_takes_no_room() -> None:
    block = block_of(1, [*ROW, *ROW])
    assert (block.elapsed, block.error) == (None, None)
