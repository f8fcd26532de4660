"""What tests of the command line start from: a folder with an app in it."""

from pathlib import Path

import pytest

from tests.process.command import ECHO


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the echo flow in `app.py`, being the current one."""
    (tmp_path / "app.py").write_text(ECHO)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WSFLOW_TOKEN", raising=False)
    return tmp_path
