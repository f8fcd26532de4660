"""HAR in and out: the client's view and ours, and every fault named with its line."""

import base64
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsflow import Context, Flow
from wsflow.base.secrets import REDACTED
from wsflow.errors import RecordingError, RecordingNameError
from wsflow.io.folder import names
from wsflow.io.format import FORMAT, write_object
from wsflow.recording import Recording

SAMPLE = Path(__file__).parents[2] / "recordings" / "whiteboard.har"
BEGAN = "2024-05-01T10:00:00.000Z"
T0 = 1_714_557_600.0
SECRET = "hunter2-geheim"


def sent(data: str, time: float = T0 + 1, opcode: int = 1) -> dict[str, Any]:
    return {"type": "send", "time": time, "opcode": opcode, "data": data}


def received(data: str, time: float = T0 + 1, opcode: int = 1) -> dict[str, Any]:
    return sent(data, time, opcode) | {"type": "receive"}


def socket(*messages: Any, url: str = "ws://here/chat/red?a=1", **more: Any) -> dict[str, Any]:
    """Return an entry as Chrome writes it."""
    request = {"method": "GET", "url": url, "headers": [{"name": "Host", "value": "here"}]}
    return {
        "_resourceType": "websocket",
        "_webSocketMessages": list(messages),
        "startedDateTime": BEGAN,
        "time": 5_000.0,
        "request": request,
        "response": {"status": 101},
    } | more


PAGE = {
    "_resourceType": "document",
    "startedDateTime": BEGAN,
    "request": {"url": "http://here/"},
    "response": {"status": 200},
}


def har(*entries: Any, **more: Any) -> dict[str, Any]:
    return {
        "log": {"version": "1.2", "creator": {"name": "WebInspector"}, "entries": [*entries]} | more
    }


def saved(folder: Path, content: Any) -> Path:
    path = folder / "saved.har"
    path.write_text(json.dumps(content, indent=1))
    return path


def imported(folder: Path, *entries: Any) -> Recording:
    return Recording.from_har(saved(folder, har(*entries)), "one", folder=folder)


def talk(recording: Recording) -> dict[str, list[tuple[str, Any]]]:
    """Return what each session said and heard, in order."""
    found: dict[str, list[tuple[str, Any]]] = {}
    for row in recording.rows():
        if row.session is not None and row.kind in {"message", "response", "send"}:
            kind = "message" if row.kind == "message" else "response"
            found.setdefault(row.session, []).append((kind, row.value))
    return found


# ---- in


def test_what_the_client_sent_is_a_message_and_what_it_received_a_response(tmp_path: Path) -> None:
    recording = imported(tmp_path, socket(sent("hi", T0 + 1), received("HI", T0 + 1.25)))
    req, message, response, close = recording.rows()
    assert (message.kind, message.value, message.t, message.size) == ("message", "hi", 1.0, 2)
    assert (response.kind, response.value, response.t) == ("response", "HI", 1.25)
    assert (req.kind, req.t, close.kind, close.t, close.code) == ("req", 0.0, "close", 5.0, None)
    assert message.time == 1_714_557_601 * 10**9
    assert {row.session for row in recording.rows()} == {"h1"}
    assert recording.damage == []


def test_the_handshake_is_that_of_the_request(tmp_path: Path) -> None:
    entry = socket(url="wss://here:8080/chat/r%C3%A4%20d?a=1&b=x&b=y#part")
    entry["request"]["headers"].append({"name": "User-Agent", "value": "Firefox"})
    facts = imported(tmp_path, PAGE, entry).sessions().to_dict("records")[0]
    assert (facts["session"], facts["path"], facts["method"]) == ("h2", "/chat/rä d", "GET")
    assert facts["query"] == {"a": "1", "b": ["x", "y"]}
    assert facts["headers"] == {"host": "here", "user-agent": "Firefox"}


def test_binary_messages_come_as_base64(tmp_path: Path) -> None:
    data = bytes(range(256))
    recording = imported(tmp_path, socket(sent(base64.b64encode(data).decode(), opcode=2)))
    assert talk(recording) == {"h1": [("message", data)]}


def test_sessions_are_woven_by_time_and_each_keeps_its_order(tmp_path: Path) -> None:
    first = socket(sent("a", T0 + 1), sent("c", T0 + 3), received("early", T0 + 2))
    second = socket(sent("b", T0 + 2), sent("d", T0 + 4))
    rows = [row.value for row in imported(tmp_path, first, second).rows() if row.value]
    assert rows == ["a", "b", "c", "early", "d"]


def test_pings_are_left_out_and_errors_are_errors(tmp_path: Path) -> None:
    odd = {"type": "error", "time": T0 + 2, "opcode": -1, "data": "Invalid frame header"}
    recording = imported(tmp_path, socket(sent("", opcode=9), received("A+g=", opcode=8), odd))
    _, error, _ = recording.rows()
    assert (error.kind, error.error) == ("error", "Invalid frame header")


def test_secrets_of_the_browser_stay_out(tmp_path: Path) -> None:
    entry = socket(sent("hi"), url=f"wss://here/chat?token={SECRET}&a=1")
    entry["request"]["headers"] += [
        {"name": "Cookie", "value": SECRET},
        {"name": "Authorization", "value": SECRET},
        {"name": "Sec-WebSocket-Protocol", "value": f"wsflow.token.{SECRET}"},
    ]
    recording = imported(tmp_path, entry)
    assert SECRET.encode() not in recording.path.read_bytes()
    facts = recording.sessions().to_dict("records")[0]
    assert facts["headers"]["cookie"] == facts["query"]["token"] == REDACTED
    assert "cookie" in recording.info().redacted


def test_a_connection_that_was_refused_is_none(tmp_path: Path) -> None:
    recording = imported(tmp_path, socket(response={"status": 403}), socket(sent("hi")))
    assert list(recording.sessions()["session"]) == ["h2"]


def test_the_header_says_where_it_comes_from(tmp_path: Path) -> None:
    header = imported(tmp_path, socket()).header
    assert header["from"] == {"har": "saved.har", "creator": "WebInspector"}
    assert (header["wsflow"], header["created"]) == (FORMAT, BEGAN)


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path, har(socket(sent("hi"))))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert talk(Recording.from_har(path, "one", folder=tmp_path)) == {"h1": [("message", "hi")]}


def test_a_recording_of_that_name_is_kept(tmp_path: Path) -> None:
    for _ in range(2):
        imported(tmp_path, socket(sent("hi")))
    assert names(tmp_path) == ["one", "one-1"]


def test_what_a_real_browser_saved_is_read(tmp_path: Path) -> None:
    recording = Recording.from_har(SAMPLE, "one", folder=tmp_path)
    info = recording.info()
    assert (info.sessions, info.messages, info.responses, info.errors) == (2, 13, 24, 0)
    told = json.loads(SAMPLE.read_text())["log"]["entries"]
    for entry in told:
        if entry.get("_webSocketMessages"):
            count = sum(one["type"] == "send" for one in entry["_webSocketMessages"])
            path = entry["request"]["url"].partition(":")[2].partition("/board")[2]
            mine = [
                r for r in recording.rows() if r.path == f"/board{path}" and r.kind == "message"
            ]
            assert len(mine) == count


# ---- wrong


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", r"line 1: no JSON, so no HAR"),
        (b'{\n "log": {\n  "entries": [\n', r"line 4: no JSON, so no HAR: .*saved whole"),
        (b'{\n"log": \xff}', r"line 2: no JSON"),
        (b"[" * 10_000, r"line 1: no HAR: it is nested too deep"),
        (b"[]", r"line 1: no HAR: there is no list at log\.entries"),
        (b'{"log": {"entries": 5}}', r"no list at log\.entries; open the browser's network panel"),
        (b"PK\x03\x04\xff", r"no JSON"),
    ],
)
def test_what_is_no_har_is_told_with_its_line(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "saved.har"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=rf"saved\.har, {told}" if "line" in told else told):
        Recording.from_har(path, "one", folder=tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (PAGE, r"line 1: a HAR without WebSocket connections; open the browser's network panel"),
        ("x", r"line \d+: entry 1 is no object"),
        (
            socket(_webSocketMessages=None),
            r"line \d+: the messages of entry 1 \(ws://here/chat/red",
        ),
        (socket(_webSocketMessages="x"), r"were not saved; open"),
        (socket("x"), r"entry 1, message 1 is no object"),
        (socket(sent("hi"), {"type": "send"}), r"message 2 has no time in seconds"),
        (socket(sent("hi", time=-1)), r"no time"),
        (socket(sent("hi", time=1e300)), r"no time"),
        (socket(sent("hi") | {"time": True}), r"no time"),
        (socket(sent("hi") | {"type": "whispered"}), r"neither sent nor received: 'whispered'"),
        (socket(sent("hi") | {"data": None}), r"has no data"),
        (socket(sent("hi") | {"opcode": "1"}), r"has no data"),
        (socket(sent("no base64!", opcode=2)), r"message 1 is binary \(opcode 2\).*no base64"),
        (socket(sent("AAA", opcode=2)), r"save the HAR again, or take this message out"),
        (socket(startedDateTime="yesterday"), r"entry 1: Invalid isoformat"),
        (socket(url="http://[bad"), r"entry 1: "),
    ],
)
def test_a_fault_within_is_told_with_entry_and_message(
    tmp_path: Path, entry: Any, told: str
) -> None:
    with pytest.raises(RecordingError, match=told) as caught:
        imported(tmp_path, entry)
    assert str(caught.value).startswith(f"{tmp_path / 'saved.har'}, line ")
    assert names(tmp_path) == []


def test_the_line_is_that_of_the_fault(tmp_path: Path) -> None:
    path = saved(tmp_path, har(PAGE, socket(sent("ok"), sent("%%%", opcode=2))))
    (line,) = [at for at, text in enumerate(path.read_text().split("\n"), 1) if "%%%" in text]
    with pytest.raises(RecordingError, match=rf"line {line}: entry 2, message 2 "):
        Recording.from_har(path, "one", folder=tmp_path)


def test_garbage_in_any_place_is_an_error_of_ours_or_none(tmp_path: Path) -> None:
    dice = random.Random(1)
    whole = json.dumps(har(socket(sent("hi"), received("AAA=", opcode=2)))).encode()
    path = tmp_path / "saved.har"
    for _ in range(1_500):
        spoilt = bytearray(whole)
        spoilt[dice.randrange(len(spoilt))] = dice.randrange(256)
        path.write_bytes(spoilt)
        try:
            recording = Recording.from_har(path, "one", folder=tmp_path)
        except RecordingError:
            continue
        assert list(recording.rows()) or recording.damage == []
        recording.path.unlink()


@pytest.mark.parametrize("junk", [5, "x", [], {}, None, 1.5, True, [[]], -1])
@pytest.mark.parametrize(
    "where", ["request", "response", "time", "_wsflow", "startedDateTime", "_webSocketMessages"]
)
def test_another_type_anywhere_is_an_error_of_ours_or_none(
    tmp_path: Path, where: str, junk: Any
) -> None:
    try:
        recording = imported(tmp_path, socket(sent("hi")) | {where: junk})
    except RecordingError:
        return
    assert recording.info().sessions == 1


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"nowhere\.har: can not be read: No such file"):
        Recording.from_har(tmp_path / "nowhere.har", "one", folder=tmp_path)


def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingNameError):
        Recording.from_har(saved(tmp_path, har(socket())), "../one", folder=tmp_path)


# ---- out


async def recorded(flow: Flow, folder: Path) -> Recording:
    """Record two sessions that say all kinds of things."""

    @flow.node
    def shout(ev: Any, ctx: Context) -> None:
        said = ev["message"]
        ctx.emit("response", {"body": said.upper() if isinstance(said, str) else said[::-1]})

    flow.websocket("/chat/{room}").message >> shout
    with flow.record("one", folder=folder) as recorder:
        async with flow.client("/chat/rä d?a=1&b=x&b=y", headers={"User-Agent": "me"}) as alice:
            bob = await flow.client("/chat/blue")
            for said in ("hi", "Grüße 🖍", b"\x00\xff", ""):
                await alice.send(said)
                await bob.send(said)
                await alice.receive()
                await bob.receive()
            assert bob.session is not None
            bob.session.send("by hand")
            await bob.receive()
    return Recording.open(recorder.path)


async def test_a_har_is_what_browsers_write(flow: Flow, tmp_path: Path) -> None:
    recording = await recorded(flow, tmp_path)
    log = json.loads(recording.to_har(tmp_path / "out.har").read_text())["log"]
    assert log["version"] == "1.2"
    assert log["creator"]["name"] == "wsflow"
    for entry in log["entries"]:
        assert entry["_resourceType"] == "websocket"
        assert {"startedDateTime", "time", "request", "response", "cache", "timings"} <= set(entry)
        request, response = entry["request"], entry["response"]
        for key in ("httpVersion", "cookies", "headers", "headersSize", "bodySize"):
            assert key in request
            assert key in response
        assert response["status"] == 101
        for message in entry["_webSocketMessages"]:
            assert set(message) == {"type", "time", "opcode", "data"}
            assert abs(message["time"] - recording.header["time"] / 1e9) < 60
    alice, bob = log["entries"]
    assert alice["request"]["url"] == "ws://memory/chat/r%C3%A4%20d?a=1&b=x&b=y"
    assert {"name": "b", "value": "y"} in alice["request"]["queryString"]
    assert {"name": "user-agent", "value": "me"} in alice["request"]["headers"]
    first = alice["_webSocketMessages"][:2]
    assert [(one["type"], one["data"]) for one in first] == [("send", "hi"), ("receive", "HI")]
    assert {"opcode": 2, "data": "AP8="}.items() <= alice["_webSocketMessages"][4].items()
    assert alice["time"] > 0
    assert bob["_webSocketMessages"][-1]["data"] == "by hand"


async def test_there_and_back_it_is_the_same_talk(flow: Flow, tmp_path: Path) -> None:
    recording = await recorded(flow, tmp_path)
    back = Recording.from_har(recording.to_har(tmp_path / "o.har"), "back", folder=tmp_path)
    assert talk(back) == talk(recording)
    assert len(talk(back)) == 2
    then, now = recording.sessions(), back.sessions()
    for column in ("session", "opened", "peer", "path", "method", "params", "query", "headers"):
        assert list(then[column]) == list(now[column]), column
    for column in ("closed", "code", "reason"):
        assert list(then[column].astype(str)) == list(now[column].astype(str)), column
    again = Recording.from_har(back.to_har(tmp_path / "p.har"), "again", folder=tmp_path)
    assert list(again.objects()) == list(back.objects())


async def test_what_came_from_a_har_can_be_played(flow: Flow, tmp_path: Path) -> None:
    recording = await recorded(flow, tmp_path)
    back = Recording.from_har(recording.to_har(tmp_path / "o.har"), "back", folder=tmp_path)
    report = await flow.replay(back)
    assert report.tally.same == 8
    # what was sent by hand looks like an answer there: nobody told the browser
    assert [pair.status for pair in report.tally.differing] == ["missing"]


@settings(deadline=None, max_examples=60)
@given(
    talks=st.lists(
        st.lists(st.tuples(st.booleans(), st.text() | st.binary(), st.integers(0, 10**9))),
        min_size=1,
        max_size=4,
    )
)
def test_any_talk_comes_back(talks: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("har")
    lines: list[dict[str, Any]] = [{"wsflow": FORMAT, "time": 10**18}]
    seq, now = 0, 10**18
    for number, said in enumerate(talks):
        who = f"s{number}"
        lines.append({"opened": {"id": who, "path": "/", "time": now}})
        for by_client, data, pause in said:
            seq, now = seq + 1, now + pause
            kind = "message" if by_client else "response"
            body = (
                {"bytes": base64.b64encode(data).decode()}
                if isinstance(data, bytes)
                else {"data": data}
            )
            lines.append({"seq": seq, "time": now, "kind": kind, "session": who} | body)
    path = folder / "one.jsonl"
    path.write_bytes(b"".join(map(write_object, lines)))
    recording = Recording.open(path)
    back = Recording.from_har(recording.to_har(folder / "o.har"), "back", folder=folder)
    assert talk(back) == talk(recording)


def test_a_recording_without_sessions_gives_no_har(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_bytes(write_object({"wsflow": FORMAT}))
    with pytest.raises(RecordingError, match=r"empty\.jsonl: no sessions in it"):
        Recording.open(path).to_har(tmp_path / "o.har")


def test_a_har_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    recording = imported(tmp_path, socket(sent("hi")))
    with pytest.raises(RecordingError, match=r"nowhere/o\.har: can not be written: No such"):
        recording.to_har(tmp_path / "nowhere" / "o.har")


@pytest.mark.parametrize("time", [0, -5, 2**62])
def test_odd_facts_give_a_har_all_the_same(tmp_path: Path, time: Any) -> None:
    path = tmp_path / "odd.jsonl"
    facts = {"id": "5", "path": "/?#[", "time": time, "query": {"a": ["", "&"]}}
    row = {"seq": 1, "kind": "response", "session": "5", "data": {"x": 1}}
    whole: list[dict[str, Any]] = [{"wsflow": FORMAT}, {"opened": facts}, row]
    path.write_bytes(b"".join(map(write_object, whole)))
    out = json.loads(Recording.open(path).to_har(tmp_path / "o.har").read_text())
    (entry,) = out["log"]["entries"]
    assert entry["_webSocketMessages"][0]["data"] == '{"x": 1}'
