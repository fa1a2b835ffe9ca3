"""Look up a record by id: a trial, an ablation, a blend, a job, a brief, a candidate's code, a turn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from cobra_jupyter.brains.context import Turn
from cobra_jupyter.records.ledger import Record
from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.display import pages

MOST = 6_000  # characters
NUMBERED = ("trial", "ablation", "blend", "job", "brief")


def recollection(id: str, records: Sequence[Record], run: Path, turns: Sequence[Turn]) -> results.Recall:
    """The latest record with that id, in words. "audit" is the latest audit, "turn 12" a turn of the asking
    agent. Raises ValueError with examples of known ids."""
    if found := re.fullmatch(r"turn (\d+)", id):
        for turn in turns:
            if turn.number == int(found[1]):
                return {"id": id, "text": f"{turn.markdown}\n\n{turn.code}\n\nOutput:\n{turn.output}"[:MOST]}
    for record in reversed(records):
        data = record.data
        if record.kind == "candidate":
            key = f"{data['name']}_v{data['version']}"
            if id in (key, data["name"]):
                return {"id": key, "text": (run / data["path"]).read_text(encoding="utf-8")[:MOST]}
        elif record.kind == id == "audit" or (record.kind in NUMBERED and data["id"] == id):
            return {"id": id, "text": pages.text(record.kind, data)[:MOST]}
    known = [str(r.data["id"]) for r in records if r.kind in NUMBERED][-12:]
    raise ValueError(
        f"nothing is recorded as {id!r}; ids are like {', '.join(known) or 't001'}, "
        f"a candidate's name, 'audit', or 'turn {len(turns) or 1}'"
    )
