"""A runner that only listens: the protocol of docs/live.md over a real socket, a real Document, a real lock.

In a test's loop (`async with FakeRunner(folder)`), or as a process that stands for `cobra`:
`python -m tests.fakes.runner run FOLDER --out OUT …`, `python -m tests.fakes.runner resume FOLDER`."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cobra_jupyter.notebook.document import Document
from cobra_jupyter.run import attach, registry
from cobra_jupyter.run.registry import Entry

Json = dict[str, Any]
STATES = {
    "pause": "paused",
    "resume": "running",
    "step": "running",
    "interrupt": "paused",
    "stop": "stopped",
    "take_over": "human",
    "hand_back": "running",
}


class Refuse(Exception):  # noqa: N818
    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def write_run(
    folder: Path, run_id: str = "0123456789ab", state: str = "died", competition: str | Path = "/data/c"
) -> Path:
    """A run's folder as a runner leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    started = time.time() - 60
    records = [
        (
            "run",
            {
                "run": folder.name,
                "folder": str(competition),
                "brain": "playbook",
                "budget": 600.0,
                "seed": 0,
                "settings": {},
                "started": started,
                "kernel": None,
                "weights": [],
                "model": {},
            },
        ),
        ("state", {"state": "running", "why": None}),
        ("protocol", {"metric": "rmse", "direction": "minimize", "digest": "d", "why": ""}),
        ("reply", {"agent": "lead", "turn": 1, "brain": "playbook", "text": "## Look at the data\nSo."}),
        ("trial", {"label": "ridge", "full": True, "score": 55.5, "se": 1.5}),
        ("trial", {"label": "trees", "full": True, "score": 54.5, "se": 1.5}),
        ("submission", {"what": "trees", "score": 54.5, "se": 1.5}),
    ]
    lines = [
        json.dumps({"seq": n, "time": started + n, "kind": kind, "data": data, "prev": "", "hash": ""})
        for n, (kind, data) in enumerate(records)
    ]
    (folder / "ledger.jsonl").write_text("\n".join(lines) + "\n")
    run = {
        "id": run_id,
        "run": folder.name,
        "competition": "c",
        "state": state,
        "why": None,
        "pid": os.getpid(),
        "started": started,
        "seconds": 6.0,
        "budget": 600.0,
        "seed": 0,
        "brain": "playbook",
        "result": None,
    }
    (folder / "run.json").write_text(json.dumps(run))
    if not (folder / "agent.ipynb").exists():
        document = Document(
            metadata={"kernelspec": {"name": "python3", "display_name": "P", "language": "python"}}
        )
        document.insert("markdown", "# A run", cell_id="title")
        document.insert("code", "x = 1", cell_id="first")
        (folder / "agent.ipynb").write_text(document.text())
    return folder


class FakeRunner:
    """`kernel`: the connection information of a kernel that stands for the run's; None: it has none."""

    def __init__(
        self,
        folder: Path,
        run_id: str = "0123456789ab",
        kernel: Json | None = None,
        competition: str | Path = "/data/c",
    ) -> None:
        self.folder, self.id, self.kernel, self.competition = folder, run_id, kernel, competition
        self.state = "running"
        self.hung: asyncio.Event | None = None  # saves wait for it
        self.silent: asyncio.Event | None = None  # everything does
        self.calls: list[tuple[str, Json]] = []
        self.notebook = folder / "agent.ipynb"
        self.extra: list[Json] = []
        self.followers: list[tuple[asyncio.StreamWriter, str]] = []
        self.watchers: list[asyncio.StreamWriter] = []
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> FakeRunner:
        write_run(self.folder, self.id, "running", self.competition)
        self._lock = (self.folder / "ledger.jsonl").open("ab")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.document = Document.read(self.notebook.read_text())
        self._private = Path(tempfile.mkdtemp(prefix="fake-"))
        path = self._private / "s"
        self._server = await asyncio.start_unix_server(self._serve, str(path), limit=1 << 20)
        self.entry = Entry(self.id, self.folder, os.getpid(), path, secrets.token_hex(8))
        self.registered = registry.register(self.entry)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.die("finished" if self.state == "running" else self.state)
        self.registered.unlink(missing_ok=True)

    async def die(self, state: str | None = None) -> None:
        """End; without a `state` as a process does that is killed: it says nothing and its registration
        stays."""
        if self._lock.closed:
            return
        if state is not None:
            run = self.folder / "run.json"
            if run.exists():
                run.write_text(json.dumps({**json.loads(run.read_text()), "state": state}))
            self.registered.unlink(missing_ok=True)
        self._lock.close()
        self._server.close()
        for writer in tuple(self._writers):
            writer.close()
        await asyncio.sleep(0)
        shutil.rmtree(self._private, ignore_errors=True)

    def status(self) -> Json:
        agents = [
            {
                "name": "lead",
                "role": "lead",
                "notebook": os.path.relpath(self.notebook, self.folder),
                "busy": False,
            }
        ]
        return {
            "id": self.id,
            "name": self.folder.name,
            "competition": "c",
            "folder": "/data/c",
            "run": str(self.folder),
            "state": self.state,
            "why": None,
            "phase": "look",
            "turn": 1,
            "at": time.time(),
            "elapsed": 1.0,
            "left": 599.0,
            "budget": 600.0,
            "ticking": True,
            "brain": "playbook",
            "written_by": "playbook (1 turn)",
            "approval": "none",
            "best": None,
            "submitted": None,
            "trials": 0,
            "tokens": 0,
            "cost": None,
            "agents": agents + self.extra,
            "waiting": None,
            "resumable": False,
        }

    def tell_status(self) -> None:
        for writer in self.watchers:
            writer.write(attach.encode({"event": "status", "status": self.status()}))

    def _do(self, by: str, work: Any) -> None:
        operation = work()
        frame = {"event": "operation", "agent": "lead", **operation.to_json(), "by": by}
        for writer, _ in self.followers:
            if not writer.is_closing():
                writer.write(attach.encode(frame))

    def type(self, text: str, cell_id: str) -> None:
        """The agent writes a cell."""
        self._do("", lambda: self.document.insert("code", text, cell_id=cell_id))

    def _write(self) -> None:
        self.notebook.write_text(self.document.text())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(EOFError, ConnectionError):
            first = await attach.read_frame(reader)
            if first.get("token") != self.entry.token:
                return
            while True:
                frame = await attach.read_frame(reader)
                name, args = frame["call"], frame.get("args") or {}
                self.calls.append((name, args))
                try:
                    answer: Json = {"id": frame["id"], "answer": await self._answer(name, args, writer)}
                except Refuse as error:
                    answer = {"id": frame["id"], "error": {"kind": error.kind, "message": str(error)}}
                writer.write(attach.encode(answer))
                await writer.drain()
        self._writers.discard(writer)
        writer.close()

    async def _answer(self, name: str, args: Json, writer: asyncio.StreamWriter) -> Json:
        if self.silent is not None:
            await self.silent.wait()
        if name == "watch":
            self.watchers.append(writer)
            return {
                "status": self.status(),
                "log": [{"line": 0, "at": 0.0, "kind": "state", "agent": "lead", "text": "running"}],
            }
        if name == "status":
            return self.status()
        if name in STATES:
            if name == "hand_back" and self.state != "human":
                raise Refuse("Refused", "nobody has taken over: there is nothing to hand back")
            self.state = STATES[name]
            self.tell_status()
            return self.status()
        if name in ("message", "approve"):
            return self.status()
        if args.get("agent", "lead") != "lead":
            raise Refuse("Unknown", f"no agent {args['agent']}")
        return await getattr(self, f"_on_{name}")(args, writer)

    async def _on_follow(self, args: Json, writer: asyncio.StreamWriter) -> Json:
        self.followers.append((writer, args["client"]))
        missed = None if args.get("seq") is None else self.document.since(args["seq"])
        if missed is None:
            return {"seq": self.document.seq, "notebook": self.document.notebook(), "running": []}
        return {"seq": self.document.seq, "operations": [o.to_json() for o in missed]}

    async def _on_edit(self, args: Json, writer: asyncio.StreamWriter) -> Json:
        refused = []
        for position, edit in enumerate(args["edits"]):
            try:
                self._do(
                    args["client"], lambda edit=edit: self.document.source(edit["cell_id"], edit["text"])
                )
            except KeyError:
                refused.append({"edit": position, "message": "no such cell"})
        return {"seq": self.document.seq, "refused": refused}

    async def _on_ran(self, args: Json, writer: asyncio.StreamWriter) -> Json:
        return {}

    async def _on_cell(self, args: Json, writer: asyncio.StreamWriter) -> Json:
        if args["cell_id"] not in self.document:
            raise Refuse("Unknown", "no such cell")
        return {"cell": self.document.cell(args["cell_id"])}

    async def _on_save(self, args: Json, writer: asyncio.StreamWriter) -> Json:
        if self.hung is not None:
            await self.hung.wait()
        for cell in args["notebook"]["cells"]:
            if cell["id"] in self.document and self.document.cell(cell["id"])["source"] != cell["source"]:
                self._do(
                    args.get("client") or "",
                    lambda cell=cell: self.document.source(cell["id"], cell["source"]),
                )
        self._write()
        return {"seq": self.document.seq, "path": str(self.notebook)}

    async def _on_flush(self, args: Json, writer: asyncio.StreamWriter) -> Json:
        self._write()
        return {"seq": self.document.seq, "path": str(self.notebook)}

    async def _on_moved(self, args: Json, writer: asyncio.StreamWriter) -> Json:
        self.notebook = Path(args["path"])
        return {}

    async def _on_kernel(self, args: Json, writer: asyncio.StreamWriter) -> Json:
        if self.kernel is None:
            raise Refuse("Refused", "that agent has no kernel now")
        return self.kernel

    async def _on_interrupt_kernel(self, args: Json, writer: asyncio.StreamWriter) -> Json:
        return {}

    async def _on_restart_kernel(self, args: Json, writer: asyncio.StreamWriter) -> Json:
        return {}


async def _main(words: list[str]) -> int:
    """`cobra run FOLDER --out OUT …` and `cobra resume FOLDER`, until SIGTERM or SIGINT."""
    competition = Path(words[1])
    folder = Path(words[words.index("--out") + 1]) if words[0] == "run" else competition
    if words[0] == "run" and not (competition / "description.md").exists():
        if (competition / "begins").exists():  # it is read, and then something goes wrong
            write_run(folder, state="failed")
            with (folder / "ledger.jsonl").open("a") as file:
                record = {
                    "seq": 7,
                    "time": 0.0,
                    "kind": "card",
                    "data": {"name": "c"},
                    "prev": "",
                    "hash": "",
                }
                file.write(json.dumps(record) + "\n")
        print(f"cobra: {competition}: no sample submission found; add sample_submission.csv", file=sys.stderr)
        return 2
    run_id = (
        json.loads((folder / "run.json").read_text())["id"] if words[0] == "resume" else secrets.token_hex(6)
    )
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    async with FakeRunner(folder, run_id) as runner:
        runner.state = "starting"
        await asyncio.sleep(float(os.environ.get("FAKE_START", "0.3")))
        runner.state = "running"
        runner.tell_status()
        while not over.is_set() and runner.state != "stopped":
            await asyncio.sleep(0.05)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(sys.argv[1:])))
