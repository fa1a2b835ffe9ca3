"""A pretrained encoder with a new last layer."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd

from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array
from cobra_jupyter.brains.playbook.recipes.parts.texts import text_columns
from cobra_jupyter.brains.playbook.recipes.parts.values import string


def joined_texts(rows: pd.DataFrame, ctx: Any) -> list[str]:
    """All text columns of a row, one after the other."""
    columns = [[string(value, 20_000) for value in rows[name]] for name in text_columns(ctx)]
    return [" \n ".join(parts) for parts in zip(*columns, strict=True)]


def network(outputs: int, ctx: Any, pretrained: bool) -> Any:
    """Encoder, pooling and new layers, as one torch module: tokens → (rows, outputs)."""
    import torch
    from transformers import AutoConfig, AutoModel

    folder, auto = ctx.config["weights"], cast(Any, AutoModel)
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    made = auto.from_pretrained(folder, local_files_only=True) if pretrained else auto.from_config(config)

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            size = int(getattr(config, "hidden_size", 0) or config.dim)
            self.encoder = made.float()
            bend = [torch.nn.Linear(size, size), torch.nn.Tanh()] if ctx.config["head"] == "two" else []
            self.head = torch.nn.Sequential(torch.nn.Dropout(0.1), *bend, torch.nn.Linear(size, outputs))

        def forward(self, batch: dict[str, Any]) -> Any:
            told, mask = self.encoder(**batch)[0], batch["attention_mask"].unsqueeze(-1)
            mean = (told * mask).sum(1) / mask.sum(1).clamp(min=1)
            return self.head(told[:, 0] if ctx.config["pooling"] == "first" else mean)

    return Network()


def tokenizer_of(ctx: Any) -> Any:
    from transformers import AutoTokenizer

    made = AutoTokenizer.from_pretrained(ctx.config["weights"], local_files_only=True)
    made.pad_token = made.pad_token or made.eos_token
    return made


def batches(texts: list[str], order: Array, size: int, tokenizer: Any, ctx: Any) -> Any:
    """(positions, tokens) of `size` texts at a time."""
    limit = min(ctx.config["length"], int(min(tokenizer.model_max_length, 10**6)))
    for start in range(0, len(order), size):
        own = order[start : start + size]
        batch = tokenizer(
            [texts[i] for i in own], padding=True, truncation=True, max_length=limit, return_tensors="pt"
        )
        yield own, {name: batch[name].to(ctx.device) for name in ("input_ids", "attention_mask")}


def by_length(texts: list[str], rng: Any) -> Array:
    """An order in which texts of like length stand together, so that little is padded; blocks are
    shuffled."""
    order = rng.permutation(len(texts))
    blocks = [
        b[np.argsort([len(texts[i]) for i in b], kind="stable")]
        for b in np.array_split(order, max(1, len(order) // 512))
    ]
    runs = [run for block in blocks for run in np.array_split(block, max(1, len(block) // 16))]
    return np.concatenate([runs[i] for i in rng.permutation(len(runs))])


def tell(net: Any, texts: list[str], tokenizer: Any, ctx: Any) -> Any:
    """Raw outputs (texts, outputs), longest texts last."""
    import torch

    net.eval()
    order = np.argsort([len(text) for text in texts], kind="stable")
    with torch.no_grad():
        parts = [net(batch).cpu() for _, batch in batches(texts, order, 64, tokenizer, ctx)]
    told = torch.cat(parts)
    return told[torch.from_numpy(np.argsort(order))]
