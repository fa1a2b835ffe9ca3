"""The runner's socket: attached programs watch, steer and edit the run (docs/live.md)."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
import secrets
import shutil
import socket as sockets
import struct
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from cobra_jupyter.agent.budget import Budget
from cobra_jupyter.agent.workspace import Workspace
from cobra_jupyter.kernel.session import private_folder
from cobra_jupyter.notebook import edits
from cobra_jupyter.notebook.document import Operation
from cobra_jupyter.records import kinds
from cobra_jupyter.records.ledger import Ledger, Record
from cobra_jupyter.run.attach import AttachError, Json, encode, read_frame
from cobra_jupyter.run.control import BadMessage, Control, Refused
from cobra_jupyter.run.registry import Entry, register
from cobra_jupyter.run.status import RunStatus

MOST_UNSENT = (
    256 * 2**20
)  # bytes queued for a slow attacher; beyond that it is disconnected and attaches again
STATUS_EVERY = 0.2  # seconds between two status events
_STEERING = ("pause", "resume", "step", "interrupt", "stop", "take_over", "hand_back")
_SLOW = (
    "save",
    "flush",
    "restart_kernel",
    "interrupt_kernel",
    "interrupt",
)  # later calls do not wait for these
Call = Callable[["_Attacher", Mapping[str, Any]], Awaitable[Json]]


class Listener:
    """Accepts attachers, answers their calls and sends them events."""

    def __init__(
        self,
        *,
        identity: str,
        run: Path,
        ledger: Ledger,
        control: Control,
        budget: Budget,
        workspaces: Mapping[str, Workspace],
        run_status: RunStatus,
        facts: Callable[[], Json],
        intruder: Callable[[int], bool],
    ) -> None:
        """`workspaces`: those of the agents that work now. `facts` returns the constant part of the status.
        `intruder` says whether an agent started a process: such a process may not attach."""
        self._run, self._ledger, self._control, self._budget = run, ledger, control, budget
        self._workspaces, self._run_status, self._facts, self._intruder = (
            workspaces,
            run_status,
            facts,
            intruder,
        )
        self._folder = private_folder()
        self._entry = Entry(identity, run, os.getpid(), self._folder / "control", secrets.token_hex(16))
        self._attachers: set[_Attacher] = set()
        self._serving: set[asyncio.Task[Any]] = set()
        self._status_sent = 0.0  # time of the last status event
        self._timer: asyncio.TimerHandle | None = None
        self._registered: Path | None = None
        self._calls: dict[str, Call] = {
            "watch": self._watch,
            "status": self._status,
            "follow": self._follow,
            "edit": self._edit,
            "ran": self._ran,
            "cell": self._cell,
            "save": self._save,
            "flush": self._flush,
            "moved": self._moved,
            "kernel": self._kernel,
            "interrupt_kernel": self._interrupt_kernel,
            "restart_kernel": self._restart_kernel,
            "message": self._message,
            "approve": self._approve,
            **{name: partial(self._steer, name) for name in _STEERING},
        }

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = await asyncio.start_unix_server(self._connected, str(self._entry.socket), limit=2**20)
        self._entry.socket.chmod(0o600)
        with contextlib.suppress(OSError):  # then nobody can attach; the run goes on
            self._registered = register(self._entry)

    async def close(self) -> None:
        """Send the final status to all attachers, disconnect them and stop listening."""
        self._server.close()
        for attacher in tuple(self._attachers):
            attacher.send({"event": "ended", "status": self.status()})
            await attacher.close()
        for task in tuple(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        if self._registered is not None:
            self._registered.unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def add_workspace(self, workspace: Workspace) -> None:
        """Let attachers follow an agent's notebook from now on."""
        workspace.document.subscribe(partial(self._publish, workspace.name))
        self.changed()

    def recorded(self, record: Record, entry: Json | None) -> None:
        """A new record; called in any thread."""
        if entry is not None:
            self._loop.call_soon_threadsafe(self._broadcast, {"event": "log", "entry": entry})
        self._loop.call_soon_threadsafe(self.changed)

    def changed(self) -> None:
        """The status may have changed: send it to watchers soon."""
        if self._timer is None and any(attacher.watches for attacher in self._attachers):
            wait = max(0.0, self._status_sent + STATUS_EVERY - self._loop.time())
            self._timer = self._loop.call_later(wait, self._broadcast_status)

    def status(self) -> Json:
        """The run's status as docs/live.md describes it."""
        s, control = self._run_status, self._control
        state = control.state if s.state in ("running", "pausing", "paused", "human", "waiting") else s.state
        waiting = control.waiting
        return {
            "id": self._entry.id,
            **self._facts(),
            "run": str(self._run),
            "state": state,
            "why": control.why or s.why,
            "phase": s.phase,
            "turn": s.turn,
            "at": time.time(),
            "elapsed": round(self._budget.used, 1),
            "left": round(max(0.0, self._budget.left), 1),
            "budget": self._budget.seconds,
            "ticking": self._budget.held is None and state in ("starting", "running", "pausing"),
            "best": s.best,
            "submitted": s.submitted,
            "trials": s.trials,
            "tokens": s.tokens,
            "cost": round(s.cost, 6) if s.tokens else None,
            "agents": [
                {
                    "name": name,
                    "role": role,
                    "notebook": self._notebook(name),
                    "busy": name in self._workspaces,
                }
                for name, role in list(s.agents.items())
            ],
            "waiting": waiting and {"agent": waiting.agent, "cell": waiting.cell, "why": waiting.why},
            "resumable": False,
        }

    def _notebook(self, name: str) -> str:
        """Path of an agent's notebook, relative to the run's folder."""
        from cobra_jupyter.agent.team import notebook_of

        workspace = self._workspaces.get(name)
        return os.path.relpath(workspace.file.path, self._run.resolve()) if workspace else notebook_of(name)

    # ---- connections

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self._welcome(reader, writer):
            writer.close()
            return
        attacher = _Attacher(writer)
        self._attachers.add(attacher)
        try:
            while True:
                try:
                    frame = await read_frame(reader)
                except AttachError as error:
                    attacher.refuse(None, error.kind, str(error))
                    continue
                await self._dispatch(attacher, frame)
        except (EOFError, ConnectionError):
            pass
        finally:
            self._attachers.discard(attacher)
            await attacher.close()

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether a connection may attach: its first frame holds the token, and no agent started its
        process."""
        try:
            first = await asyncio.wait_for(read_frame(reader), 10)
        except (EOFError, AttachError, TimeoutError):
            return False
        if not hmac.compare_digest(str(first.get("token", "")), self._entry.token):
            return False
        pid = _peer(writer.get_extra_info("socket"))
        return pid is None or not await asyncio.to_thread(self._intruder, pid)

    async def _dispatch(self, attacher: _Attacher, frame: Json) -> None:
        number, name, args = frame.get("id"), frame.get("call"), frame.get("args", {})
        call = self._calls.get(name) if isinstance(name, str) else None
        if call is None or not isinstance(args, dict) or not isinstance(number, int | str):
            attacher.refuse(
                number, "Malformed", f"a frame is id, call and args; calls are {', '.join(self._calls)}"
            )
            return
        doing = self._answer(attacher, number, call, args)
        if name in _SLOW:
            attacher.keep(asyncio.ensure_future(doing))
        else:
            await doing

    async def _answer(self, attacher: _Attacher, number: int | str, call: Call, args: Json) -> None:
        try:
            attacher.send({"id": number, "answer": await call(attacher, args)})
        except AttachError as error:
            attacher.refuse(number, error.kind, str(error))
        except Refused as error:
            attacher.refuse(number, "Refused", str(error))
        except BadMessage as error:
            attacher.refuse(number, "TooLarge" if error.too_long else "Malformed", str(error))
        except edits.BadEdit as error:
            attacher.refuse(number, "Malformed", str(error))
        except Exception as error:  # an attacher must not end the run
            attacher.refuse(number, "Failed", f"{type(error).__name__}: {error}")

    # ---- events

    def _broadcast(self, event: Json) -> None:
        for attacher in tuple(self._attachers):
            if attacher.watches:
                attacher.send(event)

    def _broadcast_status(self) -> None:
        self._timer, self._status_sent = None, self._loop.time()
        self._broadcast({"event": "status", "status": self.status()})

    def _publish(self, agent: str, operation: Operation) -> None:
        followers = [attacher for attacher in self._attachers if agent in attacher.follows]
        if followers:
            frame = encode({"event": "operation", "agent": agent, **operation.to_json()})
            for attacher in followers:
                attacher.send_frame(frame)

    # ---- calls

    async def _watch(self, attacher: _Attacher, args: Mapping[str, Any]) -> Json:
        attacher.watches = True
        return {"status": self.status(), "log": list(self._run_status.log)}

    async def _status(self, attacher: _Attacher, args: Mapping[str, Any]) -> Json:
        return self.status()

    async def _follow(self, attacher: _Attacher, args: Mapping[str, Any]) -> Json:
        workspace, seq = self._workspace(args), args.get("seq")
        if seq is not None and (not isinstance(seq, int) or isinstance(seq, bool) or seq < 0):
            raise AttachError(
                "Malformed", f"seq is the number of the last operation seen, or null, not {seq!r}"
            )
        attacher.follows.add(workspace.name)
        document = workspace.document
        missed = document.since(seq) if seq is not None and seq <= document.seq else None
        if missed is not None:
            return {"seq": document.seq, "operations": [operation.to_json() for operation in missed]}
        return {"seq": document.seq, "notebook": document.notebook(), "running": list(document.running)}

    async def _edit(self, attacher: _Attacher, args: Mapping[str, Any]) -> Json:
        workspace = self._workspace(args)
        refused = edits.apply(workspace.document, args.get("edits"), _client(args))
        return {"seq": workspace.document.seq, "refused": refused}

    async def _ran(self, attacher: _Attacher, args: Mapping[str, Any]) -> Json:
        workspace, msg_id, cell = self._workspace(args), args.get("msg_id"), args.get("cell_id")
        if not isinstance(msg_id, str) or not isinstance(cell, str) or len(msg_id) > 200:
            raise AttachError("Malformed", "msg_id and cell_id are strings")
        workspace.person_cells.ran(msg_id, cell, _client(args))
        return {}

    async def _cell(self, attacher: _Attacher, args: Mapping[str, Any]) -> Json:
        workspace, cell = self._workspace(args), args.get("cell_id")
        if cell not in workspace.document:
            raise AttachError("Unknown", f"there is no cell {cell!r}")
        return {"cell": workspace.document.cell(str(cell))}

    async def _save(self, attacher: _Attacher, args: Mapping[str, Any]) -> Json:
        workspace, notebook = self._workspace(args), args.get("notebook")
        if not isinstance(notebook, dict):
            raise AttachError("Malformed", "notebook is an object")
        try:
            workspace.save(notebook, str(args.get("client") or ""))
        except ValueError as error:
            raise AttachError("Malformed", str(error)) from error
        return await self._flush(attacher, args)

    async def _flush(self, attacher: _Attacher, args: Mapping[str, Any]) -> Json:
        workspace = self._workspace(args)
        seq = workspace.document.seq
        await workspace.file.settle()
        return {"seq": seq, "path": str(workspace.file.path)}

    async def _moved(self, attacher: _Attacher, args: Mapping[str, Any]) -> Json:
        workspace, path = self._workspace(args), args.get("path")
        if not isinstance(path, str) or not Path(path).is_absolute() or not path.endswith(".ipynb"):
            raise AttachError("Malformed", "path is the absolute path of a notebook")
        workspace.file.move(Path(path))
        self._ledger.append(kinds.MOVED, kinds.Moved(agent=workspace.name, path=path))
        return {}

    async def _kernel(self, attacher: _Attacher, args: Mapping[str, Any]) -> Json:
        kernel = self._workspace(args).kernel
        if kernel is None or kernel.connection_file is None:
            raise AttachError("Refused", "its kernel is not there yet")
        info: Json = json.loads(kernel.connection_file.read_text(encoding="utf-8"))
        return info

    async def _interrupt_kernel(self, attacher: _Attacher, args: Mapping[str, Any]) -> Json:
        """From the kernel's menu: interrupt the running cell; if it is the agent's, the run pauses as
        well."""
        workspace = self._workspace(args)
        if workspace.kernel is not None and workspace.kernel.busy and not self._control.over:
            await self._control.interrupt()
        else:
            await workspace.interrupt_kernel()
        return {}

    async def _restart_kernel(self, attacher: _Attacher, args: Mapping[str, Any]) -> Json:
        workspace = self._workspace(args)
        if workspace.agent is None:
            raise AttachError("Refused", "its kernel is not there yet")
        self._ledger.append(kinds.HUMAN, kinds.Human(what="restart the kernel", why=workspace.name))
        await workspace.restart_kernel(max(30.0, self._budget.free))
        return {}

    async def _steer(self, name: str, attacher: _Attacher, args: Mapping[str, Any]) -> Json:
        await getattr(self._control, name)()
        return self.status()

    async def _message(self, attacher: _Attacher, args: Mapping[str, Any]) -> Json:
        await self._control.message(args.get("text"))
        return self.status()

    async def _approve(self, attacher: _Attacher, args: Mapping[str, Any]) -> Json:
        await self._control.approve(args.get("yes"), args.get("why") or "", args.get("cell"))
        return self.status()

    def _workspace(self, args: Mapping[str, Any]) -> Workspace:
        name = args.get("agent", "lead")
        workspace = self._workspaces.get(name) if isinstance(name, str) else None
        if workspace is None:
            raise AttachError(
                "Unknown", f"no agent {name!r} works now; {', '.join(self._workspaces) or 'none'} do"
            )
        return workspace


class _Attacher:
    """One connection."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.watches = False
        self.follows: set[str] = set()
        self._writer = writer
        self._tasks: set[asyncio.Future[None]] = set()

    def send(self, message: Json) -> None:
        self.send_frame(encode(message))

    def send_frame(self, frame: bytes) -> None:
        if self._writer.is_closing():
            return
        self._writer.write(frame)
        if self._writer.transport.get_write_buffer_size() > MOST_UNSENT:
            self._writer.transport.abort()

    def refuse(self, number: Any, kind: str, message: str) -> None:
        self.send({"id": number, "error": {"kind": kind, "message": message}})

    def keep(self, task: asyncio.Future[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._writer.drain(), 1.0)
        self._writer.close()


def _client(args: Mapping[str, Any]) -> str:
    client = args.get("client")
    if not isinstance(client, str) or not 0 < len(client) <= 100:
        raise AttachError("Malformed", "client names the tab")
    return client


def _peer(sock: Any) -> int | None:
    """The process at the other end; None if the system does not say."""
    if not hasattr(sockets, "SO_PEERCRED"):
        return None
    pid, _, _ = struct.unpack(
        "3i", sock.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, struct.calcsize("3i"))
    )
    return int(pid)
