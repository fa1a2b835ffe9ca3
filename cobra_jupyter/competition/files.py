"""Finds the public folder, lists its files safely and groups them by pattern."""

from __future__ import annotations

import os
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.record import FileGroup
from cobra_jupyter.competition.tables import PACKED, table_stem, table_suffix, zip_members

IMAGES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".dcm"}
MOST_FILES = 1_000_000
MANY_FOLDERS = 20
FEW_FILES = 3
MOST_NAMED = 10


@dataclass(frozen=True)
class Listing:
    """Files below the public folder as (relative path, bytes). `notes` name the skipped ones.

    `links` are skipped because they lead outside, to folders or nowhere."""

    files: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]
    links: tuple[str, ...] = ()


def public_folder(folder: Path) -> Path:
    """Returns the folder with the sample submission: `folder`, or one below it in MLE-bench's layout.

    Raises CompetitionError."""
    if not folder.exists():
        raise CompetitionError(f"{folder}: no such folder; give the path of a competition folder")
    if not folder.is_dir():
        raise CompetitionError(f"{folder}: not a folder; give the path of a competition folder")
    folder = folder.resolve()
    if folder.name == "private" and (folder.parent / "public").is_dir():
        raise CompetitionError(
            f"{folder}: contains the answers of a grader; give {folder.parent / 'public'} instead"
        )
    here = _public_of(folder)
    if here is not None:
        return here
    below = [child for child in _folders(folder) if child.name != "private"]
    found = [public for public in map(_public_of, below) if public is not None]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(sorted(child.name for child in below if _public_of(child) is not None)[:10])
        raise CompetitionError(
            f"{folder}: contains several competitions ({names}); give the path of one of them"
        )
    children = sorted(path.name for path in folder.iterdir())
    refuse_links(folder, sample_names(children))
    have = ", ".join(children[:10]) or "nothing"
    raise CompetitionError(
        f"{folder}: no sample submission found (the folder contains {have}); add sample_submission.csv, a "
        "table with the columns to submit and one row for each test row"
    )


def _public_of(folder: Path) -> Path | None:
    for candidate in (folder, folder / "public", folder / "prepared" / "public"):
        if candidate.is_dir() and not _leaves(candidate, folder) and sample_names(top_names(candidate)):
            return candidate
    return None


def _folders(folder: Path) -> list[Path]:
    return [child for child in sorted(folder.iterdir()) if child.is_dir() and not child.is_symlink()]


def top_names(folder: Path) -> list[str]:
    """Returns the names of the files at the top of a folder, without links that lead out of it."""
    return sorted(child.name for child in folder.iterdir() if child.is_file() and not _leaves(child, folder))


def _leaves(path: Path, folder: Path) -> bool:
    return not path.resolve().is_relative_to(folder.resolve())


def sample_names(names: list[str]) -> list[str]:
    """Returns the names that may be a sample submission, the most likely first."""
    ranked = []
    for name in names:
        stem = re.sub(r"[^a-z]", "", table_stem(name))
        if not (table_suffix(name) or name.lower().endswith(".zip")) or stem.startswith(("train", "test")):
            continue
        if stem == "samplesubmission":
            rank = 0
        elif "sample" in stem and "sub" in stem:
            rank = 1
        elif "submission" in stem or stem in {"sample", "sampleentry", "samplesolution"}:
            rank = 2
        else:
            continue
        ranked.append((rank, Path(name).suffix.lower() in PACKED, len(name), name))
    return [name for *_, name in sorted(ranked)]


def listing(folder: Path) -> Listing:
    """Lists all files below `folder`. Skips links that lead outside and folders named private."""
    files: list[tuple[str, int]] = []
    notes: list[str] = []
    links: list[str] = []
    for path, size, problem in _walk(folder, ""):
        if problem.startswith("a link"):
            links.append(path)
            if len(links) > MOST_NAMED:
                continue
        if problem:
            notes.append(f"{path}: {problem}")
        elif len(files) == MOST_FILES:
            notes.append(f"only the first {MOST_FILES:,} files were listed")
            break
        else:
            files.append((path, size))
    if len(links) > MOST_NAMED:
        notes.append(f"{len(links) - MOST_NAMED} more links are not followed either")
    return Listing(tuple(files), tuple(notes[:20]), tuple(links))


def _walk(root: Path, below: str) -> Iterator[tuple[str, int, str]]:
    try:
        with os.scandir(root / below) as entries:
            children = sorted(entries, key=lambda entry: entry.name)
    except PermissionError:
        yield below, 0, "a folder that cannot be opened, skipped"
        return
    for entry in children:
        path = f"{below}/{entry.name}" if below else entry.name
        if entry.name.startswith("."):
            continue
        if not _is_text(entry.name):
            yield ascii(path).strip("'"), 0, "a name that is not valid text, skipped"
        elif entry.is_symlink() and not Path(entry.path).exists():
            yield path, 0, "a link to nothing, skipped"
        elif entry.is_symlink() and (_leaves(Path(entry.path), root) or entry.is_dir()):
            where = "to a folder" if entry.is_dir() else "that leads out of the folder"
            yield path, 0, f"a link {where}, not followed"
        elif entry.is_dir(follow_symlinks=False):
            if entry.name == "private":
                yield path, 0, "a folder of answers, not read"
            else:
                yield from _walk(root, path)
        elif entry.is_file():
            yield path, entry.stat().st_size, ""


def _is_text(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


def refuse_links(folder: Path, names: Iterable[str]) -> None:
    """Raises CompetitionError if one of the needed `names` is a link that is not followed."""
    for name in names:
        path = folder / name
        if path.is_symlink() and (not path.exists() or _leaves(path, folder)):
            where = "leads out of the folder and is not followed" if path.exists() else "leads to nothing"
            raise CompetitionError(f"{path}: this link {where}; put the file itself there")


def table_paths(found: Listing) -> list[str]:
    """Returns the files that may be tables: those at the top, or in a subfolder with at most 20 files."""
    crowd = Counter(path.rpartition("/")[0] for path, _ in found.files)
    return [
        path
        for path, _ in found.files
        if (table_suffix(path) or path.lower().endswith(".zip"))
        and path.count("/") <= 1
        and ("/" not in path or crowd[path.rpartition("/")[0]] <= MANY_FOLDERS)
    ]


def groups(folder: Path, found: Listing) -> tuple[tuple[FileGroup, ...], tuple[str, ...]]:
    """Groups the files and the members of archives by pattern. Also returns notes on unusable archives."""
    result = list(_grouped(found.files, ""))
    notes = []
    for path, _ in found.files:
        if path.lower().endswith(".zip"):
            try:
                with zipfile.ZipFile(folder / path) as archive:
                    everything = sum(not info.is_dir() for info in archive.infolist())
                members = zip_members(folder / path)
            except (OSError, zipfile.BadZipFile) as error:
                notes.append(f"{path}: not a readable zip archive ({error})")
                continue
            if len(members) < everything:
                left = everything - len(members)
                notes.append(f"{path}: {left} members skipped (unsafe names, hidden files)")
            result += _grouped(tuple((info.filename, info.file_size) for info in members), f"{path}:")
    return tuple(result), tuple(notes)


def _grouped(files: tuple[tuple[str, int], ...], prefix: str) -> Iterator[FileGroup]:
    children: dict[str, set[str]] = defaultdict(set)
    for path, _ in files:
        parts = PurePosixPath(path).parts[:-1]
        for depth, part in enumerate(parts):
            children["/".join(parts[:depth])].add(part)
    gathered: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    for path, size in files:
        parts = PurePosixPath(path).parts[:-1]
        shown = [
            "<id>" if len(children["/".join(parts[:depth])]) > MANY_FOLDERS else part
            for depth, part in enumerate(parts)
        ]
        gathered["/".join(shown), PurePosixPath(path).suffix.lower()].append((path, size))
    for (folder, suffix), members in gathered.items():
        names = {PurePosixPath(path).name for path, _ in members}
        if len(names) <= FEW_FILES:
            for name in sorted(names):
                yield _group(prefix, folder, name, [m for m in members if PurePosixPath(m[0]).name == name])
        else:
            yield _group(prefix, folder, f"*{suffix}", members)


def _group(prefix: str, folder: str, name: str, members: list[tuple[str, int]]) -> FileGroup:
    step = max(1, len(members) // 5)
    examples = tuple(prefix + path for path, _ in members[::step][:5])
    pattern = prefix + (f"{folder}/{name}" if folder else name)
    return FileGroup(pattern, len(members), sum(size for _, size in members), examples)


def named_by(files: tuple[FileGroup, ...], ids: set[str]) -> tuple[FileGroup, ...]:
    """Replaces ``*`` with ``<id>`` in the patterns of groups whose files are named by row keys."""
    return tuple(
        replace(group, pattern=group.pattern.replace("*", "<id>")) if keyed(group, ids) else group
        for group in files
    )


def keyed(group: FileGroup, ids: set[str]) -> bool:
    """Whether files of the group or their folders are named by row keys."""
    hits = sum(bool(ids & words_of(example)) for example in group.examples)
    return group.count > FEW_FILES and hits > len(group.examples) / 2


def words_of(example: str) -> set[str]:
    """Returns the parts of a path that may be row keys: name with and without suffix, and folders."""
    path = PurePosixPath(example.rpartition(":")[2])
    return {path.name, path.stem, *path.parts[:-1], str(path)}


def is_image(group: FileGroup) -> bool:
    """Whether the files are images."""
    return PurePosixPath(group.pattern.rpartition(":")[2].lower()).suffix in IMAGES
