"""The folder recordings live in: the names they may have (promise P23), and how files begin there.

A name can not leave the folder: it is checked first and resolved then, so that neither `../x` nor
a symlink leads out. No file is ever written over: what was there is kept under a number.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import RecordingError, RecordingNameError, RecordingNotFoundError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FOLDER = "recordings"
SUFFIX = ".jsonl"
MAX_NAME = 100

BUFFER = 2**20
"""Bytes a draft keeps before it writes."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PART = re.compile(r"\.part[0-9]+")


def resolve(name: str, folder: str | Path = FOLDER) -> Path:
    """Return the file a recording of that name has in `folder`; it need not exist.

    Raises:
        RecordingNameError: the name is none, or leads out of the folder.
    """
    stem = name.removesuffix(SUFFIX) if isinstance(name, str) else ""
    if not _NAME.fullmatch(stem) or len(stem) > MAX_NAME:
        raise RecordingNameError(name, _fault(name, stem))
    if _PART.fullmatch(Path(stem).suffix):
        raise RecordingNameError(name, "further parts of long recordings are called so")
    path = Path(folder) / (stem + SUFFIX)
    try:
        inside = path.resolve().parent == Path(folder).resolve() and not path.is_symlink()
    except ValueError as error:
        raise RecordingError(f"{str(folder)!r} is no folder: {error}") from error
    except (OSError, RuntimeError) as error:  # the latter: links that lead round in a circle
        if getattr(error, "errno", None) == errno.ENAMETOOLONG:
            raise unwritable(path, error) from error
        raise RecordingError(
            f"there is no way to {folder} from here: was the working directory deleted? Go to "
            "another with os.chdir(...), or give a whole path: folder='/...'"
        ) from error
    if not inside:
        raise RecordingNameError(name, f"it leads out of {folder}")
    return path


def _fault(name: object, stem: str) -> str:
    if not isinstance(name, str):
        return "it is no text"
    if len(stem) > MAX_NAME:
        return f"it has {len(stem)} characters"
    wrong = next((sign for sign in stem if not _NAME.fullmatch(f"a{sign}")), None)
    if wrong is not None:
        return f"it has {wrong!r} in it"
    return f"it begins with {stem[0]!r}" if stem else "it is empty"


def find(name_or_path: str | Path, folder: str | Path = FOLDER) -> Path:
    """Return the file of an existing recording, given by its name or by a path.

    Raises:
        RecordingNotFoundError: there is no such file.
    """
    if not isinstance(name_or_path, str | Path):
        raise RecordingNameError(name_or_path, "it is no text")
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
    return sorted(
        name for name in found if _NAME.fullmatch(name) and not _PART.fullmatch(Path(name).suffix)
    )


def part(path: Path, number: int) -> Path:
    """Return the file of a recording's part; the first part is the recording's own file."""
    if number == 1:
        return path
    return path.with_name(f"{path.name.removesuffix(SUFFIX)}.part{number}{SUFFIX}")


def parts(path: Path) -> list[Path]:
    """Return the files a recording consists of, first to last; some in between may be missing."""
    later = (one for one in _there(path) if one.name != path.name and part_number(one) > 1)
    return [path, *sorted(later, key=part_number)]


def part_number(path: Path) -> int:
    """Return the number in the name of a further part; 0 where it is no name of ours."""
    digits = Path(path.stem).suffix.removeprefix(".part")
    is_ours = digits.isdecimal() and digits.isascii() and len(digits) < 10 and digits[0] != "0"
    return int(digits) if is_ours else 0


# ---- beginning a file


def create(path: Path) -> int:
    """Open a new file to append to: ours alone (0600), never through a link, never over another.

    While it is open nobody moves it away (see `is_live`).
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    file = os.open(path, flags, 0o600)
    if fcntl is not None:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def release(file: int) -> None:
    """Say that nothing more comes into a file that `create` opened."""
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)


def is_live(path: Path) -> bool:
    """Whether a recorder, of this process or another one, writes to one of its parts now."""
    return fcntl is not None and any(_is_locked(one) for one in _there(path))


def _is_locked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def keep_previous(path: Path) -> Path | None:
    """Move what a name has, all parts, out of the way; return where it is now.

    Raises:
        RecordingError: it is being recorded.
    """
    there = _there(path)
    if not there:
        return None
    if is_live(path):
        raise RecordingError(
            f"{path} is being recorded by another flow or process; stop that, or take another name"
        )
    kept = _free(path)
    for file in there:
        file.rename(kept.with_name(kept.stem + file.name.removeprefix(path.stem)))
    return kept


def _there(path: Path) -> list[Path]:
    """Return all files of a name, also parts whose first part was deleted."""
    wanted = re.compile(re.escape(path.stem) + rf"({_PART.pattern})?" + re.escape(SUFFIX))
    with contextlib.suppress(OSError):
        return sorted(one for one in path.parent.iterdir() if wanted.fullmatch(one.name))
    return []


def _free(path: Path) -> Path:
    number = 1
    while True:
        end = f"-{number}"
        free = path.with_name(path.stem[: MAX_NAME - len(end)] + end + SUFFIX)
        if not _there(free):
            return free
        number += 1


class Draft:
    """A recording that is written in one go: it takes its name when it is whole, or never."""

    def __init__(self, name: str, folder: str | Path) -> None:
        import tempfile  # here: it brings along a twentieth of our import time

        self.path = resolve(name, folder)
        self._buffer = bytearray()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file, aside = tempfile.mkstemp(".draft", f".{self.path.stem[:40]}-", self.path.parent)
        except OSError as error:
            raise self._trouble(error) from error
        os.close(file)
        self._aside = Path(aside)

    def write(self, line: bytes) -> None:
        """Add a line."""
        self._buffer += line
        if len(self._buffer) > BUFFER:
            self.flush()

    def keep(self) -> Path:
        """Give it its name, and return its file; a recording of that name is kept beside it."""
        self.flush(sync=True)
        try:
            keep_previous(self.path)
            self._aside.rename(self.path)
        except OSError as error:
            raise self._trouble(error) from error
        return self.path

    def discard(self) -> None:
        """Leave nothing of it; harmless after `keep`."""
        self._aside.unlink(missing_ok=True)

    def flush(self, *, sync: bool = False) -> None:
        try:
            with self._aside.open("ab") as file:
                file.write(self._buffer)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            raise self._trouble(error) from error
        self._buffer.clear()

    def _trouble(self, error: OSError) -> RecordingError:
        return unwritable(self.path, error)


@contextlib.contextmanager
def draft(name: str, folder: str | Path) -> Iterator[Draft]:
    """Write a recording in one go; when the block raises, there is none."""
    made = Draft(name, folder)
    try:
        yield made
        made.keep()
    finally:
        made.discard()


def unwritable(path: Path, error: OSError | RuntimeError) -> RecordingError:
    """Return what to tell of a file that can not be written."""
    why = getattr(error, "strerror", None) or error
    if getattr(error, "errno", None) == errno.ENAMETOOLONG:
        cure = "name a folder with a shorter name: folder='...'"
    elif isinstance(error, FileExistsError | NotADirectoryError):
        cure = "a part of that path is a file; name another folder: folder='...'"
    else:
        cure = "make room there, or name another folder"
    return RecordingError(f"{path}: can not be written: {why}; {cure}")
