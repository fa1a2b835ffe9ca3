"""Settings override what is found, and wrong settings raise one clear error."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cobra_jupyter.competition import CompetitionError, read
from tests.competition.folders import competition, put, rows, same_frames


def test_settings_override_what_is_found(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    settings = {
        "id": "id",
        "target": "y",
        "metric": "roc_auc",
        "direction": "maximize",
        "split": "group",
        "groups": "id[0]",
        "kind": "text",
        "task": "binary",
    }
    c = read(folder, settings)
    assert (c.metric, c.direction, c.split, c.groups) == ("roc_auc", "maximize", "group", "id[0]")
    assert (c.time, c.kind, c.task, c.layout) == (None, "text", "binary", "probability")
    assert c.evidence["metric"] == "set by option"
    assert read(folder, {"split": "time", "time": "count"}).time == "count"


def test_several_targets_can_be_set(tmp_path: Path) -> None:
    folder = competition(tmp_path, metric="RMSE")
    put(folder, "train.csv", rows(60).drop(columns="kind"))
    put(folder, "sample_submission.csv", pd.DataFrame({"id": rows(20, 1)["id"], "first": 0, "second": 0}))
    c = read(folder, {"target": "y,size"})
    assert (c.targets, c.outputs, c.task) == (("y", "size"), ("first", "second"), "regression")
    same_frames(c)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"metrik": "x"}, ["metrik", "did you mean metric", "known"]),
        ({"metric": "acuracy"}, ["acuracy", "did you mean accuracy", "%%metric"]),
        ({"direction": "up"}, ["direction=up", "maximize"]),
        ({"task": "guess"}, ["task=guess", "multiclass"]),
        ({"kind": "video"}, ["kind=video", "tabular"]),
        ({"split": "halves"}, ["split=halves", "stratified"]),
        ({"target": "nothing"}, ["target=nothing", "train.csv", "width"]),
        ({"target": "y,nothing"}, ["nothing", "train.csv"]),
        ({"id": "key"}, ["id=key", "sample_submission.csv"]),
        ({"groups": "widht"}, ["groups=widht", "did you mean width"]),
        ({"time": "when"}, ["time=when", "width"]),
        ({"metric": ""}, ["metric=", "empty"]),
        ({"metric": "big AUC"}, ["metric=big AUC", "did you mean roc_auc"]),
        (
            {"task": "regression", "target": "colour"},
            ["train.csv", "colour", "needs numbers", "--set target"],
        ),
        ({"task": "regression", "metric": "f1"}, ["metric=f1", "does not fit", "regression"]),
        ({"metric": "rmsle", "target": "width"}, ["train.csv", "rmsle", "0 and more", "width"]),
        ({"direction": "minimize"}, ["direction=minimize", "accuracy", "leave out"]),
        ({"target": "id"}, ["target=id", "row key"]),
        ({"groups": "y"}, ["groups=y", "to be predicted"]),
        ({"time": "y"}, ["time=y", "to be predicted"]),
        ({"split": "time"}, ["split=time", "no column of dates", "--set time="]),
        ({"split": "kfold", "time": "count"}, ["split=kfold", "time=count", "leave one out"]),
        ({"task": "binary", "target": "colour"}, ["task=binary", "3 values"]),
    ],
)
def test_a_wrong_setting_raises_a_one_line_error(
    tmp_path: Path, settings: dict[str, str], words: list[str]
) -> None:
    with pytest.raises(CompetitionError) as caught:
        read(competition(tmp_path), settings)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
