"""What an error says, and whose code it is: the user's, wsflow's or a library's.

An error may be of anybody's class: its `__str__` may raise, return no text, or ten megabytes of it.
Who writes one down asks here. And a learner who misspells a port needs the line with the port, not
thirty lines of ours below it: all of it is still there for `%debug`, and `%xmode Verbose` shows it.
"""

from __future__ import annotations

import contextlib
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


SAID_LENGTH = 10_000
"""Characters of what an error says that are kept."""


def kind(error: BaseException) -> str:
    """Return the name of an error's class. Never raises."""
    try:
        return _text(type.__dict__["__name__"].__get__(type(error)))
    except BaseException:  # noqa: BLE001 (a name that is no plain text)
        return "Exception"


def said(error: BaseException) -> str:
    """Return what an error says, as text UTF-8 can carry. Never raises, whatever class it is of."""
    try:
        return _text(str(error))
    except BaseException as failed:  # noqa: BLE001 (SystemExit, too, out of a __str__)
        return f"<what it says can not be had: its __str__ raised {kind(failed)}>"


def named(error: BaseException) -> str:
    """Return `ValueError: no room`. Never raises."""
    return f"{kind(error)}: {said(error)}"


def place(error: BaseException) -> tuple[str, int] | None:
    """Return file and line of the user's innermost line; None where there is none."""
    where = None
    with contextlib.suppress(BaseException):
        for frame, line in traceback.walk_tb(error.__traceback__):  # reads no source: that is slow
            if not is_ours(frame.f_code):
                where = _text(frame.f_code.co_filename), line
    return where


def whole(error: BaseException) -> str:
    """Return an error with its traceback as text. Never raises."""
    try:
        return _text("".join(traceback.format_exception(error)), SAID_LENGTH * 10)
    except BaseException:  # noqa: BLE001 (its __traceback__, its notes, a loader of sources)
        return f"{named(error)}\n"


def _text(text: str, most: int = SAID_LENGTH) -> str:
    """Return what any log, file and page can hold: no subclass, no lone surrogate, not too long."""
    long = str.__len__(text) > most
    plain = str.__getitem__(text, slice(most)).encode("utf-8", "backslashreplace").decode()
    return f"{plain}…" if long else plain


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
    try:
        told = traceback.TracebackException.from_exception(error)
        _forget_ours(told)
        return "".join(told.format()).rstrip()
    except BaseException:  # noqa: BLE001 (see `whole`)
        return named(error)


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
