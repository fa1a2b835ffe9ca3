"""Gemini writes the cells: streamed over google-genai, with caps, and with retries of our own."""

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

CHECKS, BETWEEN = 3, 0.5  # attempts to reach the provider before any work, seconds between two
MARGIN = 1.3  # tokens per estimated token of a prompt, until the provider has counted one
AWAY = 300.0  # seconds after which a provider that stayed away is asked again
TAIL = 2.0  # seconds for what may come after the reason why a reply ended


@dataclass
class Connection:
    """What all Gemini brains of a run share: the client, the account, the prices, how long faults are borne."""

    credentials: Credentials
    account: Account
    prices: Mapping[str, Price]
    patience: Patience = field(default_factory=Patience)

    @property
    def models(self) -> AsyncModels:
        """What replies are asked of. Raises what signing in raises."""
        return self._client.aio.models

    @cached_property
    def _client(self) -> genai.Client:
        """Kept, since the SDK's client closes its connections when it is forgotten. Its own retries are off."""
        c = self.credentials
        options = types.HttpOptions(base_url=c.endpoint, retry_options=types.HttpRetryOptions(attempts=1))
        if c.vertex and c.project:
            return genai.Client(vertexai=True, project=c.project, location=c.location, http_options=options)
        return genai.Client(vertexai=c.vertex, api_key=c.key, http_options=options)

    def fault(self, error: Exception, model: str) -> Fault:
        """What an exception means, without the key."""
        found = fault_of(error, model)
        return replace(found, words=self.credentials.hide(found.words))


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
        enough = begun + patience.bound(until - begun)  # of faults
        prompt = context.prompt  # outside of what is taken for a fault of the provider
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
            await self._bear(fault, attempt, enough)

    async def _bear(self, fault: Fault, attempt: int, enough: float) -> None:
        """Wait for another attempt. Raises BrainGone where none can help or none can be in time."""
        patience = self._connection.patience
        if fault.final:
            raise BrainGone(fault.words, fault.back)
        if attempt >= patience.attempts:
            words = f"{attempt} attempts at one reply failed, the last since {fault.words}"
            raise BrainGone(words, back=AWAY)
        wait = patience.before(attempt, fault.wait)
        if time.monotonic() + wait > enough:
            raise BrainGone(
                f"{fault.words}; another attempt after {wait:.0f} s would take too much time (this was the {attempt}.)",
                back=AWAY,
            )
        await asyncio.sleep(wait)

    async def _attempt(
        self, prompt: Prompt, answer: Answer, until: float, enough: float, tally: Tally
    ) -> AsyncGenerator[str, None]:
        """One request. Raises BrainGone at a cap or when time is over, or what the SDK raises."""
        guess = math.ceil(prompt.tokens * self._ratio)
        account = self._connection.account
        with account.hold(guess, prompt.most_output, self._price) as allowed:
            asked = replace(prompt, most_output=allowed)
            try:
                async with aclosing(self._chunks(asked, answer, until, enough)) as chunks:
                    async for chunk in chunks:
                        if text := answer.take(chunk):
                            yield text
                answer.end()
            finally:
                took, cost = tally.add(answer, guess)
                account.charge(took, cost)
        if answer.usage is not None and answer.usage.prompt_token_count and prompt.tokens:
            self._ratio = max(self._ratio, answer.usage.prompt_token_count / prompt.tokens)

    async def _chunks(
        self, prompt: Prompt, answer: Answer, until: float, enough: float
    ) -> AsyncGenerator[Any, None]:
        """What the provider sends, as long as it comes in time."""
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
                with suppress(Exception):  # the reply is whole, or what was wrong with it is on its way
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
        return TimeOver("the time for new work was over before its reply was whole")
    return Broken("the stream stood still" if began else "no answer began in time")
