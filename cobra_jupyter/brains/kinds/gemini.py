"""Gemini: one model leads, a fast one repairs failing cells, the playbook takes over if both fail."""

from __future__ import annotations

from importlib.util import find_spec

from cobra_jupyter.brains.kind import (
    Availability,
    BrainKind,
    BrainRefused,
    BrainRequest,
    Brains,
    Environment,
    Spent,
)

LEAD, FAST = "gemini-3.1-pro-preview", "gemini-3-flash-preview"
NO_KEY = (
    "gemini needs a key: set GEMINI_API_KEY (or GOOGLE_API_KEY), or for Vertex AI "
    "GOOGLE_GENAI_USE_VERTEXAI=true with GOOGLE_CLOUD_PROJECT and GOOGLE_CLOUD_LOCATION; without one, "
    "--brain playbook works"
)
NO_LIBRARY = "gemini needs google-genai: pip install google-genai"


def _available(environment: Environment) -> Availability:
    from cobra_jupyter.brains.credentials import Credentials

    try:
        found = Credentials.from_environment(environment)
    except ValueError as error:
        return Availability(False, str(error), mistake=True)
    if found is None:
        return Availability(False, NO_KEY, "no key is set (GEMINI_API_KEY)")
    if find_spec("google") is None or find_spec("google.genai") is None:
        return Availability(False, NO_LIBRARY, "google-genai is not installed")
    return Availability(True, "a key is set")


def _make(request: BrainRequest, environment: Environment, spent: Spent) -> Brains:
    from cobra_jupyter.brains import prices
    from cobra_jupyter.brains.credentials import Credentials

    found, availability = None, _available(environment)
    if availability.ready:
        found = Credentials.from_environment(environment)
    if found is None:
        raise BrainRefused(availability.why if availability.mistake else f"--brain {availability.why}")
    from cobra_jupyter.brains.gemini import Connection, Gemini
    from cobra_jupyter.brains.playbook import Playbook
    from cobra_jupyter.brains.spending import Account, Caps

    lead, fast = request.model or LEAD, request.fast_model or FAST
    try:
        table = prices.load(environment)
    except ValueError as error:
        raise BrainRefused(str(error)) from None
    unknown = [model for model in (lead, fast) if prices.name_of(model) not in table]
    if request.max_cost is not None and unknown:
        file = prices.users_file(environment)
        raise BrainRefused(f"--max-cost: the price of {unknown[0]} is not known; add it to {file}")
    account = Account(Caps(request.max_tokens, request.max_cost), *spent)
    shared = Connection(found, account, table)

    def models() -> tuple[Gemini, Gemini]:
        return Gemini(shared, lead, request.thinking, request.keep_thoughts), Gemini(shared, fast, "low")

    async def check() -> None:
        for model in models():
            await model.check()

    return Brains("gemini", lambda role: (*models(), Playbook()), "asked for", check)


BRAIN = BrainKind("gemini", 2, _make, _available, in_lab=True, preferred=True)
