"""Linear models: ridge and logistic regression on well prepared columns.

A weighted sum cannot bend, so the columns must: each number becomes its rank or a few smooth steps
(splines), each category a column a level, missing values a flag. Fast, hard to overfit, extrapolates, and
errs differently from trees; on small or truly additive data it wins, elsewhere it is the yardstick that a
dearer model has to beat.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.preprocessing import QuantileTransformer, SplineTransformer, StandardScaler

Array = np.ndarray[Any, Any]
SHARED = ["columns", "relations", "files"]  # the first is needed, the others joined by the factor "more"
FACTORS = {
    "more": ["none", "relations", "files", "relations+files"],
    "numbers": ["splines", "standard", "ranks"],
    "interactions": ["pairs", "sums", "none"],
    "categories": ["onehot", "target", "frequency"],
    "strength": ["chosen", 1, 10, 100, 1000],
    "target": ["metric", "none", "log1p"],
}
NOTES = {
    "more": "joins shared columns on related rows or per-id files: a large gain where they exist",
    "numbers": "splines bend each column, ranks tame outliers, standard is straight; bends need rows",
    "interactions": "sums, counts, shares over like columns: shares are what a weighted sum cannot express",
    "categories": "a column a level, or the mean label of the level where there are many",
    "strength": "of the penalty on weights: stronger for few rows and many columns; chosen by rows left out",
    "target": "regression: log1p for skewed positive labels; 'metric': only for a logarithmic metric",
}


def bend(X: pd.DataFrame, book: dict[str, Any], ctx: Any, learn: bool = False) -> Array:
    """Numbers → filled, scaled, bent; with a flag where they were missing."""
    if learn:
        book["middle"] = X.median()
        book["flags"] = [name for name in X if X[name].isna().any()]
        book["ways"] = ways(len(X), len(X.columns), ctx)
    filled, columns = X.fillna(book["middle"]).to_numpy(), [X[book["flags"]].isna().to_numpy("float64")]
    for steps in book["ways"]:
        bent = filled
        for step in steps:
            bent = step.fit_transform(bent) if learn else step.transform(bent)
        columns.append(np.clip(bent, -8, 8))
    return np.column_stack(columns)


def ways(rows: int, columns: int, ctx: Any) -> list[list[Any]]:
    """Chains of transformations, whose results stand side by side."""
    ranks = QuantileTransformer(n_quantiles=min(rows, max(2, min(200, rows // 3))), random_state=ctx.seed)
    if ctx.config["numbers"] == "standard" or rows < 10:
        return [[StandardScaler()]]
    if ctx.config["numbers"] == "ranks":
        return [[ranks, StandardScaler()]]
    knots = 6 if columns <= 60 else 4
    splines = SplineTransformer(n_knots=knots, degree=2, extrapolation="constant", include_bias=False)
    return [[StandardScaler()], [ranks, splines, StandardScaler()]]


def fit_weights(X: Array, y: Array, ctx: Any) -> Any:
    """Ridge or logistic regression; a strength that is "chosen" is the best of a few on rows left out."""
    chosen, strength = ctx.config["strength"] == "chosen" and len(X) >= 20, ctx.config["strength"]
    if len(np.unique(y)) < 2:
        return float(y[0])
    if ctx.task == "regression":
        return RidgeCV([1, 10, 100, 1000, 10000]).fit(X, y) if chosen else Ridge(number(strength)).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not fully converged is good enough
        inner, held = ctx.inner()
        if chosen and set(np.unique(y[held])) <= set(np.unique(y[inner])) and len(np.unique(y[inner])) > 1:
            losses = {c: loss(logistic(X[inner], y[inner], c), X[held], y[held]) for c in (1, 10, 100)}
            strength = min(losses, key=lambda c: losses[c])
        return logistic(X, y, number(strength))


def number(strength: Any) -> float:
    return 10.0 if strength == "chosen" else float(strength)


def logistic(X: Array, y: Array, strength: float) -> Any:
    return LogisticRegression(C=1 / strength, max_iter=100).fit(X, y)


def loss(model: Any, X: Array, y: Array) -> float:
    """Mean negative log-likelihood."""
    P = model.predict_proba(X)[np.arange(len(X)), np.searchsorted(model.classes_, y)]
    return float(-np.log(np.maximum(P, 1e-9)).mean())


def fit(train: pd.DataFrame, ctx: Any) -> Any:
    book, X, Y = learn_features(train, ctx)
    bent = bend(X, book, ctx, learn=True)
    return book, [fit_weights(bent, y, ctx) for y in Y.T]


def predict(model: Any, rows: pd.DataFrame, ctx: Any) -> Any:
    book, models = model
    X = features(rows, book, ctx)
    bent = bend(X, book, ctx)
    return answers(models, bent, book, ctx)


# ---- from shared columns to a model and back: this block is the same in every recipe for tables ------------
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
