"""A server in a process of its own that tells what it holds, for tests with many clients."""

import asyncio
import contextlib
import ctypes
import gc
import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tests.peers.raw import open_files
from tests.process.memory import memory


class Holding(NamedTuple):
    """What a process holds: bytes of memory, asyncio tasks, descriptors, sessions."""

    memory: int
    tasks: int
    descriptors: int
    sessions: int


class Crowded:
    """The server, seen from outside."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process, self.port = process, port

    def holds(self) -> Holding:
        """Ask what it holds, once its garbage is collected."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return Holding(*map(int, self.process.stdout.readline().split()))


@contextmanager
def crowded(**options: Any) -> Iterator[Crowded]:
    """Run an echo; what it complains of is an error here."""
    command = [sys.executable, "-m", "tests.process.crowd", json.dumps(options)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            yield Crowded(process, int(line))
            complaints = process.communicate(timeout=20)[1]
            assert complaints == ""
        finally:
            process.kill()


def more_descriptors() -> int:
    """Allow this process as many as the system lets it have; return how many."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = 2**20 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def _give_back() -> None:
    """Have the C library return what it keeps for later, where it can: it is nobody's any more."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


async def main(options: dict[str, Any]) -> None:
    """Serve until stdin ends; a line on it asks what we hold."""
    from wsflow import Flow

    more_descriptors()
    flow = Flow("crowded", log_rows=200)  # what clients said weighs little and varies little

    @flow.node
    def reply(ev: Any, ctx: Any) -> None:
        ctx.emit("response", {"body": ev["message"]})

    flow.websocket("/").message >> reply
    server = await flow.serve(**options)
    print(server.port, flush=True)
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def asked() -> None:
        if not sys.stdin.readline():
            loop.remove_reader(0)
            over.set()
            return
        gc.collect()
        _give_back()
        files = open_files()
        print(memory(), len(asyncio.all_tasks()), files, len(server.sessions), flush=True)

    loop.add_reader(0, asked)
    await over.wait()
    await flow.stop()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
