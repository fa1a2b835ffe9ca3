"""What the browser tests do and see: a Jupyter server of their own, tabs in real Chromium, a run in one of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Dialog, Page
from playwright.sync_api import Error as PlaywrightError

from cobra_jupyter.run import attach, registry
from tests.fakes import live

TOKEN = "a-token-of-tests"
OURS = (
    "/extensions/cobra-jupyter/"  # in the stack of an error that concerns us; JupyterLab has some of its own
)
PATIENCE = 30.0  # seconds
AWAY = "Server Connection Error"  # what JupyterLab says, and takes back, of a server that is away
_given: set[int] = set()
_DIALOGS = """
window.dialogsSeen = [];
new MutationObserver(changes => {
    for (const change of changes)
        for (const node of change.addedNodes)
            if (node.classList?.contains('jp-Dialog')) {
                const seen = { text: node.textContent };
                window.dialogsSeen.push(seen);
                setTimeout(() => seen.text = node.textContent || seen.text, 50);  // when its title is there
            }
}).observe(document, { childList: true, subtree: true });
"""


def until(look: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Look again and again until something true is seen. → what was seen."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


def free_port() -> int:
    """A port that no outgoing connection is given before the server takes it, and no other worker's server."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for port in range(20_000 + 500 * worker, 20_500 + 500 * worker):
        if port not in _given:
            _given.add(port)
            with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
                return port
    raise AssertionError("no port is free")


@dataclass
class Server:
    """JupyterLab as a person starts it, with folders of its own. `options` are command-line options."""

    folder: Path
    options: tuple[str, ...] = ()
    base: str = "/"
    app: str = "lab"
    variables: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def environment(self) -> dict[str, str]:
        home = self.folder / "home"
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")},
            "HOME": str(home), "JUPYTER_RUNTIME_DIR": str(self.folder / "runtime"),
            "JUPYTER_CONFIG_DIR": str(home / "config"), "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
            **self.variables,
        }  # fmt: skip

    def start(self) -> None:
        for place in (self.root, self.folder / "home", self.folder / "runtime"):
            place.mkdir(parents=True, exist_ok=True)
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", self.app_module, "--no-browser", "--allow-root", f"--port={self.port}",
                    "--ServerApp.port_retries=0", f"--ServerApp.root_dir={self.root}", f"--ServerApp.base_url={self.base}",
                    f"--IdentityProvider.token={TOKEN}", f"--LabServerApp.extra_labextensions_path={self._built()}", *self.options,
                ],
                stdout=log, stderr=log, env=self.environment, start_new_session=True,
            )  # fmt: skip
        until(self.answers, f"the server answers, see {self.folder / 'server.log'}", 60)

    def _built(self) -> Path:
        """A folder with the front end that was built in this tree, which goes before an installed one."""
        place = self.folder / "labextensions"
        place.mkdir(exist_ok=True)
        link = place / "cobra-jupyter"
        if not link.is_symlink():
            link.symlink_to(Path(attach.__file__).parent / "labextension")
        return place

    @property
    def app_module(self) -> str:
        return {"lab": "jupyterlab", "notebook": "notebook"}[self.app]

    def answers(self) -> bool:
        with contextlib.suppress(OSError, ValueError):
            return "version" in self.get("api")
        return False

    def url(self, path: str, port: int | None = None) -> str:
        return f"http://127.0.0.1:{port or self.port}{self.base}{path}"

    def get(self, path: str) -> Any:
        request = urllib.request.Request(self.url(path), headers={"Authorization": f"token {TOKEN}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def post(self, path: str, body: Any = None, method: str = "POST") -> Any:
        request = urllib.request.Request(
            self.url(path),
            json.dumps(body or {}).encode(),
            {"Authorization": f"token {TOKEN}"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it as an operator (SIGTERM) or a crash (SIGKILL) does."""
        if self.process is not None:
            self.process.send_signal(number)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(5)
            self.process = None


class Tab:
    """A tab of JupyterLab with a notebook open in it."""

    def __init__(self, page: Page, server: Server, port: int | None = None) -> None:
        self.page, self.server, self.port = page, server, port
        self.problems: list[str] = []
        page.on("pageerror", self._failed)
        page.on("dialog", self._asked)
        page.add_init_script(_DIALOGS)

    def open(self, path: str, workspace: str | None = None) -> Tab:
        """Open a notebook, in a workspace of its own if said so."""
        place = f"lab/workspaces/{workspace}" if workspace else "lab"
        self.page.goto(f"{self.server.url(place, self.port)}/tree/{path}?token={TOKEN}&reset")
        self.ready()
        return self

    def ready(self) -> None:
        """Wait until the notebook and its kernel are there."""
        self.page.locator(".jp-Notebook").first.wait_for(timeout=60_000)
        until(
            lambda: self.js("nb => nb.sessionContext.session?.kernel?.connectionStatus === 'connected'"),
            "its kernel", 60,
        )  # fmt: skip

    def js(self, function: str, *args: Any) -> Any:
        """Evaluate a function of the notebook's panel in the page."""
        return self.page.evaluate(
            f"""args => {{
                const app = window.jupyterapp;
                const panel = [...app.shell.widgets('main')].find(w => w.context && w.content && w.content.model?.cells);
                return panel ? ({function})(panel, ...args) : null;
            }}""",
            list(args),
        )

    def cells(self) -> list[dict[str, Any]]:
        """The model's cells: id, kind, source, outputs as text, metadata."""
        return (
            self.js(  # type: ignore[no-any-return]
                """nb => [...nb.content.model.cells].map(c => ({
                id: c.id, kind: c.type, source: c.sharedModel.getSource(), cobra: c.getMetadata('cobra') || {},
                count: c.executionCount ?? null, outputs: c.outputs ? JSON.stringify(c.outputs.toJSON()) : ''
            }))"""
            )
            or []
        )

    def sources(self) -> list[str]:
        return [cell["source"] for cell in self.cells()]

    def outputs(self) -> str:
        return "\n".join(cell["outputs"] for cell in self.cells())

    def shows(self, text: str, seconds: float = PATIENCE) -> None:
        """Wait until a cell's source or output holds a text."""
        until(
            lambda: any(text in c["source"] or text in c["outputs"] for c in self.cells()),
            f"the tab shows {text!r}",
            seconds,
        )

    def dirty(self) -> bool:
        return bool(self.js("nb => nb.context.model.dirty"))

    def command(self, name: str, args: dict[str, Any] | None = None) -> None:
        """Execute one of JupyterLab's commands, to its end."""
        self.page.evaluate(
            "([n, a]) => window.jupyterapp.commands.execute(n, a).then(() => null)", [name, args or {}]
        )

    def type_into(self, cell_id: str, text: str, delay: float = 30) -> None:
        """Click into a cell's editor and type at its end, key by key."""
        self.focus(cell_id)
        asked, before = len(self.dialogs()), self._source(cell_id)
        self.page.keyboard.press("Control+End")
        self.page.keyboard.type(text, delay=delay)
        if (
            len(self.dialogs()) > asked
        ):  # JupyterLab's word of a server that is away took the rest of the keys
            self.focus(cell_id)
            self.page.keyboard.press("Control+a")
            self.page.keyboard.insert_text(before + text)

    def _source(self, cell_id: str) -> str:
        return next(str(cell["source"]) for cell in self.cells() if cell["id"] == cell_id)

    def _close_notice(self) -> None:
        """As a person does who reads that the server is away."""
        notice = self.page.locator(".jp-Dialog", has_text=AWAY)
        if notice.count():
            with contextlib.suppress(PlaywrightError):  # it may just go by itself
                notice.get_by_role("button", name="Close", exact=True).click(timeout=1_000)

    def focus(self, cell_id: str) -> None:
        focused = """(nb, id) => {
            nb.content.activeCellIndex = [...nb.content.model.cells].findIndex(c => c.id === id);
            nb.content.mode = 'edit';
            nb.content.activeCell?.editor?.focus();
            return nb.content.activeCell?.editor?.hasFocus() ?? false;
        }"""

        def takes() -> Any:
            self._close_notice()
            return self.js(focused, cell_id)

        until(takes, f"cell {cell_id} takes the cursor")

    def add_below(self, cell_id: str, text: str, delay: float = 30) -> str:
        """A new cell below another, with a text typed into it. → its id."""
        self.select(cell_id)
        self.command("notebook:insert-cell-below")
        made = str(self.js("nb => nb.content.activeCell.model.id"))
        self.type_into(made, text, delay)
        return made

    def select(self, cell_id: str) -> None:
        """Make a cell the active one, in command mode."""
        self.js(
            """(nb, id) => {
                nb.content.activeCellIndex = [...nb.content.model.cells].findIndex(c => c.id === id);
                nb.content.mode = 'command';
                nb.content.node.focus();
            }""",
            cell_id,
        )

    def dialogs(self) -> list[str]:
        """The texts of all dialogs that opened since the page was loaded."""
        return list(self.page.evaluate("window.dialogsSeen.map(seen => seen.text)"))

    def _failed(self, error: Any) -> None:
        if OURS in str(error.stack):
            self.problems.append(f"{error}\n{error.stack}")

    def _asked(self, dialog: Dialog) -> None:
        """The browser asks (leave this page?), which nothing here should make it do."""
        self.problems.append(f"{dialog.type}: {dialog.message}")
        dialog.accept()

    def dialog(self) -> str | None:
        """The text of an open dialog, if there is one."""
        found = self.page.locator(".jp-Dialog")
        return found.first.inner_text() if found.count() else None


@dataclass
class Live:
    """A run in the server's root, whose replies the test dictates."""

    server: Server
    name: str
    competition: Path
    process: subprocess.Popen[bytes] | None = None
    options: tuple[str, ...] = ()

    @property
    def out(self) -> Path:
        return self.server.root / "runs" / self.name

    @property
    def path(self) -> str:
        return f"runs/{self.name}/agent.ipynb"

    @property
    def replies(self) -> Path:
        return self.server.folder / "replies" / self.name

    @property
    def go(self) -> Path:
        """Where it is, a cell that waits for it ends."""
        return self.server.folder / "go" / self.name

    def held(self, code: str) -> str:
        """A cell's code that ends when the test lets it: what a person does while it runs takes its own time."""
        wait = f"while not os.path.exists({str(self.go)!r}):\n    time.sleep(0.02)"
        return f"{code}\n{wait}"

    def let_go(self) -> None:
        self.go.parent.mkdir(exist_ok=True)
        self.go.touch()

    def let_go_when(self, state: str) -> None:
        """As soon as what a person asked for has come to the run."""
        self.state(state)
        self.let_go()

    def start(self, *options: str) -> Live:
        """→ itself, when the agent's first turn is over."""
        self.out.parent.mkdir(parents=True, exist_ok=True)
        with _environment(self.server.environment):
            self.process = live.start(self.competition, self.out, self.replies, *options)
        if "--resume" not in options:
            self.say(1, live.cell("%load_ext cobra_jupyter\nimport os, time\nx = 1", "Begin"))
            self.seen(2)
        return self

    @property
    def entry(self) -> registry.Entry:
        with _environment(self.server.environment):
            return until(lambda: registry.find(self.out), "the run is registered")  # type: ignore[no-any-return]

    def call(self, name: str, **args: Any) -> dict[str, Any]:
        return attach.ask(self.entry, name, **args)

    def state(self, wanted: str) -> None:
        until(lambda: self.call("status")["state"] == wanted, f"the run is {wanted}")

    def say(self, number: int, text: str) -> None:
        live.say(self.replies, number, text)

    def seen(self, number: int) -> str:
        """What the brain was told for a turn."""
        path = self.replies / f"{number}.seen"
        until(path.exists, f"the agent comes to turn {number}", 60)
        return path.read_text(encoding="utf-8")

    def file(self) -> list[dict[str, Any]]:
        """The cells of the file, when it holds all that there is."""
        path = Path(self.call("flush", agent="lead")["path"])
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return [{**cell, "source": "".join(cell["source"])} for cell in cells]

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
                try:
                    self.process.wait(20)
                except subprocess.TimeoutExpired:
                    os.killpg(self.process.pid, signal.SIGKILL)


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Any:
    """Look for runs where the server does."""
    before = os.environ.get("JUPYTER_RUNTIME_DIR")
    os.environ["JUPYTER_RUNTIME_DIR"] = variables["JUPYTER_RUNTIME_DIR"]
    try:
        yield
    finally:
        if before is None:
            del os.environ["JUPYTER_RUNTIME_DIR"]
        else:
            os.environ["JUPYTER_RUNTIME_DIR"] = before
