"""The values of secrets that were brought here, and texts that speak of them without them (P20).

Opposite: `secrets.py`, the names secrets go by: those hide a value where it stands in a handshake,
these wherever it was carried. Never: a value shorter than eight characters, but the server's token.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias
from urllib.parse import quote, quote_plus, unquote_plus

from ..types import texts
from .secrets import REDACTED, SECRET_NAMES, is_secret, secret_subprotocols, secrets_in_url
from .snapshot import Snapshot, remade

EDGE = 8
"""Characters by which a secret is known at its beginning or its end; shorter ones are none."""

SHORTEST_TOKEN = 4
"""Characters of a server's own token that is looked for: a shorter one is part of any text."""

FEW = 16
"""Secrets up to which it is cheapest to look for each."""

MAX_PASSING = 256 * 1024
"""Characters of secrets that are remembered of requests that opened no session."""

Words: TypeAlias = tuple[str, ...]

_WORD = re.compile(r"[!#-%*+\-./0-9?@A-Z^_`a-z|~]{8,}")
"""What secrets are made of, and what does not end where a text quotes them."""

_PAIR = re.compile(r'(\w+)="?([^",\s]*)')
_NONE = frozenset({*SECRET_NAMES, REDACTED.strip("[]")})
"""Words that are no secrets, whatever they stand for: names of them."""


class KnownSecrets:
    """What was brought. Learned in the flow's loop, asked in any thread."""

    def __init__(self) -> None:
        self.any = False
        """Whether there are any: where nobody brought one, nothing is looked for."""
        self._own: Words = ()
        self._count: dict[str, int] = {}
        self._few: Words = ()
        """The same, as long as they are few."""
        self._edges: dict[str, Words] = {}
        """The secrets that begin or end so."""
        self._held: dict[int, Words] = {}
        self._passing: dict[Words, None] = {}
        self._passing_size = 0
        self._clean: Any = None

    # ---- learning

    def keep(self, token: str | None) -> None:
        """Learn a server's own token, for good, in all the ways texts write it."""
        if token is None or len(token) < SHORTEST_TOKEN or token in self._own:
            return
        written = {token, quote(token, safe=""), quote_plus(token), html.escape(token)}
        written |= {json.dumps(token)[1:-1], json.dumps(token, ensure_ascii=False)[1:-1]}
        written |= {repr(token)[1:-1]}
        self._own = tuple(sorted({*self._own, *written}, key=len, reverse=True))
        self._add(tuple(_words(token)))
        self.any = True

    def meet(self, headers: Iterable[tuple[str, str]], query: Mapping[str, Any]) -> None:
        """Learn what a request brings; forgotten once many others came."""
        words = brought(headers, query)
        if not words or words in self._passing:
            return
        self._passing[words] = None
        self._passing_size += sum(map(len, words))
        self._add(words)
        while self._passing_size > MAX_PASSING:
            oldest = next(iter(self._passing))
            del self._passing[oldest]
            self._passing_size -= sum(map(len, oldest))
            self._remove(oldest)

    def hold(
        self, session: int, headers: Iterable[tuple[str, str]], query: Mapping[str, Any]
    ) -> int:
        """Learn what a session brings, until it is released; return how many bytes that takes."""
        words = brought(headers, query)
        if not words:
            return 0
        self._held[session] = words
        self._add(words)
        return sum(map(len, words))

    def release(self, session: int) -> None:
        """Forget what a session brought; harmless when that was nothing."""
        self._remove(self._held.pop(session, ()))

    def _add(self, words: Words) -> None:
        for word in words:
            self._count[word] = self._count.get(word, 0) + 1
            for edge in {word[:EDGE], word[-EDGE:]} if self._count[word] == 1 else ():
                self._edges[edge] = (*self._edges.get(edge, ()), word)
        self._changed()

    def _remove(self, words: Words) -> None:
        for word in words:
            self._count[word] -= 1
            if self._count[word]:
                continue
            del self._count[word]
            for edge in {word[:EDGE], word[-EDGE:]}:
                rest = tuple(one for one in self._edges[edge] if one != word)
                if rest:
                    self._edges[edge] = rest
                else:
                    del self._edges[edge]
        self._changed()

    def _changed(self) -> None:
        self._few = tuple(self._count) if len(self._count) <= FEW else ()
        self._clean = None
        self.any = bool(self._own or self._count)

    # ---- texts without them

    def text(self, text: str) -> str:
        """Return a text without secrets, whole ones and such as were cut at one end."""
        text = self._without_own(text)
        edges = self._edges
        if edges and any(
            word[:EDGE] in edges or word[-EDGE:] in edges for word in _WORD.findall(text)
        ):
            text = _WORD.sub(self._spared, text)
        return text

    def _without_own(self, text: str) -> str:
        for own in self._own:
            text = text.replace(own, REDACTED)
        return text

    def _spared(self, found: re.Match[str]) -> str:
        word = found[0]
        for secret in self._edges.get(word[:EDGE], ()) + self._edges.get(word[-EDGE:], ()):
            if secret in word:
                word = word.replace(secret, REDACTED)
            elif word[:EDGE] == secret[:EDGE]:
                word = REDACTED + word[_shared(word, secret) :]
            elif word[-EDGE:] == secret[-EDGE:]:
                word = word[: -_shared(word[::-1], secret[::-1])] + REDACTED
        return word

    def data(self, data: Any, *, own_only: bool = False) -> Any:
        """Return what a row holds without secrets: text, bytes, or a snapshot.

        `own_only`: it is a client's own message, of which only the server's token is taken.
        """
        if data is self._clean:
            return data  # a broadcast is a row for each session
        kind = type(data)
        if kind is str:
            clean: Any = self._in_text(data, own_only)
        elif kind is bytes:
            clean = self._in_text(str(data, "latin1"), own_only)
            clean = data if len(clean) == len(data) else clean.encode("latin1")
        elif kind is Snapshot:
            suspect = self._is_suspect(str(data.packed, "latin1"))
            clean = remade(data, self.text) if suspect else data
        else:
            return data
        if clean is data and not own_only:
            self._clean = data
        return clean

    def _in_text(self, text: str, own_only: bool) -> str:
        if own_only:
            return self._without_own(text)
        return self.text(text) if self._is_suspect(text) else text

    def _is_suspect(self, text: str) -> bool:
        """Whether one may be in there."""
        if any(own in text for own in self._own):
            return True
        if self._few:
            return any(word in text for word in self._few)
        edges = self._edges
        if not edges:
            return False
        return any(
            word[:EDGE] in edges or word[-EDGE:] in edges or word[1 : EDGE + 1] in edges
            for word in _WORD.findall(text)
        )  # in a packed value the length of a text may look like its first character


def brought(headers: Iterable[tuple[str, str]], query: Mapping[str, Any]) -> Words:
    """Return the words in headers and a query that are secret, by the names they go by."""
    found: dict[str, None] = {}
    for name, value in headers:
        for secret in _in_header(name.lower(), value):
            found.update(dict.fromkeys(_words(secret)))
    for name, value in query.items():
        for one in texts(value):
            for secret in (one,) if is_secret(name) else secrets_in_url(one):
                found.update(dict.fromkeys(_words(secret)))
    return tuple(found)


def _in_header(name: str, value: str) -> Iterator[str]:
    if name == "cookie":
        for pair in value.split(";"):
            yield pair.partition("=")[2]
    elif name.endswith("authorization"):
        yield from _credentials(value)
    elif name == "sec-websocket-protocol":
        yield from secret_subprotocols(value)
    elif name in SECRET_NAMES:
        yield value
    else:
        yield from secrets_in_url(value)


def _credentials(value: str) -> Iterator[str]:
    """Give what is secret in `Bearer ...`, `Basic ...`, `Digest ...` (RFC 9110 section 11.4)."""
    scheme, _, rest = value.partition(" ")
    if not rest:
        yield value
    elif re.match(r'\w+="?[^="]', rest):
        for key, one in _PAIR.findall(rest):
            if is_secret(key) or key == "response":
                yield one
    else:
        yield rest
        if scheme.lower() == "basic":
            with contextlib.suppress(binascii.Error, ValueError):  # else it is what was given above
                yield base64.b64decode(rest, validate=True).decode("latin1").partition(":")[2]


def _words(secret: str) -> Iterator[str]:
    """Give the parts of a secret that are looked for, as it was written and as it is meant."""
    for text in dict.fromkeys((secret, unquote_plus(secret))):
        for word in _WORD.findall(text):
            if word.lower() not in _NONE:
                yield word


def _shared(one: str, other: str) -> int:
    """Return how many characters two texts share at their beginnings."""
    most = min(len(one), len(other))
    return next((at for at in range(most) if one[at] != other[at]), most)
