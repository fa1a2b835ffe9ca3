"""Local chat models, with a tiny one that the test makes: after each token comes the next of a script."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cobra_jupyter.agent.prompt import Prompt
from cobra_jupyter.brains import transformers as local
from cobra_jupyter.brains.base import BrainGone, TooLate
from cobra_jupyter.brains.choice import BrainRefused, BrainRequest, choose
from cobra_jupyter.brains.transformers import LocalChat
from tests.patience import PATIENCE

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

TEMPLATE = "{% for m in messages %}<s> {{ m.role }} {{ m.content }} {% endfor %}<go>"
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + TEMPLATE
)
REPLY = ["##_", "Title", "~", "~~", "```python~", "print(1)", "_~", "```", "~_"]
MADE = "## Title\n\n\n```python\nprint(1) \n```\n "
Make = Callable[..., LocalChat]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a model with a scripted reply (`_` a space, `~` a new line); `endless` repeats the last word."""

    def made(
        script: list[str],
        template: str = TEMPLATE,
        endless: bool = False,
        context: int = 4096,
        **options: Any,
    ) -> LocalChat:
        words = ["<unk>", "<s>", "<go>", *script, "<end>"]
        size = len(words)
        inner = tokenizers.Tokenizer(
            tokenizers.models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>")
        )
        inner.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
        replace = tokenizers.decoders.Replace
        inner.decoder = tokenizers.decoders.Sequence(
            [replace("_", " "), replace("~", "\n"), tokenizers.decoders.Fuse()]
        )
        tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_object=inner,
            unk_token="<unk>",
            bos_token="<s>",
            eos_token="<end>",
            model_max_length=context,
        )
        tokenizer.chat_template = template or None
        tokenizer.save_pretrained(tmp_path)
        config = transformers.LlamaConfig(
            vocab_size=size,
            hidden_size=64,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=context,
            bos_token_id=1,
            eos_token_id=size - 1,
        )
        model = transformers.LlamaForCausalLM(config)
        with torch.no_grad():  # nothing but the token itself reaches the end
            for layer in model.model.layers:
                layer.self_attn.o_proj.weight.zero_()
                layer.mlp.down_proj.weight.zero_()
            model.model.embed_tokens.weight.copy_(torch.eye(size, 64))
            follows = torch.zeros(size, 64)
            for n in range(size - 1):
                follows[n + 1, n] = 10.0
            if endless:
                follows[size - 1] = 0.0
                follows[size - 2, size - 2] = 10.0
            model.lm_head.weight.copy_(follows)
        model.save_pretrained(tmp_path)
        return LocalChat(tmp_path, **options)

    return made


def asked(until: float = math.inf, **changes: Any) -> Any:
    facts = {"system": "Rules.", "stable": "The card.", "changing": "Write the next cell.", **changes}
    return SimpleNamespace(prompt=Prompt(**facts), turns=(), until=until)


async def said(brain: LocalChat, context: Any) -> list[str]:
    return [piece async for piece in brain.reply(context)]


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "local chat"]


def gone(brain: LocalChat, context: Any | None = None) -> str:
    with pytest.raises(BrainGone) as error:
        asyncio.run(said(brain, context) if context else brain.check())
    return str(error.value)


def test_a_reply_comes_in_pieces_and_is_counted(make: Make) -> None:
    brain = make(REPLY)
    pieces = asyncio.run(said(brain, asked()))
    assert "".join(pieces) == MADE
    assert len(pieces) > 2
    assert "" not in pieces  # which would mean: begin anew
    usage = brain.finish.usage
    assert usage is not None
    assert (brain.finish.reason, usage.output, usage.cost) == ("stop", len(REPLY) + 1, 0.0)
    assert usage.input == 12  # two marks and two roles, seven words, and where the reply begins


def test_pieces_arrive_while_it_generates_and_the_loop_goes_on(make: Make) -> None:
    brain = make(["on", "and_"], endless=True, context=100_000)

    async def listen() -> tuple[int, list[threading.Thread]]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.001)
                ticks += 1

        beside = asyncio.ensure_future(tick())
        reply = brain.reply(asked())
        for _ in range(20):
            await anext(reply)
        before, running = ticks, threads()
        while ticks < before + 3:
            await anext(reply)
        beside.cancel()
        await reply.aclose()  # type: ignore[attr-defined]
        return ticks, running

    ticks, running = asyncio.run(listen())
    assert ticks
    assert len(running) == 1
    running[0].join(PATIENCE)
    assert not running[0].is_alive()


def test_a_task_that_is_cancelled_ends_the_generation(make: Make) -> None:
    brain = make(["on", "and_"], endless=True, context=100_000)

    async def give_up() -> None:
        await brain.check()
        task = asyncio.ensure_future(said(brain, asked()))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    end = time.monotonic() + 20
    while threads() and time.monotonic() < end:
        time.sleep(0.02)
    assert threads() == []


class Clock:
    """A monotonic clock that goes on by `step` seconds whenever it is read."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def monotonic(self) -> float:
        self.now += self.step
        return self.now


def test_a_reply_ends_at_its_deadline_and_says_how_far_it_came(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    brain = make(["on", "and_"], endless=True, context=100_000)
    monkeypatch.setattr(local, "time", Clock(1.0))
    with pytest.raises(TooLate, match=r"not complete after \d+ s, with [1-9]\d* tokens written"):
        asyncio.run(said(brain, asked(until=500.0)))
    monkeypatch.setattr(local, "time", Clock(0.0))  # the same model replies again
    pieces = brain.reply(asked(until=500.0))
    assert asyncio.run(_first(pieces)) == "on"


async def _first(pieces: Any) -> str:
    piece = str(await anext(pieces))
    await pieces.aclose()
    return piece


def test_a_long_prompt_is_left_before_the_next_layer_once_it_is_too_late(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    brain, clock, layers = make(REPLY), Clock(0.0), list[int]()
    asyncio.run(brain.check())
    assert brain.memory.model
    inner = brain.memory.model.model.model
    inner.embed_tokens.register_forward_hook(lambda *_: setattr(clock, "now", 100.0))
    inner.layers[0].register_forward_hook(lambda *_: layers.append(1))
    monkeypatch.setattr(local, "time", clock)
    with pytest.raises(TooLate, match="not complete after 100 s, with 0 tokens written"):
        asyncio.run(said(brain, asked(until=50.0)))
    assert layers == []


def test_a_reply_that_is_cut_off_says_so(make: Make) -> None:
    brain = make(["on", "and_"], endless=True, most_output=30)
    text = "".join(asyncio.run(said(brain, asked())))
    assert text.count("and") == 29
    assert brain.finish.reason == "max_tokens"


@pytest.mark.parametrize("template", [TEMPLATE, TEMPLATE + " <think>"])
def test_thoughts_are_kept_out_of_the_reply(template: str, make: Make) -> None:
    script = ["<think>", "maybe_", "not", "</think>", *REPLY]
    brain = make(script, template)
    assert "".join(asyncio.run(said(brain, asked()))) == MADE
    assert brain.finish.thoughts == "maybe not"
    usage = brain.finish.usage
    assert usage is not None
    assert usage.thoughts > 0


def test_a_template_without_system_turns_gets_the_rules_with_the_message(make: Make) -> None:
    brain = make(REPLY, NO_SYSTEM)
    corrections = (("Only words.", "The reply has no cell."),)
    assert "".join(asyncio.run(said(brain, asked(corrections=corrections)))) == MADE
    assert brain.memory.model
    text, _ = brain.memory.model._fitted(asked(corrections=corrections).prompt)
    assert " ".join(text.split()) == (
        "<s> user Rules. The card. Write the next cell. <s> assistant Only words."
        " <s> user The reply has no cell. <go>"
    )


def test_a_prompt_longer_than_the_context_keeps_rules_and_end(make: Make) -> None:
    brain = make(REPLY, context=400)
    long = asked(stable="old " * 900, changing="x " * 20 + "Write the next cell.")
    assert "".join(asyncio.run(said(brain, long))) == MADE
    assert "did not fit the model's context" in brain.finish.detail
    assert brain.memory.model
    text, left_out = brain.memory.model._fitted(long.prompt)
    assert text.startswith("<s> system Rules.")
    assert text.rstrip().endswith("Write the next cell. <go>")
    assert f"the first {left_out} characters are left out" in text
    assert 250 < len(brain.memory.model._ids(text)) <= 300


def test_a_context_too_small_for_the_rules_is_said(make: Make) -> None:
    assert "is too small for the instructions alone" in gone(
        make(REPLY, context=100), asked(system="r " * 200)
    )


def test_a_model_without_a_chat_template_is_refused_before_any_work(make: Make) -> None:
    assert "has no chat template" in gone(make(REPLY, template=""))


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    assert "no config.json" in gone(LocalChat(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    assert "is no chat model that transformers can load" in gone(LocalChat(tmp_path))
    with pytest.raises(BrainRefused, match="needs --model DIR"):
        choose(BrainRequest("transformers", model=str(tmp_path / "none")), {})


def test_a_model_that_does_not_fit_the_memory_goes_and_the_run_stays(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    brain = make(REPLY)
    asyncio.run(brain.check())
    assert brain.memory.model

    def generate(**_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(brain.memory.model.model, "generate", generate)
    assert "give --model a smaller one" in gone(brain, asked())


def test_without_transformers_the_cure_is_named(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    brain = make(REPLY)
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    assert "pip install 'cobra_jupyter[deep]'" in gone(brain)
