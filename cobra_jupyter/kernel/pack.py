"""The part of the package that runs in the kernel's environment, copied into the run folder."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

_PARTS = ("__init__.py", "competition.py", "competition", "workbench")
_SUFFIXES = {".py", ".json", ".txt"}


def pack(run_folder: Path, source: Path | None = None) -> Path:
    """Copy `competition` and `workbench` to <run>/pack/cobra_jupyter; returns the folder for PYTHONPATH.

    An existing pack is replaced. source: the package's folder, by default this one.
    """
    package = source or Path(__file__).resolve().parent.parent
    target = Path(run_folder) / "pack"
    fresh = target.with_name("pack.new")
    shutil.rmtree(fresh, ignore_errors=True)
    for file in _files(package):
        copy = fresh / "cobra_jupyter" / file.relative_to(package)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    return target.resolve()


def digest(path: Path) -> str:
    """SHA-256, in hex, over the sorted relative names and contents of a folder's files (without caches)."""
    total = hashlib.sha256()
    for file in sorted(_tree(Path(path)), key=lambda file: file.relative_to(path).as_posix()):
        content = file.read_bytes()
        name = file.relative_to(path).as_posix().encode()
        total.update(b"%d:%s%d:" % (len(name), name, len(content)) + content)
    return total.hexdigest()


def _files(package: Path) -> list[Path]:
    found: list[Path] = []
    for part in _PARTS:
        path = package / part
        if path.is_dir():
            found += [file for file in _tree(path) if file.suffix in _SUFFIXES]
        elif path.is_file():
            found.append(path)
    return found


def _tree(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
