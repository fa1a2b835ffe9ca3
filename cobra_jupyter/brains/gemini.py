"""The Gemini brain: streams replies over google-genai, within caps and with its own retries."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from google import genai
from google.genai import types
from google.genai.models import AsyncModels

from cobra_jupyter.brains import prices
from cobra_jupyter.brains.answer import Answer, Tally
from cobra_jupyter.brains.base import BrainGone, Finish, OutOfReach, TimeOver
from cobra_jupyter.brains.credentials import Credentials
from cobra_jupyter.brains.faults import Broken, Fault, Patience, fault_of
from cobra_jupyter.brains.prices import Price
from cobra_jupyter.brains.spending import Account

if TYPE_CHECKING:
    from cobra_jupyter.brains.context import Context, Prompt

CHECKS, BETWEEN = 3, 0.5  # attempts to reach the provider before the run, and seconds between them
MARGIN = 1.3  # tokens per estimated token, until the provider has counted a prompt
AWAY = 300.0  # seconds after which an unreachable provider is asked again
TAIL = 2.0  # seconds to wait for more chunks after the finish reason


@dataclass
class Connection:
    """Shared by all Gemini brains of a run: the client, the account, the prices, the retry limits."""

    credentials: Credentials
    account: Account
    prices: Mapping[str, Price]
    patience: Patience = field(default_factory=Patience)

    @property
    def models(self) -> AsyncModels:
        """The client's models. Raises what the sign-in raises."""
        return self._client.aio.models

    @cached_property
    def _client(self) -> genai.Client:
        """Kept, because the SDK's client closes its connections when it is deleted. Its own retries are
        off."""
        c = self.credentials
        options = types.HttpOptions(base_url=c.endpoint, retry_options=types.HttpRetryOptions(attempts=1))
        if c.vertex and c.project:
            return genai.Client(vertexai=True, project=c.project, location=c.location, http_options=options)
        return genai.Client(vertexai=c.vertex, api_key=c.key, http_options=options)

    def fault(self, error: Exception, model: str) -> Fault:
        """Interpret an exception; the key is removed from the text."""
        found = fault_of(error, model)
        return replace(found, words=self.credentials.hide(found.words))


class Gemini:
    """A Gemini model. One instance writes one reply at a time; all instances of a run share a connection."""

    def __init__(
        self, connection: Connection, model: str, thinking: str = "high", keep_thoughts: bool = False
    ) -> None:
        self.name = model
        self.finish = Finish()
        self._connection, self._thinking, self._keep = connection, thinking, keep_thoughts
        self._price = connection.prices.get(prices.name_of(model))
        self._ratio = MARGIN

    async def check(self) -> None:
        """Check key and model, at no cost. Raises BrainGone, or OutOfReach if the provider does not answer; a
        busy provider is accepted."""
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
                return None  # a compatible endpoint that cannot count tokens
            return self._connection.fault(error, self.name)
        return None

    async def reply(self, context: Context) -> AsyncIterator[str]:
        """See Brain. Waits and retries end when the time that the context allows is over."""
        begun, until, patience = time.monotonic(), context.clock.until, self._connection.patience
        enough = begun + patience.bound(until - begun)  # for faults
        prompt = context.prompt  # outside the `try`: its errors are not the provider's
        tally = Tally(self.name, self._price)
        said = False
        for attempt in itertools.count(1):
            answer = Answer(self._keep)
            try:
                if said:
                    yield ""
                async with aclosing(self._attempt(prompt, answer, until, enough, tally)) as pieces:
                    async for piece in pieces:
                        said = True
                        yield piece
                self.finish = answer.finish(tally.usage(time.monotonic() - begun, attempt - 1))
                return
            except BrainGone:
                raise
            except Exception as error:
                fault = self._connection.fault(error, self.name)
            await self._wait_after(fault, attempt, enough)

    async def _wait_after(self, fault: Fault, attempt: int, enough: float) -> None:
        """Wait for the next attempt. Raises BrainGone if none can help, or none fits the time."""
        patience = self._connection.patience
        if fault.final:
            raise BrainGone(fault.words, fault.back)
        if attempt >= patience.attempts:
            words = f"{attempt} attempts at one reply failed; the last error: {fault.words}"
            raise BrainGone(words, back=AWAY)
        wait = patience.before(attempt, fault.wait)
        if time.monotonic() + wait > enough:
            raise BrainGone(
                f"{fault.words}; waiting {wait:.0f} s after attempt {attempt} would take too much time",
                back=AWAY,
            )
        await asyncio.sleep(wait)

    async def _attempt(
        self, prompt: Prompt, answer: Answer, until: float, enough: float, tally: Tally
    ) -> AsyncGenerator[str, None]:
        """Make one request. Raises BrainGone at a cap or when time is over, and what the SDK raises."""
        guess = math.ceil(prompt.tokens * self._ratio)
        account = self._connection.account
        with account.hold(guess, prompt.most_output, self._price) as allowed:
            capped = replace(prompt, most_output=allowed)
            try:
                async with aclosing(self._chunks(capped, answer, until, enough)) as chunks:
                    async for chunk in chunks:
                        if text := answer.add(chunk):
                            yield text
                answer.end()
            finally:
                tokens, cost = tally.add(answer, guess)
                account.charge(tokens, cost)
        if answer.usage is not None and answer.usage.prompt_token_count and prompt.tokens:
            self._ratio = max(self._ratio, answer.usage.prompt_token_count / prompt.tokens)

    async def _chunks(
        self, prompt: Prompt, answer: Answer, until: float, enough: float
    ) -> AsyncGenerator[Any, None]:
        """Yields the provider's chunks. Raises a time-out as Broken or TimeOver."""
        models, patience = self._connection.models, self._connection.patience
        chunks: Any = None
        stall = min(patience.stall, patience.bound(until - time.monotonic()))
        try:
            async with asyncio.timeout(_left(patience.first_byte, min(until, enough))):
                chunks = await models.generate_content_stream(
                    model=self.name, contents=_contents(prompt), config=self._config(prompt)
                )
                chunk = await anext(chunks, None)
            while chunk is not None:
                yield chunk
                wait = TAIL if answer.reason else stall
                async with asyncio.timeout(_left(wait, until)):
                    chunk = await anext(chunks, None)
        except TimeoutError:
            if answer.reason is None:
                raise _late(until, answer.began) from None
        except Exception:
            if answer.reason is None:
                raise
        finally:
            if chunks is not None:
                with suppress(Exception):  # the reply is complete, or another error is being raised
                    await chunks.aclose()

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


def _contents(prompt: Prompt) -> list[types.Content]:
    """The message: the stable part first, for the provider's cache, then each bad reply with its
    correction."""
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
    """`seconds`, or fewer if time is over before."""
    return max(0.0, min(seconds, until - time.monotonic()))


def _late(until: float, began: bool) -> Exception:
    """The exception for a time-out."""
    if time.monotonic() >= until - 0.01:
        return TimeOver("the time for new work was over before the reply was complete")
    return Broken("the stream stalled" if began else "no answer came in time")
