"""A replay at the command line: its summary, its differences, its exit status."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import re
import socket
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from tests.peers.chat import Chat, record_chat
from tests.process.command import WSFLOW, colourless, write
from wsflow.cli import main as cli
from wsflow.cli.replay import ANSWER_LENGTH, _bracket, marked, show
from wsflow.compare.answer import Answer, Pair, Tally
from wsflow.compare.report import Report

APP = """
from wsflow import Flow
from wsflow.demo import chat_flow

flow = chat_flow()

def louder():
    flow = Flow("chat")
    chat = flow.websocket("/chat/{name}", name="chat")
    people = flow.connections(name="people")

    @flow.node
    def listen(event, ctx):
        name, message = event["params"]["name"], event["message"]
        if message == "/who":
            ctx.emit("response", {"body": f"you are {name.upper()}, one of 2"})
        elif message == "alone":
            1 / 0
        else:
            ctx.route(f"{name}: {message}")

    @flow.node
    def farewell(event, ctx):
        ctx.route(f"{event['params']['name']} left")

    chat.req >> people.req
    chat.message >> listen >> people.broadcast
    chat.close >> [people.close, farewell]
    farewell >> people.broadcast
    return flow
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recorded chat and an app, being the current one."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "app.py", APP)
    asyncio.run(record_chat())
    return tmp_path


def run(capfd: pytest.CaptureFixture[str], command: str) -> tuple[int, list[str], str]:
    """Run `wsflow replay` in this process; return its exit status, its lines and stderr."""
    status = cli.main(["replay", *command.split()])
    out, errors = capfd.readouterr()
    lines = [line.rstrip() for line in out.splitlines()]
    assert all(line.isprintable() for line in [*lines, *errors.splitlines()])
    return status, lines, errors


def printed(report: Report) -> list[str]:
    """Return what is printed of a report, into a pipe."""
    out = io.StringIO()
    show(report, Console(file=out, width=100, highlight=False, markup=False, emoji=False))
    return [line.rstrip() for line in out.getvalue().splitlines()]


# ---- flows


@pytest.mark.usefixtures("imports_forgotten", "folder")
@pytest.mark.parametrize("speed", ["", " --speed max", " --speed 1", " --speed 50"])
def test_the_same_answers_are_a_line_and_status_0(
    capfd: pytest.CaptureFixture[str], speed: str
) -> None:
    status, lines, errors = run(capfd, f"chat --app app.py:flow{speed}")
    assert (status, errors) == (0, "")
    assert len(lines) == 1
    assert re.fullmatch(r"the same  chat: 10 same \(10 events in \d+\.\d\d s\)", lines[0])


@pytest.mark.usefixtures("imports_forgotten", "folder")
def test_other_answers_are_shown_side_by_side_with_status_1(
    capfd: pytest.CaptureFixture[str],
) -> None:
    status, lines, errors = run(capfd, "chat --app app.py:louder")
    assert (status, errors) == (1, "")
    assert lines[0].startswith("different  chat: 8 same, 1 changed, 1 missing; 1 errors (10 events")
    rows = [re.sub(r" +\d+\.\d{3} +", " | ", line) for line in lines[3:]]
    assert rows[:3] == [
        "s2       changed | - you are [-bob-], one of 2",
        f"{'':27}+ you are {{+BOB+}}, one of 2",
        "s2       missing | - bob: alone",
    ]
    assert lines[-1] == "error listen: ZeroDivisionError: division by zero (app.py:18)"


@pytest.mark.usefixtures("imports_forgotten", "folder")
def test_a_terminal_gets_colours_instead_of_brackets() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*WSFLOW, "replay", "chat", "--app", "app.py:louder"],
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
        stdout=theirs,
    )
    os.close(theirs)
    shown = ""
    try:
        while part := os.read(ours, 65536):
            shown += part.decode()
    except OSError:  # how Linux says that the other end is closed
        pass
    finally:
        os.close(ours)
    assert process.wait(timeout=30) == 1
    assert "\x1b[9;31mbob\x1b[0m" in shown
    assert "\x1b[1;32mBOB\x1b[0m" in shown
    assert "- you are bob, one of 2" in colourless(shown)


@pytest.mark.usefixtures("imports_forgotten")
def test_what_does_not_matter_is_told_by_options(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(
        folder,
        "clock.py",
        """
        import json, time, uuid
        from wsflow import Flow

        flow = Flow("clock")
        clock = flow.websocket("/clock")

        @flow.node
        def tell(ev, ctx):
            answers = [
                json.dumps({"n": time.perf_counter_ns(), "is": "json"}),
                time.strftime("%H:%M:%S", time.gmtime(time.perf_counter_ns() // 1000)),
                str(uuid.uuid4()),
            ]
            for answer in answers:
                ctx.emit("response", {"body": answer})

        clock.message >> tell
        """,
    )
    write(
        folder,
        "made.py",
        """
        import asyncio
        from clock import flow

        async def main():
            with flow.record("clock"):
                async with flow.client("/clock") as client:
                    await client.send("?")
                    for _ in range(3):
                        await client.receive()
            await flow.stop()

        asyncio.run(main())
        """,
    )
    subprocess.run([WSFLOW[0], "made.py"], cwd=folder, check=True)
    options = ["--ignore n", "--ignore-times", "--ignore-ids"]
    status, lines, _ = run(capfd, "clock --app clock.py")
    assert status == 1
    assert "3 changed" in lines[0]
    for option in options:
        status, lines, _ = run(capfd, f"clock --app clock.py {option}")
        assert (status, "1 same, 2 changed" in lines[0]) == (1, True)
    assert run(capfd, f"clock --app clock.py --any-order {' '.join(options)}")[0] == 0


# ---- servers


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("speed", ["", " --speed max", " --speed 10", " --speed 50"])
def test_a_server_of_another_make_is_compared_too(
    capfd: pytest.CaptureFixture[str], speed: str
) -> None:
    with Chat().serving() as url:
        status, lines, errors = run(capfd, f"chat --to {url}{speed}")
    assert (status, errors, len(lines)) == (0, "", 1)
    with Chat(lambda text: text.replace("left", "went")).serving() as url:
        status, lines, _ = run(capfd, f"recordings/chat.jsonl --to {url}{speed}")
    assert status == 1
    assert "7 same, 3 changed" in lines[0]
    assert any(line.endswith("- carol [-left-]") for line in lines), lines
    assert any(line.endswith("+ carol {+went+}") for line in lines), lines


# ---- what can not be played


@pytest.mark.usefixtures("imports_forgotten")
@pytest.mark.parametrize(
    ("command", "status", "text"),
    [
        ("chat", 2, "one of the arguments --app --to is required"),
        ("chat --app app.py:flow --to ws://x", 2, "argument --to: not allowed with argument --app"),
        ("chat --app app.py:flow --speed 0", 2, "'0' is no speed: a number above 0, or max"),
        ("chat --app app.py:flow --speed nan", 2, "'nan' is no speed"),
        ("chat --app app.py:flow --speed fast", 2, "'fast' is no speed"),
        ("nope --app app.py:flow", 2, "no recording 'nope' in recordings; there are: 'chat'"),
        ("chat --app nope.py", 2, "nope.py: No such file or directory"),
        ("chat --app other.py", 2, "connected to '/chat/alice', which flow 'other' does not take"),
        ("chat --app setup.py", 1, "setup of node 'worker' failed"),
        ("chat --to http://x", 2, "'http://x' is no address of a WebSocket server: ws://host:port"),
        ("chat --to ws://127.0.0.1:{port}", 2, "(Connection refused); start that server first"),
    ],
)
def test_what_can_not_be_played_is_told(
    folder: Path, capfd: pytest.CaptureFixture[str], command: str, status: int, text: str
) -> None:
    write(folder, "other.py", "from wsflow import Flow\nflow = Flow('other')\n")
    write(
        folder,
        "setup.py",
        """
        from wsflow.demo import chat_flow
        flow = chat_flow()
        @flow.node
        def worker(): pass
        @worker.setup
        def prepare(): return {}["absent"]
        """,
    )
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        got, lines, errors = run(capfd, command.format(port=taken.getsockname()[1]))
    assert (got, lines) == (status, [])
    assert text in errors
    assert "/wsflow/" not in errors
    if status == 2:
        assert errors.startswith("wsflow: ")
        assert len(errors.splitlines()) == 1


# ---- what is shown of a report


def differing(*pairs: Pair) -> Report:
    """Return a report of pairs that differ."""
    tally = Tally()
    for pair in pairs:
        tally.add(pair)
    return Report("lesson", tally=tally)


def test_of_many_differences_the_number_is_told() -> None:
    report = differing(*(Pair("s1-ab", "extra", None, Answer(1.5, str(n))) for n in range(60)))
    report.by_hand = 3
    report.errors = [f"node: error {n}" for n in range(7)]
    report.damage = ["lesson.jsonl, line 3: its checksum is wrong"]
    lines = printed(report)
    assert sum(" extra " in line for line in lines) == 50
    assert lines[3] == "s1       extra    1.500  + 0"
    assert (
        lines[-8:]
        == [
            "… and 10 more",
            "3 answers sent by hand were not compared",
            *(f"error node: error {n}" for n in range(5)),
            "… and 2 more",
            "damage lesson.jsonl, line 3: its checksum is wrong",
        ][-8:]
    )


def test_no_answer_steers_the_terminal() -> None:
    wild = "\x1b[2J\u202e\n"
    pair = Pair(wild, "changed", Answer(0.0, wild), Answer(0.0, f"{wild}!"))
    report = differing(pair, Pair(wild, "missing", Answer(0.0, wild.encode()), None))
    report.errors = report.damage = [wild]
    assert all(line.isprintable() for line in printed(report))


@pytest.mark.parametrize(
    ("old", "new", "before", "after"),
    [
        ("same", "same", "same", "same"),
        ("a cat", "a bat", "a [-cat-]", "a {+bat+}"),
        ("cat", "cats", "[-cat-]", "{+cats+}"),
        ("a cat sat", "a cat", "a cat[- sat-]", "a cat"),
        (
            "she left, he left",
            "she went, he went",
            "she [-left-], he [-left-]",
            "she {+went+}, he {+went+}",
        ),
        (
            '{"n": 17, "is": 1}',
            '{"n": 18, "is": 1}',
            '{"n": [-17-], "is": 1}',
            '{"n": {+18+}, "is": 1}',
        ),
        ("", "new", "", "{+new+}"),
        (f"{'x' * 500}1", f"{'x' * 500}2", f"…{'x' * 24}[-1-]", f"…{'x' * 24}{{+2+}}"),
        (f"1{'x' * 500}", f"2{'x' * 500}", f"[-1-]{'x' * 24}…", f"{{+2+}}{'x' * 24}…"),
    ],
)
def test_the_changed_part_is_marked_and_long_equal_parts_are_cut(
    old: str, new: str, before: str, after: str
) -> None:
    shown = marked(old, new, _bracket)
    assert [text.plain for text in shown] == [before, after]


def test_answers_that_differ_everywhere_are_cut() -> None:
    before, after = marked("a" * 10_000, "b" * 10_000, _bracket)
    assert before.plain == f"[-{'a' * ANSWER_LENGTH}-]…"
    assert after.plain == f"{{+{'b' * ANSWER_LENGTH}+}}…"


@pytest.mark.usefixtures("imports_forgotten")
def test_p29_an_incomplete_replay_says_so_first_and_is_no_success(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Found A16, A20: a script that goes by the exit status is not told that all is well."""
    path = folder / "recordings" / "chat.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    status, told, _ = run(capfd, "chat --app app.py:flow")
    assert status == 1
    assert told[0].startswith("incomplete  chat: incomplete: it broke off")
    assert told[1].startswith("missing it broke off")
