"""The folder of recordings: no name leads out of it, and nothing there is ever written over."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wsflow.errors import RecordingError, RecordingNameError, RecordingNotFoundError
from wsflow.io import folder as folder_module
from wsflow.io.folder import (
    create,
    draft,
    find,
    is_live,
    keep_previous,
    names,
    part,
    parts,
    release,
    resolve,
)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    inside = tmp_path / "recordings"
    inside.mkdir()
    return inside


@pytest.fixture
def live(here: Path) -> Iterator[Path]:
    """A recording that is being made."""
    file = create(here / "live.jsonl")
    yield here / "live.jsonl"
    os.close(file)


def put(path: Path, text: str = "") -> Path:
    path.write_text(text or path.name)
    return path


# ---- names


@pytest.mark.parametrize("name", ["a", "lesson1", "2024-05-01_run.2", "A" * 100, "x.partial"])
def test_a_name_gives_a_file_in_the_folder(here: Path, name: str) -> None:
    assert resolve(name, here) == here / f"{name}.jsonl"
    assert resolve(f"{name}.jsonl", here) == here / f"{name}.jsonl"


EVIL = [
    "",
    ".",
    "..",
    "../x",
    "x/../../y",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "..\\x",
    ".hidden",
    "-rf",
    "_x",
    "a b",
    "a\n",
    "a\x00b",
    "ä",
    "a:b",
    "~root",
    "%2e%2e",
    "A" * 101,
    "x.part2",
    "x.part2.jsonl",
    ".jsonl",
]


@pytest.mark.parametrize("name", [*EVIL, None, 5, b"a", Path("a")])
def test_other_names_are_none(here: Path, name: Any) -> None:
    with pytest.raises(RecordingNameError) as caught:
        resolve(name, here)
    assert repr(name) in str(caught.value)
    assert "letters, digits" in str(caught.value)
    assert list(here.iterdir()) == []


def test_a_link_out_of_the_folder_is_refused(here: Path) -> None:
    outside = put(here.parent / "secret.jsonl")
    (here / "x.jsonl").symlink_to(outside)
    with pytest.raises(RecordingNameError, match="leads out"):
        resolve("x", here)


def test_a_link_to_nowhere_or_within_is_refused_too(here: Path) -> None:
    (here / "x.jsonl").symlink_to(here / "nowhere.jsonl")
    (here / "y.jsonl").symlink_to(put(here / "z.jsonl"))
    for name in "xy":
        with pytest.raises(RecordingNameError):
            resolve(name, here)


def test_the_folder_itself_may_be_a_link(here: Path) -> None:
    linked = here.parent / "linked"
    linked.symlink_to(here)
    put(here / "x.jsonl")
    assert find("x", linked).samefile(here / "x.jsonl")


# ---- finding


def test_a_recording_is_found_by_name_or_by_path(here: Path) -> None:
    path = put(here / "x.jsonl")
    assert find("x", here) == find("x.jsonl", here) == find(path) == find(str(path)) == path


def test_a_recording_that_is_not_there_is_told_with_those_that_are(here: Path) -> None:
    for name in ("b", "a"):
        put(here / f"{name}.jsonl")
    with pytest.raises(RecordingNotFoundError, match=r"no recording 'c' in .*'a', 'b'"):
        find("c", here)
    with pytest.raises(RecordingNotFoundError, match="there are: none"):
        find(here / "deeper" / "c.jsonl")


def test_a_folder_is_no_recording(here: Path) -> None:
    (here / "x.jsonl").mkdir()
    with pytest.raises(RecordingNotFoundError):
        find("x", here)


def test_the_names_of_a_folder_are_sorted_without_parts_and_strangers(here: Path) -> None:
    for name in (
        "b.jsonl",
        "a.jsonl",
        "a.part2.jsonl",
        ".hidden.jsonl",
        "c.txt",
        "a.jsonl.damaged",
    ):
        put(here / name)
    assert names(here) == ["a", "b"]
    assert names(here / "nowhere") == []
    assert names(put(here.parent / "a file")) == []


# ---- files


def test_a_file_is_ours_alone_whatever_the_umask(here: Path) -> None:
    before = os.umask(0)
    try:
        os.close(create(here / "x.jsonl"))
        with draft("y", here) as made:
            made.write(b"line\n")
    finally:
        os.umask(before)
    for name in ("x", "y"):
        assert stat.S_IMODE((here / f"{name}.jsonl").stat().st_mode) == 0o600


def test_no_file_is_begun_over_another_one_or_through_a_link(here: Path) -> None:
    outside = here.parent / "outside"
    (here / "x.jsonl").symlink_to(outside)
    for path in (here / "x.jsonl", put(here / "y.jsonl")):
        with pytest.raises(FileExistsError):
            create(path)
    assert not outside.exists()


def test_the_parts_of_a_recording_follow_each_other(here: Path) -> None:
    path = put(here / "x.jsonl")
    for number in (2, 3, 11):  # some may be missing
        put(part(path, number))
    for other in ("x.part02.jsonl", "x.part1.jsonl", "x.partx.jsonl", "y.part4.jsonl"):
        put(here / other)
    assert parts(path) == [path, *(part(path, number) for number in (2, 3, 11))]


# ---- keeping what was there


def test_the_first_of_a_name_keeps_nothing(here: Path) -> None:
    assert keep_previous(here / "x.jsonl") is None
    assert keep_previous(here / "nowhere" / "x.jsonl") is None


def test_what_was_there_is_kept_under_the_next_number(here: Path) -> None:
    path = here / "x.jsonl"
    for take in ("one", "two", "three"):
        put(path, take)
        kept = keep_previous(path)
        assert kept is not None
        assert kept.read_text() == take
    assert names(here) == ["x-1", "x-2", "x-3"]


def test_its_parts_go_with_it_and_those_of_others_stay(here: Path) -> None:
    path = put(here / "x.jsonl")
    for number in (2, 10):
        put(part(path, number))
    others = ["x.parts.jsonl", "x.party.part2.jsonl", "xy.part2.jsonl", "x.part2.jsonl.damaged"]
    for other in others:
        put(here / other)
    keep_previous(path)
    moved = {"x-1.jsonl", "x-1.part2.jsonl", "x-1.part10.jsonl"}
    assert {one.name for one in here.iterdir()} == moved | set(others)
    assert (here / "x-1.part10.jsonl").read_text() == "x.part10.jsonl"


def test_parts_whose_first_was_deleted_do_not_become_those_of_the_next(here: Path) -> None:
    path = here / "x.jsonl"
    put(part(path, 2))
    put(part(here / "x-1.jsonl", 3))  # a number that is taken, though only by such a part
    keep_previous(path)
    assert sorted(one.name for one in here.iterdir()) == ["x-1.part3.jsonl", "x-2.part2.jsonl"]


def test_the_longest_name_is_kept_under_one_that_can_be_opened(here: Path) -> None:
    kept = keep_previous(put(here / ("A" * 100 + ".jsonl")))
    assert kept is not None
    assert find(kept.stem, here) == kept
    assert len(kept.stem) == 100


def test_what_is_being_recorded_is_not_moved_away(live: Path) -> None:
    assert is_live(live)
    with pytest.raises(RecordingError, match=r"live\.jsonl is being recorded .* another name"):
        keep_previous(live)
    assert live.exists()


def test_nor_is_it_while_a_later_part_is_written(here: Path, live: Path) -> None:
    file = create(part(here / "x.jsonl", 2))
    put(here / "x.jsonl")
    assert is_live(here / "x.jsonl")
    release(file)
    assert not is_live(here / "x.jsonl")
    os.close(file)


def test_where_there_are_no_locks_all_else_works(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "fcntl", None)
    file = create(here / "x.jsonl")
    release(file)
    assert not is_live(here / "x.jsonl")
    assert keep_previous(here / "x.jsonl") == here / "x-1.jsonl"
    os.close(file)


# ---- drafts


def test_a_draft_takes_its_name_when_it_is_whole(here: Path) -> None:
    with draft("x", here) as made:
        for number in range(50_000):
            made.write(b"%050d\n" % number)
        assert names(here) == []
    assert names(here) == ["x"]
    assert (here / "x.jsonl").read_bytes().splitlines() == [b"%050d" % i for i in range(50_000)]


def test_a_draft_that_fails_leaves_nothing_and_what_was_there_stays(here: Path) -> None:
    put(here / "x.jsonl", "before")

    def write() -> None:
        with draft("x", here) as made:
            made.write(b"x" * 2**21)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert [one.name for one in here.iterdir()] == ["x.jsonl"]
    assert (here / "x.jsonl").read_text() == "before"


def test_a_draft_keeps_what_had_its_name(here: Path) -> None:
    put(here / "x.jsonl", "before")
    with draft("x", here):
        pass
    assert (here / "x-1.jsonl").read_text() == "before"


def test_a_draft_makes_its_folder_or_says_why_it_can_not(here: Path) -> None:
    with draft("x", here / "new" / "er"):
        pass
    assert names(here / "new" / "er") == ["x"]
    file = put(here / "file")
    with pytest.raises(RecordingError, match=r"file/x\.jsonl: can not be written: .*folder"):
        folder_module.Draft("x", file)


def test_a_draft_on_a_full_disk_says_so_and_leaves_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    told = r"x\.jsonl: .*No space left on device; make room"
    with pytest.raises(RecordingError, match=told), draft("x", here):
        pass
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a/b", "it has '/' in it"),
        ("my lesson", "it has ' ' in it"),
        ("", "it is empty"),
        (".x", "it begins with '.'"),
        ("x" * 101, "it has 101 characters"),
        (5, "it is no text"),
    ],
)
def test_a_name_that_can_not_be_is_told_why(here: Path, name: Any, why: str) -> None:
    with pytest.raises(RecordingNameError, match=f"can not name a recording: {why}. A name has"):
        resolve(name, here)
    if not isinstance(name, str):
        with pytest.raises(RecordingNameError, match=why):
            find(name, here)
