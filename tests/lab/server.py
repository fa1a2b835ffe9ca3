"""A Jupyter server as a person starts it, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cobra_jupyter
from tests.lab.waiting import until

TOKEN = "a-token-of-tests"
_given: set[int] = set()


def free_port() -> int:
    """A port that no outgoing connection gets first. Each process begins its search at another port."""
    first = os.getpid() * 37
    for port in (20_000 + (first + step) % 10_000 for step in range(10_000)):
        if port not in _given:
            _given.add(port)
            with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
                return port
    raise AssertionError("no port is free")


@dataclass
class Server:
    """JupyterLab with its own folders. `options` are command-line options; `beside` is another server: this
    one shows its root and its runs as well."""

    folder: Path
    options: tuple[str, ...] = ()
    base: str = "/"
    app: str = "lab"
    variables: dict[str, str] = field(default_factory=dict)
    beside: Server | None = None
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def root(self) -> Path:
        return self.beside.root if self.beside else self.folder / "root"

    @property
    def runtime(self) -> Path:
        return self.beside.runtime if self.beside else self.folder / "runtime"

    @property
    def environment(self) -> dict[str, str]:
        home = self.folder / "home"
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")},
            "HOME": str(home),
            "JUPYTER_RUNTIME_DIR": str(self.runtime),
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
            **self.variables,
        }

    def start(self) -> None:
        for place in (self.root, self.folder / "home", self.runtime):
            place.mkdir(parents=True, exist_ok=True)
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    self.app_module,
                    "--no-browser",
                    "--allow-root",
                    f"--port={self.port}",
                    "--ServerApp.port_retries=0",
                    f"--ServerApp.root_dir={self.root}",
                    f"--ServerApp.base_url={self.base}",
                    f"--IdentityProvider.token={TOKEN}",
                    f"--LabServerApp.extra_labextensions_path={self._built()}",
                    *self.options,
                ],
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )
        until(self.answers, f"the server answers, see {self.folder / 'server.log'}")

    def _built(self) -> Path:
        """A folder with the front end that was built in this tree, which goes before an installed one."""
        place = self.folder / "labextensions"
        place.mkdir(exist_ok=True)
        link = place / "cobra-jupyter"
        if not link.is_symlink():
            link.symlink_to(Path(cobra_jupyter.__file__).parent / "labextension")
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
