"""What is secret of a handshake, and what is shown in its place."""

from typing import Any

import pytest

from wsflow.base.secrets import REDACTED, redact_headers, redact_query, secrets_in_url

SECRET = "XYZZY"
HEADERS = dict.fromkeys(
    ["authorization", "cookie", "set-cookie", "proxy-authorization", "x-api-key"], SECRET
)
QUERY: dict[str, Any] = dict.fromkeys(["token", "key", "secret", "password", "sig"], SECRET)


def test_secret_headers_are_redacted_and_others_kept() -> None:
    clean = redact_headers({**HEADERS, "host": "localhost", "x-name": "ann"})
    assert {clean[name] for name in HEADERS} == {REDACTED}
    assert (clean["host"], clean["x-name"]) == ("localhost", "ann")


@pytest.mark.parametrize("name", ["Authorization", "COOKIE", "Set-Cookie", "X-Api-Key"])
def test_a_header_is_a_secret_however_it_is_spelled(name: str) -> None:
    assert redact_headers({name: SECRET}) == {name: REDACTED}


def test_a_token_offered_as_subprotocol_is_redacted() -> None:
    clean = redact_headers({"sec-websocket-protocol": f"chat, wsflow.token.{SECRET}"})
    assert SECRET not in repr(clean)
    kept = {"sec-websocket-protocol": "chat, v2"}
    assert redact_headers(kept) == kept


def test_secret_fields_of_a_query_are_redacted_in_any_case() -> None:
    clean = redact_query({**QUERY, "Token": SECRET, "PASSWORD": [SECRET, SECRET], "page": "1"})
    assert SECRET not in repr(clean)
    assert clean["page"] == "1"


def test_what_is_secret_in_addresses_is_redacted() -> None:
    """Found A5: a Referer carries users and queries of other places."""
    clean = redact_headers({"referer": "http://u:pw@h/a?b=1&token=abc#x", "accept": "a;q=1"})
    assert clean == {
        "referer": f"http://{REDACTED}@h/a?b=1&token={REDACTED}#x",
        "accept": "a;q=1",
    }
    assert redact_query({"to": ["/?sig=1", "/?page=1"]}) == {
        "to": [f"/?sig={REDACTED}", "/?page=1"]
    }
    assert secrets_in_url("http://u:pw@h/?b=1&api_key=abc") == ["abc", "u", "pw"]
