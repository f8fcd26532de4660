"""One open page of a panel: collects the news of its parts, and does what it asks.

What the page asks comes in any thread (ipykernel calls from several) and is done in the flow's
loop; what it is told goes out in the ticker's thread or in that loop. It knows no widget.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..errors import WsflowError
from ..tracebacks import named, said
from .part import News, Part, text

if TYPE_CHECKING:
    from .host import Host

KEEPALIVE_SECONDS = 2.0
"""Seconds without news after which a page is told that the kernel is there."""

PAGE_TIMEOUT = 180.0
"""Seconds without a sign after which a page is gone; one that still is there says hello again."""


class Page:
    """A page and its parts. `tell` sends it a message, from any thread."""

    def __init__(self, host: Host, parts: Iterable[Part], tell: Callable[[News], object]) -> None:
        self._host = host
        self._parts = {part.name: part for part in parts}
        self._tell = tell
        self._lock = threading.Lock()
        self._ticks = 0
        self._told_at = 0.0
        self._heard_at = time.monotonic()
        self._failed: set[str] = set()

    # ---- telling (the ticker's thread)

    def tick(self) -> bool:
        """Tell what is new; False when the page is gone."""
        now = time.monotonic()
        if now - self._heard_at > PAGE_TIMEOUT:
            return False
        with self._lock:
            news = {name: found for name in self._parts if (found := self._news(name)) is not None}
            if news or now - self._told_at >= KEEPALIVE_SECONDS:
                self._told_at = now
                self._ticks += 1
                self._tell_news(news)
        return True

    def _news(self, name: str) -> News | None:
        """Return a part's news; one that fails says so once and is left alone (law 3)."""
        if name in self._failed:
            return None
        part = self._parts[name]
        try:
            try:
                return part.news()
            except RuntimeError:  # a dict grew while it was read: the loop goes on meanwhile
                return part.news()
        except Exception as error:  # noqa: BLE001 (any object's repr may have been asked)
            return self._broken(name, error)

    def _broken(self, name: str, error: Exception) -> News:
        self._failed.add(name)
        return {"broken": _sentence(error)}

    def _tell_news(self, news: dict[str, News]) -> None:
        """Tell it; where the channel does not take it, a part that can not be told is at fault."""
        try:
            self._tell({"tick": self._ticks, "news": news})
        except (TypeError, ValueError):
            faults = {name: fault for name, found in news.items() if (fault := _unfit(found))}
            if not faults:
                raise
            broken = {name: self._broken(name, fault) for name, fault in faults.items()}
            self._tell({"tick": self._ticks, "news": news | broken})

    # ---- asking (any thread)

    def heard(self) -> None:
        """The page gave a sign."""
        self._heard_at = time.monotonic()

    def ask(self, part: str, action: str, given: Any, number: Any) -> None:
        """Have a part do something in the flow's loop, and tell the page how it went."""
        self.heard()
        there = self._parts.get(part)
        if there is None or action not in there.actions or not isinstance(given, dict):
            what = text(f"{part}.{action}", 60)
            self._tell({"answer": number, "error": f"this wsflow has no {what}: reload the page"})
            return
        method = getattr(there, action)
        self._host.post(self._do, method, given, number)

    def _do(self, method: Callable[..., Any], given: dict[str, Any], number: Any) -> None:
        try:
            self._tell({"answer": number, "value": method(**given)})
        except BaseException as error:  # noqa: BLE001 (the page shows it: there is nobody else)
            self._tell({"answer": number, "error": _sentence(error)})

    def close(self) -> None:
        """The page is gone."""
        for part in self._parts.values():
            self._host.post(_let_go, part)


def _let_go(part: Part) -> None:
    """Close a part; one that fails must not keep the others open."""
    with contextlib.suppress(Exception):
        part.close()


def _unfit(news: News) -> Exception | None:
    """Return why JSON can not hold it, or None."""
    try:
        json.dumps(news, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        return error
    return None


def _sentence(error: BaseException) -> str:
    """Return what a person can act on; never an empty text."""
    if (words := said(error)) and isinstance(error, WsflowError | TimeoutError | ValueError):
        return text(words, 500)
    return text(named(error).removesuffix(": "), 500)
