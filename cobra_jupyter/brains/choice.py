"""Which brains a run has: who leads, and who takes its place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cobra_jupyter.brains.base import Brain, BrainGone
from cobra_jupyter.brains.credentials import Credentials

NAMES = ("auto", "playbook", "gemini", "transformers", "replay")
LEAD, FAST = "gemini-3.1-pro-preview", "gemini-3-flash-preview"
NO_KEY = (
    "--brain gemini needs a key: set GEMINI_API_KEY (or GOOGLE_API_KEY), or for Vertex AI GOOGLE_GENAI_USE_VERTEXAI=true "
    "with GOOGLE_CLOUD_PROJECT and GOOGLE_CLOUD_LOCATION; without one, --brain playbook works"
)
WITHOUT = ". Without a model, --brain playbook works"


class BrainRefused(ValueError):  # noqa: N818
    """There is no such brain here; the message names the cure."""


@dataclass(frozen=True)
class BrainRequest:
    """What was asked for. `model`: a Gemini model, or the folder of a local one; `source`: a recorded run or
    recording; caps in tokens and US dollars."""

    brain: str = "auto"
    model: str | None = None
    fast_model: str | None = None
    thinking: str = "high"
    keep_thoughts: bool = False
    max_tokens: int | None = None
    max_cost: float | None = None
    source: str | None = None
    record: str | None = None

    def settings(self) -> dict[str, Any]:
        """For the record: what differs from the defaults."""
        return {
            name: value
            for name, value in vars(self).items()
            if value != getattr(BrainRequest(), name) and name != "brain"
        }


Team = tuple[Brain, ...]


@dataclass(frozen=True)
class Brains:
    """`kind` is the --brain they are; `team` makes new brains for an agent of a role (lead, scout, auditor, judge): who
    leads it and who follows, in order, the debugger second where there is one. Agents may work at the same time: a
    brain writes one reply at a time, so each agent has a team of its own; caps hold for all together. `why` these;
    `check` asks the provider, before any work, whether they will be let in."""

    kind: str
    team: Callable[[str], Team]
    why: str
    check: Callable[[], Awaitable[None]] | None = None

    @cached_property
    def _lead(self) -> Team:
        return self.team("lead")

    @property
    def lead(self) -> Brain:
        return self._lead[0]

    @property
    def others(self) -> Team:
        return self._lead[1:]


def choose(wish: BrainRequest, environment: Mapping[str, str], spent: tuple[int, float] = (0, 0.0)) -> Brains:
    """`environment` holds the keys too; `spent` (tokens, dollars) by earlier lives of the run is counted on from there.
    Raises BrainRefused."""
    chosen = _choose(wish, environment, spent)
    if wish.record is None:
        return chosen
    from cobra_jupyter.brains import keys
    from cobra_jupyter.brains.recording import Recorder, recorded

    file, secrets = Path(wish.record), [environment[name] for name in keys.NAMES if environment.get(name)]

    try:
        first = recorded((chosen.lead, *chosen.others), file, secrets)
    except OSError as error:
        raise BrainRefused(
            f"--record {wish.record} cannot be written ({error.strerror}): name another file"
        ) from None

    def team(role: str) -> Team:
        if role == "lead":
            return first
        return tuple(Recorder(brain, file, secrets) for brain in chosen.team(role))

    return replace(chosen, team=team)


async def ready(brains: Brains, wish: BrainRequest) -> Brains:
    """The brains, once their provider has let them in; with --brain auto the playbook where no provider answers.
    Raises BrainGone for a key or model that is refused."""
    if brains.check is None:
        return brains
    from cobra_jupyter.brains.gemini import OutOfReach

    try:
        await brains.check()
    except OutOfReach as error:
        if wish.brain == "auto":
            return _playbook(f"a key is set, but no provider answers: {error}")
        raise BrainGone(f"{error}{WITHOUT}") from None
    except BrainGone as error:
        raise BrainGone(f"{error}{WITHOUT}") from None
    return brains


def _choose(wish: BrainRequest, environment: Mapping[str, str], spent: tuple[int, float]) -> Brains:
    if wish.brain == "playbook":
        return _playbook("asked for")
    if wish.brain == "transformers":
        return _local(wish)
    if wish.brain == "replay":
        return _replay(wish)
    if wish.brain not in NAMES:
        raise BrainRefused(f"there is no brain {wish.brain!r} here; there are {', '.join(NAMES)}")
    return _gemini(wish, environment, spent)


def _playbook(why: str) -> Brains:
    from cobra_jupyter.brains.playbook import Playbook

    return Brains("playbook", lambda role: (Playbook(),), why)


def _local(wish: BrainRequest) -> Brains:
    from cobra_jupyter.brains.playbook import Playbook
    from cobra_jupyter.brains.transformers import LocalChat, Memory

    if wish.model is None or not Path(wish.model).is_dir():
        raise BrainRefused(
            "--brain transformers needs --model DIR, the folder of a local chat model (Hugging Face layout)"
        )
    folder, memory = Path(wish.model), Memory()  # one model, whatever the number of agents

    def team(role: str) -> Team:
        return LocalChat(folder, memory=memory), Playbook()

    return Brains("transformers", team, "asked for", LocalChat(folder, memory=memory).check)


def _replay(wish: BrainRequest) -> Brains:
    from cobra_jupyter.brains.replay import Recording, replays

    if wish.source is None:
        raise BrainRefused(
            "--brain replay needs --replay RUN, a run's folder or a file written with --record"
        )
    try:
        recording = Recording(Path(wish.source))
    except (OSError, ValueError) as error:
        raise BrainRefused(f"--replay {wish.source}: {error}") from None
    return Brains("replay", lambda role: replays(recording), f"replayed from {wish.source}")


def _gemini(wish: BrainRequest, environment: Mapping[str, str], spent: tuple[int, float]) -> Brains:
    asked = wish.brain != "auto"
    try:
        found = Credentials.from_environment(environment)
    except ValueError as error:
        raise BrainRefused(str(error)) from None
    if found is None:
        if asked:
            raise BrainRefused(NO_KEY)
        return _playbook("no key is set (GEMINI_API_KEY)")
    if find_spec("google") is None or find_spec("google.genai") is None:
        if asked:
            raise BrainRefused("--brain gemini needs google-genai: pip install google-genai")
        return _playbook("google-genai is not installed")
    return _with_key(wish, environment, found, spent, "asked for" if asked else "a key is set")


def _with_key(
    wish: BrainRequest, environment: Mapping[str, str], found: Credentials, spent: tuple[int, float], why: str
) -> Brains:
    from cobra_jupyter.brains import prices
    from cobra_jupyter.brains.gemini import Connection, Gemini
    from cobra_jupyter.brains.playbook import Playbook
    from cobra_jupyter.brains.spending import Account, Caps

    lead, fast = wish.model or LEAD, wish.fast_model or FAST
    try:
        table = prices.load(environment)
    except ValueError as error:
        raise BrainRefused(str(error)) from None
    unknown = [model for model in (lead, fast) if prices.name_of(model) not in table]
    if wish.max_cost is not None and unknown:
        file = prices.users_file(environment)
        raise BrainRefused(f"--max-cost: the price of {unknown[0]} is not known; write it into {file}")
    account = Account(Caps(wish.max_tokens, wish.max_cost), *spent)
    shared = Connection(found, account, table)

    def models() -> tuple[Gemini, Gemini]:
        return Gemini(shared, lead, wish.thinking, wish.keep_thoughts), Gemini(shared, fast, "low")

    async def check() -> None:
        for model in models():
            await model.check()

    return Brains("gemini", lambda role: (*models(), Playbook()), why, check)
