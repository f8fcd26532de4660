"""Whom to let in: Host, Origin, token, and which proxies to believe (promises P18 to P21).

Any web page can open a socket to loopback, and a name under an attacker's control can point
there, so both Origin and Host are checked before the handshake is answered. Pictures, scripts and
forms send no Origin: for these a browser's Fetch Metadata says whose page asks.
"""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
import re
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import urlsplit

from ..base.interfaces import Refusal, Request
from ..base.secrets import TOKEN_SUBPROTOCOL
from ..base.urls import parse_query
from ..errors import ServeError, UnsafeBindError
from ..types import texts

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
"""Name or address, and port (RFC 9110 section 7.2)."""

MAX_FORWARDED = 20
"""Forwarded addresses that are looked at."""

MAX_ORIGIN = 300
"""Characters an origin has at most, for a host has 253. Longer ones are not even parsed: Python
keeps the newest addresses that were."""

MAX_NAMED = 200
"""Characters of a Host or an Origin that a refusal repeats."""

FROM_HERE = frozenset({"same-origin", "none"})
"""What `Sec-Fetch-Site` says of pages of this origin, and of a person who asks. Ports make no site:
each server of this machine is `same-site` to the others."""


@dataclass(frozen=True)
class Policy:
    """What `serve` was told about who may come in. `check_host` is off behind other servers."""

    allowed_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    token: str | None = field(default=None, repr=False)
    trusted_proxies: tuple[Network, ...] = ()
    check_host: bool = True
    reported_origins: set[str] = field(default_factory=set)
    """Origins of pages that showed a panel, told over Jupyter's authenticated channel."""

    def judge(self, request: Request, *, to_page: bool = False) -> Refusal | None:
        """Return why a request may not come in, or None.

        `to_page`: where it leads no handler runs, so links of any page may lead there.
        """
        return (
            self._judge_host(request)
            or self._judge_origin(request)
            or self._judge_site(request, to_page)
            or self._judge_token(request)
        )

    def _judge_host(self, request: Request) -> Refusal | None:
        if not self.check_host:
            return None
        host = request.header("host") or ""
        name, _ = split_host(host)
        if name is not None and (
            is_loopback(name)
            or name in map(str.lower, self.allowed_hosts)
            or host.lower() in self.allowed_hosts
            or "*" in self.allowed_hosts
            or _same_address(name, request.local)
            or self._is_reported_host(name)
        ):
            return None
        return Refusal(
            403,
            f"Host {_named(host)} is not allowed; to allow it: "
            f"serve(allowed_hosts=[{_named(name or host)}])\n",
        )

    def _is_reported_host(self, name: str) -> bool:
        """Whether a panel is shown by pages of this host: through Jupyter's proxy the Host header
        names Jupyter's own host. Its port may be another's on the way, so names alone count."""
        return any(_host_of(origin) == name for origin in tuple(self.reported_origins))

    def _judge_origin(self, request: Request) -> Refusal | None:
        origin = request.header("origin")
        if origin is None or self._permits(origin):
            return None
        if _same_origin(origin, request.header("host") or ""):
            return None
        return Refusal(
            403,
            f"Origin {_named(origin)} is not allowed; to allow it: "
            f"serve(allowed_origins=[{_named(origin)}])\n",
        )

    def _permits(self, origin: str) -> bool:
        """Whether pages of another origin may come in."""
        return (
            origin in self.allowed_origins
            or "*" in self.allowed_origins
            or self._is_reported(origin)
        )

    def _judge_site(self, request: Request, to_page: bool) -> Refusal | None:
        """Judge what a page of another origin asks for without saying its name (P19).

        It can not forge these headers (W3C Fetch Metadata), nor the Referer, only leave that out.
        """
        if not is_from_elsewhere(request) or request.header("origin") is not None:
            return None
        referer = _origin_of(request.header("referer") or "")
        if self._permits(referer or "null") or (to_page and _navigates(request)):
            return None
        return Refusal(
            403,
            f"a page of {_named(referer) if referer else 'another site'} asked for this; to allow "
            f"it: serve(allowed_origins=[{_named(referer or 'https://its.origin')}])\n",
        )

    def _is_reported(self, origin: str) -> bool:
        """Whether a panel's page told this origin. `null` is everybody's who is nobody (P19)."""
        return origin in self.reported_origins and _host_of(origin) is not None

    def _judge_token(self, request: Request) -> Refusal | None:
        if self.token is None:
            return None
        for offered in _offered_tokens(request):
            if hmac.compare_digest(_raw(offered), _raw(self.token)):
                return None
        return Refusal(
            401,
            "a token is needed: ?token=..., the header 'Authorization: Bearer ...', "
            f"or the subprotocol '{TOKEN_SUBPROTOCOL}...'\n",
            (("www-authenticate", "Bearer"),),
        )

    def peer(self, request: Request) -> str:
        """Return the client's address, or the chain of addresses through trusted proxies.

        Forwarded headers are walked from the right and believed as far as trusted proxies wrote
        them; the first address that is no trusted proxy is the client.
        """
        nearest = _address(request.client)
        if nearest is None or not self._trusts(nearest):
            return request.client if nearest is None else str(nearest)
        chain = [nearest]
        for hop in reversed(_forwarded(request)[-MAX_FORWARDED:]):
            address = _address(hop)
            if address is None:
                break
            chain.insert(0, address)
            if not self._trusts(address):
                break
        return ", ".join(map(str, chain))

    def _trusts(self, address: Address) -> bool:
        return any(
            address.version == net.version and address in net for net in self.trusted_proxies
        )


def networks(given: tuple[str, ...] | list[str] | str) -> tuple[Network, ...]:
    """Return the networks of `trusted_proxies`.

    Raises:
        ServeError: one is no address or network.
    """
    try:
        return tuple(ipaddress.ip_network(one) for one in texts(given))
    except ValueError as error:
        raise ServeError(f"trusted_proxies: {error}; write it as '10.0.0.0/8'") from error


def check_bind(host: str, token: str | None, allow_unauthenticated: bool) -> None:
    """Raise `UnsafeBindError` for an open door: no loopback address and no token (P18)."""
    if not is_loopback(host.lower()) and not token and not allow_unauthenticated:
        raise UnsafeBindError(host)


def is_loopback(name: str) -> bool:
    """Say whether a host name or address (in lower case) is this machine's own.

    Parsed, never compared by prefix: `127.0.0.1.evil.example` is somebody else.
    """
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and address.is_loopback


def split_host(host: str) -> tuple[str | None, int | None]:
    """Return name and port of a Host header, the name in lower case; `(None, None)` for garbage."""
    found = _HOST.fullmatch(host)
    if found is None or int(found[2] or 0) > 65535:
        return None, None
    return found[1].strip("[]").lower(), int(found[2]) if found[2] else None


def is_from_elsewhere(request: Request) -> bool:
    """Say whether a browser says that a page of another origin asks."""
    sites = [value for name, value in request.headers if name == "sec-fetch-site"]
    return not FROM_HERE.issuperset(sites)


def _navigates(request: Request) -> bool:
    """Whether somebody follows a link, in a tab of its own; guesses ahead do not count."""
    return (
        request.method in {"GET", "HEAD"}
        and request.header("sec-fetch-mode") == "navigate"
        and request.header("sec-fetch-dest") == "document"
        and request.header("sec-purpose") is None
    )


def _origin_of(url: str) -> str | None:
    """Return the origin of an address; None for garbage."""
    try:
        parts = urlsplit(url[:MAX_ORIGIN])
    except ValueError:
        return None
    place = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{place}" if parts.scheme in {"http", "https"} and place else None


def _named(text: str | None) -> str:
    """Return a client's own word as a refusal repeats it."""
    return repr(text if text is None else text[:MAX_NAMED])


def _host_of(origin: str) -> str | None:
    """Return the host name of an origin; None for `null`, `file://` and garbage."""
    try:
        return urlsplit(origin).hostname
    except ValueError:
        return None


def _same_origin(origin: str, host: str) -> bool:
    if len(origin) > MAX_ORIGIN:
        return False
    try:
        parts = urlsplit(origin)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return False
    name, host_port = split_host(host)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return (
        default is not None
        and name is not None
        and parts.hostname == name
        and port == (host_port or default)
    )


def _same_address(name: str, local: str) -> bool:
    """Whether Host is the very address the client connected to: no name, so no rebinding."""
    one, other = _address(name), _address(local)
    return one is not None and one == other


def _address(text: str) -> Address | None:
    """Return an address written with or without port and brackets; None for anything else."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _forwarded(request: Request) -> list[str]:
    """Return the addresses of `X-Forwarded-For`, or else of `Forwarded` (RFC 7239)."""
    plain = request.header("x-forwarded-for")
    if plain is not None:
        return plain.split(",")
    hops = []
    for element in (request.header("forwarded") or "").split(","):
        for pair in element.split(";"):
            key, _, value = pair.strip().partition("=")
            if key.lower() == "for":
                hops.append(value)
    return hops


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _offered_tokens(request: Request) -> list[str]:
    offered: list[str] = []
    with contextlib.suppress(ValueError):  # too many fields: no token among them
        offered += filter(None, texts(parse_query(request.query).get("token", ())))
    kind, _, credentials = (request.header("authorization") or "").partition(" ")
    if kind.lower() == "bearer":
        offered.append(credentials.strip())
    for protocol in (request.header("sec-websocket-protocol") or "").split(","):
        name = protocol.strip()
        if name.startswith(TOKEN_SUBPROTOCOL):
            offered.append(name.removeprefix(TOKEN_SUBPROTOCOL))
    return offered
