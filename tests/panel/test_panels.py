"""The panels of a flow: all parts or those that are named, each widget once."""

from __future__ import annotations

import pytest

from wsflow import Flow, WsflowError
from wsflow.panel import PARTS

pytestmark = pytest.mark.usefixtures("by_hand")


def test_a_panel_has_all_parts_or_those_that_are_named(flow: Flow) -> None:
    assert tuple(flow.panel().parts) == PARTS
    assert list(flow.panel("sessions").parts) == ["sessions"]
    assert list(flow.panel("sessions", "sessions").parts) == ["sessions"]
    for part in PARTS:
        assert list(getattr(flow.panel, part)().parts) == [part]


def test_an_unknown_part_is_an_error_that_names_those_there_are(flow: Flow) -> None:
    with pytest.raises(WsflowError, match=r"no part 'session'; parts: sessions, .*player"):
        flow.panel("session")


def test_the_same_parts_are_the_same_widget_until_it_is_closed(flow: Flow) -> None:
    first = flow.panel("sessions")
    assert flow.panel("sessions") is first is flow.panel.sessions()
    assert flow.panel() is not first
    first.close()
    assert first.closed
    assert flow.panel("sessions") is not first
    first.close()  # harmless twice


def test_panels_show_themselves(flow: Flow) -> None:
    assert repr(flow.panel("sessions")) == "<Panel of test: sessions; 0 pages>"
    assert repr(flow.panel()) == "<Panel of test: 8 parts; 0 pages>"
    assert repr(flow.panel) == "<Panels of test: all with flow.panel(), or a part>"
    assert "flow.panel()" in repr(flow.panel)
