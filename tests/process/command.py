"""The command `wsflow` as a process of its own, and an app for it to run."""

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any, Self

from websockets.sync.client import ClientConnection, connect

WSFLOW = [sys.executable, "-m", "wsflow"]

ECHO = """\
from wsflow import Flow

flow = Flow("echo")
echo = flow.websocket("/echo/{room}", name="echo")
push = flow.http("/push", method="POST")

@flow.node
def back(ev, ctx):
    if ev["message"] == "boom":
        raise ValueError("boom\\x1b[31m")
    ctx.emit("response", {"body": ev["message"]})

@flow.node
def taken(ev, ctx):
    ctx.emit("response", {"body": "taken"})

echo.message >> back
push >> taken
"""


class Running:
    """A `wsflow run` in a folder, or another command that serves.

    Entered, it listens; what it printed until then is `said`.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        command: str = "run",
        out: int = subprocess.PIPE,
        **environment: str,
    ) -> None:
        self.process = subprocess.Popen(
            [*WSFLOW, command, *arguments],
            cwd=folder,
            env={**os.environ, "COLUMNS": "80", **environment},
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []

    def __enter__(self) -> Self:
        if self.process.stdout is not None:
            assert "serves" in self.until("Ctrl-C")[0], self.said
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def until(self, text: str, terminal: IO[str] | None = None) -> list[str]:
        """Read lines up to the first that contains `text`, and return all there were."""
        stdout = terminal or self.process.stdout
        assert stdout is not None
        for line in stdout:
            self.said.append(line.rstrip("\n"))
            if text in line:
                return self.said
        raise AssertionError(f"{text!r} was never printed, but: {self.said}\n{self.errors()}")

    def errors(self) -> str:
        """Return what came on stderr; waits for the end."""
        assert self.process.stderr is not None
        return self.process.stderr.read()

    @property
    def url(self) -> str:
        """The first address it prints, with the parameters of its path filled in."""
        found = re.search(r"ws://\S+", colourless("\n".join(self.said)))
        assert found is not None, self.said
        return found[0].replace("{", "").replace("}", "")

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.split(":")[2].partition("/")[0])

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        """Send a signal; return exit status, the rest of stdout, and stderr."""
        self.process.send_signal(number)
        out, errors = self.process.communicate(timeout=50)
        return self.process.returncode, out, errors

    def client(self, path: str = "", **options: Any) -> AbstractContextManager[ClientConnection]:
        """Return a client of the first route, or of another path."""
        url = self.url if not path else re.sub(r"(://[^/]+).*", rf"\1{path}", self.url)
        client: AbstractContextManager[ClientConnection] = connect(url, proxy=None, **options)
        return client


def write(folder: Path, name: str, text: str) -> None:
    """Write a file of the user."""
    (folder / name).write_text(textwrap.dedent(text))


def colourless(text: str) -> str:
    """Return text without the sequences that colour it."""
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def is_free(port: int) -> bool:
    """Say whether a server could listen on the port at once."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run(
        [*WSFLOW, *arguments], capture_output=True, text=True, check=False, timeout=50
    )
