"""A page at `GET /` of a served flow, when asked for: its routes, its graph, and a way to try them.

One document without anything from elsewhere; its policy lets it load nothing and talk to this
server only. What anybody sent is text on it.
"""

from __future__ import annotations

import html
import json
import re
import secrets
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from ..base.display import plain
from ..base.interfaces import Headers, HttpRoute, Left, Reply, Request, Routes, SocketRoute
from ..graph.node import Node
from ..graph.triggers.http import RequestTrigger
from ..graph.triggers.websocket import WebSocketTrigger
from .svg import Drawing

_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")


class StatusPage:
    """Answers `GET /` (it is a `interfaces.HttpRoute`)."""

    pattern = "/"

    def __init__(
        self, name: str, nodes: Callable[[], Iterable[Node]], sessions: Callable[[], int]
    ) -> None:
        self._name, self._nodes, self._sessions = name, nodes, sessions
        self._drawing = Drawing()

    async def requested(
        self, request: Request, params: dict[str, str], body: bytes, left: Left | None = None
    ) -> Reply:
        """Return the page as the flow is at this moment."""
        nonce = secrets.token_urlsafe(16)
        page = self._page(list(self._nodes()), nonce)
        return Reply(200, _headers(request.header("host") or "", nonce), page.encode())

    def _page(self, nodes: list[Node], nonce: str) -> str:
        routes = [route for node in nodes for route in _routes(node)]
        rows = "".join(
            f"<tr><td>{html.escape(route['kind'])}</td>"
            f"<td><code>{html.escape(plain(route['path']))}</code></td></tr>"
            for route in routes
        )
        name, number = html.escape(plain(self._name)), self._sessions()
        # inside a script element only "<" could end it, or begin another
        data = json.dumps(routes).replace("<", "\\u003c")
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
            '<meta name="viewport" content="width=device-width">'
            f'<style nonce="{nonce}">{_read("css")}</style></head><body>'
            f"<header><h1>{name}</h1>"
            f"<p>{number} session{'s' * (number != 1)} open · a flow of wsflow</p></header>"
            f"<main><section><h2>Routes</h2><table>{rows}</table></section>"
            f'<section><h2>Graph</h2><div class="graph">{self._drawing.svg(nodes)}</div></section>'
            f"{_TRY if routes else _EMPTY}</main>"
            f'<script type="application/json" id="routes" nonce="{nonce}">{data}</script>'
            f'<script nonce="{nonce}">{_read("js")}</script></body></html>'
        )


class WithPage:
    """Routes, and a page where none of them is (it is `interfaces.Routes`)."""

    def __init__(self, routes: Routes, page: StatusPage) -> None:
        self._routes, self._page = routes, page

    def socket(self, path: str) -> tuple[SocketRoute, dict[str, str]] | None:
        """Return who is behind a socket path."""
        return self._routes.socket(path)

    def http(self, path: str) -> tuple[dict[str, HttpRoute], dict[str, str]] | None:
        """Return who is behind an HTTP path; an HTTP Trigger on `/` goes before the page."""
        found = self._routes.http(path)
        return ({"GET": self._page}, {}) if found is None and path == "/" else found

    def is_page(self, path: str) -> bool:
        """Say whether it is the page that is there."""
        return path == "/" and self._routes.http(path) is None


def _routes(node: Node) -> list[dict[str, Any]]:
    """Return what a client can do with a trigger."""
    if isinstance(node, WebSocketTrigger):
        path, spoken = node.template.pattern, list(node.subprotocols)
        return [{"kind": "WebSocket", "path": path, "protocols": spoken}]
    if isinstance(node, RequestTrigger):
        methods = filter(node.takes, node.methods)
        return [{"kind": method, "path": node.pattern, "protocols": []} for method in methods]
    return []


def _headers(host: str, nonce: str) -> Headers:
    here = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
        f"connect-src 'self'{here}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return (
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", policy),
        ("referrer-policy", "no-referrer"),  # the address may hold the token
        ("cache-control", "no-store"),
    )


@cache
def _read(kind: str) -> str:
    from importlib.resources import files  # here: it costs, and few have the page

    return (files(__package__) / f"statuspage.{kind}").read_text(encoding="utf-8")


_EMPTY = "<section><p>No routes yet: <code>flow.websocket('/chat')</code> makes one.</p></section>"

_TRY = """<section aria-labelledby="try"><h2 id="try">Try it</h2>
<form><label>Route <select name="route"></select></label>
<label>Address <input name="path" spellcheck="false" autocomplete="off"></label>
<button name="connect" type="button">Connect</button>
<label>Message <textarea name="message" rows="3" spellcheck="false"></textarea></label>
<button name="send">Send</button></form>
<ol id="said" aria-live="polite" aria-label="What was sent and received"></ol></section>"""
