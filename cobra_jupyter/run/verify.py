"""Check that a run's files and its record agree.

Each check compares one kind of file or record with its expected content. Together they show how a submission
came about, without trusting the run that made it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cobra_jupyter.kernel.harness import CallError, ConnectionLost
from cobra_jupyter.kernel.pack import digest, pack
from cobra_jupyter.records.ledger import LedgerError, Record, read
from cobra_jupyter.run.machinery import PROCESSES, Machinery
from cobra_jupyter.workbench.ensemble.selection import RULE
from cobra_jupyter.workbench.hashing import sha256

DAY = 86_400.0
ANSWERS_AND_MEDALS = re.compile(
    r"prepared/private|(?<![\w.])/private/(?!var/|tmp/)|(?<![\w.])/mlebench/[\w./-]*(?:grade|private)|grade-sample|"
    r"\b(?:gold|silver|bronze|median)_threshold\b|\bany_medal\b|\babove_median\b"
)
VALID = re.compile(r"Submission is valid\.|Submission invalid! ")
PROVES = (
    "that the record is whole, that the harness computed every score from the stored predictions, and that "
    "the submission follows from them"
)
PROVES_NOT = (
    "that the submission is good: whether the tables were read as they were meant, whether this is the "
    "competition's metric, and whether the test rows are like the train rows"
)
TITLES = {
    "inputs": ("inputs", "competition, folds, code and features are those recorded"),
    "trials": ("trials", "scores computed again from stored predictions"),
    "blends": ("blends", "scores computed again from stored predictions and weights"),
    "selection": ("selection", f"follows from the scores by the rule ({RULE})"),
    "submission": ("submission", "made again from stored test predictions"),
}


@dataclass(frozen=True)
class Check:
    """`holds` is None if there was nothing to check yet."""

    name: str
    holds: bool | None
    detail: str

    def record(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        mark = {True: "✓", False: "✗", None: "–"}[self.holds]
        return f"{mark} {self.name:<13} {self.detail}"


async def verify(folder: Path, rerun: bool = False, machinery: Machinery = PROCESSES) -> list[Check]:
    """All checks of a run's folder: the record first, then the files that it vouches for."""
    try:
        records = list(read(folder / "ledger.jsonl"))
    except (LedgerError, OSError) as error:
        return [Check("record", False, f"{error}; nothing that follows could be trusted")]
    checks = [*_record(folder, records), *_files(folder, records), _observations(folder, records)]
    checks += await _scores(folder, records, machinery)
    checks += [_proof(records), *_doubts(records)]
    if rerun:
        checks.append(await _rerun(folder, records, machinery))
    return checks


# ---- the record and the files it vouches for


def _record(folder: Path, records: list[Record]) -> Iterator[Check]:
    run = _json(folder / "run.json")
    head, length = run.get("head"), int(run.get("length") or 0)
    over = run.get("state") in ("finished", "stopped", "failed")
    hashes = [record.hash for record in records]
    at_end = length == len(hashes) if over else 0 < length <= len(hashes)
    if not at_end or hashes[length - 1] != head:
        yield Check(
            "record",
            False,
            f"the chain of {len(hashes)} lines ends elsewhere than run.json says (line {length})",
        )
    else:
        yield Check(
            "record",
            True,
            f"{len(hashes)} lines, each hashed with the one before; the head is that of run.json",
        )
    if problem := _contradiction(run, records):
        yield Check("result", False, f"run.json says {problem}")
    report = folder / "report.html"
    if report.exists():
        known = set(re.findall(r"\b[0-9a-f]{64}\b", report.read_text(encoding="utf-8"))) & set(hashes)
        yield Check(
            "report",
            bool(known),
            "names a head that stands in the record" if known else "report.html names no head of this record",
        )


def _contradiction(run: dict[str, Any], records: list[Record]) -> str:
    """A result in run.json that differs from the record; "" if there is none."""
    result = run.get("result") or {}
    submitted = next((r.data for r in reversed(records) if r.kind == "submission"), {})
    proof = next((r.data for r in reversed(records) if r.kind == "proof"), {})
    for name, recorded in (("cv", submitted.get("score")), ("cv_se", submitted.get("se"))):
        if result and result.get(name) != recorded:
            return f"{name} {result.get(name)}, the record {recorded}"
    if result and proof and result.get("proof") not in (proof["outcome"], "not run"):
        return f"proof {result.get('proof')}, the record {proof['outcome']}"
    return ""


def _files(folder: Path, records: list[Record]) -> Iterator[Check]:
    """Compare each file with its latest recorded hash."""
    expected: dict[str, str] = {}
    resumed = max((r.seq for r in records if r.kind == "state" and r.data["state"] == "resumed"), default=-1)
    for record in records:
        data = record.data
        if record.kind == "file" and record.seq > resumed:
            expected[data["path"]] = data["sha256"]
        elif record.kind in ("submission", "placeholder"):
            expected["submission.csv"] = data["sha256"]
        elif record.kind in ("candidate", "metric"):
            expected[data["path"]] = data["digest"]
        elif record.kind == "shared":
            expected |= data["files"]
        elif record.kind == "trial":
            expected |= {fit["raw"]: fit["sha256"] for fit in data["fits"] if fit["sha256"]}
        elif record.kind == "discard":
            for path in data["files"]:
                expected.pop(path, None)
        elif record.kind == "blend":
            expected[f"blends/{data['id']}.npz"] = data["sha256"]
        elif record.kind == "reply" and data.get("asked"):
            expected |= {f"asked/{digest}.md": digest for digest in data["asked"].values()}
        elif record.kind == "execution" and data["outputs"]:
            expected[f"outputs/{data['outputs']}.json"] = data["outputs"]
    wrong = [path for path, recorded in expected.items() if _hash_of(folder / path) != recorded]
    packed = next((r.data["pack"] for r in reversed(records) if r.kind == "environment"), None)
    if packed and digest(folder / "pack") != packed:
        wrong.append("pack/ (the workbench that ran)")
    yield Check(
        "files",
        not wrong,
        f"{len(expected)} files have the hashes that were recorded"
        if not wrong
        else f"{_some(wrong)}: not what was recorded",
    )


# ---- what the agent read


def _observations(folder: Path, records: list[Record]) -> Check:
    """No answer, threshold or medal may have reached the agent in cells, outputs or answers."""
    seen = strange = validations = 0
    where = []
    for record in records:
        if record.kind == "validation":
            validations += 1
            if not VALID.match(str(record.data.get("result", ""))) or re.search(
                r"\d\.\d", str(record.data.get("result"))
            ):
                where.append(f"line {record.seq + 1} (validation answer)")
        elif record.kind in ("execution", "cell", "call", "note", "agent", "brief"):
            seen += 1
            text = json.dumps(record.data, ensure_ascii=False)
            if record.kind == "execution" and record.data["outputs"]:
                path = folder / "outputs" / f"{record.data['outputs']}.json"
                text += path.read_text(encoding="utf-8") if path.exists() else ""
            if found := ANSWERS_AND_MEDALS.search(text):
                strange += 1
                where.append(f"line {record.seq + 1} ({record.kind}: {found[0]})")
    if where:
        return Check("observations", False, f"a held-out signal may have been seen: {_some(where)}")
    told = (
        f"{validations} validation answers said valid or invalid only"
        if validations
        else "nothing was validated elsewhere"
    )
    return Check(
        "observations",
        True,
        f"{seen} cells, outputs and answers speak of no answer, threshold or medal; {told}",
    )


# ---- computed again


async def _scores(folder: Path, records: list[Record], machinery: Machinery) -> list[Check]:
    """Let a fresh harness compute scores, selection and submission from the stored predictions."""
    config = next(record.data for record in records if record.kind == "run")
    try:
        environment = await asyncio.to_thread(machinery.probe, config["kernel"])
        with tempfile.TemporaryDirectory() as private:
            facts = {
                "folder": str(folder.resolve()),
                "competition": config["folder"],
                "options": config["settings"],
                "seed": config["seed"],
                "slots": environment.cores,
                "memory_bytes": 4 * 2**30,
                "started": config["started"],
                "budget": None,
            }
            own = pack(Path(private))  # the run's own code must not check it
            harness = machinery.harness(environment.python, own, Path(private) / "log", facts, os.environ)
            try:
                await asyncio.to_thread(harness.start, lambda kind, data: 0, lambda what, args: None)
                found = await harness.call("verify", ledger=str(folder.resolve() / "ledger.jsonl"))
            finally:
                await asyncio.to_thread(harness.stop)
    except (CallError, ConnectionLost, OSError) as error:
        return [Check("scores", False, f"they could not be computed again: {error}")]
    return [_recomputed(check) for check in found["checks"]]


def _recomputed(check: dict[str, Any]) -> Check:
    name, meaning = TITLES[check["what"]]
    if check["problems"]:
        return Check(name, False, _some(check["problems"]))
    said = [f"{check['count']}: {meaning}"] if check["count"] else []
    if check["skipped"]:
        said.append(f"{check['skipped']} not computed again: predictions were dropped to make room")
    return Check(name, True if check["count"] else None, "; ".join(said) or "none yet")


def _proof(records: list[Record]) -> Check:
    last_submission = max((r.seq for r in records if r.kind == "submission"), default=-1)
    proofs = [record.data for record in records if record.kind == "proof" and record.seq > last_submission]
    if not proofs:
        return Check("proof", None, "solution.ipynb was not run yet")
    last = proofs[-1]
    if last["outcome"] == "not run":
        return Check("proof", None, f"solution.ipynb was not run: {last['detail']}")
    how = "trained anew" if last["retrained"] else "from the saved models"
    return Check(
        "proof",
        last["outcome"] in ("identical", "equal"),
        f"{last['outcome']} when it was made ({how}): {last['detail']}",
    )


def _doubts(records: list[Record]) -> Iterator[Check]:
    """What made the last submission suspect. A proof says nothing about that."""
    last = next((r for r in reversed(records) if r.kind in ("submission", "placeholder")), None)
    if last is None:
        return
    reasons = ["no trial was submitted"] if last.kind == "placeholder" else last.data["suspect"]
    if reasons:
        yield Check("suspect", None, "; ".join(reasons))


async def _rerun(folder: Path, records: list[Record], machinery: Machinery) -> Check:
    """Run `solution.ipynb` in a fresh kernel and train everything again."""
    notebook = folder / "solution.ipynb"
    if not notebook.exists():
        return Check("rerun", False, "there is no solution.ipynb: nothing was submitted")
    asked = next(record.data for record in records if record.kind == "run")
    with tempfile.TemporaryDirectory(prefix="cobra-") as place:
        copy = Path(place) / "solution.ipynb"
        text = notebook.read_text(encoding="utf-8")
        copy.write_text(text.replace("RETRAIN = False", "RETRAIN = True"), encoding="utf-8")
        proof = await machinery.prove(
            copy, folder / "submission.csv", Path(place) / "proof", asked["kernel"], DAY, True
        )
        shutil.rmtree(Path(place) / "proof", ignore_errors=True)
    detail = f"{proof.outcome} when all was trained anew, in {proof.seconds:.0f} s: {proof.detail}"
    return Check("rerun", proof.outcome in ("identical", "equal"), detail)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _hash_of(path: Path) -> str:
    """A file's SHA-256; "" if it cannot be read."""
    try:
        return sha256(path)
    except OSError:
        return ""


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
