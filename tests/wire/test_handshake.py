"""What counts as a handshake, what a proper one has, and how one is answered."""

import h11
import pytest

from tests.peers.raw import Raw, handshake, request, text
from tests.wire.echoing import Echo
from wsflow.base.interfaces import Refusal
from wsflow.wire.handshake import key_of, request_of, switching, whole_handshake

pytestmark = pytest.mark.usefixtures("quiet_loop")

# ---- as bytes


def asked(data: bytes) -> h11.Request:
    found = whole_handshake(data)
    assert found is not None
    return found[0]


def test_a_whole_handshake_comes_with_what_follows_it() -> None:
    found = whole_handshake(handshake("/chat/red") + text("at once"))
    assert found is not None
    assert (found[0].target, found[1]) == (b"/chat/red", text("at once"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        handshake()[:-1],
        request("/"),
        request("/websocket"),
        handshake("/", without=["Upgrade"]),
        handshake("/", without=["Connection"]),
        b"websocket\r\n\r\n",
    ],
)
def test_all_else_is_left_to_others(data: bytes) -> None:
    assert whole_handshake(data) is None


def test_a_request_is_told_as_it_came() -> None:
    told = request_of(asked(handshake("/r%C3%B6t?a=1?b", [("X-Name", "Jürg")])), "1.2.3.4", "::1")
    assert (told.method, told.path, told.query) == ("GET", "/r%C3%B6t", "a=1?b")
    assert (told.client, told.local) == ("1.2.3.4", "::1")
    assert told.header("x-name") == "Jürg"


def test_the_key_is_that_of_a_proper_handshake_only() -> None:
    told = request_of(asked(handshake()), "", "")
    assert key_of(told, b"1.1") == told.header("sec-websocket-key")
    refusal = key_of(told, b"1.0")
    assert isinstance(refusal, Refusal)
    assert refusal.status == 400


def test_the_answer_names_what_was_agreed_on_and_nothing_else() -> None:
    key = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 section 1.3
    lines = switching(key, None, None).decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 101 Switching Protocols"
    assert lines[3:] == ["sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "", ""]
    told = switching(key, "chat", "permessage-deflate").decode()
    assert "\r\nsec-websocket-protocol: chat\r\n" in told
    assert "\r\nsec-websocket-extensions: permessage-deflate\r\n" in told


# ---- over a socket


@pytest.mark.parametrize(
    "headers",
    [
        [("Connection", "keep-alive, Upgrade")],
        [("Connection", "UPGRADE"), ("Upgrade", "WebSocket")],
        [("Connection", "keep-alive"), ("Connection", "Upgrade")],
        [("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")],
        [("Sec-WebSocket-Protocol", "chat, superchat")],
    ],
)
async def test_the_many_ways_to_ask_for_a_socket(
    echo: Echo, headers: list[tuple[str, str]]
) -> None:
    async with Raw.websocket(echo.port, "/", headers) as raw:
        await raw.send(text("hello"))
        assert (await raw.frame()).payload == b"hello"


async def test_what_was_offered_in_vain_is_not_in_the_answer(echo: Echo) -> None:
    offers = [("Sec-WebSocket-Extensions", "x-foo"), ("Sec-WebSocket-Protocol", "chat")]
    async with Raw.tcp(echo.port) as raw:
        await raw.send(handshake("/", offers))
        response = await raw.response()
    assert response.status == 101
    assert {name for name in response.headers if name.startswith("sec-")} == {
        "sec-websocket-accept"
    }


@pytest.mark.parametrize("said", ["0", "8", "12", "14", "013", "13, 8", "", None])
async def test_another_version_of_websocket_is_answered_with_426_and_ours(
    echo: Echo, said: str | None
) -> None:
    name = "Sec-WebSocket-Version"
    async with Raw.tcp(echo.port) as raw:
        await raw.send(handshake("/", [] if said is None else [(name, said)], without=[name]))
        response = await raw.response()
        assert response.status == 426
        assert response.headers["sec-websocket-version"] == "13"
        assert b"13" in response.body
        await raw.gone()


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [""],
        ["dGhlIHNhbXBsZSBub25jZQ"],
        ["dGhlIHNhbXBsZSBub25j"],
        ["dGhlIHNhbXBsZSBub25jZQAA"],
        ["!!!!IHNhbXBsZSBub25jZQ=="],
        ["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="],
    ],
)
async def test_a_bad_key_is_answered_with_400(echo: Echo, keys: list[str]) -> None:
    name = "Sec-WebSocket-Key"
    async with Raw.tcp(echo.port) as raw:
        await raw.send(handshake("/", [(name, key) for key in keys], without=[name]))
        response = await raw.response()
        assert response.status == 400
        assert b"Sec-WebSocket-Key" in response.body
        await raw.gone()


async def test_a_handshake_in_http_1_0_is_no_handshake(echo: Echo) -> None:
    async with Raw.tcp(echo.port) as raw:
        await raw.send(handshake("/", version="1.0"))
        assert (await raw.response()).status >= 400  # RFC 6455 section 4.1: HTTP/1.1 or higher
