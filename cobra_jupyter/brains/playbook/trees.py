"""Forests of randomised trees: a robust second opinion beside boosting.

Many deep trees, each grown apart with random splits (or on resampled rows), are averaged. They hardly overfit, need
no tuning to be good, and err differently from boosting, so they are worth most in a blend; on small, noisy tables they
are sometimes best alone. Missing numbers get a value below all others: a split can then set them apart.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

SHARED = ["relations", "files"]
FACTORS = {
    "shared": ["none", "relations", "files", "relations+files"],
    "forest": ["extra", "random"],
    "interactions": ["sums", "none", "pairs"],
    "categories": ["target", "onehot", "ordinal", "frequency"],
    "columns": ["third", "root", "all"],
    "leaf": [3, 1, 8],
    "target": ["metric", "none", "log1p"],
}
NOTES = {
    "shared": "joins columns of shared cells (groups of rows, per-id files): a large gain where rows are related",
    "forest": "splits at random values, all rows (extra), or best splits on resampled rows (random, 3 times dearer)",
    "interactions": "sums, counts, shares over like columns: a tree needs many splits to add two numbers",
    "categories": "how categories become numbers: target means are strong here, one column a level for few levels",
    "columns": "columns tried at each split: fewer make the trees more different, more help where few columns matter",
    "leaf": "rows a leaf needs at least: more for noisy labels and probabilities, 1 for exact relations",
    "target": "regression: log1p for skewed positive labels; 'metric' takes it where the metric is logarithmic",
}
TREES = 200


def fit_forest(X, y, ctx):
    if len(np.unique(y)) < 2:
        return float(y[0])
    extra, numbers = ctx.config["forest"] == "extra", ctx.task == "regression"
    kinds = {(True, True): ExtraTreesRegressor, (True, False): ExtraTreesClassifier}
    kinds |= {(False, True): RandomForestRegressor, (False, False): RandomForestClassifier}
    columns = {"third": 0.34, "root": "sqrt", "all": 1.0}[ctx.config["columns"]]
    forest = kinds[extra, numbers](
        TREES,
        max_features=columns,
        min_samples_leaf=ctx.config["leaf"],
        random_state=ctx.seed,
        n_jobs=ctx.n_jobs,
    ).fit(X, y)
    return forest.set_params(
        n_jobs=1
    )  # threads would add up the trees in any order: other last digits each time


def filled(X, book):
    return X.fillna(book["missing"]).to_numpy("float32")


def fit(train, ctx):
    book, X, Y = learn_features(train, ctx)
    book["missing"] = X.min() - 1 - X.std().fillna(0)
    return book, [fit_forest(filled(X, book), y, ctx) for y in Y.T]


def predict(model, rows, ctx):
    book, models = model
    return answers(models, filled(features(rows, book, ctx), book), book, ctx)


# ---- from columns to features and back: this block is the same in every recipe for tables ------------------
def finite(column):
    """Floats of a column; true and false are 1 and 0, what is no finite number is missing."""
    if column.dtype.kind not in "biuf":
        truth = {"true": 1, "yes": 1, "false": 0, "no": 0}
        column = column.map(lambda v: truth.get(str(v).strip().lower(), v))
    number = pd.to_numeric(column, errors="coerce").astype("float64")
    return number.where(number.abs() < 1e30)


def text(column):
    """Strings of a column, "" where missing; 3 and 3.0 are the same category."""
    return column.map(
        lambda v: "" if pd.isna(v) else f"{v:.12g}" if isinstance(v, int | float) else str(v)
    ).astype(object)


def parts(column, count):
    """The parts of strings like "F/731/S" as a frame of `count` columns, "" where there is none."""
    split = text(column).str.split(r"[/_|:;,\s-]+", expand=True, regex=True).reindex(columns=range(count))
    return split.fillna("").astype(object)


def kinds_of(train, ctx):
    """What to do with each column: a list of (name, kind, for compounds: which parts are numbers)."""
    kinds = []
    for name in [name for name in train.columns if name != ctx.id and name not in ctx.targets]:
        kind, known, numeric = ctx.columns.get(name, "number"), train[name].dropna(), None
        if kind in ("number", "flag") and finite(known).notna().sum() < 0.9 * len(known):
            kind = "category"
        if kind == "compound":
            split = parts(
                known, min(4, int(text(known).str.count(r"[/_|:;,\s-]+").max() or 0) + 1 if len(known) else 1)
            )
            numeric = [bool(finite(split[i]).notna().mean() > 0.9) for i in split]
        if kind != "id":
            kinds.append((name, kind, numeric))
    return kinds


def read_columns(rows, kinds):
    """→ (float frame, frame of category strings), each row by itself."""
    numbers, words = {}, {}
    for name, kind, numeric in kinds:
        if kind in ("number", "flag"):
            numbers[name] = finite(rows[name])
        elif kind == "date":
            date = pd.to_datetime(rows[name], errors="coerce", utc=True)
            numbers[f"{name} age"] = (date - pd.Timestamp("2000-01-01", tz="UTC")) / pd.Timedelta(days=1)
            numbers |= {
                f"{name} {unit}": getattr(date.dt, unit)
                for unit in ("year", "month", "day", "dayofweek", "hour")
            }
        elif kind == "text":
            numbers |= {
                f"{name} letters": text(rows[name]).str.len(),
                f"{name} words": text(rows[name]).str.count(r"\S+"),
            }
        elif kind == "compound":
            for i, part in parts(rows[name], len(numeric)).items():
                (numbers if numeric[i] else words)[f"{name} part {i}"] = finite(part) if numeric[i] else part
        else:
            words[name] = text(rows[name])
    return pd.DataFrame(numbers, rows.index, dtype="float64"), pd.DataFrame(words, rows.index, dtype=object)


def like_columns(numbers):
    """Columns measured alike: names that differ in one word (length_1_cm, length_2_cm); amounts that are often 0."""
    sets = {
        "amounts": [
            c
            for c in numbers
            if (numbers[c] == 0).mean() > 0.3 and numbers[c].min() >= 0 and numbers[c].max() > 1
        ]
    }
    for name in numbers:
        tokens = re.split(r"[\s_.-]+|(?<=\D)(?=\d)", str(name))
        for i in range(len(tokens) if len(tokens) > 1 else 0):
            sets.setdefault(" ".join([*tokens[:i], "*", *tokens[i + 1 :]]), []).append(name)
    return {key: names for key, names in sets.items() if 2 <= len(names) <= 12}


def interactions(numbers, sets, level):
    """Over each set of like columns: "sums" and extremes; with "pairs" also each one's share and differences."""
    new = {}
    for key, names in list(sets.items())[:12] if level != "none" else []:
        values, total = numbers[names], numbers[names].sum(axis=1)
        new |= {f"{key} sum": total, f"{key} max": values.max(axis=1), f"{key} min": values.min(axis=1)}
        new |= {
            f"{key} above 0": (values > 0).sum(axis=1),
            f"{key} product": np.log1p(values.clip(lower=0)).sum(axis=1),
        }
        if level == "pairs":
            new |= {f"{name} of {key}": values[name] / total.where(total != 0) for name in names}
            pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]][:15]
            new |= {f"{a} - {b}": values[a] - values[b] for a, b in pairs}
    return pd.DataFrame(new, numbers.index, dtype="float64")


def mean_label(column, label):
    """value → mean label, drawn towards the mean of all by ten rows of it."""
    group = label.groupby(column)
    return ((group.sum() + 10 * label.mean()) / (group.size() + 10)).to_dict()


def encode(words, Y, ctx):
    """How category strings become floats: a list of (feature, column, value → float, float of other values).
    Second, for "target", the features of the training rows themselves, made from the labels of other rows only."""
    level, codes, own = ctx.config["categories"], [], {}
    fold = np.random.default_rng(ctx.seed).permutation(len(words)) % 5
    for name in words:
        column = words[name]
        often = column[column != ""].value_counts().sort_index().sort_values(ascending=False, kind="stable")
        often = often[often > 1].iloc[: 60 if level == "onehot" else 250]
        if level == "onehot":
            codes += [(f"{name} = {value}", name, {value: 1.0}, 0.0) for value in often.index]
        elif level == "frequency":
            codes.append((f"{name} share", name, (often / len(words)).to_dict(), 0.0))
        elif level == "target":
            for j in range(Y.shape[1]):
                label, feature = pd.Series(Y[:, j], words.index), f"{name} mean label {j}"
                codes.append((feature, name, mean_label(column, label), float(label.mean())))
                own[feature] = np.full(len(words), label.mean())
                for k in range(5 if len(words) >= 5 else 0):
                    other = mean_label(column[fold != k], label[fold != k])
                    own[feature][fold == k] = column[fold == k].map(other).fillna(label[fold != k].mean())
        else:
            codes.append((name, name, {value: float(i) for i, value in enumerate(often.index)}, np.nan))
    return codes, own


def features(rows, book, ctx):
    """The float frame a model sees; `book` holds what `learn_features` found in the training rows."""
    numbers, words = read_columns(rows, book["kinds"])
    coded = {
        f: words[name].map(values).astype("float64").fillna(other) for f, name, values, other in book["codes"]
    }
    shared = [name for name in ctx.config["shared"].split("+") if name != "none"]  # made by %%shared cells
    more = [ctx.shared(name).loc[rows.index].add_prefix(f"{name}: ") for name in shared]
    made = interactions(numbers, book["sets"], ctx.config["interactions"])
    X = pd.concat([numbers, made, pd.DataFrame(coded, rows.index), *more], axis=1).astype("float64")
    return X.reindex(columns=book.get("columns", X.columns))


def learn_features(train, ctx):
    """→ (book, X, Y): Y has a column per target, class codes 0, 1, … or numbers on the scale that is learnt."""
    labels = train[list(ctx.targets)]
    if ctx.task in ("binary", "multiclass"):
        labels = labels.map(lambda v: [str(label) for label in ctx.classes].index(str(v)))
    Y = labels.to_numpy("float64")
    logarithmic = ctx.config.get("target") == "log1p" or (
        ctx.config.get("target") == "metric"
        and ("rmsle" in str(ctx.metric) or "log_error" in str(ctx.metric))
    )
    book = {"kinds": kinds_of(train, ctx), "low": 0.0 if Y.min() >= 0 else -np.inf}
    book["log"] = ctx.task == "regression" and bool(logarithmic and Y.min() > -1)
    Y = np.log1p(Y) if book["log"] else Y
    numbers, words = read_columns(train, book["kinds"])
    book["sets"] = like_columns(numbers)
    book["codes"], own = encode(
        words,
        np.eye(len(ctx.classes))[Y[:, 0].astype(int)][:, 1:] if ctx.task in ("binary", "multiclass") else Y,
        ctx,
    )
    X = features(train, book, ctx).assign(**own)
    book["columns"] = [name for name in X if X[name].nunique() > 1]  # a constant teaches nothing
    return book, X[book["columns"]], Y


def answers(models, X, book, ctx):
    """Raw predictions of the models (one a target), back on the scale of the labels. A float stands for a model
    where the training labels were all the same; else it has `classes_` and `predict_proba`, or `predict`."""
    if ctx.task == "regression":
        P = np.column_stack([np.full(len(X), m) if isinstance(m, float) else m.predict(X) for m in models])
        return np.maximum(np.expm1(P) if book["log"] else P, book["low"])
    several = []
    for model in models:
        P = np.full((len(X), len(ctx.classes) if ctx.task == "multiclass" else 2), 1e-6)
        P[:, [int(model)] if isinstance(model, float) else model.classes_.astype(int)] += (
            1.0 if isinstance(model, float) else model.predict_proba(X)
        )
        several.append(P / P.sum(axis=1, keepdims=True))
    return np.column_stack([P[:, 1] for P in several]) if ctx.task == "multilabel" else several[0]


# ---- end of the block --------------------------------------------------------------------------------------
