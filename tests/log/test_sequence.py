"""Rows as a sequence diagram."""

from __future__ import annotations

import pytest

from tests.log.logged import know, put
from wsflow.log.log import Log
from wsflow.log.store import Store


def test_a_sequence_has_a_lifeline_a_session(story: Store, log: Log) -> None:
    lines = [line.strip() for line in log.sequence().splitlines()]
    assert lines[:4] == [
        "sequenceDiagram",
        "participant s0 as s1",
        "participant s1 as s2",
        "participant flow",
    ]
    assert "s0->>flow: hi" in lines
    assert "flow-->>s0: HI" in lines
    assert lines[-1].startswith("Note over s1,flow: error ValueError")


@pytest.mark.parametrize("sign", ["#", ";", ":", "<", ">", '"', "\n", "%%", "\u2028"])
def test_what_a_client_sent_ends_no_line_and_begins_no_markup(
    store: Store, log: Log, sign: str
) -> None:
    know(store, 1)
    put(store, "message", session=1, data=f"a{sign}participant evil")
    lines = log.sequence().split("\n")
    assert len(lines) == 4
    said = lines[-1].partition(": ")[2]
    assert said.startswith("a")
    assert not {"<", ">", '"', "\u2028"} & set(said)
    assert said.replace(f"#{ord(sign[0])};", "").count(";") == 0


def test_a_sequence_of_nothing_is_a_diagram(log: Log) -> None:
    assert log.sequence() == "sequenceDiagram\n    participant flow"
