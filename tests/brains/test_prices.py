"""What tokens cost: the packaged table, and a user's own over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cobra_jupyter.brains import prices
from cobra_jupyter.brains.kinds.gemini import FAST, LEAD
from cobra_jupyter.brains.prices import Price, PriceError


def own(home: Path, text: str) -> dict[str, str]:
    """An environment whose user wrote these prices."""
    file = home / "cobra" / "prices.toml"
    file.parent.mkdir()
    file.write_text(text)
    return {"XDG_CONFIG_HOME": str(home)}


def test_the_packaged_table_knows_the_default_models(tmp_path: Path) -> None:
    table = prices.load({"HOME": str(tmp_path)})
    assert {LEAD, FAST} <= set(table)


def test_cached_input_is_cheaper_and_long_input_dearer_for_the_whole_request() -> None:
    price = Price(2.0, 0.2, 12.0, 200_000, Price(4.0, 0.4, 18.0))
    assert price.of(100_000, 0, 1_000) == pytest.approx(0.2 + 0.012)
    assert price.of(100_000, 60_000, 1_000) == pytest.approx(0.08 + 0.012 + 0.012)
    assert price.of(200_000, 0, 0) == pytest.approx(0.4)
    assert price.of(200_001, 0, 1_000) == pytest.approx(0.800004 + 0.018)


def test_a_users_prices_go_before_the_packaged_ones_and_may_name_other_models(tmp_path: Path) -> None:
    text = f'["{LEAD}"]\ninput = 1\ncached = 0\noutput = 2\n["mine"]\ninput = 5\ncached = 1\noutput = 6\n'
    table = prices.load(own(tmp_path, text))
    assert table[LEAD] == Price(1.0, 0.0, 2.0)
    assert table["mine"].of(1_000_000, 0, 0) == 5.0
    assert table[FAST].input > 0


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "[mine]\ninput = 1\noutput = 2\n",
        "[mine]\ninput = -1\ncached = 0\noutput = 2\n",
        "mine = 3\n",
        "[mine]\ninput = 1\ncached = 0\noutput = 2\nover = 3\n",
    ],
)
def test_a_table_that_cannot_be_read_is_refused_by_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(PriceError, match=r"prices\.toml"):
        prices.load(own(tmp_path, text))


def test_a_model_is_found_under_its_providers_path() -> None:
    assert prices.name_of("publishers/google/models/gemini-3-flash-preview") == FAST
