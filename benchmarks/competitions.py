"""Run competitions one after the other, grade afterwards, print a table.

    python -m benchmarks.competitions FOLDER… --budget 10m \\
        --grade 'python grade.py answers {name} {submission}'
    python -m benchmarks.competitions FOLDER… --against autogluon --scales

The grader is any command. From its output, the last JSON object with a "score" counts (and its "medal" or
"thresholds", if present), else the last number. It runs after a competition's run has finished, and nothing
of it reaches a run.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import autogluon, scales
from cobra_jupyter.agent import budget
from cobra_jupyter.records.ledger import read
from cobra_jupyter.run import folders

MEDALS = ("gold", "silver", "bronze")


@dataclass(frozen=True)
class Grade:
    """What the grader said; None where it said nothing."""

    score: float | None
    medal: str


@dataclass(frozen=True)
class Row:
    """One row of the table. `rows` counts train and test; `ablation` is a share of the run's time."""

    name: str
    metric: str
    cv: float | None
    se: float | None
    rows: tuple[int, int]
    grade: Grade
    proof: str
    seconds: float
    ablation: float
    spearman: float | None
    other: tuple[Grade, float] | None  # of the other system: grade, seconds

    @property
    def deviation(self) -> float | None:
        """The distance between CV and score in standard errors of their difference. The test set has its own
        error, which is larger the fewer rows it has."""
        if self.cv is None or not self.se or self.grade.score is None:
            return None
        train, test = self.rows
        return abs(self.grade.score - self.cv) / (self.se * math.sqrt(1 + train / max(test, 1)))


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = _parser().parse_args(arguments)
    thresholds = json.loads(chosen.thresholds.read_text()) if chosen.thresholds else {}
    rows = []
    for folder in chosen.folders:
        rows.append(_row(folder, chosen, thresholds))
        print(json.dumps({"row": _record(rows[-1])}), flush=True)
    print(table(rows, chosen.against))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.competitions",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__,
    )
    parser.add_argument(
        "folders", nargs="+", type=Path, metavar="FOLDER", help="competitions' public folders"
    )
    parser.add_argument("--budget", default="10m", metavar="TIME", help="for each (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of every run (default: 0)")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/competitions"), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument("--grade", metavar="COMMAND", help="with {name} and {submission}; run after each run")
    parser.add_argument(
        "--thresholds", type=Path, metavar="FILE", help='JSON, name → {"gold": …, "silver": …, "bronze": …}'
    )
    parser.add_argument(
        "--against", choices=("autogluon",), help="also run it, on the same folders, time and cores"
    )
    parser.add_argument(
        "--scales",
        action="store_true",
        help="also measure effects at 15 %% and at full size, and how they agree",
    )
    return parser


def _row(folder: Path, chosen: argparse.Namespace, thresholds: dict[str, Any]) -> Row:
    name = folders.name_of(folder)
    out = chosen.out / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    command = [
        sys.executable,
        "-m",
        "cobra_jupyter.cli",
        "run",
        str(folder),
        "--budget",
        chosen.budget,
        "--json",
    ]
    ended = subprocess.run(
        [*command, "--seed", str(chosen.seed), "--out", str(out)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    result = json.loads(ended.stdout or "{}")
    other = None
    if chosen.against:
        other_out = out.with_name(out.name + "-autogluon")
        seconds = autogluon.run(folder, other_out, budget.parse(chosen.budget))
        other = (grade(chosen.grade, name, other_out / "submission.csv", thresholds), seconds)
    total = float(result.get("seconds") or 1.0)
    return Row(
        name=name,
        metric=str(result.get("metric")),
        cv=result.get("cv"),
        se=result.get("cv_se"),
        rows=_rows(out),
        grade=grade(chosen.grade, name, out / "submission.csv", thresholds),
        proof=str(result.get("proof")),
        seconds=total,
        ablation=ablation_seconds(out) / total,
        spearman=scales.agreement(folder, out) if chosen.scales else None,
        other=other,
    )


def _rows(run: Path) -> tuple[int, int]:
    card = next((r.data for r in read(run / "ledger.jsonl") if r.kind == "card"), {})
    return int(card.get("train_rows", 0)), int(card.get("test_rows", 0))


def ablation_seconds(run: Path) -> float:
    return sum(
        float(record.data["seconds"]) for record in read(run / "ledger.jsonl") if record.kind == "ablation"
    )


def grade(command: str | None, name: str, submission: Path, thresholds: dict[str, Any]) -> Grade:
    """Run the grader on a submission."""
    if not command or not submission.exists():
        return Grade(None, "")
    words = [word.format(name=name, submission=submission) for word in shlex.split(command)]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    for line in reversed(said.splitlines()):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and "score" in found:
            limits = found.get("thresholds") or thresholds.get(name)
            return Grade(float(found["score"]), str(found.get("medal") or _medal(found["score"], limits)))
    numbers = re.findall(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", said)
    score = float(numbers[-1]) if numbers else None
    return Grade(score, _medal(score, thresholds.get(name)))


def _medal(score: float | None, limits: dict[str, float] | None) -> str:
    if score is None or not limits:
        return ""
    up = limits["gold"] >= limits["bronze"]
    reached = [medal for medal in MEDALS if (score >= limits[medal] if up else score <= limits[medal])]
    return reached[0] if reached else ""


def table(rows: Iterable[Row], against: str | None) -> str:
    """A Markdown table."""
    rows = list(rows)
    head = [
        "competition",
        "metric",
        "CV ± SE",
        "score",
        "apart",
        "medal",
        "proof",
        "time",
        "in ablation",
        "scales agree",
    ]
    lines = [[*head, *([against, "its time"] if against else [])]]
    lines.append(["---"] * len(lines[0]))
    for row in rows:
        cells = [
            row.name,
            row.metric,
            "" if row.cv is None else f"{row.cv:.5f} ± {row.se:.5f}",
            _number(row.grade.score),
            "" if row.deviation is None else f"{row.deviation:.1f} SE",
            row.grade.medal,
            row.proof,
            f"{row.seconds:.0f} s",
            f"{row.ablation:.0%}",
            "" if row.spearman is None else f"{row.spearman:.2f}",
        ]
        if row.other:
            cells += [f"{_number(row.other[0].score)} {row.other[0].medal}".strip(), f"{row.other[1]:.0f} s"]
        lines.append(cells)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"


def _record(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "cv": row.cv,
        "se": row.se,
        "score": row.grade.score,
        "medal": row.grade.medal,
        "standard_errors_apart": row.deviation,
        "proof": row.proof,
        "seconds": row.seconds,
        "ablation_share": row.ablation,
        "spearman": row.spearman,
        "other": row.other and {"score": row.other[0].score, "seconds": row.other[1]},
    }


if __name__ == "__main__":
    main()
