"""A pretrained encoder with new output layers."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd

from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array
from cobra_jupyter.brains.playbook.recipes.parts.texts import text_columns
from cobra_jupyter.brains.playbook.recipes.parts.values import string


def joined_texts(rows: pd.DataFrame, ctx: Any) -> list[str]:
    """The text columns of each row, joined."""
    columns = [[string(value, 20_000) for value in rows[name]] for name in text_columns(ctx)]
    return [" \n ".join(parts) for parts in zip(*columns, strict=True)]


def network(outputs: int, ctx: Any, pretrained: bool) -> Any:
    """A torch module of encoder, pooling and new layers: tokens → (rows, outputs)."""
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
            hidden = [torch.nn.Linear(size, size), torch.nn.Tanh()] if ctx.config["head"] == "two" else []
            self.head = torch.nn.Sequential(torch.nn.Dropout(0.1), *hidden, torch.nn.Linear(size, outputs))

        def forward(self, batch: dict[str, Any]) -> Any:
            states, mask = self.encoder(**batch)[0], batch["attention_mask"].unsqueeze(-1)
            mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
            return self.head(states[:, 0] if ctx.config["pooling"] == "first" else mean)

    return Network()


def tokenizer_of(ctx: Any) -> Any:
    from transformers import AutoTokenizer

    made = AutoTokenizer.from_pretrained(ctx.config["weights"], local_files_only=True)
    made.pad_token = made.pad_token or made.eos_token
    return made


def batches(texts: list[str], order: Array, size: int, tokenizer: Any, ctx: Any) -> Any:
    """Yields (positions, tokens) for `size` texts at a time."""
    limit = min(ctx.config["length"], int(min(tokenizer.model_max_length, 10**6)))
    for start in range(0, len(order), size):
        own = order[start : start + size]
        batch = tokenizer(
            [texts[i] for i in own], padding=True, truncation=True, max_length=limit, return_tensors="pt"
        )
        yield own, {name: batch[name].to(ctx.device) for name in ("input_ids", "attention_mask")}


def by_length(texts: list[str], rng: Any) -> Array:
    """A random order that puts texts of similar length together, to reduce padding."""
    order = rng.permutation(len(texts))
    blocks = [
        b[np.argsort([len(texts[i]) for i in b], kind="stable")]
        for b in np.array_split(order, max(1, len(order) // 512))
    ]
    runs = [run for block in blocks for run in np.array_split(block, max(1, len(block) // 16))]
    return np.concatenate([runs[i] for i in rng.permutation(len(runs))])


def raw_outputs(net: Any, texts: list[str], tokenizer: Any, ctx: Any) -> Any:
    """Outputs of the network (texts, outputs), computed from the shortest text to the longest."""
    import torch

    net.eval()
    order = np.argsort([len(text) for text in texts], kind="stable")
    with torch.no_grad():
        parts = [net(batch).cpu() for _, batch in batches(texts, order, 64, tokenizer, ctx)]
    outputs = torch.cat(parts)
    return outputs[torch.from_numpy(np.argsort(order))]
