"""Words that say how far ahead of its row a label lies become an assumption with the gap that cures it."""

from __future__ import annotations

import pytest

from cobra_jupyter.competition import horizon

DATED = {"day": "date", "x": "number"}


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("Predict whether a customer will churn within the next 30 days.", 30),
        ("The target is 1 if the machine fails in the following\ntwo weeks.", 14),
        ("The label is the price 3 days later.", 3),
        ("Give the probability of a default within one year.", 365),
    ],
)
def test_a_label_that_lies_ahead_is_said_with_its_gap(text: str, days: int) -> None:
    (assumption,) = horizon.assumed(text, DATED)
    assert assumption.about == "gap"
    assert f"gap={days})" in assumption.reason


@pytest.mark.parametrize(
    "text",
    [
        "Forecast the sales of the next 28 days.",  # rows of test, not labels ahead of their row
        "The data were published two weeks after collection.",
        "Predict whether it rains.",
    ],
)
def test_other_words_about_time_say_nothing_of_labels(text: str) -> None:
    assert horizon.assumed(text, DATED) == []


def test_without_dates_nothing_is_assumed() -> None:
    assert horizon.assumed("Predict whether it fails within 30 days.", {"x": "number"}) == []
