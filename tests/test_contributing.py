"""The examples in CONTRIBUTING.md work as they stand: put into its folder, each is found."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from cobra_jupyter.brains import kinds
from cobra_jupyter.brains.kind import BrainRequest
from cobra_jupyter.brains.playbook import recipes
from cobra_jupyter.competition import metrics

TEXT = Path(__file__).parent.parent.joinpath("CONTRIBUTING.md").read_text()


def example(heading: str) -> str:
    """The first block of Python below a heading."""
    found = re.search(r"```python\n(.*?)```\n\n", TEXT.partition(f"\n### {heading}\n")[2], re.S)
    assert found, heading
    return found[1]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "from_contributing"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == folder.name]:
        del sys.modules[name]


def test_the_recipe_is_found_and_its_cell_stands_alone(tmp_path: Path) -> None:
    (tmp_path / "ridge.py").write_text(example("playbook recipe"))
    (recipe,) = recipes.find(tmp_path)
    assert recipe.name == "ridge"
    assert recipe.when({"kind": "tabular", "task": "regression", "rows": 9})
    assert not recipe.when({"kind": "tabular", "task": "binary", "rows": 9})
    assert set(recipe.factors_with(["columns"], "regression")) == {"penalty", "interactions"}
    assert "cobra_jupyter" not in recipe.source
    assert "def learn_features" in recipe.source


def test_the_metric_is_found_and_scores(package: Path) -> None:
    (package / "max_error.py").write_text(example("metric"))
    (metric,) = metrics.find(package.name, [str(package)])
    assert metric.function(np.array([[1.0], [2.0]]), np.array([[1.5], [5.0]])) == 3.0


def test_the_brain_is_found_and_replies(package: Path) -> None:
    (package / "idle.py").write_text(example("brain"))
    (kind,) = kinds.find(package.name, [str(package)])
    lead = kind.make(BrainRequest("idle"), {}, (0, 0.0)).lead

    async def reply() -> str:
        return "".join([piece async for piece in lead.reply(None)])

    assert "cobra.finish('idle')" in asyncio.run(reply())
