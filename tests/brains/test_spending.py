"""What brains may spend: caps that several keep together."""

from __future__ import annotations

import pytest

from cobra_jupyter.brains.base import BrainGone
from cobra_jupyter.brains.prices import Price
from cobra_jupyter.brains.spending import LEAST, Account, Caps

PRICE = Price(2.0, 0.2, 12.0, over=200_000, long=Price(4.0, 0.4, 18.0))


def test_without_a_cap_a_reply_may_be_as_long_as_it_is_asked_for() -> None:
    with Account().hold(1_000, 30_000, None) as allowed:
        assert allowed == 30_000


def test_a_reply_is_as_long_as_a_cap_on_tokens_allows() -> None:
    with Account(Caps(tokens=20_000), tokens=9_000).hold(1_000, 30_000, None) as allowed:
        assert allowed == 10_000


@pytest.mark.parametrize("input_", [1_000, 250_000])
def test_a_reply_is_as_long_as_a_cap_on_money_allows_at_the_price_of_its_input(input_: int) -> None:
    account = Account(Caps(cost=1.2), cost=0.1)
    with account.hold(input_, 100_000, PRICE) as allowed:
        assert LEAST < allowed < 100_000
        assert PRICE.of(input_, 0, allowed) <= 1.1 < PRICE.of(input_, 0, allowed + 2)


def test_what_costs_nothing_is_not_shortened_by_a_cap_on_money() -> None:
    with Account(Caps(cost=0.0)).hold(1_000, 30_000, Price(0.0, 0.0, 0.0)) as allowed:
        assert allowed == 30_000


@pytest.mark.parametrize(
    ("caps", "words"),
    [
        (Caps(tokens=2_999), r"cap of 2,999 tokens.*may take 3,000 \(--max-tokens\)"),
        (Caps(cost=0.0259), r"cap of \$0.03.*may cost \$0.0260 \(--max-cost\)"),
    ],
)
def test_where_not_even_a_short_reply_fits_asking_again_is_of_no_use(caps: Caps, words: str) -> None:
    with pytest.raises(BrainGone, match=words) as caught, Account(caps).hold(1_000, 30_000, PRICE):
        pass
    assert caught.value.back is None


@pytest.mark.parametrize("caps", [Caps(tokens=20_000), Caps(cost=0.1)])
def test_what_is_refused_only_for_what_others_hold_is_asked_for_again(caps: Caps) -> None:
    account = Account(caps)
    with account.hold(1_000, 30_000, PRICE) as held:
        assert LEAST < held < 30_000
        with pytest.raises(BrainGone) as caught, account.hold(1_000, 30_000, PRICE):
            pass
        assert caught.value.back == 20.0
    with account.hold(1_000, 30_000, PRICE) as allowed:
        assert allowed == held


def test_what_is_spent_while_others_hold_is_final() -> None:
    account = Account(Caps(tokens=20_000))
    with account.hold(1_000, 10_000, None):
        account.charge(18_000, None)
        with pytest.raises(BrainGone, match="--max-tokens") as caught, account.hold(1_000, 10_000, None):
            pass
    assert caught.value.back is None


def test_money_is_not_spent_on_what_has_no_price() -> None:
    with pytest.raises(BrainGone, match="price is not known"), Account(Caps(cost=9.0)).hold(1, 1, None):
        pass
