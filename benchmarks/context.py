"""What a run's contexts cost: a scripted run of 200 turns. Prints the approximate tokens of each turn,
compared with a growing history, and the share that a provider's cache would find unchanged. `--show DIR`
writes the contexts of turns 1, 20 and 150."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks import tables
from cobra_jupyter.agent.prompt import Prompt
from cobra_jupyter.brains.base import Finish
from cobra_jupyter.brains.context import Context
from cobra_jupyter.run.options import Options
from cobra_jupyter.run.runner import Runner

TURNS = 200
CANDIDATE = """%%candidate ridge
from sklearn.linear_model import Ridge
FACTORS = {"alpha": [1.0, 10.0, 100.0], "bend": [False, True]}
def numbers(rows, ctx):
    X = rows.select_dtypes("number").drop(columns=ctx.targets, errors="ignore").fillna(0)
    return X.assign(**{f"{c}2": X[c] ** 2 for c in X}) if ctx.config["bend"] else X
def fit(train, ctx):
    return Ridge(alpha=ctx.config["alpha"]).fit(numbers(train, ctx), train[ctx.targets[0]])
def predict(model, rows, ctx):
    return model.predict(numbers(rows, ctx))"""
LOOK = """import numpy as np
import pandas as pd
frame = pd.DataFrame(np.random.default_rng(0).normal(size=(300, 10)))  # as a look at errors by group would be
table = frame.describe().T
table["low"] = [f"rows below {low:.2f}: {(frame[c] < low).sum()}" for c, low in frame.quantile(0.1).items()]
print(table.round(3).to_string())
print(frame.corr().round(2).to_string())"""
WORDS = (
    "The last output showed that the errors are largest where few rows were learnt from, and that no single "
    "column explains them. A look at the residuals by quantile comes before the next trial, since a factor "
    "that only helps in the tails would not pay at full size. If the spread is even, the next step is "
    "another family; if not, the interactions of the two strongest columns are worth an ablation of their "
    "own."
)
START = [
    "%load_ext cobra_jupyter\ncobra.open()",
    "cobra.protocol()",
    CANDIDATE,
    'cobra.trial("ridge")\ncobra.submit()',
]


class Reader:
    """A brain that writes a fixed script and keeps what it was given to read."""

    name = "reader"
    finish = Finish()

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []
        self.said: list[int] = []  # characters of each reply with its output, as a growing history would hold

    async def reply(self, context: Context) -> AsyncIterator[str]:
        if context.agent != "lead":  # the run stalls, by intent; who is called in has nothing to say
            yield '## Report\n\n```python\n%load_ext cobra_jupyter\ncobra.finish("nothing was found")\n```\n'
            return
        if context.turns:
            turn = context.turns[-1]
            self.said.append(len(turn.markdown + turn.code + turn.output))
        self.prompts.append(context.prompt)
        yield f"## Step {len(self.prompts)}\n{WORDS}\n\n```python\n{self._cell()}\n```\n"

    def _cell(self) -> str:
        n = len(self.prompts)
        if n <= len(START):
            return START[n - 1]
        if n > TURNS:
            return 'cobra.finish("read enough")'
        if n % 25 == 0:
            return 'cobra.ablate("ridge", seconds=3)'
        if n % 5 == 0:
            return CANDIDATE.replace("X[c] ** 2", f"X[c] ** {2 + n}")
        if n % 3 == 0:
            return f'cobra.trial("ridge", {{"alpha": {n / 10}}}, folds=1)'
        return LOOK


def whole(prompt: Prompt) -> str:
    return "\n\n".join((prompt.system, prompt.stable, prompt.changing))


def _shared(a: str, b: str) -> int:
    """Characters from the start that both have."""
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", type=Path, metavar="DIR", help="write the contexts of turns 1, 20 and 150")
    show = parser.parse_args().show
    brain = Reader()
    with tempfile.TemporaryDirectory() as folder:
        public = tables.write(Path(folder), 500, 5)
        options = Options(public, Path(folder) / "run", brain.name, 900.0, 0, None, {}, time.time())
        asyncio.run(Runner(options, brain).run())
    texts = [whole(prompt) for prompt in brain.prompts]
    sizes = [prompt.tokens for prompt in brain.prompts]
    base, grown = len(texts[0]), 0.0
    for turn in range(len(texts)):
        grown += (base + sum(brain.said[:turn])) / 3.5
    same = [_shared(before, after) / len(after) for before, after in itertools.pairwise(texts)]
    if show:
        for turn in (1, 20, 150):
            (show / f"turn-{turn}.md").write_text(texts[turn - 1])
    print(
        json.dumps(
            {
                "turns": len(texts),
                "tokens": {str(n): sizes[n - 1] for n in (1, 10, 30, 100, 200)},
                "turn_200_over_30": round(sizes[199] / sizes[29], 3),
                "largest_after_30_over_30": round(max(sizes[30:]) / sizes[29], 3),
                "growing_over_this": round(grown / sum(sizes), 2),
                "unchanged_prefix": round(sum(same) / len(same), 3),
            }
        )
    )


if __name__ == "__main__":
    main()
    os._exit(0)
