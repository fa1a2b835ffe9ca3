from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cobra_jupyter.agent.workspace import read
from cobra_jupyter.notebook.document import Document
from cobra_jupyter.notebook.file import NotebookFile, NotebookWriteError
from cobra_jupyter.notebook.merge import base_of, merge
from tests.patience import until


def big(document: Document, characters: int) -> None:
    cell_id = document.insert("code").cell_id
    document.output(cell_id, {"output_type": "stream", "name": "stdout", "text": "x" * characters})


def test_file_follows_the_document_and_rests_when_nothing_changes(tmp_path: Path) -> None:
    async def scenario() -> None:
        document = Document()
        file = NotebookFile(document, tmp_path / "a.ipynb", interval=0.01)
        while file.writes < 3:
            document.insert("code", "more")
            await asyncio.sleep(0.01)
        await until(lambda: file.seq == document.seq)
        assert (tmp_path / "a.ipynb").read_text() == document.text()
        writes = file.writes
        await asyncio.sleep(0.3)
        assert file.writes == writes
        await file.close()

    asyncio.run(scenario())


def test_file_is_written_at_most_once_per_interval(tmp_path: Path) -> None:
    async def scenario() -> None:
        document = Document()
        file = NotebookFile(document, tmp_path / "a.ipynb", interval=3600)
        document.insert("code", "first")
        await until(lambda: file.writes == 1)
        for _ in range(50):
            document.insert("code", "more")
            await asyncio.sleep(0.01)
        assert file.writes == 1
        assert (tmp_path / "a.ipynb").read_text() != document.text()
        await file.close()
        assert (tmp_path / "a.ipynb").read_text() == document.text()

    asyncio.run(scenario())


def test_flush_writes_at_once_and_digest_matches_the_file(tmp_path: Path) -> None:
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


def test_flush_waits_for_a_running_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_symlink_and_file_mode_are_preserved(tmp_path: Path) -> None:
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


def test_full_disk_leaves_the_previous_file_intact(small_disk: Path) -> None:
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


def test_failed_write_is_reported_and_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
            await until(lambda: [entry.name for entry in tmp_path.iterdir()] == ["a.ipynb"])
        await until(lambda: file.error is None)
        assert path.read_text() == document.text()
        await file.close()

    asyncio.run(scenario())


def test_missing_folder_gives_one_clear_error(tmp_path: Path) -> None:
    async def scenario() -> None:
        file = NotebookFile(Document(), tmp_path / "nowhere" / "a.ipynb")
        with pytest.raises(NotebookWriteError, match="notebook not written"):
            await file.close()

    asyncio.run(scenario())


def as_runner(document: Document, file: NotebookFile, refusals: list[str]) -> None:
    """Merge what others write, as an agent's workspace does."""

    def merge_text(text: str) -> None:
        try:
            notebook = read(text)
            merge(document, notebook, base_of(notebook))
        except ValueError as error:
            refusals.append(str(error))

    file.on_foreign = merge_text


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Another program changes the notebook."""
    notebook = json.loads(path.read_text())
    change(notebook)
    path.write_text(json.dumps(notebook))


def written_by_hand(
    tmp_path: Path, then: Callable[[Document, NotebookFile], Any], interval: float = 0.05
) -> list[str]:
    """Run `then` with a document whose file another program has changed. → the refusals."""
    refusals: list[str] = []

    async def scenario() -> None:
        document, path = Document(), tmp_path / "a.ipynb"
        for cell_id in "ab":
            document.insert("code", cell_id, cell_id=cell_id)
        file = NotebookFile(document, path, interval=interval)
        as_runner(document, file, refusals)
        await file.flush()
        await then(document, file)
        await file.close()
        assert path.read_text() == document.text()

    asyncio.run(scenario())
    return refusals


def test_change_by_another_program_is_merged_before_the_next_write(tmp_path: Path) -> None:
    async def then(document: Document, file: NotebookFile) -> None:
        rewrite(file.path, lambda n: n["cells"][0].update(source="theirs"))
        document.insert("code", "ours", cell_id="c")
        await file.flush()
        assert [document.source_of(cell) for cell in document] == ["theirs", "b", "ours"]
        assert [c["source"] for c in json.loads(file.path.read_text())["cells"]] == [
            ["theirs"],
            ["b"],
            ["ours"],
        ]

    assert written_by_hand(tmp_path, then) == []


def test_look_merges_a_change_by_another_program_when_nothing_is_pending(tmp_path: Path) -> None:
    async def then(document: Document, file: NotebookFile) -> None:
        rewrite(file.path, lambda n: n["cells"].pop(0))
        await file.look()
        assert list(document) == ["b"]
        await until(lambda: file.seq == document.seq)
        assert file.path.read_text() == document.text()
        writes = file.writes
        await file.look()
        await asyncio.sleep(0.2)
        assert file.writes == writes

    assert written_by_hand(tmp_path, then) == []


@pytest.mark.parametrize(
    "text", ["no json", "[]", '{"nbformat": 4}', '{"nbformat": 3, "worksheets": []}', "", "[" * 10**5]
)
def test_file_that_is_no_longer_a_notebook_is_written_again(tmp_path: Path, text: str) -> None:
    async def then(document: Document, file: NotebookFile) -> None:
        before = document.text()
        file.path.write_text(text)
        await file.look()
        await file.flush()
        assert document.text() == before == file.path.read_text()

    assert len(written_by_hand(tmp_path, then)) == 1


def test_binary_content_is_overwritten(tmp_path: Path) -> None:
    async def then(document: Document, file: NotebookFile) -> None:
        file.path.write_bytes(b"\xff\xfe\x00")
        document.source("a", "new")
        await file.flush()
        assert file.path.read_text() == document.text()

    written_by_hand(tmp_path, then)


def while_written(document: Document, act: Callable[[], object], times: int = 1) -> None:
    """Let another program act between the runner's look at the file and its write."""
    parts, left = document.parts, iter(range(times))

    def overtaken() -> list[str]:
        made = parts()
        if next(left, None) is not None:
            act()
        return made

    document.parts = overtaken  # type: ignore[method-assign]


def test_change_by_another_program_during_a_write_is_merged(tmp_path: Path) -> None:
    async def then(document: Document, file: NotebookFile) -> None:
        while_written(document, lambda: rewrite(file.path, lambda n: n["cells"][0].update(source="theirs")))
        document.insert("code", "ours", cell_id="c")
        await file.flush()
        assert [document.source_of(cell) for cell in document] == ["theirs", "b", "ours"]
        assert file.path.read_text() == document.text()
        assert [entry.name for entry in tmp_path.iterdir()] == ["a.ipynb"]

    assert written_by_hand(tmp_path, then) == []


def test_change_by_another_program_right_after_a_write_is_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def then(document: Document, file: NotebookFile) -> None:
        replace = Path.replace

        def quick(ours: Path, place: Path) -> None:
            replace(ours, place)
            monkeypatch.undo()
            rewrite(place, lambda n: n["cells"][0].update(source="theirs"))

        document.insert("code", "ours", cell_id="c")
        monkeypatch.setattr(Path, "replace", quick)
        await file.flush()
        await file.look()
        assert [document.source_of(cell) for cell in document] == ["theirs", "b", "ours"]

    assert written_by_hand(tmp_path, then) == []


def test_program_that_never_stops_writing_is_reported_and_its_file_left_alone(tmp_path: Path) -> None:
    async def then(document: Document, file: NotebookFile) -> None:
        def again() -> None:
            rewrite(file.path, lambda n: n["metadata"].setdefault("times", []).append(1))

        document.source("b", "ours")
        with pytest.MonkeyPatch.context() as meanwhile:
            meanwhile.setattr(document, "parts", document.parts)
            while_written(document, again, 10**6)
            with pytest.raises(NotebookWriteError, match="keeps writing"):
                await file.flush()
            assert json.loads(file.path.read_text())["metadata"]["times"]
        await file.flush()
        assert file.error is None
        assert document.source_of("b") == "ours"

    # a long interval: no timed write may run beside the flush
    assert written_by_hand(tmp_path, then, interval=3600) == []


def test_own_writes_do_not_count_as_foreign(tmp_path: Path) -> None:
    async def scenario() -> None:
        document, seen = Document(), list[str]()
        file = NotebookFile(document, tmp_path / "a.ipynb", interval=0.01)
        file.on_foreign = seen.append
        for number in range(10):
            document.insert("code", str(number))
            await asyncio.sleep(0.02)
            await file.look()
        await file.close()
        assert seen == []

    asyncio.run(scenario())


def test_moved_file_is_written_only_at_its_new_path(tmp_path: Path) -> None:
    async def then(document: Document, file: NotebookFile) -> None:
        old, new = file.path, tmp_path / "renamed" / "b.ipynb"
        new.parent.mkdir()
        old.rename(new)
        file.move(new)
        document.source("a", "after the move")
        await file.flush()
        assert not old.exists()
        assert new.read_text() == document.text()
        new.rename(old)
        file.move(old)

    assert written_by_hand(tmp_path, then) == []


def test_deleted_file_is_written_again(tmp_path: Path) -> None:
    async def then(document: Document, file: NotebookFile) -> None:
        file.path.unlink()
        document.source("a", "new")
        await file.flush()

    assert written_by_hand(tmp_path, then) == []
