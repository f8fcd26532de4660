"""Rows as a Mermaid sequence diagram: one lifeline a session, and the flow in the middle."""

from __future__ import annotations

from collections.abc import Iterable

from ..base.display import coloured
from ..events import ANSWERS, Told

FLOW = "flow"

NOTED = frozenset({"broadcast", "error", "fire"})
"""Kinds of rows that are shown though no session is theirs."""


class Sequence(str):
    """Mermaid source that a notebook draws when a cell ends with it."""

    __slots__ = ()

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": str(self), "text/vnd.mermaid": coloured(str(self))}


def diagram(rows: Iterable[Told]) -> Sequence:
    """Return a sequence diagram; text of clients is text there too."""
    rows = [row for row in rows if row.session is not None or row.kind in NOTED]
    names = {
        id: f"s{n}" for n, id in enumerate(dict.fromkeys(r.session for r in rows if r.session))
    }
    lines = ["sequenceDiagram"]
    lines += [f"    participant {alias} as {_text(id)}" for id, alias in names.items()]
    lines.append(f"    participant {FLOW}")
    lines += [f"    {line}" for row in rows if (line := _line(row, names))]
    return Sequence("\n".join(lines))


def _line(row: Told, names: dict[str, str]) -> str:
    who, said = names.get(row.session or "", FLOW), _text(row.value)
    match row.kind:
        case "req":
            return f"{who}->>{FLOW}: connect {_text(row.path)}"
        case "message":
            return f"{who}->>{FLOW}: {said}"
        case kind if kind in ANSWERS:
            return f"{FLOW}-->>{who}: {said}"
        case "close":
            return f"{who}-x{FLOW}: close {_text(row.error or '')}"
        case "broadcast":
            return f"Note over {FLOW}: broadcast {said}"
        case "fire":
            return f"Note over {FLOW}: {_text(row.node)} {said}"
        case "error" | "drop":
            return f"Note over {who},{FLOW}: {row.kind} {_text(row.error or '')}"
        case _:
            return ""


def _text(value: object) -> str:
    text = "" if value is None else str(value)
    shown = "".join(c if c.isprintable() else " " for c in text[:60])
    return shown.translate(_ESCAPES)


_ESCAPES = str.maketrans({sign: f"#{ord(sign)};" for sign in '#;:<>"&`'})
"""Mermaid's own escapes: signs that would end a line's text or become markup."""
