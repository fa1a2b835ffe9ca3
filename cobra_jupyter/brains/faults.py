"""Errors of providers, and whether asking again can help."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import google.auth.exceptions
import pydantic
from google.genai import errors

AGAIN = frozenset({408, 429, 499, 500, 502, 503, 504})
DAILY = "PerDay"  # in the name of a daily quota
LATER = 3_600.0  # seconds between attempts after a daily quota is used up
KEYLESS = frozenset({400, 401, 403})  # codes of a refused key; other errors may mention keys too


@dataclass(frozen=True)
class Patience:
    """How long to retry; times in seconds.

    `first_byte` and `stall` are time limits for the first piece of a reply (a model thinks before it writes)
    and for each later piece. One reply gets at most `attempts`, with pauses that double from `pause` to
    `longest`. Faults of one reply may use `share` of the time left, but no more than `most`; then another
    brain takes over for a while."""

    first_byte: float = 300.0
    stall: float = 90.0
    attempts: int = 40  # about half an hour if the provider is down
    pause: float = 1.0
    longest: float = 60.0
    share: float = 1 / 3
    most: float = 900.0

    def bound(self, left: float) -> float:
        """Seconds that faults of one reply may use, if `left` seconds are left (infinite without a
        budget)."""
        return min(self.share * left, self.most)

    def before(self, attempt: int, asked: float | None) -> float:
        """Seconds to wait after attempt number `attempt` (from 1), with jitter; at least `asked`."""
        backoff = min(self.longest, self.pause * 2.0 ** (attempt - 1)) * random.uniform(0.5, 1.0)
        return backoff if asked is None else max(backoff, asked + random.uniform(0.0, 0.1) * self.pause)


class Broken(Exception):  # noqa: N818
    """A reply stopped before it was complete."""


@dataclass(frozen=True)
class Fault:
    """An error of a provider. `words` say what happened and what the user can do.

    `final`: asking again cannot help. `wait`: seconds that the provider asked to wait. `reached`: the
    provider answered. `back`: see BrainGone; for final faults only."""

    words: str
    final: bool = False
    wait: float | None = None
    reached: bool = True
    back: float | None = None


def fault_of(error: Exception, model: str) -> Fault:
    """Interpret an exception of the SDK. Unknown ones are retried too, so that no answer ends a run."""
    if isinstance(error, errors.APIError):
        return _answered(error, model)
    if isinstance(error, Broken):
        return Fault(str(error))
    if isinstance(error, errors.UnknownApiResponseError | pydantic.ValidationError):
        return Fault("the answer was not valid JSON")
    if isinstance(error, google.auth.exceptions.TransportError):
        return Fault(f"the sign-in service cannot be reached: {error}", reached=False)
    if isinstance(error, google.auth.exceptions.GoogleAuthError):
        return Fault(
            f"Google Cloud refused the sign-in: {error}. Try `gcloud auth application-default login`", True
        )
    if isinstance(error, _TRANSPORT):
        return Fault(f"the connection failed ({type(error).__name__}: {error})", reached=False)
    return Fault(f"the SDK failed ({type(error).__name__}: {str(error)[:300]})", reached=False)


def _transport_errors() -> Iterator[type[Exception]]:
    """Transport errors of the HTTP libraries that the SDK may use."""
    yield OSError
    for module, name in (("httpx2", "HTTPError"), ("httpx", "HTTPError"), ("aiohttp", "ClientError")):
        try:
            yield getattr(import_module(module), name)
        except ImportError:
            continue


_TRANSPORT = tuple(_transport_errors())


def _answered(error: errors.APIError, model: str) -> Fault:
    """Interpret an error that the provider reported."""
    code, said = error.code, f"{error.code} {error.status or ''}: {error.message or error.details}"[:600]
    reasons = {str(detail.get("reason")) for detail in _details(error)}
    unknown = "API_KEY_INVALID" in reasons or "API key" in str(error.message)
    if code == 401 or (unknown and code in KEYLESS):
        return Fault(f"the key is refused ({said}). Check GEMINI_API_KEY", final=True)
    if code == 403:
        return Fault(
            f"the key has no permission for this ({said}). Check its project, region and billing", final=True
        )
    if code == 404:
        return Fault(
            f"there is no model {model} here ({said}). Check --model and --fast-model; some models need "
            "GOOGLE_GENAI_API_VERSION=v1beta",
            final=True,
        )
    if code == 429 and _exhausted(error):
        return Fault(f"the day's quota is used up ({said})", final=True, back=LATER)
    if code in AGAIN:
        return Fault(said, wait=_asked(error))
    return Fault(f"the request is refused ({said})", final=True)


def _details(error: errors.APIError) -> list[dict[str, Any]]:
    body = error.details if isinstance(error.details, dict) else {}
    inner = body.get("error", body)
    found = inner.get("details") if isinstance(inner, dict) else None
    return [detail for detail in found if isinstance(detail, dict)] if isinstance(found, list) else []


def _exhausted(error: errors.APIError) -> bool:
    return any(
        DAILY in str(violation.get("quotaId")) or DAILY in str(violation.get("quotaMetric"))
        for detail in _details(error)
        for violation in detail.get("violations") or ()
        if isinstance(violation, dict)
    )


def _asked(error: errors.APIError) -> float | None:
    """Seconds that the provider asked to wait: the longer of the header's and the body's value."""
    headers: Mapping[str, str] = getattr(error.response, "headers", None) or {}
    found = [_seconds(headers.get("retry-after"))]
    found += [_seconds(detail.get("retryDelay")) for detail in _details(error)]
    return max((seconds for seconds in found if seconds is not None), default=None)


def _seconds(text: Any) -> float | None:
    """Parse "13" or "13.5s"; dates are ignored."""
    try:
        return max(0.0, float(str(text).removesuffix("s")))
    except ValueError:
        return None
