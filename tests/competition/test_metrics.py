"""One file defines a metric: the readers of descriptions and the scorers both know it from there."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from cobra_jupyter.competition import metric_words
from cobra_jupyter.competition.metrics import ALIASES, METRICS, find
from cobra_jupyter.workbench.scoring import metrics

NEW = '''"""The largest absolute error."""

import numpy as np

from cobra_jupyter.competition.metrics.arithmetic import absolutes
from cobra_jupyter.competition.metrics.definition import DOWN, NUMBERS, VALUE, scored


def largest(truth, prediction):
    return float(absolutes(truth, prediction).max())


METRICS = (
    scored("max_error", DOWN, VALUE, NUMBERS, largest, synonyms="worst_error",\
 words=(r"largest absolute error",)),
)
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "new_metrics"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "new_metrics"]:
        del sys.modules[name]


def test_a_new_file_is_a_new_metric_and_one_that_cannot_be_imported_is_left_out_with_a_warning(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (package / "max_error.py").write_text(NEW)
    (package / "broken.py").write_text("import no_such_library\n")
    (package / "empty.py").write_text("")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        (metric,) = find("new_metrics", [str(package)])
    assert sorted(str(warning.message).split(".py")[0].split()[-1] for warning in caught) == [
        "broken",
        "empty",
    ]
    monkeypatch.setitem(METRICS, metric.name, metric)
    monkeypatch.setitem(ALIASES, "worst_error", metric.name)
    truth = np.array([[1.0], [2.0], [4.0]])
    assert metrics.get("worst error").function(truth, truth + 0.5) == 0.5
    assert metrics.sanity(metric.name, truth, "regression", [], 0)["holds"]
    assert metrics.sign(metric.name) == -1
    assert metric_words.direction_of(metric.name) == "minimize"
    assert metric_words.wants(metric.name) == "value"


def test_what_metrics_say_of_themselves_agrees() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.words, f"{name} can be named in a description"
        assert metric.direction in ("maximize", "minimize")
        if metric.columnwise:
            assert METRICS[metric.columnwise].tasks <= metric.tasks
            assert METRICS[metric.columnwise].direction == metric.direction
        if metric.from_zero or metric.constant_score is not None:
            assert metric.wants == "value"
        if metric.ordered or metric.fixed_threshold:
            assert metric.wants == "label"


@pytest.mark.parametrize(("words", "name"), [("rmse, mape", "rmse"), ("mape, rmse", "mape")])
def test_of_two_metrics_named_alike_at_length_the_first_counts(words: str, name: str) -> None:
    assert metric_words.best_match(f"scored by {words}") == name
