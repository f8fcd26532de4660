"""The folder recordings live in, and the names they may have (promise P23).

A name can not leave the folder: it is checked first and resolved then, so that neither `../x` nor
a symlink leads out.
"""

from __future__ import annotations

import re
from pathlib import Path

from .errors import RecordingNameError, RecordingNotFoundError

FOLDER = "recordings"
SUFFIX = ".jsonl"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def resolve(name: str, folder: str | Path = FOLDER) -> Path:
    """Return the file a recording of that name has in `folder`; it need not exist.

    Raises:
        RecordingNameError: the name is none, or leads out of the folder.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise RecordingNameError(name, "it has other characters, or is too long")
    path = Path(folder) / (name.removesuffix(SUFFIX) + SUFFIX)
    if path.is_symlink() or path.resolve().parent != Path(folder).resolve():
        raise RecordingNameError(name, f"it leads out of {folder}")
    return path


def find(name_or_path: str | Path, folder: str | Path = FOLDER) -> Path:
    """Return the file of an existing recording, given by its name or by a path.

    Raises:
        RecordingNotFoundError: there is no such file.
    """
    if isinstance(name_or_path, Path) or "/" in name_or_path or "\\" in name_or_path:
        path = Path(name_or_path)
    else:
        path = resolve(name_or_path, folder)
    if not path.is_file():
        raise RecordingNotFoundError(str(name_or_path), path.parent, names(path.parent))
    return path


def names(folder: str | Path = FOLDER) -> list[str]:
    """Return the names of the recordings in a folder, sorted; further parts do not count."""
    found = (path.name.removesuffix(SUFFIX) for path in Path(folder).glob("*" + SUFFIX))
    return sorted(name for name in found if _NAME.fullmatch(name) and not _is_part(name))


def part(path: Path, number: int) -> Path:
    """Return the file of a recording's part; the first part is the recording's own file."""
    if number == 1:
        return path
    return path.with_name(f"{path.name.removesuffix(SUFFIX)}.part{number}{SUFFIX}")


def keep_previous(path: Path) -> Path | None:
    """Move an existing recording, all its parts, out of the way; return where it is now."""
    if not path.exists():
        return None
    stem = path.name.removesuffix(SUFFIX)
    number = 1
    while path.with_name(f"{stem}-{number}{SUFFIX}").exists():
        number += 1
    kept = path.with_name(f"{stem}-{number}{SUFFIX}")
    count = 1
    while part(path, count).exists():
        part(path, count).rename(part(kept, count))
        count += 1
    return kept


def _is_part(name: str) -> bool:
    return re.search(r"\.part[0-9]+$", name) is not None
