"""The loopback server itself: its scripts, and the parts of the wire format that the brain does not use."""

from __future__ import annotations

from google import genai
from google.genai import types

from tests.fakes.gemini import KEY, FakeGemini
from tests.fakes.script import Fault, Reply, Script, parse, role_of

SESSION = """Words before the first reply are a comment.

=== lead: opens
!! 503
!! 429 retry-after=0.2
?? What are the columns?
?? Then the rows.
## Look
!! stays, since the text has begun

=== debugger
## Repair
=== lead
"""


def client(fake: FakeGemini, version: str | None = None) -> genai.Client:
    return genai.Client(
        api_key=KEY, vertexai=False, http_options=types.HttpOptions(base_url=fake.url, api_version=version)
    )


def test_a_session_is_read_as_it_is_written() -> None:
    first, repair, empty = parse(SESSION)
    faults = (Fault("503"), Fault("429", (("retry-after", "0.2"),)))
    text = "## Look\n!! stays, since the text has begun\n"
    assert first == Reply("lead", "opens", text, "What are the columns?\nThen the rows.", faults)
    assert (repair.role, repair.text, repair.title) == ("debugger", "## Repair\n", "")
    assert empty == Reply("lead", "", "")


def test_each_role_is_told_its_own_replies_in_order_after_their_faults_and_then_that_it_is_over() -> None:
    script = Script(parse(SESSION))
    assert script.next("debugger")[1].text == "## Repair\n"
    met = [script.next("lead") for _ in range(5)]
    assert [fate.name if fate else "" for fate, _ in met] == ["503", "429", "", "", ""]
    assert [reply.text.partition("\n")[0] for _, reply in met[2:]] == ["## Look", "", "The script is over."]


def test_a_role_is_known_by_the_first_sentence_of_its_prompt() -> None:
    assert role_of("You are the debugger of a run of Cobra: a cell failed.") == "debugger"
    assert role_of("You are a Kaggle grandmaster who leads a run: a scout may help.") == "lead"
    assert role_of("") == "lead"


def test_it_answers_whole_replies_counts_tokens_and_knows_its_models_under_either_version() -> None:
    script = Script(parse("=== lead\n?? Hm.\nHello there, all of you.\n"))
    with FakeGemini(script, size=5) as fake:
        beta, stable = client(fake, "v1beta"), client(fake)
        models = beta.models
        config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))
        answer = models.generate_content(model=fake.models[0], contents="Hello?", config=config)
        assert models.count_tokens(model=fake.models[0], contents="x" * 400).total_tokens == 100
        assert stable.models.get(model=fake.models[1]).name == f"models/{fake.models[1]}"
        assert [request.path.split("/")[1] for request in fake.requests] == ["v1beta", "v1beta", "v1"]
    assert answer.text == "Hello there, all of you.\n"
    assert answer.candidates
    content = answer.candidates[0].content
    assert content
    assert content.parts
    assert (content.parts[0].text, content.parts[0].thought) == ("Hm.", True)
    assert content.parts[-1].thought_signature
    assert answer.usage_metadata
    assert answer.usage_metadata.thoughts_token_count
