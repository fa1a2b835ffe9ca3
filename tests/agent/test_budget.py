from __future__ import annotations

import pytest

from cobra_jupyter.agent.budget import BudgetError, parse, spoken


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("1h30m", 5400), ("24h", 86400), ("45", 45), ("1.5m", 90), ("1d", 86400)],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "10 m", "-5m", "5x", "m10"])
def test_an_invalid_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(BudgetError, match="write a duration like 90s"):
        parse(text)


def test_a_budget_too_small_for_anything_is_refused() -> None:
    with pytest.raises(BudgetError, match="too small"):
        parse("5s")


def test_durations_are_spoken_in_two_units() -> None:
    assert [spoken(s) for s in (3.2, 61, 250, 7300)] == ["3 s", "1 min 01 s", "4 min 10 s", "2 h 01 min"]
