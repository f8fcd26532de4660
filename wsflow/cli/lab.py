"""The lab: JupyterLab on the notebooks that teach wsflow, those of a clone or copies of them.

It only finds the notebook and makes way for `jupyter lab`; what runs in there is Jupyter's.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import MissingPackageError
from .terminal import CommandError, console, counted

PACKAGE = Path(__file__).resolve().parents[1]
CLONE, BUNDLED = PACKAGE.parent / "notebooks", PACKAGE / "notebooks"
"""Where notebooks are: beside the package in a clone, inside it when it came as a wheel."""

COPIES = Path("wsflow-notebooks")
"""Where bundled ones are copied to: what is installed is not for writing."""

FIRST = "01-first-flow.ipynb"

ROOT_OPTIONS = ("--notebook-dir", "--ServerApp.root_dir", "--LabApp.root_dir")


def main(notebook: str | None, options: Sequence[str]) -> int:
    """Open a notebook in JupyterLab; `options` go to `jupyter lab` as they are.

    On POSIX this process becomes Jupyter's, so that signals and its exit status are its own.

    Raises:
        CommandError: there is no such notebook, or no JupyterLab.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise CommandError(str(MissingPackageError("wsflow lab", "lab")))
    command = [sys.executable, "-m", "jupyterlab", *arguments(find(notebook), options)]
    sys.stdout.flush()
    if os.name == "posix":
        os.execv(sys.executable, command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for Jupyter, which has it too
    return subprocess.call(command)


def arguments(notebook: Path, options: Sequence[str]) -> list[str]:
    """Return the arguments of `jupyter lab`: root is allowed only to root, as in a container."""
    chosen = [str(notebook)]
    if not any(one.startswith(ROOT_OPTIONS) for one in options):
        root = notebook if notebook.is_dir() else notebook.parent
        chosen.append(f"--ServerApp.root_dir={root}")
    if getattr(os, "geteuid", lambda: 1)() == 0 and "--allow-root" not in options:
        chosen.append("--allow-root")
    return [*chosen, *options]


def find(notebook: str | None) -> Path:
    """Return a notebook (or a folder) by its path or, in the notebooks folder, by its name.

    Raises:
        CommandError: there is none.
    """
    if notebook is not None and Path(notebook).exists():
        return Path(notebook).resolve()
    there = folder()
    for name in (notebook or FIRST, f"{notebook}.ipynb"):
        if (there / name).is_file():
            return (there / name).resolve()
    known = ", ".join(sorted(one.name for one in there.glob("*.ipynb"))) or "none"
    raise CommandError(f"no notebook {notebook or FIRST!r}; in {there}: {known}")


def folder() -> Path:
    """Return the notebooks folder; of an installed wsflow that is a copy in the current folder.

    Raises:
        CommandError: this wsflow came without notebooks, or they can not be copied.
    """
    if (CLONE / FIRST).is_file():
        return CLONE
    if not BUNDLED.is_dir():
        raise CommandError("this wsflow came without notebooks; name one: wsflow lab my.ipynb")
    try:
        copied = copy(BUNDLED, COPIES)
    except OSError as error:
        raise CommandError(f"{error.filename}: can not be written: {error.strerror}") from error
    if copied:
        console().print(f"copied {counted(len(copied), 'file')} to {COPIES.resolve()}")
    return COPIES


def copy(source: Path, target: Path) -> list[Path]:
    """Copy the files of a folder that are not in the other one yet, and return the new ones."""
    made = []
    for file in _files(source):
        new = target / file.relative_to(source)
        new.parent.mkdir(parents=True, exist_ok=True)
        try:
            out = new.open("xb")
        except FileExistsError:
            continue  # a person's work
        with out, file.open("rb") as content:
            shutil.copyfileobj(content, out)
        made.append(new)
    return made


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__")):
            continue  # what Jupyter and Python leave there
        if path.is_dir():
            yield from _files(path)
        else:
            yield path
