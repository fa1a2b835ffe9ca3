"""What must hold for a disturbed run: it has the same results as the undisturbed run."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import nbformat

from cobra_jupyter.records.ledger import read, verify
from tests.fakes.lives import CELLS


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def of(out: Path, kind: str) -> list[dict[str, Any]]:
    """The data of all records of this kind."""
    return [record.data for record in read(out / "ledger.jsonl") if record.kind == kind]


def shown(out: Path) -> list[tuple[str, str, list[str]]]:
    """The notebook without parts that differ between runs: ids, times, the run's name."""
    notebook = nbformat.read(out / "agent.ipynb", as_version=4)
    time_left = re.compile(r"^\S.* for new work are left\. ", re.MULTILINE)
    return [
        (c.cell_type, time_left.sub("", c.source), [o.output_type for o in c.get("outputs", ())])
        for c in notebook.cells
    ]


def same_submission(out: Path, whole: Path) -> None:
    """The same file, from a kernel with the state of all earlier cells."""
    assert sha256(out / "submission.csv") == sha256(whole / "submission.csv")
    submitting = next(e for e in of(out, "execution") if e["turn"] == len(CELLS))
    assert "x is 42 first is t001" in submitting["output"]
    assert of(out, "proof")[-1]["outcome"] == "identical"


def same_end(out: Path, whole: Path) -> None:
    """Everything that must hold for a run that was killed and resumed."""
    same_submission(out, whole)
    ran = {
        json.dumps([t["candidate"], t["config"], t["repeats"], t["folds"], t["fraction"], t["seed"]])
        for t in of(out, "trial")
    }
    assert len(ran) == len(of(out, "trial")) == len(of(whole, "trial"))  # none was run again
    assert shown(out) == shown(whole)
    run = json.loads((out / "run.json").read_text())
    assert run["state"] == "finished"
    verify(out / "ledger.jsonl", run["head"], run["length"])
