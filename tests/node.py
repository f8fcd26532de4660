"""Packages of Node, installed for a test: programs of another make that judge ours.

On a user's machine without Node a test that needs one is skipped and says what to install; in CI it
fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

QUIET = ("--silent", "--no-audit", "--no-fund")


def installed(folder: Path, *packages: str) -> Path:
    """Return a folder in which Node finds these packages."""
    try:
        if shutil.which("node") is None:
            raise FileNotFoundError("node")
        command = ["npm", "install", *QUIET, "--prefix", str(folder), *packages]
        subprocess.run(command, check=True, capture_output=True, timeout=150)
    except (OSError, subprocess.SubprocessError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"install Node with npm, and let it reach its registry: {error}")
    return folder
