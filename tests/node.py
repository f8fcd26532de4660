"""Packages of Node, installed for a test: programs of another make that judge ours."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.needs import missing, node

QUIET = ("--silent", "--no-audit", "--no-fund")


def installed(folder: Path, *packages: str) -> Path:
    """Return a folder in which Node finds these packages."""
    node()
    try:
        command = ["npm", "install", *QUIET, "--prefix", str(folder), *packages]
        subprocess.run(command, check=True, capture_output=True, timeout=150)
    except (OSError, subprocess.SubprocessError) as error:
        missing(f"let npm be there and reach its registry: {error}")
    return folder
