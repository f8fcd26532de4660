"""Recordings shown, mended and converted at the command line."""

from __future__ import annotations

import asyncio
import csv
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from wsflow import Flow
from wsflow.cli import main as cli
from wsflow.graph.context import Context
from wsflow.recording import Recording
from wsflow.types import MessageEvent


@pytest.fixture
def lesson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a recording `lesson`: two sessions, an error, a mark; its folder is current."""
    monkeypatch.chdir(tmp_path)
    return asyncio.run(recorded())


async def recorded() -> Path:
    """Record a lesson and return its file."""
    flow = Flow("test")
    chat = flow.websocket("/chat/{room}", name="chat")

    @flow.node
    def shout(event: MessageEvent, ctx: Context) -> None:
        if event["message"] == "boom":
            raise ValueError("boom\x1b[31m")
        ctx.emit("response", {"body": str(event["message"]).upper()})

    chat.message >> shout
    with flow.record("lesson") as recording:
        alice, bob = flow.client("/chat/red"), flow.client("/chat/blue")
        await alice.send("hello\x1b[2J")
        await alice.receive()
        recording.mark("bob comes in")
        await bob.send("boom")
        await bob.send(b"\x00\xff")
        await bob.receive()
        await alice.close()
        await bob.close()
    await flow.stop()
    return recording.path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run a command in this process; return its exit status, stdout and stderr."""
    status = cli.main(arguments)
    out, errors = capsys.readouterr()
    assert all(line.isprintable() for line in [*out.splitlines(), *errors.splitlines()])
    return status, out, errors


def kinds(out: str) -> list[str]:
    """Return the column `kind` of the table shown."""
    return re.findall(r"^ +\d+ +[\d.]+ [ ╰]*(\w+)", out, re.MULTILINE)


def damage(path: Path, *numbers: int) -> None:
    """Flip a bit in lines of a file, counted from 1."""
    lines = path.read_bytes().splitlines(keepends=True)
    for number in numbers:
        line = bytearray(lines[number - 1])
        line[len(line) // 2] ^= 1
        lines[number - 1] = bytes(line)
    path.write_bytes(b"".join(lines))


# ---- show


def test_show_tells_what_a_recording_is_and_its_rows(
    lesson: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, errors = run(capsys, "show", "lesson")
    assert (status, errors) == (0, "")
    assert out.startswith("lesson  recordings/lesson.jsonl\n  created  20")
    assert "  flow     test: chat, shout; 1 wire\n" in out
    assert "2 sessions, 3 messages, 2 responses, 1 error\n" in out
    assert re.search(r"^  mark     0\.\d+ s: bob comes in$", out, re.MULTILINE)
    assert "damage" not in out
    assert kinds(out) == [
        *("req", "message", "response", "mark"),
        *("req", "message", "error", "message", "response", "close", "close"),
    ]
    assert r"'hello\x1b[2J'" in out
    assert r"ValueError: boom\x1b[31m" in out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            "--kind message --kind response",
            ["message", "response"] + ["message"] * 2 + ["response"],
        ),
        ("--session s1", ["req", "message", "response", "close"]),
        ("--session s1 --kind close", ["close"]),
        ("--from 3600", []),
        ("--to 3600 --kind mark", ["mark"]),
        ("--kind signal", []),
        ("--rows 2", ["req", "message"]),
    ],
)
def test_show_shows_the_rows_that_fit(
    lesson: Path, capsys: pytest.CaptureFixture[str], options: str, expected: list[str]
) -> None:
    status, out, _ = run(capsys, "show", str(lesson), *options.split())
    assert status == 0
    assert kinds(out) == expected
    assert ("no rows fit" in out) == (not expected)
    assert ("… 9 rows more: --from 0." in out) == (options == "--rows 2")


def test_what_show_says_goes_on_shows_the_rest(
    lesson: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = run(capsys, "show", "lesson", "--rows", "5")
    rows = re.search(r"6 rows more: --from ([\d.]+), or --rows (\d+)", out)
    assert rows is not None
    assert len(kinds(run(capsys, "show", "lesson", "--rows", rows[2])[1])) == 11
    start = float(rows[1])
    assert len(kinds(run(capsys, "show", "lesson", "--from", str(start))[1])) >= 6


def test_show_names_damaged_lines_and_the_remedy(
    lesson: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(lesson, 4)
    status, out, _ = run(capsys, "show", "lesson")
    assert status == 0
    assert "  damage   recordings/lesson.jsonl, line 4: " in out
    assert "wsflow repair lesson takes damaged lines out" in out
    assert len(kinds(out)) == 10


# ---- repair


def test_repair_tells_what_was_cut_and_where_the_file_is_as_it_was(
    lesson: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(lesson, 4, 6)
    before = lesson.read_bytes()
    status, out, errors = run(capsys, "repair", "lesson")
    assert (status, errors) == (0, "")
    *cut, repaired, kept = out.splitlines()
    assert [line.partition(": ")[0] for line in cut] == [
        "recordings/lesson.jsonl, line 4",
        "recordings/lesson.jsonl, line 6",
    ]
    assert repaired == "repaired: 2 lines cut out; as it was:"
    assert (lesson.parent / Path(kept.strip()).name).read_bytes() == before
    assert run(capsys, "repair", "lesson")[1] == "nothing to repair in recordings/lesson.jsonl\n"
    damage(lesson, 3)
    again = run(capsys, "repair", "lesson")[1].splitlines()
    assert again[-2] == "repaired: 1 line cut out; as it was:"
    assert again[-1] != kept, "what was kept first is kept still"


def test_of_much_damage_the_number_is_told(
    lesson: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lesson.write_bytes(lesson.read_bytes() + b"{}\n" * 100)
    _, out, _ = run(capsys, "repair", "lesson")
    assert out.count("lesson.jsonl, line ") == 10
    assert "… and 90 lines more cut out\n" in out


# ---- convert


def test_convert_writes_csv(lesson: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, errors = run(capsys, "convert", "lesson", "lesson.csv")
    assert (status, errors) == (0, "")
    assert out == f"wrote lesson.csv, {Path('lesson.csv').stat().st_size:,} bytes\n"
    with Path("lesson.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows if row["session"]][:3] == ["req", "message", "response"]


def test_convert_writes_parquet_or_says_what_to_install(
    lesson: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, errors = run(capsys, "convert", str(lesson), "lesson.parquet")
    if find_spec("pyarrow"):
        assert (status, errors) == (0, "")
        assert Path("lesson.parquet").read_bytes()[:4] == b"PAR1"
    else:
        assert (status, out) == (2, "")
        assert errors == "wsflow: Parquet needs its packages: pip install 'wsflow[parquet]'\n"
        assert not Path("lesson.parquet").exists()


def test_convert_writes_a_har_and_reads_it_again(
    lesson: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "convert", "lesson", "lesson.har")[0] == 0
    assert run(capsys, "convert", "lesson.har", "recordings/again.jsonl")[0] == 0
    then, now = (
        [(row.kind, row.path, row.value) for row in Recording.open(name).rows()]
        for name in ("lesson", "again")
    )
    there = {"req", "message", "response", "close"}
    assert sorted(map(str, now)) == sorted(str(one) for one in then if one[0] in there)


def test_a_har_never_takes_the_place_of_a_recording(
    lesson: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = lesson.read_bytes()
    run(capsys, "convert", "lesson", "lesson.har")
    status, _, errors = run(capsys, "convert", "lesson.har", str(lesson))
    assert (status, "is there already" in errors) == (2, True)
    assert run(capsys, "convert", "lesson.har", str(lesson), "--force")[0] == 0
    assert lesson.with_name("lesson-1.jsonl").read_bytes() == before


def test_convert_overwrites_only_when_told_to(
    lesson: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("lesson.csv").write_text("mine")
    status, _, errors = run(capsys, "convert", "lesson", "lesson.csv")
    assert (status, errors) == (
        2,
        "wsflow: lesson.csv is there already; --force writes over it\n",
    )
    assert Path("lesson.csv").read_text() == "mine"
    assert run(capsys, "convert", "lesson", "lesson.csv", "--force")[0] == 0
    assert Path("lesson.csv").read_text() != "mine"


def test_convert_says_what_is_left_out(lesson: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(lesson, 4)
    status, out, _ = run(capsys, "convert", "lesson", "lesson.csv")
    assert status == 0
    assert out.startswith("left out: recordings/lesson.jsonl, line 4: ")


# ---- misuse


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("show nope", "no recording 'nope' in recordings; there are: 'lesson'"),
        ("show ../lesson", "no recording '../lesson' in .."),
        ("show notes.jsonl", "notes.jsonl, line 1: not a recording of wsflow"),
        ("show newer.jsonl", "newer.jsonl, line 1: recording format 999 is newer than this wsflow"),
        ("show lesson --session s9", "no session 's9' in lesson; there are: s1-"),
        ("show lesson --kind x", "argument --kind: invalid choice: 'x' (choose from"),
        ("show lesson --rows 0", "'0' is no number of rows (see wsflow show --help)"),
        ("show lesson --from x", "argument --from: invalid float value: 'x'"),
        ("show", "the following arguments are required: recording"),
        ("repair nope", "no recording 'nope'"),
        ("convert nope x.csv", "no recording 'nope'"),
        (
            "convert lesson x.txt",
            "lesson does not become '.txt': a recording becomes .csv, .har, .parquet, and .har b",
        ),
        ("convert lesson csv", "lesson does not become 'csv': a recording becomes .csv,"),
        ("convert x.har x.csv", "x.har does not become '.csv': "),
        ("convert no.har x.jsonl", "no.har: can not be read: No such file or directory"),
        ("convert newer.jsonl x.har", "recording format 999 is newer than this wsflow reads"),
        ("convert lesson no/x.csv", "there is no folder 'no' to write x.csv to"),
        ("record app.py", "the following arguments are required: NAME"),
    ],
)
def test_misuse_is_a_line_that_says_what_to_do(
    lesson: Path, capsys: pytest.CaptureFixture[str], command: str, text: str
) -> None:
    Path("notes.jsonl").write_text('{"a": 1}\n')
    newer = lesson.read_bytes().splitlines()[0].replace(b'"wsflow":1,', b'"wsflow":999,')
    Path("newer.jsonl").write_bytes(with_checksum(newer))
    status, out, errors = run(capsys, *command.split())
    assert (status, out) == (2, "")
    assert errors.startswith("wsflow: ")
    assert text in errors
    assert len(errors.splitlines()) == 1


def with_checksum(line: bytes) -> bytes:
    """Return a line with its checksum put right."""
    from wsflow.io import format as lines

    return lines.write(line[lines.BODY : -1])
