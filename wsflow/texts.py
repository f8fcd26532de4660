"""One text or several: what a person gives where a list of texts is wanted."""

from __future__ import annotations

from collections.abc import Iterable


def texts(given: Iterable[str]) -> tuple[str, ...]:
    """Return all of them; a lone text is itself, and not its letters."""
    return (given,) if isinstance(given, str) else tuple(given)
