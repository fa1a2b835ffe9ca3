"""The harness process: listens on a Unix socket, serves kernels, and reports to the runner when there is one.

Settings come as one JSON line on standard input: `{"socket", "folder", "competition", "options", "seed",
"slots", "memory_bytes", "gpus", "started", "budget", "token", "recorded"}` (the last: the record of a run to replay). With standard input closed by the parent, the harness
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
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from cobra_jupyter.workbench import disk, rebuild
from cobra_jupyter.workbench.harness import recheck, restore
from cobra_jupyter.workbench.harness.journal import Answered, Journal
from cobra_jupyter.workbench.harness.ownership import LEAD, Owners
from cobra_jupyter.workbench.rpc import Call, Listener, Peer, words
from cobra_jupyter.workbench.turns import CALL, CallError
from cobra_jupyter.workbench.workers.pool import MakePool
from cobra_jupyter.workbench.workers.processes import ProcessPool, limit_threads

RUNNER_CALLS = ("listen", "turn_begins", "hold", "restore", "verify", "shutdown")
ASKED = ("delegate", "recall", "finish")  # calls that concern the agent whose cell makes them
LEADS = ("protocol", "metric", "select", "submit")  # what others may only propose


@dataclass
class _Desk:
    """An agent's place here: the turn whose cell runs, what it asked for, and answers to be given again to that cell's calls."""

    turn: int = 0
    again: list[Answered] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)  # the cell's calls so far, by name


class Service:
    """Connections: any number of kernels, at most one runner (which proves itself with the token). Each agent has a
    socket of its own beside the lead's, so that the harness knows whose calls it serves."""

    def __init__(self, facts: Mapping[str, Any], make_pool: MakePool = ProcessPool) -> None:
        from cobra_jupyter.workbench.harness.harness import PUBLIC, Harness, Settings

        self._token = str(facts["token"])
        self._runner: Peer | None = None
        self._calls = frozenset({*PUBLIC, *ASKED, "jobs"})
        self._harness = Harness(
            Settings(
                folder=Path(facts["folder"]),
                competition=facts.get("competition"),
                options=dict(facts.get("options", {})),
                seed=int(facts.get("seed", 0)),
                slots=int(facts["slots"]),
                memory_bytes=int(facts["memory_bytes"]),
                started=float(facts["started"]),
                budget=facts.get("budget"),
                gpus=int(facts.get("gpus", 0)),
                recorded=Path(facts["recorded"]) if facts.get("recorded") else None,
            ),
            self._emit,
            self._ask,
            make_pool,
        )
        self._folder = Path(facts["folder"])
        self._closing = False
        self._journal = Journal()
        self._latest = threading.local()
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._desks = {LEAD: _Desk()}
        self._owners = Owners()
        self._socket = Path(facts["socket"])
        self._listeners = [Listener(self._socket, partial(self._accept, LEAD))]
        self._peers: list[Peer] = []

    def _accept(self, agent: str, sock: socket.socket) -> None:
        holder: list[Peer] = []
        ready = threading.Event()

        def handle(call: Call, name: str, args: dict[str, Any]) -> Any:
            ready.wait()
            return self._handle(holder[0], agent, call, name, args)

        holder.append(Peer(sock, handle))
        self._peers.append(holder[0])
        ready.set()

    def _handle(self, peer: Peer, agent: str, call: Call, name: str, args: dict[str, Any]) -> Any:
        if name == "hello":
            if not hmac.compare_digest(str(args.get("token", "")), self._token):
                raise PermissionError("wrong token")
            self._runner = peer
            return {"pid": os.getpid()}
        if name in RUNNER_CALLS:
            if peer is not self._runner:
                raise PermissionError(f"{name} is the runner's to call")
            return getattr(self, f"_{name}")(call, **args)
        if name not in self._calls:
            raise AttributeError(f"there is no call {name!r}")
        if self._runner is None or peer is self._runner:
            return self._do(agent, call, name, args)
        return self._do_recorded(agent, call, name, args)

    def _do(self, agent: str, call: Call, name: str, args: dict[str, Any]) -> Any:
        if name == "jobs":
            return self._harness.jobs_(call)
        if agent != LEAD and (name in LEADS or (name == "open" and args.get("options"))):
            raise PermissionError(f"{name} is the lead's to call: propose it in your report")
        whose = {"agent": agent} if name in ASKED else {}
        try:
            with self._owners.claim(agent, name, args.get("name"), args.get("source")):
                return getattr(self._harness, name)(call, **args, **whose)
        except disk.DiskFull:
            raise
        except OSError:
            disk.check(self._folder)  # numpy does not say why it could not write
            raise

    # ---- what a cell asked for is kept, so that the cell can be run again without doing the work again

    def _do_recorded(self, agent: str, call: Call, name: str, args: dict[str, Any]) -> Any:
        desk = self._desks[agent]
        with self._lock:
            desk.asked[name] += 1
            call.key = f"{agent} {desk.turn} {name} {desk.asked[name]}"
        if known := self._take_again(desk, name, args):
            if known.error:
                raise RuntimeError(known.error["message"])
            return known.answer
        self._latest.record = None
        try:
            answer = self._do(agent, call, name, args)
        except disk.DiskFull:
            raise
        except Exception as error:
            if not call.cancelled.is_set():
                failure: CallError = {"kind": type(error).__name__, "message": words(error)}
                self._keep(agent, desk.turn, Answered(name, args, None, failure), None)
            raise
        if not call.cancelled.is_set():  # what was given up is not done
            self._keep(agent, desk.turn, Answered(name, args, answer, None), self._seq_of(answer))
        return answer

    def _take_again(self, desk: _Desk, name: str, args: dict[str, Any]) -> Answered | None:
        with self._lock:
            for place, done in enumerate(desk.again):
                if done.call == name and done.args in (args, None):
                    return desk.again.pop(place)
        return None

    def _keep(self, agent: str, turn: int, done: Answered, seq: int | None) -> None:
        """`seq`: the line of the record that holds the answer already."""
        with self._lock:
            self._journal.keep(agent, turn, done)
        record = {
            "agent": agent,
            "turn": turn,
            "call": done.call,
            "args": done.args,
            "record": seq,
            "answer": done.answer if seq is None else None,
            "error": done.error,
        }
        self._emit(CALL, record)

    def _seq_of(self, answer: dict[str, Any]) -> int | None:
        """The line of the record that holds this answer already."""
        if answer["kind"] == "trial":
            return self._journal.trial_lines.get(answer["data"]["id"])
        latest = getattr(self._latest, "record", None)
        return latest[2] if latest and latest[:2] == (answer["kind"], answer["data"]) else None

    # ---- the runner's own calls

    def _listen(self, call: Call, agent: str) -> str:
        """Open an agent's own socket. → its path."""
        path = self._socket.with_name(agent)
        with self._lock:
            if agent not in self._desks:
                self._desks[agent] = _Desk()
                self._serve(Listener(path, partial(self._accept, agent)))
        return str(path)

    def _turn_begins(self, call: Call, number: int, again: bool, agent: str = LEAD) -> None:
        """The cell of an agent's turn runs now; `again`: calls that it made before get the answers they got."""
        with self._lock:
            desk = self._desks[agent]
            desk.turn = number
            desk.asked.clear()
            desk.again = self._journal.of(agent, number) if again else []

    def _hold(self, call: Call, started: float | None) -> None:
        """Stop the run's clock, or let it go on."""
        self._harness.resources.hold(started)

    def _restore(self, call: Call, ledger: str) -> None:
        lines = list(rebuild.read(Path(ledger)))
        self._journal = Journal()
        rebuild.replay(lines, self._journal, self._owners)
        restore.restore(self._harness, lines, call)

    def _verify(self, call: Call, ledger: str) -> dict[str, Any]:
        checks = recheck.verify(self._harness, rebuild.read(Path(ledger)), call)
        return {"kind": "verification", "data": {"checks": [check.record() for check in checks]}}

    def _shutdown(self, call: Call) -> None:
        self._closing = True  # what is given up now is no result
        self._harness.jobs.cancel_all()
        threading.Timer(0.05, self._done.set).start()

    def _emit(self, kind: str, data: Mapping[str, Any]) -> None:
        """Hand a record to the runner and wait until it is written; without a runner there is no ledger."""
        if self._runner is not None and not self._runner.closed.is_set() and not self._closing:
            seq = self._runner.call("record", {"kind": kind, "data": data})
            self._latest.record = (kind, data, seq)
            if kind == "trial":
                self._journal.trial_lines[data["id"]] = seq

    def _ask(self, name: str, args: dict[str, Any]) -> Any:
        if self._runner is None:
            if name == "finish":
                return "noted; no run is attached, so nothing else happens"
            raise RuntimeError(f"{name} needs a run; in a notebook of your own there is none")
        return self._runner.call("ask", {"what": name, "args": args})

    def _serve(self, listener: Listener) -> None:
        if listener not in self._listeners:
            self._listeners.append(listener)
        threading.Thread(target=listener.serve_forever, daemon=True).start()

    def run(self) -> None:
        """Be a process of its own: until the parent, the runner or a signal ends it."""
        self.open()
        threading.Thread(target=self._watch_parent, daemon=True).start()
        print("ready", flush=True)
        self.wait()
        self.close()

    def open(self) -> None:
        self._serve(self._listeners[0])

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the runner has said goodbye, or `stop` was called."""
        self._done.wait(seconds)

    def close(self) -> None:
        self._closing = True
        for listener in self._listeners:
            listener.close()
        for peer in self._peers:
            peer.close()
        self._harness.close()

    def _watch_parent(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stdin.buffer.read()
        self._done.set()

    def stop(self, *_: object) -> None:
        self._done.set()


def main() -> None:
    facts = json.loads(sys.stdin.buffer.readline())
    limit_threads(os.environ)  # before numerical libraries load
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the runner's to handle
    service = Service(facts)
    signal.signal(signal.SIGTERM, service.stop)
    service.run()
    os._exit(0)
