"""Writes the plain code of a protocol: pandas and scikit-learn lines that make its folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from cobra_jupyter.workbench.protocol.dates import date_code
from cobra_jupyter.workbench.protocol.groups import group_code


def _splitter_code(protocol: dict[str, Any], strata: str) -> list[str]:
    folds, seed = protocol["folds"], protocol["seed"]
    name, target = {
        "kfold": ("KFold", ""),
        "stratified": ("StratifiedKFold", f", {strata}"),
        "group": ("GroupKFold", ", None, units"),
        "stratified_group": ("StratifiedGroupKFold", f", {strata}, units"),
    }[protocol["split"]]
    if (
        protocol["split"] == "group"
    ):  # GroupKFold shuffles only from scikit-learn 1.6 on: shuffle the names of the units
        return [
            f"for repeat in range({protocol['repeats']}):",
            f"    names = np.random.default_rng({seed} + repeat).permutation(units.max() + 1)",
            f"    splits = GroupKFold({folds}).split(rows, None, names[units[rows]])",
            "    folds.append([(rows[a], rows[b]) for a, b in splits])",
        ]
    arguments = (
        target.replace("units", "units[rows]").replace(strata, f"{strata}.iloc[rows]") if target else ""
    )
    return [
        f"for repeat in range({protocol['repeats']}):",
        f"    splitter = {name}({folds}, shuffle=True, random_state={seed} + repeat)",
        f"    folds.append([(rows[a], rows[b]) for a, b in splitter.split(rows{arguments})])",
    ]


def time_code(train: pd.DataFrame, time: str) -> str:
    """Returns code for the time of each row of `train`."""
    column = f"train[{time!r}]"
    if train[time].dtype.kind in "iuf":
        return column
    return f"{date_code(train[time]).format(column)}.dt.tz_localize(None)"


def strata_code(train: pd.DataFrame, targets: Sequence[str]) -> str:
    """Returns code for what folds share out evenly: classes, or which of several labels a row has."""
    if len(targets) > 1 and train[list(targets)].isna().to_numpy().any():
        return f"train[{list(targets)!r}].notna().astype(str).agg(' '.join, axis=1)"
    return f"train[{targets[0]!r}].astype(str)"


def write_code(protocol: dict[str, Any], strata: str, when: str = "") -> str:
    """Returns the code that makes `units`, `vault` and `folds[repeat][k]` from `train` and `test`.

    `strata` is the code of what stratified folds share out evenly; `when` is the code of the times, for a
    split by time."""
    imports = {
        "kfold": "KFold",
        "stratified": "StratifiedKFold",
        "group": "GroupKFold",
        "stratified_group": "StratifiedGroupKFold",
        "time": "TimeSeriesSplit",
    }
    extra = ", GroupShuffleSplit" if protocol["vault_rows"] else ""
    lines = [f"from sklearn.model_selection import {imports[protocol['split']]}{extra}", ""]
    if protocol["groups"]:
        values = group_code(protocol["groups"])
        lines += [
            "# rows of one unit are never split",
            f"units = pd.factorize({values}, use_na_sentinel=False)[0]",
        ]
    else:
        lines.append("units = np.arange(len(train))  # each row is its own unit")
    if protocol["vault_rows"]:
        share = protocol["vault_rows"] / protocol["rows"]
        lines += [
            f"keep = GroupShuffleSplit(1, test_size={share!r}, random_state={protocol['seed']})",
            "rows, vault = next(keep.split(units, groups=units))  # no fold sees the vault",
        ]
    else:
        lines.append("rows, vault = np.arange(len(train)), np.arange(0)")
    lines.append(
        "folds = []  # folds[repeat][k] = positions of the training rows, positions of the held-out rows"
    )
    if protocol["split"] == "time":
        lines += [
            f"when = {when}",
            'order = rows[np.argsort(when.to_numpy()[rows], kind="stable")]',
            f"splits = TimeSeriesSplit({protocol['folds']}).split(order)",
            "folds.append([(np.sort(order[a]), np.sort(order[b])) for a, b in splits])",
        ]
        if protocol["groups"]:  # drop training rows whose units occur again among the later rows
            lines.append("folds = [[(a[~np.isin(units[a], units[b])], b) for a, b in folds[0]]]")
    else:
        lines += _splitter_code(protocol, strata)
    return "\n".join(lines)


def leave_out_code(columns: Sequence[str]) -> str:
    """Returns code that drops columns from both tables."""
    return (
        f"unused = {list(columns)!r}  # they reveal more about train rows than about test rows\n"
        'train, test = train.drop(columns=unused), test.drop(columns=unused, errors="ignore")'
    )
