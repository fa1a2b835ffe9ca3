"""Which brains a run has, and why."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cobra_jupyter.brains.base import BrainGone
from cobra_jupyter.brains.choice import BrainRefused, BrainRequest, choose, ready
from cobra_jupyter.brains.credentials import Credentials
from cobra_jupyter.brains.kinds.gemini import FAST, LEAD
from tests.fakes.gemini import KEY, FakeGemini

NOBODY = "http://127.0.0.1:9"


def test_auto_takes_the_playbook_without_a_key_and_gemini_with_one_and_says_why() -> None:
    without, with_key = choose(BrainRequest(), {}), choose(BrainRequest(), {"GEMINI_API_KEY": KEY})
    assert (without.kind, without.lead.name, without.others) == ("playbook", "playbook", ())
    assert "no key is set" in without.why
    assert [brain.name for brain in (with_key.lead, *with_key.others)] == [LEAD, FAST, "playbook"]
    assert (with_key.kind, with_key.why) == ("gemini", "a key is set")


def test_gemini_without_a_key_is_refused_with_the_cure() -> None:
    with pytest.raises(BrainRefused, match="GEMINI_API_KEY"):
        choose(BrainRequest("gemini"), {})


@pytest.mark.parametrize("environment", [{}, {"GEMINI_API_KEY": KEY}], ids=["no key", "a key"])
def test_a_brain_that_is_not_known_is_refused_by_name_with_those_that_are(
    environment: dict[str, str],
) -> None:
    with pytest.raises(BrainRefused, match="no brain 'scripted' here; there are auto, playbook, gemini"):
        choose(BrainRequest("scripted"), environment)


def test_each_agent_has_a_team_of_its_own_and_the_lead_keeps_its_team() -> None:
    brains = choose(BrainRequest("gemini", model="big", fast_model="small"), {"GEMINI_API_KEY": KEY})
    lead, scout = brains.team("lead"), brains.team("scout")
    assert [brain.name for brain in scout] == ["big", "small", "playbook"]
    assert not set(map(id, lead)) & set(map(id, scout))
    assert brains.lead is brains.lead
    assert brains.others[0] is brains.others[0]
    assert all(
        len(choose(BrainRequest("playbook"), {}).team(role)) == 1
        for role in ("lead", "scout", "auditor", "judge")
    )


def test_a_cap_on_money_needs_prices_that_are_known(tmp_path: Path) -> None:
    environment = {"GEMINI_API_KEY": KEY, "XDG_CONFIG_HOME": str(tmp_path)}
    choose(BrainRequest("gemini", max_cost=1.0), environment)
    with pytest.raises(BrainRefused, match="price of mine is not known"):
        choose(BrainRequest("gemini", model="mine", max_cost=1.0), environment)


def test_brains_are_ready_once_the_provider_knows_key_and_both_models() -> None:
    with FakeGemini() as fake:
        environment = {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": fake.url}
        brains = choose(BrainRequest(), environment)
        assert asyncio.run(ready(brains, BrainRequest())) is brains
        assert [request.model for request in fake.requests] == [LEAD, FAST]
        with pytest.raises(BrainGone, match=r"gemini-9.*--brain playbook"):
            asyncio.run(ready(choose(BrainRequest(fast_model="gemini-9"), environment), BrainRequest()))


def test_where_no_provider_answers_auto_takes_the_playbook_and_gemini_is_refused() -> None:
    environment = {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": NOBODY}
    taken = asyncio.run(ready(choose(BrainRequest(), environment), BrainRequest()))
    assert taken.kind == "playbook"
    assert "no provider answers" in taken.why
    wish = BrainRequest("gemini")
    with pytest.raises(BrainGone, match="GOOGLE_GEMINI_BASE_URL"):
        asyncio.run(ready(choose(wish, environment), wish))


def test_credentials_come_from_either_key_or_vertex_and_are_in_no_representation() -> None:
    read = Credentials.from_environment
    assert read({}) is None
    assert read({"GOOGLE_API_KEY": " a-key\n", "GEMINI_API_KEY": "b"}) == Credentials("a-key")
    vertex = {
        "GOOGLE_GENAI_USE_VERTEXAI": "true",
        "GOOGLE_CLOUD_PROJECT": "p",
        "GOOGLE_CLOUD_LOCATION": "europe-west4",
    }
    assert read(vertex) == Credentials(None, True, "p", "europe-west4")
    assert read({"GOOGLE_GENAI_USE_VERTEXAI": "true"}) is None
    assert KEY not in repr(read({"GEMINI_API_KEY": KEY}))
    assert read({"GEMINI_API_KEY": KEY}).hide(f"no {KEY}!") == "no [key]!"  # type: ignore[union-attr]


def test_a_key_that_can_be_none_is_refused_without_being_said() -> None:
    with pytest.raises(BrainRefused, match="characters") as caught:
        choose(BrainRequest(), {"GEMINI_API_KEY": "AIza-first\nsecond"})
    assert "AIza" not in str(caught.value)
