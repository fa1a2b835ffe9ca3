"""Boosted trees on votes: where texts meet numbers, statistics and each other.

Trees are poor at a hundred thousand n-grams and good at a few dozen columns that interact. So n-grams are reduced
first: to what naive Bayes and linear models make of them, learnt inside this fit and always on other rows
than those they tell of (stacking that cannot leak); and to a few dense directions. Beside these stand statistics
of the texts and all other columns. LightGBM where it is installed, else scikit-learn's histogram boosting.
"""

from __future__ import annotations

import html
import re
import warnings
from array import array
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import LogisticRegression, Ridge

try:
    import lightgbm
except ImportError:
    lightgbm = None  # type: ignore[assignment]

Array = np.ndarray[Any, Any]
SHARED = ["columns", "texts"]
NGRAMS = {
    "words": {"short": [1], "usual": [1, 2], "long": [1, 2, 3]},
    "chars": {"short": [2, 3, 4], "usual": [2, 3, 4, 5, 6], "long": [5, 6, 7]},
}
FACTORS = {
    "stack": ["bayes+linear", "bayes"],
    "reduced": [30, 0],
    "analyser": ["words+chars", "words"],
    "ngrams": ["usual", "short"],
    "weighting": ["tfidf", "binary"],
    "smoothing": [0.02, 0.1],
    "leaves": [7, 15],
    "sampling": [0.5, 0.8],
    "lower": ["none", "words"],
    "cleaning": ["none", "basic"],
}
NOTES = {
    "stack": "which models' out-of-fold predictions are columns: linear ones cost several fits more",
    "reduced": "dense directions (truncated singular values) of the n-grams: topics for trees to split on",
    "analyser": "words carry topics, characters style, endings and misspellings",
    "ngrams": "how many words or characters in a row: longer ones need more rows",
    "weighting": "tf-idf and binary damp repetition, and texts of any length weigh alike",
    "smoothing": "how often an unseen n-gram is taken to occur: less with many rows",
    "leaves": "size of one tree: votes need little depth, many other columns bear more",
    "sampling": "share of rows and columns that each tree sees: low on small or noisy data",
    "lower": "capitals are noise for topics, a signal for tone and authorship",
    "cleaning": "drops markup and links, makes digits alike: for texts from the web",
}


def fit(train: pd.DataFrame, ctx: Any) -> Any:
    ctx.config = {"model": "multinomial", "frequent": "kept", **ctx.config}
    views, tables = learn_views(train, 1, ctx)
    Y, fold = labels_of(train, ctx), folds_of(len(train), ctx)
    members = memberships(Y, ctx)
    stack = ctx.config["stack"].split("+")
    votes = [votes_of_others(tables, m, fold, ctx) for m in members if "bayes" in stack]
    learnt = [[learn_votes(table, m, ctx) for table in tables] for m in members if "bayes" in stack]
    joined = sparse.hstack(tables, format="csr") if tables else sparse.csr_matrix((len(train), 1))
    lines = []
    for t in targets_of(Y, ctx).T if "linear" in stack else ():
        told = np.zeros(len(train))
        for k in np.unique(fold):
            told[fold == k] = line(joined[fold == k], learn_line(joined[fold != k], t[fold != k], ctx))
        votes.append(told[:, None])
        lines.append(learn_line(joined, t, ctx))
    size = min(int(ctx.config["reduced"]), joined.shape[1] - 1, len(train) - 1)
    svd = TruncatedSVD(size, n_iter=2, random_state=ctx.seed).fit(joined) if size > 1 else None
    book: dict[str, Any] = {"views": views, "learnt": learnt, "lines": lines, "svd": svd, "categories": {}}
    others = beside(train, ctx)
    for name in (c for c in others if c.startswith("category: ")):
        order = others[name].value_counts().sort_index().sort_values(ascending=False, kind="stable")
        book["categories"][name] = {v: float(i) for i, v in enumerate(order.index[:100])}
    X = features(votes, joined, others, book)
    book["columns"] = [c for c in X if X[c].nunique() > 1] or list(X.columns[:1])
    X = X[book["columns"]]
    native = [i for i, c in enumerate(X) if c in book["categories"]]
    return book, [fit_trees(X.to_numpy(), y, native, ctx) for y in Y.T], (Y.min(axis=0), Y.max(axis=0))


def predict(model: Any, rows: pd.DataFrame, ctx: Any) -> Any:
    ctx.config = {"model": "multinomial", "frequent": "kept", **ctx.config}
    book, models, (low, high) = model
    tables = see(rows, book["views"], ctx)
    joined = sparse.hstack(tables, format="csr") if tables else sparse.csr_matrix((len(rows), 1))
    votes = [vote(t, way) for ways in book["learnt"] for t, way in zip(tables, ways, strict=True)]
    votes += [line(joined, learnt)[:, None] for learnt in book["lines"]]
    X = features(votes, joined, beside(rows, ctx), book).reindex(columns=book["columns"]).to_numpy()
    if ctx.task == "regression":
        told = [np.full(len(X), m) if isinstance(m, float) else m.predict(X) for m in models]
        return np.clip(np.column_stack(told), low, high)
    P = []
    for m in models:
        one = (np.array([m]), np.ones((len(X), 1))) if isinstance(m, float) else answers(m, X)
        P.append(with_all_classes(one[1], one[0], ctx))
    return np.column_stack([p[:, 1] for p in P]) if ctx.task == "multilabel" else P[0]


def features(votes: list[Array], joined: Any, others: pd.DataFrame, book: dict[str, Any]) -> pd.DataFrame:
    """The float frame that trees see: votes, dense directions, statistics and other columns."""
    told = np.hstack(votes) if votes else np.zeros((len(others), 0))
    parts = [pd.DataFrame(told, others.index).add_prefix("vote ")]
    if book["svd"] is not None:
        parts.append(pd.DataFrame(book["svd"].transform(joined), others.index).add_prefix("direction "))
    coded = {name: others[name].map(codes) for name, codes in book["categories"].items() if name in others}
    return pd.concat([*parts, others.assign(**coded)], axis=1).astype("float64")


def targets_of(Y: Array, ctx: Any) -> Array:
    """A column a linear model: each class against the rest, a label, or a number."""
    return np.equal(Y, np.unique(Y)).astype("float64") if ctx.task == "multiclass" else Y


def learn_line(X: Any, t: Array, ctx: Any) -> tuple[Array, float]:
    """Weights and intercept of ridge or logistic regression."""
    if len(np.unique(t)) < 2:
        return np.zeros(X.shape[1]), float(t[0])
    if ctx.task == "regression":
        model: Any = Ridge(3.0, solver="sparse_cg", tol=1e-3).fit(X, t)
        return np.ravel(model.coef_), float(model.intercept_)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not fully converged is good enough
        model = LogisticRegression(
            C=20, solver="liblinear", dual=True, tol=0.1, max_iter=20, random_state=ctx.seed
        )
        model.fit(X, t)
    return model.coef_[0], float(model.intercept_[0])


def line(X: Any, learnt: tuple[Array, float]) -> Array:
    return np.asarray(X @ learnt[0] + learnt[1])


def fit_trees(X: Array, y: Array, native: list[int], ctx: Any) -> Any:
    """Boosted trees for one target; their number is found on rows left out. A float stands for the only label."""
    classes: Any = None if ctx.task == "regression" else np.unique(y)
    if len(np.unique(y)) < 2:
        return float(y[0])
    codes = y if classes is None else np.searchsorted(classes, y)
    if lightgbm is None:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        kind = HistGradientBoostingRegressor if classes is None else HistGradientBoostingClassifier
        settings = {"learning_rate": 0.05, "max_iter": 150, "max_leaf_nodes": ctx.config["leaves"]}
        return kind(**settings, early_stopping=False, random_state=ctx.seed).fit(X, y)
    objective = "regression" if classes is None else "binary" if len(classes) == 2 else "multiclass"
    params = {
        "objective": objective, "num_class": len(classes) if objective == "multiclass" else 1,
        "learning_rate": 0.04, "num_leaves": ctx.config["leaves"], "max_bin": 127, "lambda_l2": 5.0,
        "min_data_in_leaf": max(1, min(30, len(X) // 50)), "bagging_fraction": ctx.config["sampling"],
        "bagging_freq": 1, "feature_fraction": ctx.config["sampling"], "deterministic": True,
        "force_row_wise": True, "num_threads": ctx.n_jobs, "seed": ctx.seed, "verbose": -1,
    }  # fmt: skip
    fixed: dict[str, Any] = {"categorical_feature": native, "params": {"verbose": -1, "max_bin": 127}}
    (inner, held), rounds = ctx.inner(), 150
    if classes is None or (len(held) > 50 and len(np.unique(codes[inner])) == len(classes)):
        data = lightgbm.Dataset(X[inner], codes[inner], **fixed)
        valid = lightgbm.Dataset(X[held], codes[held], reference=data)
        stop = lightgbm.early_stopping(40, verbose=False)
        found = lightgbm.train(params, data, 1500, valid_sets=[valid], callbacks=[stop])
        rounds = max(20, int(1.1 * found.best_iteration))  # all rows bear a few more rounds
    return Trees(lightgbm.train(params, lightgbm.Dataset(X, codes, **fixed), rounds), classes)


class Trees:
    """A booster with the classes it tells apart."""

    def __init__(self, booster: Any, classes: Any) -> None:
        self.booster, self.classes_ = booster, classes

    def predict(self, X: Array) -> Array:
        return np.asarray(self.booster.predict(X, num_threads=1))

    def predict_proba(self, X: Array) -> Array:
        P = self.predict(X)
        return P if P.ndim == 2 else np.column_stack([1 - P, P])


def answers(model: Any, X: Array) -> tuple[Array, Array]:
    """→ (classes, their probabilities)."""
    return model.classes_, model.predict_proba(X)


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
