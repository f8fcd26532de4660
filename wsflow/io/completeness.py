"""Whether a recording is whole: its parts, its end, its rows; and in words what is not there.

Who writes one whole ends it with a mark that says what was lost on the way; one that lacks it
broke off. Recordings of before there were such marks do not promise one, and are believed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..base.snapshot import escaped
from ..errors import DamagedLineError
from . import format as lines
from .folder import is_live, part_number
from .format import FORMAT

PROMISE = {"ends": True}
"""In a header: it will have an end mark."""

TAIL = 2**17
"""Bytes of a file's end among which an end mark is looked for."""

MAX_WORDS, MAX_WORD = 20, 300
"""What an end mark may say, in texts and in characters of each."""

BROKE_OFF = (
    "it broke off: its end mark is not there (a crash, a full disk, or a last part that is gone)"
)


def end_mark(lacks: Iterable[str] = ()) -> bytes:
    """Return the last line of a recording, with what it lacks."""
    words = [escaped(one)[:MAX_WORD] for one in lacks][:MAX_WORDS]
    return lines.write_object({"wsflow": FORMAT, "end": words})


def lost_rows(lost: int, long: int = 0) -> list[str]:
    """Return in words that rows were lost, and data that was too long for a line."""
    words = [f"{lost} rows were dropped before they could be recorded"] if lost else []
    return words + ([f"the data of {long} rows was too long to be recorded"] if long else [])


def lacking(paths: list[Path], header: dict[str, Any], gaps: int) -> list[str]:
    """Return in words what is not there of a recording in these files.

    `gaps` is how many gaps its rows tell of, as far as they were read.
    """
    first = header.get("part")
    if len(paths) == 1 and type(first) is int and first > 1:
        return [f"it is part {first} alone"]
    words = _missing_parts(paths)
    said = _said_in_the_end(paths[-1])
    if said is not None:
        return words + said
    if header.get("ends") is True and not is_live(paths[0]):
        words.append(BROKE_OFF)
    if gaps:
        words.append(f"rows are missing at {gaps} places; rows of the kind 'gap' tell of them")
    return words


def in_a_line(lacks: Sequence[str], damaged: int = 0) -> str:
    """Return in a line what keeps a recording, or its replay, from being whole."""
    words = [*lacks, *([f"{damaged} lines could not be read"] if damaged else [])]
    more = f", and {len(words) - 2} more" if len(words) > 2 else ""
    return f"incomplete: {'; '.join(words[:2])}{more}" if words else ""


def _missing_parts(paths: list[Path]) -> list[str]:
    """Return which parts are missing, and which come after them."""
    runs: list[list[int]] = [[1, 1]]
    for number in map(part_number, paths[1:]):
        if number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return [
        f"{_parts(before + 1, start - 1)} missing, {_parts(start, end, '')} here"
        for (_, before), (start, end) in pairwise(runs)
    ][:MAX_WORDS]


def _parts(first: int, last: int, word: str = "part") -> str:
    if first == last:
        return f"{word} {first} is".lstrip()
    return f"{word and word + 's '}{first} to {last} are"


def _said_in_the_end(path: Path) -> list[str] | None:
    """Return what the end mark says is lacking; None when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
            tail = file.read(TAIL)
    except OSError:
        return None
    for line in reversed(tail.replace(b"\r\n", b"\n").split(b"\n")[:-1]):
        with contextlib.suppress(DamagedLineError):
            said = lines.read_object(line).get("end")
            known = said[:MAX_WORDS] if isinstance(said, list) else None
            return None if known is None else [str(one)[:MAX_WORD] for one in known]
    return None
