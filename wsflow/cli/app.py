"""The app: the file or module a user wrote, and the flow found in it.

Whatever goes wrong in it is told in the user's terms: their file, their line, their traceback.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..flow import Flow
from ..log.rows import data_text
from ..tracebacks import told
from .terminal import RAISED, CommandError

if TYPE_CHECKING:
    from rich.text import Text


class CodeError(CommandError):
    """The user's own code raised; the text is the traceback as far as it is the user's."""

    status = RAISED

    def told(self) -> Text:
        """Return the traceback alone."""
        from rich.text import Text

        return Text(str(self))


def load(target: str) -> Flow:
    """Return the flow of `app.py`, `app.py:chat`, `pkg.mod` or `pkg.mod:chat`.

    A name may also be that of a function that returns a flow.

    Raises:
        CommandError: there is no such file, module or flow.
        CodeError: what was imported raised.
    """
    source, name = _split(target)
    try:
        found = _find(_imported(source), source, name)
        return found if isinstance(found, Flow) else _made(found(), target)
    except CommandError:
        raise
    except SyntaxError as error:
        raise _unreadable(error) from error
    except Exception as error:
        raise CodeError(told(error)) from error


def _split(target: str) -> tuple[str, str]:
    source, colon, name = target.rpartition(":")
    if colon and len(source) > 1 and not {"/", "\\"} & set(name):  # `C:\app.py` has no name
        return source, name
    return target, ""


def _imported(source: str) -> ModuleType:
    path = Path(source)
    dotted = all(part.isidentifier() for part in source.split("."))
    if not dotted or path.suffix in {".py", ".ipynb"} or path.is_file():
        return _from_file(path)
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(source)
    except ModuleNotFoundError as error:
        if error.name and f"{source}.".startswith(f"{error.name}."):
            raise CommandError(f"no module {source!r}; is it a file? {source}.py") from error
        raise


def _from_file(path: Path) -> ModuleType:
    try:
        path.open("rb").close()
    except OSError as error:
        there = ", ".join(sorted(one.name for one in path.parent.glob("*.py"))[:5]) or "none"
        raise CommandError(f"{path}: {error.strerror}; Python files there: {there}") from error
    if path.suffix == ".ipynb":
        raise CommandError(f"{path} is a notebook; export it first: jupyter nbconvert --to script")
    sys.path.insert(0, str(path.parent.resolve()))
    name = path.stem
    if name in sys.modules or name in sys.stdlib_module_names:
        name = f"wsflow_app_{name}"  # an app called queue.py must not stand for the library's
    loader = SourceFileLoader(name, str(path.resolve()))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _find(module: ModuleType, source: str, name: str) -> Any:
    """Return a module's flow, or the function named that makes one."""
    flows = {known: one for known, one in vars(module).items() if isinstance(one, Flow)}
    there = ", ".join(flows) or "none"
    if name:
        found = getattr(module, name, None)
        if isinstance(found, Flow) or inspect.isfunction(found):
            return found
        what = f"is no Flow but {data_text(found)}" if hasattr(module, name) else "does not exist"
        raise CommandError(f"{name!r} of {source} {what}; Flows there: {there}")
    if not flows:
        raise CommandError(
            f"{source} has no Flow at its top level; flow = Flow('chat') there makes one, "
            f"and {source}:make takes the one that a function make() returns"
        )
    if len({id(one) for one in flows.values()}) > 1:
        raise CommandError(
            f"{source} has several Flows: {there}; name one: {source}:{next(iter(flows))}"
        )
    return next(iter(flows.values()))


def _made(found: object, target: str) -> Flow:
    if not isinstance(found, Flow):
        raise CommandError(f"{target} is a function that returned {data_text(found)}, not a Flow")
    return found


# ---- errors that are the user's


def _unreadable(error: SyntaxError) -> CommandError:
    """Return `app.py:3: SyntaxError: …` and the line; what ran and raised itself: a traceback."""
    if not error.filename or not Path(error.filename).is_file():
        return CodeError(told(error))
    path = Path(error.filename)
    path = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    line = f":{error.lineno}" if error.lineno else ""
    shown = "".join(traceback.format_exception_only(error)[1:-1]).rstrip()
    outside = "'await' outside" in str(error.msg)
    hint = "; wsflow run serves the flow itself: leave `await flow.serve()` out" if outside else ""
    said = f"{type(error).__name__}: {error.msg}{hint}"
    return CommandError(f"{path}{line}: {said}\n{shown}".rstrip())
