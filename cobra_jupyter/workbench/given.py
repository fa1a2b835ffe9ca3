"""A pandas Series as a setting: written as a table, which the harness joins on the row key like any other."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from cobra_jupyter.competition.joined import SERIES_KEY


def as_setting(name: str, value: Any, folder: Path) -> Any:
    """The value of a setting; of a Series the FILE:COLUMN of a table that is written below `folder`."""
    import pandas as pd

    if not isinstance(value, pd.Series):
        return value
    table = pd.DataFrame({SERIES_KEY: value.index.astype(str), name: value.to_numpy()})
    text = table.to_csv(index=False)
    path = folder / "given" / f"{name}_{hashlib.sha256(text.encode()).hexdigest()[:12]}.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return f"{path}:{name}"
