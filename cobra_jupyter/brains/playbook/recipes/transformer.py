"""A pretrained transformer, fine-tuned: it has read before, so that it knows what words mean.

A small encoder from weights at hand (a folder; nothing is downloaded) gets a new last layer, and all of it is
trained a few rounds with a small rate that rises, then falls. It beats n-grams where meaning counts more than
wording, and on few rows; it costs minutes to hours without a GPU. The best round on rows left out is kept,
and training ends in time whatever the clock allows. Other columns are not looked at: the blend adds them.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.brains.playbook.recipe import Recipe
from cobra_jupyter.brains.playbook.recipes.parts.fine_tuning import Training
from cobra_jupyter.brains.playbook.recipes.parts.network import joined_texts, network, tell, tokenizer_of

RECIPE = Recipe(order=5, cost=9, share=0.1, kinds=("text",), libraries=("torch", "transformers"), weights=())
FACTORS = {
    "weights": [""],
    "length": [128, 256, 512],
    "rate": [3e-5, 1e-5, 1e-4],
    "rounds": [2, 1, 4],
    "pooling": ["mean", "first"],
    "head": ["last", "two"],
}
NOTES = {
    "weights": "the folder of the pretrained weights",
    "length": "tokens read of each text: cost grows with it, faster than in proportion",
    "rate": "of learning: too high forgets what was pretrained, too low learns little in the time",
    "rounds": "over all rows: few rows bear more",
    "pooling": "how tokens become one vector: their mean, or the first token's alone",
    "head": "the new layers: one, or two with a bend between",
}


def fit(train: pd.DataFrame, ctx: Any) -> Any:
    import torch

    torch.set_num_threads(max(1, ctx.n_jobs))
    return Training(train, ctx).run()


def predict(model: Any, rows: pd.DataFrame, ctx: Any) -> Any:
    import torch

    torch.set_num_threads(max(1, ctx.n_jobs))
    net = network(model["outputs"], ctx, pretrained=False)
    net.load_state_dict(torch.load(io.BytesIO(model["state"]), weights_only=True))
    told = tell(net.to(ctx.device), joined_texts(rows, ctx), tokenizer_of(ctx), ctx) / model["heat"]
    if ctx.task == "regression":
        return np.clip(told.numpy() * model["spread"] + model["middle"], *model["range"])
    return torch.sigmoid(told).numpy() if ctx.task == "multilabel" else torch.softmax(told, dim=1).numpy()
