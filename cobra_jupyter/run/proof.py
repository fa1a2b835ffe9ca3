"""Proof: run `solution.ipynb` in a fresh kernel and compare its submission with the submitted one."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cobra_jupyter.kernel.base import MakeKernel
from cobra_jupyter.kernel.session import KernelSession
from cobra_jupyter.notebook.document import Document
from cobra_jupyter.notebook.file import NotebookFile
from cobra_jupyter.records import kinds
from cobra_jupyter.workbench.hashing import sha256
from cobra_jupyter.workbench.kind import as_record
from cobra_jupyter.workbench.workers.environment import FIXED

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Proof:
    """`outcome` is identical, equal (within 1e-6), different, failed or not run."""

    outcome: str
    detail: str
    seconds: float
    retrained: bool

    @property
    def holds(self) -> bool:
        return self.outcome in ("identical", "equal")

    def record(self) -> kinds.Proof:
        return as_record(kinds.Proof, self)


async def prove(
    notebook: Path,
    submission: Path,
    folder: Path,
    kernel: str | None,
    seconds: float,
    retrained: bool,
    session: MakeKernel = KernelSession,
) -> Proof:
    """Execute `notebook` in `folder`, write its outputs into it, and compare. Never raises because of the
    notebook."""
    begun = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    document = Document.read(notebook.read_text(encoding="utf-8"))
    problem = await _run(document, folder, kernel, begun + seconds, session)
    file = NotebookFile(document, notebook)
    await file.close()
    took = time.monotonic() - begun
    if problem:
        return Proof("failed", problem, took, retrained)
    outcome, detail = compare(submission, folder / "submission.csv")
    if outcome in ("identical", "equal"):
        shutil.rmtree(folder, ignore_errors=True)
    return Proof(outcome, detail, took, retrained)


async def _run(
    document: Document, folder: Path, kernel: str | None, deadline: float, session: MakeKernel
) -> str | None:
    """Run all cells in a fresh kernel. → what went wrong, or None."""
    variables = {"COBRA_RUN": str(folder.parent), **FIXED}
    async with session(kernel, folder, variables=variables) as live:
        for number, cell_id in enumerate(document):
            cell = document.cell(cell_id)
            if cell["cell_type"] != "code":
                continue
            left = deadline - time.monotonic()
            if left <= 0:
                return "no time was left to run it to its end"

            def keep(output: dict[str, Any], cell_id: str = cell_id) -> None:
                document.output(cell_id, output)

            done = await live.execute(cell["source"], keep, timeout=left)
            document.count(cell_id, done.execution_count)
            if done.status != "ok":
                return f"cell {number + 1} ended with {done.status}: {done.ename} {done.evalue}".strip()
    return None


def compare(submitted: Path, made: Path) -> tuple[str, str]:
    """→ outcome, one sentence."""
    if not made.exists():
        return "failed", "the notebook wrote no submission.csv"
    digests = [sha256(path) for path in (submitted, made)]
    if digests[0] == digests[1]:
        return "identical", f"byte for byte (SHA-256 {digests[0][:16]}…)"
    return _compared(submitted, made)


def _compared(submitted: Path, made: Path) -> tuple[str, str]:
    import numpy as np  # both are slow to import, and most proofs end at the digests
    import pandas as pd

    a, b = pd.read_csv(submitted), pd.read_csv(made)
    if list(a.columns) != list(b.columns) or len(a) != len(b):
        return "different", f"{len(b)} rows of {list(b.columns)} instead of {len(a)} of {list(a.columns)}"
    worst = 0.0
    for column in a.columns:
        if not a[column].isna().equals(b[column].isna()):
            return "different", f"values of {column} are missing"
        if a[column].dtype.kind == "f" and b[column].dtype.kind in "iuf":
            worst = max(worst, float(np.nanmax(np.abs(a[column] - b[column]))))
        elif not a[column].equals(b[column]):
            return "different", f"{int((a[column] != b[column]).sum())} values of {column} differ"
    if worst <= TOLERANCE:
        return "equal", f"largest difference {worst:.2g}"
    return "different", f"largest difference {worst:.3g}"
