"""A flow and a server are played to in the same way."""

from __future__ import annotations

import inspect

import pytest

from wsflow.replay.live import _Server
from wsflow.replay.live_client import LiveClient
from wsflow.replay.sandbox import Sandbox, SandboxClient
from wsflow.replay.target import RecordedClient, Target


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        (Target, Sandbox),
        (RecordedClient, SandboxClient),
        (RecordedClient, LiveClient),
    ],
)
def test_what_a_player_asks_for_is_there_under_the_same_names(asked: type, there: type) -> None:
    for name, method in inspect.getmembers(asked, inspect.isfunction):
        if not name.startswith("_"):
            ours = inspect.signature(getattr(there, name)).parameters
            assert [*inspect.signature(method).parameters] == [*ours], name


def test_a_server_has_all_a_target_has_but_does_not_tell_which_event_was_answered() -> None:
    assert hasattr(Sandbox, "origin")
    assert not hasattr(_Server, "origin")
    assert not hasattr(_Server, "fire")
