"""A real Jupyter kernel without a browser: cells go in with their ids, what iopub says comes back.

The opposite of a page: it speaks the messages JupyterLab would send, over sockets of its own.
Nothing here sleeps to synchronise: a cell is over when the kernel said `idle` for it and replied.
"""

import ast
import asyncio
import inspect
import os
import queue
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self, get_args

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from tests.needs import missing

Version = Literal["6.31.0", "7.1.0", "newest"]
VERSIONS: tuple[Version, ...] = get_args(Version)

ROOT = Path(__file__).resolve().parents[2]
OUTPUTS = {"stream", "execute_result", "display_data", "update_display_data", "error"}
SPEC = "under-test"
LISTENING = """[connection.laddr.port
    for connection in __import__("psutil").Process().net_connections("tcp")
    if connection.status == "LISTEN"]"""


class CellError(AssertionError):
    """A cell that was expected to succeed ended with an exception."""


@dataclass(frozen=True)
class Output:
    """One message of iopub that shows something to the user."""

    kind: str
    content: Mapping[str, Any]


@dataclass
class Cell:
    """One execution of a cell: what the kernel attributed to it, also after it ended."""

    source: str
    id: str | None
    news: asyncio.Condition = field(repr=False)
    outputs: list[Output] = field(default_factory=list)
    idle: bool = False
    reply: Mapping[str, Any] | None = None

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the contents of the outputs of one kind, in the order of arrival."""
        return [output.content for output in self.outputs if output.kind == kind]

    @property
    def printed(self) -> str:
        """What went to stdout and stderr."""
        return "".join(content["text"] for content in self.of("stream"))

    @property
    def shown(self) -> list[Mapping[str, str]]:
        """The MIME bundles of `display()` calls."""
        return [content["data"] for content in self.of("display_data")]

    @property
    def result(self) -> Mapping[str, str]:
        """The MIME bundle of the cell's last expression; empty when it had no value."""
        results = self.of("execute_result")
        return results[-1]["data"] if results else {}

    @property
    def error(self) -> str | None:
        """The exception the cell ended with, as `Name: text`, or None."""
        errors = self.of("error")
        return f"{errors[-1]['ename']}: {errors[-1]['evalue']}" if errors else None

    async def until(self, condition: Callable[[], bool], timeout: float = 30.0) -> Self:
        """Wait until the condition holds; it is looked at again after every message.

        Raises TimeoutError with what the cell said so far.
        """
        try:
            async with asyncio.timeout(timeout), self.news:
                await self.news.wait_for(condition)
        except TimeoutError:
            raise TimeoutError(f"{self.source!r} after {timeout} s: {self.outputs!r}") from None
        return self

    async def until_shown(self, timeout: float = 30.0) -> Self:
        """Wait for the first `display()` of the cell: the way a running cell says where it is."""
        return await self.until(lambda: bool(self.shown), timeout)

    async def wait(self, timeout: float = 30.0) -> Self:
        """Wait until the cell is over, however it ended.

        The reply is waited for as pages do: ipykernel 7.0 to 7.2 lose a request that arrives while
        they send the reply to the one before (ipykernel pull request 1529).
        """
        return await self.until(lambda: self.idle and self.reply is not None, timeout)


class Kernel:
    """A kernel process of a chosen ipykernel, with private folders and one client.

    `submit` sends a cell and returns at once, `run` waits and raises CellError when the cell
    failed, `value` evaluates an expression without a cell.
    """

    def __init__(self, version: Version = "newest") -> None:
        self.version = version
        self.folder = Path(tempfile.mkdtemp(prefix="kernel-"))
        self.streams: list[str] = []
        self.foreign: list[Output] = []
        self.heard: dict[str, list[Mapping[str, Any]]] = {}
        """What widgets sent to their pages, by comm."""
        self._news = asyncio.Condition()
        self._cells: dict[str, Cell] = {}
        self._manager = AsyncKernelManager(
            kernel_name=SPEC,
            kernel_spec_manager=self._spec_manager(),
            connection_file=str(self.folder / "connection.json"),
            transport="ipc",  # no port that another process could take in between
            ip=str(self.folder / "ipc"),
        )
        self._manager.shutdown_wait_time = 40.0  # seconds until it is killed: it says goodbye first
        self._log: IO[bytes] | None = None
        self._client: AsyncKernelClient | None = None
        self._pumps: list[asyncio.Task[None]] = []
        self._pumping = False
        self._own_ports: set[int] = set()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def start(self) -> None:
        """Start the process, wait for its first answer and check which ipykernel it runs."""
        environment = self._environment()
        self._log = (self.folder / "kernel.log").open("wb")
        await self._manager.start_kernel(
            env=environment, cwd=str(self.folder), stdout=self._log, stderr=self._log
        )
        await self._attach()
        self._own_ports = set(await self.value(LISTENING))
        running = await self.value("__import__('ipykernel').__version__")
        if self.version not in ("newest", running):
            raise RuntimeError(f"the kernel runs ipykernel {running}, not {self.version}")

    async def run(self, source: str, id: str | None = None, timeout: float = 30.0) -> Cell:
        """Run a cell to its end; raise CellError when it failed, TimeoutError when it hangs."""
        cell = await self.submit(source, id).wait(timeout)
        if cell.error is not None:
            raise CellError(f"{cell.error}\nin cell {cell.id}:\n{cell.source}")
        return cell

    def submit(self, source: str, id: str | None = None) -> Cell:
        """Send a cell and return at once.

        The id goes into the message's metadata, as JupyterLab sends it; without one the message is
        what a plain console would send. Indentation common to all lines is removed. A failing cell
        never aborts the ones behind it (`stop_on_error` is off: a cell aborted in that race would
        look like one that ran).
        """
        metadata = {} if id is None else {"cellId": id}
        cell = Cell(inspect.cleandoc(source), id, self._news)
        self._request(cell, metadata, {"code": cell.source, "silent": False})
        return cell

    def say(self, comm: str, content: dict[str, Any]) -> None:
        """Send what a page sends when a person does something to a widget, and return at once."""
        assert self._client is not None, "the kernel is not running"
        told = {"comm_id": comm, "data": {"method": "custom", "content": content}}
        self._client.shell_channel.send(self._client.session.msg("comm_msg", told))

    async def value(self, expression: str, timeout: float = 30.0) -> Any:
        """Evaluate an expression whose repr is a literal, between cells and without being one.

        No cell event fires, nothing is stored and nothing is shown. Raises CellError.
        """
        content = {"code": "", "silent": True, "user_expressions": {"value": f"repr({expression})"}}
        cell = Cell(expression, None, self._news)
        self._request(cell, {}, content)
        await cell.wait(timeout)
        assert cell.reply is not None
        answer = cell.reply["user_expressions"]["value"]
        if answer["status"] != "ok":
            raise CellError(f"{answer['ename']}: {answer['evalue']}\nin {expression}")
        return ast.literal_eval(ast.literal_eval(answer["data"]["text/plain"]))

    async def until(self, condition: Callable[[], bool], timeout: float = 30.0) -> None:
        """Wait until the condition holds; it is looked at again after every message."""
        async with asyncio.timeout(timeout), self._news:
            await self._news.wait_for(condition)

    async def ports(self) -> list[int]:
        """Return the TCP ports that cells listen on (the kernel's debugger has one of its own)."""
        return sorted(set(await self.value(LISTENING)) - self._own_ports)

    async def interrupt(self) -> None:
        """Interrupt the running cell, as the stop button does."""
        await self._manager.interrupt_kernel()

    async def restart(self) -> None:
        """Restart the process in an orderly way, as the restart button does; wait until it answers.

        What the old process still said while it ended is in `streams`.
        """
        await self._manager.restart_kernel()
        await self._detach()
        await self._attach()

    async def shutdown(self) -> None:
        """End the process in an orderly way and collect its last words."""
        await self._manager.shutdown_kernel()
        await self._detach()

    def logged(self) -> str:
        """Return what the process wrote past Jupyter to its own stdout and stderr."""
        return (self.folder / "kernel.log").read_text(errors="replace")

    async def aclose(self) -> None:
        """Kill what still runs and remove the folders; safe at any time and more than once."""
        await self._detach()
        if self._manager.has_kernel:
            await self._manager.shutdown_kernel(now=True)
        if self._log is not None:
            self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _spec_manager(self) -> KernelSpecManager:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = KernelSpec(argv=command, display_name=SPEC, language="python")
        folder = self.folder / "kernels" / SPEC
        folder.mkdir(parents=True)
        (folder / "kernel.json").write_text(spec.to_json())
        return KernelSpecManager(kernel_dirs=[str(folder.parent)], ensure_native_kernel=False)

    def _environment(self) -> dict[str, str]:
        """Return the environment of the kernel: ours, with its own folders and import path."""
        chosen = package(self.version)
        path = [str(folder) for folder in (chosen, ROOT) if folder is not None]
        folders = {
            name: str(self.folder / name.lower())
            for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")
        }
        quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        return {**os.environ, **folders, **quiet, "PYTHONPATH": os.pathsep.join(path)}

    async def _attach(self) -> None:
        self._client = self._manager.client()
        self._client.start_channels(hb=False)  # its thread never closes its event loop
        await self._client.wait_for_ready(timeout=60)
        self._pumping = True
        for receive in (self._client.get_iopub_msg, self._client.get_shell_msg):
            self._pumps.append(asyncio.create_task(self._listen(receive)))

    async def _detach(self) -> None:
        self._pumping = False
        while self._pumps:
            await self._pumps.pop()
        if self._client is not None:
            self._client.stop_channels()
            self._client = None

    async def _listen(self, receive: Callable[..., Awaitable[dict[str, Any]]]) -> None:
        """Read a channel until told to stop, and then until nothing is left to read."""
        while True:
            pumping = self._pumping
            try:
                message = await receive(timeout=0.1)
            except queue.Empty:
                if not pumping:
                    return
                continue
            async with self._news:
                self._attribute(message)
                self._news.notify_all()

    def _attribute(self, message: Mapping[str, Any]) -> None:
        kind, content = message["msg_type"], message["content"]
        cell = self._cells.get(message["parent_header"].get("msg_id", ""))
        if kind == "stream":
            self.streams.append(content["text"])
        if kind in OUTPUTS:
            (self.foreign if cell is None else cell.outputs).append(Output(kind, content))
        if kind == "comm_msg" and content["data"].get("method") == "custom":
            self.heard.setdefault(content["comm_id"], []).append(content["data"]["content"])
        if cell is not None and kind == "execute_reply":
            cell.reply = content
        if cell is not None and kind == "status" and content["execution_state"] == "idle":
            cell.idle = True

    def _request(self, cell: Cell, metadata: dict[str, str], content: dict[str, Any]) -> None:
        """Send an execute request; the cell is listed before the kernel hears of it."""
        assert self._client is not None, "the kernel is not running"
        defaults = {"store_history": not content["silent"], "user_expressions": {}}
        flags = {"allow_stdin": False, "stop_on_error": False}
        message = self._client.session.msg(
            "execute_request", {**defaults, **flags, **content}, metadata=metadata
        )
        self._cells[message["header"]["msg_id"]] = cell
        self._client.shell_channel.send(message)


def package(version: Version) -> Path | None:
    """Return the folder that holds this ipykernel, or None for the installed one.

    An older ipykernel is fetched once into the repository's cache, without its dependencies: those
    of the installed one serve it. When pip cannot fetch it the test is skipped; in CI it fails.
    """
    if version == "newest":
        return None
    folder = ROOT / ".cache" / f"ipykernel-{version}"
    if not folder.exists():
        fetch(version, folder)
    return folder


def fetch(version: Version, folder: Path) -> None:
    """Fill the folder at one stroke, so that a killed or a second run never sees half of it."""
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        target = Path(scratch) / "packages"
        options = ["--quiet", "--no-deps", "--disable-pip-version-check", "--target", str(target)]
        command = [sys.executable, "-m", "pip", "install", *options, f"ipykernel=={version}"]
        run = subprocess.run(command, check=False, capture_output=True, text=True)
        if run.returncode != 0:
            missing(f"ipykernel {version} is missing and pip cannot fetch it: {run.stderr[-500:]}")
        if not folder.exists():
            target.rename(folder)
