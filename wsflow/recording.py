"""A recording as a user holds it: looked at, cut, taken elsewhere.

Reading it line by line is `reader.py`'s business. Opposite: `recorder.py` writes.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .base.display import plain
from .errors import RecordingError
from .io.completeness import in_a_line
from .io.folder import FOLDER, names, resolve
from .io.info import Info
from .io.reader import CONVERTERS, Damage, Reader
from .io.timeline import timeline

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from .replay.crowd import Ghosts

__all__ = ["CONVERTERS", "Damage", "Info", "Recording", "recordings"]


class Recording(Reader):
    """Open one with `Recording.open("lesson1")`; `flow.replay("lesson1")` plays it.

    Rows stream from the file each time; `damage` tells what the last pass could not read.
    """

    # ---- looking

    def frame(self) -> pd.DataFrame:
        """Return all rows as a DataFrame: the log's columns, and `t`, seconds since the start."""
        from .io.tables import of_recording

        return of_recording(self.blocks())

    def sessions(self) -> pd.DataFrame:
        """Return one row a session: its handshake, and when and how it ended."""
        from .io.tables import of_handshakes

        return of_handshakes(self.entries())

    def info(self) -> Info:
        """Return what it is and how much of what it holds; reads it once, keeps nothing."""
        return Info.of(self)

    def sequence(self, start: float = 0.0, end: float | None = None, newest: int = 200) -> Any:
        """Return a Mermaid sequence diagram of a slice in seconds, one lifeline a session."""
        from .log.sequence import diagram

        chosen = (r for r in self.rows() if r.t >= start and (end is None or r.t <= end))
        return diagram(deque(chosen, newest))

    def to_csv(self, path: str | Path) -> Path:
        """Write its rows as CSV and return where; text that a spreadsheet would run is defused."""
        from .log.frame import write_csv

        return write_csv(self.frame(), path)

    def to_parquet(self, path: str | Path) -> Path:
        """Write its rows as Parquet (needs `pip install wsflow[parquet]`) and return where."""
        from .log.frame import write_parquet

        return write_parquet(self.frame(), path)

    def to_har(self, path: str | Path) -> Path:
        """Write its sessions as a HAR, as browsers save it, and return where.

        Raises:
            RecordingError: it has no sessions, or the file can not be written.
        """
        from .io.har import to_har

        return to_har(self, path)

    @classmethod
    def from_har(cls, path: str | Path, name: str, *, folder: str | Path = FOLDER) -> Recording:
        """Make a recording of the WebSocket connections in a HAR that a browser saved.

        Cookies, tokens and the like are replaced as at any capture.

        Raises:
            RecordingError: it is no HAR, has no messages, or is wrong somewhere; it says where.
            RecordingNameError: the name leads out of the folder.
        """
        from .io.har import from_har

        return cls.open(from_har(path, name, folder))

    def ghosts(
        self,
        n: int = 50,
        seed: int = 7,
        *,
        jitter: float = 0.2,
        faults: Mapping[str, float] | None = None,
    ) -> Ghosts:
        """Return a seeded crowd of `n` clients that do again what its sessions did.

        `await crowd.run(flow)` sends them to a flow, `crowd.run("ws://...")` to a server;
        `faults` are shares of clients or messages: `drop`, `slow`, `duplicate`.
        """
        from .replay.crowd import ghosts

        return ghosts(self, n, seed, jitter=jitter, faults=faults)

    def to_pytest(self, path: str | Path, app: str = "app:flow", **rules: Any) -> Path:
        """Write a pytest test that plays it into the flow `app` (`module:name`); return where.

        `rules` go to its `flow.replay(...)`: `ignore=["id"]`, `ignore_times=True`.
        """
        from .io.pytest_export import to_pytest

        return to_pytest(self, path, app, rules)

    # ---- other recordings out of it

    def redact(self, *names: str, to: str) -> Recording:
        """Return a new recording, called `to`, without the values of these JSON keys."""
        from .io.editing import redact

        return self.open(redact(self, names, to))

    def trim(
        self, start: float | str = 0.0, end: float | str | None = None, *, to: str
    ) -> Recording:
        """Return a new recording of what happened from `start` to `end`, which begins at 0.

        Both are seconds, or the texts of marks.
        """
        from .io.editing import trim

        return self.open(trim(self, start, end, to))

    def split(self, *, to: str | None = None) -> dict[str, Recording]:
        """Return a new recording for each session, by its id; they are called `<to>-<session>`.

        Marks are in all of them; what belongs to no session (HTTP, say) is in none.
        """
        from .io.editing import split

        return {who: self.open(path) for who, path in split(self, to or self.name).items()}

    def merge(self, *others: Recording, to: str) -> Recording:
        """Return a new recording of this one and others, in the order of time.

        Rows get new numbers; a session id that two of them have is told apart (`s1`, `s1~2`).
        """
        from .io.editing import merge

        return self.open(merge([self, *others], to))

    # ---- how it looks

    def __len__(self) -> int:
        return sum(1 for _ in self.rows())

    def __repr__(self) -> str:
        created = plain(self.created[:19].replace("T", " ")) or "unknown date"
        whole = in_a_line(self.lacks, len(self.damage))
        fault = f" {plain(whole)}" if whole else ""
        return f"<Recording {self.name} of {created} in {self.path.parent}{fault}>"

    def _repr_html_(self) -> str:
        from .base.display import table

        info = self.info()
        facts = [
            *([("incomplete", info.incomplete.partition(": ")[2])] if info.incomplete else ()),
            ("created", info.created),
            ("length", f"{info.seconds:.{1 if info.seconds >= 1 else 3}f} s"),
            ("sessions", info.sessions),
            ("messages", info.messages),
            ("responses", info.responses),
            ("errors", info.errors),
            ("size", f"{info.bytes:,} bytes"),
            *((f"mark at {t:.1f} s", text) for t, text in info.marks[:10]),
            *(("missing", one) for one in info.lacks[:10]),
            *(("damage", str(one)) for one in info.damage[:10]),
        ]
        return timeline(self.rows(), info.seconds) + table(("recording", self.name), facts)


def recordings(folder: str | Path = FOLDER) -> pd.DataFrame:
    """Return the recordings of a folder as a table; one that can not be read says why."""
    from .io.tables import of_infos

    found: list[tuple[str, Info | str]] = []
    for name in names(folder):
        try:
            found.append((name, Recording.open(resolve(name, folder)).info()))
        except (RecordingError, OSError) as error:
            found.append((name, str(error)))
    return of_infos(found)
