"""A recording as a user holds it: frames, facts, a picture, tables for spreadsheets."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.recorded.by_hand import EVIL, STORY, header, made, opened, row
from wsflow.errors import MissingPackageError, RecordingError
from wsflow.recording import Recording


@pytest.fixture
def story(tmp_path: Path) -> Recording:
    return made(tmp_path / "story.jsonl", *STORY)


# ---- how it looks


def test_it_shows_its_name_when_it_was_made_and_where(story: Recording) -> None:
    assert repr(story) == f"<Recording story of 2024-05-01 10:00:00 in {story.path.parent}>"
    story.header["created"] = f"\n{EVIL}\x1b[31m"
    assert repr(story).isprintable()
    story.header.clear()
    assert " of unknown date in " in repr(story)


def test_it_shows_itself_as_a_picture_and_a_table(story: Recording) -> None:
    page = story._repr_html_()
    assert page.startswith("<svg")
    assert page.count("<circle") == 2
    for text in ("2024-05-01", "4.0 s", "mark at 3.0 s", "half-time", "story"):
        assert text in page


def test_what_it_holds_is_text_on_the_page(tmp_path: Path) -> None:
    lines = [
        header(created=EVIL, flow={"name": EVIL}),
        opened(EVIL, path=EVIL),
        row(1, "req", EVIL),
        row(2, "mark", data=EVIL),
    ]
    page = made(tmp_path / f"{EVIL.replace('/', '')}.jsonl", *lines, tail=b"x")._repr_html_()
    assert "<img" not in page
    assert "&lt;img" in page


def test_a_slice_of_it_is_a_sequence_diagram(story: Recording) -> None:
    whole = str(story.sequence())
    assert "->>flow: hi" in whole
    assert whole.count("participant ") == 3
    assert "HI" in str(story.sequence(start=1.5, end=1.5))
    assert "hi" not in str(story.sequence(start=1.5, end=1.5)).splitlines()[-1]
    assert "HI" not in str(story.sequence(newest=2))


# ---- for other tools


def test_a_spreadsheet_gets_no_formulas(tmp_path: Path) -> None:
    formulas = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "a,b", 'say "hi"']
    rows = [row(seq, "message", "=s", data=one, error=one) for seq, one in enumerate(formulas, 1)]
    recording = made(tmp_path / "evil.jsonl", header(), opened("=s", path="=p"), *rows)
    path = recording.to_csv(tmp_path / "evil.csv")
    with path.open(newline="") as file:
        told = list(csv.DictReader(file))
    assert [one["seq"] for one in told] == [str(seq) for seq in range(1, 9)]
    for one, before in zip(told, formulas, strict=True):
        assert one["data"] == one["error"] == (before if before[0] in "as" else f"'{before}")
        assert one["session"] == "'=s"
    assert float(told[0]["t"]) == 0.5


@pytest.mark.usefixtures("parquet")
def test_parquet_comes_back_as_it_was(story: Recording, tmp_path: Path) -> None:
    back = pd.read_parquet(story.to_parquet(tmp_path / "story.parquet"))
    assert list(back["seq"]) == list(range(1, 9))
    assert back["bytes"][3] == b"\x00\xff"
    assert back["data"][4] == "{'x': [1]}"
    assert back["time"][0] == pd.Timestamp("2024-05-01T10:00:01Z")


def test_parquet_without_its_packages_says_what_to_install(
    story: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pyarrow", "fastparquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPackageError, match=r"pip install 'wsflow\[parquet\]'"):
        story.to_parquet(tmp_path / "story.parquet")


# ---- the folder


def test_a_recording_that_is_not_there_is_an_error_of_its_own() -> None:
    with pytest.raises(RecordingError, match="no recording 'nowhere'"):
        Recording.open("nowhere")
