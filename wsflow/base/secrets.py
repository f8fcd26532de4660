"""What of a handshake is secret, and what is shown in its place (promises P20, P23).

Here are the names that secrets go by. What their values are, once somebody brought them, knows
`known_secrets.py`; keys of a user's own are redacted in `io/redaction.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

USUAL_NAMES = (
    *("authorization", "proxy-authorization", "auth", "bearer", "jwt", "assertion"),
    *("cookie", "set-cookie", "session", "session-id", "session-token", "sid", "phpsessid"),
    *("jsessionid", "token", "access-token", "auth-token", "id-token", "refresh-token"),
    *("private-token", "security-token", "amz-security-token", "gitlab-token", "vault-token"),
    *("github-token", "csrf", "csrf-token", "csrfmiddlewaretoken", "xsrf", "xsrf-token"),
    *("key", "api-key", "auth-key", "access-key", "private-key", "secret-key", "goog-api-key"),
    *("functions-key", "ocp-apim-subscription-key", "aws-access-key-id", "subscription-key"),
    *("secret", "client-secret", "password", "passwd", "passphrase", "pwd", "otp"),
    *("credential", "credentials", "amz-credential", "goog-credential"),
    *("sig", "signature", "amz-signature", "goog-signature", "hub-signature"),
    *("hub-signature-256", "slack-signature", "stripe-signature", "cf-access-jwt-assertion"),
)
"""What the field takes for secret, in headers and queries (Sentry, OpenTelemetry, mitmproxy, OAuth,
cloud services)."""

SECRET_NAMES = frozenset(
    start + name.replace("-", joint)
    for name in USUAL_NAMES
    for joint in ("-", "_", "")
    for start in ("", "x" + joint)
)
"""All ways to write them, in lower case: `x-api-key`, `api_key`, `apikey`."""

TOKEN_SUBPROTOCOL = "wsflow.token."
SUBPROTOCOLS = (
    TOKEN_SUBPROTOCOL,
    "openai-insecure-api-key.",
    "base64url.bearer.authorization.k8s.io.",
    "bearer.",
    "token.",
)
"""Beginnings of subprotocols of which the rest is a token: a browser can send no other header."""

REDACTED = "[redacted]"

_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")
_USERINFO = re.compile(r"(?<=://)[^/?#\s\"'@]+(?=@)")
_FIELD = re.compile(r"(?<=[?&#;])([^?&#;=\s\"']+)=([^&#;\s\"']+)")


def is_secret(name: object) -> bool:
    """Say whether what goes by this name, in a header or a query, is a secret."""
    return str(name).lower() in SECRET_NAMES


def redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers with the values of secret ones replaced, and what is secret in others."""
    clean = {
        name: REDACTED if is_secret(name) else redact_url(value) for name, value in headers.items()
    }
    if any(secret_subprotocols(str(clean.get("sec-websocket-protocol", "")))):
        clean["sec-websocket-protocol"] = REDACTED
    return clean


def redact_query(query: Mapping[str, Any]) -> dict[str, Any]:
    """Return the query with the values of secret keys replaced, and what is secret in others."""
    return {key: REDACTED if is_secret(key) else redact_url(value) for key, value in query.items()}


def redact_url(value: Any) -> Any:
    """Return a text, or each of a list, without what is secret in addresses: user and query."""
    if isinstance(value, list):
        return [redact_url(one) for one in value]
    if not isinstance(value, str) or ("=" not in value and "@" not in value):
        return value
    return _FIELD.sub(_hidden, _USERINFO.sub(REDACTED, value))


def _hidden(field: re.Match[str]) -> str:
    return f"{field[1]}={REDACTED}" if is_secret(field[1]) else field[0]


def secrets_in_url(text: str) -> list[str]:
    """Return what `redact_url` would hide in a text."""
    if "=" not in text and "@" not in text:
        return []
    fields = [value for name, value in _FIELD.findall(text) if is_secret(name)]
    users = _USERINFO.findall(text)
    return fields + [one for user in users for one in user.split(":")]


def secret_subprotocols(header: str) -> Iterable[str]:
    """Give those of the subprotocols a client offers that are secret, as far as they are.

    A token stands behind a beginning that is known, behind a name that is (`access_token, ...`),
    or shows itself (a JSON Web Token).
    """
    before = ""
    for name in map(str.strip, header.split(",")):
        start = next((one for one in SUBPROTOCOLS if name.lower().startswith(one)), "")
        if len(start) < len(name) and (start or _JWT.fullmatch(name) or is_secret(before)):
            yield name[len(start) :]
        before = name


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
