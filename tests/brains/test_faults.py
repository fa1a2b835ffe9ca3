"""What errors mean, and for how long they are borne."""

from __future__ import annotations

import math
from typing import Any

import pytest
from google.genai import errors

from cobra_jupyter.brains.faults import Patience, fault_of


def answered(code: int, message: str, **detail: Any) -> errors.APIError:
    return errors.APIError(code, {"error": {"code": code, "message": message, "details": [detail]}})


@pytest.mark.parametrize("code", [429, 500, 503])
def test_an_error_that_passes_is_borne_even_if_it_speaks_of_keys(code: int) -> None:
    fault = fault_of(answered(code, "Requests with this API key are limited, try again"), "m")
    assert not fault.final
    assert "refused" not in fault.words


@pytest.mark.parametrize("code", [400, 401, 403])
def test_a_refused_key_is_known_by_its_words(code: int) -> None:
    fault = fault_of(answered(code, "API key expired. Please renew the API key."), "m")
    assert fault.final
    assert "GEMINI_API_KEY" in fault.words
    assert fault.back is None


def test_a_days_quota_is_asked_for_again_after_an_hour() -> None:
    fault = fault_of(answered(429, "quota", violations=[{"quotaId": "RequestsPerDayPerModel"}]), "m")
    assert (fault.final, fault.back) == (True, 3_600.0)


@pytest.mark.parametrize(
    "error",
    [KeyError("candidates"), ValueError("odd"), RuntimeError("closed"), ExceptionGroup("g", [OSError()])],
)
def test_an_error_nobody_foresaw_may_pass_and_is_told_by_its_type(error: Exception) -> None:
    fault = fault_of(error, "m")
    assert not fault.final
    assert type(error).__name__ in fault.words


@pytest.mark.parametrize(("left", "most"), [(60.0, 20.0), (86_400.0, 900.0), (math.inf, 900.0)])
def test_faults_of_one_reply_may_take_a_share_of_the_time_left_and_no_more_than_a_quarter_of_an_hour(
    left: float, most: float
) -> None:
    assert Patience().bound(left) == pytest.approx(most)
