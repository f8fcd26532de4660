"""The widget: carries messages between the pages that show it and their parts.

Custom messages only: traits synced from a browser can freeze for good (ipykernel 7.4), and
`on_msg` may call from a thread with a loop of its own (ipykernel 7.1), so nothing is done here.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from . import bundle
from .page import Page
from .parts import PART_CLASSES
from .status import StatusPart
from .ticker import ticker

if TYPE_CHECKING:
    from .host import Flow

MAX_PAGES = 16
"""Pages of one panel at a time; the one that was silent longest goes first."""


class Panel(anywidget.AnyWidget):
    """A panel of a flow; a cell that ends with it shows it. Any number of pages may."""

    parts = traitlets.List(traitlets.Unicode()).tag(sync=True)
    _esm = traitlets.Unicode().tag(sync=True)
    _css = traitlets.Unicode().tag(sync=True)

    def __init__(self, flow: Flow, parts: tuple[str, ...]) -> None:
        self._flow = flow
        self._pages: dict[str, Page] = {}
        self._lock = threading.Lock()
        super().__init__(parts=list(parts), _esm=bundle.script(), _css=bundle.style())
        self.on_msg(self._receive)

    @property
    def closed(self) -> bool:
        """Whether `close()` was called: no page can show it any more."""
        return self.comm is None

    def _receive(self, _: Any, message: Any, __: Any = None) -> None:
        """Take a message of a page, in whatever thread."""
        if not isinstance(message, dict):
            return
        who, op = message.get("page"), message.get("op")
        if not isinstance(who, str) or len(who) > 64 or not who.isascii():
            return
        if op == "hello":
            self._hello(who, message.get("origin"))
        elif op == "bye":
            self._bye(who)
        elif (page := self._pages.get(who)) is None:
            self.send({"to": who, "lost": message.get("number")})
        elif op == "ask":
            part, action = str(message.get("part")), str(message.get("action"))
            page.ask(part, action, message.get("given"), message.get("number"))
        else:
            page.heard()

    def _hello(self, who: str, origin: Any) -> None:
        """A page has opened, or came back: it starts from nothing and is told everything."""
        self._bye(who)
        if isinstance(origin, str) and "://" in origin and origin.isascii() and len(origin) < 300:
            self._flow.panel.host.trust_origin(origin)
        flow = self._flow
        parts = [StatusPart(flow), *(PART_CLASSES[name](flow) for name in self.parts)]
        page = Page(flow.panel.host, parts, lambda news: self.send({"to": who, **news}))
        with self._lock:
            self._pages[who] = page
            silent = list(self._pages)[:-MAX_PAGES]
        for other in silent:
            self._bye(other)
        ticker.watch(self)

    def _bye(self, who: str) -> None:
        with self._lock:
            page = self._pages.pop(who, None)
        if page is not None:
            page.close()

    def tick(self) -> bool:
        """Tell every page what is new (see `ticker`); False when none is open."""
        for who, page in list(self._pages.items()):
            if not page.tick():
                self._bye(who)
        return bool(self._pages) and not self.closed

    def close(self) -> None:
        """Take the panel off every page."""
        for who in list(self._pages):
            self._bye(who)
        super().close()

    def __repr__(self) -> str:
        count = len(self.parts)
        parts = ", ".join(self.parts) if count < 4 else f"{count} parts"
        return f"<Panel of {self._flow.name}: {parts}; {len(self._pages)} pages>"
