"""A pretrained transformer, fine-tuned: it has read before, so that it knows what words mean.

A small encoder from weights at hand (a folder; nothing is downloaded) gets a new last layer, and all of it is
trained a few rounds with a small rate that rises, then falls. It beats n-grams where meaning counts more than
wording, and on few rows; it costs minutes to hours without a GPU. The best round on rows left out is kept, and
training ends in time whatever the clock allows. Other columns are not looked at: the blend adds them.
"""

from __future__ import annotations

import io
import math
import time
from typing import Any, cast

import numpy as np
import pandas as pd

Array = np.ndarray[Any, Any]
BATCH = 16  # texts a step
SETTLED = 10  # steps after which their pace is that of those to come
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


def texts_of(rows: pd.DataFrame, ctx: Any) -> list[str]:
    """All text columns of a row, one after the other."""
    names = [name for name, kind in ctx.columns.items() if kind == "text"]
    names = names or [n for n, kind in ctx.columns.items() if kind in ("category", "id") and n != ctx.id][:1]
    columns = [[string(value) for value in rows[name]] for name in names]
    return [" \n ".join(parts) for parts in zip(*columns, strict=True)]


def string(value: Any) -> str:
    if isinstance(value, list | tuple | dict | set):
        return " ".join(map(str, value))[:20_000]
    return "" if value is None or value is pd.NA or value != value else str(value)[:20_000]


def labels_of(train: pd.DataFrame, ctx: Any) -> Array:
    """Class codes (rows, 1), 0/1 columns, or numbers around 0."""
    labels = train[list(ctx.targets)]
    order = {str(label): i for i, label in enumerate(ctx.classes)}
    coded = labels.map(lambda v: order[str(v)]) if ctx.task in ("binary", "multiclass") else labels
    return np.asarray(coded.to_numpy("float32"))


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
    """An order in which texts of like length stand together, so that little is padded; blocks are shuffled."""
    order = rng.permutation(len(texts))
    blocks = [
        b[np.argsort([len(texts[i]) for i in b], kind="stable")]
        for b in np.array_split(order, max(1, len(order) // 512))
    ]
    runs = [run for block in blocks for run in np.array_split(block, max(1, len(block) // 16))]
    return np.concatenate([runs[i] for i in rng.permutation(len(runs))])


def loss_of(told: Any, y: Any, task: str) -> Any:
    from torch.nn import functional

    if task in ("binary", "multiclass"):
        return functional.cross_entropy(told, y[:, 0].long())
    return (
        functional.mse_loss(told, y)
        if task == "regression"
        else functional.binary_cross_entropy_with_logits(told, y)
    )


def tell(net: Any, texts: list[str], tokenizer: Any, ctx: Any) -> Any:
    """Raw outputs (texts, outputs), longest texts last."""
    import torch

    net.eval()
    order = np.argsort([len(text) for text in texts], kind="stable")
    with torch.no_grad():
        parts = [net(batch).cpu() for _, batch in batches(texts, order, 64, tokenizer, ctx)]
    told = torch.cat(parts)
    return told[torch.from_numpy(np.argsort(order))]


class Training:
    """Fine-tuning of one network on the inner rows; keeps what was best on the rows left out."""

    def __init__(self, train: pd.DataFrame, ctx: Any) -> None:
        import torch

        torch.manual_seed(ctx.seed)
        self.ctx, self.rng = ctx, np.random.default_rng(ctx.seed)
        self.begun, self.given = time.monotonic(), 0.75 * ctx.seconds_left  # the rest is for predicting
        self.texts, Y = texts_of(train, ctx), labels_of(train, ctx)
        self.range = Y.min(axis=0), Y.max(axis=0)
        self.middle, self.spread = np.zeros(Y.shape[1]), np.ones(Y.shape[1])
        if ctx.task == "regression":
            self.middle, self.spread = Y.mean(axis=0), Y.std(axis=0) + 1e-6
        self.targets = torch.from_numpy(((Y - self.middle) / self.spread).astype("float32"))
        self.outputs = len(ctx.classes) if ctx.task in ("binary", "multiclass") else Y.shape[1]
        self.inner, held = ctx.inner(0.1)
        self.held = self.rng.permutation(held)[:1000]
        self.tokenizer = tokenizer_of(ctx)
        self.net = network(self.outputs, ctx, pretrained=True).to(ctx.device)
        self.best, self.step, self.looked, self.paced = math.inf, 0, 0.0, 0.0
        self.steps = max(1, ctx.config["rounds"] * math.ceil(len(self.inner) / BATCH))
        rate = float(ctx.config["rate"])
        self.machine = torch.optim.AdamW(
            [
                {"params": list(self.net.encoder.parameters()), "top": rate, "weight_decay": 0.01},
                {"params": list(self.net.head.parameters()), "top": 10 * rate, "weight_decay": 0.0},
            ]
        )  # new layers learn faster

    @property
    def done(self) -> float:
        """Share of the steps; of the time where that will run out first. As long as it will not, no clock has a say,
        so that the same training gives the same model."""
        now = time.monotonic()
        used, steps = (now - self.begun + self.looked) / self.given, self.step / self.steps
        pace = (now - self.paced) / (self.step - SETTLED) if self.step > 2 * SETTLED else 0.0
        short = used >= 1 or pace * (self.steps - self.step) > (1 - used) * self.given
        return float(max(steps, used)) if short else steps

    def run(self) -> dict[str, Any]:
        self.look()
        for _ in range(self.ctx.config["rounds"]):
            order = self.inner[by_length([self.texts[i] for i in self.inner], self.rng)]
            for own, batch in batches(self.texts, order, BATCH, self.tokenizer, self.ctx):
                if self.done < 1:
                    self.learn(own, batch)
            self.look()
            if self.done >= 1:
                break
        return self.model

    def learn(self, own: Array, batch: dict[str, Any]) -> None:
        """One step: the rate rises over the first 6 %, then falls to nothing."""
        import torch

        self.net.train()
        for group in self.machine.param_groups:
            group["lr"] = group["top"] * min(1.0, (self.step + 1) / (0.06 * self.steps + 1)) * (1 - self.done)
        loss = loss_of(self.net(batch), self.targets[own].to(self.ctx.device), self.ctx.task)
        self.machine.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.machine.step()
        self.step += 1
        if self.step == SETTLED:
            self.paced = time.monotonic()

    def look(self) -> None:
        """Judge on the rows left out, with the temperature that suits best; keep the best."""
        since = time.monotonic()
        told = tell(self.net, [self.texts[i] for i in self.held], self.tokenizer, self.ctx)
        heats = (1.0,) if self.ctx.task == "regression" else (0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 3.0)
        loss, heat = min((float(loss_of(told / h, self.targets[self.held], self.ctx.task)), h) for h in heats)
        if loss < self.best or self.best == math.inf:
            self.best, self.model = loss, self.stored(heat)
            self.ctx.save(self.model)
        self.looked = time.monotonic() - since

    def stored(self, heat: float) -> dict[str, Any]:
        import torch

        state = {k: v.half() if v.is_floating_point() else v for k, v in self.net.state_dict().items()}
        file = io.BytesIO()
        torch.save(state, file)
        return {
            "state": file.getvalue(), "heat": heat, "middle": self.middle, "spread": self.spread,
            "outputs": self.outputs, "range": self.range,
        }  # fmt: skip


def fit(train: pd.DataFrame, ctx: Any) -> Any:
    import torch

    torch.set_num_threads(max(1, ctx.n_jobs))
    return Training(train, ctx).run()


def predict(model: Any, rows: pd.DataFrame, ctx: Any) -> Any:
    import torch

    torch.set_num_threads(max(1, ctx.n_jobs))
    net = network(model["outputs"], ctx, pretrained=False)
    net.load_state_dict(torch.load(io.BytesIO(model["state"]), weights_only=True))
    told = tell(net.to(ctx.device), texts_of(rows, ctx), tokenizer_of(ctx), ctx) / model["heat"]
    if ctx.task == "regression":
        return np.clip(told.numpy() * model["spread"] + model["middle"], *model["range"])
    return torch.sigmoid(told).numpy() if ctx.task == "multilabel" else torch.softmax(told, dim=1).numpy()
