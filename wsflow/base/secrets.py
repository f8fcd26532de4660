"""What of a handshake is secret, and what is shown in its place (promises P20, P23).

The log and recordings never hold more than this leaves; keys of a user's own are redacted in
`io/redaction.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SECRET_HEADERS = frozenset(
    {"authorization", "cookie", "set-cookie", "proxy-authorization", "x-api-key"}
)
SECRET_QUERY = frozenset({"token", "key", "secret", "password", "sig"})
TOKEN_SUBPROTOCOL = "wsflow.token."
REDACTED = "[redacted]"


def redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers with the values of secret ones replaced."""
    clean = {
        name: REDACTED if str(name).lower() in SECRET_HEADERS else value
        for name, value in headers.items()
    }
    if TOKEN_SUBPROTOCOL in str(clean.get("sec-websocket-protocol", "")):
        clean["sec-websocket-protocol"] = REDACTED
    return clean


def redact_query(query: Mapping[str, Any]) -> dict[str, Any]:
    """Return the query with the values of secret keys replaced."""
    return {key: REDACTED if str(key).lower() in SECRET_QUERY else v for key, v in query.items()}


def redacted(value: Any) -> Any:
    """Return a value whose handshakes, however deep inside, have lost their secrets (P20, P23)."""
    if isinstance(value, list):
        return [redacted(one) for one in value]
    if not isinstance(value, dict):
        return value
    clean = {key: redacted(one) for key, one in value.items()}
    if isinstance(clean.get("headers"), dict):
        clean["headers"] = redact_headers(clean["headers"])
    if isinstance(clean.get("query"), dict):
        clean["query"] = redact_query(clean["query"])
    return clean
