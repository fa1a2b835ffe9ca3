"""Statistics of how texts are written. Labels are not used, and each row is computed on its own.

They cover what n-grams miss: length, words, sentences, punctuation, capitals, digits and repetition. Each
statistic is a column "text: <column> <statistic>". A missing text counts as an empty one.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.brains.playbook.recipes.parts.values import string

MARKS = ",.;:!?'\"-()"
LONGEST = 200_000  # characters of a text that are used


def statistics(text: str) -> dict[str, float]:
    words = re.findall(r"\w+", text)
    letters, count = max(1, len(text)), max(1, len(words))
    sizes = np.array([len(word) for word in words] or [0])
    sentences = [part for part in re.split(r"[.!?]+", text) if part.strip()]
    made: dict[str, float] = {
        "length": len(text),
        "words": len(words),
        "sentences": len(sentences),
        "lines": text.count("\n"),
        "words a sentence": len(words) / max(1, len(sentences)),
        "mean word": sizes.mean(),
        "spread of words": sizes.std(),
        "longest word": sizes.max(),
        "short words": (sizes <= 3).mean(),
        "long words": (sizes >= 8).mean(),
        "different words": len({word.lower() for word in words}) / count,
        "capitals": sum(map(str.isupper, text)) / letters,
        "digits": sum(map(str.isdigit, text)) / letters,
        "spaces": text.count(" ") / letters,
        "links": text.count("http") + text.count("www."),
        "capitalised words": sum(word[0].isupper() for word in words) / count,
        "shouted words": sum(len(word) > 1 and word.isupper() for word in words) / count,
        "other marks": len(re.findall(r"[^\w\s,.;:!?'\"()-]", text)) / letters,
        "runs of marks": len(re.findall(r"[!?.]{2,}", text)),
        "longest run": longest_run(text),
    }
    return made | {f"share of {mark}": text.count(mark) / letters for mark in MARKS}


def longest_run(text: str) -> float:
    """The length of the longest run of one letter."""
    return float(max((len(run.group()) for run in re.finditer(r"(\w)\1+", text)), default=1))


def make(rows: pd.DataFrame, ctx: Any) -> pd.DataFrame:
    """The statistics, one row per row of `rows`."""
    names = [name for name, kind in ctx.columns.items() if kind == "text" and name in rows]
    made: dict[str, pd.Series] = {}
    for name in names:
        table = pd.DataFrame([statistics(string(value, LONGEST)) for value in rows[name]], rows.index)
        made |= {f"text: {name} {what}": table[what] for what in table}
    return pd.DataFrame(made, index=rows.index).astype("float64")
