"""The player on a page: a view of its flow's playback, and the buttons of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import WsflowError
from .part import News, Part, text
from .playback import PlayOptions

if TYPE_CHECKING:
    from .host import Flow

MAX_KEYS = 50
"""JSON keys that may be left out of a comparison."""


class PlayerPart(Part):
    """The recordings, what is being recorded, and what plays."""

    name = "player"
    actions = (
        "record",
        "mark",
        "finish",
        "choose",
        "play",
        "pause",
        "step",
        "seek",
        "stop",
    )

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow)
        self._playback = flow.panel.playback
        self._told: News = {}
        self._playback.open()

    def close(self) -> None:
        """The page is gone."""
        self._playback.close()

    # ---- what it tells

    def news(self) -> News | None:
        playback, recordings = self._playback, self._playback.recordings
        there: News = {
            "folder": text(recordings.folder),
            "recorders": playback.recorders(),
            "trouble": playback.trouble,
            "free": recordings.free(self._stem),
            "recordings": recordings.listed,
            "chosen": recordings.chosen,
            "summary": recordings.summary,
            "playing": playback.playing(),
            "report": playback.report,
        }
        told = self._told
        changed = {
            key: value
            for key, value in there.items()
            if key not in told or (told[key] is not value and told[key] != value)
        }
        self._told = there
        return changed or None

    @property
    def _stem(self) -> str:
        """The flow's name, as far as it can be one of a file."""
        return "".join(c for c in self.flow.name if c.isascii() and c.isalnum())[:40] or "flow"

    # ---- what it is asked

    def record(self, name: str) -> None:
        """Record everything from now on."""
        self._playback.record(name)

    def mark(self, name: str, text: str) -> None:
        """Write a remark into a recording."""
        self._playback.mark(name, text)

    def finish(self, name: str) -> None:
        """End a recording."""
        self._playback.finish(name)

    def choose(self, name: str) -> None:
        """Show this recording."""
        self._playback.recordings.choose(name)

    def play(self, options: dict[str, Any]) -> None:
        """Play, go on, or go on with other options."""
        self._playback.play(_options(**options))

    def pause(self) -> None:
        """Stand still."""
        self._playback.pause()

    def step(self, options: dict[str, Any], mark: bool = False) -> None:
        """Go to the next event or mark."""
        self._playback.step(_options(**options), mark=mark)

    def seek(self, options: dict[str, Any], t: float) -> None:
        """Go to a moment."""
        self._playback.seek(_options(**options), float(t))

    def stop(self) -> None:
        """End now."""
        self._playback.stop()


def _options(
    speed: float | None = None,
    ignore: str = "",
    times: bool = False,
    ids: bool = False,
    any_order: bool = False,
) -> PlayOptions:
    """Return how to play from what a page says; keys are divided by commas or spaces."""
    keys = tuple(dict.fromkeys(ignore.replace(",", " ").split()))
    if len(keys) > MAX_KEYS:
        raise WsflowError(f"{len(keys)} keys to ignore; a page takes up to {MAX_KEYS}")
    return PlayOptions(None if speed is None else float(speed), keys, times, ids, any_order)
