"""Gradient boosted trees: the strongest single model on most tables.

Small trees are added one after the other, each correcting what is still wrong. They take numbers of any
scale, missing values and many categories as they come, and find thresholds and interactions by themselves;
what they cannot find is what no single row or column holds, hence the sums over like columns and the
`%%shared` features. LightGBM where it is installed, else scikit-learn's histogram boosting. One model a
target. The number of trees is found on an inner split; then all rows are used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

try:
    import lightgbm
except ImportError:
    lightgbm = None  # type: ignore[assignment]

Array = np.ndarray[Any, Any]
SHARED = ["columns", "relations", "files"]  # the first is needed, the others joined by the factor "more"
FACTORS = {
    "more": ["none", "relations", "files", "relations+files"],
    "interactions": ["sums", "none", "pairs"],
    "categories": ["target", "native", "ordinal", "frequency"],
    "leaves": [15, 7, 31, 63],
    "sampling": [0.4, 0.7, 1.0],
    "pace": ["fixed", "0.05", "0.02"],
    "bag": [1, 4],
    "target": ["metric", "none", "log1p"],
}
NOTES = {
    "more": "joins shared columns on related rows or per-id files: a large gain where they exist",
    "interactions": "sums, counts, shares over like columns: small gain, cheap, hardly depends on scale",
    "categories": "how categories become numbers: target means for many levels, native for few",
    "leaves": "size of one tree: more rows bear more leaves, so judge it at full size; cost grows with it",
    "sampling": "share of rows and columns that each tree sees: low on small or noisy data, and cheaper",
    "pace": "400 rounds at 0.03, or a rate with early stopping: better from some 50,000 rows on, dearer",
    "bag": "models with other seeds that are averaged: a small, sure gain at that many times the cost",
    "target": "regression: log1p for skewed positive labels; 'metric': only for a logarithmic metric",
}


class Bag:
    """Boosters that differ in their seeds, averaged; answers like a scikit-learn model."""

    def __init__(self, boosters: list[Any], classes: Any, threads: int) -> None:
        self.boosters, self.classes_, self.threads = boosters, classes, threads

    def predict(self, X: pd.DataFrame) -> Array:
        P = [b.predict(X.to_numpy(), num_threads=self.threads) for b in self.boosters]
        return np.asarray(np.mean(P, axis=0))

    def predict_proba(self, X: pd.DataFrame) -> Array:
        P = self.predict(X)
        return P if P.ndim == 2 else np.column_stack([1 - P, P])


def fit_trees(X: pd.DataFrame, y: Array, native: list[int], ctx: Any) -> Any:
    """Boosted trees for one label."""
    classes: Any = None if ctx.task == "regression" else np.unique(y)
    codes = y if classes is None else np.searchsorted(classes, y)
    if len(np.unique(y)) < 2:
        return float(y[0])
    (inner, held), slow = ctx.inner(), ctx.config["pace"] == "fixed"
    whole = ctx.task == "regression" or len(np.unique(codes[inner])) == len(classes)
    early = not slow and whole and len(held) > 0
    rate = 0.03 if slow else float(ctx.config["pace"])
    if lightgbm is None:
        return fit_without_lightgbm(X, y, native, rate, ctx)
    objective = "regression_l1" if ctx.metric == "mae" else "regression"
    if classes is not None:
        objective = "binary" if len(classes) == 2 else "multiclass"
    params = {
        "objective": objective,
        "num_class": len(classes) if objective == "multiclass" else 1,
        "learning_rate": rate,
        "num_leaves": ctx.config["leaves"],
        "max_bin": 127,
        "min_data_in_leaf": max(1, min(20, len(X) // 50)),
        "lambda_l2": 3.0,
        "bagging_fraction": ctx.config["sampling"] if len(X) > 10 else 1.0,
        "bagging_freq": 1,
        "feature_fraction": ctx.config["sampling"],
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": ctx.n_jobs,
        "verbose": -1,
    }
    settings: dict[str, Any] = {"categorical_feature": native, "params": {"verbose": -1, "max_bin": 127}}
    X, rounds = X.to_numpy(), 400
    if early:
        data = lightgbm.Dataset(X[inner], codes[inner], **settings)
        valid = lightgbm.Dataset(X[held], codes[held], reference=data)
        stop = lightgbm.early_stopping(50, verbose=False)
        found = lightgbm.train(params | {"seed": ctx.seed}, data, 2000, valid_sets=[valid], callbacks=[stop])
        rounds = max(20, int(1.1 * found.best_iteration))  # all rows bear a few more rounds
    data = lightgbm.Dataset(X, codes, free_raw_data=False, **settings)
    seeds = [ctx.seed + 1000 * i for i in range(ctx.config["bag"])]
    return Bag([lightgbm.train(params | {"seed": seed}, data, rounds) for seed in seeds], classes, ctx.n_jobs)


def fit_without_lightgbm(X: pd.DataFrame, y: Array, native: list[int], rate: float, ctx: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    settings = {
        "learning_rate": rate,
        "max_iter": 150,
        "max_leaf_nodes": ctx.config["leaves"],
        "l2_regularization": 3.0,
    }
    kind = HistGradientBoostingRegressor if ctx.task == "regression" else HistGradientBoostingClassifier
    return kind(
        **settings,
        max_bins=255,
        categorical_features=native or None,
        early_stopping=False,
        random_state=ctx.seed,
    ).fit(X, y)


def fit(train: pd.DataFrame, ctx: Any) -> Any:
    book, X, Y = learn_features(train, ctx)
    coded = {feature for feature, *_ in book["codes"]} if ctx.config["categories"] == "native" else set()
    native = [i for i, name in enumerate(X.columns) if name in coded]
    return book, [fit_trees(X, y, native, ctx) for y in Y.T]


def predict(model: Any, rows: pd.DataFrame, ctx: Any) -> Any:
    book, models = model
    return answers(models, features(rows, book, ctx), book, ctx)


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
