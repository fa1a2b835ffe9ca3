"""`cobra verify`: an untouched run passes; every later change is found.

Most checks are asked for in this process, with a harness in it; the command itself is tried on a run that
holds and on one that does not."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.cli import main as cli
from cobra_jupyter.records.ledger import START, _chained
from cobra_jupyter.run import verify
from tests.fakes.recorded import RecordedRun
from tests.inprocess import MACHINERY


@pytest.fixture
def run(recorded: RecordedRun, tmp_path: Path) -> Path:
    """A copy of the recorded run, to tamper with."""
    return recorded.copy(tmp_path / "run")


def verified(run: Path, rerun: bool = False) -> dict[str, dict[str, Any]]:
    """The checks, run in this process."""
    checks = asyncio.run(verify.verify(run, rerun, MACHINERY))
    return {check.name: asdict(check) for check in checks}


def commanded(
    run: Path, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, dict[str, dict[str, Any]]]:
    """The command's output and exit code."""
    code = cli.main(["verify", str(run), "--json", *words])
    checks = json.loads(capsys.readouterr().out)["checks"]
    return code, {check["name"]: check for check in checks}


def broken(checks: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, check in checks.items() if check["holds"] is False}


def lines(run: Path) -> list[str]:
    return (run / "ledger.jsonl").read_text().splitlines(keepends=True)


def forge(run: Path, change: Callable[[str, dict[str, Any]], None]) -> None:
    """Change records and everything that refers to them, like a careful forger."""
    rechain(run, change)
    digest = hashlib.sha256((run / "report.html").read_bytes()).hexdigest()

    def vouch(kind: str, data: dict[str, Any]) -> None:
        if kind == "file" and data["path"] == "report.html":
            data["sha256"] = digest

    text = (run / "report.html").read_text()
    rechain(run, vouch)
    (run / "report.html").write_text(text)  # whose head is that of a line before


def rechain(run: Path, change: Callable[[str, dict[str, Any]], None]) -> None:
    """Change records, then chain, run.json and report accordingly, like a careful forger."""
    prev, written, heads = START, [], {}
    for line in lines(run):
        record = json.loads(line)
        change(record["kind"], record["data"])
        prev_hash = record["hash"]
        prev, text = _chained(record["seq"], record["time"], record["kind"], record["data"], prev)
        heads[prev_hash] = prev
        written.append(text)
    (run / "ledger.jsonl").write_text("".join(written))
    for name in ("run.json", "report.html"):
        text = (run / name).read_text()
        (run / name).write_text(
            re.sub(r"\b[0-9a-f]{64}\b", lambda found: heads.get(found[0], found[0]), text)
        )


def test_an_untouched_run_verifies_and_trains_to_the_same_again(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "verify", partial(verify.verify, machinery=MACHINERY))
    code, checks = commanded(run, capsys, "--rerun")
    assert broken(checks) == set(), checks
    assert code == cli.OK
    assert {name for name, check in checks.items() if check["holds"]} == {
        "record",
        "report",
        "files",
        "observations",
        "inputs",
        "trials",
        "blends",
        "selection",
        "submission",
        "proof",
        "rerun",
    }


def test_the_list_reads_as_a_list(recorded: RecordedRun, capsys: pytest.CaptureFixture[str]) -> None:
    """With a harness in its own process."""
    assert cli.main(["verify", str(recorded.whole)]) == cli.OK
    said = capsys.readouterr().out.splitlines()
    assert all(line.startswith("✓ ") for line in said[:-3])
    assert said[-3] == f"{recorded.whole.name}: everything holds"
    assert said[-2].startswith("This proves that the record is whole")
    assert said[-1].startswith("It does not prove that the submission is good")


@pytest.mark.parametrize("damage", ["drop a line", "cut the tail", "edit a score", "add a line"])
def test_a_record_that_was_changed_is_found(damage: str, run: Path) -> None:
    kept = lines(run)
    if damage == "drop a line":
        del kept[20]
    elif damage == "cut the tail":
        del kept[-2:]
    elif damage == "edit a score":
        place = next(i for i, line in enumerate(kept) if '"kind":"trial"' in line)
        kept[place] = re.sub(r'"score":[0-9.]+', '"score":0.001', kept[place])
    else:
        last = json.loads(kept[-1])
        kept.append(_chained(last["seq"] + 1, last["time"], "state", {"state": "finished"}, last["hash"])[1])
    (run / "ledger.jsonl").write_text("".join(kept))
    checks = verified(run)
    assert "record" in broken(checks)


@pytest.mark.parametrize("path", [
    "submission.csv", "agent.ipynb", "solution.ipynb", "report.html", "code/ridge_v1.py", "trials/*/raw0.npy",
    "blends/b01.npz", "outputs/*.json", "pack/cobra_jupyter/workbench/scoring/scorer.py", "shared/*/made.*",
    "studies.db",
])  # fmt: skip
def test_a_file_that_was_changed_is_found(path: str, run: Path) -> None:
    victim = next(iter(sorted(run.glob(path))))
    content = bytearray(victim.read_bytes())
    content[-3] ^= 1
    victim.write_bytes(content)
    checks = verified(run)
    assert "files" in broken(checks)


def test_a_submission_that_was_swapped_is_found(run: Path) -> None:
    path = run / "submission.csv"
    rows = path.read_text().splitlines()
    path.write_text("\n".join([rows[0], *(row.split(",")[0] + ",0.5" for row in rows[1:])]) + "\n")
    assert "submission.csv" in verified(run)["files"]["detail"]


@pytest.mark.parametrize("kind", ["trial", "blend"])
def test_a_forged_score_with_a_recomputed_chain_is_found(kind: str, run: Path) -> None:
    def flatter(found: str, data: dict[str, Any]) -> None:
        if found == kind:
            data["score"] *= 0.9

    forge(run, flatter)
    checks = verified(run)
    assert not broken(checks) & {"record", "report", "files"}
    assert f"{kind}s" in broken(checks)


def test_a_result_in_run_json_must_be_in_the_record(run: Path) -> None:
    told = json.loads((run / "run.json").read_text())
    told["result"]["cv"] *= 0.9
    (run / "run.json").write_text(json.dumps(told))
    assert broken(verified(run)) == {"result"}


@pytest.mark.parametrize(
    ("kind", "field", "check"),
    [
        ("submission", "score", "submission"),
        ("trial", "fold_scores", "trials"),
        ("trial", "full", "trials"),
        ("selection", "vetoed", "selection"),
    ],
)
def test_other_forged_facts_are_found_too(kind: str, field: str, check: str, run: Path) -> None:
    def change(found: str, data: dict[str, Any]) -> None:
        if found == kind:
            old = data[field]
            scaled = [v * 0.9 for v in old] if isinstance(old, list) else 0.9 * old
            data[field] = not old if isinstance(old, bool) else scaled

    forge(run, change)
    assert check in broken(verified(run))


def test_a_run_does_not_verify_itself_with_its_own_code(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a harness in its own process, which must use the code of this package."""
    judge = run / "pack" / "cobra_jupyter" / "workbench" / "harness" / "recheck.py"
    judge.write_text(judge.read_text().replace("problems.append(problem)", "pass"))
    assert "problems.append" not in judge.read_text()

    def flatter(kind: str, data: dict[str, Any]) -> None:
        if kind == "trial":
            data["score"] *= 0.9

    forge(run, flatter)
    code, checks = commanded(run, capsys)
    assert code == cli.NOT_VERIFIED
    assert "trials" in broken(checks)


def test_a_selection_that_contradicts_the_scores_is_found(run: Path) -> None:
    def prefer(kind: str, data: dict[str, Any]) -> None:
        if kind == "selection":
            data["chosen"] = "t001"

    forge(run, prefer)
    assert "t001 was recorded" in verified(run)["selection"]["detail"]


def test_a_forged_prediction_does_not_make_the_submission(run: Path) -> None:
    for path in run.glob("trials/*/test/raw0.npy"):
        np.save(path, np.load(path) + 0.25)
    assert "submission" in broken(verified(run))


def test_a_completely_forged_submission_is_found_by_training_again(run: Path) -> None:
    """Stored test predictions, submission, record and report agree; only the models do not."""
    frame = pd.read_csv(run / "submission.csv")
    frame["y"] += 0.25
    predicted = list(run.glob("trials/*/test/raw0.npy"))
    for path in predicted:
        np.save(path, np.load(path) + 0.25)
    frame.to_csv(run / "submission.csv", index=False)
    digest = hashlib.sha256((run / "submission.csv").read_bytes()).hexdigest()

    def vouch(kind: str, data: dict[str, Any]) -> None:
        if kind == "submission" or (kind == "file" and data["path"] == "submission.csv"):
            data["sha256"] = digest

    forge(run, vouch)
    assert predicted
    checks = verified(run, rerun=True)
    assert broken(checks) <= {"rerun", "submission"}
    assert "rerun" in broken(checks)


def test_a_held_out_signal_that_the_agent_read_is_found(run: Path) -> None:
    def leak(kind: str, data: dict[str, Any]) -> None:
        if kind == "execution" and data["turn"] == 4:
            data["output"] += '\n{"any_medal": true, "gold_threshold": 0.2}'

    forge(run, leak)
    assert "observations" in broken(verified(run))


def test_another_competition_than_the_runs_is_found(run: Path, tmp_path: Path) -> None:
    asked = json.loads(lines(run)[0])["data"]
    other = Path(shutil.copytree(asked["folder"], tmp_path / "other"))
    text = (other / "train.csv").read_text().splitlines(keepends=True)
    (other / "train.csv").write_text("".join([text[0], *reversed(text[1:])]))

    def move(kind: str, data: dict[str, Any]) -> None:
        if kind == "run":
            data["folder"] = str(other)

    forge(run, move)
    checks = verified(run)
    assert "trials" in broken(checks)


def test_a_killed_run_verifies_as_far_as_it_went(recorded: RecordedRun, tmp_path: Path) -> None:
    checks = verified(recorded.at("blend", tmp_path / "killed"))
    assert not broken(checks)
    assert checks["trials"]["holds"]
    assert checks["submission"]["holds"] is None
