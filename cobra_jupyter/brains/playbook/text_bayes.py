"""Naive Bayes on n-grams, calibrated: the cheapest strong model of texts.

Each n-gram votes for a class by how often it stands in the class's texts. Counting is all there is to fit,
so it takes seconds, bears millions of rare n-grams and few rows. The votes are no probabilities, since n-grams
depend on each other: words and characters vote separately, and a logistic regression learns what the votes
are worth from rows whose own labels were not counted. Numbers are predicted by way of five classes from low to high.
"""

from __future__ import annotations

import html
import re
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
    "chars": {"short": [2, 3, 4], "usual": [2, 3, 4, 5, 6], "long": [5, 6, 7]},
}
FACTORS = {
    "analyser": ["words+chars", "words", "chars"],
    "ngrams": ["usual", "short", "long"],
    "weighting": ["tfidf", "counts", "binary"],
    "smoothing": [0.02, 0.1],
    "model": ["multinomial", "complement"],
    "lower": ["none", "words", "all"],
    "frequent": ["kept", "dropped"],
    "cleaning": ["none", "basic"],
    "beside": ["statistics", "none"],
}
NOTES = {
    "analyser": "words carry topics, characters style, endings and misspellings; together they are best",
    "ngrams": "how many words or characters in a row: longer ones need more rows",
    "weighting": "tf-idf and binary damp repetition, and texts of any length weigh alike",
    "smoothing": "how often an unseen n-gram is taken to occur: less with many rows",
    "model": "complement counts the texts of all other classes: steadier when classes are uneven",
    "lower": "capitals are noise for topics, a signal for tone and authorship",
    "frequent": "words of more than a fifth of the texts: noise for topics, style for authorship",
    "cleaning": "drops markup and links, makes digits alike: for texts from the web",
    "beside": "adds text statistics and the other columns to the votes",
}


def calibrate(X: Array, y: Array, ctx: Any) -> Any:
    """What votes are worth: a small model of the labels. A float stands for the only label there is."""
    if len(np.unique(y)) < 2:
        return float(y[0])
    return (
        Ridge(10.0).fit(X, y)
        if ctx.task == "regression"
        else LogisticRegression(C=1.0, max_iter=300).fit(X, y)
    )


def fit(train: pd.DataFrame, ctx: Any) -> Any:
    views, tables = learn_views(train, 1, ctx)
    Y, fold = labels_of(train, ctx), folds_of(len(train), ctx)
    members = memberships(Y, ctx)
    learnt = [[learn_votes(table, m, ctx) for table in tables] for m in members]
    votes = np.hstack([votes_of_others(tables, m, fold, ctx) for m in members])
    others = beside(train, ctx)[[]] if ctx.config["beside"] == "none" else beside(train, ctx)
    scale = Scale(votes, others)
    X = scale(votes, others)
    return views, learnt, scale, [calibrate(X, y, ctx) for y in Y.T], (Y.min(axis=0), Y.max(axis=0))


def predict(model: Any, rows: pd.DataFrame, ctx: Any) -> Any:
    views, learnt, scale, calibrated, (low, high) = model
    tables = see(rows, views, ctx)
    votes = [vote(t, way) for ways in learnt for t, way in zip(tables, ways, strict=True)]
    X = scale(np.hstack(votes) if votes else np.zeros((len(rows), 0)), beside(rows, ctx))
    if ctx.task == "regression":
        told = [np.full(len(X), m) if isinstance(m, float) else m.predict(X) for m in calibrated]
        return np.clip(np.column_stack(told), low, high)
    P = []
    for m in calibrated:
        seen, found = (
            (np.array([m]), np.ones((len(X), 1)))
            if isinstance(m, float)
            else (m.classes_, m.predict_proba(X))
        )
        P.append(with_all_classes(found, seen, ctx))
    return np.column_stack([p[:, 1] for p in P]) if ctx.task == "multilabel" else P[0]


# ---- votes of naive Bayes: this block is the same in text_bayes and text_boosting --------------------------
def memberships(Y: Array, ctx: Any) -> list[Array]:
    """For each target the classes whose texts are counted, a 0/1 column a class seen in training."""
    tables = []
    for y in Y.T:
        if ctx.task == "regression":
            y = np.searchsorted(np.unique(np.quantile(y, [0.2, 0.4, 0.6, 0.8])), y, side="right")
        tables.append((y[:, None] == np.unique(y)[None, :]).astype("float32"))
    return tables


def learn_votes(table: Any, members: Array, ctx: Any) -> tuple[Array, Array]:
    """→ (log-probability of each n-gram in each class, that of the class). N-grams that were not counted say
    nothing: rows left out must not meet them differently from rows to predict."""
    counts = np.asarray((table.T @ members).T, "float64")
    seen, a = counts.sum(axis=0) > 0, ctx.config["smoothing"]
    if ctx.config["model"] == "complement" and len(counts) > 2:
        counts = counts.sum(axis=0) - counts
    logs = np.log((counts + a) / (counts[:, seen] + a).sum(axis=1, keepdims=True)) * seen
    logs = -logs if ctx.config["model"] == "complement" and len(counts) > 2 else logs
    return logs.T.astype("float32"), np.log((members.sum(axis=0) + 0.5) / (len(members) + 1))


def vote(table: Any, learnt: tuple[Array, Array]) -> Array:
    """(rows, classes) votes around their mean; of two classes the difference alone."""
    votes = table @ learnt[0] + learnt[1]
    middle = votes[:, :1] if votes.shape[1] == 2 else votes.mean(axis=1, keepdims=True)
    return np.asarray(votes - middle)[:, 1 if votes.shape[1] == 2 else 0 :]


def votes_of_others(tables: list[Any], members: Array, fold: Array, ctx: Any) -> Array:
    """Votes on the training rows, each by the labels of other folds."""
    columns = []
    for table in tables:
        votes = np.zeros((len(members), 1 if members.shape[1] == 2 else members.shape[1]))
        for k in np.unique(fold):
            votes[fold == k] = vote(table[fold == k], learn_votes(table[fold != k], members[fold != k], ctx))
        columns.append(votes)
    return np.hstack(columns) if columns else np.zeros((len(members), 0))


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
