"""Records and displays match the schemas that other programs rely on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cobra_jupyter.cli import demo
from cobra_jupyter.records import ledger, schema
from cobra_jupyter.workbench.display import pages, rendering
from tests.conftest import Bench, FakeCall
from tests.schemas import SCHEMAS, errors, errors_of_ledger
from tests.workbench.samples import failed, results, running

RIDGE = '''
"""Ridge on the numbers."""
import numpy as np
from sklearn.linear_model import Ridge
FACTORS = {"alpha": [1.0, 100.0], "scale": [True, False], "broken": [False, True]}
NOTES = {"alpha": "strength of the penalty"}
def numbers(rows, ctx):
    kept = [c for c, kind in ctx.columns.items() if kind == "number"]
    found = rows[kept].fillna(0.0)
    return np.log1p(np.abs(found)) if ctx.config["scale"] else found
def fit(train, ctx):
    if ctx.config["broken"]:
        raise ValueError("asked to break")
    return Ridge(alpha=ctx.config["alpha"]).fit(numbers(train, ctx), train[ctx.targets])
def predict(model, rows, ctx):
    return model.predict(numbers(rows, ctx))
'''
SHARED = "def make(rows, ctx):\n    return rows.select_dtypes('number').fillna(0.0)\n"
METRIC = 'DIRECTION = "minimize"\ndef metric(truth, prediction):\n    return 0.0\n'


@pytest.fixture(scope="module")
def session(
    tmp_path_factory: pytest.TempPathFactory, light_benches: Callable[..., Bench]
) -> tuple[Bench, list[tuple[str, dict[str, Any]]]]:
    """A short session on a demo: its bench, and (kind, data) of everything shown."""
    folder = tmp_path_factory.mktemp("demo")
    demo.write(folder)
    bench = light_benches(folder / "demo-diabetes" / "prepared" / "public", settings={"budget": 300})
    shown: list[tuple[str, dict[str, Any]]] = []

    def call(name: str, *args: Any, on: FakeCall | None = None, **options: Any) -> Any:
        result = getattr(bench.harness, name)(on or FakeCall(), *args, **options)
        shown.append((result["kind"], result["data"]))
        return result["data"]

    call("open")
    call("protocol", folds=2, repeats=1)
    call("shared", "numbers", SHARED)
    call("candidate", "ridge", RIDGE)
    call("trial", "ridge")
    call("trial", "ridge", {"broken": True})
    live = FakeCall()
    call("ablate", "ridge", ["alpha", "broken"], fraction=0.5, folds=[0], on=live)
    shown += [("ablation", news["ablation"]) for news in live.news if "ablation" in news]
    call("effects")
    call("probe", "ridge")
    call("oof", call("scale", "ridge", {"alpha": 100.0})["id"])
    call("trial", "ridge", {"scale": False}, background=True)
    call("wait")
    call("jobs_")
    call("blend")
    call("select")
    call("submit")
    call("audit")
    call("status")
    call("finish", "done")
    call("solution")
    call("metric", "distance", METRIC)
    return bench, shown


@pytest.mark.parametrize("found", SCHEMAS, ids=lambda found: found["$id"])
def test_schemas_are_valid(found: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(found)


def test_the_schema_files_match_the_types() -> None:
    """If it fails, run: python -m cobra_jupyter.records.schema"""
    assert [schema.results_schema(), schema.records_schema()] == SCHEMAS


def test_every_kind_that_is_shown_has_a_schema() -> None:
    assert set(pages.KINDS) <= set(SCHEMAS[0]["$defs"])


def test_every_kind_of_record_has_a_schema() -> None:
    from cobra_jupyter.brains.context import WORKBENCH_KINDS

    kinds = set(SCHEMAS[1]["properties"]["kind"]["enum"])
    assert kinds == set(SCHEMAS[1]["$defs"])
    assert kinds >= WORKBENCH_KINDS | ledger.DURABLE


def test_samples_of_other_tests_match_the_schema() -> None:
    forms = [*results().items(), ("trial", failed()), ("ablation", running())]
    assert [e for kind, data in forms for e in errors("results.json", kind, data)] == []


def test_every_line_of_a_session_matches_the_schema(session: tuple[Bench, Any], tmp_path: Path) -> None:
    bench, _ = session
    book = ledger.Ledger(tmp_path / "ledger.jsonl")
    for kind, data in bench.records:
        book.write(kind, data)
    book.close()
    lines = [json.loads(line) for line in book.path.read_text(encoding="utf-8").splitlines()]
    assert {"card", "metric", "protocol", "trial", "ablation", "job", "blend", "submission"} <= {
        x["kind"] for x in lines
    }
    assert errors_of_ledger(book.path) == []


def test_the_json_of_every_display_matches_the_schema(
    session: tuple[Any, list[tuple[str, dict[str, Any]]]],
) -> None:
    _, shown = session
    assert set(pages.KINDS) - {"job", "finish", "brief", "placeholder"} <= {kind for kind, _ in shown} | {
        "candidate"
    }
    for kind, data in shown:
        bundle = json.loads(json.dumps(rendering.bundle(kind, data), allow_nan=False))
        assert errors("results.json", kind, bundle[f"application/vnd.cobra.{kind}+json"]) == []
        if kind != "solution":
            assert not bundle["text/plain"].startswith(f"{kind}: {{"), "a view fell back to JSON"


def test_a_trial_that_broke_is_shown_with_its_place(
    session: tuple[Any, list[tuple[str, dict[str, Any]]]],
) -> None:
    _, shown = session
    broken = next(data for kind, data in shown if kind == "trial" and data["score"] is None)
    text = pages.text("trial", broken)
    assert "asked to break" in text
    assert "in fit" in text


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ({"kind": "unheard_of", "data": {}}, "unheard_of"),
        (
            {"kind": "proof", "data": {"outcome": "likely", "detail": "", "seconds": 1, "retrained": False}},
            "likely",
        ),
        ({"kind": "trial", "data": {"id": "t001"}}, "required"),
        ({"kind": "cell", "data": {"turn": 1, "cell": "c", "source": ""}, "extra": 1}, "extra"),
    ],
)
def test_a_line_that_breaks_the_schema_is_found(line: dict[str, Any], problem: str) -> None:
    whole = {"seq": 0, "time": 1.0, "prev": "0" * 64, "hash": "1" * 64, **line}
    assert any(problem in error for error in errors("records.json", None, whole))
