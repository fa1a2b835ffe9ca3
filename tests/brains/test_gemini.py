"""Gemini over the real SDK, against a loopback server: what it sends, how it handles answers and faults."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import google.auth
import google.oauth2.credentials
import pytest

from cobra_jupyter.agent.prompt import render
from cobra_jupyter.brains import prices
from cobra_jupyter.brains.answer import Answer
from cobra_jupyter.brains.base import BrainGone, Finish, TimeOver
from cobra_jupyter.brains.context import Clock, Context
from cobra_jupyter.brains.credentials import Credentials
from cobra_jupyter.brains.faults import Patience
from cobra_jupyter.brains.gemini import AWAY, Connection, Gemini, OutOfReach
from cobra_jupyter.brains.spending import LEAST, Account, Caps
from tests.fakes.gemini import KEY, FakeGemini
from tests.fakes.script import Fault, Reply, Script, parse
from tests.fakes.wire import Request
from tests.patience import PATIENCE

LEAD = "gemini-3.1-pro-preview"
BRIEF = Patience(first_byte=3.0, stall=3.0, attempts=4, pause=0.01, longest=0.02)  # where silence is met
QUICK = replace(BRIEF, first_byte=60.0, stall=60.0)  # a slow machine is no fault
SAID = "## Step\nLook at the columns first.\n\n```python\n1 + 1\n```\n"
HALF = "Half a reply"


@pytest.fixture
def fake() -> Iterator[FakeGemini]:
    with FakeGemini(Script.of(*[SAID] * 20), size=10) as server:
        yield server


def connection(fake: FakeGemini | str, patience: Patience = QUICK, **account: Any) -> Connection:
    url = fake if isinstance(fake, str) else fake.url
    return Connection(
        Credentials(KEY, endpoint=url), Account(**account), prices.load({"HOME": "/nowhere"}), patience
    )


def context(seconds: float | None = 600.0, **more: Any) -> Context:
    """With so many seconds free."""
    return Context(Clock(seconds, seconds or 0.0, 0.0), {}, render=render, **more)


async def pieces(brain: Gemini, told: Context) -> list[str]:
    return [piece async for piece in brain.reply(told)]


def reply(brain: Gemini, told: Context | None = None) -> tuple[str, Finish]:
    """The reply as a notebook would show it: an empty piece begins it anew."""
    text = ""
    for piece in asyncio.run(pieces(brain, told or context())):
        text = text + piece if piece else ""
    return text, brain.finish


def replies(brain: Gemini, number: int) -> None:
    for _ in range(number):
        reply(brain)


# ---- a reply


def test_a_reply_comes_in_pieces_and_says_how_it_ended_and_what_it_took(fake: FakeGemini) -> None:
    brain = Gemini(connection(fake), LEAD)
    said = asyncio.run(pieces(brain, context()))
    assert "".join(said) == SAID
    assert len(said) > 4
    finish, usage = brain.finish, brain.finish.usage
    assert (finish.reason, finish.detail, finish.thoughts) == ("stop", "STOP", "")
    assert usage
    assert (usage.model, usage.retries) == (LEAD, 0)
    assert usage.input == fake.asked[0].tokens
    assert usage.thoughts > 0
    assert usage.cost == pytest.approx((usage.input * 2 + (usage.output + usage.thoughts) * 12) / 1e6)


def test_the_request_has_the_system_instruction_then_what_stays_then_what_changes(fake: FakeGemini) -> None:
    told = context(description="Predict the price.")
    reply(Gemini(connection(fake), LEAD, thinking="low"), told)
    request, prompt = fake.asked[0], told.prompt
    assert request.texts == [prompt.system, prompt.stable, prompt.changing]
    assert request.headers["x-goog-api-key"] == KEY
    assert KEY not in request.path
    assert request.body["generationConfig"]["maxOutputTokens"] == prompt.most_output
    assert request.thinking == {"level": "LOW"}


def test_corrections_become_turns_of_model_and_user_and_an_empty_reply_none(fake: FakeGemini) -> None:
    told = context(
        corrections=(("no cell", "write a cell"), ("", "it was empty"), ("```bash", "python only"))
    )
    reply(Gemini(connection(fake), LEAD), told)
    turns = [(c["role"], [p["text"] for p in c["parts"]]) for c in fake.asked[0].body["contents"]]
    assert turns[1:] == [
        ("model", ["no cell"]),
        ("user", ["write a cell", "it was empty"]),
        ("model", ["```bash"]),
        ("user", ["python only"]),
    ]


@pytest.mark.parametrize("keep", [True, False])
def test_thoughts_stay_out_of_the_reply_and_are_kept_only_where_allowed(keep: bool) -> None:
    script = Script(parse(f"=== lead\n?? What are the columns?\n{SAID}"))
    with FakeGemini(script) as fake:
        text, finish = reply(Gemini(connection(fake), LEAD, keep_thoughts=keep))
        thinking = fake.asked[0].thinking
    assert text == SAID
    assert finish.thoughts == ("What are the columns?" if keep else "")
    assert thinking.get("thoughts", False) is keep


def test_what_the_provider_had_in_its_cache_is_counted_and_cheaper(fake: FakeGemini) -> None:
    brain = Gemini(connection(fake), LEAD)
    reply(brain)
    usage = reply(brain)[1].usage
    assert usage
    assert usage.cached > 1_000
    fresh = usage.input - usage.cached
    cost = (fresh * 2 + usage.cached * 0.2 + (usage.output + usage.thoughts) * 12) / 1e6
    assert usage.cost == pytest.approx(cost)


def test_a_model_without_a_price_has_no_cost() -> None:
    with FakeGemini(Script.of(SAID), models=("other",)) as fake:
        usage = reply(Gemini(connection(fake), "other"))[1].usage
    assert usage
    assert usage.cost is None


class Together(FakeGemini):
    """Answers no request before a second one is there."""

    both = threading.Barrier(2)

    def fate(self, request: Request) -> tuple[Fault | None, Reply]:
        self.both.wait(PATIENCE)
        return super().fate(request)


def test_brains_of_a_run_write_at_the_same_time_each_with_its_own_finish() -> None:
    async def both(brains: list[Gemini]) -> list[list[str]]:
        return await asyncio.gather(*(pieces(brain, context()) for brain in brains))

    with Together(Script.of(SAID, SAID), pace=0.02, size=10) as fake:
        shared = connection(fake)
        brains = [Gemini(shared, LEAD), Gemini(shared, "gemini-3-flash-preview")]
        said = asyncio.run(both(brains))
    assert ["".join(pieces_) for pieces_ in said] == [SAID, SAID]
    assert not fake.both.broken
    used = [brain.finish.usage for brain in brains]
    assert [u.model for u in used if u] == [LEAD, "gemini-3-flash-preview"]
    assert shared.account.tokens == sum(u.input + u.output + u.thoughts for u in used if u)


def test_vertex_ai_is_spoken_to_with_a_token_or_with_a_key(
    fake: FakeGemini, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in = google.oauth2.credentials.Credentials(token=KEY)
    monkeypatch.setattr(google.auth, "default", lambda **_: (signed_in, "p"))
    for found in (
        Credentials(None, True, "p", "global", fake.url),
        Credentials(KEY, True, endpoint=fake.url),
    ):
        assert reply(Gemini(Connection(found, Account(), {}, QUICK), LEAD))[0] == SAID
    token, key = fake.asked
    assert token.path.startswith(
        f"/v1beta1/projects/p/locations/global/publishers/google/models/{LEAD}:stream"
    )
    assert token.headers["authorization"] == f"Bearer {KEY}"
    assert key.headers["x-goog-api-key"] == KEY


# ---- faults that pass


@pytest.mark.parametrize(
    "words", ["429", "500", "502", "503", "504", "slow", "stall", "reset", "cut", "torn", "garbage", "error"]
)
def test_a_fault_that_passes_leads_to_another_attempt_and_a_whole_reply(fake: FakeGemini, words: str) -> None:
    fake.fail(words)
    patience = BRIEF if words in ("slow", "stall") else QUICK
    text, finish = reply(Gemini(connection(fake, patience), LEAD))
    assert text == SAID
    assert finish.reason == "stop"
    assert finish.usage
    assert finish.usage.retries == 1
    assert len(fake.asked) == 2


def test_an_answer_that_broke_off_is_forgotten_before_the_next_begins(fake: FakeGemini) -> None:
    fake.fail("cut after=1")
    said = asyncio.run(pieces(Gemini(connection(fake), LEAD), context()))
    place = said.index("")
    assert "".join(said[:place]).startswith("Half")
    assert "".join(said[place + 1 :]) == SAID


def test_what_broken_attempts_took_is_counted(fake: FakeGemini) -> None:
    fake.fail("cut after=1")
    shared = connection(fake)
    usage = reply(Gemini(shared, LEAD))[1].usage
    assert usage
    assert usage.input == 2 * fake.asked[1].tokens
    assert shared.account.tokens == usage.input + usage.output + usage.thoughts
    assert shared.account.cost == pytest.approx(usage.cost)


@pytest.mark.parametrize("asked", ["retry-after=0.4", "retry-delay=0.4"])
def test_no_attempt_comes_before_the_time_that_the_provider_asked_to_wait(
    fake: FakeGemini, asked: str
) -> None:
    fake.fail(f"429 {asked}")
    assert reply(Gemini(connection(fake), LEAD))[0] == SAID
    assert fake.asked[1].at - fake.asked[0].at >= 0.4


def test_the_sdk_itself_tries_once(fake: FakeGemini) -> None:
    fake.fail("503", last=None)
    with pytest.raises(BrainGone):
        reply(Gemini(connection(fake, Patience(attempts=1)), LEAD))
    assert len(fake.asked) == 1


def test_attempts_are_bounded_in_number_and_the_message_names_the_last_fault(fake: FakeGemini) -> None:
    fake.fail("503", last=None)
    with pytest.raises(BrainGone, match=r"4 attempts .*overloaded"):
        reply(Gemini(connection(fake), LEAD))
    assert len(fake.asked) == QUICK.attempts


def test_it_gives_up_at_once_where_the_wait_asked_for_exceeds_its_share_of_the_time_left(
    fake: FakeGemini,
) -> None:
    fake.fail("429 retry-after=40", last=None)
    with pytest.raises(BrainGone, match="too much time"):
        reply(Gemini(connection(fake), LEAD), context(60.0))
    assert len(fake.asked) == 1


@pytest.mark.parametrize("words", ["slow", "stall after=1"])
def test_a_silent_provider_is_not_waited_for_beyond_the_time_left(fake: FakeGemini, words: str) -> None:
    fake.fail(words, last=None)
    with pytest.raises(BrainGone):
        reply(Gemini(connection(fake, Patience()), LEAD), context(1.0))


@pytest.mark.parametrize("words", ["slow", "stall after=1", "503"])
def test_with_a_day_left_a_provider_is_borne_for_a_bounded_time_and_asked_again_later(
    fake: FakeGemini, words: str
) -> None:
    fake.fail(words, last=None)
    patience = Patience(first_byte=0.3, stall=0.3, pause=0.01, longest=0.1, most=1.0)
    brain = Gemini(connection(fake, patience), LEAD)
    with asyncio.Runner() as runner:
        runner.run(brain.check())  # the SDK's first use takes its own time
        with pytest.raises(BrainGone) as caught:
            runner.run(pieces(brain, context(86_400.0)))
    assert caught.value.back == AWAY
    assert not isinstance(caught.value, TimeOver)
    assert 1 < len(fake.asked) < patience.attempts


@pytest.mark.parametrize("error", [KeyError("candidates"), ValueError("odd"), RuntimeError(f"with {KEY}")])
def test_whatever_the_sdk_throws_is_borne_like_a_fault_of_the_provider(
    fake: FakeGemini, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    take, thrown = Answer.add, [error]

    def odd(self: Answer, chunk: Any) -> str:
        if thrown and self.characters:
            raise thrown.pop()
        return take(self, chunk)

    monkeypatch.setattr(Answer, "add", odd)
    text, finish = reply(Gemini(connection(fake), LEAD))
    assert text == SAID
    assert finish.usage
    assert finish.usage.retries == 1


def test_what_the_sdk_throws_each_time_ends_the_brain_for_now_and_is_named_without_the_key(
    fake: FakeGemini, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(self: Answer, chunk: Any) -> str:
        raise KeyError(KEY)

    monkeypatch.setattr(Answer, "add", odd)
    with pytest.raises(BrainGone, match=r"4 attempts .*KeyError") as caught:
        reply(Gemini(connection(fake), LEAD))
    assert caught.value.back == AWAY
    assert KEY not in str(caught.value)


def test_a_defect_of_ours_in_the_context_is_no_fault_of_the_provider(fake: FakeGemini) -> None:
    with pytest.raises(FileNotFoundError):
        reply(Gemini(connection(fake), LEAD), context(role="nobody"))
    assert fake.asked == []


def test_a_reply_that_is_still_coming_when_time_is_over_is_given_up() -> None:
    with (
        FakeGemini(Script.of(SAID * 300), pace=0.05) as fake,
        pytest.raises(TimeOver, match="time for new work"),
    ):
        reply(Gemini(connection(fake, Patience()), LEAD), context(6.0))


def test_a_reply_that_is_no_longer_wanted_ends_the_request_and_is_charged() -> None:
    async def first_piece(brain: Gemini) -> None:
        stream = brain.reply(context())
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]

    with FakeGemini(Script.of(SAID * 300), pace=0.05) as fake:
        shared = connection(fake)
        asyncio.run(first_piece(Gemini(shared, LEAD)))
    assert shared.account.tokens > fake.asked[0].tokens


# ---- faults that stay


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        ("bad-key", "GEMINI_API_KEY"),
        ("401", "GEMINI_API_KEY"),
        ("403", "project, region and billing"),
        ("404", "--model"),
        ("429-day", "day's quota"),
        ("400", "refused"),
    ],
)
def test_what_cannot_pass_ends_the_brain_at_once_with_the_cure_and_without_the_key(
    fake: FakeGemini, words: str, cure: str
) -> None:
    fake.fail(words, last=None)
    with pytest.raises(BrainGone, match=cure) as caught:
        reply(Gemini(connection(fake), LEAD))
    assert caught.value.back == (3_600.0 if words == "429-day" else None)
    assert len(fake.asked) == 1
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "reason", "detail"),
    [
        ("SAFETY", "blocked", "SAFETY"),
        ("RECITATION", "blocked", "RECITATION"),
        ("MAX_TOKENS", "max_tokens", "MAX_TOKENS"),
        ("MALFORMED_RESPONSE", "malformed", "MALFORMED_RESPONSE"),
        ("MALFORMED_FUNCTION_CALL", "malformed", "MALFORMED_FUNCTION_CALL"),
        ("OTHER", "other", "OTHER"),
        ("empty", "empty", "no candidates"),
        ("blocked", "blocked", "prompt: PROHIBITED_CONTENT"),
    ],
)
def test_a_reply_the_provider_ended_is_no_fault_but_says_why(
    fake: FakeGemini, words: str, reason: str, detail: str
) -> None:
    fake.fail(words)
    _, finish = reply(Gemini(connection(fake), LEAD))
    assert (finish.reason, finish.detail) == (reason, detail)
    assert len(fake.asked) == 1


def test_a_reply_of_no_words_is_empty() -> None:
    with FakeGemini(Script.of("")) as fake:
        assert reply(Gemini(connection(fake), LEAD))[1].reason == "empty"


# ---- before any work


def test_a_check_asks_once_and_makes_no_reply(fake: FakeGemini) -> None:
    asyncio.run(Gemini(connection(fake), LEAD).check())
    assert [request.path for request in fake.requests] == [f"/v1/models/{LEAD}:countTokens"]


def test_a_check_refuses_a_wrong_key_and_a_wrong_model(fake: FakeGemini) -> None:
    with pytest.raises(BrainGone, match="no model gemini-9"):
        asyncio.run(Gemini(connection(fake), "gemini-9").check())
    fake.key = "another"
    with pytest.raises(BrainGone, match="GEMINI_API_KEY"):
        asyncio.run(Gemini(connection(fake), LEAD).check())


def test_a_check_of_nobody_says_so() -> None:
    with pytest.raises(OutOfReach, match="GOOGLE_GEMINI_BASE_URL"):
        asyncio.run(Gemini(connection("http://127.0.0.1:9"), LEAD).check())


# ---- caps


def test_a_cap_on_tokens_is_never_passed_and_no_request_is_made_that_could(fake: FakeGemini) -> None:
    shared = connection(fake, caps=Caps(tokens=30_000))
    brain = Gemini(shared, LEAD)
    with pytest.raises(BrainGone, match=r"cap of 30,000 tokens.*--max-tokens"):
        replies(brain, 20)
    assert 0 < shared.account.tokens <= 30_000
    assert shared.account.tokens + LEAST + 2 * fake.asked[0].tokens > 30_000


def test_a_cap_on_money_is_never_passed(fake: FakeGemini) -> None:
    shared = connection(fake, caps=Caps(cost=0.05))
    brain = Gemini(shared, LEAD)
    with pytest.raises(BrainGone, match=r"cap of \$0.05.*--max-cost"):
        replies(brain, 20)
    assert 0 < shared.account.cost <= 0.05


def test_what_earlier_lives_of_a_run_spent_counts(fake: FakeGemini) -> None:
    with pytest.raises(BrainGone, match="99,000 are used"):
        reply(Gemini(connection(fake, caps=Caps(tokens=100_000), tokens=99_000), LEAD))
    assert fake.asked == []


def test_two_brains_at_once_cannot_pass_a_cap_together() -> None:
    async def both(shared: Connection) -> list[Any]:
        tasks = [pieces(Gemini(shared, LEAD), context()) for _ in range(2)]
        return await asyncio.gather(*tasks, return_exceptions=True)

    with FakeGemini(Script.of(SAID, SAID), pace=0.02) as fake:
        found = asyncio.run(both(connection(fake, caps=Caps(tokens=30_000))))
    gone = [result for result in found if isinstance(result, BrainGone)]
    assert [error.back for error in gone] == [20.0]


def test_near_a_cap_a_shorter_reply_is_asked_for(fake: FakeGemini) -> None:
    assert reply(Gemini(connection(fake, caps=Caps(tokens=10_000)), LEAD))[0] == SAID
    asked = fake.asked[0].body["generationConfig"]["maxOutputTokens"]
    assert LEAST <= asked < 10_000 - fake.asked[0].tokens
