"""Who misspells a name is told the one that was meant, and programs that ask get their answer."""

from typing import Any

import pytest

from wsflow import Flow, WsflowError


@pytest.mark.parametrize(
    ("part", "name", "told"),
    [
        ("", "websockets", "Flow has no 'websockets'; did you mean 'websocket'?"),
        ("", "Websocket", "Flow has no 'Websocket'; did you mean 'websocket'?"),
        ("", "xyzzy", "Flow has no 'xyzzy'"),
        ("", "_repr_png_", "Flow has no '_repr_png_'"),
        ("log", "trail", "Log has no 'trail'; did you mean 'tail'?"),
        ("panel", "logs", "Panels has no 'logs'; did you mean 'log'?"),
    ],
)
def test_a_misspelt_name_is_told_the_one_that_was_meant(
    flow: Flow, part: str, name: str, told: str
) -> None:
    thing: Any = getattr(flow, part) if part else flow
    with pytest.raises(WsflowError) as caught:
        getattr(thing, name)
    assert isinstance(caught.value, AttributeError)
    assert str(caught.value) == told
    assert not hasattr(thing, name)


async def test_a_client_and_a_server_tell_it_too(flow: Flow) -> None:
    client: Any = flow.client("/chat")
    with pytest.raises(WsflowError, match="Client has no 'recv'; did you mean 'receive'"):
        client.recv()
    async with flow.serving() as server:
        anything: Any = server
        with pytest.raises(WsflowError, match="Server has no 'adress'"):
            _ = anything.adress
