"""Which brains a run has: who leads, and who takes its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cobra_jupyter.brains import Brain

NAMES = ("auto", "playbook", "gemini", "transformers", "replay")
LEAD, FAST = "gemini-3.1-pro-preview", "gemini-3-flash-preview"
NO_KEY = (
    "--brain gemini needs a key: set GEMINI_API_KEY (or GOOGLE_API_KEY), or for Vertex AI GOOGLE_GENAI_USE_VERTEXAI=true "
    "with GOOGLE_CLOUD_PROJECT and GOOGLE_CLOUD_LOCATION; without one, --brain playbook works"
)


class BrainRefused(ValueError):  # noqa: N818
    """There is no such brain here; the message names the cure."""


@dataclass(frozen=True)
class Wish:
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
            if value != getattr(Wish(), name) and name != "brain"
        }


@dataclass(frozen=True)
class Brains:
    """`lead` and who follows it, in order; `why` these; `spent` (tokens, dollars) so far is counted on from there."""

    lead: Brain
    others: tuple[Brain, ...]
    why: str


def choose(wish: Wish, environment: Mapping[str, str], spent: tuple[int, float] = (0, 0.0)) -> Brains:
    """`environment` holds the keys too. Raises BrainRefused."""
    chosen = _choose(wish, environment, spent)
    if wish.record is None:
        return chosen
    from cobra_jupyter import keys
    from cobra_jupyter.brains.recording import recorded

    secrets = [environment[name] for name in keys.NAMES if environment.get(name)]
    try:
        lead, *others = recorded((chosen.lead, *chosen.others), Path(wish.record), secrets)
    except OSError as error:
        raise BrainRefused(
            f"--record {wish.record} cannot be written ({error.strerror}): name another file"
        ) from None
    return replace(chosen, lead=lead, others=tuple(others))


def _choose(wish: Wish, environment: Mapping[str, str], spent: tuple[int, float]) -> Brains:
    from cobra_jupyter.brains.playbook import Playbook

    if wish.brain == "playbook":
        return Brains(Playbook(), (), "asked for")
    if wish.brain == "transformers":
        return _local(wish)
    if wish.brain == "replay":
        return _replay(wish)
    return _gemini(wish, environment, spent)


def _local(wish: Wish) -> Brains:
    from cobra_jupyter.brains.playbook import Playbook
    from cobra_jupyter.brains.transformers import LocalChat

    if wish.model is None or not Path(wish.model).is_dir():
        raise BrainRefused(
            "--brain transformers needs --model DIR, the folder of a local chat model (Hugging Face layout)"
        )
    return Brains(LocalChat(Path(wish.model)), (Playbook(),), "asked for")


def _replay(wish: Wish) -> Brains:
    from cobra_jupyter.brains.replay import replays

    if wish.source is None:
        raise BrainRefused(
            "--brain replay needs --replay RUN, a run's folder or a file written with --record"
        )
    try:
        lead, *others = replays(Path(wish.source))
        return Brains(lead, tuple(others), f"replayed from {wish.source}")
    except (OSError, ValueError) as error:
        raise BrainRefused(f"--replay {wish.source}: {error}") from None


def _gemini(wish: Wish, environment: Mapping[str, str], spent: tuple[int, float]) -> Brains:
    from cobra_jupyter.brains.playbook import Playbook

    try:
        from cobra_jupyter.brains import gemini, prices
    except ImportError:
        if wish.brain == "auto":
            return Brains(Playbook(), (), "google-genai is not installed")
        raise BrainRefused("--brain gemini needs google-genai: pip install google-genai") from None
    keys = gemini.Credentials.from_environment(environment)
    if keys is None:
        if wish.brain == "auto":
            return Brains(Playbook(), (), "no key is set (GEMINI_API_KEY)")
        raise BrainRefused(NO_KEY)
    caps, used = gemini.Caps(wish.max_tokens, wish.max_cost), gemini.Spent(*spent)
    try:
        table = prices.load(None)
    except ValueError as error:
        raise BrainRefused(str(error)) from None
    lead = gemini.Gemini(
        keys,
        wish.model or LEAD,
        thinking=wish.thinking,
        keep_thoughts=wish.keep_thoughts,
        caps=caps,
        prices=table,
        spent=used,
    )
    fast = gemini.Gemini(keys, wish.fast_model or FAST, thinking="low", caps=caps, prices=table, spent=used)
    return Brains(lead, (fast, Playbook()), "asked for" if wish.brain == "gemini" else "a key is set")
