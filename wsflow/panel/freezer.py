"""The freezer on a page: arm it, look at the event that waits, edit it, let it go or drop it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .part import News, Part

if TYPE_CHECKING:
    from .host import Flow


class FreezerPart(Part):
    """A view of its flow's freezes."""

    name = "freezer"
    actions = ("arm", "let_go", "drop", "cancel", "repeat")

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow)
        self._freezes = flow.panel.freezes
        self._told: News = {}
        self._freezes.open()

    def close(self) -> None:
        """The page is gone."""
        self._freezes.close()

    def news(self) -> News | None:
        there = {"ports": self._freezes.ports(), "freezes": self._freezes.listed()}
        changed = {key: value for key, value in there.items() if self._told.get(key) != value}
        self._told = there
        return changed or None

    def arm(self, port: str, session: str | None = None, every: bool = False) -> int:
        """Hold the next event of a port, of one session or of whichever comes first."""
        return self._freezes.arm(port, session, every)

    def let_go(self, number: int, edited: str | None = None) -> None:
        """Let it go on."""
        self._freezes.let_go(number, edited)

    def drop(self, number: int) -> None:
        """Let no handler see it."""
        self._freezes.drop(number)

    def cancel(self, number: int) -> None:
        """Freeze no more."""
        self._freezes.cancel(number)

    def repeat(self, number: int, every: bool) -> None:
        """Hold the next one, too."""
        self._freezes.repeat(number, every)
