"""A chat recorded from `wsflow.demo.chat_flow`, and the same chat as a server of another make."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from wsflow.compare.report import Report
from wsflow.demo import chat_flow
from wsflow.recording import Recording
from wsflow.replay.live import replay_to
from wsflow.replay.options import ReplayOptions


async def record_chat(name: str = "chat") -> Path:
    """Record what three people say, one of whom leaves with a code of her own."""
    flow = chat_flow()
    with flow.record(name) as recording:
        alice, bob = flow.client("/chat/alice"), flow.client("/chat/bob")
        await alice.connect()
        await bob.connect()
        await alice.send("hello, all")
        await bob.receive()
        await bob.send("/who")
        async with flow.client("/chat/carol") as carol:
            await carol.send("Grüß euch")
            await carol.receive()
        await alice.receive()
        await alice.close(4000, "tired")
        await bob.send("alone")
        await bob.close()
    await flow.stop()
    return recording.path


class Chat:
    """The chat, written with `websockets`; `say` is how it answers, to try others."""

    def __init__(self, say: Callable[[str], str] = str) -> None:
        self.say = say
        self.paths: list[str] = []
        self.codes: list[int | None] = []
        self._lock = threading.Lock()
        self._here: dict[ServerConnection, str] = {}

    def enter(self, connection: ServerConnection, request: Request, _: Response) -> None:
        """Take note of a person before the handshake is answered: no message comes too early."""
        with self._lock:
            self.paths.append(request.path)
            self._here[connection] = request.path.partition("?")[0].rpartition("/")[2]

    def handle(self, connection: ServerConnection) -> None:
        """Serve one person."""
        name = self._here[connection]
        with contextlib.suppress(ConnectionClosed):  # with a code that is not 1000
            for message in connection:
                self._answer(connection, name, str(message))
        with self._lock:
            del self._here[connection]
            self.codes.append(connection.close_code)
        self._tell(f"{name} left")

    def _answer(self, connection: ServerConnection, name: str, message: str) -> None:
        if message == "/who":
            connection.send(self.say(f"you are {name}, one of {len(self._here)}"))
        else:
            self._tell(f"{name}: {message}")

    def _tell(self, message: str) -> None:
        with self._lock:
            for one in self._here:
                with contextlib.suppress(ConnectionClosed):  # who is leaving too
                    one.send(self.say(message))

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """Serve on a free port while the block runs, and give the address."""
        with serving(self.handle, process_response=self.enter) as url:
            yield url


@contextlib.contextmanager
def serving(handler: Callable[[ServerConnection], None], **options: Any) -> Iterator[str]:
    """Serve with `websockets` on a free port while the block runs, and give the address."""
    with serve(handler, "127.0.0.1", 0, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


def played(url: str, recording: Recording, **options: Any) -> Report:
    """Return the report of a replay to a server."""
    return replay_to(url, recording, ReplayOptions(**options)).result(timeout=50)


def differences(report: Report) -> list[tuple[str, Any, Any]]:
    """Return what differs: status, then, now."""
    return [
        (pair.status, pair.old and pair.old.body, pair.new and pair.new.body)
        for pair in report.tally.differing
    ]
