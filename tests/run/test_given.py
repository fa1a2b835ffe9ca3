"""A run whose cell gives groups and weights as Series is proved, and verified where it was moved to."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

from cobra_jupyter.run import verify
from cobra_jupyter.run.options import Options
from cobra_jupyter.run.runner import Runner
from tests.conftest import make_competition
from tests.fakes.scripted import Scripted
from tests.inprocess import MACHINERY
from tests.run.ends import of
from tests.workbench.sources import LINEAR

OPENS = """%load_ext cobra_jupyter
import pandas as pd
card = cobra.open()
train = pd.read_csv(card.folder + "/train.csv").set_index("id")
owner = (train["a"] * 2).round().rename("owner")
cobra.protocol(folds=3, repeats=1, groups=owner, weights=train["b"].abs().rename("w"))"""
CELLS = [OPENS, f"%%candidate linear\n{LINEAR}", 'cobra.trial("linear")\ncobra.submit()']


def test_series_that_a_cell_gives_are_part_of_the_run(tmp_path: Path) -> None:
    folder, out, moved = make_competition(tmp_path, "regression"), tmp_path / "run", tmp_path / "moved"
    options = Options(folder, out, "scripted", 60.0, 0, None, {}, time.time())
    asyncio.run(Runner(options, Scripted(CELLS), machinery=MACHINERY).run())
    assert {each["status"] for each in of(out, "execution")} == {"ok"}
    protocol = of(out, "protocol")[-1]
    assert (protocol["groups"], protocol["weights"]) == ("group_owner", "weight_w")
    assert of(out, "proof")[-1]["outcome"] == "identical"
    shutil.move(out, moved)
    checks = asyncio.run(verify.verify(moved, False, MACHINERY))
    assert [check for check in checks if check.holds is False] == []
