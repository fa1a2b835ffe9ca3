from __future__ import annotations

import pytest

from cobra_jupyter.agent.reply import complaint, parse
from cobra_jupyter.brains.base import Finish

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
def test_each_complaint_names_the_fault_and_repeats_the_form(text: str, words: str) -> None:
    found = complaint(text, Finish())
    assert found is not None
    assert words in found
    assert "```python" in found
    assert len(found) < 300


def test_a_correct_reply_has_no_complaint_even_with_prose_after_the_cell() -> None:
    assert complaint(f"## T\nWords.\n\n{CELL}", Finish()) is None
    assert complaint(f"## T\n\n{CELL}\nGood luck.", Finish()) is None


def test_a_blocked_reply_and_one_at_the_token_limit_are_told_apart() -> None:
    assert "blocked (SAFETY)" in (complaint(CELL, Finish("blocked", "SAFETY")) or "")
    assert "most tokens" in (complaint("```python\nx", Finish("max_tokens", "MAX_TOKENS")) or "")


# ---- what is taken as meant

MEANT = {
    "blanks after the fence": "## T\n\n```python \t\nx = 1\nif x:\n    y = 2\n```\n",
    "blanks after the closing fence": "## T\n\n```python\nx = 1\nif x:\n    y = 2\n``` \t",
    "blanks before the language": "## T\n\n``` python\nx = 1\nif x:\n    y = 2\n```",
    "py": "## T\n\n```py\nx = 1\nif x:\n    y = 2\n```\n",
    "Python": "## T\n\n```Python\nx = 1\nif x:\n    y = 2\n```\n",
    "python3": "## T\n\n```python3\nx = 1\nif x:\n    y = 2\n```\n",
    "ipython": "## T\n\n```ipython\nx = 1\nif x:\n    y = 2\n```\n",
    "CRLF": "## T\r\n\r\n```python\r\nx = 1\r\nif x:\r\n    y = 2\r\n```\r\n",
    "all indented by one": "## T\n\n ```python\n x = 1\n if x:\n     y = 2\n ```\n",
    "all indented by four": "## T\n\n    ```python\n    x = 1\n    if x:\n        y = 2\n    ```\n",
    "fences alone indented": "## T\n\n    ```python\nx = 1\nif x:\n    y = 2\n    ```\n",
    "closed without the indent": "## T\n\n  ```python\n  x = 1\n  if x:\n      y = 2\n```\n",
}


@pytest.mark.parametrize("text", MEANT.values(), ids=MEANT)
def test_variants_of_the_fence_are_accepted(text: str) -> None:
    found = parse(text)
    assert (found.markdown, found.code, found.closed) == ("## T", "x = 1\nif x:\n    y = 2", True)
    assert complaint(text, Finish()) is None


@pytest.mark.parametrize("text", [*MEANT.values(), REPLY], ids=[*MEANT, "a fence in a string"])
def test_with_every_character_the_cell_stays_or_grows_and_no_fence_is_ever_seen(text: str) -> None:
    code: str | None = None
    markdown = ""
    for end in range(len(text) + 1):
        found = parse(text[:end])
        assert "`" not in (found.code or "")
        assert "``" not in found.markdown
        assert found.markdown.startswith(markdown)
        assert code is None or (found.code or "").startswith(code), text[:end]
        code, markdown = found.code, found.markdown
    assert code


def test_an_indented_fence_in_a_string_of_the_cell_does_not_close_it() -> None:
    text = "```python\ndef words():\n    return '''\n    ```\n    text\n    ```\n    '''\n```\n"
    assert parse(text).code == text[len("```python\n") : -len("\n```\n")]
    assert complaint(text, Finish()) is None


def test_the_first_line_alone_tells_whether_a_cell_is_indented() -> None:
    text = "    ```python\n\n    x = '''\nat the margin\n      further in\n    '''\n    ```\n"
    assert parse(text).code == "\nx = '''\nat the margin\n  further in\n'''"


def test_a_second_cell_is_seen_however_it_is_fenced() -> None:
    for second in (
        "    ```python\n    y = 2\n    ```\n",
        "```py \ny = 2\n```",
        "```Python\r\ny = 2\r\n```\r\n",
    ):
        assert "more than one fenced block" in (complaint(f"## T\n\n{CELL}\n{second}", Finish()) or "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("## T\n\n```python", "was cut off"),
        ("## T\n\n```python\n```\n", "cell is empty"),
        ("## T\n\n    ```python\n    \n    ```\n", "cell is empty"),
        ("## T\n\n  ```bash \nls\n```\n", "fenced as bash;"),
        ("## T\r\n\r\n```\r\nx = 1\r\n```\r\n", "names no language"),
        ("## T\n\n```pyspark\nx = 1\n```\n", "fenced as pyspark;"),
    ],
)
def test_the_complaint_about_a_fence_is_precise(text: str, words: str) -> None:
    assert words in (complaint(text, Finish()) or "")
