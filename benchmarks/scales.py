"""How well effects measured on small data foretell those at full size: Spearman's rank correlation."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from scipy.stats import spearmanr

from cobra_jupyter.records.ledger import read
from cobra_jupyter.workbench.harness_process import default_facts

SMALL = 0.15
MANY = 6  # effects; fewer tell little of an order
SECONDS = 300.0  # most for one ablation


class Quiet:
    """Stands for a cell's call: nobody watches."""

    def __init__(self) -> None:
        import threading

        self.cancelled = threading.Event()

    def progress(self, **news: Any) -> None:
        pass


def agreement(folder: Path, run: Path) -> float | None:
    """Ablate a candidate's factors at 15 % and at 100 % of the rows, all folds, and compare."""
    records = list(read(run / "ledger.jsonl"))
    tables = [r.data for r in records if r.kind == "ablation"]
    if not tables:
        return None
    many = [data for data in tables if len(data["effects"]) >= MANY] or tables
    cheapest = min(many, key=lambda data: data["seconds"] / (data["fraction"] * data["folds"]))
    return spearman(folder, run, records, cheapest["candidate"])


def spearman(folder: Path, run: Path, records: list[Any], candidate: str) -> float | None:
    from cobra_jupyter.workbench.harness.harness import Harness, Settings

    with tempfile.TemporaryDirectory() as place:
        facts = {**default_facts(), "folder": Path(place), "competition": str(folder), "started": time.time()}
        harness, call = Harness(Settings(**facts), lambda kind, data: None, lambda what, args: None), Quiet()
        try:
            harness.open(call)  # type: ignore[arg-type]
            harness.protocol(call)  # type: ignore[arg-type]
            for record in records:
                if record.kind == "shared":
                    text = (run / record.data["path"]).read_text(encoding="utf-8")
                    harness.shared(call, record.data["name"], text)  # type: ignore[arg-type]
            name = candidate.rpartition("_v")[0]
            harness.candidate(call, name, (run / "code" / f"{candidate}.py").read_text(encoding="utf-8"))  # type: ignore[arg-type]
            gains = [_gains(harness, call, name, fraction) for fraction in (SMALL, 1.0)]
        finally:
            harness.close()
    both = sorted(set(gains[0]) & set(gains[1]))
    if len(both) < 3:
        return None
    return float(spearmanr([gains[0][key] for key in both], [gains[1][key] for key in both]).statistic)


def _gains(harness: Any, call: Quiet, name: str, fraction: float) -> dict[str, float]:
    folds = list(range(harness.scope.scorer.protocol.folds))
    found = harness.ablate(call, name, seconds=SECONDS, fraction=fraction, folds=folds)["data"]
    return {f"{e['factor']}={e['level']}": e["gain"] for e in found["effects"] if e["gain"] is not None}
