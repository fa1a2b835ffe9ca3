from __future__ import annotations

import pytest

from cobra_jupyter.agent.reply import complaint, parse
from cobra_jupyter.brains import Finish

REPLY = "## Title\nWords with `code`.\n\n```python\nx = 1\nprint('''\n```\n'''[:0])\n```\nafter"


def test_markdown_comes_first_then_one_cell() -> None:
    found = parse("## Title\nWords.\n\n```python\nx = 1\n```\n")
    assert (found.markdown, found.code, found.closed) == ("## Title\nWords.", "x = 1", True)


def test_a_reply_without_a_fence_is_words_only() -> None:
    found = parse("Only words.")
    assert (found.markdown, found.code, found.closed) == ("Only words.", None, False)


def test_the_cell_grows_while_the_reply_streams_and_never_shrinks() -> None:
    text = "## T\n\n```python\nfirst = 1\nsecond = 2\n```\n"
    seen = ""
    for end in range(len(text) + 1):
        code = parse(text[:end]).code or ""
        assert code.rstrip("`\n").startswith(seen.rstrip("`\n")), (seen, code)
        seen = code
    assert seen == "first = 1\nsecond = 2"


def test_a_reply_may_begin_with_the_fence() -> None:
    assert parse("```python\n1 + 1\n```").code == "1 + 1"


CELL = "```python\nx = 1\n```\n"
FAULTS = {
    "": "was empty",
    "Only words.": "has no cell",
    f"## One\n\n{CELL}\nthen\n\n{CELL}": "more than one fenced block",
    "## T\n\n```python\nx = (1,": "was cut off",
    "## T\n\n```bash\nls\n```\n": "fenced as bash",
    "## T\n\n```\nx = 1\n```\n": "names no language",
    "## T\n\n```python\n\n```\n": "cell is empty",
}


@pytest.mark.parametrize(("text", "words"), FAULTS.items())
def test_each_fault_of_a_reply_is_named_and_the_form_said_again(text: str, words: str) -> None:
    found = complaint(text, Finish())
    assert found is not None
    assert words in found
    assert "```python" in found
    assert len(found) < 300


def test_a_reply_in_the_grammar_has_no_complaint_and_prose_after_the_cell_is_let_pass() -> None:
    assert complaint(f"## T\nWords.\n\n{CELL}", Finish()) is None
    assert complaint(f"## T\n\n{CELL}\nGood luck.", Finish()) is None


def test_a_blocked_reply_and_one_at_the_token_limit_are_told_apart() -> None:
    assert "blocked (SAFETY)" in (complaint(CELL, Finish("blocked", "SAFETY")) or "")
    assert "most tokens" in (complaint("```python\nx", Finish("max_tokens", "MAX_TOKENS")) or "")
