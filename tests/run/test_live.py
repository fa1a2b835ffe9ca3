"""A run that is watched and steered from outside, over its real socket.

`running` is a run in a process of its own, with real kernel and harness; `inside` one in this process, for
what does not hang on processes."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from cobra_jupyter.kernel.wire import Wire
from cobra_jupyter.records.ledger import Record, read
from cobra_jupyter.run import attach, registry
from cobra_jupyter.run.options import Options
from cobra_jupyter.run.runner import Runner
from tests.conftest import make_competition
from tests.fakes import live
from tests.inprocess import UNPROVEN
from tests.inprocess.kernel import InProcessKernel
from tests.patience import PATIENCE, until

FIRST = live.cell("%load_ext cobra_jupyter\nimport time\nx = 1", "Begin")
SLOW = live.cell("for i in range(300):\n    print('line', i, flush=True)\n    time.sleep(0.1)", "Slow")


def awaited(test: Callable[..., Any]) -> Callable[..., None]:
    """A test that is a coroutine."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


NEW = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}


@pytest.fixture(scope="module")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_competition(tmp_path_factory.mktemp("competition"), "regression", rows=120, test_rows=30)


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))


@dataclass
class Run:
    """A live run and an attacher."""

    out: Path
    replies: Path
    attached: attach.Attachment
    process: subprocess.Popen[bytes] | None = None
    ended: asyncio.Future[Any] | None = None  # of one in this process
    kernels: list[InProcessKernel] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def say(self, number: int, text: str) -> None:
        live.say(self.replies, number, text)

    async def call(self, name: str, **args: Any) -> dict[str, Any]:
        return await asyncio.wait_for(self.attached.call(name, **args), PATIENCE)

    async def state(self, wanted: str) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            status = await self.call("status")
            return status if status["state"] == wanted else None

        return await until(look, wanted)

    async def seen(self, number: int) -> str:
        """The brain's prompt for a turn."""
        path = self.replies / f"{number}.seen"

        async def look() -> str | None:
            return path.read_text() if path.exists() else None

        return await until(look, f"turn {number}")

    async def taken_over(self, code: str) -> dict[str, Any]:
        """A person takes over while turn 2 streams, and has the run after its cell. → the status"""
        await self.seen(2)
        await self.call("take_over")
        self.say(2, live.cell(code))
        return await self.state("human")

    async def notebook(self) -> dict[str, Any]:
        return (await self.call("follow", agent="lead", client="me", seq=None))["notebook"]

    async def shows(self, text: str) -> None:
        """Wait until an output holds a text."""

        async def look() -> bool:
            return any(text in json.dumps(e) for e in self.events if e.get("op") == "output")

        await until(look, text)

    async def over(self) -> None:
        """Wait for the end of a run in this process, which must not fail."""
        assert self.ended is not None
        await asyncio.wait_for(asyncio.shield(self.ended), PATIENCE)

    def cells(self) -> list[dict[str, Any]]:
        """The cells of the file."""
        found = json.loads((self.out / "agent.ipynb").read_text())["cells"]
        return [{**cell, "source": "".join(cell["source"])} for cell in found]

    def records(self, kind: str) -> list[Record]:
        return [record for record in read(self.out / "ledger.jsonl") if record.kind == kind]


@asynccontextmanager
async def running(competition: Path, folder: Path, *options: str) -> AsyncIterator[Run]:
    """A run whose first turn is over."""
    out, replies = folder / "run", folder / "replies"
    process = live.start(competition, out, replies, *options)
    if "--resume" not in options:
        live.say(replies, 1, FIRST)
    try:
        run = Run(out, replies, await attached(out), process)
        await follow(run)
        yield run
        await run.attached.close()
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


async def follow(run: Run) -> None:
    """Collect events once the lead works."""
    run.attached.subscribe(run.events.append)

    async def seated() -> bool:
        try:
            await run.call("follow", agent="lead", client="me", seq=None)
        except attach.AttachError:
            return False
        return True

    await until(seated, "the lead works")


@asynccontextmanager
async def starting(competition: Path, folder: Path, approval: str = "none") -> AsyncIterator[Run]:
    """A run in this process, as soon as it can be attached to."""
    out, replies = folder / "run", folder / "replies"
    replies.mkdir()
    kernels: list[InProcessKernel] = []

    def kernel(*args: Any, **options: Any) -> InProcessKernel:
        kernels.append(InProcessKernel(*args, **options))
        return kernels[-1]

    options = Options(competition, out, "dictated", 2400.0, 0, None, {}, time.time(), approval=approval)
    runner = Runner(options, live.Dictated(replies), machinery=replace(UNPROVEN, kernel=kernel))
    ended = asyncio.ensure_future(runner.run())
    try:
        run = Run(out, replies, await attached(out), ended=ended, kernels=kernels)
        yield run
        await run.attached.close()
    finally:
        runner.interrupted.set()
        await asyncio.wait({ended})


@asynccontextmanager
async def inside(competition: Path, folder: Path, approval: str = "none") -> AsyncIterator[Run]:
    """A run in this process whose first turn is over."""
    async with starting(competition, folder, approval) as run:
        run.say(1, FIRST)
        await follow(run)
        yield run


async def attached(out: Path) -> attach.Attachment:
    async def look() -> registry.Entry | None:
        return registry.find(out) if out.exists() else None

    return await attach.Attachment.open(await until(look, "the run is registered"))


@awaited
async def test_a_person_takes_over_edits_runs_and_hands_back_and_the_agent_reads_it_first(
    competition: Path, tmp_path: Path
) -> None:
    """Takes long: a run with processes of its own."""
    async with running(competition, tmp_path) as run:
        status = await run.taken_over("y = x + 1")
        assert not status["ticking"]
        agents = [c for c in (await run.notebook())["cells"] if c["cell_type"] == "code"]
        cell = {**NEW, "id": "mine", "source": "z = y * 20 + 2\nprint('mine', z)"}
        edits = [
            {"edit": "insert", "cell": cell, "after": agents[-1]["id"]},
            {"edit": "source", "cell_id": agents[0]["id"], "text": agents[0]["source"] + "\nx = 3"},
        ]
        answer = await run.call("edit", agent="lead", client="me", edits=edits)
        assert answer["refused"] == []
        await person_runs(run, "mine", cell["source"])
        await run.shows("mine 42")
        left = (await run.call("status"))["left"]
        await asyncio.sleep(1.5)
        assert (await run.call("status"))["left"] == pytest.approx(left, abs=0.2)
        await run.call("hand_back")
        told = await run.seen(3)
        assert "print('mine', z)" in told
        assert "mine 42" in told
        assert "+x = 3" in told
        assert told.index("mine 42") < told.index("# Now: turn 3")
        run.say(3, live.cell("print('after', z)"))
        await run.shows("after 42")
        sources = [cell["source"] for cell in (await run.notebook())["cells"]]
        assert sources.index(cell["source"]) < sources.index("print('after', z)")


async def person_runs(run: Run, cell: str, code: str) -> None:
    """Like a tab: send the code to the kernel, and the cell's id to the runner."""
    if run.kernels:
        msg_id = await run.kernels[0].person(code)
        await run.call("ran", agent="lead", client="me", msg_id=msg_id, cell_id=cell)
        return
    wire = Wire(await run.call("kernel", agent="lead"))
    await asyncio.wait_for(wire.request("kernel_info_request", {}).done, PATIENCE)  # both its sockets stand
    content = {
        "code": code,
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": True,
    }
    request = wire.request("execute_request", content)
    await run.call("ran", agent="lead", client="me", msg_id=request.msg_id, cell_id=cell)
    await wire.close()  # the tab is gone at once


@awaited
async def test_interrupt_pauses_at_once_and_the_cell_ends(competition: Path, tmp_path: Path) -> None:
    async with inside(competition, tmp_path) as run:
        run.say(2, SLOW)
        await run.shows("line 3")
        await run.call("interrupt")
        await run.state("paused")
        assert run.records("execution")[-1].data["status"] == "interrupted"
        run.say(3, live.cell("print('went on')"))
        await run.call("resume")
        await run.shows("went on")


@awaited
async def test_interrupt_holds_the_cells_agent_until_the_run_is_resumed(
    competition: Path, tmp_path: Path
) -> None:
    async with inside(competition, tmp_path) as run:
        run.say(2, live.cell("cobra.delegate('auditor', 'Look at the split.')"))
        await run.seen(3)  # by the auditor, to whom the same is dictated
        (run.replies / "3.seen").unlink()
        await run.call("interrupt")
        await run.state("paused")
        await asyncio.sleep(1.5)
        assert not (run.replies / "3.seen").exists()
        run.say(3, live.cell("cobra.finish('looked')"))  # the lead is asked whether it means it, and goes on
        await run.call("resume")

        async def back() -> list[str]:
            return [r.data["report"] for r in run.records("brief")]

        assert await until(back, "the auditor is back") == ["looked"]


@awaited
async def test_interrupt_ends_a_streaming_reply_and_removes_it(competition: Path, tmp_path: Path) -> None:
    async with inside(competition, tmp_path) as run:
        run.say(2, live.cell("print('never')", "Half a reply", "word " * 2000, pace=200))

        async def half() -> bool:
            return any("Half a reply" in cell["source"] for cell in (await run.notebook())["cells"])

        await until(half, "the reply is being written")
        await run.call("interrupt")
        await run.state("paused")
        assert not await half()
        live.say(run.replies, 2, live.cell("print('anew')"))
        await run.call("resume")
        await run.shows("anew")


@awaited
async def test_a_pause_after_the_last_cell_is_not_announced(competition: Path, tmp_path: Path) -> None:
    async with inside(competition, tmp_path) as run:
        go = tmp_path / "go"
        twice = "cobra.finish('enough')\n" * 2  # the first time it is asked whether it means it
        wait = f"import os\nwhile not os.path.exists({str(go)!r}):\n    time.sleep(0.02)"
        run.say(2, live.cell(f"{twice}print('the last', flush=True)\n{wait}"))
        await run.shows("the last")
        assert (await run.call("pause"))["state"] == "pausing"
        go.touch()
        await run.over()
        assert [r.data["state"] for r in run.records("state")][-3:] == ["pausing", "running", "finished"]


def late(go: Path, text: str) -> str:
    """A cell that leaves a task behind, which prints when a file is there."""
    return (
        "import asyncio, os\nasync def goes_on():\n"
        f"    while not os.path.exists({str(go)!r}): await asyncio.sleep(0.02)\n"
        f"    print({text!r}, flush=True)\n"
        "task = asyncio.ensure_future(goes_on())"
    )


@awaited
async def test_output_after_a_cells_end_is_kept_below_it(competition: Path, tmp_path: Path) -> None:
    async with running(competition, tmp_path) as run:
        await run.taken_over(late(tmp_path / "go", "the agent's"))
        await person_inserts_and_runs(run, "mine", late(tmp_path / "go", "a person's"))

        async def ran() -> bool:
            return bool(run.records("ran"))

        await until(ran, "the person's cell has ended")
        (tmp_path / "go").touch()
        await run.shows("the agent's")
        await run.shows("a person's")
        await run.call("flush", agent="lead")
        shown = {cell["source"]: json.dumps(cell.get("outputs")) for cell in run.cells()}
        assert "the agent's" in shown[late(tmp_path / "go", "the agent's")]
        assert "a person's" in shown[late(tmp_path / "go", "a person's")]
        made = {e["data"]["output"]["text"]: e["by"] for e in run.events if e.get("op") == "output"}
        assert (made["the agent's\n"], made["a person's\n"]) == ("", "me")


@awaited
async def test_a_step_is_one_turn(competition: Path, tmp_path: Path) -> None:
    async with inside(competition, tmp_path) as run:
        for number in range(2, 8):
            run.say(number, live.cell(f"print('turn', {number})\ntime.sleep(0.5)"))
        await run.call("pause")
        paused = await run.state("paused")
        await run.call("step")
        await run.state("paused")
        assert (await run.call("status"))["turn"] == paused["turn"] + 1


@awaited
async def test_a_cell_waits_for_approval_runs_as_edited_and_a_declined_one_does_not(
    competition: Path, tmp_path: Path
) -> None:
    async with inside(competition, tmp_path, "cells") as run:
        await run.state("waiting")
        await run.call("approve", yes=True)
        await run.seen(2)
        run.say(2, live.cell("print('as the agent wrote')"))
        waiting = (await run.state("waiting"))["waiting"]
        edit = {"edit": "source", "cell_id": waiting["cell"], "text": "print('as I wrote')"}
        await run.call("edit", agent="lead", client="me", edits=[edit])
        await run.call("approve", yes=True)
        await run.shows("as I wrote")
        await run.seen(3)
        run.say(3, live.cell("print('dangerous')"))
        await run.state("waiting")
        await run.call("approve", yes=False, why="use less memory")
        assert "use less memory" in await run.seen(4)
        assert "dangerous" not in json.dumps([e for e in run.events if e.get("op") == "output"])
        with pytest.raises(attach.AttachError, match="nothing waits"):
            await run.call("approve", yes=True)


@awaited
async def test_a_message_is_read_in_the_next_turn(competition: Path, tmp_path: Path) -> None:
    async with inside(competition, tmp_path) as run:
        await run.seen(2)
        await run.call("message", text="Try a log of the target.")
        run.say(2, live.cell("pass"))
        assert "Try a log of the target." in await run.seen(3)
        with pytest.raises(attach.AttachError, match="at most") as raised:
            await run.call("message", text="x" * 10_000_000)
        assert raised.value.kind == "TooLarge"
        assert (await run.call("status"))["state"] == "running"


@awaited
async def test_a_restarted_kernel_has_only_the_state_of_the_agents_cells(
    competition: Path, tmp_path: Path
) -> None:
    async with inside(competition, tmp_path) as run:
        run.say(2, live.cell("y = x + 1"))
        await run.seen(3)
        await run.call("restart_kernel", agent="lead")
        run.say(3, live.cell("print('still', y, 'scratch' in dir())"))
        await run.shows("still 2 False")


@awaited
async def test_a_person_may_delete_and_touch_what_the_agent_is_writing(
    competition: Path, tmp_path: Path
) -> None:
    async with inside(competition, tmp_path) as run:
        run.say(2, live.cell("print('whole')", "Long", "word " * 200 + "END", pace=200))

        async def half() -> str | None:
            cells = (await run.notebook())["cells"]
            return next((c["id"] for c in cells if "Long" in c["source"]), None)

        cell = await until(half, "a cell grows")
        edit = {"edit": "source", "cell_id": cell, "text": "mine now"}
        await run.call("edit", agent="lead", client="me", edits=[edit])
        await run.shows("whole")
        cells = (await run.notebook())["cells"]
        place = next(n for n, c in enumerate(cells) if c["id"] == cell)
        assert cells[place]["source"] == "mine now"
        assert cells[place + 1]["source"].endswith("END")
        assert "Long" not in cells[place + 1]["source"]


@awaited
async def test_another_programs_changes_are_merged_before_the_next_write(
    competition: Path, tmp_path: Path
) -> None:
    async with inside(competition, tmp_path) as run:
        await run.seen(2)
        path = Path((await run.call("flush", agent="lead"))["path"])
        notebook = json.loads(path.read_text())
        notebook["cells"].append({"cell_type": "markdown", "id": "git", "metadata": {}, "source": "from git"})
        notebook["cells"][0]["source"] = "# Another title"
        path.write_text(json.dumps(notebook))
        run.say(2, live.cell("print('unseen')"))
        await run.shows("unseen")
        await run.call("flush", agent="lead")
        sources = [cell["source"] for cell in run.cells()]
        assert {"from git", "# Another title", "print('unseen')"} <= set(sources)


@awaited
async def test_edits_and_runs_of_a_person_survive_the_runners_death(
    competition: Path, tmp_path: Path
) -> None:
    """Takes long: a run of two lives, each with processes of its own."""

    async def ran() -> bool:
        return bool(run.records("ran"))

    async with running(competition, tmp_path) as run:
        await run.seen(2)
        first = await run.call("follow", agent="lead", client="me", seq=None)
        cell = {**NEW, "id": "mine", "source": "w = 5\nprint('w is', w)"}
        await run.call(
            "edit", agent="lead", client="me", edits=[{"edit": "insert", "cell": cell, "after": None}]
        )
        await person_runs(run, "mine", cell["source"])
        await run.shows("w is 5")
        await until(ran, "it is on record")
        assert run.process
        os.killpg(run.process.pid, signal.SIGKILL)
        run.process.wait(PATIENCE)
    meanwhile = json.loads((run.out / "agent.ipynb").read_text())
    meanwhile["cells"].append({"cell_type": "markdown", "id": "late", "metadata": {}, "source": "while dead"})
    (run.out / "agent.ipynb").write_text(json.dumps(meanwhile))
    async with running(competition, tmp_path, "--resume") as run:
        run.say(2, live.cell("print('w again', w)"))
        await run.shows("w again 5")
        again = await run.call("follow", agent="lead", client="me", seq=first["seq"])
        cells = {c["id"]: c for c in again["notebook"]["cells"]}
        assert cells["mine"]["source"] == cell["source"]
        assert "w is 5" in json.dumps(cells["mine"]["outputs"])
        assert cells["late"]["source"] == "while dead"
        assert len(cells) == len(again["notebook"]["cells"])
        assert again["seq"] > first["seq"]


@awaited
async def test_a_connection_from_an_agents_cell_is_refused_and_stop_ends_kernel_and_cell(
    competition: Path, tmp_path: Path
) -> None:
    """Two checks in one run that need a kernel in its own process."""
    async with running(competition, tmp_path) as run:
        entry = registry.find(run.out)
        assert entry
        code = (
            "import socket, json, struct\n"
            f"s = socket.socket(socket.AF_UNIX); s.connect({str(entry.socket)!r})\n"
            f"for m in ({{'token': {entry.token!r}}},"
            " {'id': 1, 'call': 'message', 'args': {'text': 'more budget'}}):\n"
            "    b = json.dumps(m).encode(); s.sendall(struct.pack('!I', len(b)) + b)\n"
            "print('answer', s.recv(100))"
        )
        run.say(2, live.cell(code))
        told = await run.seen(3)
        assert "answer b''" in told or "ConnectionResetError" in told or "BrokenPipe" in told
        assert not run.records("message")
        marker = tmp_path / "alive"
        beats = f"while True:\n    open({str(marker)!r}, 'a').write('.')\n    time.sleep(0.05)"
        run.say(3, live.cell(beats))

        async def begun() -> bool:
            return marker.exists()

        await until(begun, "the cell runs")
        await run.call("stop")
        assert run.process
        await asyncio.to_thread(run.process.wait, 30)
        size = marker.stat().st_size
        await asyncio.sleep(0.5)
        assert marker.stat().st_size == size
        assert [r.data["state"] for r in run.records("state")][-1] == "stopped"


@awaited
async def test_invalid_frames_are_answered_and_the_run_goes_on(competition: Path, tmp_path: Path) -> None:
    async with inside(competition, tmp_path) as run:
        for name, args, kind in (
            ("nothing", {}, "Malformed"),
            ("follow", {"agent": "lead", "seq": -1}, "Malformed"),
            ("follow", {"agent": "nobody", "seq": None}, "Unknown"),
            ("edit", {"agent": "lead", "client": "me", "edits": 7}, "Malformed"),
            ("save", {"agent": "lead", "notebook": {"cells": 3}}, "Malformed"),
            ("hand_back", {}, "Refused"),
            ("cell", {"agent": "lead", "cell_id": "none"}, "Unknown"),
        ):
            with pytest.raises(attach.AttachError) as raised:
                await run.call(name, **args)
            assert raised.value.kind == kind, name
        future = await run.call("follow", agent="lead", client="me", seq=10**9)
        assert future["notebook"]["cells"]
        await run.state("running")


@awaited
async def test_the_agent_waits_for_a_persons_running_cell_and_reads_of_it(
    competition: Path, tmp_path: Path
) -> None:
    async with inside(competition, tmp_path) as run:
        await run.taken_over("pass")
        await person_inserts_and_runs(run, "long", "import time\ntime.sleep(4)\nq = 6\nprint('long', 'done')")
        await run.call("hand_back")
        assert "long done" in await run.seen(3)
        run.say(3, live.cell("print('q is', q)"))
        await run.shows("q is 6")


@awaited
async def test_a_kernel_that_dies_in_a_persons_cell_is_restored_with_the_agents_variables(
    competition: Path, tmp_path: Path
) -> None:
    async with inside(competition, tmp_path) as run:
        await run.taken_over("pass")
        await person_inserts_and_runs(
            run, "deadly", "import time\nprint('last words')\nwhile True: time.sleep(0.01)"
        )
        await run.shows("last words")
        run.kernels[0].die()

        async def back() -> bool:
            return any(r.data["event"] == "kernel restarted" for r in run.records("kernel"))

        await until(back, "the kernel is back")
        assert [r.data["status"] for r in run.records("ran")] == ["died"]
        await run.call("hand_back")
        await run.seen(3)
        run.say(3, live.cell("print('x is', x)"))
        await run.shows("x is 1")


@awaited
async def test_the_agent_goes_on_after_a_persons_cell_killed_the_kernel_before_its_own(
    competition: Path, tmp_path: Path
) -> None:
    """The agent's cell, which waits behind the person's, is the first to see that the kernel is gone."""
    async with inside(competition, tmp_path) as run:
        await run.seen(2)
        await person_inserts_and_runs(run, "deadly", "import time\nwhile True: time.sleep(0.01)")
        run.say(2, live.cell("print('x is', x)"))

        async def queued() -> bool:
            return any(r.data["turn"] == 2 for r in run.records("cell"))

        await until(queued, "the agent's cell waits")
        run.kernels[0].die()
        await run.shows("x is 1")
        assert [r.data["status"] for r in run.records("ran")] == ["died"]
        await run.seen(3)


@awaited
async def test_a_writer_that_drops_the_runs_metadata_loses_no_cell(competition: Path, tmp_path: Path) -> None:
    async with inside(competition, tmp_path) as run:
        await run.seen(2)
        path = Path((await run.call("flush", agent="lead"))["path"])
        notebook = json.loads(path.read_text())
        del notebook["metadata"]["cobra"]
        notebook["cells"].append({"cell_type": "markdown", "id": "plain", "metadata": {}, "source": "plain"})
        run.say(2, live.cell("print('newer')"))
        await run.shows("newer")
        path.write_text(json.dumps(notebook))
        await asyncio.sleep(0.5)
        await run.call("flush", agent="lead")
        sources = [cell["source"] for cell in run.cells()]
        assert {"plain", "print('newer')"} <= set(sources)


@awaited
async def test_a_notebook_moved_to_a_folder_that_is_gone_is_written_in_the_runs_folder(
    competition: Path, tmp_path: Path
) -> None:
    async with inside(competition, tmp_path) as run:
        await run.seen(2)
        notes = tmp_path / "notes"
        notes.mkdir()
        (run.out / "agent.ipynb").rename(notes / "mine.ipynb")
        await run.call("moved", agent="lead", path=str(notes / "mine.ipynb"))
        await run.call("flush", agent="lead")
        notes.rename(tmp_path / "elsewhere")
        run.say(2, live.cell("cobra.finish('enough')\n" * 2, "The last"))
        await run.over()
        assert [r.data["state"] for r in run.records("state")][-1] == "finished"
        assert "## The last\nWords." in [cell["source"] for cell in run.cells()]
        assert run.records("moved")[-1].data["path"] == str((run.out / "agent.ipynb").resolve())
        assert any("agent.ipynb" in r.data["what"] for r in run.records("decision"))


@awaited
async def test_a_run_may_be_stopped_while_it_starts(competition: Path, tmp_path: Path) -> None:
    async with starting(competition, tmp_path) as run:
        await run.call("stop")
        await run.over()
        assert run.records("state")[-1].data["state"] == "stopped"


@awaited
async def test_a_run_that_says_it_runs_has_its_notebook(competition: Path, tmp_path: Path) -> None:
    async with starting(competition, tmp_path) as run:
        while (await run.call("status"))["state"] == "starting":
            await asyncio.sleep(0)
        assert (run.out / "agent.ipynb").exists()


async def person_inserts_and_runs(run: Run, cell: str, code: str) -> None:
    edit = {"edit": "insert", "cell": {**NEW, "id": cell, "source": code}, "after": None}
    await run.call("edit", agent="lead", client="me", edits=[edit])
    await person_runs(run, cell, code)
