"""Real kills: processes end by SIGKILL in mid-run, and the run comes to what it would have come to.

Here each kind of process is killed once; the other moments are killed with `-m full`, and tried without
processes in test_resume.py."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from cobra_jupyter.records.ledger import Record
from cobra_jupyter.run.options import Options
from cobra_jupyter.run.runner import Result, Runner
from tests.fakes.lives import BUDGET, CELLS, live
from tests.fakes.recorded import RecordedRun
from tests.fakes.scripted import Scripted
from tests.run.ends import of, same_end, same_submission

PHASES = [
    "state", "card", "protocol", "candidate", "trial", "trial:4", "ablation", "job", "shared", "reply:9",
    "blend", "submission", "finish", "proof", "file",
]  # fmt: skip

Victim = Callable[[], psutil.Process]


# ---- the whole run


def killed(recorded: RecordedRun, out: Path, *deaths: str) -> list[dict[str, object]]:
    """A run that is killed at these moments, its last line torn each time, and then lives to its end. → what
    was recorded of each resumption."""
    for death in deaths:
        assert live(recorded.competition, out, death).returncode == -signal.SIGKILL
        with (out / "ledger.jsonl").open("ab") as file:
            file.write(b'{"seq":')
    again = live(recorded.competition, out)
    assert again.returncode == 0, again.stderr
    resumed = [state for state in of(out, "state") if state["state"] == "resumed"]
    assert len(resumed) == len(deaths)
    assert all("torn last line of 7 bytes" in state["why"] for state in resumed)
    return resumed


@pytest.mark.full
def test_a_run_killed_again_and_again_comes_to_the_same_end(recorded: RecordedRun, tmp_path: Path) -> None:
    """Takes long: a run of four lives, each with processes of its own."""
    resumed = killed(recorded, tmp_path / "killed", "trial:2", "job", "submission")
    same_end(tmp_path / "killed", recorded.whole)
    used = [state["used"] for state in resumed]
    assert used == sorted(used)
    assert used[0] > 0


@pytest.mark.full
@pytest.mark.parametrize("phase", PHASES)
def test_a_run_killed_in_any_phase_comes_to_the_same_end(
    phase: str, recorded: RecordedRun, tmp_path: Path
) -> None:
    killed(recorded, tmp_path / "killed", phase)
    same_end(tmp_path / "killed", recorded.whole)


@pytest.mark.full
def test_a_run_killed_before_a_trial_in_it_and_while_blending(recorded: RecordedRun, tmp_path: Path) -> None:
    killed(recorded, tmp_path / "killed", "cell:4", "trial:2", "blend")
    same_end(tmp_path / "killed", recorded.whole)


# ---- a process of a run


def processes(words: str) -> Iterator[psutil.Process]:
    """This process's descendants with these words in their command line."""
    for child in psutil.Process().children(recursive=True):
        try:
            if words in " ".join(child.cmdline()):
                yield child
        except psutil.Error:
            continue


def harness() -> psutil.Process:
    return next(p for p in processes("-m cobra_jupyter.workbench") if "-c" not in p.cmdline())


def kernel() -> psutil.Process:
    return next(processes("ipykernel_launcher"))


def lived(competition: Path, out: Path, cells: list[str], on_record: Callable[[Record], None]) -> Result:
    """A run whose runner is this process."""
    options = Options(competition, out, "scripted", BUDGET, 0, None, {}, time.time())
    runner = Runner(options, Scripted(cells), lambda record, budget: on_record(record))
    return asyncio.run(runner.run())


def run_with_victims(competition: Path, out: Path, victims: Mapping[str, Victim]) -> None:
    """A run in which processes are killed, each at its moment (`kind:n`); once a process was mended, the
    record goes on from there, so that a moment counts only before the next victim's."""
    waiting, seen = dict(victims), list[str]()

    def on_record(record: Record) -> None:
        seen.append(record.kind)
        moment = next(iter(waiting), "")
        kind, _, nth = moment.partition(":")
        if record.kind == kind and seen.count(kind) == int(nth):
            waiting.pop(moment)().kill()

    lived(competition, out, CELLS, on_record)
    assert not waiting
    assert len(of(out, "kernel")) >= len(victims)


def test_a_killed_harness_and_kernel_are_restored(recorded: RecordedRun, tmp_path: Path) -> None:
    """Takes long: a run with processes of its own, two of which are started again."""
    run_with_victims(recorded.competition, tmp_path / "run", {"trial:3": harness, "blend:1": kernel})
    same_submission(tmp_path / "run", recorded.whole)


@pytest.mark.full
@pytest.mark.parametrize(("victim", "moment"), [
    (harness, "protocol:1"), (harness, "candidate:1"), (harness, "trial:3"), (harness, "ablation:1"),
    (harness, "job:1"), (harness, "shared:1"), (harness, "blend:1"), (harness, "submission:1"),
    (harness, "finish:1"),
    (kernel, "cell:4"), (kernel, "trial:3"), (kernel, "ablation:1"), (kernel, "job:1"), (kernel, "blend:1"),
    (kernel, "submission:1"),
])  # fmt: skip
def test_a_killed_harness_or_kernel_is_restored(
    victim: Victim, moment: str, recorded: RecordedRun, tmp_path: Path
) -> None:
    run_with_victims(recorded.competition, tmp_path / "run", {moment: victim})
    same_submission(tmp_path / "run", recorded.whole)


@pytest.mark.full
def test_workers_that_are_killed_are_replaced(recorded: RecordedRun, tmp_path: Path) -> None:
    """A worker each of the trial, the ablation and the job. Takes long: a run with processes of its own."""
    out, killed = tmp_path / "run", dict[int, int]()
    slow = CELLS[2].replace("sleep(0.08)", "sleep(0.4)")

    def on_record(record: Record) -> None:
        if record.kind == "cell" and record.data["turn"] in (4, 5, 7):
            asyncio.get_running_loop().call_later(0.05, kill, record.data["turn"])

    def kill(turn: int) -> None:
        """Kill a worker as soon as one works."""
        busy = next((p for p in processes("") if works_in(p, out / "trials")), None)
        if busy is None:
            asyncio.get_running_loop().call_later(0.05, kill, turn)
            return
        busy.kill()
        killed[turn] = busy.pid

    lived(recorded.competition, out, [*CELLS[:2], slow, *CELLS[3:]], on_record)
    assert set(killed) == {4, 5, 7}
    assert all(trial["status"] == "ok" for trial in of(out, "trial"))
    same_submission(out, recorded.whole)


def works_in(process: psutil.Process, folder: Path) -> bool:
    """Whether a living process works below a folder."""
    try:
        return process.is_running() and process.cwd().startswith(str(folder))
    except psutil.Error:
        return False
