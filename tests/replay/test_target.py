"""A flow and a server are played to in the same way."""

from __future__ import annotations

import inspect

import pytest

from wsflow import Flow
from wsflow.replay.address import Address
from wsflow.replay.live import _Server
from wsflow.replay.live_client import LiveClient
from wsflow.replay.sandbox import Sandbox, SandboxClient
from wsflow.replay.target import RecordedClient, Target
from wsflow.replay.virtual_time import VirtualLoop


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        (Target, Sandbox),
        (Target, _Server),
        (RecordedClient, SandboxClient),
        (RecordedClient, LiveClient),
    ],
)
def test_what_a_player_asks_for_is_there_under_the_same_names(asked: type, there: type) -> None:
    for name, method in inspect.getmembers(asked, inspect.isfunction):
        if not name.startswith("_"):
            ours = inspect.signature(getattr(there, name)).parameters
            assert [*inspect.signature(method).parameters] == [*ours], name


def test_what_a_player_reads_is_there_under_the_same_names() -> None:
    flow = Flow("target")
    loop = VirtualLoop(None, 0.0)
    for target in (
        Sandbox(flow, flow._host, loop),
        _Server(Address.of("ws://127.0.0.1:1"), loop),
    ):
        for name, _ in inspect.getmembers(Target, lambda one: isinstance(one, property)):
            assert hasattr(target, name), (target, name)
    loop.close()


def test_a_server_fires_by_itself_and_does_not_tell_which_event_was_answered() -> None:
    loop = VirtualLoop(None, 0.0)
    server = _Server(Address.of("ws://127.0.0.1:1"), loop)
    assert (server.by_itself, server.origins) == (True, ())
    assert not server.fire("tick", {}, 1)
    loop.close()
