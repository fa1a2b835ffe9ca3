"""Any local chat model through `transformers`, generating in a thread beside the runner's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cobra_jupyter.brains.base import BrainGone, Finish, Usage
from cobra_jupyter.brains.thoughts import Thoughts

if TYPE_CHECKING:
    from cobra_jupyter.brains.context import Context, Prompt

LEAST_OUTPUT = 1_024  # tokens a reply needs; a quarter of the context where that is less
UNKNOWN = 1 << 24  # tokens; tokenizers give enormous numbers where they know no limit
CUT = "[… the first {} characters are left out: they do not fit this model's context …]\n"
INSTALL = "--brain transformers needs torch and transformers: pip install 'cobra_jupyter[deep]'"
Message = dict[str, str]


@dataclass
class Memory:
    """One model, whatever the number of agents; one thread at a time loads it or generates."""

    model: _Model | None = None
    busy: threading.Lock = field(default_factory=threading.Lock)


class LocalChat:
    """A chat model in a folder of Hugging Face's layout. It is loaded when it is first needed (`check` does so ahead
    of any work), on a GPU where there is one. Code that comes with a model is never run."""

    name = "transformers"

    def __init__(self, folder: Path, most_output: int | None = None, memory: Memory | None = None) -> None:
        """`most_output`: tokens of a reply, thinking included; by default as many as the prompt allows. `memory`: where
        another of the same folder has its model, for agents that write at the same time."""
        self.folder, self._most_output = folder, most_output
        self.finish = Finish()
        self.memory = memory or Memory()

    async def check(self) -> None:
        """Load the model. Raises BrainGone."""
        await _in_thread(self._ready)

    async def reply(self, context: Context) -> AsyncIterator[str]:
        """Where the generator is closed or its task cancelled, generation ends with the token it is at."""
        begun = time.monotonic()
        loop, pieces, stop = asyncio.get_running_loop(), asyncio.Queue[str | _End](), threading.Event()

        def hand_on(piece: str | _End) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        def work() -> None:
            try:
                with self.memory.busy:
                    model = self._ready(locked=True)
                    hand_on(model.generate(context.prompt, self._most_output, hand_on, stop))
            except BaseException as error:  # told to whoever waits for the reply
                hand_on(_End(error=error))

        threading.Thread(target=work, name="local chat", daemon=True).start()
        split = Thoughts()
        try:
            while isinstance(piece := await pieces.get(), str):
                if piece.startswith(_BEGIN):
                    split = Thoughts(thinking=piece == _BEGIN + "thinking", others=self._specials)
                elif said := split.take(piece):
                    yield said
        finally:
            stop.set()
        if piece.error is not None:
            raise self._gone(piece.error) from piece.error
        if said := split.end():
            yield said
        self.finish = self._finish(piece, split.thoughts, time.monotonic() - begun)

    @property
    def _specials(self) -> tuple[str, ...]:
        return self.memory.model.specials if self.memory.model else ()

    def _finish(self, end: _End, thoughts: str, seconds: float) -> Finish:
        assert self.memory.model
        thinking = min(self.memory.model.count(thoughts), end.output) if thoughts else 0
        usage = Usage(
            self.folder.name, input=end.input, output=end.output - thinking, thoughts=thinking, cost=0.0,
            seconds=round(seconds, 3),
        )  # fmt: skip
        if end.left_out:
            detail = f"{end.left_out} characters of the prompt did not fit the model's context"
        else:
            detail = "length" if end.reason == "max_tokens" else ""
        return Finish(end.reason, detail, usage, thoughts.strip())

    def _ready(self, locked: bool = False) -> _Model:
        """The model, loaded once; runs in a thread."""
        with contextlib.nullcontext() if locked else self.memory.busy:
            if self.memory.model is None:
                try:
                    self.memory.model = _load(self.folder)
                except BrainGone:
                    raise
                except Exception as error:
                    raise self._gone(error) from error
            return self.memory.model

    def _gone(self, error: BaseException) -> BrainGone:
        """What a person can do about it."""
        if isinstance(error, BrainGone):
            return error
        if _no_memory(error):
            return BrainGone(
                f"{self.folder.name} does not fit the memory of this machine's "
                f"{self.memory.model.device if self.memory.model else 'processor'}: give --model a smaller one"
            )
        said = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        where = "could not go on" if self.memory.model else "is no chat model that transformers can load"
        return BrainGone(f"{self.folder} {where} ({said})")


_BEGIN = "\0"  # what the thread sends first: whether the reply begins within a thought


@dataclass(frozen=True)
class _End:
    """What the thread sends last. Tokens; `left_out` are characters of the prompt."""

    reason: str = "stop"
    input: int = 0
    output: int = 0
    left_out: int = 0
    error: BaseException | None = None


@dataclass(frozen=True)
class _Model:
    """A loaded model. `context`: tokens of prompt and reply together; `specials`: special tokens that a reply may
    hold, where they cannot be left out without losing the marks of thoughts."""

    tokenizer: Any
    model: Any
    device: str
    context: int
    specials: tuple[str, ...]

    def count(self, text: str) -> int:
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def generate(self, prompt: Prompt, most_output: int | None, say: Any, stop: threading.Event) -> _End:
        """Give the reply to `say` in pieces as they come. Runs in a thread."""
        import torch

        text, left_out = self._fitted(prompt)
        ids = self._ids(text)
        room = max(1, min(most_output or prompt.most_output, self.context - len(ids)))
        say(_BEGIN + ("thinking" if text.rstrip().endswith(("<think>", "<thinking>")) else ""))
        streamer = _streamer(self.tokenizer, say, skip=not self.specials)
        given = torch.tensor([ids], device=self.model.device)

        def stopped(input_ids: Any, scores: Any, **_: Any) -> Any:
            return torch.full((input_ids.shape[0],), stop.is_set(), device=input_ids.device)

        with torch.inference_mode():
            made = self.model.generate(
                input_ids=given, attention_mask=torch.ones_like(given), max_new_tokens=room,
                streamer=streamer, stopping_criteria=[stopped],
            )  # fmt: skip
        output = int(made.shape[1]) - len(ids)
        ended = int(made[0, -1]) in self._ends()
        return _End("max_tokens" if output >= room and not ended else "stop", len(ids), output, left_out)

    def _ends(self) -> set[int]:
        ends = self.model.generation_config.eos_token_id
        return set(ends) if isinstance(ends, list) else {ends}

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])  # the template has them

    def _fitted(self, prompt: Prompt) -> tuple[str, int]:
        """The prompt as the model reads it, and how many characters of it do not fit: rules and the end stay, what
        goes first are older corrections, then the beginning of the message. Raises BrainGone."""
        room = self.context - min(LEAST_OUTPUT, self.context // 4)
        shorter = prompt
        while len(self._ids(text := self._text(shorter))) > room and len(shorter.corrections) > 1:
            shorter = replace(shorter, corrections=shorter.corrections[1:])
        whole = f"{shorter.stable}\n\n{shorter.changing}"
        low, high = 0, len(whole)  # characters to leave out: `high` is enough, if anything is
        if len(self._ids(text)) <= room:
            return text, 0
        while high - low > max(1, len(whole) // 200):
            middle = (low + high) // 2
            if len(self._ids(self._text(_cut(shorter, whole, middle)))) <= room:
                high = middle
            else:
                low = middle
        text = self._text(_cut(shorter, whole, high))
        if high >= len(whole) or len(self._ids(text)) > room:
            raise BrainGone(
                f"the context of this model, {self.context} tokens, is too small for the instructions alone: "
                "give --model one with a context of 32,000 or more"
            )
        return text, high

    def _text(self, prompt: Prompt) -> str:
        """Through the model's own template; where that takes no system turn, rules and message are one turn."""
        from jinja2 import TemplateError

        message = f"{prompt.stable}\n\n{prompt.changing}".strip()
        try:
            return self._rendered([_turn("system", prompt.system), *_turns(message, prompt)])
        except TemplateError:
            return self._rendered(list(_turns(f"{prompt.system}\n\n{message}", prompt)))

    def _rendered(self, messages: list[Message]) -> str:
        return str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def _cut(prompt: Prompt, whole: str, characters: int) -> Prompt:
    return replace(prompt, stable=CUT.format(characters), changing=whole[characters:])


def _turn(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _turns(message: str, prompt: Prompt) -> Iterator[Message]:
    yield _turn("user", message)
    for bad, words in prompt.corrections:
        yield _turn("assistant", bad)
        yield _turn("user", words)


def _streamer(tokenizer: Any, say: Any, skip: bool) -> Any:
    from transformers import TextStreamer

    class Streamer(TextStreamer):
        """Hands text on as soon as it is certain."""

        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            if text:
                say(text)

    return Streamer(tokenizer, skip_prompt=True, skip_special_tokens=skip)


def _load(folder: Path) -> _Model:
    """Raises BrainGone, and whatever transformers raises."""
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging
    except ImportError as error:
        raise BrainGone(f"{INSTALL} ({error})") from None
    if not (folder / "config.json").exists():
        raise BrainGone(
            f"{folder} holds no model (no config.json): give --model a folder in Hugging Face's layout"
        )
    logging.disable_progress_bar()
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(folder, **local)
    if not tokenizer.chat_template:
        raise BrainGone(
            f"{folder.name} has no chat template, so it is no chat model: give --model an instruct or chat variant"
        )
    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    dtype = torch.float32 if device == "cpu" and _fits_float32(folder) else "auto"
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, **local)
    model = model.to(device).eval()
    if model.generation_config.pad_token_id is None:
        ends = model.generation_config.eos_token_id
        model.generation_config.pad_token_id = ends[0] if isinstance(ends, list) else ends
    config = model.config.get_text_config()
    limits = [getattr(config, "max_position_embeddings", None), tokenizer.model_max_length]
    context = min([limit for limit in limits if limit and limit < UNKNOWN], default=32_768)
    marked = any("think" in token for token in tokenizer.all_special_tokens)
    specials = tuple(tokenizer.all_special_tokens) if marked else ()
    return _Model(tokenizer, model, device, context, specials)


def _fits_float32(folder: Path) -> bool:
    """Whether weights, which may be stored in half of that, fit half of the free memory: processors are fastest so."""
    import psutil

    stored = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return bool(2 * stored < 0.5 * psutil.virtual_memory().available)


def _no_memory(error: BaseException) -> bool:
    words = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in words or "can't allocate memory" in words


async def _in_thread(work: Any) -> None:
    """As asyncio.to_thread, in a thread that does not keep the process from ending."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run, name="local chat", daemon=True).start()
    await done.wait()
    if failed:
        raise failed[0]
