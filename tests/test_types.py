"""One text is one text, and not its letters."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from wsflow.types import texts


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("id", ("id",)),
        ("", ("",)),
        (["id", "at"], ("id", "at")),
        (("id",), ("id",)),
        ((), ()),
        ((one for one in "ab"), ("a", "b")),
    ],
)
def test_one_or_several_are_a_tuple(given: Iterable[str], expected: tuple[str, ...]) -> None:
    assert texts(given) == expected
