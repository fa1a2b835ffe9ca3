"""Finds and decodes the description of a competition."""

from __future__ import annotations

from pathlib import Path

from cobra_jupyter.competition import files
from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.findings import Findings
from cobra_jupyter.competition.sniffing import why_no_text

DESCRIPTIONS = ("description.md", "description.txt", "description_obfuscated.md", "readme.md", "readme.txt")


def read(public: Path, found: Findings) -> str:
    """Returns the description, "" if there is none. Raises CompetitionError if the metric is unknown then."""
    by_name = {path.name.lower(): path for path in sorted(public.iterdir()) if path.is_file()}
    for name in DESCRIPTIONS:
        path = by_name.get(name)
        if path is not None and path.resolve().is_relative_to(public):
            text = _text_of(path, found)
            if text.strip():
                return text
            empty = f"{path.name} is empty"
            break
    else:
        empty = "there is no description.md"
    if "metric" not in found.settings:
        files.refuse_links(public, [name for name in DESCRIPTIONS[:1] if (public / name).is_symlink()])
        raise CompetitionError(
            f"{public}: {empty}, so the metric is unknown; add a description that names it, or set it with"
            " --set metric=…, e.g. --set metric=rmse"
        )
    found.notes.append(empty)
    return ""


def _text_of(path: Path, found: Findings) -> str:
    raw = path.read_bytes()[: 1 << 20]
    if why_no_text(raw) and not raw.lstrip().startswith(b"<"):
        raise CompetitionError(f"{path.name}: contains no text; put the description of the task there")
    for encoding in ("utf-16",) if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            found.notes.append(f"{path.name}: not in {encoding}")
    return raw.decode("latin-1")
