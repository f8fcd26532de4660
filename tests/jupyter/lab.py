"""A real JupyterLab with a real Chromium: notebooks are opened and run as a person would.

One Lab, one browser and one page serve many notebooks, one after the other. All its folders are
temporary. Nothing here sleeps to synchronise.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, Dialog, Locator, Page, async_playwright

from tests.browser.har import FLAGS
from tests.jupyter.kernel import ROOT, Version, package
from tests.needs import chromium

Json = dict[str, Any]

TOKEN = "under-test"
START = 90.0
"""Seconds until Lab must answer."""
OPEN = 60.0
"""Seconds until a notebook must be there with a kernel that idles; a busy machine takes 15."""
RUN = 30.0
"""Seconds a cell may take."""

SETTINGS: Json = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}

CURRENT = "window.jupyterapp.shell.currentWidget"
IDLES = f"() => {CURRENT}?.sessionContext?.session?.kernel?.status === 'idle'"
SELECT = f"""const cells = {CURRENT}.content;
    cells.deselectAll(); cells.activeCellIndex = index;"""
RUN_CELL = f"""async ([index, limit]) => {{ {SELECT}
    return await Promise.race([
        window.jupyterapp.commands.execute("notebook:run-cell").then(() => true),
        new Promise((resolve) => setTimeout(() => resolve(false), limit))]) }}"""
OPEN_FILE = """async (path) => {
    await window.jupyterapp.commands.execute("docmanager:open", { path, factory: "Notebook" }) }"""
CLOSE_ALL = """() => {
    for (const widget of [...window.jupyterapp.shell.widgets("main")]) widget.dispose() }"""
"""Without a question about what is not saved."""
START_CELL = (
    f"""(index) => {{ {SELECT} window.jupyterapp.commands.execute("notebook:run-cell") }}"""
)


class CellError(AssertionError):
    """A cell that was expected to succeed ended with an exception."""


class Lab:
    """JupyterLab in a process of its own, with kernels of several ipykernels.

    Which, is said at once: a page asks for the list of kernels when it is loaded.
    """

    def __init__(self, versions: Iterable[Version]) -> None:
        self._versions = tuple(versions)
        self.folder = Path(tempfile.mkdtemp(prefix="lab-"))
        self.notebooks = self.folder / "notebooks"
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        try:
            await asyncio.to_thread(self._start)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _start(self) -> None:
        self.notebooks.mkdir()
        for version in self._versions:
            self._make_kernel(version)
        settings = self.folder / "settings"
        settings.mkdir()
        (settings / "overrides.json").write_text(json.dumps(SETTINGS))
        options = {
            "ServerApp.root_dir": self.notebooks,
            "ServerApp.log_level": "WARN",
            "ServerApp.allow_root": getattr(os, "geteuid", lambda: 1)() == 0,
            "IdentityProvider.token": TOKEN,
            "LabApp.app_settings_dir": settings,
            "LabApp.user_settings_dir": self.folder / "user",
            "LabApp.workspaces_dir": self.folder / "workspaces",
            "LabApp.expose_app_in_browser": True,
            "LanguageServerManager.autodetect": False,
        }
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1"]
        command += [f"--{name}={value}" for name, value in options.items()]
        with (self.folder / "lab.log").open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env=isolated(self.folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.url = self._answers()

    def _answers(self) -> str:
        """Wait until Lab answers; return its address."""
        assert self._process is not None
        until = time.monotonic() + START
        while time.monotonic() < until and self._process.poll() is None:
            for path in (self.folder / "jupyter_runtime_dir").glob("jpserver-*.json"):
                with contextlib.suppress(OSError, ValueError):
                    self.url = str(json.loads(path.read_text())["url"]).rstrip("/")
                    self.ask("/api/status")
                    return self.url
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
        raise RuntimeError(f"JupyterLab does not answer:\n{self.logged()}")

    def logged(self) -> str:
        """Return what Lab wrote on its terminal."""
        return (self.folder / "lab.log").read_text(errors="replace")

    def ask(self, path: str, method: str = "GET") -> Any:
        """Ask Jupyter's REST interface."""
        request = urllib.request.Request(
            self.url + path, method=method, headers={"Authorization": f"token {TOKEN}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            said = answer.read()
        return json.loads(said) if said else None

    def write(self, name: str, cells: Sequence[str], version: Version = "newest") -> None:
        """Write a notebook whose kernel has this ipykernel."""
        kernel = _kernel_name(version)
        notebook = {
            "cells": [_cell(number, source) for number, source in enumerate(cells)],
            "metadata": {
                "kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        (self.notebooks / name).write_text(json.dumps(notebook))

    def _make_kernel(self, version: Version) -> None:
        """Make the kernelspec that notebooks name."""
        name = _kernel_name(version)
        folder = self.folder / "jupyter_data_dir" / "kernels" / name
        path = [str(one) for one in (package(version), ROOT) if one is not None]
        folder.mkdir(parents=True)
        spec = {
            "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": name,
            "language": "python",
            "env": {"PYTHONPATH": os.pathsep.join(path)},
        }
        (folder / "kernel.json").write_text(json.dumps(spec))

    def read(self, name: str) -> Json:
        """Return a notebook as it was saved."""
        saved: Json = json.loads((self.notebooks / name).read_text())
        return saved

    def end_kernels(self) -> None:
        """End all kernels there are."""
        for kernel in self.ask("/api/kernels"):
            with contextlib.suppress(urllib.error.HTTPError):
                self.ask(f"/api/kernels/{kernel['id']}", "DELETE")

    async def aclose(self) -> None:
        """End it and remove its folders; safe at any time. A kernel ends with its parent."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            with contextlib.suppress(OSError):
                self.end_kernels()
            end(process, 10)
        shutil.rmtree(self.folder, ignore_errors=True)


class Notebook:
    """One notebook in one page. Cells are named by their number."""

    def __init__(self, lab: Lab, page: Page, name: str) -> None:
        self.lab, self.page, self.name = lab, page, name
        self.requests: list[str] = []
        """Every address the page asked for, WebSockets included."""
        self.dialogs: list[str] = []
        self.faults: list[str] = []
        """Errors that no script caught."""
        self._hears: dict[Any, Callable[[Any], Any]] = {
            "request": lambda request: self.requests.append(request.url),
            "websocket": lambda socket: self.requests.append(socket.url),
            "pageerror": lambda error: self.faults.append(str(error)),
            "dialog": self._dialog,
        }
        for event, hear in self._hears.items():
            page.on(event, hear)

    async def _dialog(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        await dialog.accept()

    async def open(self) -> Self:
        """Open it, on a new page in a workspace of its own, and wait for its kernel."""
        if self.page.url.startswith(self.lab.url):
            await self.page.evaluate(OPEN_FILE, self.name)
            await self._ready()
            return self
        workspace = f"{Path(self.name).stem}"
        await self.page.goto(
            f"{self.lab.url}/lab/workspaces/{workspace}/tree/{self.name}?token={TOKEN}"
        )
        await self._ready()
        return self

    async def _ready(self) -> None:
        limit = OPEN * 1000
        await self.page.wait_for_function("() => window.jupyterapp?.shell", timeout=limit)
        await self.page.evaluate("async () => { await window.jupyterapp.restored }")
        await self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=limit)
        await self.idle()

    async def close(self) -> None:
        """Close it and all that was opened beside it; the page stays for another."""
        await self.page.evaluate(CLOSE_ALL)
        await self.page.wait_for_selector(".jp-Notebook", state="detached", timeout=OPEN * 1000)
        for event, hear in self._hears.items():
            self.page.remove_listener(event, hear)

    async def idle(self) -> None:
        """Wait until the kernel idles."""
        await self.page.wait_for_function(IDLES, timeout=OPEN * 1000)

    async def run(self, *cells: int, timeout: float = RUN) -> None:
        """Run cells to their ends, one after the other.

        Raises:
            CellError: one failed.
            TimeoutError: one takes longer.
        """
        for index in cells:
            if not await self.page.evaluate(RUN_CELL, [index, timeout * 1000]):
                raise TimeoutError(f"cell {index} runs for more than {timeout} s")
            for output in await self.outputs(index):
                if output["output_type"] == "error":
                    raise CellError(f"cell {index}: {output['ename']}: {output['evalue']}")

    async def start(self, index: int) -> None:
        """Start a cell and go on."""
        await self.page.evaluate(START_CELL, index)

    async def outputs(self, index: int) -> list[Json]:
        """Return what a cell shows, as the notebook would store it."""
        found: list[Json] = await self.page.evaluate(
            f"(index) => {CURRENT}.content.widgets[index].model.outputs.toJSON()", index
        )
        return found

    async def text(self, index: int) -> str:
        """Return the plain text of a cell's value."""
        said = [
            output["data"].get("text/plain", "")
            for output in await self.outputs(index)
            if "data" in output
        ]
        return "".join("".join(one) if isinstance(one, list) else one for one in said)

    async def edit(self, index: int, source: str) -> None:
        """Give a cell another text."""
        await self.page.evaluate(
            f"([index, source]) => {CURRENT}.content.widgets[index].model"
            ".sharedModel.setSource(source)",
            [index, source],
        )

    def cell(self, index: int) -> Locator:
        """Where a cell is."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def output(self, index: int) -> Locator:
        """Where it shows what it gives."""
        return self.cell(index).locator(".jp-OutputArea")

    async def save(self) -> None:
        """Save it."""
        await self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")

    async def reload(self) -> None:
        """Load the page again, as F5 does."""
        await self.page.reload()
        await self._ready()

    async def interrupt(self) -> None:
        """Interrupt the kernel, as the stop button does."""
        await self.page.evaluate(f"() => {CURRENT}.sessionContext.session.kernel.interrupt()")

    async def restart(self) -> None:
        """Restart the kernel."""
        await self.page.evaluate(
            f"async () => {{ await {CURRENT}.sessionContext.restartKernel() }}"
        )
        await self.idle()

    async def theme(self, *, dark: bool) -> None:
        """Choose how Lab looks."""
        name = "JupyterLab Dark" if dark else "JupyterLab Light"
        await self.page.evaluate(
            "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })",
            name,
        )
        await self.page.wait_for_selector(
            f'body[data-jp-theme-light="{json.dumps(not dark)}"]',
            state="attached",
            timeout=RUN * 1000,
        )

    @property
    def external(self) -> list[str]:
        """The addresses asked for that are not this machine."""
        return [
            url
            for url in self.requests
            if urlsplit(url).scheme not in ("data", "blob")
            and urlsplit(url).hostname not in ("127.0.0.1", "localhost")
        ]


class Desk:
    """Lab, a browser, and the notebooks that are opened on them."""

    def __init__(self, lab: Lab, browser: BrowserContext) -> None:
        self.lab, self.browser = lab, browser
        self._count = 0
        self._page: Page | None = None
        """A page of Lab with nothing open, which took seconds to load."""

    @contextlib.asynccontextmanager
    async def notebook(
        self,
        *cells: str,
        version: Version = "newest",
        width: int = 1280,
        height: int = 900,
        fresh: bool = False,
    ) -> AsyncIterator[Notebook]:
        """Write a notebook and open it; leaving closes it and ends its kernel.

        A `fresh` one gets a page of its own: for who loads it again or looks at all its requests.
        """
        self._count += 1
        name = f"notebook-{self._count}.ipynb"
        self.lab.write(name, cells, version)
        page = None
        if not fresh:
            page, self._page = self._page, None
        page = page or await self.browser.new_page()
        try:
            await page.set_viewport_size({"width": width, "height": height})
            notebook = await Notebook(self.lab, page, name).open()
            yield notebook
            if not fresh:
                await notebook.close()
                self._page = page
        finally:
            if self._page is not page:
                await page.close()
            await asyncio.to_thread(self.lab.end_kernels)


@contextlib.asynccontextmanager
async def desk(*versions: Version) -> AsyncIterator[Desk]:
    """Run a Lab with kernels of these versions (the newest, unless told), and a browser."""
    async with Lab(versions or ("newest",)) as lab, async_playwright() as playwright:
        with tempfile.TemporaryDirectory(prefix="chromium-") as profile:
            browser = await playwright.chromium.launch_persistent_context(
                profile, executable_path=chromium(), args=list(FLAGS)
            )
            try:
                yield Desk(lab, browser)
            finally:
                await browser.close()


def end(process: subprocess.Popen[bytes], patience: float) -> None:
    """Ask a program to end; one that does not within so many seconds is killed."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(patience)


def isolated(folder: Path) -> dict[str, str]:
    """Return an environment in which Jupyter keeps all that is its own in a folder."""
    folders = {
        name: str(folder / name.lower())
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }
    return {
        **os.environ,
        **folders,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def _kernel_name(version: Version) -> str:
    return f"ipykernel-{version}"


def _cell(number: int, source: str) -> Json:
    return {
        "cell_type": "code",
        "id": f"cell-{number}",
        "metadata": {},
        "execution_count": None,
        "outputs": [],
        "source": source,
    }
