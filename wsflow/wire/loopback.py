"""A connection without a wire: what its session sees when the other end lives in this process.

The client in memory and the bridge to a page each say how messages reach the other end; here is
how such a connection ends, and that it is never slow, silent or half gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .session import Session


class Loopback:
    """What such transports share (see `interfaces.Transport`); they add `send` and `resume`."""

    def __init__(self) -> None:
        self.session: Session
        self.closed: tuple[int | None, str] | None = None
        """Code and reason once it has ended; None while it lives."""
        self._taken = 0
        """Messages the other end took."""

    def close(self, code: int, reason: str) -> None:
        """Our Close is answered at once."""
        self.end(code, reason)

    def abort(self) -> None:
        self.end(None, "")

    def end(self, code: int | None, reason: str) -> None:
        """The connection ends, whoever wished it; the first end counts."""
        if self.closed is None:
            self.closed = (code, reason)
            self.session.lost(code, reason, None if code is not None else "connection dropped")

    def progress(self) -> int:
        return self._taken

    def settled(self) -> bool:
        return True

    def heard(self) -> bool:
        return True

    def ping(self) -> None:
        """Nothing to keep alive: an end in this process is there until it says otherwise."""
