"""Finds the column that says how much each row weighs, in the training table."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from cobra_jupyter.competition.columns import listed
from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.findings import Findings, Tables
from cobra_jupyter.competition.metric_words import Named

NONE = "none"
_NAME = re.compile(
    r"(?:sample|row|case|obs|observation|survey|eval(?:uation)?)?_?(?:weights?|wgt|wt)|w", re.I
)


def settle(tables: Tables, targets: Sequence[str], named: Named, found: Findings) -> str | None:
    """Returns the column with the weights of rows, None if all weigh the same. Raises CompetitionError."""
    asked, train = found.settings.get("weights"), tables.train_frame
    if train is None or tables.train is None or asked == NONE:
        return None
    free = [str(name) for name in train.columns if name not in targets]
    if asked is not None:
        if asked not in free:
            raise CompetitionError(
                f"weights={asked}: {tables.train.path} has no such column; it has {listed(free, 20)}"
            )
        return _usable(train[asked], asked, tables.train.path, found, "set by option")
    if not named.weighted:
        return None
    likely = [name for name in free if _weighs(train[name])]
    told = [name for name in likely if _mentioned(name, named.about_weights)]
    called = [name for name in likely if _NAME.fullmatch(name)]
    for names, why in ((told, "the description names it"), (called, "it is called so")):
        if len(names) == 1:
            return _usable(
                train[names[0]], names[0], tables.train.path, found, f"the description weighs rows; {why}"
            )
    return None


def _weighs(values: pd.Series) -> bool:
    """Whether these may be weights: numbers of 0 and more, not all 0, none missing."""
    if not pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        return False
    return bool(values.notna().all() and (values >= 0).all() and (values > 0).any())


def _mentioned(name: str, text: str) -> bool:
    """Whether the text names the column: in quotes or code, after "column", or a name no word would be."""
    quoted = rf"[`'\"“*]{re.escape(name)}[`'\"”*]|\b(?:column|field|variable) {re.escape(name)}\b"
    odd = len(name) > 2 and re.search(r"[_\d]|[a-z][A-Z]", name) is not None
    return re.search(quoted, text) is not None or bool(odd and re.search(rf"\b{re.escape(name)}\b", text))


def _usable(values: pd.Series, name: str, path: str, found: Findings, why: str) -> str:
    if not _weighs(values):
        raise CompetitionError(
            f"weights={name}: the column {name} of {path} must hold numbers of 0 and more, and none missing;"
            " repair it, or leave the weights out with --set weights=none"
        )
    found.evidence["weights"] = f"{name}: {why}"
    return name
