"""Every part there is, in Python and in the page."""

from __future__ import annotations

import re
from pathlib import Path

from wsflow.panel import bundle
from wsflow.panel.parts import PART_CLASSES

HERE = Path(bundle.__file__).parent


def test_every_part_there_is_has_its_place_on_the_page() -> None:
    table = (HERE / "page.js").read_text().partition("const PARTS = {")[2].partition("};")[0]
    assert set(re.findall(r"^  (\w+): \[", table, re.MULTILINE)) == set(PART_CLASSES)
