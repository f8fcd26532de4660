"""Other recordings out of recordings: what is given stays as it was, and nothing gets lost."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from wsflow import Context, Flow
from wsflow.base.secrets import REDACTED
from wsflow.errors import RecordingError, RecordingNameError
from wsflow.io import editing as editing_module
from wsflow.io.folder import names
from wsflow.io.format import FORMAT, write_object
from wsflow.io.reader import CONVERTERS
from wsflow.recording import Recording

SECRET = "hunter2-geheim"
START = 1_714_557_600 * 10**9


def header(**more: Any) -> dict[str, Any]:
    created = "2024-05-01T10:00:00.000+00:00"
    return {"wsflow": FORMAT, "created": created, "time": START, "flow": {"name": "chat"}} | more


def opened(who: str, **more: Any) -> dict[str, Any]:
    facts = {"id": who, "path": f"/{who}", "params": {}, "query": {}, "headers": {}}
    return {"opened": facts | more}


def row(seq: int, kind: str = "message", who: str | None = "s1", **more: Any) -> dict[str, Any]:
    fields = {"seq": seq, "t": float(seq), "time": START + seq * 10**9, "kind": kind}
    return fields | ({} if who is None else {"session": who, "path": f"/{who}"}) | more


def made(path: Path, *given: dict[str, Any], tail: bytes = b"") -> Recording:
    path.write_bytes(b"".join(map(write_object, given)) + tail)
    return Recording.open(path)


@pytest.fixture
def story(tmp_path: Path) -> Recording:
    """Two sessions and two marks over nine seconds."""
    return made(
        tmp_path / "story.jsonl",
        header(later=1),
        opened("s1"),
        row(1, "req"),
        row(2, data="a", scope=1, later={"deep": [1]}),
        row(3, "mark", None, data="lesson 1"),
        opened("s2", later=True),
        row(4, "req", "s2"),
        row(5, data="b", scope=2),
        row(6, "response", data="B", scope=2, cause=5),
        row(7, "mark", None, data="lesson 2"),
        row(8, "message", "s2", bytes="AP8=", scope=3),
        row(9, "close", "s2", code=1000),
    )


def values(recording: Recording) -> list[Any]:
    return [row.value for row in recording.rows() if row.value is not None]


# ---- in general


def test_what_is_given_stays_as_it_was(story: Recording) -> None:
    before = story.path.read_bytes()
    story.redact("x", to="a")
    story.trim(2, 5, to="b")
    story.split(to="c")
    story.merge(story, to="d")
    assert story.path.read_bytes() == before
    assert names(story.path.parent) == ["a", "b", "c-s1", "c-s2", "d", "story"]


@pytest.mark.parametrize("to", ["story", "story.jsonl"])
def test_nothing_is_made_in_place(story: Recording, to: str) -> None:
    before = story.path.read_bytes()
    other = made(story.path.with_name("other.jsonl"), header())
    told = "is what it is made of; give another name"
    with pytest.raises(RecordingError, match=told):
        story.redact("x", to=to)
    with pytest.raises(RecordingError, match=told):
        story.trim(2, to=to)
    with pytest.raises(RecordingError, match=told):
        other.merge(story, to=to)
    assert story.path.read_bytes() == before


@pytest.mark.parametrize("to", ["../x", "", "a/b", "x.part2"])
def test_a_name_that_leaves_the_folder_is_refused(story: Recording, to: str) -> None:
    with pytest.raises(RecordingNameError):
        story.redact("x", to=to)
    with pytest.raises(RecordingNameError):
        story.trim(to=to)


def test_a_recording_of_that_name_is_kept(story: Recording) -> None:
    for _ in range(2):
        story.trim(to="a")
    assert names(story.path.parent) == ["a", "a-1", "story"]


def test_keys_of_a_later_version_are_kept(story: Recording) -> None:
    for other in (
        story.redact("x", to="a"),
        story.trim(to="b"),
        story.split(to="c")["s1"],
        story.merge(to="d"),
    ):
        assert other.header["later"] == 1
        lines = list(other.objects())
        assert {"deep": [1]} in [line.get("later") for line in lines]
    assert next(story.split(to="e")["s2"].objects())["data"] == "lesson 1"


def test_an_older_format_becomes_today_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def convert(line: dict[str, Any]) -> dict[str, Any]:
        if "what" in line:
            line["kind"] = line.pop("what")
        return line

    monkeypatch.setitem(CONVERTERS, 0, convert)
    old = {"seq": 1, "t": 0.5, "what": "message", "session": "s1", "data": "a", "own": 5}
    source = made(tmp_path / "old.jsonl", {"wsflow": 0}, opened("s1"), old)
    new = source.redact("x", to="new")
    assert new.header["wsflow"] == FORMAT
    assert list(new.rows()) == list(source.rows())
    assert list(new.objects())[1]["own"] == 5


def test_damaged_lines_are_left_out_and_named(tmp_path: Path) -> None:
    source = made(tmp_path / "torn.jsonl", header(), opened("s1"), row(1, data="a"), tail=b"torn")
    new = source.trim(to="new")
    assert values(new) == ["a"]
    assert new.info().damage == []
    assert [one.line for one in source.damage] == [4]


def test_all_parts_become_one_file(story: Recording) -> None:
    story.path.with_name("story.part2.jsonl").write_bytes(
        write_object(header(part=2)) + write_object(opened("s1")) + write_object(row(20, data="z"))
    )
    new = story.redact("x", to="new")
    assert (len(new.parts()), new.header["part"]) == (1, 1)
    assert values(new)[-1] == "z"


# ---- redacting again


def test_a_secret_noticed_afterwards_is_taken_out_everywhere(tmp_path: Path) -> None:
    text = json.dumps({"password": SECRET, "n": 1})
    source = made(
        tmp_path / "one.jsonl",
        header(redacted=["cookie"]),
        opened(
            "s1",
            path=f"/login/{SECRET}",
            params={"password": SECRET},
            query={"password": SECRET, "token": SECRET},
            headers={"cookie": SECRET, "host": "here"},
            later={"password": SECRET},
        ),
        row(1, data=text, path=f"/login/{SECRET}"),
        row(2, bytes=base64.b64encode(text.encode()).decode()),
        row(3, "route", data={"a": [{"Password": SECRET}], "b": {"$bytes": "AP8="}}),
        row(4, "error", error=f"no user {{'password': '{SECRET}'}}"),
        row(5, "close", code=4000, reason=f"password={SECRET}"),
        row(6, later={"password": [SECRET]}, password=SECRET),
    )
    new = source.redact("password", to="clean")
    raw = new.path.read_bytes()
    assert SECRET.encode() not in raw
    assert b"hunter" not in b"".join(
        row.value for row in new.rows() if isinstance(row.value, bytes)
    )
    first, second, third, *_ = new.rows()
    assert json.loads(first.value) == json.loads(second.value) == {"password": REDACTED, "n": 1}
    assert first.path == f"/login/{REDACTED}"
    assert third.value == {"a": [{"Password": REDACTED}], "b": b"\x00\xff"}
    assert new.header["redacted"] == sorted({*new.header["redacted"], "cookie", "password"})
    assert new.sessions()["headers"][0]["host"] == "here"
    assert [row.seq for row in new.rows()] == [1, 2, 3, 4, 5, 6]


def test_without_secrets_it_is_the_same(story: Recording) -> None:
    assert list(story.redact("password", to="new").objects()) == list(story.objects())


# ---- cutting


def test_a_slice_begins_at_zero(story: Recording) -> None:
    new = story.trim(4.5, 8.5, to="new")
    assert [(row.seq, row.t) for row in new.rows()] == [(5, 0.5), (6, 1.5), (7, 2.5), (8, 3.5)]
    assert [row.time for row in new.rows()] == [START + seq * 10**9 for seq in (5, 6, 7, 8)]
    assert new.header["time"] == START + 4_500_000_000
    assert new.header["created"] == "2024-05-01T10:00:04.500+00:00"


def test_a_slice_has_the_handshakes_of_its_sessions_and_of_no_other(story: Recording) -> None:
    assert list(story.trim(5, 6, to="a").sessions()["session"]) == ["s1"]
    assert list(story.trim(8, to="b").sessions()["session"]) == ["s2"]


def test_marks_say_where(story: Recording) -> None:
    assert values(story.trim("lesson 1", "lesson 2", to="a")) == ["lesson 1", "b", "B", "lesson 2"]
    assert values(story.trim("lesson 2", to="b")) == ["lesson 2", b"\x00\xff"]
    with pytest.raises(RecordingError, match=r"no mark 'lesson 3' in .*'lesson 1', 'lesson 2'"):
        story.trim("lesson 3", to="c")


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (5, 5), (6, 5), (float("nan"), 5)])
def test_a_slice_that_is_none_is_an_error(story: Recording, start: float, end: float) -> None:
    with pytest.raises(RecordingError, match="from an earlier moment to a later one"):
        story.trim(start, end, to="a")


def test_a_slice_with_nothing_in_it_says_how_long_it_is(story: Recording) -> None:
    with pytest.raises(RecordingError, match=r"no rows from 50 to None in .*: it has 9 s"):
        story.trim(50, to="a")
    assert names(story.path.parent) == ["story"]


async def test_a_slice_can_be_played(flow: Flow, tmp_path: Path) -> None:
    @flow.node
    def shout(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": ev["message"].upper()})

    flow.websocket("/").message >> shout
    with flow.record("one", folder=tmp_path) as recorder:
        async with flow.client("/") as alice:
            for said in ("before", "after"):
                await alice.send(said)
                await alice.receive()
                recorder.mark("now")
                recorder.mark(said)
    new = Recording.open(recorder.path).trim("before", to="new")
    report = await flow.replay(new)
    assert (report.ok, report.tally.same) == (True, 1)


# ---- a session each


def test_each_session_gets_a_recording_of_its_own(story: Recording) -> None:
    alone = story.split()
    assert {who: one.name for who, one in alone.items()} == {"s1": "story-s1", "s2": "story-s2"}
    assert values(alone["s1"]) == ["a", "lesson 1", "b", "B", "lesson 2"]
    assert values(alone["s2"]) == ["lesson 1", "lesson 2", b"\x00\xff"]
    for who, one in alone.items():
        assert list(one.sessions()["session"]) == [who]
        assert {row.session for row in one.rows()} == {who, None}
        seqs = [row.seq for row in one.rows()]
        assert seqs == sorted(seqs)


def test_sessions_of_any_name_get_a_file_each(tmp_path: Path) -> None:
    ids = ["../../x", "..--..-x", "a b", "a\x00b", "ü", "ö", "x" * 500, "", "s1"]
    given = [one for seq, who in enumerate(ids, 1) for one in (opened(who), row(seq, who=who))]
    alone = made(tmp_path / ("n" * 100 + ".jsonl"), header(), *given).split()
    assert list(alone) == ids
    assert len({one.path for one in alone.values()}) == len(ids)
    assert {one.path.parent for one in alone.values()} == {tmp_path}
    for who, one in alone.items():
        assert [row.session for row in one.rows()] == [who]


def test_many_sessions_are_written_in_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(editing_module, "HELD", 2_000)
    given = [opened(f"s{number}") for number in range(20)]
    given += [row(seq, who=f"s{seq % 20}", data=f"{seq}") for seq in range(400)]
    for who, one in made(tmp_path / "many.jsonl", header(), *given).split().items():
        assert values(one) == [f"{seq}" for seq in range(400) if seq % 20 == int(who[1:])]


def test_what_has_no_sessions_is_not_split(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no sessions in it"):
        made(tmp_path / "empty.jsonl", header(), row(1, "mark", None, data="x")).split()


# ---- several in one


def test_two_recordings_become_one_in_the_order_of_time(tmp_path: Path) -> None:
    first = made(
        tmp_path / "a.jsonl",
        header(redacted=["cookie"]),
        opened("a"),
        *(row(seq, who="a", data=f"a{seq}", scope=seq) for seq in (1, 3, 5)),
    )
    second = made(
        tmp_path / "b.jsonl",
        header(time=START - 2 * 10**9, redacted=["pin"]),
        opened("b"),
        *(row(seq, who="b", data=f"b{seq}", scope=seq, cause=seq - 1) for seq in (1, 2, 4, 6)),
    )
    whole = first.merge(second, to="whole")
    rows = list(whole.rows())
    # the second began two seconds earlier
    assert [row.value for row in rows] == ["b1", "b2", "a1", "b4", "a3", "b6", "a5"]
    assert [row.t for row in rows] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    assert [row.seq for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    assert [row.cause for row in rows] == [0, 1, 0, 0, 0, 0, 0]
    assert len({row.scope for row in rows}) == 7
    assert whole.header["time"] == START - 2 * 10**9
    assert whole.header["redacted"] == ["cookie", "pin"]
    assert whole.header["merged"] == ["a", "b"]
    assert list(whole.sessions()["session"]) == ["b", "a"]


def test_sessions_of_one_name_stay_apart(tmp_path: Path) -> None:
    given = [
        made(tmp_path / f"{name}.jsonl", header(), opened("s1"), row(1, data=name))
        for name in ("a", "b", "c")
    ]
    whole = given[0].merge(*given[1:], to="whole")
    assert [(row.session, row.value) for row in whole.rows()] == [
        ("s1", "a"),
        ("s1~2", "b"),
        ("s1~3", "c"),
    ]
    assert sorted(whole.sessions()["session"]) == ["s1", "s1~2", "s1~3"]


def test_what_is_split_and_merged_again_says_the_same(story: Recording) -> None:
    first, second = story.split(to="x").values()
    whole = first.merge(second, to="whole")

    def talk(recording: Recording) -> list[tuple[Any, ...]]:
        return [
            (row.t, row.kind, row.session, row.value) for row in recording.rows() if row.session
        ]

    assert talk(whole) == talk(story)


def test_a_recording_without_its_header_is_merged_by_its_rows(tmp_path: Path) -> None:
    first = made(tmp_path / "a.jsonl", header(), opened("a"), row(2, who="a", data="late"))
    second = made(tmp_path / "b.jsonl", opened("b"), row(1, who="b", data="early"))
    assert values(first.merge(second, to="c")) == ["early", "late"]
    empty = made(tmp_path / "e.jsonl")
    assert values(first.merge(empty, to="d")) == ["late"]


async def test_what_was_merged_can_be_played(flow: Flow, tmp_path: Path) -> None:
    @flow.node
    def shout(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": ev["message"].upper()})

    flow.websocket("/").message >> shout
    takes = []
    for name in ("a", "b"):
        with flow.record(name, folder=tmp_path) as recorder:
            async with flow.client("/") as alice:
                await alice.send(name)
                await alice.receive()
        takes.append(Recording.open(recorder.path))
    report = await flow.replay(takes[0].merge(takes[1], to="whole"))
    assert (report.ok, report.tally.same) == (True, 2)
