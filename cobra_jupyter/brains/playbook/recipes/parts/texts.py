"""The texts of a table, cleaned."""

from __future__ import annotations

import html
import re
from typing import Any

import pandas as pd

from cobra_jupyter.brains.playbook.recipes.parts.values import string


def text_columns(ctx: Any) -> list[str]:
    """Names of the text columns; if there are none, of the first column with strings."""
    names = [name for name, kind in ctx.columns.items() if kind == "text"]
    return names or [n for n, kind in ctx.columns.items() if kind in ("category", "id") and n != ctx.id][:1]


def texts_of(rows: pd.DataFrame, ctx: Any) -> dict[str, list[str]]:
    """Cleaned texts by column, "" if missing. The seventh column and all after it are joined into one."""
    names = text_columns(ctx)
    texts = {name: [clean(value, ctx) for value in rows[name]] for name in names}
    rest = [texts.pop(name) for name in names[6:]]
    return texts | ({"rest": [" \n ".join(parts) for parts in zip(*rest, strict=True)]} if rest else {})


def clean(value: Any, ctx: Any) -> str:
    """Normalise markup, links, digits and repeated letters, unless the factor "cleaning" is "none"."""
    text = string(value, 200_000)
    if ctx.config["cleaning"] != "none":
        text = re.sub(r"<[^<>]{1,200}>|\\[nrt]|\\x[0-9a-fA-F]{2}", " ", html.unescape(text))
        text = re.sub(r"\d", "0", re.sub(r"(?:https?://|www\.)\S+", " link ", text))
        text = re.sub(r"(\w)\1{3,}", r"\1\1\1", re.sub(r"\s+", " ", text))
    return text
