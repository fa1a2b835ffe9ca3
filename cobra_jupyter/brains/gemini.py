"""Gemini writes the cells: streamed over google-genai, with caps, and with retries of our own."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from google import genai
from google.genai import types

from cobra_jupyter.brains import BrainGone, Finish, Usage, prices
from cobra_jupyter.brains.credentials import Credentials
from cobra_jupyter.brains.faults import Broken, Fault, Patience, fault_of
from cobra_jupyter.brains.prices import Price
from cobra_jupyter.brains.spending import Account

if TYPE_CHECKING:
    from cobra_jupyter.agent.context import Context
    from cobra_jupyter.agent.prompt import Prompt

CHECKS, BETWEEN = 3, 0.5  # attempts to reach the provider before any work, seconds between two
MARGIN = 1.3  # tokens per estimated token of a prompt, until the provider has counted one
TAIL = 2.0  # seconds for what may come after the reason why a reply ended
_REASONS = {
    "stop": ("STOP",),
    "max_tokens": ("MAX_TOKENS",),
    "malformed": ("MALFORMED_", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"),
    "blocked": (
        "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_", "MODEL_ARMOR", "ESCALATION",
    ),
}  # fmt: skip


class OutOfReach(BrainGone):
    """The provider did not answer at all."""


@dataclass
class Connection:
    """What all Gemini brains of a run share: the client, the account, the prices, how long faults are borne."""

    credentials: Credentials
    account: Account
    prices: Mapping[str, Price]
    patience: Patience = field(default_factory=Patience)

    @cached_property
    def models(self) -> Any:
        """The SDK's asynchronous models; its own retries are off. Raises what signing in raises."""
        c = self.credentials
        options = types.HttpOptions(base_url=c.endpoint, retry_options=types.HttpRetryOptions(attempts=1))
        if c.vertex and c.project:
            client = genai.Client(vertexai=True, project=c.project, location=c.location, http_options=options)
        else:
            client = genai.Client(vertexai=c.vertex, api_key=c.key, http_options=options)
        return client.aio.models

    def fault(self, error: Exception, model: str) -> Fault:
        """What an exception means, without the key. Raises it again where it is a defect of ours."""
        found = fault_of(error, model)
        if found is None:
            raise error
        return Fault(self.credentials.hide(found.words), found.final, found.wait, found.reached)


class Gemini:
    """A brain behind Google's API. One instance writes one reply at a time; those of a run share a connection."""

    def __init__(
        self, connection: Connection, model: str, thinking: str = "high", keep_thoughts: bool = False
    ) -> None:
        self.name = model
        self.finish = Finish()
        self._connection, self._thinking, self._keep = connection, thinking, keep_thoughts
        self._price = connection.prices.get(prices.name_of(model))
        self._ratio = MARGIN

    async def check(self) -> None:
        """Ask whether key and model are good, which costs nothing. Raises BrainGone, OutOfReach where nobody answers;
        a provider that is merely busy is no reason not to begin."""
        words = ""
        for attempt in range(1, CHECKS + 1):
            fault = await self._try()
            if fault is None or (fault.reached and not fault.final):
                return
            if fault.final:
                raise BrainGone(f"{self.name}: {fault.words}")
            words = fault.words
            if attempt < CHECKS:
                await asyncio.sleep(BETWEEN)
        raise OutOfReach(f"{self.name}: {words}. Check the network, and GOOGLE_GEMINI_BASE_URL if it is set")

    async def _try(self) -> Fault | None:
        try:
            models = self._connection.models
            async with asyncio.timeout(20):
                await models.count_tokens(model=self.name, contents="ping")
        except Exception as error:
            if (
                getattr(error, "code", None) in (404, 405, 501)
                and getattr(error, "status", "") != "NOT_FOUND"
            ):
                return None  # an endpoint of another make that does not count
            return self._connection.fault(error, self.name)
        return None

    async def reply(self, context: Context) -> AsyncIterator[str]:
        """See Brain. Waits and retries never outlast the time that was left when the context was made."""
        begun, until, patience = time.monotonic(), context.clock.until, self._connection.patience
        enough = begun + patience.share * (until - begun)  # of faults; infinite without a budget
        tally = _Tally(self.name, self._price)
        said = False
        for attempt in itertools.count(1):
            stream = _Stream(self._keep)
            try:
                if said:
                    yield ""
                async with aclosing(self._attempt(context.prompt, stream, until, tally)) as pieces:
                    async for piece in pieces:
                        said = True
                        yield piece
                self.finish = stream.finish(tally.usage(time.monotonic() - begun, attempt - 1))
                return
            except BrainGone:
                raise
            except Exception as error:
                fault = self._connection.fault(error, self.name)
            await self._bear(fault, attempt, enough)

    async def _bear(self, fault: Fault, attempt: int, enough: float) -> None:
        """Wait for another attempt. Raises BrainGone where none can help or none can be in time."""
        patience = self._connection.patience
        if fault.final:
            raise BrainGone(fault.words)
        if attempt >= patience.attempts:
            raise BrainGone(f"{attempt} attempts at one reply failed, the last since {fault.words}")
        wait = patience.before(attempt, fault.wait)
        if time.monotonic() + wait > enough:
            raise BrainGone(
                f"{fault.words}; another attempt after {wait:.0f} s would leave too little time (this was the {attempt}.)"
            )
        await asyncio.sleep(wait)

    async def _attempt(
        self, prompt: Prompt, stream: _Stream, until: float, tally: _Tally
    ) -> AsyncGenerator[str, None]:
        """One request. Raises BrainGone at a cap or when time is over, or what the SDK raises."""
        guess = math.ceil(prompt.tokens * self._ratio)
        account = self._connection.account
        with account.hold(guess + prompt.most_output, self._most(guess, prompt.most_output)):
            try:
                async with aclosing(self._chunks(prompt, stream, until)) as chunks:
                    async for chunk in chunks:
                        if text := stream.take(chunk):
                            yield text
                stream.end()
            finally:
                took, cost = tally.add(stream, guess)
                account.charge(took, cost)
        if stream.usage is not None and stream.usage.prompt_token_count and prompt.tokens:
            self._ratio = max(self._ratio, stream.usage.prompt_token_count / prompt.tokens)

    async def _chunks(self, prompt: Prompt, stream: _Stream, until: float) -> AsyncGenerator[Any, None]:
        """What the provider sends, as long as it comes in time."""
        models, patience, chunks = self._connection.models, self._connection.patience, None
        share = patience.share * (until - time.monotonic())
        try:
            first = min(patience.first_byte, share)
            async with asyncio.timeout(_left(first, until)):
                chunks = await models.generate_content_stream(
                    model=self.name, contents=_contents(prompt), config=self._config(prompt)
                )
                chunk = await anext(chunks, None)
            while chunk is not None:
                yield chunk
                wait = TAIL if stream.reason else min(patience.stall, share)
                async with asyncio.timeout(_left(wait, until)):
                    chunk = await anext(chunks, None)
        except TimeoutError:
            if stream.reason is None:
                raise _late(until, stream.began) from None
        except Exception:
            if stream.reason is None:
                raise
        finally:
            if chunks is not None:
                await chunks.aclose()

    def _most(self, input_: int, output: int) -> float | None:
        return self._price.of(input_, 0, output) if self._price else None

    def _config(self, prompt: Prompt) -> types.GenerateContentConfig:
        return types.GenerateContentConfig(
            system_instruction=prompt.system,
            max_output_tokens=prompt.most_output,
            thinking_config=types.ThinkingConfig(
                thinking_level=types.ThinkingLevel(self._thinking.upper()),
                include_thoughts=self._keep or None,
            ),
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )


@dataclass
class _Stream:
    """A reply as far as it has come: its thoughts, why it ended, what it took."""

    keep: bool
    thoughts: list[str] = field(default_factory=list)
    characters: int = 0
    began: bool = False
    candidate: bool = False
    reason: str | None = None
    detail: str = ""
    usage: Any = None

    def take(self, chunk: Any) -> str:
        """→ the text of the reply in it; thoughts are set apart."""
        self.began = True
        self.usage = chunk.usage_metadata or self.usage
        if (feedback := chunk.prompt_feedback) is not None and feedback.block_reason:
            self.reason, self.detail = "blocked", f"prompt: {_word(feedback.block_reason)}"
        if not chunk.candidates:
            return ""
        self.candidate = True
        candidate, text = chunk.candidates[0], ""
        for part in (candidate.content and candidate.content.parts) or ():
            if part.thought:
                self.thoughts.append(part.text or "")
            else:
                text += part.text or ""
        if candidate.finish_reason:
            self.detail = _word(candidate.finish_reason)
            self.reason = _reason(self.detail)
        self.characters += len(text)
        return text

    def end(self) -> None:
        """The provider sends no more. Raises Broken where the reply is not whole."""
        if self.reason is None and (self.candidate or not self.began):
            raise Broken("the stream ended before the reply was whole")
        if self.reason is None:
            self.reason, self.detail = "empty", "no candidates"

    def finish(self, usage: Usage) -> Finish:
        reason = self.reason or "empty"
        if reason == "stop" and not self.characters:
            reason = "empty"
        return Finish(reason, self.detail, usage, "".join(self.thoughts) if self.keep else "")


@dataclass
class _Tally:
    """What all attempts at one reply took together."""

    model: str
    price: Price | None
    input: int = 0
    cached: int = 0
    output: int = 0
    thoughts: int = 0
    cost: float = 0.0

    def add(self, stream: _Stream, guess: int) -> tuple[int, float | None]:
        """Count an attempt: by the provider's numbers, or by guess where it broke before they came. → tokens, dollars"""
        if (used := stream.usage) is not None:
            new = (
                used.prompt_token_count or 0, used.cached_content_token_count or 0, used.candidates_token_count or 0,
                used.thoughts_token_count or 0,
            )  # fmt: skip
        else:
            new = (guess, 0, stream.characters // 3, 0) if stream.began else (0, 0, 0, 0)
        input_, cached, output, thoughts = new
        self.input, self.cached = self.input + input_, self.cached + cached
        self.output, self.thoughts = self.output + output, self.thoughts + thoughts
        cost = self.price.of(input_, cached, output + thoughts) if self.price else None
        self.cost += cost or 0.0
        return input_ + output + thoughts, cost

    def usage(self, seconds: float, retries: int) -> Usage:
        cost = round(self.cost, 8) if self.price else None
        return Usage(
            self.model, self.input, self.cached, self.output, self.thoughts, cost, round(seconds, 3), retries
        )


def _contents(prompt: Prompt) -> list[types.Content]:
    """What stays comes first, so that the provider finds it in its cache; then each bad reply and its correction."""
    first = [part for part in (prompt.stable, prompt.changing) if part]
    contents: list[types.Content] = [types.UserContent(first)]
    for bad, correction in prompt.corrections:
        if bad.strip():
            contents += [types.ModelContent(bad), types.UserContent(correction)]
        else:  # a part must not be empty
            parts = [*(contents[-1].parts or ()), types.Part(text=correction)]
            contents[-1] = types.UserContent(parts)
    return contents


def _left(seconds: float, until: float) -> float:
    """So many seconds, or fewer where time is over before."""
    return max(0.0, min(seconds, until - time.monotonic()))


def _late(until: float, began: bool) -> Exception:
    """A time-out in words."""
    if time.monotonic() >= until - 0.01:
        return BrainGone("the time for new work was over before its reply was whole")
    return Broken("the stream stood still" if began else "no answer began in time")


def _word(value: Any) -> str:
    return str(getattr(value, "value", value))


def _reason(word: str) -> str:
    """The provider's word in ours."""
    return next((ours for ours, theirs in _REASONS.items() if word.startswith(theirs)), "other")
