"""A recording as a pytest test: the flow must answer today what it answered then."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from ..errors import RecordingError
from .folder import unwritable
from .reader import Reader

TEST = '''\
"""What `{app}` answered when "{name}" was recorded{when}, it answers today.

Made by `Recording.to_pytest`; yours to change. What does not matter: `replay(..., ignore=["id"])`.
"""

import asyncio
from pathlib import Path

from {module} import {attribute}

RECORDING = {recording}


def test_{test}_is_answered_as_recorded() -> None:
    async def replay() -> None:
        report = await {attribute}.replay(RECORDING{rules})
        assert report.ok, f"{{report!r}}\\n{{report.diff}}"

    asyncio.run(replay())
'''

_APP = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


def to_pytest(reader: Reader, path: str | Path, app: str, rules: dict[str, Any]) -> Path:
    """Write a test that plays a recording into the flow `app` (`module:name`) and return where.

    Raises:
        RecordingError: `app` names no flow of a module, or the file can not be written.
    """
    if not _APP.fullmatch(app) or ".py:" in app:
        raise RecordingError(f"app={app!r} is no flow of a module; 'app:flow' is `flow` in app.py")
    module, attribute = app.split(":")
    target = Path(path)
    created = str(reader.header.get("created", ""))
    text = TEST.format(
        app=app,
        name=_word(reader.name),
        when=f" on {created[:10]}" if re.match(r"\d{4}-\d\d-\d\d", created, re.ASCII) else "",
        module=module,
        attribute=attribute,
        recording=_where(reader.path, target),
        test=_word(reader.name).lower(),
        rules="".join(f", {name}={value!r}" for name, value in rules.items()),
    )
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise unwritable(target, error) from error
    return target


def _word(name: str) -> str:
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def _where(recording: Path, test: Path) -> str:
    """Return an expression for a recording's path, seen from where the test is."""
    try:
        way = os.path.relpath(recording.resolve(), test.resolve().parent)
    except ValueError:  # on another drive
        return f"Path({str(recording.resolve())!r})"
    return f"Path(__file__).parent / {Path(way).as_posix()!r}"
