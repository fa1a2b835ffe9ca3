"""Blank what may differ in a notebook between two runs of the same replies. This is the only normaliser."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Json = Mapping[str, Any]

TIMES = frozenset({
    "seconds", "seconds_left", "seconds_given", "fit_seconds", "predict_seconds", "cpu_seconds",
    "trial_seconds", "cost", "cost_ratio", "reserve", "timeout",
})  # fmt: skip
MEMORY = frozenset({"rss_mb", "memory_mb"})
USAGE = frozenset({"tokens"})  # a replay uses none
_BLANK = "…"
_TIME = re.compile(
    r"\b\d+ d \d+ h\b|\b\d+ h \d\d min\b|\b\d+ min \d\d s\b|\b\d[\d,]*(?:\.\d+)? (?:s|ms|worker seconds)\b"
)
_COSTS = re.compile(r"\bcosts \d+ instead of \d+(?= )")
_RATIO = re.compile(r"×\d+(?:\.\d+)?(?![\w.])")
_MEMORY = re.compile(r"\b\d[\d,]*(?:\.\d+)? (?:MB|GB|MiB|GiB)\b")
_WORKER_TIME = re.compile(r" \(… of worker time\)")  # shown only if it is longer than the elapsed time
_PARTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (_TIME, _BLANK),
    (_COSTS, f"costs {_BLANK} instead of {_BLANK}"),
    (_RATIO, f"×{_BLANK}"),
    (_MEMORY, _BLANK),
    (_WORKER_TIME, ""),
    (re.compile(r", \d[\d,]* tokens?\b"), ""),
    (re.compile(r"\b0x[0-9a-f]{6,}\b"), "0x…"),  # memory address of an object
    (re.compile(r"[^\s'\"<>]*ipykernel_\d+/\d+\.py"), "<cell>"),
    (re.compile(r"(trials/[0-9a-f]{20})-[0-9a-f]{6}"), r"\1"),  # a fit that was repeated
    (re.compile(r" {2,}"), "  "),  # columns are as wide as their content
)  # fmt: skip
_PROGRESS = re.compile(r"^[^\n]*: \d+ of \d+ fits done$")
_BAR = re.compile(r"^.*\d+%\|.*\|.*$", re.MULTILINE)  # a tqdm bar
_RESTORED = "Kernel or harness died under this cell."
_IMAGE = re.compile(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)")
_NOW = "application/vnd.cobra.status+json"


def normalised(notebook: Json, run: Path | None = None) -> dict[str, Any]:
    """Return a notebook (nbformat 4) in the form that is compared with another run of the same replies.

    Blanked everywhere (text, tables, JSON, charts):
      times     durations (`3.2 s`, `4 min 10 s`), costs in seconds, their ratios (`×1.3`), the fields TIMES
      memory    sizes in MB and GB, the fields MEMORY, addresses of objects
      usage     tokens that a model used
      progress  displays `… of … fits done` and tqdm bars that no result has replaced; the note that kernel or
                harness was restarted; `cobra.status()` except its jobs, since it shows only clock and machine
      paths     the folder of the `run`, the kernel's temporary files; cell and display ids; column widths
    Unchanged: sources, roles and turns, order, execution counts, errors, scores, effects, standard errors,
    numbers of trials, ablations, blends and jobs, states, hashes of predictions and submissions, weights,
    decisions and their reasons. Notebook metadata is reduced to kernel and language.
    """
    paths = sorted({str(run), str(run.resolve())}, key=len, reverse=True) if run else []

    def text(found: str) -> str:
        for path in paths:
            found = found.replace(path, "<run>")
        found = _IMAGE.sub(lambda match: f"data:image/svg+xml,{text(_decoded(match[1]))}", found)
        found = _BAR.sub("", found)
        for pattern, by in _PARTS:
            found = pattern.sub(by, found)
        return found

    metadata = notebook.get("metadata", {})
    return {
        "cells": [_cell(cell, text) for cell in notebook["cells"]],
        "metadata": {name: metadata[name] for name in ("kernelspec", "language_info") if name in metadata},
    }


def differences(one: Json, other: Json) -> list[str]:
    """Where two normalised notebooks differ: the cell and the first difference in it."""
    found = [
        f"cell {number}: {_first(a, b)}"
        for number, (a, b) in enumerate(zip(one["cells"], other["cells"], strict=False), 1)
        if a != b
    ]
    if len(one["cells"]) != len(other["cells"]):
        found.append(f"{len(one['cells'])} cells and {len(other['cells'])}")
    if one["metadata"] != other["metadata"]:
        found.append("kernel or language")
    return found


def _first(one: Any, other: Any, place: str = "") -> str:
    """The first difference of two JSON values, in words."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return next(_first(one[k], other[k], f"{place}.{k}") for k in one if one[k] != other[k])
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return next(_first(a, b, f"{place}[{n}]") for n, (a, b) in pairs if a != b)
    if isinstance(one, str) and isinstance(other, str):
        start = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
        one, other = one[max(0, start - 40) : start + 60], other[max(0, start - 40) : start + 60]
    return f"{place.lstrip('.')}: {one!r} and {other!r}"


def _cell(cell: Json, text: Callable[[str], str]) -> dict[str, Any]:
    made = {
        "cell_type": cell["cell_type"],
        "source": text(_joined(cell["source"])) if _by_runner(cell) else _joined(cell["source"]),
        "cobra": {k: v for k, v in cell.get("metadata", {}).get("cobra", {}).items() if k != "seq"},
    }
    if cell["cell_type"] == "code":
        outputs = [_output(output, text) for output in cell.get("outputs", ())]
        made |= {
            "execution_count": cell.get("execution_count"),
            "outputs": [output for output in outputs if output is not None],
        }
    return made


def _by_runner(cell: Json) -> bool:
    """Whether the runner wrote this text. Only then may it contain times; a reply is compared exactly."""
    role = cell.get("metadata", {}).get("cobra", {}).get("role")
    return bool(role == "runner" and cell["cell_type"] == "markdown")


def _output(output: Json, text: Callable[[str], str]) -> dict[str, Any] | None:
    """The normalised output; None if it only shows progress."""
    kind = output["output_type"]
    if kind == "stream":
        said = text(_joined(output["text"]))
        progress = not said.strip() or said.startswith(_RESTORED)
        return None if progress else {"output_type": kind, "name": output["name"], "text": said}
    if kind == "error":
        lines = [text(line) for line in output["traceback"]]
        return {
            "output_type": kind,
            "ename": output["ename"],
            "evalue": text(output["evalue"]),
            "traceback": lines,
        }
    data = output["data"]
    if set(data) == {"text/plain"} and _PROGRESS.match(_joined(data["text/plain"])):
        return None
    if _NOW in data:
        data = {_NOW: {"jobs": data[_NOW].get("jobs")}}
    return {"output_type": kind, "data": {mime: _content(content, text) for mime, content in data.items()}}


def _content(content: Any, text: Callable[[str], str]) -> Any:
    if isinstance(content, str):
        return text(content)
    if isinstance(content, Mapping):
        return {
            name: _BLANK if name in TIMES | MEMORY | USAGE and value is not None else _content(value, text)
            for name, value in content.items()
        }
    if isinstance(content, Sequence):
        joined = content and all(isinstance(part, str) and part.endswith("\n") for part in content[:-1])
        if joined and len(content) > 1 and isinstance(content[-1], str):  # text as nbformat writes it
            return text("".join(content))
        return [_content(part, text) for part in content]
    return content


def _decoded(svg: str) -> str:
    return base64.b64decode(svg).decode("utf-8", "replace")


def _joined(text: str | Sequence[str]) -> str:
    return text if isinstance(text, str) else "".join(text)
