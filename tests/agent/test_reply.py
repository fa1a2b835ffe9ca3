from __future__ import annotations

from cobra_jupyter.agent.reply import parse

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
