"""From texts to n-grams, counted and weighted."""

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


def learn_views(
    train: pd.DataFrame, sizes_of: dict[str, dict[str, list[int]]], rare: int, ctx: Any
) -> tuple[list[dict[str, Any]], list[Any]]:
    """→ (views, weighted n-grams of each): a view is a column seen as words or as characters. Few and long
    texts or many short ones, no more than 30 million n-grams are looked at: short ones go first. `sizes_of`
    words or chars gives the sizes of n-grams at each level of the factor "ngrams"; n-grams in fewer texts
    than `rare` are left out."""
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
