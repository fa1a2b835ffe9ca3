from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cobra_jupyter.kernel.pack import digest, pack


def package(folder: Path) -> Path:
    source = folder / "cobra_jupyter"
    files = {
        "__init__.py": "__version__ = '9'\n",
        "competition.py": "NAME = 'competition'\n",
        "runner.py": "",
        "workbench/__init__.py": "",
        "workbench/trials.py": "from cobra_jupyter import competition\nNAME = competition.NAME\n",
        "workbench/schemas/trial.json": "{}",
        "workbench/words.txt": "a\n",
        "workbench/notes.bin": "x",
        "workbench/__pycache__/trials.cpython-311.pyc": "x",
    }
    for name, text in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    return source


def names(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def test_only_what_the_kernel_needs_is_packed_and_it_can_be_imported(tmp_path: Path) -> None:
    place = pack(tmp_path / "run", package(tmp_path))
    assert place == (tmp_path / "run" / "pack").resolve()
    assert names(place / "cobra_jupyter") == [
        "__init__.py",
        "competition.py",
        "workbench/__init__.py",
        "workbench/schemas/trial.json",
        "workbench/trials.py",
        "workbench/words.txt",
    ]
    code = "import cobra_jupyter.workbench.trials as t; print(t.NAME, t.__file__)"
    environment = {"PYTHONPATH": str(place)}
    command = [sys.executable, "-c", code]
    answer = subprocess.run(
        command, env=environment, cwd=place.parent, capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["competition", str(place / "cobra_jupyter/workbench/trials.py")]


def test_packing_again_replaces_what_was_there(tmp_path: Path) -> None:
    source = package(tmp_path)
    place = pack(tmp_path / "run", source)
    (place / "cobra_jupyter" / "stray.py").write_text("")
    assert "cobra_jupyter/stray.py" not in names(pack(tmp_path / "run", source))


def test_the_digest_tells_content_and_names_but_not_caches(tmp_path: Path) -> None:
    source = package(tmp_path)
    place = pack(tmp_path / "run", source)
    first = digest(place)
    assert first == digest(pack(tmp_path / "other", source))
    cache = place / "cobra_jupyter" / "__pycache__"
    cache.mkdir()
    (cache / "x.pyc").write_bytes(b"1")
    assert digest(place) == first
    (place / "cobra_jupyter" / "competition.py").write_text("NAME = 'changed'\n")
    changed = digest(place)
    (place / "cobra_jupyter" / "competition.py").rename(place / "cobra_jupyter" / "renamed.py")
    assert len({first, changed, digest(place)}) == 3


def test_this_package_can_be_packed(tmp_path: Path) -> None:
    place = pack(tmp_path)
    assert (place / "cobra_jupyter" / "__init__.py").exists()
    assert not (place / "cobra_jupyter" / "kernel").exists()
