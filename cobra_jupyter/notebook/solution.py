"""`solution.ipynb`: the winning model in plain pandas and scikit-learn, without cobra_jupyter."""

from __future__ import annotations

import inspect
import pprint
from collections.abc import Iterator, Mapping
from typing import Any

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.display.pages import words
from cobra_jupyter.workbench.ensemble import mixing
from cobra_jupyter.workbench.workers.environment import FIXED

GIVEN = ("name", "weight", "config", "folds", "repeats", "fraction", "seed", "seconds_given", "threads")
SMALL = 30.0  # worker seconds of training; below it, saved models predict faster in one process

SETTINGS = """\
import os

# As in the run: one thread per fit, and sums and sets in the same order. Set before numerical libraries load.
# The order of sets needs PYTHONHASHSEED=0 when Python starts; here it reaches the parallel fits.
os.environ.update({fixed})

import importlib
import random
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

DATA = Path(os.environ.get("COBRA_DATA", {folder!r}))  # the competition's public folder
PROCESSES = {slots}  # parallel fits; any number gives the same result
RETRAIN = {retrain}  # False: predict with the run's saved models instead of fitting again
RUN = Path(os.environ.get("COBRA_RUN", ".."))  # the run's folder, for saved models
sys.path.insert(0, str(Path.cwd()))  # the cells below write the winner's modules here
sys.dont_write_bytecode = True"""

CONTEXT = '''\
class Context:
    """What a candidate gets besides its rows; the same values as in the run."""

    facts = {facts}

    def __init__(self, member, seed, units, side="train"):
        self.__dict__.update(self.facts, config=member["config"], seed=seed, side=side)
        self.n_jobs = member.get("threads", 1)
        self.out, self.data = Path.cwd(), DATA
        self.seconds_left = member["seconds_given"]
        self.units, self.weights = units, None

    def inner(self, share=0.2):
        """Split the training rows for early stopping; units stay whole."""
{inner}

    def save(self, model):
        pass

    def shared(self, name):
        return SHARED[name]

    def table(self, side):
        """All rows of "train" or "test" without labels."""
        return train.drop(columns=self.targets) if side == "train" else test.copy()


def seed_everything(seed):
    random.seed(seed)
    np.random.seed(seed % 2**32)'''

INNER = """\
        names = np.unique(self.units)
        held = np.random.default_rng(self.seed).permutation(names)[: max(1, round(share * len(names)))]
        valid = np.isin(self.units, held)
        return np.flatnonzero(~valid), np.flatnonzero(valid)"""

INNER_TIME = """\
        first = np.sort(self.units)[max(1, int(len(self.units) * (1 - share)))]
        late = self.units >= max(first, self.units.min() + 1)
        late = late if late.any() else np.arange(len(late)) >= max(1, int(len(late) * (1 - share)))
        return np.flatnonzero(~late), np.flatnonzero(late)"""

FIT = '''\
def predict_test(member, repeat, fold):
    """The raw prediction for the test rows of one fold's model, or (fold -1) of one trained on all rows."""
    training = folds[repeat][fold][0] if fold >= 0 else np.arange(len(train))
    if member["fraction"] < 1:
        training = part(training, member["fraction"], member["seed"])
    seed = member["seed"] + 100 * repeat + fold % 100
    module = importlib.import_module(member["name"])
    ctx = Context(member, seed, units[training])
    if ctx.weight_column:
        weights = train[ctx.weight_column].to_numpy(float)[training]
        ctx.weights = weights / (weights.mean() or 1.0)
    seed_everything(seed)
    if hasattr(module, "fit_predict"):
        raw = module.fit_predict(train.iloc[training], test, ctx)
    else:
        if RETRAIN:
            model = module.fit(train.iloc[training], ctx)
        else:
            model = pd.read_pickle(RUN / member["models"][repeat, fold], compression=None)
        seed_everything(seed)
        raw = module.predict(model, test, Context(member, seed, None))
    return standard(raw)


def standard(raw):
    """Raw predictions as a matrix: probabilities that sum to 1, or numbers."""
    raw = np.asarray(raw, dtype=np.float64)
    raw = raw.reshape(-1, 1) if raw.ndim == 1 else raw
    if TASK == "binary" and raw.shape[1] == 1:
        raw = np.hstack([1 - raw, raw])
    if TASK in ("binary", "multiclass"):
        raw = raw / raw.sum(axis=1, keepdims=True)
    return raw


jobs = [(m, repeat, fold) for m in MEMBERS for repeat, fold in m["models"]]
raws = Parallel(n_jobs=PROCESSES)(delayed(predict_test)(*job) for job in jobs)'''

PART = """\
def part(training, fraction, seed):
    \"\"\"A share of the training rows: whole units, or rows with equal shares of the classes.\"\"\"
    rng, names = np.random.default_rng([seed, len(training)]), np.unique(units[training])
    if len(names) < len(training):
        chosen = rng.permutation(names)[: max(2, round(fraction * len(names)))]
        return training[np.isin(units[training], chosen)]
    if codes is None:
        chosen = rng.permutation(training)[: max(2, round(fraction * len(training)))]
    else:
        classes = [training[codes[training] == code] for code in np.unique(codes[training])]
        drawn = [rng.permutation(rows)[: max(2, round(fraction * len(rows)))] for rows in classes]
        chosen = np.concatenate(drawn)
    return training[np.isin(training, chosen)]"""

PART_LATEST = """\
def part(training, fraction, seed):
    \"\"\"The latest of the training rows.\"\"\"
    order = training[np.argsort(units[training])]
    return training[np.isin(training, order[-max(2, round(fraction * len(order))) :])]"""

BLEND = """\
blend = np.sum([
    member["weight"] * np.mean([raw for (m, _, _), raw in zip(jobs, raws) if m is member], axis=0)
    for member in MEMBERS
], axis=0)"""

RULED = """\
{functions}

means = [np.mean([raw for (m, _, _), raw in zip(jobs, raws) if m is member], axis=0) for member in MEMBERS]
blend = gathered(np.sum([
    member["weight"] * spread(mean, TASK, {rule!r}) for member, mean in zip(MEMBERS, means)
], axis=0), TASK, {rule!r})"""

SHARED = """\
# Label-free tables, made once for train and once for test rows.
SHARED = {{}}
for name in {names!r}:
    make = importlib.import_module(name).make
    parts = []
    for side, rows in (("train", train.drop(columns={targets!r})), ("test", test)):
        seed_everything(0)
        made = make(rows, Context({{"config": {{}}, "seconds_given": 0}}, 0, None, side))
        made = made if isinstance(made, pd.DataFrame) else pd.DataFrame(np.asarray(made))
        made.index = rows.index
        parts.append(made)
    SHARED[name] = pd.concat(parts)"""


def build(
    solution: results.Solution, retrain: bool = True, facts: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Build the notebook (nbformat dict) from the harness's description of the submission."""
    cells = list(_cells(solution, retrain, facts or {}))
    for number, cell in enumerate(cells):
        cell["id"] = f"solution-{number}"
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _code(source: str) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "source": source, "execution_count": None, "outputs": []}


def _text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def _cells(s: results.Solution, retrain: bool, facts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    members = s["members"]
    yield _text(_title(s, facts))
    fixed = pprint.pformat(FIXED, width=100, compact=True)
    slots = _processes(s, retrain)
    yield _code(SETTINGS.format(folder=s["folder"], slots=slots, retrain=retrain, fixed=fixed))
    yield _text("## The tables")
    yield _code(s["load"].replace("import pandas as pd\n\n", "").strip())
    yield _text(
        f"## The folds\nThe frozen protocol scores the {s['metric']} on held-out rows. {_trained(members)}"
    )
    yield _code(_protocol(s))
    yield _text("## The models\nEach module is a candidate of the run, unchanged.")
    for name, source in _modules(members):
        yield _code(f"%%writefile {name}.py\n{source.rstrip()}\n")
    yield _code(_context(s))
    shared = sorted({name for member in members for name in member["shared"]})
    if shared:
        yield _code(SHARED.format(names=shared, targets=s["context"]["targets"]))
    yield _code(_members(s))
    if any(member["fraction"] < 1 for member in members):
        yield _text("## A share of the rows\nFitting all rows did not fit the time or the memory of the run.")
        yield _code(_part(s))
    yield _text("## Fit every model, predict the test rows")
    yield _code(FIT)
    yield _text("## Blend, decode, write")
    yield _code(_blend(s))
    yield _code(_write(s))


def _blend(s: results.Solution) -> str:
    rule = s.get("rule", mixing.MEAN)
    if rule == mixing.MEAN:
        return BLEND
    written = [inspect.getsource(function).rstrip() for function in (mixing.spread, mixing.gathered)]
    functions = "\n\n\n".join(written).replace("Array", "np.ndarray")
    return RULED.format(functions=functions, rule=rule)


def _processes(s: results.Solution, retrain: bool) -> int:
    small = not retrain and sum(member["cost"] for member in s["members"]) < SMALL
    return 1 if small else max(1, int(s["slots"]) // max(m["threads"] for m in s["members"]))


def _title(s: results.Solution, facts: Mapping[str, Any]) -> str:
    score = (
        f", cross-validated {s['metric']} **{words.scored(facts['score'], facts['se'])}**"
        if facts.get("score") is not None
        else ""
    )
    lightgbm = " and lightgbm" if any("lightgbm" in m["source"] for m in s["members"]) else ""
    members = "\n".join(f"- {m['weight']:.2f} × {m['label']}" for m in s["members"])
    return (
        f"# Solution: {facts.get('competition', 'submission')}\n"
        f"Makes `submission.csv` from the competition's folder{score}. "
        f"Plain Python: needs numpy, pandas, scikit-learn{lightgbm}.\n"
        "Run all cells; set the environment variable `COBRA_DATA` if the data is in another folder."
        f"\n\n{members}"
    )


def _trained(members: list[results.SolutionMember]) -> str:
    if all(model["fold"] < 0 for member in members for model in member["models"]):
        return "A member is trained again on all rows, once for each of its seeds; their mean predicts."
    return "A member is the mean of its folds' models."


def _protocol(s: results.Solution) -> str:
    lines = [f"ID = {s['id']!r}  # the row key", s["protocol_code"]]
    if s["time_ordered"]:
        ranks = 'when.rank(method="dense", na_option="top").to_numpy(int)'
        lines.append(f"units = {ranks}  # inner() holds out the latest rows")
    return "\n".join(lines)


def _part(s: results.Solution) -> str:
    """The code that draws the rows of a member that was trained on a share of them."""
    if s["time_ordered"]:
        return PART_LATEST
    context = s["context"]
    if context["task"] not in ("binary", "multiclass"):
        return f"codes = None\n\n\n{PART}"
    if len(context["targets"]) > 1:
        return f"codes = train[{context['targets']!r}].to_numpy(float).argmax(axis=1)\n\n\n{PART}"
    known = {str(value): code for code, value in enumerate(context["classes"])}
    return f"codes = train[{context['targets'][0]!r}].astype(str).map({known!r}).to_numpy()\n\n\n{PART}"


def _modules(members: list[results.SolutionMember]) -> Iterator[tuple[str, str]]:
    seen = set()
    for member in members:
        for name, source in [*member["shared"].items(), (member["name"], member["source"])]:
            if name not in seen:
                seen.add(name)
                yield name, source


def _context(s: results.Solution) -> str:
    written = pprint.pformat(s["context"], width=100, sort_dicts=False, compact=True).replace("\n", "\n    ")
    return CONTEXT.format(facts=written, inner=INNER_TIME if s["time_ordered"] else INNER)


def _members(s: results.Solution) -> str:
    rows = []
    for m in s["members"]:
        row: dict[str, Any] = {name: value for name, value in m.items() if name in GIVEN}
        row["models"] = {(p["repeat"], p["fold"]): p["path"] for p in m["models"]}
        rows.append(pprint.pformat(row, width=100, sort_dicts=False, compact=True))
    listed = ",\n".join(rows)
    return f"TASK = {s['context']['task']!r}\nMEMBERS = [\n{listed},\n]"


def _write(s: results.Solution) -> str:
    """The code that decodes the blend and writes the submission, by layout."""
    params, outputs, classes = s["params"], list(s["outputs"]), s["context"]["classes"]
    lines = ["submission = sample.copy()"]
    if "weights" in params and s["wants"] == "probability":
        lines += [
            f"blend = blend * np.array({params['weights']!r})  # chosen out of fold",
            "blend = blend / blend.sum(axis=1, keepdims=True)",
        ]
    if s["layout"] == "class_probabilities":
        places = list(s["class_places"])
        if -1 in places:
            lines.append(
                "blend = np.hstack([blend, np.zeros((len(blend), 1))])  # classes that are not in train"
            )
        lines.append(f"submission[{outputs!r}] = blend[:, {places}]")
    elif s["layout"] == "probability":
        lines.append(f"submission[{outputs[0]!r}] = blend[:, -1]")
    elif s["layout"] == "label" and s["own_decode"]:
        lines += [
            f"labels = {{str(label): label for label in {classes!r}}}",
            f"decoded = np.ravel({_own_decode(s)})",
            f"submission[{outputs[0]!r}] = [labels[str(label)] for label in decoded]",
        ]
    elif s["layout"] == "label":
        lines += [
            f"classes = np.asarray({classes!r})",
            f"codes = {_codes(s)}",
            f"submission[{outputs[0]!r}] = classes[codes]",
        ]
    elif s["own_decode"]:
        lines.append(f"submission[{outputs!r}] = np.asarray({_own_decode(s)}).reshape(len(sample), -1)")
    elif s["wants"] == "label":
        lines.append(f"submission[{outputs!r}] = {_codes(s)}.reshape(len(sample), -1)")
    elif "shift" in params:
        lines.append(f"submission[{outputs!r}] = blend + np.array({params['shift']!r})  # chosen out of fold")
    elif "minimum" in params:
        lines.append(f"submission[{outputs!r}] = np.maximum(blend, {params['minimum']!r})")
    else:
        lines.append(f"submission[{outputs!r}] = blend")
    lines += ['submission.to_csv("submission.csv", index=False)', "submission.head()"]
    return "\n".join(lines)


def _codes(s: results.Solution) -> str:
    task, params = s["context"]["task"], s["params"]
    if task in ("binary", "multilabel"):
        column = "blend[:, -1]" if task == "binary" else "blend"
        return f"({column} > {params.get('threshold', 0.5)!r}).astype(int)"
    if "weights" in params:
        weighted = f"blend * np.array({params['weights']!r})"
        return f"({weighted} / ({weighted}).sum(axis=1, keepdims=True)).argmax(axis=1)"
    mean = "blend @ np.arange(blend.shape[1]) / blend.sum(axis=1)"
    if params.get("rule") == "cuts":
        return f"np.searchsorted({params['cuts']!r}, {mean})"
    if params.get("rule") == "expectation":
        return f"np.clip(np.rint({mean}), 0, blend.shape[1] - 1).astype(int)"
    return "blend.argmax(axis=1)"


def _own_decode(s: results.Solution) -> str:
    return f"importlib.import_module({s['members'][0]['name']!r}).decode(blend, test, {s['params']!r})"
