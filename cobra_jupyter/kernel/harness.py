"""The runner's end of the harness: calls over a socket to a child process on the kernel's Python."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import subprocess
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cobra_jupyter.kernel.base import Handler
from cobra_jupyter.kernel.process import scrubbed
from cobra_jupyter.workbench.harness_process import start_process
from cobra_jupyter.workbench.rpc import Call, CallError, ConnectionLost, Peer

__all__ = ["CallError", "ConnectionLost", "HarnessLink", "HarnessProcess"]


class HarnessLink(ABC):
    """Starts and ends a harness, and passes its records and questions to `on_record` and `on_ask`.

    Both callbacks run in threads of the connection; the harness waits for them.
    """

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = dict(facts)
        self._private = Path(tempfile.mkdtemp(prefix="cobra-"))
        self.socket = self._private / "harness"
        self._peer: Peer | None = None
        self._agents: list[str] = []  # agents with their own socket
        self._restarting = threading.Lock()

    @abstractmethod
    def _launch(self, facts: Mapping[str, Any]) -> None:
        """Start a harness that listens on its socket. Raises ConnectionLost."""

    @abstractmethod
    def _runs(self) -> bool:
        """Whether the last launched harness still runs."""

    @abstractmethod
    def _end(self, patience: float) -> None:
        """Wait until the harness has ended, as it was asked to; after `patience` seconds, kill it."""

    @abstractmethod
    def _kill(self) -> None:
        """Kill all processes of a harness, if one was launched."""

    def start(self, on_record: Handler, on_ask: Handler) -> None:
        """Start the harness. Raises ConnectionLost, with the end of the log, if it does not start."""
        self._answer = (on_record, on_ask)
        self._start()

    def restart(self, ledger: Path) -> bool:
        """If the harness is dead, start a new one on the same sockets and restore it from the record.

        Returns whether it was dead. Raises CallError if the run's folder does not match the record."""
        with self._restarting:
            if self.alive:  # another agent has restarted it
                return False
            self._kill()
            if self._peer:
                self._peer.close()
            for path in (self.socket, *map(self.socket.with_name, self._agents)):
                path.unlink(missing_ok=True)
            self._start()
            for agent in self._agents:
                self._listen(agent)
            self.restore(ledger)
            return True

    async def listen(self, agent: str) -> Path:
        """Open a socket for another agent. Returns its path. Raises CallError or ConnectionLost."""
        if agent not in self._agents:
            await asyncio.to_thread(self._listen, agent)
            self._agents.append(agent)
        return self.socket.with_name(agent)

    def _listen(self, agent: str) -> None:
        assert self._peer
        self._peer.call("listen", {"agent": agent})

    def restore(self, ledger: Path) -> None:
        """Restore a fresh harness from the record."""
        assert self._peer
        self._peer.call("restore", {"ledger": str(ledger)})

    async def hold(self, started: float | None = None) -> None:
        """Stop its clock; with `started` (epoch seconds), continue as if the run had begun then."""
        if started is not None:
            self._facts = {**self._facts, "started": started}
        with contextlib.suppress(CallError, ConnectionLost):  # a restored harness has the right clock
            await self.call("hold", started=started)

    def _start(self) -> None:
        on_record, on_ask = self._answer
        token = secrets.token_hex(16)
        facts = {**self._facts, "socket": str(self.socket), "token": token}
        self._launch(facts)

        def serve(call: Call, name: str, args: dict[str, Any]) -> Any:
            if name == "record":
                return on_record(args["kind"], args["data"])
            return on_ask(args["what"], args["args"])

        self._peer = Peer.connect(self.socket, serve)
        self._peer.call("hello", {"token": token})

    async def call(self, name: str, **args: Any) -> dict[str, Any]:
        """Call the harness. Returns the data of the result. Raises CallError or ConnectionLost."""
        assert self._peer
        answer = await asyncio.wrap_future(self._peer.begin(name, args))
        data: dict[str, Any] = answer["data"] if answer else {}
        return data

    @property
    def alive(self) -> bool:
        gone = self._peer is not None and self._peer.closed.is_set()
        return self._runs() and not gone

    def stop(self, patience: float = 15.0) -> None:
        """Ask the harness to end, kill it if it does not, and remove its sockets."""
        with contextlib.suppress(OSError, CallError, ConnectionLost):
            if self._peer and self.alive:
                self._peer.send({"id": 0, "call": "shutdown", "args": {}})
        self._end(patience)
        if self._peer:
            self._peer.close()
        shutil.rmtree(self._private, ignore_errors=True)


class HarnessProcess(HarnessLink):
    """A harness in a child process; its own children end with it."""

    def __init__(
        self, python: str, pack: Path, log: Path, facts: Mapping[str, Any], environment: Mapping[str, str]
    ) -> None:
        super().__init__(facts)
        self._python, self._pack, self._log = python, pack, log
        self._environment = scrubbed(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def log_tail(self) -> str:
        try:
            return self._log.read_text(errors="replace")[-2000:]
        except OSError:
            return ""

    def _launch(self, facts: Mapping[str, Any]) -> None:
        self._process = start_process(facts, self._pack, self._log, self._python, self._environment)

    def _runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _end(self, patience: float) -> None:
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            assert self._process.stdin
            self._process.stdin.close()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            _kill_family(self._process.pid)
            self._process.wait(5)


def _kill_family(pid: int) -> None:
    import psutil

    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for member in [*process.children(recursive=True), process]:
            with contextlib.suppress(psutil.Error):
                member.kill()
