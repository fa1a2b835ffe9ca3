"""The positive class follows from names, words and the description; else it is a question."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cobra_jupyter.competition import CompetitionError, positive

LABELS = pd.Series(["x"])
HALF = pd.Series([0.5, 0.5])


def found(classes: tuple[object, ...], output: str = "target", text: str = "") -> tuple[object, bool]:
    made = positive.order(classes, output, text, pd.Series(list(classes)), HALF, None)
    return made.classes[-1], made.sure


@pytest.mark.parametrize(
    ("classes", "output", "text", "right"),
    [
        (("churned", "retained"), "churned_probability", "", "churned"),
        (("kept", "left"), "p_left", "", "left"),
        (("default", "paid"), "defaulted", "", "default"),
        (("alive", "dead"), "ProbDead", "", "dead"),
        (("spam", "mail"), "not_spam", "", "mail"),
        ((0, 1), "target", "", 1),
        ((0.0, 1.0), "target", "", 1.0),
        ((-1, 1), "target", "", 1),
        ((0, 4), "target", "", 4),
        ((False, True), "target", "", True),
        (("N", "Y"), "target", "", "Y"),
        (("absent", "present"), "target", "", "present"),
        (("no fraud", "fraud"), "target", "", "fraud"),
        (("fraud", "none"), "target", "", "fraud"),
        (("benign", "malignant"), "target", "Predict the probability of malignancy.", "malignant"),
        (("cat", "dog"), "target", "For each image give the probability that it shows a cat.", "cat"),
        (("buy", "sell"), "target", "Buyers and sellers trade. Predict the likelihood of a sell.", "sell"),
        (("ham", "spam"), "target", "The positive class is ham.", "ham"),
        (("left", "stayed"), "target", "Predict whether an employee left rather than stayed.", "left"),
    ],
)
def test_the_positive_class_is_found(
    classes: tuple[object, ...], output: str, text: str, right: object
) -> None:
    assert found(classes, output, text) == (right, True)
    assert found(classes[::-1], output, text) == (right, True)


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        ((1, 2), ""),
        (("cat", "dog"), "Cats and dogs."),
        (("cat", "dog"), "Predict the probability of cat or dog."),
    ],
)
def test_what_nothing_decides_is_not_sure(classes: tuple[object, ...], text: str) -> None:
    assert not found(classes, "target", text)[1]


def test_a_guess_takes_the_class_whose_share_the_sample_holds_else_the_rarer() -> None:
    values = pd.Series(["cat"] * 70 + ["dog"] * 30)
    rare = positive.order(("cat", "dog"), "target", "", values, HALF, None)
    assert (rare.classes, rare.sure) == (("cat", "dog"), False)
    told = positive.order(("cat", "dog"), "target", "", values, pd.Series(np.full(9, 0.7)), None)
    assert (told.classes, told.sure) == (("dog", "cat"), False)


def test_the_setting_decides_and_must_be_a_class() -> None:
    made = positive.order(("cat", "dog"), "dog", "", LABELS, HALF, "cat")
    assert made.classes == ("dog", "cat")
    with pytest.raises(CompetitionError, match="cat or dog"):
        positive.order(("cat", "dog"), "dog", "", LABELS, HALF, "eel")
