"""Playback: records, and plays recordings, for all pages of one flow's panels.

A replay has a thread of its own; another one waits for it here and puts its report into words a
page can show. Everything may be asked in any thread.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base.threads import started
from ..compare.answer import Answer, Pair
from ..compare.report import SHOWN, Report
from ..compare.side_by_side import ALONE, pieces, readable
from ..errors import RecordingError, WsflowError
from ..io.folder import FOLDER, is_live, resolve
from ..tracebacks import named, said
from .part import News, text
from .recordings import LOOK_SECONDS, Recordings

if TYPE_CHECKING:
    from ..io.recorder import Recorder
    from ..replay.replay import Replay
    from .host import Flow

UNSEEN_SECONDS = 60.0
"""Seconds a replay goes on when no page shows it: one that is reloaded comes back."""

ANSWER_LENGTH = 2**20
"""Characters of an answer that are looked at; what is shown is cut around what differs."""


@dataclass(frozen=True)
class PlayOptions:
    """How a recording is played: speed, and what does not matter."""

    speed: float | None = None
    ignore: tuple[str, ...] = ()
    ignore_times: bool = False
    ignore_ids: bool = False
    any_order: bool = False


class Playback:
    """One for each flow. Its pages open it and close it; without any, a replay soon ends."""

    def __init__(self, flow: Flow, folder: str | Path = FOLDER) -> None:
        self.flow, self.host = flow, flow.panel.host
        self.recordings = Recordings(folder)
        self.report: News | None = None
        """The comparison of what was played last; None while something plays."""
        self._replay: Replay | None = None
        self._options = PlayOptions()
        self._why = ""
        self._stopped = self._halted = False
        """Whether somebody stopped it; whether it is to stand still once it is where it goes."""
        self._recorders: dict[str, Recorder] = {}
        self._trouble = ""
        self._pages = 0
        self._left_at = 0.0

    def open(self) -> None:
        """A page shows it."""
        self._pages += 1
        self.recordings.open()

    def close(self) -> None:
        """A page is gone."""
        self._pages -= 1
        self._left_at = time.monotonic()
        self.recordings.close()

    # ---- recording

    def record(self, name: str) -> None:
        """Record everything from now on.

        Raises:
            RecordingError: that is no name, or the file can not be written.
        """
        if name in self.host.recorders or is_live(resolve(name, self.recordings.folder)):
            raise RecordingError(f"{name!r} is being recorded already")
        self._trouble = ""
        self.flow.record(name, folder=self.recordings.folder)

    def finish(self, name: str) -> None:
        """End a recording, and choose it; the disk is not waited for here."""
        recorder = self._recorder(name)
        if started(self._finish, "wsflow recorder ends", recorder) is None:
            self._finish(recorder)

    def _finish(self, recorder: Recorder) -> None:
        try:
            recorder.stop()
            self.recordings.choose(recorder.name)
        except WsflowError as error:  # the loop is blocked; or the file was deleted
            self._trouble = text(error, 400)

    def mark(self, name: str, remark: str) -> None:
        """Write a remark into a recording, to find the place again."""
        if not remark.strip():
            raise RecordingError("a mark is a few words: type them first")
        self._recorder(name).mark(remark.strip()[:1000])

    def _recorder(self, name: str) -> Recorder:
        try:
            return self.host.recorders[name]
        except KeyError:
            raise RecordingError(f"{name!r} is not being recorded any more") from None

    def recorders(self) -> list[News]:
        """Return what is being recorded, also from a cell; notes which has failed."""
        there = dict(self.host.recorders)
        for name, recorder in list(self._recorders.items()):
            if there.get(name) is not recorder:
                del self._recorders[name]
                self._trouble = "" if recorder.failed is None else text(recorder.failed, 400)
                self.recordings.look()
        self._recorders.update(there)
        return [
            {"name": name, "rows": recorder.rows, "seconds": int(recorder.seconds)}
            for name, recorder in self._recorders.items()
        ]

    @property
    def trouble(self) -> str:
        """Why a recording ended by itself, if one did."""
        return self._trouble

    # ---- playing

    def play(self, options: PlayOptions) -> None:
        """Play the chosen recording, or go on with what stands still."""
        active, self._halted = self._active, False
        if active is None:
            self._begin(options)
        elif options == self._options or active.recording.name != self.recordings.chosen:
            active.resume()
        else:
            self._change(active, options)

    def pause(self) -> None:
        """Stand still."""
        if (active := self._active) is not None:
            self._halted = True
            active.pause()

    def step(self, options: PlayOptions, *, mark: bool = False) -> None:
        """Go to the next event, or the next mark, and stand still there."""
        replay = self._active or self._made(options)
        self._halted = True
        replay.step(mark=mark)
        self._follow(replay)

    def seek(self, options: PlayOptions, t: float) -> None:
        """Go to a moment; what does not play stands still there.

        Raises:
            WsflowError: another recording plays.
        """
        replay = self._active
        if replay is not None and replay.recording.name != self.recordings.chosen:
            raise WsflowError(f"{replay.recording.name} is playing: stop that first")
        if replay is None:
            replay, self._halted = self._made(options), True
            replay.pause()
        replay.seek(t)
        self._follow(replay)

    def stop(self) -> None:
        """End now, and compare what was played."""
        if (active := self._active) is not None:
            self._stopped = True
            active.stop()

    @property
    def _active(self) -> Replay | None:
        return None if self._replay is None or self._replay.done else self._replay

    def _made(self, options: PlayOptions) -> Replay:
        name = self.recordings.chosen
        if name is None:
            raise WsflowError("choose a recording first")
        made = self.flow.replay(
            name,
            speed=options.speed,
            ignore=options.ignore,
            ignore_times=options.ignore_times,
            ignore_ids=options.ignore_ids,
            any_order=options.any_order,
            folder=self.recordings.folder,
        )
        self._options = options
        return made

    def _begin(self, options: PlayOptions) -> None:
        self._follow(self._made(options))

    def _change(self, active: Replay, options: PlayOptions) -> None:
        """Go on with other options: from the start to where it is, as fast as possible."""
        made = self._made(options)
        if active.position > 0:
            made.seek(active.position)
        active.stop()
        self._follow(made)

    def _follow(self, replay: Replay) -> None:
        if replay is self._replay:
            return
        previous, self._replay = self._replay, replay
        self.report, self._why, self._stopped = None, "", False
        if started(self._wait, "wsflow playback", replay, previous) is None:
            self._wait(replay, previous)

    def _wait(self, replay: Replay, previous: Replay | None) -> None:
        """Play once the previous one has ended, and put what came of it into words."""
        if previous is not None:
            with contextlib.suppress(BaseException):
                previous.result()
        report: News | None = None
        why = ""
        try:
            report = comparison(self._outcome(replay))
        except BaseException as error:  # noqa: BLE001 (the page shows it: there is nobody else)
            why = text(said(error) if isinstance(error, WsflowError) else named(error), 500)
        if replay is self._replay:
            self._why, self.report = why, report

    def _outcome(self, replay: Replay) -> Report:
        while True:
            try:
                return replay.result(LOOK_SECONDS)
            except TimeoutError:
                if replay.done:
                    raise  # it is the replay's own
                if not self._pages and time.monotonic() - self._left_at > UNSEEN_SECONDS:
                    replay.stop()

    def playing(self) -> News | None:
        """Return what plays, and how far it is; None when nothing has."""
        replay = self._replay
        if replay is None:
            return None
        return {
            "name": replay.recording.name,
            "state": self._state(replay),
            "position": round(replay.position, 6),
            "speed": self._options.speed,
            "why": self._why,
        }

    def _state(self, replay: Replay) -> str:
        if replay.done:
            if self._why:
                return "failed"
            if self.report is None:
                return "comparing"
            return "stopped" if self._stopped else "done"
        return "paused" if self._halted or replay.paused else "playing"


# ---- a report in words a page can show


def comparison(report: Report) -> News:
    """Return a report as plain values; texts as pieces, with what differs marked."""
    tally = report.tally
    counts = ("same", "changed", "missing", "extra", "late")
    return {
        "recording": report.recording,
        "ok": report.ok,
        "verdict": report.verdict,
        "counts": {name: getattr(tally, name) for name in counts},
        "events": report.events,
        "seconds": round(report.seconds, 3),
        "pairs": [_pair(pair) for pair in tally.differing[:SHOWN]],
        "places": [[text(p.session, 40), _moment(p)] for p in tally.differing[:1000]],
        "notes": [text(note, 400) for note in report.notes],
    }


def _pair(pair: Pair) -> News:
    sides: Iterable[list[Any]]
    if pair.status == "changed":
        sides = pieces(*(readable(_body(one), ANSWER_LENGTH) for one in (pair.old, pair.new)))
    else:
        both = (pair.old, pair.new)
        sides = ([(readable(one.body, ALONE), False)] if one else [] for one in both)
    then, now = ([[text(part, 1000), differs] for part, differs in side] for side in sides)
    return {
        "session": text(pair.session, 60),
        "t": _moment(pair),
        "status": pair.status,
        "then": then,
        "now": now,
    }


def _body(said: Answer | None) -> Any:
    return "" if said is None else said.body


def _moment(pair: Pair) -> float:
    return round(pair.t, 3)
