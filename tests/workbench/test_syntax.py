"""Definitions that agents write are read, or refused with one clear message, in any thread."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from cobra_jupyter.workbench import syntax
from tests.workbench.sources import LINEAR


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def f(:", "one: syntax error in line 1"),
        ("x = 1\n\nif", "one: syntax error in line 3"),
        ("x = '\0'", "one: .*null bytes"),
        ("-" * 200_000 + "1", "one: (syntax error|cannot be read as Python).*(nested|recursion)"),
        ("(" * 500 + ")" * 500, "one: (syntax error|cannot be read as Python).*(nested|recursion)"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(source: str, told: str) -> None:
    with pytest.raises(LookupError, match=told):
        syntax.parse("one", source, LookupError)


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Another thread runs wherever garbage is collected, which may be while a parser is at work."""
    before, interval = gc.get_threshold(), sys.getswitchinterval()

    def let_others_in(phase: str, info: dict[str, int]) -> None:
        time.sleep(0)

    gc.callbacks.append(let_others_in)
    gc.set_threshold(50)
    sys.setswitchinterval(1e-6)
    yield
    gc.callbacks.remove(let_others_in)
    gc.set_threshold(*before)
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("eager_threads")
def test_many_threads_may_read_at_once() -> None:
    sources = [f"{LINEAR}\n{'(' * 40}{number}{')' * 40}\n" for number in range(600)]
    with ThreadPoolExecutor(16) as threads:
        for tree in threads.map(lambda source: syntax.parse("one", source, LookupError), sources):
            assert tree.body
