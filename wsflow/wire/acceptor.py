"""Accepts on a listening socket: who finds no room is told so with a 503, never left waiting.

asyncio's own way leaves newcomers in the dark when file descriptors run out. Here one is held in
reserve: given up for as long as it takes to answer the newcomer (promise P11).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable

from ..base.forks import blind

ACCEPTS_A_TURN = 64
"""Clients accepted before the others have a turn."""

SPARE_DESCRIPTORS = 16
"""Descriptors left to the flow's handlers: files, sockets of their own."""

RETRY_PAUSE = 0.5
"""Seconds until we try again when not even the reserve helps."""

REFUSED_TIMEOUT = 1.0
"""Seconds a client that was refused may take to read why."""

MAX_REFUSED = 64
"""Of those that many at a time; others are closed at once."""

SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n"
    b"retry-after: 1\r\nconnection: close\r\n\r\n"
)


class Acceptor:
    """Hands sockets to `welcome` while `full()` is None; else that is why not, and noted.

    Who is refused gets `answer`: nothing where TLS is spoken, for it would be taken for garbage.
    """

    def __init__(
        self,
        sock: socket.socket,
        welcome: Callable[[socket.socket], object],
        full: Callable[[], str | None],
        note: Callable[[str], object],
        answer: bytes = BUSY,
    ) -> None:
        self._sock, self._welcome, self._full, self._note = sock, welcome, full, note
        self._answer = answer
        self._loop = asyncio.get_running_loop()
        self._reserve: int | None = None
        self._lingering: dict[socket.socket, asyncio.TimerHandle] = {}
        self._again: asyncio.TimerHandle | None = None
        self._refused, self._why = 0, ""
        self._noting: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Accept from now on.

        Raises:
            NotImplementedError: this kind of loop does not watch sockets (Windows' own).
        """
        self._loop.add_reader(self._sock, self._knock)
        self._hold_reserve()

    def close(self) -> None:
        """Accept nobody any more; the port is free when this returns. Harmless twice."""
        if self._sock.fileno() == -1:
            return
        self._loop.remove_reader(self._sock)
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)  # or it listens on where somebody has a copy
        self._sock.close()
        if self._again is not None:
            self._again.cancel()
        if self._noting is not None:
            self._noting.cancel()
            self._tell_rest()
        for sock in list(self._lingering):
            self._let_go(sock)
        self._give_up_reserve()

    def cut(self) -> None:
        """Have no socket any more, without a word to anybody (see `Listener.cut`)."""
        sockets = [self._sock, *self._lingering]
        blind(sock.fileno() for sock in sockets)
        for sock in sockets:
            sock.close()
        self._give_up_reserve()

    def _knock(self) -> None:
        for _ in range(ACCEPTS_A_TURN):
            try:
                sock, _address = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if not self._without_descriptors(error):
                    return
                continue
            sock.setblocking(False)
            if (why := self._scarce(sock)) is not None:
                self._dismiss(sock, why)
            elif (why := self._full()) is not None:
                self._refuse(sock, why)
            else:
                self._welcome(sock)

    # ---- refusing

    def _refuse(self, sock: socket.socket, why: str) -> None:
        """Answer 503 and FIN; then discard for a while, so that no RST overtakes the answer."""
        self._count(why)
        if not self._answered(sock) or len(self._lingering) >= MAX_REFUSED:
            sock.close()
            return
        self._lingering[sock] = self._loop.call_later(REFUSED_TIMEOUT, self._let_go, sock)
        self._loop.add_reader(sock, self._discard, sock)

    def _dismiss(self, sock: socket.socket, why: str) -> None:
        """Answer 503 and be rid of it at once, for its descriptor is needed."""
        self._count(why)
        with sock:
            with contextlib.suppress(OSError):
                sock.recv(2**16)  # what is left unread would turn our FIN into an RST
            self._answered(sock)

    def _discard(self, sock: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError, InterruptedError):
            try:
                if sock.recv(2**16):
                    return
            except ConnectionError:
                pass
            self._let_go(sock)

    def _let_go(self, sock: socket.socket) -> None:
        self._lingering.pop(sock).cancel()
        self._loop.remove_reader(sock)
        sock.close()

    def _answered(self, sock: socket.socket) -> bool:
        if not self._answer:
            return False
        try:
            sock.send(self._answer)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        return True

    def _count(self, why: str) -> None:
        """Note the first one at once, and how many more there were in each second after it."""
        self._refused, self._why = self._refused + 1, why
        if self._noting is None:
            self._tell()

    def _tell(self) -> None:
        self._noting = self._loop.call_later(1.0, self._tell) if self._refused else None
        self._tell_rest()

    def _tell_rest(self) -> None:
        if self._refused:
            self._note(f"{self._why}: {self._refused} refused with 503")
            self._refused = 0

    # ---- descriptors

    def _scarce(self, sock: socket.socket) -> str | None:
        """The system gives the lowest number that is free: a high one says how few are left."""
        most = _most_descriptors()
        if sock.fileno() < most - SPARE_DESCRIPTORS:
            return None
        return f"fewer than {SPARE_DESCRIPTORS} of {most} file descriptors are left"

    def _without_descriptors(self, error: OSError) -> bool:
        """Answer one newcomer with the reserve; False when there is nothing more to do now."""
        why = f"accepting failed ({error.strerror})"
        if error.errno not in SCARCE or self._reserve is None:
            self._count(why)
            self._loop.remove_reader(self._sock)  # it would call us again at once, and for ever
            self._again = self._loop.call_later(RETRY_PAUSE, self._try_again)
            return False
        self._give_up_reserve()
        try:
            sock, _address = self._sock.accept()
            sock.setblocking(False)
            self._dismiss(sock, why)
        except OSError:
            return False  # it has left already
        finally:
            self._hold_reserve()
        return True

    def _try_again(self) -> None:
        self._again = None
        self._hold_reserve()
        self._loop.add_reader(self._sock, self._knock)

    def _hold_reserve(self) -> None:
        if self._reserve is None:
            with contextlib.suppress(OSError):
                self._reserve = os.open(os.devnull, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))

    def _give_up_reserve(self) -> None:
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None


def _most_descriptors() -> int:
    try:
        import resource
    except ImportError:  # Windows, where descriptors are not that scarce
        return 2**31
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 2**31 if soft == resource.RLIM_INFINITY else soft
