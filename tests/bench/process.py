"""The parent's side of a contestant: started on its core, heard, and gone on every way out.

A server says `port N` on stdout; its stderr is kept and shown when something went wrong. Ending its
stdin stops it, so none outlives a parent that was killed.
"""

import os
import select
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.bench.contestants import STOP_LIMIT, Contestant
from tests.bench.load import BenchError, Target

ROOT = Path(__file__).parents[2]
START_LIMIT = 30.0  # seconds until a server must have told its port
PATIENCE = STOP_LIMIT + 1  # seconds for each way of ending it


@dataclass(frozen=True, slots=True)
class Cores:
    """The cores that servers and load run on; empty where the system cannot pin."""

    server: frozenset[int] = frozenset()
    load: frozenset[int] = frozenset()

    @classmethod
    def free(cls) -> "Cores":
        """Pick the first and the last core this process may use, if there are two."""
        if not hasattr(os, "sched_getaffinity"):
            return cls()
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            return cls()
        return cls(frozenset(cores[:1]), frozenset(cores[-1:]))

    def __str__(self) -> str:
        if not self.server:
            return "not pinned"
        return f"server on core {min(self.server)}, load on core {min(self.load)}"


@dataclass(slots=True)
class Server:
    """A contestant's running process."""

    contestant: Contestant
    process: subprocess.Popen[bytes]
    stderr: IO[bytes]
    port: int = 0

    @property
    def target(self) -> Target:
        """What the load needs to know of the server."""
        return Target(self.port, self.cpu)

    def cpu(self) -> float:
        """Return the seconds of CPU it has used, of all its threads; 0 where there is no /proc."""
        try:
            stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        except OSError:
            return 0.0
        user, system = stat.rpartition(")")[2].split()[11:13]  # fields 14 and 15 in proc(5)
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def last_words(self) -> str:
        """Say how the process ended and what it wrote on stderr; empty if all was well."""
        self.stderr.seek(0)
        text = self.stderr.read().decode(errors="replace").strip()
        status = self.process.returncode
        if not text and not status:
            return ""
        return (
            f"{self.contestant.title} ended with status {status}; its stderr:\n{text or '(empty)'}"
        )


@contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """Keep this process, and those it starts, to `cores`; do nothing when there are none."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def running(contestant: Contestant, cores: Cores, notes: list[str]) -> Iterator[Server]:
    """Start a server and stop it again; what it complained about is added to `notes`.

    Raises BenchError when it does not start; a BenchError from the block takes the server's last
    words along.
    """
    with tempfile.TemporaryFile() as stderr:
        server = Server(contestant, _start(contestant, cores, stderr), stderr)
        try:
            server.port = _port(server)
            yield server
        except BenchError as error:
            _stop(server.process)
            if words := server.last_words():
                error.add_note(words)
            raise
        finally:
            _stop(server.process)
        if words := server.last_words():
            notes.append(words)


def _start(contestant: Contestant, cores: Cores, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
    # Started while we stand on its core, the child is pinned before it has any thread. A session of
    # its own keeps Ctrl-C for us alone.
    try:
        with pinned(cores.server):
            return subprocess.Popen(
                contestant.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=ROOT,
                bufsize=0,
                start_new_session=True,
            )
    except OSError as error:
        raise BenchError(f"{contestant.title} cannot be started: {error}") from error


def _port(server: Server) -> int:
    assert server.process.stdout is not None
    ready, _, _ = select.select([server.process.stdout], [], [], START_LIMIT)
    if not ready:
        raise BenchError(f"{server.contestant.title} said nothing for {START_LIMIT:g} s")
    line = server.process.stdout.readline(100)
    word, _, port = line.strip().partition(b" ")
    if word != b"port" or not port.isdigit():
        said = f"said {line!r}" if line else "ended"
        raise BenchError(f"{server.contestant.title} {said} instead of telling its port")
    return int(port)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process for good; harmless when it has ended."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    for insist in (process.terminate, process.kill):
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            insist()
    process.wait(PATIENCE)
