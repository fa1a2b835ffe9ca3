"""What `make bench` keeps, compares and writes into the documentation; nothing is measured here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import record

FIGURES: dict[str, dict[str, Any]] = {
    "trial_overhead": {"median_ms": 14.1, "fresh_process_ms": 1820, "ratio": 129.0},
    "loop_overhead": {"median_ms_per_cell": 0.9, "ratio_5000_to_100": 1.0, "rss_mb": 300},
    "parallel": {"worker_cpu_s": 20.0, "wall_s": 11.0, "cores": 2, "share": 0.91},
    "stream_latency": {"tokens": 400, "p50_ms": 0.9, "p95_ms": 1.0, "max_ms": 3.0},
    "context": {"turns": 201, "turn_200_over_30": 0.91, "growing_over_this": 6.1, "unchanged_prefix": 0.88},
}
LAB: dict[str, dict[str, Any]] = {
    "lab_latency": {
        "p50_ms": 6.0,
        "p95_ms": 20.0,
        "tasks_over_100_ms": 0,
        "loop_block": {"run_ms": 40.0, "run_cpu_ms": 8.0, "idle_loop_ms": 33.0},
    },
    "big_notebook": {
        "cells": 2000,
        "mb": 50.1,
        "open_ratio": 1.01,
        "append_ms": 6.0,
        "append_at_100_ms": 6.0,
        "append_ratio": 1.0,
    },
}
TEXT = (
    "# A\n<!-- bench:start -->\nold\n<!-- bench:end -->\n"
    "b\n<!-- bench-lab:start -->\n<!-- bench-lab:end -->\nc\n"
)


def entry(cpu: str = "chip", **changed: dict[str, Any]) -> dict[str, Any]:
    found = {name: {**figures, **changed.get(name, {})} for name, figures in FIGURES.items()}
    return {"date": "2026-01-02", "commit": "abc", "machine": {"cpu": cpu, "cores": 2}, "figures": found}


def test_the_documents_figures_are_those_of_the_last_results() -> None:
    text = record.DOCUMENT.read_text(encoding="utf-8")
    assert record.documented(text, record.load()) == text


def test_every_suite_is_told_in_words_between_its_markers() -> None:
    lab = {**entry(), "figures": LAB}
    text = record.documented(TEXT, {"bench": [entry("first"), entry()], "bench-lab": [lab]})
    assert "old" not in text
    assert "first" not in text
    for told in (
        "129 × less",
        "0.9 ms; the 5,000th cell costs 1.0 × the 100th",
        "91 % of 2 cores",
        "1.01 × the time",
    ):
        assert told in text
    assert text.endswith("<!-- bench-lab:end -->\nc\n")
    assert set(FIGURES) == set(record.SUITES["bench"])
    assert set(LAB) == set(record.SUITES["bench-lab"])


def test_a_document_without_the_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="bench-lab:start"):
        record.documented("<!-- bench:start -->\n<!-- bench:end -->", {})


def test_a_ratio_that_became_worse_is_named_and_one_that_did_not_is_not() -> None:
    new = entry(
        loop_overhead={"ratio_5000_to_100": 7.7}, parallel={"share": 0.8}, context={"growing_over_this": 9.0}
    )
    assert list(record.worse(new, entry())) == [
        "worse: loop_overhead ratio_5000_to_100 is 7.7, was 1.0 at abc (2026-01-02)",
        "worse: parallel share is 0.8, was 0.91 at abc (2026-01-02)",
    ]
    assert list(record.worse(entry(parallel={"share": 0.90}), entry())) == []  # noise


def test_only_an_entry_of_the_same_kind_of_machine_is_compared_with() -> None:
    older, old, other = entry(), entry(), entry("other")
    assert record.before([older, old, other], {"cpu": "chip", "cores": 2}) is old
    assert record.before([other], {"cpu": "chip", "cores": 2}) is None


def test_a_suite_is_kept_compared_and_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results, document = tmp_path / "results.json", tmp_path / "measured.md"
    document.write_text(TEXT, encoding="utf-8")
    figures = {name: dict(found) for name, found in FIGURES.items()}
    monkeypatch.setattr(record, "measure", figures.__getitem__)
    monkeypatch.setattr(record, "RESULTS", results)
    monkeypatch.setattr(record, "DOCUMENT", document)
    assert record.main(["bench"]) == 0
    assert "no earlier entry" in capsys.readouterr().out
    figures["parallel"] = {**figures["parallel"], "share": 0.5}
    for _ in range(record.KEPT + 1):
        assert record.main(["bench"]) == 0
    assert capsys.readouterr().out.count("worse: parallel share is 0.5, was 0.91") == 1
    history = record.load()
    assert len(history["bench"]) == record.KEPT
    assert history["bench"][-1]["machine"] == record.machine()
    assert "50 % of 2 cores" in document.read_text(encoding="utf-8")


def test_the_figures_of_a_benchmark_are_all_its_json_lines() -> None:
    assert record.parse('starting\n{"p50_ms": 1.0}\n{"loop_block": {"run_ms": 2}}\n') == {
        "p50_ms": 1.0,
        "loop_block": {"run_ms": 2},
    }
