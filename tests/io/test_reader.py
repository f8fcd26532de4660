"""Reading the files of a recording: what is damaged is named, and nothing else is lost."""

import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wsflow.errors import (
    NewerRecordingError,
    NotARecordingError,
    RecordingError,
    RecordingNameError,
    RecordingNotFoundError,
)
from wsflow.io import format as lines_module
from wsflow.io import reader as source_module
from wsflow.io.folder import create, part
from wsflow.io.format import FORMAT, Entry, write_object
from wsflow.io.reader import CONVERTERS, Damage, Reader

HEADER: dict[str, Any] = {
    "wsflow": FORMAT,
    "created": "2024-05-01T10:00:00+00:00",
    "part": 1,
    "flow": {},
    "redacted": [],
}
FACTS: dict[str, Any] = {
    "id": "s1",
    "path": "/",
    "peer": "",
    "query": {},
    "params": {},
    "headers": {},
}


def row(seq: int, **fields: Any) -> dict[str, Any]:
    given = {"seq": seq, "t": seq / 2, "time": 10**18 + seq, "kind": "message", "session": "s1"}
    return given | fields


LINES = [
    write_object(one)
    for one in (
        HEADER,
        {"opened": FACTS},
        *(row(seq, data='é\n"x" \\ud800 ' * (seq % 5)) for seq in range(1, 11)),
        row(11, kind="route", data={"a": [1, {"$bytes": "AP8="}]}),
        row(12, bytes="AP8=", elapsed=0.5, error="<b>"),
    )
]
WHOLE = b"".join(LINES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "one.jsonl"
    path.write_bytes(WHOLE)
    return path


def read(path: Path) -> tuple[list[Entry], list[Damage]]:
    reader = Reader.open(path)
    return list(reader.entries()), reader.damage


ENTRIES = [lines_module.read(line[:-1]) for line in LINES[1:]]


# ---- whole


def test_a_recording_is_read_in_the_order_it_was_written(path: Path) -> None:
    assert read(path) == (ENTRIES, [])
    reader = Reader.open(path)
    assert reader.header == HEADER
    assert reader.name == "one"
    assert [one.seq for one in reader.rows()] == list(range(1, 13))


def test_it_streams(path: Path) -> None:
    path.write_bytes(WHOLE + LINES[2] * 10_000)
    reader = Reader.open(path)
    entries = reader.entries()
    assert next(entries).opened == FACTS
    assert 0 < reader.progress < 0.1
    assert sum(1 for _ in entries) == len(ENTRIES) + 10_000 - 1
    assert reader.progress == pytest.approx(1.0)


def test_lines_may_be_much_longer_than_what_is_read_at_once(path: Path) -> None:
    long = [row(seq, data="x" * size) for seq, size in enumerate((0, 2**20, 3 * 2**20 + 5, 7), 1)]
    path.write_bytes(LINES[0] + b"".join(map(write_object, long)))
    assert [(one.seq, len(one.value)) for one in Reader.open(path).rows()] == [
        (1, 0),
        (2, 2**20),
        (3, 3 * 2**20 + 5),
        (4, 7),
    ]


def test_a_file_that_a_system_gave_other_line_ends_is_read(path: Path) -> None:
    path.write_bytes(WHOLE.replace(b"\n", b"\r\n"))
    assert read(path) == (ENTRIES, [])


def test_all_parts_are_read_and_each_tells_its_own_damage(path: Path) -> None:
    for number in (2, 3):
        part(path, number).write_bytes(LINES[0] + LINES[5])
    part(path, 2).write_bytes(LINES[0] + b"nonsense\n" + LINES[5])
    entries, damage = read(path)
    assert entries == [*ENTRIES, ENTRIES[4], ENTRIES[4]]
    assert [(one.path, one.line) for one in damage] == [(part(path, 2), 2)]


def test_a_name_that_leaves_the_folder_is_refused(path: Path, tmp_path: Path) -> None:
    inner = tmp_path / "recordings"
    inner.mkdir()
    (inner / "link.jsonl").symlink_to(path)
    with pytest.raises(RecordingNameError):
        Reader.open("link", folder=inner)
    with pytest.raises(RecordingNotFoundError):
        Reader.open("../two", folder=inner)
    assert Reader.open(path, folder=inner).name == "one"


# ---- torn and flipped


def test_a_file_cut_at_any_byte_loses_the_last_row_and_no_other(path: Path) -> None:
    ends = [0]
    for line in LINES:
        ends.append(ends[-1] + len(line))
    for cut in range(len(WHOLE) + 1):
        path.write_bytes(WHOLE[:cut])
        whole = max(index for index, end in enumerate(ends) if end <= cut)
        if cut == ends[whole + 1] - 1 if whole < len(LINES) else False:
            whole += 1  # all but its end: its checksum is right
            torn = 0
        else:
            torn = int(cut > ends[whole])
        entries, damage = read(path)
        assert entries == ENTRIES[: max(0, whole - 1)], cut
        assert [(one.line, one.torn) for one in damage] == [(whole + 1, True)] * torn, cut
        assert all(one.why == "the last line was not finished" for one in damage)


def test_5000_flips_of_a_bit_never_give_a_wrong_row(path: Path) -> None:
    dice = random.Random(1)
    known = {repr(one) for one in ENTRIES}
    refused = 0
    for _ in range(5_000):
        flipped = bytearray(WHOLE)
        for _ in range(dice.choice((1, 1, 1, 2, 8))):
            flipped[dice.randrange(len(flipped))] ^= 1 << dice.randrange(8)
        path.write_bytes(flipped)
        entries, damage = read(path)
        assert {repr(one) for one in entries} <= known
        seqs = [one.seq for one in entries]
        assert seqs == sorted(seqs)
        assert len(entries) >= len(ENTRIES) - 16
        assert damage or entries == ENTRIES
        refused += bool(damage)
    assert refused > 4_900


def test_every_flip_inside_the_header_leaves_all_rows(path: Path) -> None:
    header = LINES[0]
    for bit in range(len(header) * 8):
        flipped = bytearray(WHOLE)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        reader = Reader.open(path)
        assert reader.header == {}
        entries = list(reader.entries())
        lost = int(bit // 8 == len(header) - 1)  # its end: the next line became a part of it
        assert entries[lost:] == ENTRIES[2 * lost :] or entries == ENTRIES[lost:]
        assert reader.damage[0].line == 1
        assert "checksum" in str(reader.damage[0])


def test_damage_names_file_line_and_reason(path: Path) -> None:
    path.write_bytes(b"".join(LINES[:3]) + b"garbage\n" + LINES[4][:-9] + b"\n" + LINES[5])
    entries, damage = read(path)
    assert len(entries) == 3
    assert [str(one) for one in damage] == [
        f"{path}, line 4: it does not begin with a checksum",
        f"{path}, line 5: its checksum is wrong",
    ]


def test_a_line_beyond_all_bounds_is_skipped_without_being_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "MAX_LINE", 5_000)
    for end in (b"\n", b""):
        path.write_bytes(
            b"".join(LINES[:4]) + b"x" * 3 * 2**20 + end + b"".join(LINES[4:8]) * bool(end)
        )
        entries, damage = read(path)
        assert len(entries) == (7 if end else 3)
        assert [(one.line, one.torn) for one in damage] == [(5, False)]


def test_an_empty_file_is_a_recording_of_nothing(path: Path) -> None:
    path.write_bytes(b"")
    assert read(path) == ([], [])


# ---- something else


@pytest.mark.parametrize(
    "content",
    [
        b"\n",
        b"hello\n",
        b"PK\x03\x04" + bytes(5_000),
        bytes(2**20),
        b'{"seq": 1}\n' * 200,
        b'{"log": {"entries": []}}',
        random.Random(1).randbytes(100_000),
        LINES[0][:-5] + b"\n",
        b"\n" * 1_000,
    ],
)
def test_something_else_is_refused_with_file_line_and_remedy(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(NotARecordingError, match=r"one\.jsonl, line \d+: not a rec") as caught:
        Reader.open(path)
    assert "from_har" in str(caught.value)


def test_a_file_of_one_endless_line_is_refused_soon(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "MAX_LINE", 5_000)
    with path.open("wb") as file:
        file.truncate(2**34)  # sparse
    with pytest.raises(NotARecordingError):
        Reader.open(path)


def test_a_newer_version_says_what_to_do(path: Path) -> None:
    path.write_bytes(write_object(HEADER | {"wsflow": FORMAT + 1}) + LINES[1])
    with pytest.raises(NewerRecordingError, match=r"one\.jsonl, line 1: .* update wsflow"):
        Reader.open(path)


@pytest.mark.parametrize("version", ["1", None, [], 1.5, -7, 0])
def test_a_version_nobody_knows_is_refused(path: Path, version: Any) -> None:
    path.write_bytes(write_object(HEADER | {"wsflow": version}) + LINES[1])
    with pytest.raises(NotARecordingError, match=r"one\.jsonl, line 1"):
        Reader.open(path)


def test_a_recording_without_its_header_is_read(path: Path) -> None:
    path.write_bytes(b"".join(LINES[1:]))
    assert read(path) == (ENTRIES, [])


def test_a_file_that_can_not_be_read_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Iterator[Any]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(source_module, "_lines", refuse)
    with pytest.raises(RecordingError, match=r"one\.jsonl: can not be read: Permission denied"):
        Reader.open(path)


# ---- older formats


@pytest.fixture
def version_0(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up older format: `what` instead of `kind`, milliseconds instead of seconds."""

    def convert(line: dict[str, Any]) -> dict[str, Any]:
        if "what" in line:
            line["kind"] = line.pop("what")
            line["t"] = line.pop("ms") / 1_000
        return line

    monkeypatch.setitem(CONVERTERS, 0, convert)
    old: list[dict[str, Any]] = [{"wsflow": 0}, {"opened": FACTS}]
    old += [{"seq": seq, "ms": seq * 500, "what": "message", "own": [seq]} for seq in range(1, 4)]
    path.write_bytes(b"".join(map(write_object, old)))
    return path


def test_an_older_format_is_converted_line_by_line(version_0: Path) -> None:
    reader = Reader.open(version_0)
    assert reader.header["wsflow"] == 0
    rows = list(reader.rows())
    assert [(row.seq, row.t, row.kind) for row in rows] == [
        (1, 0.5, "message"),
        (2, 1.0, "message"),
        (3, 1.5, "message"),
    ]
    assert [one.get("own") for one in reader.objects()] == [None, [1], [2], [3]]
    assert reader.damage == []


def test_a_line_that_can_not_be_converted_is_damage(version_0: Path) -> None:
    with version_0.open("ab") as file:
        file.write(write_object({"seq": 4, "what": "message"}) + b"torn")
    reader = Reader.open(version_0)
    assert len(list(reader.rows())) == 3
    assert [(one.line, one.torn) for one in reader.damage] == [(6, False), (7, True)]
    assert "no row of format 0: KeyError" in reader.damage[0].why


def test_repair_leaves_an_older_format_as_it_is(version_0: Path) -> None:
    with version_0.open("ab") as file:
        file.write(b"torn")
    before = version_0.read_bytes()
    Reader.open(version_0).repair()
    assert version_0.read_bytes() == before[:-4]


# ---- mending


def test_repair_cuts_a_torn_tail_keeps_it_aside_and_reports_it(path: Path) -> None:
    torn = WHOLE[:-20]
    path.write_bytes(torn)
    reader = Reader.open(path)
    (found,) = reader.repair()
    assert found == Damage(path, len(LINES), "the last line was not finished", torn=True)
    assert path.read_bytes() == b"".join(LINES[:-1])
    assert path.with_name("one.jsonl.damaged").read_bytes() == torn
    assert read(path) == (ENTRIES[:-1], [])
    assert reader.damage == []
    assert path.stat().st_mode & 0o777 == 0o600


def test_repair_of_what_is_whole_touches_nothing(path: Path) -> None:
    before = path.stat()
    assert Reader.open(path).repair() == []
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert len(list(path.parent.iterdir())) == 1


def test_repair_keeps_lines_as_they_stand(path: Path) -> None:
    unknown = write_object(row(99) | {"of_a_later_version": {"a": 1}})
    path.write_bytes(LINES[0] + b"bad\n" + unknown)
    Reader.open(path).repair()
    assert path.read_bytes() == LINES[0] + unknown


def test_repair_again_keeps_what_the_first_one_kept(path: Path) -> None:
    for number in ("", "2", "3"):
        with path.open("ab") as file:
            file.write(b"torn" + number.encode())
        Reader.open(path).repair()
        kept = path.with_name(f"one.jsonl.damaged{number}")
        assert kept.read_bytes() == WHOLE + b"torn" + number.encode()
    assert path.read_bytes() == WHOLE


def test_repair_makes_up_for_a_damaged_header(path: Path) -> None:
    path.write_bytes(b"?" + WHOLE[1:])
    (found,) = Reader.open(path).repair()
    assert found.line == 1
    reader = Reader.open(path)
    assert reader.header == {"wsflow": FORMAT, "part": 1, "repaired": True}
    assert (list(reader.entries()), reader.damage) == (ENTRIES, [])


def test_repair_mends_the_parts_that_need_it(path: Path) -> None:
    part(path, 2).write_bytes(LINES[0] + b"bad\n" + LINES[5])
    Reader.open(path).repair()
    assert part(path, 2).read_bytes() == LINES[0] + LINES[5]
    assert sorted(one.name for one in path.parent.iterdir()) == [
        "one.jsonl",
        "one.part2.jsonl",
        "one.part2.jsonl.damaged",
    ]


def test_what_is_being_recorded_is_not_mended(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    file = create(path)
    os.write(file, WHOLE[:-5])
    reader = Reader.open(path)
    with pytest.raises(RecordingError, match=r"live\.jsonl is being recorded; stop that"):
        reader.repair()
    assert path.read_bytes() == WHOLE[:-5]
    os.close(file)


def test_a_repair_without_room_leaves_all_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path.write_bytes(WHOLE[:-5])
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RecordingError, match=r"one\.jsonl: .*No space left on device"):
        Reader.open(path).repair()
    assert [one.name for one in path.parent.iterdir()] == ["one.jsonl"]
    assert path.read_bytes() == WHOLE[:-5]


def test_a_stale_file_of_a_repair_that_died_is_no_obstacle(path: Path) -> None:
    outside = path.with_name("outside")
    path.with_name(".one.jsonl.repaired").symlink_to(outside)
    path.write_bytes(WHOLE[:-5])
    Reader.open(path).repair()
    assert not outside.exists()
    assert not path.is_symlink()


def test_a_copy_made_by_hand_is_a_recording(path: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(path, tmp_path / "any name at all.txt"))
    assert read(copy)[0] == ENTRIES
    assert json.loads(copy.read_bytes().splitlines()[0])["wsflow"] == FORMAT


# ---- handshakes alone


def test_handshakes_are_found_in_all_parts_without_reading_the_rows(path: Path) -> None:
    later = write_object({"opened": FACTS | {"id": "s2"}})
    rows = LINES[2] * 3_000
    path.write_bytes(WHOLE + rows + b"x" * 200 + b'","opened":\n' + later + rows)
    part(path, 2).write_bytes(LINES[0] + later.replace(b"\n", b"\r\n") + later[:-9])
    found = list(Reader.open(path).handshakes())
    assert [(one.path, one.line, one.facts["id"]) for one in found] == [
        (path, 2, "s1"),
        (path, len(LINES) + 3_002, "s2"),
        (part(path, 2), 2, "s2"),
    ]


def test_handshakes_of_an_older_format_are_converted(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def convert(line: dict[str, Any]) -> dict[str, Any]:
        return {"opened": line["came"]} if "came" in line else line

    monkeypatch.setitem(CONVERTERS, 0, convert)
    path.write_bytes(write_object({"wsflow": 0}) + write_object({"came": FACTS}))
    assert [one.facts for one in Reader.open(path).handshakes()] == [FACTS]
