"""What an agent asks of the record by id: a trial, an ablation, a blend, a job, a candidate's code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cobra_jupyter.ledger import Record
from cobra_jupyter.workbench import pages

MOST = 6_000  # characters
NUMBERED = ("trial", "ablation", "blend", "job")


def recollection(id: str, records: Sequence[Record], run: Path) -> dict[str, Any]:
    """The latest record of that id, in words. Raises ValueError naming what can be asked for."""
    for record in reversed(records):
        data = record.data
        if record.kind == "candidate":
            key = f"{data['name']}_v{data['version']}"
            if id in (key, data["name"]):
                return {"id": key, "text": (run / data["path"]).read_text(encoding="utf-8")[:MOST]}
        elif record.kind in NUMBERED and data["id"] == id:
            return {"id": id, "text": pages.text(record.kind, data)[:MOST]}
    known = [str(r.data["id"]) for r in records if r.kind in NUMBERED][-12:]
    raise ValueError(
        f"nothing is recorded as {id!r}; ids are like {', '.join(known) or 't001'}, or a candidate's name"
    )
