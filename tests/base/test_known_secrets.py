"""Which words are secret of what was brought, and texts without them (P20, found A5)."""

from __future__ import annotations

import reprlib
from typing import Any

import pytest

from wsflow.base.known_secrets import FEW, MAX_PASSING, KnownSecrets, brought
from wsflow.base.secrets import REDACTED
from wsflow.base.snapshot import snapshot, unpack

SECRET = "s3cr3t.of/Ann~42"


def knowing(*values: str) -> KnownSecrets:
    known = KnownSecrets()
    for number, value in enumerate(values, 1):
        known.hold(number, [("x-api-key", value)], {})
    return known


@pytest.mark.parametrize(
    ("headers", "query", "words"),
    [
        ([("authorization", f"Bearer {SECRET}")], {}, (SECRET,)),
        ([("Authorization", SECRET)], {}, (SECRET,)),
        ([("proxy-authorization", "Basic dXNlcjpwYXNzd29yZDEy")], {}, None),
        ([("authorization", 'Digest username="somebody", response="0123456789abcdef"')], {}, None),
        ([("cookie", f"sessionid={SECRET}; theme=dark")], {}, (SECRET,)),
        ([("cookie", "a-very-long-name=1")], {}, ()),
        ([], {"token": SECRET}, (SECRET,)),
        ([], {"Token": [SECRET, "other-secret"]}, (SECRET, "other-secret")),
        ([], {"page": SECRET}, ()),
        ([], {"next": f"http://h/?sig={SECRET}"}, (SECRET,)),
        ([("referer", "http://h/?sig=a%2Fbcdefg%2Bh")], {}, ("a%2Fbcdefg%2Bh", "a/bcdefg+h")),
        ([("sec-websocket-protocol", f"chat, wsflow.token.{SECRET}")], {}, (SECRET,)),
        ([("sec-websocket-protocol", "chat.v1-of-long-name, mqtt")], {}, ()),
        ([("x-api-key", "1"), ("cookie", "a=short")], {"token": "abc"}, ()),
        ([("x-api-key", "password")], {"token": REDACTED}, ()),
    ],
)
def test_what_is_brought_is_found_by_its_names(
    headers: list[tuple[str, str]], query: dict[str, Any], words: tuple[str, ...] | None
) -> None:
    found = brought(headers, query)
    if words is None:
        assert found[-1] in {"password12", "0123456789abcdef"}
        assert "somebody" not in found
    else:
        assert found == words


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f"Bearer {SECRET}",
        f"{{'authorization': 'Bearer {SECRET}'}}",
        f"http://h/a?token={SECRET}&b=1",
        f"wsflow.token.{SECRET}",
        f"see {SECRET}.",
        f"xx{SECRET}",
        f"{SECRET}yy",
        f"<td>{SECRET}</td>",
    ],
)
@pytest.mark.parametrize("others", [0, FEW * 4])
def test_a_secret_is_taken_out_wherever_it_stands(text: str, others: int) -> None:
    known = knowing(SECRET, *(f"another-secret-{number:03}" for number in range(others)))
    clean = known.text(text)
    assert SECRET not in clean
    assert REDACTED in clean
    assert known.data(text) == clean
    assert known.data(text.encode()) == clean.encode()


def test_what_is_left_of_a_secret_that_was_cut_is_taken_out_too() -> None:
    long = "abcdefgh" + "0" * 60 + "stuvwxyz"
    known = knowing(long)
    assert known.text(f"{long!r:.40}") == f"'{REDACTED}"
    assert "stuvwxyz" not in known.text(reprlib.repr(long))
    assert known.text("abcdefgh and stuvwxyz") == f"{REDACTED} and {REDACTED}"
    assert known.text("abcdefg and tuvwxyz") == "abcdefg and tuvwxyz"


@pytest.mark.parametrize(
    "value",
    [
        {"x": SECRET},
        {SECRET: 1},
        [SECRET, 65, SECRET, 66],
        [SECRET * 3, 65],
        ["a" * 40 + SECRET],
        {"deep": [{"er": (SECRET, b"raw " + SECRET.encode())}]},
    ],
)
@pytest.mark.parametrize("others", [0, FEW * 4])
def test_a_secret_is_taken_out_of_packed_values(value: Any, others: int) -> None:
    known = knowing(SECRET, *(f"another-secret-{number:03}" for number in range(others)))
    picture, _ = snapshot(value)
    assert SECRET not in repr(unpack(known.data(picture)))


def test_what_has_no_secret_is_the_same_object() -> None:
    known = knowing(SECRET)
    for value in ("text", b"raw", snapshot({"a": 1})[0], None, 3, 2.5):
        assert known.data(value) is value


def test_a_value_too_deep_to_be_cleaned_is_left_out_whole() -> None:
    value: Any = SECRET
    for _ in range(400):
        value = [value]
    picture, _ = snapshot(value)
    assert SECRET not in repr(unpack(knowing(SECRET).data(picture)))


def test_the_server_s_own_token_is_found_however_it_is_written() -> None:
    known, token = KnownSecrets(), "a b/ü&'<\""
    known.keep(token)
    known.keep(None)
    written = [token, repr(token), "a+b%2F%C3%BC%26%27%3C%22", "a%20b%2F%C3%BC%26%27%3C%22"]
    written += ["a b/\\u00fc&'<\\\"", "a b/ü&amp;&#x27;&lt;&quot;"]
    for text in written:
        assert REDACTED in known.text(f"x{text}y")
        assert REDACTED in known.data(f"x{text}y", own_only=True)


def test_of_a_client_s_own_message_only_the_server_s_token_is_taken() -> None:
    known = knowing(SECRET)
    known.keep("token-of-the-server")
    message = f"{SECRET} token-of-the-server"
    assert known.data(message, own_only=True) == f"{SECRET} {REDACTED}"
    assert known.data(message) == f"{REDACTED} {REDACTED}"


def test_what_a_session_brought_is_forgotten_with_it() -> None:
    known = knowing(SECRET, SECRET)
    known.release(1)
    assert known.text(SECRET) == REDACTED, "another brought the same"
    known.release(2)
    known.release(2)
    assert known.text(SECRET) == SECRET
    assert (known.any, known._edges, known._count) == (False, {}, {})


def test_p28_requests_in_their_thousands_are_forgotten_and_sessions_are_not() -> None:
    """Found A6: who pours handshakes neither fills memory nor has others' secrets forgotten."""
    known = knowing(SECRET)
    for number in range(500):
        known.meet([("x-api-key", f"{number:04}" * 500)], {})
        known.meet([("x-api-key", f"{number:04}" * 500)], {})
    assert sum(map(len, known._count)) <= MAX_PASSING + 2_000
    assert known.text(SECRET) == REDACTED
    assert known.text("0499" * 500) == REDACTED
