"""Features and labels for models of tables, and their predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array


def mean_label(codes: pd.Series, label: pd.Series, prior: float) -> Any:
    """Mean label by code, smoothed by `prior` rows of the overall mean."""
    group = label.groupby(codes)
    return ((group.sum() + prior * label.mean()) / (group.size() + prior)).to_dict()


def encode(codes: pd.DataFrame, Y: Array, ctx: Any) -> tuple[list[Any], dict[str, Array]]:
    """Learn how category codes become features: a list of (feature, column, code → float, default).

    For target encoding, also returns the features of the training rows; each comes from the labels of other
    folds."""
    fitted: list[Any] = []
    own: dict[str, Array] = {}
    fold = np.random.default_rng(ctx.seed).permutation(len(codes)) % 5
    for name, column in codes.items():
        group = "group: " in name  # few rows share a code, so only target encoding helps
        level, prior = ("target", 1) if group else (ctx.config["categories"], 10)
        if level == "target" and Y.shape[1] > 10:
            level = "ordinal"  # one feature per class and column would be too many
        counts = column.value_counts().sort_index().sort_values(ascending=False, kind="stable")
        counts = counts[counts > 1].iloc[: 60 if level == "onehot" else 250]
        if level == "onehot":
            fitted += [(f"{name} {i}", name, {code: 1.0}, 0.0) for i, code in enumerate(counts.index)]
        elif level == "frequency":
            fitted.append((name, name, (counts / len(codes)).to_dict(), 0.0))
        elif level == "target":
            for j in range(Y.shape[1]):
                feature, label = f"{name} mean {j}", pd.Series(Y[:, j], codes.index)
                fitted.append((feature, name, mean_label(column, label, prior), float(label.mean())))
                own[feature] = np.full(len(codes), label.mean())
                for k in range(5 if len(codes) >= 10 else 0):
                    others = mean_label(column[fold != k], label[fold != k], prior)
                    own[feature][fold == k] = column[fold == k].map(others).fillna(label[fold != k].mean())
        else:
            fitted.append((name, name, {code: float(i) for i, code in enumerate(counts.index)}, np.nan))
    return fitted, own


def shared_columns(rows: pd.DataFrame, ctx: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns (float features, category codes) of these rows, from `%%shared` cells."""
    names = ["columns", *(name for name in ctx.config["more"].split("+") if name != "none")]
    tables = [ctx.shared(name).loc[rows.index] for name in names]
    table = pd.concat(
        [tables[0], *(t.add_prefix(f"{n}: ") for n, t in zip(names[1:], tables[1:], strict=True))], axis=1
    )
    left_out = {"none": ("sums: ", "pairs: "), "sums": ("pairs: ",), "pairs": ()}[ctx.config["interactions"]]
    codes = [c for c in table if c.startswith("category: ") or ": group: " in c]
    return table[[c for c in table if c not in codes and not c.startswith(left_out)]], table[codes]


def features(rows: pd.DataFrame, fitted: dict[str, Any], ctx: Any) -> pd.DataFrame:
    """The features of a model, all floats. `fitted` is what `learn_features` found in the training rows."""
    numbers, codes = shared_columns(rows, ctx)
    coded = {feature: codes[c].map(values).fillna(other) for feature, c, values, other in fitted["codes"]}
    X = pd.concat([numbers, pd.DataFrame(coded, rows.index)], axis=1).astype("float64")
    return X.reindex(columns=fitted.get("columns", X.columns))


def learn_features(train: pd.DataFrame, ctx: Any) -> tuple[dict[str, Any], pd.DataFrame, Array]:
    """Returns (fitted, X, Y). Y has one column per target: class codes 0, 1, … or scaled numbers."""
    one_of = ctx.task in ("binary", "multiclass")
    order = {str(label): i for i, label in enumerate(ctx.classes)} if one_of else {}
    labels = train[list(ctx.targets)]
    Y = (labels.map(lambda v: order[str(v)]) if one_of else labels).to_numpy("float64")
    log = ctx.config["target"] == "log1p" or (ctx.config["target"] == "metric" and "rmsle" in str(ctx.metric))
    fitted: dict[str, Any] = {"log": bool(ctx.task == "regression" and log and Y.min() > -1)}
    fitted["low"] = 0.0 if Y.min() >= 0 else -np.inf
    Y = np.log1p(Y) if fitted["log"] else Y
    fitted["centre"], fitted["spread"] = 0.0, 1.0
    if ctx.task == "regression":  # scaled, so that 32-bit models handle any range
        fitted["centre"], fitted["spread"] = Y.mean(axis=0), np.where(Y.std(axis=0) > 0, Y.std(axis=0), 1.0)
        Y = (Y - fitted["centre"]) / fitted["spread"]
    per_class = np.eye(len(order))[Y[:, 0].astype(int)][:, 1:] if one_of else Y
    fitted["codes"], own = encode(shared_columns(train, ctx)[1], per_class, ctx)
    X = features(train, fitted, ctx).assign(**own)
    varying = [c for c in X if X[c].nunique() > 1]
    fitted["columns"] = varying or list(X.columns[:1])
    return fitted, X[fitted["columns"]], Y


def answers(models: list[Any], X: Any, fitted: dict[str, Any], ctx: Any) -> Any:
    """Raw predictions of one model per target, on the scale of the labels.

    A model is a float (the only label seen in training), or has `predict`, or `classes_` and
    `predict_proba`."""
    if ctx.task == "regression":
        values = [np.full(len(X), m) if isinstance(m, float) else m.predict(X) for m in models]
        numbers = np.column_stack(values) * fitted["spread"] + fitted["centre"]
        return np.maximum(np.expm1(numbers) if fitted["log"] else numbers, fitted["low"])
    several = []
    for m in models:
        P = np.full((len(X), len(ctx.classes) if ctx.task == "multiclass" else 2), 1e-6)
        seen, found = (
            ([int(m)], 1.0) if isinstance(m, float) else (m.classes_.astype(int), m.predict_proba(X))
        )
        P[:, seen] += found
        several.append(P / P.sum(axis=1, keepdims=True))
    return np.column_stack([P[:, 1] for P in several]) if ctx.task == "multilabel" else several[0]
