"""Numbers on other scales: ranked, standardised."""

from __future__ import annotations

from typing import Any

from sklearn.preprocessing import QuantileTransformer


def ranking(rows: int, ctx: Any) -> Any:
    """A transformation of each column into ranks; as fine as the rows allow."""
    return QuantileTransformer(n_quantiles=min(rows, max(2, min(200, rows // 3))), random_state=ctx.seed)
