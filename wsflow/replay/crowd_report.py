"""What each ghost of a crowd will do, and what came of it: the words of `crowd.py`.

Never does anything itself.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ..base.display import table
from ..types import Data

if TYPE_CHECKING:
    import pandas as pd

    from ..log.log import Log


class Step(NamedTuple):
    """A message, and how many seconds after its arrival a ghost sends it."""

    at: float
    data: Data


@dataclass(frozen=True)
class Ghost:
    """What one ghost will do: decided before anything happens."""

    number: int
    session: str
    """Whose visit it does again."""
    path: str
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    arrives: float
    """Seconds after the crowd sets out."""
    steps: tuple[Step, ...]
    leaves: float
    """Seconds after its arrival."""
    code: int | None
    """The code it leaves with; None: it says nothing."""
    reason: str = ""
    faults: tuple[str, ...] = ()


@dataclass
class Visit:
    """What became of one ghost."""

    ghost: Ghost
    seconds: float = 0.0
    sent: int = 0
    answers: int = 0
    code: int | None = None
    """The close code both sides agreed on; None where the connection was dropped or never was."""
    reason: str = ""
    connected: bool = False
    error: str | None = None


@dataclass
class CrowdReport:
    """What came of a crowd's visit; `frame()` is a DataFrame with one row a ghost."""

    recording: str
    visits: list[Visit]
    seconds: float = 0.0
    """How long it took, in real seconds."""
    log: Log | None = None
    """All that happened in the flow, where they were in memory."""
    raised: list[str] = field(default_factory=list)
    """What its handlers raised, as that log tells it; the first hundred."""

    @property
    def sessions(self) -> int:
        """How many ghosts were let in."""
        return sum(visit.connected for visit in self.visits)

    @property
    def sent(self) -> int:
        """Messages the ghosts sent."""
        return sum(visit.sent for visit in self.visits)

    @property
    def answers(self) -> int:
        """Messages they got."""
        return sum(visit.answers for visit in self.visits)

    @property
    def closes(self) -> dict[int | None, int]:
        """How many visits ended with which close code; None: without one."""
        ended = Counter(visit.code for visit in self.visits if visit.connected)
        return dict(sorted(ended.items(), key=lambda pair: pair[0] or 0))

    @property
    def faults(self) -> dict[str, int]:
        """How often what was made to go wrong."""
        return dict(Counter(fault for visit in self.visits for fault in visit.ghost.faults))

    @property
    def errors(self) -> list[str]:
        """What handlers raised, and what ghosts met."""
        met = (f"ghost {v.ghost.number}: {v.error}" for v in self.visits if v.error)
        return [*self.raised, *met]

    @property
    def summary(self) -> str:
        """One line: who came, and what was said."""
        raised = f", {len(self.errors)} errors" if self.errors else ""
        return (
            f"{self.sessions} of {len(self.visits)} ghosts of {self.recording} came in: "
            f"{self.sent:,} messages, {self.answers:,} answers{raised} ({self.seconds:.2f} s)"
        )

    def frame(self) -> pd.DataFrame:
        """Return one row a ghost: whom it repeats, what it sent and got, and how it ended."""
        from ..log.frame import Frame

        rows = [
            {
                "ghost": visit.ghost.number,
                "session": visit.ghost.session,
                "path": visit.ghost.path,
                "arrived": visit.ghost.arrives,
                "seconds": visit.seconds,
                "sent": visit.sent,
                "answers": visit.answers,
                "code": visit.code,
                "reason": visit.reason,
                "faults": ", ".join(visit.ghost.faults),
                "error": visit.error,
            }
            for visit in self.visits
        ]
        return Frame(rows).astype({"code": "Int64"})

    def __repr__(self) -> str:
        lines = [f"<CrowdReport {self.summary}>"]
        lines += [f"  closed {_code(code)}: {count}" for code, count in self.closes.items()]
        lines += [f"  made to {fault}: {count}" for fault, count in self.faults.items()]
        lines += [f"  error: {error:.120}" for error in self.errors[:5]]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        facts: list[tuple[str, object]] = [
            ("ghosts let in", f"{self.sessions} of {len(self.visits)}"),
            ("messages", f"{self.sent:,}"),
            ("answers", f"{self.answers:,}"),
            *((f"closed {_code(code)}", f"{count}") for code, count in self.closes.items()),
            *((f"made to {fault}", f"{count}") for fault, count in self.faults.items()),
            ("took", f"{self.seconds:.2f} s"),
            *(("error", error) for error in self.errors[:10]),
        ]
        more = len(self.errors) - 10
        note = (f"and {more} more errors; " if more > 0 else "") + "frame() has a row a ghost"
        return table(("ghosts of", self.recording), facts, note=note)


def _code(code: int | None) -> str:
    return "without a code" if code is None else str(code)
