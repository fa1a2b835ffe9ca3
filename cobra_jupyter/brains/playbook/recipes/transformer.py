"""A pretrained transformer, fine-tuned: it already knows what words mean.

A small encoder is loaded from a local folder of weights; nothing is downloaded. It gets a new output layer,
and all layers are trained for a few rounds, with a small learning rate that rises, then falls. It beats
n-grams if meaning matters more than wording, and on few rows; without a GPU it takes minutes to hours. The
best round on held-out rows is used, and training stops before the time is up. Other columns are ignored;
blending with other models adds them.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.brains.playbook.recipe import Recipe
from cobra_jupyter.brains.playbook.recipes.parts.fine_tuning import Training
from cobra_jupyter.brains.playbook.recipes.parts.gaps import EachTarget, has_gaps
from cobra_jupyter.brains.playbook.recipes.parts.network import (
    joined_texts,
    network,
    raw_outputs,
    tokenizer_of,
)

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
    "length": "tokens used of each text: cost grows faster than in proportion",
    "rate": "learning rate: too high destroys the pretraining, too low learns little in the time",
    "rounds": "passes over all rows: few rows allow more",
    "pooling": "how tokens become one vector: their mean, or the first token's vector",
    "head": "the new layers: one, or two with a nonlinearity between",
}


def fit(train: pd.DataFrame, ctx: Any) -> Any:
    if has_gaps(train, ctx):
        return EachTarget(fit, train, ctx)
    import torch

    torch.set_num_threads(max(1, ctx.n_jobs))
    return Training(train, ctx).run()


def predict(model: Any, rows: pd.DataFrame, ctx: Any) -> Any:
    if isinstance(model, EachTarget):
        return model.predict(predict, rows, ctx)
    import torch

    torch.set_num_threads(max(1, ctx.n_jobs))
    net = network(model["outputs"], ctx, pretrained=False)
    net.load_state_dict(torch.load(io.BytesIO(model["state"]), weights_only=True))
    outputs = raw_outputs(net.to(ctx.device), joined_texts(rows, ctx), tokenizer_of(ctx), ctx)
    outputs = outputs / model["temperature"]
    if ctx.task == "regression":
        return np.clip(outputs.numpy() * model["spread"] + model["middle"], *model["range"])
    return (
        torch.sigmoid(outputs).numpy() if ctx.task == "multilabel" else torch.softmax(outputs, dim=1).numpy()
    )
