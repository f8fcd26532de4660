"""Which class makes which part."""

from __future__ import annotations

from .client import ClientPart
from .composer import ComposerPart
from .logview import LogPart
from .part import Part
from .player import PlayerPart
from .sessions import SessionsPart

KINDS: dict[str, type[Part]] = {
    part.name: part for part in (SessionsPart, ComposerPart, LogPart, PlayerPart, ClientPart)
}
