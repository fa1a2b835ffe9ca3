"""A run whose replies a test dictates, as the tests see it from outside."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cobra_jupyter.run import attach, registry
from tests.fakes import live
from tests.lab.server import Server
from tests.lab.waiting import until

BEGIN = live.cell("%load_ext cobra_jupyter\nimport os, time\nx = 1", "Begin")
FORGET = (
    "get_ipython().reset()\nget_ipython().extension_manager.loaded.discard('cobra_jupyter')\nimport os, time"
)
PERSON = "# From the person who watches this run"  # the part of a prompt that tells what people did
NOW = "# Now: turn"
CLIENT = "between-tests"


@dataclass
class Live:
    """A run in the server's root. Its agent has finished the first turn when a test gets it; the test
    dictates turn 2 and later turns. A run that serves several tests has taken `taken` turns before the test's
    first."""

    server: Server
    name: str
    competition: Path
    process: Any = None  # a Popen, or what a Starter started
    starter: live.Starter | None = None
    taken: int = 0
    folder: str = "runs"  # where it lies in the server's root
    _entry: registry.Entry | None = field(default=None, repr=False)

    @property
    def out(self) -> Path:
        return self.server.root / self.folder / self.name

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.name}/agent.ipynb"

    @property
    def replies(self) -> Path:
        return self.server.folder / "replies" / self.name

    @property
    def gates(self) -> Path:
        """Files by which a cell that runs and the test wait for each other."""
        return self.server.folder / "gates" / self.name

    # ---- cells that wait for the test

    def held(self, code: str) -> str:
        """A cell's code that ends when the test lets it: a person's actions meanwhile may take any time."""
        wait = f"while not os.path.exists({str(self.gates / 'end')!r}):\n    time.sleep(0.02)"
        return f"{code}\n{wait}"

    def let_go(self) -> None:
        (self.gates / "end").touch()

    def let_go_when(self, state: str) -> None:
        """As soon as what a person asked for has come to the run."""
        self.state(state)
        self.let_go()

    def printing(self, count: int, *stops: int) -> str:
        """A cell's code that prints `line 0 of it` and so on. It waits for `go_on` before each of `stops`."""
        return (
            f"import pathlib\ngates = pathlib.Path({str(self.gates)!r})\n"
            f"for i in range({count + 1}):\n"
            f"    if i in {set(stops) or '()'}:\n"
            "        (gates / f'at {i}').touch()\n"
            "        while not (gates / f'past {i}').exists(): time.sleep(0.02)\n"
            f"    if i < {count}: print(f'line {{i}} of it', flush=True)\n"
            "    time.sleep(0.01)\n"
            "(gates / 'done').touch()\n"
            "print('it is', 'done')"
        )

    def stands_at(self, line: int) -> None:
        """Wait until a cell that prints has come to a stop."""
        until((self.gates / f"at {line}").exists, f"the cell has come to line {line}")

    def go_on(self, line: int) -> None:
        """Let it go on from a stop."""
        (self.gates / f"past {line}").touch()

    def has_printed(self) -> None:
        until((self.gates / "done").exists, "the cell has printed all")

    # ---- the run

    def start(self, *options: str) -> Live:
        """→ itself, when the agent's first turn is over."""
        self.out.parent.mkdir(parents=True, exist_ok=True)
        self.gates.mkdir(parents=True, exist_ok=True)
        if self.starter is None:
            with _environment(self.server.environment):
                self.process = live.start(self.competition, self.out, self.replies, *options)
        else:
            self.process = self.starter.start(
                self.server.environment, self.competition, self.out, self.replies, *options
            )
        if "--resume" not in options:
            self.say(1, BEGIN)
            self.seen(2)
        return self

    @property
    def entry(self) -> registry.Entry:
        if self._entry is None:
            with _environment(self.server.environment):
                self._entry = until(lambda: registry.find(self.out), "the run is registered")
        return self._entry

    def call(self, name: str, **args: Any) -> dict[str, Any]:
        return attach.ask(self.entry, name, **args)

    def state(self, wanted: str) -> None:
        until(lambda: self.call("status")["state"] == wanted, f"the run is {wanted}")

    def say(self, number: int, text: str) -> None:
        live.say(self.replies, self.taken + number, text)

    def speak_on(self, number: int) -> None:
        """Let a reply go on that stands still at `live.WAIT`."""
        (self.replies / f"{self.taken + number}.go").touch()

    def seen(self, number: int) -> str:
        """The new part of a turn's context: what people did since the last turn, and the task."""
        path = self.replies / f"{self.taken + number}.seen"
        until(path.exists, f"the agent comes to turn {number}")
        told = until(lambda: path.read_text(encoding="utf-8"), "it is written")
        start = told.rfind(PERSON)
        return str(told[start if start >= 0 else told.rindex(NOW) :])

    def file(self) -> list[dict[str, Any]]:
        """The cells of the file, when it holds all that there is."""
        path = Path(self.call("flush", agent="lead")["path"])
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return [{**cell, "source": "".join(cell["source"])} for cell in cells]

    @property
    def ended(self) -> bool:
        if self.process is None:
            return True
        return (
            self.process.ended if isinstance(self.process, live.Started) else self.process.poll() is not None
        )

    def stop(self) -> None:
        """Stop it as an operator does, and wait for its end."""
        if not self.ended:
            self.process.terminate()
            until(lambda: self.ended, f"the run ends, see {self.replies / 'log'}")

    def discard(self) -> None:
        """End it at once. Its kernel and its harness see that it is gone, and end as well."""
        if isinstance(self.process, live.Started) or not self.ended:
            self.process.kill()

    # ---- for the next test

    def reset(self) -> None:
        """Reset state, kernel and notebook to those of a run whose agent has finished its first turn. The
        agent is told about the reset in this first turn. Raises AssertionError or AttachError if the run does
        not follow."""
        self._wait_for_reply()
        for path in self.gates.iterdir():
            path.unlink()
        self.taken = self._turn() - 1
        self.say(1, live.cell(self.held(FORGET), "Between tests"))
        until(self._busy, "the cell between two tests runs")
        self.call("take_over")
        self.let_go_when("pausing")
        self.state("human")
        title, *others = self.call("follow", agent="lead")["notebook"]["cells"]
        assert title["cell_type"] == "markdown", f"the title is gone: {title}"
        edits = [{"edit": "delete", "cell_id": cell["id"]} for cell in others]
        assert not self.call("edit", agent="lead", client=CLIENT, edits=edits)["refused"]
        self.call("hand_back")
        self.seen(2)
        self.taken += 1
        self.say(1, BEGIN)
        self.seen(2)
        (self.gates / "end").unlink()
        self.file()

    def _turn(self) -> int:
        """The turn that the brain is or was asked for."""
        return max(int(path.stem) for path in self.replies.glob("*.seen"))

    def _waits_for_reply(self) -> bool:
        return not (self.replies / f"{self._turn()}.md").exists()

    def _busy(self) -> bool:
        return bool(self.call("follow", agent="lead")["running"])

    def _wait_for_reply(self) -> None:
        self.let_go()
        state = self.call("status")["state"]
        if state == "human":
            self.call("hand_back")
        elif state in ("pausing", "paused"):
            self.call("resume")
        until(
            lambda: self._waits_for_reply() and self.call("status")["state"] == "running",
            "it waits for a reply",
        )


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
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
