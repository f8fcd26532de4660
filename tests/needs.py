"""What a test needs and a machine may lack: a browser, Node, a package, another kernel.

Where it is missing, a test is skipped and says what to install; in CI (`.ci/run` sets `CI`), where
everything is to be there, it fails.
"""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SHELL = "chromium-headless-shell"
"""The same engine without a window that nobody sees: pages take half the time."""


def missing(remedy: str) -> NoReturn:
    """End a test that can not run here, with what would let it."""
    give_up = pytest.fail if os.environ.get("CI") else pytest.skip
    give_up(remedy)


def program(names: tuple[str, ...], remedy: str) -> str:
    """Return the path of the first of some programs that is there."""
    found = next(filter(None, map(shutil.which, names)), None)
    return missing(remedy) if found is None else found


def chromium() -> str:
    """Return the path of a Chromium or a Chrome."""
    return program(BROWSERS, "put Chromium or Chrome on PATH (Debian: apt-get install chromium)")


def shell() -> str:
    """Return the path of Chromium's headless shell, or of what has it in it."""
    return shutil.which(SHELL) or chromium()


def node() -> str:
    """Return the path of Node."""
    return program(("node",), "put Node on PATH (Debian: apt-get install nodejs npm)")
