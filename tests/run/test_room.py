"""A run that drops predictions to make room can be verified, proved and replayed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from cobra_jupyter.brains.replay import Recording, replays
from cobra_jupyter.notebook.normalise import differences
from cobra_jupyter.run import verify
from cobra_jupyter.run.options import Options
from cobra_jupyter.run.runner import Runner
from cobra_jupyter.workbench.search import storage
from tests.conftest import make_competition
from tests.fakes.scripted import Scripted
from tests.inprocess import MACHINERY
from tests.run.ends import of, sha256
from tests.run.test_replay import seen
from tests.workbench.sources import LINEAR

CELLS = [
    "%load_ext cobra_jupyter\ncobra.open()\ncobra.protocol(folds=3, repeats=1)",
    f"%%candidate linear\n{LINEAR}",
    'for use in ("b", "a", "both"):\n    cobra.trial("linear", {"use": use})',
    "cobra.blend()\ncobra.select()\ncobra.submit()",
]


def test_a_run_that_made_room_holds_and_replays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "KEPT", 1)
    monkeypatch.setattr(storage, "MOST_BYTES", 1)
    folder, out, second = make_competition(tmp_path, rows=120), tmp_path / "run", tmp_path / "again"
    options = Options(folder, out, "scripted", 60.0, 0, None, {}, time.time())
    asyncio.run(Runner(options, Scripted(CELLS), machinery=MACHINERY).run())
    assert [data["predictions"] for data in of(out, "discard")] == [["t001"], ["t002"]]
    checks = asyncio.run(verify.verify(out, False, MACHINERY))
    assert [check for check in checks if check.holds is False] == []
    (trials,) = [check for check in checks if check.name == "trials"]
    assert trials.detail.endswith("2 not computed again: predictions were dropped to make room")
    assert of(out, "proof")[-1]["outcome"] == "identical"

    monkeypatch.setattr(storage, "MOST_BYTES", 2**40)  # a replay's disk does not matter
    options = Options(folder, second, "replay", 60.0, 0, None, {}, time.time(), (), {"source": str(out)})
    lead, *others = replays(Recording(out))
    asyncio.run(Runner(options, lead, others=others, machinery=MACHINERY).run())
    assert [data["predictions"] for data in of(second, "discard")] == [
        data["predictions"] for data in of(out, "discard")
    ]
    assert differences(seen(out), seen(second)) == []
    assert sha256(second / "submission.csv") == sha256(out / "submission.csv")
