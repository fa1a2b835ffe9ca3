"""Files beside the record, named by their hash: outputs of cells, to rebuild the notebook; and models'
prompts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

FOLDER, ASKED = "outputs", "asked"


def store(run: Path, outputs: list[dict[str, Any]]) -> str:
    """Store a cell's outputs (nbformat) in the run's folder. → SHA-256, the name of the file."""
    text = json.dumps(outputs, ensure_ascii=False, sort_keys=True)
    return _write(run / FOLDER, "json", text)


def store_question(run: Path, text: str) -> str:
    """Store a part of a model's prompt. → SHA-256, the name of the file."""
    return _write(run / ASKED, "md", text)


def _write(folder: Path, suffix: str, text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()
    path = folder / f"{digest}.{suffix}"
    if not path.exists():
        folder.mkdir(exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    return digest


def load(run: Path, digest: str) -> list[dict[str, Any]]:
    """Stored outputs; [] if the file is gone or has changed."""
    try:
        text = (run / FOLDER / f"{digest}.json").read_text(encoding="utf-8")
    except OSError:
        return []
    whole = hashlib.sha256(text.encode()).hexdigest() == digest
    return list(json.loads(text)) if whole else []
