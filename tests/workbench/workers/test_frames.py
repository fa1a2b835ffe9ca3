from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.workbench.workers.frames import read_frame, write_frame


def mixed(rows: int = 3_000) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=rows),
            "n": rng.integers(0, 9, rows),
            "flag": rng.random(rows) < 0.5,
            "word": rng.choice(["a", "b"], rows),
            "when": pd.date_range("2020-01-01", periods=rows, freq="h"),
            "kind": pd.Categorical(rng.choice(["p", "q"], rows)),
        },
        index=range(7, 7 + rows),
    )
    frame.loc[frame.index[::5], ["x", "word"]] = None
    return frame


@pytest.mark.parametrize("rows", [0, 1, 3_000])
def test_a_frame_is_read_as_it_was_written(tmp_path: Path, rows: int) -> None:
    frame = mixed(3_000).iloc[:rows]
    write_frame(frame, tmp_path / "below" / "f.frame")
    pd.testing.assert_frame_equal(read_frame(tmp_path / "below" / "f.frame"), frame)


def test_the_file_of_a_part_of_a_frame_does_not_contain_the_rest(tmp_path: Path) -> None:
    secret = 424242.125
    frame = pd.DataFrame({"x": np.arange(2_000.0), "y": np.full(2_000, secret)})
    write_frame(frame.drop(columns=["y"]), tmp_path / "f")
    write_frame(frame.iloc[:1_000].drop(columns=["y"]), tmp_path / "g")
    for name in "fg":
        assert np.float64(secret).tobytes() not in (tmp_path / name).read_bytes()


def test_a_change_to_a_frame_stays_in_the_process(tmp_path: Path) -> None:
    write_frame(mixed(), tmp_path / "f")
    before = (tmp_path / "f").read_bytes()
    frame = read_frame(tmp_path / "f")
    frame["x"] = 0.0
    frame.loc[:, "n"] = 5
    frame.iloc[:10, frame.columns.get_loc("flag")] = True
    block = read_frame(tmp_path / "f")["n"].to_numpy()
    if block.flags.writeable:
        block[:] = 5
    assert (tmp_path / "f").read_bytes() == before
    pd.testing.assert_frame_equal(read_frame(tmp_path / "f"), mixed())


def test_a_file_that_is_no_frame_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"something else altogether")
    with pytest.raises(ValueError, match="not a frame file"):
        read_frame(tmp_path / "f")
