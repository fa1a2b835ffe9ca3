"""A local chat model with `transformers`; it generates in a thread, outside the runner's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cobra_jupyter.brains.base import BrainGone, Finish, TooLate, Usage
from cobra_jupyter.brains.thoughts import Thoughts

if TYPE_CHECKING:
    from cobra_jupyter.brains.context import Context, Prompt

LEAST_OUTPUT = 1_024  # tokens reserved for a reply; a quarter of the context if that is less
UNKNOWN = 1 << 24  # tokens; tokenizers without a limit report enormous numbers
CUT = "[… the first {} characters are left out: they do not fit this model's context …]\n"
INSTALL = "--brain transformers needs torch and transformers: pip install 'cobra_jupyter[deep]'"
Message = dict[str, str]


@dataclass
class Memory:
    """The model that all agents share; one thread at a time loads it or generates."""

    model: _Model | None = None
    busy: threading.Lock = field(default_factory=threading.Lock)


class LocalChat:
    """A chat model in a folder in Hugging Face's layout. It is loaded when it is first needed, on a GPU if
    there is one; `check` loads it before the run. Code that comes with a model is never run."""

    name = "transformers"

    def __init__(self, folder: Path, most_output: int | None = None, memory: Memory | None = None) -> None:
        """`most_output`: most tokens of a reply, including thinking; by default the prompt's limit. `memory`:
        the model of another instance of the same folder, to share it."""
        self.folder, self._most_output = folder, most_output
        self.finish = Finish()
        self.memory = memory or Memory()

    async def check(self) -> None:
        """Load the model. Raises BrainGone."""
        await _in_thread(self._ready)

    async def reply(self, context: Context) -> AsyncIterator[str]:
        """If the generator is closed, its task cancelled, or `context.until` is over, the model stops before
        its next layer."""
        began = time.monotonic()
        loop, pieces = asyncio.get_running_loop(), asyncio.Queue[str | _End]()
        stop = _Stop(context.until)

        def hand_on(piece: str | _End) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        def work() -> None:
            try:
                with self.memory.busy:
                    stop.check()  # an earlier reply, or loading the model, may have taken all the time
                    model = self._ready(locked=True)
                    hand_on(model.generate(context.prompt, self._most_output, hand_on, stop))
            except BaseException as error:  # raised where the reply is awaited
                hand_on(_End(error=error))

        threading.Thread(target=work, name="local chat", daemon=True).start()
        split = Thoughts()
        try:
            while isinstance(piece := await pieces.get(), str):
                if piece.startswith(_BEGIN):
                    split = Thoughts(thinking=piece == _BEGIN + "thinking", others=self._specials)
                elif said := split.add(piece):
                    yield said
        finally:
            stop.closed.set()
        if isinstance(piece.error, _Stopped):
            raise TooLate(
                f"this machine is slow for {self.folder.name}: its reply was not complete after "
                f"{time.monotonic() - began:.0f} s, with {piece.error.tokens} tokens written"
            )
        if piece.error is not None:
            raise self._gone(piece.error) from piece.error
        if said := split.end():
            yield said
        self.finish = self._finish(piece, split.thoughts, time.monotonic() - began)

    @property
    def _specials(self) -> tuple[str, ...]:
        return self.memory.model.specials if self.memory.model else ()

    def _finish(self, end: _End, thoughts: str, seconds: float) -> Finish:
        assert self.memory.model
        thinking = min(self.memory.model.count(thoughts), end.output) if thoughts else 0
        usage = Usage(
            self.folder.name,
            input=end.input,
            output=end.output - thinking,
            thoughts=thinking,
            cost=0.0,
            seconds=round(seconds, 3),
        )
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
        """The error, with what the user can do about it."""
        if isinstance(error, BrainGone):
            return error
        if _no_memory(error):
            return BrainGone(
                f"{self.folder.name} does not fit the memory of this machine's "
                f"{self.memory.model.device if self.memory.model else 'processor'}: give --model a smaller "
                "one"
            )
        said = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        where = "could not go on" if self.memory.model else "is no chat model that transformers can load"
        return BrainGone(f"{self.folder} {where} ({said})")


class _Stopped(Exception):  # noqa: N818
    """The reply is not needed any more."""

    tokens = 0  # written before


@dataclass
class _Stop:
    """When to stop a reply: at `until` by the monotonic clock, or once `closed` is set."""

    until: float
    closed: threading.Event = field(default_factory=threading.Event)

    def check(self, *_: Any) -> None:
        """Raises _Stopped."""
        if self.closed.is_set() or time.monotonic() >= self.until:
            raise _Stopped

    @contextlib.contextmanager
    def within(self, model: Any) -> Iterator[None]:
        """Check before each layer: reading a long prompt takes minutes on a processor, in one step."""
        hooks = [module.register_forward_pre_hook(self.check) for module in model.modules()]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


_BEGIN = "\0"  # begins the thread's first message, which says whether the reply begins within a thought


@dataclass(frozen=True)
class _End:
    """The thread's last message. `input` and `output` are tokens, `left_out` characters of the prompt."""

    reason: str = "stop"
    input: int = 0
    output: int = 0
    left_out: int = 0
    error: BaseException | None = None


@dataclass(frozen=True)
class _Model:
    """A loaded model. `context`: tokens of prompt and reply together; `specials`: special tokens that stay in
    the streamed text because thoughts are marked with them."""

    tokenizer: Any
    model: Any
    device: str
    context: int
    specials: tuple[str, ...]

    def count(self, text: str) -> int:
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def generate(self, prompt: Prompt, most_output: int | None, say: Any, stop: _Stop) -> _End:
        """Call `say` with each piece of the reply. Runs in a thread. Raises _Stopped."""
        import torch

        text, left_out = self._fitted(prompt)
        ids = self._ids(text)
        room = max(1, min(most_output or prompt.most_output, self.context - len(ids)))
        say(_BEGIN + ("thinking" if text.rstrip().endswith(("<think>", "<thinking>")) else ""))
        streamer = _streamer(self.tokenizer, say, skip=not self.specials)
        given = torch.tensor([ids], device=self.model.device)

        try:
            with torch.inference_mode(), stop.within(self.model):
                made = self.model.generate(
                    input_ids=given,
                    attention_mask=torch.ones_like(given),
                    max_new_tokens=room,
                    streamer=streamer,
                )
        except _Stopped as stopped:
            stopped.tokens = streamer.tokens
            raise
        output = int(made.shape[1]) - len(ids)
        ended = int(made[0, -1]) in self._ends()
        return _End("max_tokens" if output >= room and not ended else "stop", len(ids), output, left_out)

    def _ends(self) -> set[int]:
        ends = self.model.generation_config.eos_token_id
        return set(ends) if isinstance(ends, list) else {ends}

    def _ids(self, text: str) -> list[int]:
        return list(
            self.tokenizer(text, add_special_tokens=False)["input_ids"]
        )  # the chat template adds them

    def _fitted(self, prompt: Prompt) -> tuple[str, int]:
        """Returns (prompt text that fits the context, number of characters left out). Raises BrainGone.

        Older corrections are dropped first, then the beginning of the message; the system instruction
        stays."""
        room = self.context - min(LEAST_OUTPUT, self.context // 4)
        shorter = prompt
        while len(self._ids(text := self._text(shorter))) > room and len(shorter.corrections) > 1:
            shorter = replace(shorter, corrections=shorter.corrections[1:])
        whole = f"{shorter.stable}\n\n{shorter.changing}"
        low, high = 0, len(whole)  # characters to leave out; `high` is enough if anything is
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
        """Apply the chat template; if it allows no system turn, system instruction and message are one
        turn."""
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
        """Passes text on as soon as it is final, and counts tokens."""

        tokens = -1  # the prompt comes first

        def put(self, value: Any) -> None:
            self.tokens += 1
            super().put(value)

        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            if text:
                say(text)

    return Streamer(tokenizer, skip_prompt=True, skip_special_tokens=skip)


def _load(folder: Path) -> _Model:
    """Load a model. Raises BrainGone, and what transformers raises."""
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
            f"{folder.name} has no chat template, so it is no chat model: give --model an instruct or chat "
            "variant"
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
    """Whether the weights as float32, the fastest type on a CPU, fit half of the free memory."""
    import psutil

    stored = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return bool(2 * stored < 0.5 * psutil.virtual_memory().available)


def _no_memory(error: BaseException) -> bool:
    words = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in words or "can't allocate memory" in words


async def _in_thread(work: Any) -> None:
    """Like asyncio.to_thread, but in a daemon thread, which does not delay the end of the process."""
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
