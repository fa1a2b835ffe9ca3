"""Run the small folders of tests/cases that are easy to read wrongly, grade strictly, print a table.

    python -m benchmarks.cases [CASE …] --budget 90s

Each folder is written, run with the playbook and graded. A submission is right if its header and its ids are
those of the answers, compared as text, and its score reaches what a sound reading reaches easily. Exit 1 if
any is wrong.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.cases import CASES, Right, names


@dataclass(frozen=True)
class Row:
    """One row of the table: what was expected of a case, and what came of it."""

    case: str
    expected: str
    got: str
    right: bool
    exit: int


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    rows = []
    for name in chosen.cases or names():
        rows.append(run(name, chosen.out / name, chosen.budget))
        print(json.dumps({"row": vars(rows[-1])}), flush=True)
    print(table(rows))
    return 0 if all(row.right for row in rows) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cases",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__,
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(names())} (default: all)")
    parser.add_argument("--budget", default="90s", metavar="TIME", help="for each (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/cases"), metavar="DIR", help="default: %(default)s"
    )
    return parser


def run(name: str, folder: Path, budget: str) -> Row:
    """Write a case, run it with the playbook, grade the submission."""
    shutil.rmtree(folder, ignore_errors=True)
    right = CASES[name](folder / "public")
    command = [sys.executable, "-m", "cobra_jupyter.cli", "run", str(folder / "public"), "--budget", budget]
    command += ["--brain", "playbook", "--out", str(folder / "run"), "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    submission = folder / "run" / "submission.csv"
    if submission.exists():
        got, holds = graded(right, submission)
    else:
        got, holds = (ended.stderr.strip().splitlines() or ["no submission"])[-1][:160], False
    return Row(name, expected(right), got, holds, ended.returncode)


def expected(right: Right) -> str:
    sense = "≥" if right.score == "exact" else "≤"
    return f"{right.score} {sense} {right.bound:g}"


def graded(right: Right, submission: Path) -> tuple[str, bool]:
    """Return what is said of a submission, and whether it is right. Ids and labels are compared as text."""
    with submission.open(encoding="utf-8", newline="") as file:
        header, *lines = list(csv.reader(file))
    answers = right.answers
    outputs = [name for name in answers.columns if name in filled(right)]
    if sorted(header) != sorted(answers.columns):
        return f"columns {header} instead of {list(answers.columns)}", False
    keys = [name for name in answers.columns if name not in outputs]
    given = [dict(zip(header, line, strict=True)) for line in lines]
    known = {tuple(row[name] for name in keys): row for row in given}
    asked = [tuple(row) for row in answers[keys].to_numpy()]
    if Counter(asked) != Counter(tuple(row[name] for name in keys) for row in given):
        return "other ids than those of the answers", False
    pairs = [
        ([known[key][name] for key in asked], [str(value) for value in answers[name]]) for name in outputs
    ]
    if right.score == "exact":
        score = float(np.mean([[a == b for a, b in zip(*pair, strict=True)] for pair in pairs]))
        return f"exact {score:.4f}", score >= right.bound
    try:
        score = float(np.mean([_rmse(*pair) for pair in pairs]))
    except ValueError as error:
        return f"no number: {error}", False
    return f"rmse {score:.4f}", score <= right.bound


def filled(right: Right) -> set[str]:
    """The columns of the answers that a submission has to fill."""
    bare = {name.strip().lower() for name in right.targets}
    own = {name for name in right.answers.columns if name.strip().lower() in bare}
    own = own or {name for name in right.answers.columns if name.startswith(tuple(right.targets))}
    return own or set(right.answers.columns[-len(right.targets) :])  # called otherwise: the last ones


def _rmse(given: Iterable[str], asked: Iterable[str]) -> float:
    errors = [float(a) - float(b) for a, b in zip(given, asked, strict=True)]
    return float(np.sqrt(np.mean(np.square(errors))))


def table(rows: Iterable[Row]) -> str:
    """A Markdown table: case, expected, got."""
    lines = [["case", "expected", "got", "right", "exit"], ["---"] * 5]
    lines += [[row.case, row.expected, row.got, "yes" if row.right else "NO", str(row.exit)] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    sys.exit(main())
