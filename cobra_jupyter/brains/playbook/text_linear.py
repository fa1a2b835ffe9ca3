"""Linear models on weighted n-grams: ridge and logistic regression, calibrated.

With hundreds of thousands of n-grams nearly every label is a weighted sum away; what matters is how n-grams are
counted and weighted and how strongly the weights are drawn to zero. With naive-Bayes weighting each n-gram
first gets the size of its log-ratio between a class and the rest, so that telling n-grams are penalised less.
One model a class against the rest; rows left out choose the penalty and show how scores become probabilities.
"""

from __future__ import annotations

import html
import re
import time
import warnings
from array import array
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge

Array = np.ndarray[Any, Any]
SHARED = ["columns", "texts"]
NGRAMS = {
    "words": {"short": [1], "usual": [1, 2], "long": [1, 2, 3]},
    "chars": {"short": [2, 3, 4], "usual": [2, 3, 4, 5], "long": [3, 4, 5, 6]},
}
FACTORS = {
    "analyser": ["words+chars", "words", "chars"],
    "ngrams": ["usual", "short", "long"],
    "weighting": ["naive_bayes", "tfidf", "binary"],
    "strength": ["chosen", 0.02, 0.2],
    "lower": ["words", "none", "all"],
    "frequent": ["kept", "dropped"],
    "class_weights": ["none", "balanced"],
    "cleaning": ["none", "basic"],
    "beside": ["statistics", "none"],
}
NOTES = {
    "analyser": "words carry topics, characters style, endings and misspellings; together they are best, and dearer",
    "ngrams": "how many words or characters in a row: longer ones need more rows",
    "weighting": "tf-idf damps frequent n-grams, naive Bayes lifts those that tell classes apart",
    "strength": "of the penalty on weights: chosen by rows left out, or given",
    "lower": "capitals are noise for topics, a signal for tone and authorship",
    "frequent": "words of more than a fifth of the texts: noise for topics, style for authorship",
    "class_weights": "balanced lets rare classes count as much as common ones: for ranks and F-scores",
    "cleaning": "drops markup and links, makes digits alike: for texts from the web",
    "beside": "adds text statistics and the other columns, scaled",
}


def fit(train: pd.DataFrame, ctx: Any) -> Any:
    views, tables = learn_views(train, 2, ctx)
    Y, others = labels_of(train, ctx), beside(train, ctx)
    others = others[[]] if ctx.config["beside"] == "none" else others
    scale = Scale(np.zeros((len(train), 1)), others)
    X = together(tables, scale, others)
    grams = sum(table.shape[1] for table in tables)
    classes = np.unique(Y)
    T = (
        np.equal(Y, classes).astype("float64") if ctx.task == "multiclass" else Y
    )  # one class against the rest
    penalty, maps = choose(X, grams, T, ctx)
    models = [fit_weights(X, grams, t, penalty, ctx) for t in T.T]
    return views, scale, models, maps, classes, (Y.min(axis=0), Y.max(axis=0))


def predict(model: Any, rows: pd.DataFrame, ctx: Any) -> Any:
    views, scale, models, maps, classes, (low, high) = model
    S = scores(together(see(rows, views, ctx), scale, beside(rows, ctx)), models)
    if ctx.task == "regression":
        return np.clip(S, low, high)
    P = probabilities(S, maps, ctx)
    return with_all_classes(P, classes, ctx) if ctx.task == "multiclass" else P


def together(tables: list[Any], scale: Any, others: pd.DataFrame) -> Any:
    """N-grams and what stands beside them, in one sparse table."""
    numbers = scale(np.zeros((len(others), 1)), others)  # with a column of zeros, so that there is one
    return sparse.hstack([*tables, sparse.csr_matrix((0.1 * numbers).astype("float32"))], format="csr")


def log_ratio(counts: Any, positive: Array) -> Array:
    """How much more often each n-gram stands in the texts of a class than in all others, as a logarithm."""
    inside, outside = counts.T @ positive + 1.0, counts.T @ (1 - positive) + 1.0
    return np.asarray(np.log(inside / inside.sum()) - np.log(outside / outside.sum()), "float32")


def fit_weights(X: Any, grams: int, y: Array, penalty: float, ctx: Any) -> tuple[Array, float]:
    """→ (weights, intercept) for one column of labels; the first columns of X are n-grams."""
    if len(np.unique(y)) < 2:
        return np.zeros(X.shape[1], "float32"), float(
            y[0] if ctx.task == "regression" else 8 * (2 * y[0] - 1)
        )
    if ctx.task == "regression":
        ridge = Ridge(30 * penalty, solver="sparse_cg", tol=1e-3).fit(X, y)
        return ridge.coef_.astype("float32"), float(ridge.intercept_)
    size = np.ones(X.shape[1], "float32")
    if ctx.config["weighting"] == "naive_bayes":
        size[:grams] = log_ratio(X[:, :grams], y.astype("float32"))
        X = sparse.csr_matrix((X.data * size[X.indices], X.indices, X.indptr), X.shape)
        penalty = penalty / 8  # since most n-grams tell little, most have become small
    balanced = "balanced" if ctx.config["class_weights"] == "balanced" else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not fully converged is good enough
        machine = LogisticRegression(
            C=1 / penalty, solver="liblinear", dual=True, tol=0.1, max_iter=20,
            class_weight=balanced, random_state=ctx.seed,
        )  # fmt: skip
        machine.fit(X, y)
    return machine.coef_[0].astype("float32") * size, float(machine.intercept_[0])


def scores(X: Any, models: list[tuple[Array, float]]) -> Array:
    return np.column_stack([X @ weights + intercept for weights, intercept in models])


def choose(X: Any, grams: int, T: Array, ctx: Any) -> tuple[float, list[Any]]:
    """→ (penalty, maps from scores to logits), both found on rows left out: the penalty goes down or up for as
    long as that helps."""
    inner, held = (np.random.default_rng(ctx.seed).permutation(side)[:20_000] for side in ctx.inner())
    given = ctx.config["strength"]
    best = 0.1 if given == "chosen" else float(given)
    tried: dict[float, tuple[float, list[Any]]] = {}

    def attempt(penalty: float) -> float:
        models = [fit_weights(X[inner], grams, t, penalty, ctx) for t in T[inner].T]
        S = scores(X[held], models)
        maps = learn_maps(S, T[held], ctx)
        tried[penalty] = loss(S, maps, T[held], ctx), maps
        return tried[penalty][0]

    begun = time.monotonic()
    attempt(best)
    took = time.monotonic() - begun
    for factor in (0.25, 4.0) if given == "chosen" else ():
        while 0.001 < best * factor < 100 and ctx.seconds_left > 6 * took:
            if attempt(best * factor) > 0.998 * tried[best][0]:
                break
            best *= factor
        if best != 0.1:
            break  # down has helped, so up would not
    return best, tried[best][1]


def learn_maps(S: Array, T: Array, ctx: Any) -> list[Any]:
    """What scores are worth as logits: (matrix, shift) of all classes, or of each column by itself."""
    if ctx.task == "regression":
        return []
    if ctx.task == "multiclass":
        y, columns = [T.argmax(axis=1)], [S]
    else:
        y, columns = list(T.T), [S[:, [j]] for j in range(S.shape[1])]
    maps = []
    for label, column in zip(y, columns, strict=True):
        whole = len(np.unique(label)) == max(2, column.shape[1])
        found = LogisticRegression(max_iter=300).fit(column, label) if whole else None
        matrix, shift = (found.coef_.T, found.intercept_) if found else (np.eye(column.shape[1]), 0.0)
        if matrix.shape[1] < column.shape[1]:  # of two classes the first has the logit 0
            matrix, shift = np.hstack([0 * matrix, matrix]), np.append(0.0, shift)
        maps.append((matrix, shift))
    return maps


def probabilities(S: Array, maps: list[Any], ctx: Any) -> Array:
    """(rows, classes seen); of two classes, and for several labels, that of each column being 1."""
    if ctx.task == "multiclass":
        logits = S @ maps[0][0] + maps[0][1]
        P = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(P / P.sum(axis=1, keepdims=True))
    logits = np.column_stack([S[:, [j]] @ matrix + shift for j, (matrix, shift) in enumerate(maps)])
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))))


def loss(S: Array, maps: list[Any], T: Array, ctx: Any) -> float:
    """Squared error, or mean negative log-likelihood."""
    if ctx.task == "regression":
        return float(np.mean((S - T) ** 2))
    P = np.clip(probabilities(S, maps, ctx), 1e-9, 1 - 1e-9)
    if ctx.task == "multiclass":
        return float(-np.log(P[T > 0]).mean())
    return float(-np.log(np.where(T > 0, P, 1 - P)).mean())


# ---- from texts to n-grams, other columns and labels: this block is the same in every recipe for texts ------
def texts_of(rows: pd.DataFrame, ctx: Any) -> dict[str, list[str]]:
    """column → its texts, cleaned, "" where missing; from the seventh column on they are joined."""
    names = [name for name, kind in ctx.columns.items() if kind == "text"]
    names = names or [n for n, kind in ctx.columns.items() if kind in ("category", "id") and n != ctx.id][:1]
    texts = {name: [clean(value, ctx) for value in rows[name]] for name in names}
    rest = [texts.pop(name) for name in names[6:]]
    return texts | ({"rest": [" \n ".join(parts) for parts in zip(*rest, strict=True)]} if rest else {})


def clean(value: Any, ctx: Any) -> str:
    """A text as it is; with the factor "cleaning" without markup, links, digits and stretched letters."""
    if isinstance(value, list | tuple | dict | set):
        value = " ".join(map(str, value))
    text = "" if value is None or value is pd.NA or value != value else str(value)[:200_000]
    if ctx.config["cleaning"] != "none":
        text = re.sub(r"<[^<>]{1,200}>|\\[nrt]|\\x[0-9a-fA-F]{2}", " ", html.unescape(text))
        text = re.sub(r"\d", "0", re.sub(r"(?:https?://|www\.)\S+", " link ", text))
        text = re.sub(r"(\w)\1{3,}", r"\1\1\1", re.sub(r"\s+", " ", text))
    return text


def tokens(texts: list[str], kind: str, cut: int, ctx: Any) -> tuple[Array, Array]:
    """→ (a number a token, one text after the other; tokens a text): words and marks, or characters."""
    lower = ctx.config["lower"] == "all" or (ctx.config["lower"] == "words" and kind == "words")
    texts = [text.lower() for text in texts] if lower else texts
    if kind == "chars":
        texts = [text[:cut] for text in texts]
        flat = np.frombuffer("".join(texts).encode("utf-32-le", "replace"), np.uint32)
        return flat, np.array([len(text) for text in texts])
    known: dict[str, int] = {}
    found, lengths = array("Q"), []
    for text in texts:
        words = re.findall(r"\w+|[^\w\s]", text)[:cut]
        found.extend(known.get(w) or known.setdefault(w, crc32(w.encode("utf-8", "replace"))) for w in words)
        lengths.append(len(words))
    return np.frombuffer(found, np.uint64), np.array(lengths)


def count(texts: list[str], view: dict[str, Any], ctx: Any) -> Any:
    """(texts, columns) how often each text has each n-gram. An n-gram's column is its hash, so that no list
    of them is needed; of four million columns few are taken twice."""
    flat, lengths = tokens(texts, view["kind"], view["cut"], ctx)
    chunk = np.cumsum(lengths) // 2_000_000  # so much at a time, for the sake of memory
    blocks = []
    for own in np.split(np.arange(len(lengths)), np.flatnonzero(np.diff(chunk)) + 1):
        size = lengths[own]
        first = int(lengths[: own[0]].sum())
        ids, text = flat[first : first + size.sum()].astype(np.uint64), np.repeat(own, size)
        grams = []
        for n in view["ngrams"]:
            runs = max(0, len(ids) - n + 1)
            key = np.zeros(runs, np.uint64)
            for i in range(n):
                key = key * np.uint64(0x9E3779B97F4A7C15) + ids[i : i + runs] + np.uint64(1)
                key ^= key >> np.uint64(29)
            column = (key * np.uint64(0xBF58476D1CE4E5B9) >> np.uint64(42)).astype(np.int32)
            column = column[text[:runs] == text[n - 1 :]]  # runs that end in the text they begin in
            ends = np.concatenate([[0], np.cumsum(np.maximum(size - n + 1, 0))])
            table = sparse.csr_matrix(
                (np.ones(len(column), np.float32), column, ends), shape=(len(own), 2**22)
            )
            table.sum_duplicates()
            grams.append(table)
        blocks.append(sparse.hstack(grams, format="csr"))
    return sparse.vstack(blocks, format="csr")


def learn_views(train: pd.DataFrame, rare: int, ctx: Any) -> tuple[list[dict[str, Any]], list[Any]]:
    """→ (views, weighted n-grams of each): a view is a column seen as words or as characters. Few and long
    texts or many short ones, no more than 30 million n-grams are looked at: short ones go first."""
    texts = texts_of(train, ctx)
    kinds = {"words+chars": ["words", "chars"]}.get(ctx.config["analyser"], [ctx.config["analyser"]])
    views, tables = [], []
    for name, values in texts.items():
        for kind in kinds:
            sizes = tokens(values, kind, 1_000_000, ctx)[1]
            ngrams, room = list(NGRAMS[kind][ctx.config["ngrams"]]), 3e7 / len(texts) / len(kinds)
            while len(ngrams) > 1 and sizes.sum() * len(ngrams) > room:
                ngrams.pop(0)
            cut = int(sizes.max())
            while cut > 50 and np.minimum(sizes, cut).sum() * len(ngrams) > room:
                cut = int(0.8 * cut)
            view: dict[str, Any] = {"column": name, "kind": kind, "ngrams": ngrams, "cut": cut}
            counts = count(values, view, ctx)
            found = np.bincount(counts.indices, minlength=counts.shape[1])
            most = len(train) * (0.2 if ctx.config["frequent"] == "dropped" and kind == "words" else 1.0)
            kept = np.flatnonzero((found >= (rare if len(train) > 50 else 1)) & (found <= most))
            if len(kept) > 500_000:
                kept = np.sort(kept[np.argsort(-found[kept], kind="stable")[:500_000]])
            if len(kept):
                idf = np.log((1 + len(train)) / (1 + found[kept])) + 1
                views.append(view | {"kept": kept, "idf": idf.astype("float32")})
                tables.append(weigh(counts, views[-1], ctx))
    return views, tables


def see(rows: pd.DataFrame, views: list[dict[str, Any]], ctx: Any) -> list[Any]:
    """The weighted n-grams of other rows."""
    texts = texts_of(rows, ctx)
    return [weigh(count(texts[view["column"]], view, ctx), view, ctx) for view in views]


def weigh(counts: Any, view: dict[str, Any], ctx: Any) -> Any:
    """Counts of the n-grams kept → their weights: each text has length 1, but for plain counts."""
    table, way = counts[:, view["kept"]], ctx.config["weighting"]
    if way == "counts":
        return table
    table.data = np.ones_like(table.data) if way == "binary" else 1 + np.log(table.data)
    if way != "binary":
        table.data *= view["idf"][table.indices]
    length = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
    table.data /= np.repeat(np.maximum(length, 1e-9), np.diff(table.indptr)).astype("float32")
    return table


def beside(rows: pd.DataFrame, ctx: Any) -> pd.DataFrame:
    """Statistics of the texts and the other columns, from `%%shared` cells."""
    return pd.concat([ctx.shared(name).loc[rows.index] for name in ("columns", "texts")], axis=1)


def labels_of(train: pd.DataFrame, ctx: Any) -> Array:
    """A column a target, of class codes 0, 1, … or of numbers."""
    labels = train[list(ctx.targets)]
    order = {str(label): i for i, label in enumerate(ctx.classes)}
    coded = labels.map(lambda v: order[str(v)]) if ctx.task in ("binary", "multiclass") else labels
    return np.asarray(coded.to_numpy("float64"))


def folds_of(rows: int, ctx: Any) -> Array:
    """A fold number for each training row: what `ctx.inner` holds out grows with the share, units kept
    whole."""
    fold = np.full(rows, 4)
    for k in (4, 3, 2, 1):
        fold[ctx.inner(k / 5)[1]] = k - 1
    return fold


def with_all_classes(P: Array, seen: Array, ctx: Any) -> Array:
    """Probabilities of the classes seen in training → of all classes."""
    every = np.full((len(P), max(2, len(ctx.classes))), 1e-6)
    every[:, seen.astype(int)] += P
    return np.asarray(every / every.sum(axis=1, keepdims=True))


class Scale:
    """Columns of any kind → numbers around 0 of about equal size, gaps filled and flagged."""

    def __init__(self, votes: Array, others: pd.DataFrame) -> None:
        codes = [c for c in others if c.startswith("category: ")]
        self.levels = [
            (c, v) for c in codes for v in others[c].value_counts().sort_index().nlargest(20).index
        ]
        self.numbers = [c for c in others if c not in codes and others[c].nunique() > 1]
        self.middle = others[self.numbers].median()
        self.mean, self.sd = np.zeros(0), np.ones(0)
        whole = self.columns(votes, others)
        self.mean, self.sd = whole.mean(axis=0), whole.std(axis=0) + 1e-9

    def columns(self, votes: Array, others: pd.DataFrame) -> Array:
        others = others.reindex(columns=list(dict.fromkeys([*self.numbers, *(c for c, _ in self.levels)])))
        numbers = others[self.numbers].fillna(self.middle).to_numpy("float64")
        flags = [(others[c] == v).to_numpy("float64") for c, v in self.levels]
        gaps = others[self.numbers].isna().to_numpy("float64")
        return np.column_stack([votes, np.sign(numbers) * np.log1p(np.abs(numbers)), gaps, *flags])

    def __call__(self, votes: Array, others: pd.DataFrame) -> Array:
        return np.asarray(np.clip((self.columns(votes, others) - self.mean) / self.sd, -8, 8))
