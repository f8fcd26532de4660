"""Which class makes which part."""

from __future__ import annotations

from .part import Part
from .sessions import SessionsPart

KINDS: dict[str, type[Part]] = {part.name: part for part in (SessionsPart,)}
