"""Packages of Node, installed for tests: programs of another make that judge ours."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

from tests.jupyter.kernel import ROOT
from tests.needs import missing, node

QUIET = ("--silent", "--no-audit", "--no-fund")


def finds(package: str) -> dict[str, str]:
    """Return an environment in which a script of Node finds a package, as `ws@8` is one.

    It is fetched once into the repository's cache. When npm can not, the test is skipped; in CI it
    fails.
    """
    node()
    folder = ROOT / ".cache" / f"node-{re.sub('[^a-z0-9]+', '-', package)}"
    if not folder.exists():
        fetch(package, folder)
    return {**os.environ, "NODE_PATH": str(folder / "node_modules")}


def fetch(package: str, folder: Path) -> None:
    """Fill the folder at one stroke, so that a killed or a second run never sees half of it."""
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        target = Path(scratch) / "packages"
        target.mkdir()
        try:
            command = ["npm", "install", *QUIET, "--prefix", str(target), package]
            subprocess.run(command, check=True, capture_output=True, timeout=150)
        except (OSError, subprocess.SubprocessError) as error:
            missing(f"let npm be there and reach its registry: {error}")
        if not folder.exists():
            target.rename(folder)
