"""Fine-tuning of a network within the time limit."""

from __future__ import annotations

import io
import math
import time
from typing import Any

import numpy as np
import pandas as pd

from cobra_jupyter.brains.playbook.recipes.parts.arrays import Array
from cobra_jupyter.brains.playbook.recipes.parts.labels import labels_of
from cobra_jupyter.brains.playbook.recipes.parts.network import (
    batches,
    by_length,
    joined_texts,
    network,
    raw_outputs,
    tokenizer_of,
)

BATCH = 16  # texts per step
SETTLED = 10  # warm-up steps, ignored when the pace is measured


def loss_of(outputs: Any, y: Any, task: str, weights: Any) -> Any:
    """The mean loss of the rows by their weights (rows)."""
    from torch.nn import functional

    if task in ("binary", "multiclass"):
        losses = functional.cross_entropy(outputs, y[:, 0].long(), reduction="none")
    elif task == "regression":
        losses = functional.mse_loss(outputs, y, reduction="none").mean(dim=1)
    else:
        losses = functional.binary_cross_entropy_with_logits(outputs, y, reduction="none").mean(dim=1)
    return (losses * weights).sum() / weights.sum().clamp(min=1e-9)


class Training:
    """Fine-tunes one network on the inner rows and keeps the weights that are best on the held-out rows."""

    def __init__(self, train: pd.DataFrame, ctx: Any) -> None:
        import torch

        torch.manual_seed(ctx.seed)
        self.ctx, self.rng = ctx, np.random.default_rng(ctx.seed)
        self.began, self.seconds = time.monotonic(), 0.75 * ctx.seconds_left  # keep the rest for prediction
        self.texts, Y = joined_texts(train, ctx), labels_of(train, ctx).astype("float32")
        self.range = Y.min(axis=0), Y.max(axis=0)
        self.middle, self.spread = np.zeros(Y.shape[1]), np.ones(Y.shape[1])
        if ctx.task == "regression":
            self.middle, self.spread = Y.mean(axis=0), Y.std(axis=0) + 1e-6
        self.targets = torch.from_numpy(((Y - self.middle) / self.spread).astype("float32"))
        weights = np.ones(len(Y)) if ctx.weights is None else ctx.weights
        self.weights = torch.from_numpy(np.asarray(weights, "float32"))
        self.outputs = len(ctx.classes) if ctx.task in ("binary", "multiclass") else Y.shape[1]
        self.inner, held = ctx.inner(0.1)
        self.held = self.rng.permutation(held)[:1000]
        self.tokenizer = tokenizer_of(ctx)
        self.net = network(self.outputs, ctx, pretrained=True).to(ctx.device)
        self.best, self.step, self.evaluation_seconds, self.settled_at = math.inf, 0, 0.0, 0.0
        self.steps = max(1, ctx.config["rounds"] * math.ceil(len(self.inner) / BATCH))
        rate = float(ctx.config["rate"])
        self.optimizer = torch.optim.AdamW(
            [
                {"params": list(self.net.encoder.parameters()), "top": rate, "weight_decay": 0.01},
                {"params": list(self.net.head.parameters()), "top": 10 * rate, "weight_decay": 0.0},
            ]
        )  # the new layers get a higher learning rate

    @property
    def done(self) -> float:
        """Share of the steps that are done, or of the time if that will run out first.

        While time suffices, the clock has no influence, so the same training gives the same model."""
        now = time.monotonic()
        used, steps = (now - self.began + self.evaluation_seconds) / self.seconds, self.step / self.steps
        pace = (now - self.settled_at) / (self.step - SETTLED) if self.step > 2 * SETTLED else 0.0
        short = used >= 1 or pace * (self.steps - self.step) > (1 - used) * self.seconds
        return float(max(steps, used)) if short else steps

    def run(self) -> dict[str, Any]:
        self.evaluate()
        for _ in range(self.ctx.config["rounds"]):
            order = self.inner[by_length([self.texts[i] for i in self.inner], self.rng)]
            for own, batch in batches(self.texts, order, BATCH, self.tokenizer, self.ctx):
                if self.done < 1:
                    self.train_on(own, batch)
            self.evaluate()
            if self.done >= 1:
                break
        return self.model

    def train_on(self, own: Array, batch: dict[str, Any]) -> None:
        """Do one step. The learning rate rises over the first 6 % of the steps, then falls to zero."""
        import torch

        self.net.train()
        for group in self.optimizer.param_groups:
            group["lr"] = group["top"] * min(1.0, (self.step + 1) / (0.06 * self.steps + 1)) * (1 - self.done)
        targets, weights = (part[own].to(self.ctx.device) for part in (self.targets, self.weights))
        loss = loss_of(self.net(batch), targets, self.ctx.task, weights)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        if self.step == SETTLED:
            self.settled_at = time.monotonic()

    def evaluate(self) -> None:
        """Evaluate on the held-out rows with the best temperature; store the model if it improved."""
        began = time.monotonic()
        outputs = raw_outputs(self.net, [self.texts[i] for i in self.held], self.tokenizer, self.ctx)
        temperatures = (1.0,) if self.ctx.task == "regression" else (0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 3.0)
        targets, weights, task = self.targets[self.held], self.weights[self.held], self.ctx.task
        loss, temperature = min(
            (float(loss_of(outputs / t, targets, task, weights)), t) for t in temperatures
        )
        if loss < self.best or self.best == math.inf:
            self.best, self.model = loss, self.packed(temperature)
            self.ctx.save(self.model)
        self.evaluation_seconds = time.monotonic() - began

    def packed(self, temperature: float) -> dict[str, Any]:
        import torch

        state = {k: v.half() if v.is_floating_point() else v for k, v in self.net.state_dict().items()}
        file = io.BytesIO()
        torch.save(state, file)
        return {
            "state": file.getvalue(),
            "temperature": temperature,
            "middle": self.middle,
            "spread": self.spread,
            "outputs": self.outputs,
            "range": self.range,
        }
