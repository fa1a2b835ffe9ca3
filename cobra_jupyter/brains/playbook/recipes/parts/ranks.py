"""Numbers as ranks."""

from __future__ import annotations

from typing import Any

from sklearn.preprocessing import QuantileTransformer


def ranking(rows: int, ctx: Any) -> Any:
    """A transformer of each column into ranks, with as many quantiles as the rows allow."""
    return QuantileTransformer(n_quantiles=min(rows, max(2, min(200, rows // 3))), random_state=ctx.seed)
