"""Which class makes which part."""

from __future__ import annotations

from .client import ClientPart
from .composer import ComposerPart
from .diagram import DiagramPart
from .freezer import FreezerPart
from .log import LogPart
from .part import Part
from .player import PlayerPart
from .plots import PlotsPart
from .sessions import SessionsPart

PART_CLASSES: dict[str, type[Part]] = {
    part.name: part
    for part in (
        SessionsPart,
        ComposerPart,
        LogPart,
        DiagramPart,
        PlotsPart,
        FreezerPart,
        PlayerPart,
        ClientPart,
    )
}
