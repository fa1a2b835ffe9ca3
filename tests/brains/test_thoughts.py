"""Thoughts are told apart from what is said, however the stream is torn."""

from __future__ import annotations

import pytest

from cobra_jupyter.brains.thoughts import Thoughts

WHOLE = "<think>What if <b>?\n```python\nx\n```\nNo.</think>\n## Title\n\n```python\na = '<think>'\n```\n"


def sort(text: str, size: int, **options: object) -> tuple[str, str]:
    split = Thoughts(**options)  # type: ignore[arg-type]
    said = "".join(split.add(text[start : start + size]) for start in range(0, len(text), size))
    return said + split.end(), split.thoughts


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_thoughts_are_kept_apart_and_code_stays_whole(size: int) -> None:
    said, thoughts = sort(WHOLE, size)
    assert said == "\n## Title\n\n```python\na = '<think>'\n```\n"
    assert thoughts == "What if <b>?\n```python\nx\n```\nNo."


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_thought_that_the_prompt_opened_ends_at_its_mark(size: int) -> None:
    assert sort("hm</think>## Go", size, thinking=True) == ("## Go", "hm")


def test_other_marks_are_dropped_and_what_only_looks_like_one_is_said() -> None:
    assert sort("a <thin air< |end|> b<|end|>", 3, others=("<|end|>",)) == ("a <thin air< |end|> b", "")
