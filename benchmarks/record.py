"""Run a suite of benchmarks, keep their figures in results.json, and name what became worse.

    python -m benchmarks.record bench        # or bench-lab

Each benchmark prints JSON objects. An entry holds their figures with commit, machine and date. Ratios are
compared with the last entry of the same kind of machine, since times of different machines say nothing about
the code. The figures in docs/measured.md are written from the last entry."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import figures

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results.json"
DOCUMENT = ROOT / "docs" / "measured.md"
KEPT = 30  # entries of a suite
NOISE = 0.05  # of a ratio: a smaller change is not named
SUITES = {
    "bench": ("trial_overhead", "loop_overhead", "parallel", "stream_latency", "context"),
    "bench-lab": ("lab_latency", "big_notebook"),
}
HIGHER, LOWER = 1, -1  # which is better
RATIOS = {
    ("trial_overhead", "ratio"): HIGHER,
    ("loop_overhead", "ratio_5000_to_100"): LOWER,
    ("parallel", "share"): HIGHER,
    ("context", "turn_200_over_30"): LOWER,
    ("context", "growing_over_this"): HIGHER,
    ("context", "unchanged_prefix"): HIGHER,
    ("big_notebook", "open_ratio"): LOWER,
    ("big_notebook", "append_ratio"): LOWER,
}

Entry = dict[str, Any]
History = dict[str, list[Entry]]


def machine() -> dict[str, Any]:
    """The kind of machine: its processor, and the cores that may be used."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(
            (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model
        )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": model, "cores": cores}


def commit() -> str:
    """The commit that is measured, with a + where files differ from it."""
    head = _git("rev-parse", "--short", "HEAD").strip()
    changed = [
        line for line in _git("status", "--porcelain", "-uno").splitlines() if RESULTS.name not in line
    ]
    return head + ("+" if changed else "")


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


def parse(output: str) -> dict[str, Any]:
    """The figures of a benchmark: all JSON objects among its lines, merged."""
    found: dict[str, Any] = {}
    for line in output.splitlines():
        if line.startswith("{"):
            found |= json.loads(line)
    return found


def measure(name: str) -> dict[str, Any]:
    """Run one benchmark. Raises CalledProcessError where it fails, ValueError where it prints no figures."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    found = parse(done.stdout)
    if not found:
        raise ValueError(f"{name} printed no figures")
    print(json.dumps({name: found}), flush=True)
    return found


def load() -> History:
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


def save(history: Mapping[str, Sequence[Entry]]) -> None:
    kept = {suite: list(entries)[-KEPT:] for suite, entries in history.items()}
    RESULTS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def before(entries: Sequence[Entry], kind: Mapping[str, Any]) -> Entry | None:
    """The last entry of the same kind of machine."""
    return next((entry for entry in reversed(entries) if entry["machine"] == kind), None)


def worse(new: Entry, old: Entry) -> Iterator[str]:
    """A line for each ratio that became worse by more than noise."""
    for (name, figure), better in RATIOS.items():
        now, then = (entry["figures"].get(name, {}).get(figure) for entry in (new, old))
        if now is not None and then is not None and better * (now - then) < -NOISE * abs(then):
            yield f"worse: {name} {figure} is {now}, was {then} at {old['commit']} ({old['date']})"


def write_document(history: Mapping[str, Sequence[Entry]]) -> None:
    DOCUMENT.write_text(documented(DOCUMENT.read_text(encoding="utf-8"), history), encoding="utf-8")


def documented(text: str, history: Mapping[str, Sequence[Entry]]) -> str:
    """Returns a document with the last figures between its markers. Raises ValueError if one is missing."""
    for suite in SUITES:
        start, end = f"<!-- {suite}:start -->\n", f"<!-- {suite}:end -->"
        head, found, rest = text.partition(start)
        _, closed, tail = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"there is no block between {start.strip()} and {end}")
        entries = history.get(suite)
        text = head + start + (figures.words(entries[-1]) if entries else "") + end + tail
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suite", choices=SUITES)
    suite = parser.parse_args(arguments).suite
    entry: Entry = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit(),
        "machine": machine(),
        "figures": {name: measure(name) for name in SUITES[suite]},
    }
    history = load()
    old = before(history.get(suite, []), entry["machine"])
    history.setdefault(suite, []).append(entry)
    save(history)
    write_document(history)
    if old is None:
        print("no earlier entry of this kind of machine to compare with")
    for line in worse(entry, old) if old else ():
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
