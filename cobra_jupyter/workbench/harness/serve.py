"""The harness process: it listens on a Unix socket, serves kernels, and reports to the runner if there is
one.

Settings arrive as one JSON line on standard input: `{"socket", "folder", "competition", "options", "seed",
"slots", "memory_bytes", "gpus", "started", "budget", "token", "recorded"}`; `recorded` is the record of a run
to replay. The harness ends when its parent closes standard input."""

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
from cobra_jupyter.workbench.workers.environment import limit_threads
from cobra_jupyter.workbench.workers.pool import MakePool
from cobra_jupyter.workbench.workers.processes import ProcessPool

RUNNER_CALLS = ("listen", "turn_begins", "hold", "restore", "verify", "shutdown")
AGENT_CALLS = ("delegate", "recall", "finish")  # the runner must know which agent makes these calls
LEAD_CALLS = ("protocol", "metric", "select", "submit")  # other agents may only propose these


@dataclass
class _RunningCell:
    """An agent's running cell: its turn, its number of calls by name, answers from an earlier run."""

    turn: int = 0
    answers: list[Answered] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)


class Service:
    """Serves any number of kernels and at most one runner, which identifies itself with the token.

    Each agent has its own socket, so that the harness knows which agent calls."""

    def __init__(self, facts: Mapping[str, Any], make_pool: MakePool = ProcessPool) -> None:
        from cobra_jupyter.workbench.harness.harness import PUBLIC, Harness, Settings

        self._token = str(facts["token"])
        self._runner: Peer | None = None
        self._calls = frozenset({*PUBLIC, *AGENT_CALLS, "jobs"})
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
        self._cells = {LEAD: _RunningCell()}
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
        if agent != LEAD and (name in LEAD_CALLS or (name == "open" and args.get("options"))):
            raise PermissionError(f"{name} is the lead's to call: propose it in your report")
        caller: dict[str, Any] = {"agent": agent} if name in AGENT_CALLS else {}
        if name == "protocol":
            caller = {"beside": self._socket.parent}  # where a client leaves a Series
        try:
            with self._owners.claim(agent, name, args.get("name"), args.get("source")):
                return getattr(self._harness, name)(call, **args, **caller)
        except disk.DiskFull:
            raise
        except OSError:
            disk.check(self._folder)  # numpy does not say why it could not write
            raise

    # ---- calls of cells are recorded, so that a cell can run again without repeating the work

    def _do_recorded(self, agent: str, call: Call, name: str, args: dict[str, Any]) -> Any:
        cell = self._cells[agent]
        with self._lock:
            cell.calls[name] += 1
            call.key = f"{agent} {cell.turn} {name} {cell.calls[name]}"
        if known := self._known_answer(cell, name, args):
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
                self._record_call(agent, cell.turn, Answered(name, args, None, failure), None)
            raise
        if not call.cancelled.is_set():  # a cancelled call has no answer
            self._record_call(agent, cell.turn, Answered(name, args, answer, None), self._seq_of(answer))
        return answer

    def _known_answer(self, cell: _RunningCell, name: str, args: dict[str, Any]) -> Answered | None:
        with self._lock:
            for index, done in enumerate(cell.answers):
                if done.call == name and done.args in (args, None):
                    return cell.answers.pop(index)
        return None

    def _record_call(self, agent: str, turn: int, done: Answered, seq: int | None) -> None:
        """Record a call. `seq`: the line of the record that holds the answer already."""
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
        """Return the line of the record that holds this answer already, or None."""
        if answer["kind"] == "trial":
            return self._journal.trial_lines.get(answer["data"]["id"])
        latest = getattr(self._latest, "record", None)
        return latest[2] if latest and latest[:2] == (answer["kind"], answer["data"]) else None

    # ---- calls of the runner

    def _listen(self, call: Call, agent: str) -> str:
        """Open a socket for an agent and return its path."""
        path = self._socket.with_name(agent)
        with self._lock:
            if agent not in self._cells:
                self._cells[agent] = _RunningCell()
                self._serve(Listener(path, partial(self._accept, agent)))
        return str(path)

    def _turn_begins(self, call: Call, number: int, again: bool, agent: str = LEAD) -> None:
        """Note that the cell of an agent's turn runs. `again`: repeated calls get their recorded answers."""
        with self._lock:
            cell = self._cells[agent]
            cell.turn = number
            cell.calls.clear()
            cell.answers = self._journal.of(agent, number) if again else []

    def _hold(self, call: Call, started: float | None) -> None:
        """Stop the run's clock or start it again."""
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
        self._closing = True  # the results of cancelled work are not recorded
        self._harness.jobs.cancel_all()
        threading.Timer(0.05, self._done.set).start()

    def _emit(self, kind: str, data: Mapping[str, Any]) -> None:
        """Send a record to the runner and wait until it is written. Without a runner there is no ledger."""
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
        """Serve until the parent, the runner or a signal ends the process."""
        self.open()
        threading.Thread(target=self._watch_parent, daemon=True).start()
        print("ready", flush=True)
        self.wait()
        self.close()

    def open(self) -> None:
        self._serve(self._listeners[0])

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the runner has called `shutdown`, or until `stop`."""
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
