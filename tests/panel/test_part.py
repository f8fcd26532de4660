"""What a part tells a page is bounded and can be packed."""

from __future__ import annotations

import json

import pytest

from tests.panel.wire import NASTY
from wsflow.panel.part import text


@pytest.mark.parametrize("nasty", NASTY, ids=lambda nasty: ascii(nasty[:12]))
def test_client_text_is_cut_and_can_be_packed(nasty: str) -> None:
    shown = text(nasty)
    assert len(shown.encode()) <= 4 * 200
    json.dumps(shown, ensure_ascii=False).encode()
    if len(nasty) <= 200 and "\ud800" not in nasty:
        assert shown == nasty
