"""How a recording is played; `Flow.replay` says what each of these does."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..compare.rules import NO_RULES, Rules
from ..errors import ReplayError


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """The options of a replay.

    Raises:
        ReplayError: a number is out of bounds.
    """

    speed: float | None = None
    rules: Rules = NO_RULES
    sessions: Collection[str] | None = None
    until: float | str | None = None
    loop: int = 1
    max_gap: float | None = None

    def __post_init__(self) -> None:
        speed, until, loop, max_gap = self.speed, self.until, self.loop, self.max_gap
        if speed is not None and not (isinstance(speed, int | float) and speed > 0):
            raise ReplayError(
                f"speed is a number above 0, or None for as fast as possible: {speed!r}"
            )
        if isinstance(until, int | float) and not until >= 0:
            raise ReplayError(f"until is a number of seconds, or the text of a mark: {until!r}")
        if not loop >= 1:
            raise ReplayError(f"loop says how often it is played, at least once: {loop!r}")
        if max_gap is not None and not max_gap >= 0:
            raise ReplayError(f"max_gap is a number of seconds, or None for no limit: {max_gap!r}")


NO_OPTIONS = ReplayOptions()
