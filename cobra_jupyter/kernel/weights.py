"""Finds local pretrained weights: folders in the layout of Hugging Face models. Nothing is downloaded."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

TOKENIZERS = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")


@dataclass(frozen=True)
class Weights:
    """A folder with a text model. `revision` is "" outside a cache."""

    name: str
    path: str
    kind: str  # the configuration's model_type
    bytes: int
    revision: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def find(paths: Iterable[Path | str] = (), environ: Mapping[str, str] = os.environ) -> tuple[Weights, ...]:
    """Weights in the given folders, in their order, then those in the Hugging Face cache, smallest first."""
    given = [found for path in paths for found in [_look(Path(path))] if found]
    cached = sorted(_cached(_cache(environ)), key=lambda weights: (weights.bytes, weights.path))
    return tuple({weights.path: weights for weights in [*given, *cached]}.values())


def _cache(environ: Mapping[str, str]) -> Path:
    """The cache folder of huggingface_hub."""
    if environ.get("HF_HUB_CACHE"):
        return Path(environ["HF_HUB_CACHE"])
    base = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    return Path(environ.get("HF_HOME") or base) / "hub"


def _cached(cache: Path) -> Iterator[Weights]:
    """Yields the latest complete snapshot of each model."""
    for model in sorted(cache.glob("models--*")):
        name = model.name.removeprefix("models--").replace("--", "/")
        snapshots = sorted(model.glob("snapshots/*"), key=lambda path: path.stat().st_mtime, reverse=True)
        found = next((w for w in (_look(path, name, path.name) for path in snapshots) if w), None)
        if found:
            yield found


def _look(folder: Path, name: str = "", revision: str = "") -> Weights | None:
    """The weights in a folder; None if configuration, tokenizer or weights are missing."""
    files = [file for pattern in WEIGHTS for file in sorted(folder.glob(pattern)) if file.exists()][:50]
    if not files or not any((folder / tokenizer).exists() for tokenizer in TOKENIZERS):
        return None
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    kind = str(config.get("model_type", "")) if isinstance(config, dict) else ""
    size = sum(file.stat().st_size for file in files if file.suffix == files[0].suffix)
    return Weights(name or folder.resolve().name, str(folder.resolve()), kind, size, revision)
