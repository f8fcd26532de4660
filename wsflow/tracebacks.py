"""Whose code is it: which part of a traceback is the user's, and which is wsflow's or a library's.

A learner who misspells a port needs the line with the port, not thirty lines of ours below it. All
of it is still there for `%debug`, and `%xmode Verbose` shows it.
"""

from __future__ import annotations

import os
import sys
import traceback
from functools import cache
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

OURS = f"{Path(__file__).parent}{os.sep}"


def is_ours(code: CodeType) -> bool:
    """Say whether that is code of wsflow."""
    return code.co_filename.startswith(OURS)


@cache
def libraries() -> tuple[str, ...]:
    """Return the folders of Python and of installed packages; asked for at the first error."""
    import sysconfig

    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple({f"{path}{os.sep}" for name in names if (path := sysconfig.get_path(name))})


def theirs(tb: TracebackType | None) -> TracebackType | None:
    """Return a traceback without wsflow's frames, and those of libraries that wsflow called."""
    kept: list[TracebackType] = []
    inside = False
    while tb is not None:
        frame = tb.tb_frame
        inside = is_ours(frame.f_code) or (
            inside and frame.f_code.co_filename.startswith(libraries())
        )
        if not inside:
            kept.append(tb)
        tb = tb.tb_next
    shown = None
    for one in reversed(kept):
        shown = TracebackType(shown, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return shown


def told(error: BaseException) -> str:
    """Return an error with its traceback as text, without wsflow and the import machinery."""
    whole = traceback.TracebackException.from_exception(error)
    _forget_ours(whole)
    return "".join(whole.format()).rstrip()


def _forget_ours(told: traceback.TracebackException) -> None:
    ours = (OURS, "<frozen importlib")
    told.stack[:] = [frame for frame in told.stack if not frame.filename.startswith(ours)]
    for before in (told.__cause__, told.__context__, *(told.exceptions or ())):
        if before is not None:
            _forget_ours(before)


def rendered(error: BaseException) -> list[str]:
    """Return the lines IPython is to show of an error of wsflow (its `_render_traceback_`)."""
    shell: Any = sys.modules["IPython"].get_ipython()
    formatter = shell.InteractiveTB
    if formatter.mode == "Verbose":
        lines: list[str] = formatter.structured_traceback(type(error), error, error.__traceback__)
        return lines
    chain = error.__cause__, error.__context__, error.__suppress_context__
    below = error.__cause__ or error.__context__
    try:
        if below is not None and _is_inner(below):
            error.__cause__, error.__context__ = None, None
        lines = formatter.structured_traceback(type(error), error, theirs(error.__traceback__))
    finally:
        error.__cause__, error.__context__, error.__suppress_context__ = chain
    return lines


def _is_inner(error: BaseException) -> bool:
    """Say whether an error was caught by wsflow: its message says what is worth knowing of it."""
    return error.__traceback__ is not None and is_ours(error.__traceback__.tb_frame.f_code)
