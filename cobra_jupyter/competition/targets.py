"""Finds the columns to predict: those that the sample asks for, and their labels in train."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from cobra_jupyter.competition.columns import listed
from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.findings import Findings, Tables
from cobra_jupyter.competition.keys import Key
from cobra_jupyter.competition.labels import Labels, class_of_outputs
from cobra_jupyter.competition.loading import key_text

_NAMELESS = re.compile(r"unnamed: \d+|index|", re.I)


def find_outputs(tables: Tables, key: Key) -> tuple[str, ...]:
    """Returns the sample's columns to fill: not those of the key, nor those that the test rows have.

    A column that is empty in test is one to fill. Raises CompetitionError if there is none."""
    sample, test = tables.sample_frame, tables.test_frame
    names = [name for name in sample.columns if name not in key.sample_columns]
    names = [name for name in names if not _counts(sample[name])] or names
    outputs = [name for name in names if test is None or name not in test or test[name].isna().all()]
    if not (outputs or names):
        raise CompetitionError(
            f"{tables.sample.path}: has no column to predict besides {' and '.join(key.sample_columns)};"
            " add the columns to submit"
        )
    return tuple(outputs or names)


def _counts(values: pd.Series) -> bool:
    """Whether a column without a name only counts the rows, as other tools write it."""
    if not _NAMELESS.fullmatch(str(values.name)) or not pd.api.types.is_integer_dtype(values.dtype):
        return False
    first = int(values.iloc[0])
    return first in (0, 1) and bool((values.to_numpy() == range(first, first + len(values))).all())


def settle_outputs(
    tables: Tables, key: Key, outputs: tuple[str, ...], targets: tuple[str, ...], found: Findings
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Decides which of the sample's columns are filled, and says which others stay as they are.

    Columns that are labels in train and one value in test are filled too. Returns outputs and targets."""
    sample, test, train = tables.sample_frame, tables.test_frame, tables.train_frame
    if train is None:
        return outputs, targets
    if "target" in found.settings and set(targets) <= set(sample.columns):
        for name in outputs:
            if name not in targets:
                found.assume("outputs", _stays(name), f"target={','.join(targets)} does not name it")
        return tuple(name for name in sample.columns if name in targets), _in_order(sample, targets)
    if test is None:
        return outputs, targets
    rest = [name for name in sample.columns if name in test.columns and name not in outputs]
    rest = [name for name in rest if name not in key.sample_columns]
    one = [name for name in rest if test[name].nunique() <= 1 and _varies(train, name)]
    held = [name for name in one if not _copied(sample, test, key, name)]
    if held and set(targets) == set(outputs):
        found.notes.append(f"{listed(held)}: to predict too, since train has its values and test only one")
        outputs = targets = _in_order(sample, (*outputs, *held))
    for name in rest:
        if name in outputs:
            continue
        if not _copied(sample, test, key, name):
            why = f"the test rows have a column {name} too, with other values"
            found.assume("outputs", _stays(name), why)
        elif name in one:
            why = f"sample and test have the same single value of {name}, and train has several"
            found.assume("outputs", _stays(name), why, f"target={','.join([*targets, name])}")
    return outputs, targets


def settle_form(tables: Tables, labels: Labels, outputs: tuple[str, ...], found: Findings) -> Labels:
    """Makes sure that every column to fill has labels. Raises CompetitionError if their numbers differ."""
    if not labels.targets or labels.layout == "class_probabilities":
        return labels
    if labels.layout == "values":
        if len(outputs) != len(labels.targets):
            raise CompetitionError(
                f"{tables.sample.path}: asks for {len(outputs)} columns ({listed(outputs, 5)}), but there are"
                f" labels for {len(labels.targets)} ({listed(labels.targets, 5)}); name as many, in the order"
                " of the columns, with --set target=A,B"
            )
        return labels
    if len(outputs) == 1:
        return labels
    if len(outputs) == len(labels.classes):
        found.assume(
            "outputs",
            f"{listed(outputs, 4)} are probabilities of {listed(labels.classes, 4)}, in this order",
            f"their names differ from the values of {labels.targets[0]}",
        )
        return replace(labels, layout="class_probabilities", output_classes=labels.classes)
    for name in outputs[1:]:
        found.assume("outputs", _stays(name), f"{labels.targets[0]} fills {outputs[0]}, and nothing {name}")
    return labels


def _stays(name: str) -> str:
    return f"{name} of the submission stays as the sample has it"


def _in_order(sample: pd.DataFrame, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(name) for name in sample.columns if name in names)


def _varies(train: pd.DataFrame, name: str) -> bool:
    return name in train.columns and train[name].nunique() > 1


def _copied(sample: pd.DataFrame, test: pd.DataFrame, key: Key, name: str) -> bool:
    """Whether a column of the sample repeats that of the test rows."""
    wanted, own = key_text(sample[name]), key_text(test[name])
    pairs = key.pairs or (((key.sample_name, key.name),) if key.name in test.columns else ())
    if pairs:
        known = pd.MultiIndex.from_frame(test[[b for _, b in pairs]].apply(key_text))
        own = own.iloc[
            known.get_indexer(pd.MultiIndex.from_frame(sample[[a for a, _ in pairs]].apply(key_text)))
        ]
    return len(own) == len(wanted) and bool((own.to_numpy() == wanted.to_numpy()).all())


def find_targets(
    train: pd.DataFrame, outputs: Sequence[str], leave: set[str], path: str
) -> tuple[tuple[str, ...], str]:
    """Returns (label columns, reason).

    These are named like the outputs, or contain the outputs' names, or are the only column that test
    lacks."""
    if set(outputs) <= set(train.columns):
        return tuple(outputs), f"the sample submission asks for {listed(outputs, 4)}, which {path} has"
    alike = {bare(name): str(name) for name in train.columns}
    if all(bare(name) in alike for name in outputs):
        names = tuple(alike[bare(name)] for name in outputs)
        return (
            names,
            f"the sample submission asks for {listed(outputs, 4)}; {path} calls it {listed(names, 4)}",
        )
    free = [str(c) for c in train.columns if c not in leave]
    if len(outputs) > 1:
        for name in [*free, *(str(c) for c in train.columns if c in leave)]:
            if class_of_outputs(train[name], outputs) is not None:
                return (name,), f"the values of {name} in {path} are the sample submission's columns"
    if len(outputs) == 1 and len(free) == 1:
        return (free[0],), f"{free[0]} is the only column of {path} that test rows lack"
    return (), ""


def bare(name: str) -> str:
    """A column's name without case, blanks and underscores."""
    return re.sub(r"[\W_]+", "", str(name).casefold())


def asked_targets(setting: str, columns: Sequence[str], path: str) -> tuple[str, ...]:
    """Returns the columns of ``target=a,b``. Raises CompetitionError if the table lacks one."""
    names = (
        (setting,)
        if setting in columns
        else tuple(name.strip() for name in setting.split(",") if name.strip())
    )
    missing = [name for name in names if name not in columns]
    if missing or not names:
        raise CompetitionError(
            f"target={setting}: {path} has no column {', '.join(missing) or 'of that name'};"
            f" it has {', '.join(map(str, columns[:20]))}"
        )
    return names
