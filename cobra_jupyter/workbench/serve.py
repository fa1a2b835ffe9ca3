"""The harness process: listens on a Unix socket, serves kernels, and reports to the runner when there is one.

Settings come as one JSON line on standard input: `{"socket", "folder", "competition", "options", "seed",
"slots", "memory_bytes", "started", "budget", "token"}`. With standard input closed by the parent, the harness
ends too."""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from cobra_jupyter.workbench import pool
from cobra_jupyter.workbench.rpc import Call, Listener, Peer

AGENT_CALLS = ("finish", "delegate", "recall")  # answered by the runner


class Service:
    """Connections: any number of kernels, at most one runner (which proves itself with the token)."""

    def __init__(self, facts: dict[str, Any]) -> None:
        from cobra_jupyter.workbench.harness import PUBLIC, Harness, Settings

        self._token = str(facts["token"])
        self._runner: Peer | None = None
        self._public = frozenset(PUBLIC)
        self._harness = Harness(
            Settings(
                folder=Path(facts["folder"]), competition=facts.get("competition"),
                options=dict(facts.get("options", {})),
                seed=int(facts.get("seed", 0)), slots=int(facts["slots"]),
                memory_bytes=int(facts["memory_bytes"]),
                started=float(facts["started"]), budget=facts.get("budget"),
            ),
            self._emit, self._ask,
        )  # fmt: skip
        self._done = threading.Event()
        self._listener = Listener(Path(facts["socket"]), self._accept)

    def _accept(self, sock: socket.socket) -> None:
        holder: list[Peer] = []
        ready = threading.Event()

        def handle(call: Call, name: str, args: dict[str, Any]) -> Any:
            ready.wait()
            return self._handle(holder[0], call, name, args)

        holder.append(Peer(sock, handle))
        ready.set()

    def _handle(self, peer: Peer, call: Call, name: str, args: dict[str, Any]) -> Any:
        if name == "hello":
            if not hmac.compare_digest(str(args.get("token", "")), self._token):
                raise PermissionError("wrong token")
            self._runner = peer
            return {"pid": os.getpid()}
        if name in ("shutdown", "cancel_jobs"):
            if peer is not self._runner:
                raise PermissionError(f"{name} is the runner's to call")
            return self._privileged(name)
        if name in ("delegate", "recall"):
            return {"kind": name, "data": self._ask(name, args)}
        if name == "jobs":
            return self._harness.jobs_(call)
        if name not in self._public:
            raise AttributeError(f"there is no call {name!r}")
        return getattr(self._harness, name)(call, **args)

    def _privileged(self, name: str) -> None:
        self._harness.jobs.cancel_all()
        if name == "shutdown":
            threading.Timer(0.05, self._done.set).start()

    def _emit(self, kind: str, data: dict[str, Any]) -> None:
        """Hand a record to the runner and wait until it is written; without a runner there is no ledger."""
        if self._runner is not None and not self._runner.closed.is_set():
            self._runner.call("record", {"kind": kind, "data": data})

    def _ask(self, name: str, args: dict[str, Any]) -> Any:
        if self._runner is None:
            if name == "finish":
                return "noted; no run is attached, so nothing else happens"
            raise RuntimeError(f"{name} needs a run; in a notebook of your own there is none")
        return self._runner.call("ask", {"what": name, "args": args})

    def run(self) -> None:
        threading.Thread(target=self._listener.serve_forever, daemon=True).start()
        threading.Thread(target=self._watch_parent, daemon=True).start()
        print("ready", flush=True)
        self._done.wait()
        self._listener.close()
        self._harness.close()

    def _watch_parent(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stdin.buffer.read()
        self._done.set()

    def stop(self, *_: object) -> None:
        self._done.set()


def main() -> None:
    facts = json.loads(sys.stdin.buffer.readline())
    pool.limit_threads(os.environ)  # before numerical libraries load
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the runner's to handle
    service = Service(facts)
    signal.signal(signal.SIGTERM, service.stop)
    service.run()
    os._exit(0)
