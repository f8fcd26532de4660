"""A part of a panel, on one page: what it tells the page, and what the page may ask of it.

A part belongs to one page only, so that its first news is all there is to know; what changed
since is what follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from ..base.snapshot import escaped
from ..types import Data

if TYPE_CHECKING:
    from .host import Flow

News: TypeAlias = dict[str, Any]
"""What JSON can hold. All text a client had a hand in has gone through `text`."""

CELL_LENGTH = 200
"""Characters of one cell."""


class Part:
    """What its subclasses have in common."""

    name: ClassVar[str]
    actions: ClassVar[tuple[str, ...]] = ()
    """The methods a page may call, with keywords. They run in the flow's loop, at once.

    What they return is the answer; an error becomes a sentence on the page.
    """

    def __init__(self, flow: Flow) -> None:
        self.flow, self.host = flow, flow.panel.host

    def news(self) -> News | None:
        """Return what the page does not know yet; None when nothing changed.

        Called about ten times a second in the thread of the ticker, so it only reads.
        """
        raise NotImplementedError

    def close(self) -> None:
        """The page is gone: let go of what was opened for it. Called in the flow's loop."""


def text(value: object, longest: int = CELL_LENGTH) -> str:
    """Return what a page may be told: valid Unicode, cut where it is long.

    What it looks like is the page's business: it shows text, never markup (promise P22).
    """
    whole = value if isinstance(value, str) else str(value)
    if len(whole) > longest:
        whole = whole[: longest - 1] + "…"
    return escaped(whole)


def preview(data: Data, longest: int = CELL_LENGTH) -> str:
    """Return what a page may be told of a message: text as it is, bytes as hex, cut."""
    if isinstance(data, str):
        return text(data, longest)
    return text(data[:longest].hex(" "), longest)
