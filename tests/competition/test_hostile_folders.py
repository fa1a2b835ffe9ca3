"""Links, archives and pickles that could lead out of the folder or run code."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from cobra_jupyter.competition import CompetitionError, read
from tests.competition.folders import competition, put, refused, rows


def test_links_that_leave_the_folder_are_not_followed(tmp_path: Path) -> None:
    folder = competition(tmp_path / "c")
    outside = tmp_path / "outside"
    outside.mkdir()
    put(outside, "train_extra.csv", rows(5))
    (folder / "train_more.csv").symlink_to(outside / "train_extra.csv")
    (folder / "images").symlink_to(outside)
    c = read(folder)
    assert not any("more" in group.pattern or "images" in group.pattern for group in c.files)
    assert sum("link" in note for note in c.notes) == 2
    (folder / "train.csv").rename(outside / "train.csv")
    (folder / "train.csv").symlink_to(outside / "train.csv")
    with pytest.raises(CompetitionError):
        read(folder)


def test_a_link_to_a_sample_or_description_outside_is_not_followed(tmp_path: Path) -> None:
    folder = competition(tmp_path / "c")
    for name in ("description.md", "sample_submission.csv"):
        (folder / name).rename(tmp_path / name)
        (folder / name).symlink_to(tmp_path / name)
        refused(folder, name, "link leads out", "put the file itself there")
        (folder / name).unlink()
        (tmp_path / name).rename(folder / name)


def test_unsafe_names_in_archives_are_skipped(tmp_path: Path) -> None:
    folder = competition(tmp_path / "c")
    with zipfile.ZipFile(folder / "extra.zip", "w") as archive:
        for name in ("../evil.csv", "/etc/evil.csv", "good.csv"):
            archive.writestr(name, "id,x\n1,2\n")
    c = read(folder)
    assert not any("evil" in group.pattern for group in c.files)
    assert any("extra.zip" in note and "skipped" in note for note in c.notes)
    assert not (tmp_path / "evil.csv").exists()


def test_pickles_are_listed_and_never_read(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    (folder / "train.pkl").write_bytes(b"cos\nsystem\n(S'touch /tmp/never'\ntR.")
    c = read(folder)
    assert c.train is not None
    assert c.train.path == "train.csv"


def test_a_broken_archive_is_noted(tmp_path: Path) -> None:
    folder = competition(tmp_path)
    (folder / "images.zip").write_bytes(b"PK\3\4 broken")
    assert any("images.zip" in note for note in read(folder).notes)
