"""The demo: what it shows fits a terminal, is true, and fails aloud when a client gets it wrong.

What the lines say is tested, not how they are drawn.
"""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from rich.cells import cell_len

from wsflow import Context, Flow
from wsflow.cli import demo
from wsflow.cli import main as cli
from wsflow.cli.demo import picture
from wsflow.demo import chat_flow

SGR = re.compile(r"\x1b\[([\d;]*)m")


def run(width: int = 80, **environment: str) -> str:
    """Return what the demo prints into a pipe."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "wsflow", "demo"],
        env={**os.environ, "COLUMNS": str(width), **environment},
        capture_output=True,
        check=False,
        timeout=50,
    )
    assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()
    return done.stdout.decode()


def run_in_terminal(**environment: str) -> str:
    """Return what the demo prints on a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "wsflow", "demo"],
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80", **environment},
        stdout=theirs,
    )
    os.close(theirs)
    parts = []
    try:
        while part := os.read(ours, 65536):
            parts.append(part)
    except OSError:  # how Linux says that the other end is closed
        pass
    finally:
        os.close(ours)
    assert process.wait(timeout=30) == 0
    return b"".join(parts).decode()


def section(text: str, title: str) -> list[str]:
    """Return the lines below a title, without the empty ones."""
    below = text.partition(title)[2].partition("\n")[2].strip("\n")
    lines = re.split(r"\n\n(?=\S)", below)[0].splitlines()
    return [line.rstrip() for line in lines if line.strip()]


@pytest.fixture(scope="module")
def shown() -> str:
    """What the demo prints at 80 columns."""
    return run()


# ---- what is printed


@pytest.mark.parametrize("width", [80, 120])
def test_it_fits(width: int) -> None:
    text = run(width)
    assert max(map(cell_len, text.splitlines())) <= width
    assert "…" not in text
    assert "\x1b" not in text
    assert text.replace("\n", "").isprintable()


def test_it_is_the_same_every_time(shown: str) -> None:
    def timeless(text: str) -> str:
        return re.sub(r" +", " ", re.sub(r"\d+\.\d ", "", text.replace("─", "")))

    assert timeless(run()) == timeless(shown)


def test_what_each_client_said_and_got(shown: str) -> None:
    head, _, *moments = section(shown, "Three clients, connected over real sockets")
    starts = [head.index(name) for name in ("alice", "bob", "carol")]
    ends = [*starts[1:], None]
    seen = [
        [line[start:end].strip() for line in moments if line[start:end].strip()]
        for start, end in zip(starts, ends, strict=True)
    ]
    hello, left, end = "← alice: hello, all", "← carol left", "server closes: 1001"
    assert seen == [
        ["connects", "→ hello, all", hello, left, end],
        ["connects", hello, "→ /who", "← you are bob, one of 3", left, end],
        ["connects", hello, "leaves"],
    ]


def test_the_log_shows_what_caused_what(shown: str) -> None:
    _, _, *rows = section(shown, "What the flow saw")
    kinds = [re.sub(r" +\d+ +\d+\.\d  ([ ╰]*)(\w+) .*", r"\1\2", row) for row in rows]
    said = ["message", "╰ route", "  ╰ broadcast"] + ["    ╰ response"] * 3
    asked = ["message", "╰ response"]
    left = ["close", "╰ route", "  ╰ broadcast"] + ["    ╰ response"] * 2
    assert kinds == ["req"] * 3 + said + asked + left
    assert [row.split()[-1] for row in rows[:3]] == ["/chat/alice", "/chat/bob", "/chat/carol"]
    assert rows[10].endswith("listen.response   s2       you are bob, one of 3")


def test_the_picture_has_every_wire_and_its_count(shown: str) -> None:
    lines = section(shown, "The flow: how many events took which wire")
    assert [" ".join(re.sub(r"[─┬╰├│╮]", " ", line).split()) for line in lines[1:-1]] == [
        "req 3 ▶ people.req",
        "message 2 ▶ listen 1 ▶ people.broadcast",
        "close 1 ▶ people.close",
        "1 ▶ farewell 1 ▶ people.broadcast",
    ]


def test_it_says_what_to_try_next(shown: str) -> None:
    commands = section(shown, "What next")
    assert [command.split("  ")[1] for command in commands] == [
        "wsflow lab",  # tried in test_lab.py
        "wsflow run wsflow.demo:chat_flow --log",  # tried in test_main.py
        "python -m websockets ws://127.0.0.1:8000/chat/dora",
        "python -m inspect wsflow.demo:chat_flow",
        "python -m pydoc wsflow.Flow",
    ]


@pytest.mark.parametrize(
    ("module", "argument", "text"),
    [
        ("inspect", "wsflow.demo:chat_flow", "def listen("),
        ("pydoc", "wsflow.Flow", "Register a WebSocket route"),
    ],
)
def test_where_it_sends_readers_there_is_something_to_read(
    module: str, argument: str, text: str
) -> None:
    assert text in subprocess.check_output([sys.executable, "-m", module, argument], text=True)


def test_a_terminal_gets_colours_unless_told_not_to(shown: str) -> None:
    coloured, bare = run_in_terminal(), run_in_terminal(NO_COLOR="1")
    assert "\x1b[36mmessage" in coloured
    assert not [code for code in SGR.findall(bare) for one in code.split(";") if one[:1] in "349"]
    for text in (coloured, bare):
        plain = SGR.sub("", text).replace("\r\n", "\n")
        assert plain.replace("\n", "").isprintable()
        assert section(plain, "Three clients,") == section(shown, "Three clients,")


def test_a_terminal_without_unicode_gets_ascii() -> None:
    text = run(PYTHONIOENCODING="ascii")
    assert text.isascii()
    assert "?" not in text
    assert "> hello, all" in text
    assert "< carol left" in text
    assert "message +--- 2 -> listen --- 1 -> people.broadcast" in text


def test_a_reader_that_hangs_up_gets_no_traceback() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "wsflow", "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait(timeout=30)


# ---- pictures of other flows


def drawn(flow: Flow) -> list[str]:
    """Return the lines of a flow's picture."""
    return [line.rstrip() for line in picture(flow).plain.splitlines()]


def test_a_picture_of_nothing_much() -> None:
    assert drawn(Flow("empty")) == []
    flow = Flow("alone")
    flow.websocket("/x")
    assert drawn(flow) == [
        "╭─ /x ────╮",
        "│     req │",
        "│ message │",
        "│   close │",
        "╰─────────╯",
    ]


def test_a_picture_of_forks_and_loops() -> None:
    flow = Flow("forks")
    push = flow.http("/push", method="POST")
    a, b, c = (flow.node(lambda: None, name=name) for name in "abc")
    push >> a >> [b, c]
    b >> [a, c]
    assert drawn(flow) == [
        "╭─ POST /push ─╮",
        "│          out ├─── 0 ─▶ a ─┬─ 0 ─▶ b ─┬─ 0 ─▶ a ↺",
        "│              │            │          ╰─ 0 ─▶ c",
        "│              │            ╰─ 0 ─▶ c",
        "╰──────────────╯",
    ]


# ---- when something is wrong


def mute() -> Flow:
    """Return a chat in which nobody is heard."""
    flow = Flow("mute")
    flow.websocket("/chat/{name}")
    return flow


def gossip() -> Flow:
    """Return a chat that tells everybody what one asked."""
    flow = chat_flow()
    people = flow.nodes["people"]

    @flow.node
    def leak(event: Any, ctx: Context) -> None:
        if event["message"] == "/who":
            ctx.route("somebody asked")

    flow.nodes["chat"].message >> leak >> people["broadcast"]
    return flow


def elsewhere() -> Flow:
    """Return a flow that has no such route."""
    flow = Flow("elsewhere")
    flow.websocket("/")
    return flow


@pytest.mark.parametrize(
    ("make", "timeout", "text"),
    [
        (mute, 3.0, "the demo waited 3 s for a message in vain"),
        (gossip, 10.0, "got 'somebody asked'"),
        (elsewhere, 10.0, "the demo failed: InvalidStatus: server rejected"),
    ],
)
def test_a_client_that_gets_it_wrong_is_a_failure(
    make: Callable[[], Flow],
    timeout: float,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(demo, "chat_flow", make)
    monkeypatch.setattr(demo, "TIMEOUT", timeout)
    assert cli.main(["demo"]) == 1
    out, errors = capfd.readouterr()
    assert out == ""
    assert errors.startswith("wsflow: ")
    assert text in errors
    assert len(errors.splitlines()) == 1
