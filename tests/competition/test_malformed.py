"""csv files that depart from the rule are read rightly, or refused with the true reason."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cobra_jupyter.competition import load, marks, read
from tests.competition.folders import competition, put, refused, rows, same_frames


def test_a_row_with_an_unquoted_comma_is_refused_by_its_line(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    lines = (folder / "train.csv").read_text().splitlines()
    lines[7] += ",more"
    (folder / "train.csv").write_text("\n".join(lines) + "\n")
    refused(folder, "train.csv", "line 8 has more fields than the header (5)", "quote fields")
    lines[7] = f'"{lines[7]}"'.replace(",", '","')
    (folder / "train.csv").write_text("\n".join(line for i, line in enumerate(lines) if i != 7) + "\n")
    assert len(load(read(folder)).train) == 59, "the cure works"


def test_a_first_row_that_is_longer_shifts_no_column(tmp_path: Path) -> None:
    """pandas alone would take the first field as an index and move each column by one."""
    folder = competition(tmp_path)
    lines = (folder / "train.csv").read_text().splitlines()
    (folder / "train.csv").write_text("\n".join([lines[0], *(f"{line},x" for line in lines[1:])]) + "\n")
    refused(folder, "train.csv", "line 2 has more fields than the header (5)")
    named = [f"n{i},{line}" for i, line in enumerate(lines[1:])]
    (folder / "train.csv").write_text("\n".join([lines[0], *named]) + "\n")
    assert list(load(read(folder)).train["Unnamed: 0"])[:2] == ["n0", "n1"]
    (folder / "train.csv").write_text("\n".join([lines[0], lines[1] + ",x", *lines[2:]]) + "\n")
    refused(folder, "train.csv", "line 2 has more fields than the header (5)")


@pytest.mark.parametrize(
    ("texts", "separator", "decimal", "thousands", "doubt"),
    [
        (["1,5", "2"], ";", ",", "", ""),
        (["1.234,5", "7"], ";", ",", ".", ""),
        (["1,234,567", "12"], ",", ".", ",", ""),
        (["1,234.5", "12"], ",", ".", ",", ""),
        (["1 234", "12"], ",", ".", " ", ""),
        (["1,234", "12"], ",", ".", ",", "x"),
        (["1,234", "12"], ";", ",", "", "x"),
        (["0,123", "1,234"], ",", ",", "", ""),
        (["01.02.2020", "03.04.2021"], ";", ".", "", ""),
        (["1,2,3", "4,5"], ",", ".", "", ""),
        (["a,b", "1,5"], ";", ".", "", ""),
    ],
)
def test_the_marks_in_numbers_are_told_apart(
    texts: list[str], separator: str, decimal: str, thousands: str, doubt: str
) -> None:
    found = marks.of_table(pd.DataFrame({"x": texts}), separator)
    assert (found.decimal, found.thousands, found.doubt) == (decimal, thousands, doubt)


def test_a_thousands_mark_makes_no_number_of_a_list(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    train = rows(60)[["id", "width", "count", "y"]]
    train["width"] = [f"{1000 + i:,}" for i in range(60)]
    train["count"] = [f"{i},{i + 1},{i + 2}" for i in range(60)]
    put(folder, "train.csv", train)
    c = read(folder)
    assert list(load(c).train["count"]) == list(train["count"])
    assert any("width" in note and "used as text" in note for note in c.notes)


def test_a_doubtful_comma_is_assumed_and_said(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    for name in ("train.csv", "test.csv"):
        frame = pd.read_csv(folder / name)
        put(folder, name, frame.assign(width=[f"{2 + i % 3},{100 + i}" for i in range(len(frame))]))
    c = read(folder)
    assert load(c).train["width"].iloc[0] == 2100
    assert {a.about for a in c.assumed} == {"numbers"}
    same_frames(c)


def test_several_byte_order_marks_and_blanks_leave_the_names(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    text = (folder / "train.csv").read_text().replace("width", " width ", 1)
    (folder / "train.csv").write_text("\ufeff\ufeff" + text, encoding="utf-8")
    c = read(folder)
    assert list(load(c).train.columns)[:2] == ["id", "width"]
    same_frames(c)
