from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cobra_jupyter.notebook.document import Document
from cobra_jupyter.notebook.file import NotebookFile, NotebookWriteError


def big(document: Document, characters: int) -> None:
    cell_id = document.insert("code").cell_id
    document.output(cell_id, {"output_type": "stream", "name": "stdout", "text": "x" * characters})


def test_the_file_follows_the_document_at_most_once_an_interval(tmp_path: Path) -> None:
    async def scenario() -> None:
        document = Document()
        file = NotebookFile(document, tmp_path / "a.ipynb", interval=0.2)
        for number in range(50):
            document.insert("code", str(number))
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.4)
        assert 2 <= file.writes <= 5
        assert (tmp_path / "a.ipynb").read_text() == document.text()
        writes = file.writes
        await asyncio.sleep(0.3)
        assert file.writes == writes
        await file.close()

    asyncio.run(scenario())


def test_flush_writes_at_once_and_the_digest_is_of_the_file(tmp_path: Path) -> None:
    async def scenario() -> None:
        document, path = Document(), tmp_path / "a.ipynb"
        file = NotebookFile(document, path, interval=60)
        assert file.digest() is None
        await file.flush()
        assert path.exists()
        document.insert("markdown", "é")
        document.insert("markdown", "b")
        await file.flush()
        assert path.read_text() == document.text()
        assert file.digest() == hashlib.sha256(path.read_bytes()).hexdigest()
        writes = file.writes
        await file.flush()
        assert file.writes == writes
        await file.close()
        document.insert("code")
        assert [entry.name for entry in tmp_path.iterdir()] == ["a.ipynb"]

    asyncio.run(scenario())


def test_flush_waits_for_a_write_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        document, path = Document(), tmp_path / "a.ipynb"
        file = NotebookFile(document, path, interval=0.0)
        await file.flush()
        document.insert("code", "late")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await file.flush()
        assert path.read_text() == document.text()
        await file.close()

    asyncio.run(scenario())


def test_a_link_and_the_files_mode_are_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "real.ipynb", tmp_path / "link.ipynb"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)

    async def scenario() -> None:
        file = NotebookFile(Document(), link)
        await file.close()

    asyncio.run(scenario())
    assert link.is_symlink()
    assert real.read_text().startswith("{")
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_leaves_the_previous_file_whole(small_disk: Path) -> None:
    async def scenario() -> None:
        document, path = Document(), small_disk / "a.ipynb"
        big(document, 50_000)
        file = NotebookFile(document, path)
        await file.flush()
        before, digest = path.read_bytes(), file.digest()
        big(document, 500_000)
        with pytest.raises(NotebookWriteError) as caught:
            await file.flush()
        assert caught.value.errno == errno.ENOSPC
        assert path.read_bytes() == before
        assert file.digest() == digest
        assert [entry.name for entry in small_disk.iterdir()] == ["a.ipynb"]
        with pytest.raises(NotebookWriteError):
            await file.close()

    asyncio.run(scenario())


def test_a_write_that_fails_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def scenario() -> None:
        document, path = Document(), tmp_path / "a.ipynb"
        document.insert("code", "kept")
        file = NotebookFile(document, path, interval=0.05)
        await file.flush()
        before = path.read_bytes()
        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", full)
            broken.setattr(Path, "replace", full)
            document.insert("code", "new")
            with pytest.raises(NotebookWriteError, match="No space left"):
                await file.flush()
            await asyncio.sleep(0.15)
            assert file.error is not None
            assert path.read_bytes() == before
            assert [entry.name for entry in tmp_path.iterdir()] == ["a.ipynb"]
        await asyncio.sleep(0.2)
        assert file.error is None
        assert path.read_text() == document.text()
        await file.close()

    asyncio.run(scenario())


def test_a_folder_that_is_gone_is_one_clear_error(tmp_path: Path) -> None:
    async def scenario() -> None:
        file = NotebookFile(Document(), tmp_path / "nowhere" / "a.ipynb")
        with pytest.raises(NotebookWriteError, match="notebook not written"):
            await file.close()

    asyncio.run(scenario())
