"""From shared columns to a model and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array


def mean_label(codes: pd.Series, label: pd.Series, prior: float) -> Any:
    """code → mean label, drawn towards the mean of all by `prior` rows of it."""
    group = label.groupby(codes)
    return ((group.sum() + prior * label.mean()) / (group.size() + prior)).to_dict()


def encode(codes: pd.DataFrame, Y: Array, ctx: Any) -> tuple[list[Any], dict[str, Array]]:
    """How category codes become features: a list of (feature, column, code → float, float of other codes).
    For "target" also those of the training rows themselves, each made from the labels of other rows only."""
    book: list[Any] = []
    own: dict[str, Array] = {}
    fold = np.random.default_rng(ctx.seed).permutation(len(codes)) % 5
    for name, column in codes.items():
        group = "group: " in name  # few rows share the code: only the labels of the others can tell
        level, prior = ("target", 1) if group else (ctx.config["categories"], 10)
        if level == "target" and Y.shape[1] > 10:
            level = "ordinal"  # a feature a class and column would be too many
        counts = column.value_counts().sort_index().sort_values(ascending=False, kind="stable")
        counts = counts[counts > 1].iloc[: 60 if level == "onehot" else 250]
        if level == "onehot":
            book += [(f"{name} {i}", name, {code: 1.0}, 0.0) for i, code in enumerate(counts.index)]
        elif level == "frequency":
            book.append((name, name, (counts / len(codes)).to_dict(), 0.0))
        elif level == "target":
            for j in range(Y.shape[1]):
                feature, label = f"{name} mean {j}", pd.Series(Y[:, j], codes.index)
                book.append((feature, name, mean_label(column, label, prior), float(label.mean())))
                own[feature] = np.full(len(codes), label.mean())
                for k in range(5 if len(codes) >= 10 else 0):
                    others = mean_label(column[fold != k], label[fold != k], prior)
                    own[feature][fold == k] = column[fold == k].map(others).fillna(label[fold != k].mean())
        else:
            book.append((name, name, {code: float(i) for i, code in enumerate(counts.index)}, np.nan))
    return book, own


def shared_columns(rows: pd.DataFrame, ctx: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """→ (float features, category codes) that `%%shared` cells made for these rows."""
    names = ["columns", *(name for name in ctx.config["more"].split("+") if name != "none")]
    tables = [ctx.shared(name).loc[rows.index] for name in names]
    table = pd.concat(
        [tables[0], *(t.add_prefix(f"{n}: ") for n, t in zip(names[1:], tables[1:], strict=True))], axis=1
    )
    left_out = {"none": ("sums: ", "pairs: "), "sums": ("pairs: ",), "pairs": ()}[ctx.config["interactions"]]
    codes = [c for c in table if c.startswith("category: ") or ": group: " in c]
    return table[[c for c in table if c not in codes and not c.startswith(left_out)]], table[codes]


def features(rows: pd.DataFrame, book: dict[str, Any], ctx: Any) -> pd.DataFrame:
    """The float frame a model sees; `book` holds what `learn_features` found in the training rows."""
    numbers, codes = shared_columns(rows, ctx)
    coded = {feature: codes[c].map(values).fillna(other) for feature, c, values, other in book["codes"]}
    X = pd.concat([numbers, pd.DataFrame(coded, rows.index)], axis=1).astype("float64")
    return X.reindex(columns=book.get("columns", X.columns))


def learn_features(train: pd.DataFrame, ctx: Any) -> tuple[dict[str, Any], pd.DataFrame, Array]:
    """→ (book, X, Y): Y has a column a target, of class codes 0, 1, … or of numbers on the scale learnt."""
    one_of = ctx.task in ("binary", "multiclass")
    order = {str(label): i for i, label in enumerate(ctx.classes)} if one_of else {}
    labels = train[list(ctx.targets)]
    Y = (labels.map(lambda v: order[str(v)]) if one_of else labels).to_numpy("float64")
    log = ctx.config["target"] == "log1p" or (ctx.config["target"] == "metric" and "rmsle" in str(ctx.metric))
    book: dict[str, Any] = {"log": bool(ctx.task == "regression" and log and Y.min() > -1)}
    book["low"] = 0.0 if Y.min() >= 0 else -np.inf
    Y = np.log1p(Y) if book["log"] else Y
    book["centre"], book["spread"] = 0.0, 1.0
    if ctx.task == "regression":  # models in 32 bits take labels of any scale then
        book["centre"], book["spread"] = Y.mean(axis=0), np.where(Y.std(axis=0) > 0, Y.std(axis=0), 1.0)
        Y = (Y - book["centre"]) / book["spread"]
    per_class = np.eye(len(order))[Y[:, 0].astype(int)][:, 1:] if one_of else Y
    book["codes"], own = encode(shared_columns(train, ctx)[1], per_class, ctx)
    X = features(train, book, ctx).assign(**own)
    book["columns"] = [c for c in X if X[c].nunique() > 1] or list(
        X.columns[:1]
    )  # a constant teaches nothing
    return book, X[book["columns"]], Y


def answers(models: list[Any], X: Any, book: dict[str, Any], ctx: Any) -> Any:
    """Raw predictions of the models, one a target, on the scale of the labels. A float stands for the only
    label seen in training; other models have `predict`, or `classes_` and `predict_proba`."""
    if ctx.task == "regression":
        values = [np.full(len(X), m) if isinstance(m, float) else m.predict(X) for m in models]
        numbers = np.column_stack(values) * book["spread"] + book["centre"]
        return np.maximum(np.expm1(numbers) if book["log"] else numbers, book["low"])
    several = []
    for m in models:
        P = np.full((len(X), len(ctx.classes) if ctx.task == "multiclass" else 2), 1e-6)
        seen, found = (
            ([int(m)], 1.0) if isinstance(m, float) else (m.classes_.astype(int), m.predict_proba(X))
        )
        P[:, seen] += found
        several.append(P / P.sum(axis=1, keepdims=True))
    return np.column_stack([P[:, 1] for P in several]) if ctx.task == "multilabel" else several[0]
