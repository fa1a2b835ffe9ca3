"""Counts and weights of n-grams."""

from __future__ import annotations

import re
from array import array
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
from scipy import sparse

from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array
from cobra_jupyter.brains.playbook.recipes.parts.texts import texts_of


def tokens(texts: list[str], kind: str, cut: int, ctx: Any) -> tuple[Array, Array]:
    """Returns (a number per token, for all texts in order; tokens per text). Tokens are words and marks, or
    characters."""
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
    """Counts of each n-gram in each text, a sparse table (texts, columns).

    The column is the n-gram's hash, so no vocabulary is needed. Four million columns keep collisions rare."""
    flat, lengths = tokens(texts, view["kind"], view["cut"], ctx)
    chunk = np.cumsum(lengths) // 2_000_000  # about two million tokens at a time, to limit memory
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
            column = column[text[:runs] == text[n - 1 :]]  # drop n-grams that span two texts
            ends = np.concatenate([[0], np.cumsum(np.maximum(size - n + 1, 0))])
            table = sparse.csr_matrix(
                (np.ones(len(column), np.float32), column, ends), shape=(len(own), 2**22)
            )
            table.sum_duplicates()
            grams.append(table)
        blocks.append(sparse.hstack(grams, format="csr"))
    return sparse.vstack(blocks, format="csr")


def learn_views(
    train: pd.DataFrame, sizes_of: dict[str, dict[str, list[int]]], rare: int, ctx: Any
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Returns (views, weighted n-grams of each view). A view is a text column read as words or as characters.

    At most 30 million n-grams are counted; if there are more, the shortest n-grams are dropped, then texts
    are cut. `sizes_of` maps words or chars to the n-gram sizes for each level of the factor "ngrams".
    N-grams that occur in fewer than `rare` texts are left out."""
    texts = texts_of(train, ctx)
    kinds = {"words+chars": ["words", "chars"]}.get(ctx.config["analyser"], [ctx.config["analyser"]])
    views, tables = [], []
    for name, values in texts.items():
        for kind in kinds:
            sizes = tokens(values, kind, 1_000_000, ctx)[1]
            ngrams, room = list(sizes_of[kind][ctx.config["ngrams"]]), 3e7 / len(texts) / len(kinds)
            while len(ngrams) > 1 and sizes.sum() * len(ngrams) > room:
                ngrams.pop(0)
            cut = int(sizes.max())
            while cut > 50 and np.minimum(sizes, cut).sum() * len(ngrams) > room:
                cut = int(0.8 * cut)
            view: dict[str, Any] = {"column": name, "kind": kind, "ngrams": ngrams, "cut": cut}
            counts = count(values, view, ctx)
            found = np.bincount(counts.indices, minlength=counts.shape[1])
            most = len(train) * (0.2 if ctx.config["frequent"] == "dropped" and kind == "words" else 1.0)
            columns = np.flatnonzero((found >= (rare if len(train) > 50 else 1)) & (found <= most))
            if len(columns) > 500_000:
                columns = np.sort(columns[np.argsort(-found[columns], kind="stable")[:500_000]])
            if len(columns):
                idf = np.log((1 + len(train)) / (1 + found[columns])) + 1
                views.append(view | {"columns": columns, "idf": idf.astype("float32")})
                tables.append(weigh(counts, views[-1], ctx))
    return views, tables


def apply_views(rows: pd.DataFrame, views: list[dict[str, Any]], ctx: Any) -> list[Any]:
    """Returns the weighted n-grams of other rows, one table per view."""
    texts = texts_of(rows, ctx)
    return [weigh(count(texts[view["column"]], view, ctx), view, ctx) for view in views]


def weigh(counts: Any, view: dict[str, Any], ctx: Any) -> Any:
    """Weights of the selected n-grams, from their counts. Each text is scaled to length 1, except for plain
    counts."""
    table, way = counts[:, view["columns"]], ctx.config["weighting"]
    if way == "counts":
        return table
    table.data = np.ones_like(table.data) if way == "binary" else 1 + np.log(table.data)
    if way != "binary":
        table.data *= view["idf"][table.indices]
    length = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
    table.data /= np.repeat(np.maximum(length, 1e-9), np.diff(table.indptr)).astype("float32")
    return table
