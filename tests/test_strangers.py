"""Files of strangers can do nothing but be refused, with file, line and remedy (promise P34)."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.recorded.by_hand import header, opened, row
from wsflow import Flow, Recording, recordings
from wsflow.cli import main as cli
from wsflow.compare.report import Report
from wsflow.errors import ReplayError, WsflowError
from wsflow.io.format import write_object
from wsflow.replay import live
from wsflow.replay.live import replay_to
from wsflow.replay.options import ReplayOptions

SECRET = "geheim-4711"

Lines = list[dict[str, Any]]


def written(path: Path, lines: Lines) -> Path:
    path.write_bytes(b"".join(map(write_object, lines)))
    return path


def visit(path: str = "/chat", **facts: Any) -> Lines:
    """Return a recording of one session that says something."""
    return [
        header(),
        opened("s1", path=path, **facts),
        row(1, "req", "s1", path=path),
        row(2, "message", "s1", data="hi", size=2, path=path),
        row(3, "close", "s1", code=1000, path=path),
    ]


def request(**facts: Any) -> Lines:
    """Return a recording of one HTTP request."""
    event = {"method": "POST", "path": "/push", "query": {}, "headers": {}, "body": None} | facts
    return [header(), row(1, "req", data=event, scope=1)]


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody here is waited for: those who answer do it at once."""
    monkeypatch.setattr(live, "MAX_WAIT", 0.2)
    monkeypatch.setattr(live, "LEAVE", 0.2)


class Listener:
    """Takes whatever comes to a port of its own, answers 400, and notes what it was told."""

    def __init__(self) -> None:
        self.told: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(10)
                told = b""
                while b"\r\n\r\n" not in told and (more := peer.recv(65_536)):
                    told += more
                if told:
                    self.told.append(told)
                    peer.sendall(self.answer())

    def answer(self) -> bytes:
        body = f"no, not with {SECRET}".encode()
        return b"HTTP/1.1 400 Bad Request\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)

    def stop(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self._thread.join()


@contextmanager
def listening(kind: type[Listener] = Listener) -> Iterator[Listener]:
    listener = kind()
    try:
        yield listener
    finally:
        listener.stop()


def played(listener: Listener, recording: Recording) -> Report:
    url = f"ws://127.0.0.1:{listener.port}/?token={SECRET}"
    return replay_to(url, recording, ReplayOptions()).result(timeout=50)


# ---- no request goes anywhere else (found A10)

ASTRAY = ["7/steal", "", "x", "@127.0.0.1:{port}/x", ":{port}/", "//127.0.0.1:{port}/x",
    "/\\127.0.0.1:{port}/x", "\\\\127.0.0.1:{port}", "ws://127.0.0.1:{port}/x",
    "http://127.0.0.1:{port}/x", "?x", "#x", "\r\nHost: x", " /x"]  # fmt: skip
"""Paths that are none; `port` is that of somebody who must not be asked."""


@pytest.mark.parametrize("path", ASTRAY)
@pytest.mark.parametrize("road", ["sessions", "rows", "requests", "ghosts"])
def test_p34_no_path_in_a_file_leads_to_another_server(
    tmp_path: Path, path: str, road: str
) -> None:
    """Found A10: `7/steal` behind `ws://127.0.0.1:2000` was port 20007, and got the token."""
    with listening() as there, listening() as other:
        path = path.format(port=other.port)
        made = request(path=path) if road == "requests" else visit(path)
        if road == "rows":
            del made[1]  # the path stands in the rows alone
        recording = Recording.open(written(tmp_path / "evil.jsonl", made))
        told = ""
        try:
            if road == "ghosts":
                url = f"ws://127.0.0.1:{there.port}/?token={SECRET}"
                told = repr(asyncio.run(recording.ghosts(2).run(url, speed=1000)))
            else:
                report = played(there, recording)
                told = repr(report)
                assert not report.ok
        except ReplayError as error:
            told = str(error)
            assert "evil" in told
        assert other.told == []
        assert there.told == [] or road == "ghosts"
        assert SECRET not in told


@pytest.mark.parametrize("path", ["/a?b", "/a#b", "/a b", "/a\r\nX: y", "/\x00", "/ä/%2F", "/@b:7"])
def test_p34_a_path_stays_a_path_whatever_is_in_it(tmp_path: Path, path: str) -> None:
    with listening() as there:
        recording = Recording.open(written(tmp_path / "odd.jsonl", visit(path)))
        report = played(there, recording)
        assert not report.ok
        (told,) = there.told
        line = told.split(b"\r\n")[0]
        assert line.endswith(f"?token={SECRET} HTTP/1.1".encode())
        assert line.count(b"?") == 1
        assert line.count(b" ") == 2
        assert b"X: y" not in told.replace(line, b"")


@pytest.mark.parametrize(
    "headers",
    [
        {"x": "a\r\nEvil: 1"},
        {"x\r\nEvil": "1"},
        {"x y": "1"},
        {"": "1"},
        {"x": "a\nb"},
        {"x": "\0"},
    ],
)
@pytest.mark.parametrize("make", [visit, request])
def test_p34_no_header_in_a_file_brings_another_one(
    tmp_path: Path, headers: dict[str, str], make: Callable[..., Lines]
) -> None:
    """Found A10: a line break in a header begins a header, or a request, of its own."""
    with listening() as there:
        recording = Recording.open(written(tmp_path / "evil.jsonl", make(headers=headers)))
        with pytest.raises(ReplayError, match=r"evil\.jsonl.* is none that can be sent; leave it"):
            played(there, recording)
        assert there.told == []


@pytest.mark.parametrize("name", ["transfer-encoding", "content-length", "te", "host", "expect"])
def test_p34_headers_of_the_connection_are_made_anew(tmp_path: Path, name: str) -> None:
    """What they say is of the body that follows: a stranger's could hide a request in it."""
    with listening() as there:
        recording = Recording.open(
            written(tmp_path / "evil.jsonl", request(headers={name: "chunked"}))
        )
        played(there, recording)
        assert b"chunked" not in there.told[0]


@pytest.mark.parametrize("method", ["CONNECT", "GET http://x/", "TRACE", "get", "", "G\r\nT", 5])
def test_p34_a_method_that_is_none_is_not_asked(tmp_path: Path, method: Any) -> None:
    with listening() as there:
        recording = Recording.open(written(tmp_path / "evil.jsonl", request(method=method)))
        report = played(there, recording)
        assert report.verdict == "incomplete"
        assert there.told == []


class Sending(Listener):
    """A server that sends its clients elsewhere."""

    elsewhere = 0

    def answer(self) -> bytes:
        where = b"Location: ws://127.0.0.1:%d/steal\r\n" % self.elsewhere
        return b"HTTP/1.1 307 Temporary Redirect\r\n" + where + b"content-length: 0\r\n\r\n"


def test_p34_nobody_is_followed_elsewhere(tmp_path: Path) -> None:
    """A redirect is an answer: no session goes where a server sends it."""
    with listening() as other, listening(Sending) as there:
        Sending.elsewhere = other.port
        report = played(there, Recording.open(written(tmp_path / "one.jsonl", visit())))
        assert not report.ok
        assert len(there.told) == 1
        assert other.told == []


def test_p20_a_server_that_repeats_the_token_does_not_put_it_into_the_report(
    tmp_path: Path,
) -> None:
    """Found A10: what a refusal says is told without what the operator named."""
    with listening() as there:
        report = played(there, Recording.open(written(tmp_path / "one.jsonl", visit())))
    assert any("refused with 400" in one for one in report.errors)
    assert SECRET not in f"{report!r}{report._repr_html_()}{report.errors}{report.log!r}"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/?token={}",
        "ws://127.0.0.1:abc/?token={}",
        "ws://u:{}@127.0.0.1:1/",
        "ws://u:{}@127.0.0.1:x/",
        "ws://127.0.0.1:1/?token={}#{}",
    ],
)
def test_p20_an_address_that_is_refused_is_told_without_the_token(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path / "one.jsonl", visit())
    status = cli.main(["replay", str(tmp_path / "one.jsonl"), "--to", url.format(SECRET, SECRET)])
    told = "".join(capsys.readouterr())
    assert status
    assert SECRET not in told
    assert "Traceback" not in told


# ---- every type in every place

ODD: list[Any] = [None, True, -1, 2**63, 1.5, -1.0, 1e300, "", "x", [], [[]], {}, {"a": {}}]


def places(lines: Lines) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Give each place of a recording in which a value stands, as its line and its keys."""

    def inside(value: Any, keys: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        if keys:
            yield keys
        if isinstance(value, dict):
            for key, one in value.items():
                yield from inside(one, (*keys, key))

    for number, line in enumerate(lines):
        for keys in inside(line, ()):
            yield number, keys


def bent(lines: Lines, number: int, keys: tuple[Any, ...], value: Any) -> Lines:
    """Return the lines with another value in one place."""
    fresh: Lines = json.loads(json.dumps(lines))
    there = fresh[number]
    for key in keys[:-1]:
        there = there[key]
    there[keys[-1]] = value
    return fresh


def flow() -> Flow:
    made = Flow("here")
    chat, push = made.websocket("/chat"), made.http("/push", method="POST")
    tick, button = made.timer(60, name="tick"), made.inject(None, name="button")

    @made.node
    def answer(ev: Any, ctx: Any) -> None:
        ctx.emit("response", {"body": "yes"})

    for source in (chat.req, chat.message, chat.close, push.out, tick.out, button.out):
        source >> answer
    return made


WHOLE: Lines = [
    header(
        part=1,
        ends=True,
        redacted=["pin"],
        flow={"name": "x", "nodes": [{"name": "tick", "kind": "Timer"}], "wires": [["a", "b"]]},
    ),
    opened("s1", path="/chat", query={"a": "1"}, headers={"x": "y"}, params={}),
    row(1, "req", "s1", path="/chat", scope=1),
    row(2, "message", "s1", data="hi", size=2, path="/chat", scope=2, cause=1),
    row(3, "response", "s1", data="yes", size=3, path="/chat", scope=2, cause=2, elapsed=0.5),
    row(4, "message", "s1", bytes="AP8=", size=2, path="/chat", scope=4),
    row(5, "fire", data={"count": 1, "time": 1.0}, node="tick", scope=5),
    row(6, "fire", data=1, node="button", scope=6),
    request()[1] | {"seq": 7, "t": 3.5},
    row(8, "response", data={"status": 200, "headers": {}, "body": "x"}, scope=1, cause=7),
    row(9, "error", "s1", error="e", path="/chat"),
    row(10, "mark", data="half"),
    row(11, "close", "s1", code=1000, reason="bye", path="/chat"),
    {"wsflow": 1, "end": []},
]

LOOKS: dict[str, Callable[[Recording, Path], object]] = {
    "frame": lambda one, _: one.frame().to_html(),
    "sessions": lambda one, _: one.sessions().to_string(),
    "html": lambda one, _: one._repr_html_(),
    "repr": lambda one, _: (repr(one), one.info()),
    "sequence": lambda one, _: str(one.sequence()),
    "csv": lambda one, folder: one.to_csv(folder / "x.csv"),
    "parquet": lambda one, folder: one.to_parquet(folder / "x.parquet"),
    "har": lambda one, folder: Recording.from_har(one.to_har(folder / "x.har"), "x", folder=folder),
    "pytest": lambda one, folder: one.to_pytest(folder / "test_x.py"),
    "redact": lambda one, _: one.redact("pin", to="redacted"),
    "trim": lambda one, _: one.trim(0, 2, to="trimmed"),
    "split": lambda one, _: one.split(to="split"),
    "merge": lambda one, _: one.merge(one, to="merged"),
    "repair": lambda one, _: one.repair(),
    "table": lambda one, folder: recordings(folder).to_string(),
    "replay": lambda one, _: repr(flow().replay(one).result(50)),
    "ghosts": lambda one, _: repr(asyncio.run(one.ghosts(2).run(flow()))),
    "show": lambda one, _: shown(one.path),
}


def shown(path: Path) -> None:
    assert cli.main(["show", str(path)]) in {0, 1}


@pytest.mark.parametrize("look", LOOKS)
def test_p34_no_type_in_any_place_does_more_than_be_refused(tmp_path: Path, look: str) -> None:
    """Found A10: lists for texts, numbers beyond all columns, whatever the place."""
    ways = list(places(WHOLE))
    for at, (number, keys) in enumerate(ways):
        for value in ODD[at % len(ODD) :: len(ODD)]:
            path = written(tmp_path / "evil.jsonl", bent(WHOLE, number, keys, value))
            try:
                LOOKS[look](Recording.open(path), tmp_path)
            except WsflowError as error:
                assert str(error), error  # noqa: PT017 (whichever it is, it has words)
            except BaseException as error:
                raise AssertionError(f"line {number + 1}, {keys} = {value!r:.50}") from error
            for made in tmp_path.iterdir():
                made.unlink()
