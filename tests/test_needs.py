"""What is missing is a skip with a remedy on a user's machine, and a failure in CI."""

from collections.abc import Callable
from pathlib import Path

import pytest
from _pytest.outcomes import OutcomeException

from tests import needs


@pytest.mark.parametrize(
    ("ci", "outcome"), [("1", pytest.fail.Exception), ("", pytest.skip.Exception)]
)
@pytest.mark.parametrize("find", [needs.chromium, needs.shell, needs.node])
def test_a_missing_program_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    ci: str,
    outcome: type[OutcomeException],
    find: Callable[[], str],
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="apt-get install"):
        find()


def test_the_first_browser_on_the_path_will_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("google-chrome", "chromium-browser"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert needs.chromium() == str(tmp_path / "chromium-browser")


def test_pages_alone_are_shown_by_the_headless_shell_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("chromium", "chromium-headless-shell"):
        (tmp_path / name).touch(mode=0o755)
        assert needs.shell() == str(tmp_path / name)
