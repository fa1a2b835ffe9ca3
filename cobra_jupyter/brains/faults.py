"""What went wrong between us and a provider, and whether asking again can help."""

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
DAILY = "PerDay"  # of a quota's name
LATER = 3_600.0  # seconds after which a day's quota is tried again: it comes back at midnight, somewhere
KEYLESS = frozenset({400, 401, 403})  # how a key is refused; other errors may speak of keys too


@dataclass(frozen=True)
class Patience:
    """How long faults are borne; seconds. `first_byte` is waited for the first piece of a reply (a model thinks
    before it writes), `stall` for each one after; `attempts` of one reply in all, with pauses from `pause`, doubling,
    to `longest`. Of the time left, one reply's faults may take `share`, and `most` in all; then somebody else goes
    on meanwhile."""

    first_byte: float = 300.0
    stall: float = 90.0
    attempts: int = 40  # half an hour of a provider that is down
    pause: float = 1.0
    longest: float = 60.0
    share: float = 1 / 3
    most: float = 900.0

    def bound(self, left: float) -> float:
        """Seconds that one reply's faults may take, with so many left (infinite without a budget)."""
        return min(self.share * left, self.most)

    def before(self, attempt: int, asked: float | None) -> float:
        """Seconds until the next attempt after the `attempt`-th (from 1), with jitter; at least what was asked for."""
        backoff = min(self.longest, self.pause * 2.0 ** (attempt - 1)) * random.uniform(0.5, 1.0)
        return backoff if asked is None else max(backoff, asked + random.uniform(0.0, 0.1) * self.pause)


class Broken(Exception):  # noqa: N818
    """A reply ended or stood still before it was whole."""


@dataclass(frozen=True)
class Fault:
    """`words` say what happened, and the cure where a person has one. `final`: asking again cannot help. `wait`:
    seconds that the provider asked for. `reached`: the provider answered. `back`: see BrainGone, of one that is final."""

    words: str
    final: bool = False
    wait: float | None = None
    reached: bool = True
    back: float | None = None


def fault_of(error: Exception, model: str) -> Fault:
    """What an exception of the SDK means. One that nobody foresaw may pass as well: no answer may end a run."""
    if isinstance(error, errors.APIError):
        return _answered(error, model)
    if isinstance(error, Broken):
        return Fault(str(error))
    if isinstance(error, errors.UnknownApiResponseError | pydantic.ValidationError):
        return Fault("the answer was not the JSON it should be")
    if isinstance(error, google.auth.exceptions.TransportError):
        return Fault(f"sign-in is out of reach: {error}", reached=False)
    if isinstance(error, google.auth.exceptions.GoogleAuthError):
        return Fault(
            f"Google Cloud does not let us in: {error}. Try `gcloud auth application-default login`", True
        )
    if isinstance(error, _TRANSPORT):
        return Fault(f"the connection failed ({type(error).__name__}: {error})", reached=False)
    return Fault(f"the SDK failed ({type(error).__name__}: {str(error)[:300]})", reached=False)


def _transport_errors() -> Iterator[type[Exception]]:
    """Of whichever HTTP library the SDK works with."""
    yield OSError
    for module, name in (("httpx2", "HTTPError"), ("httpx", "HTTPError"), ("aiohttp", "ClientError")):
        try:
            yield getattr(import_module(module), name)
        except ImportError:
            continue


_TRANSPORT = tuple(_transport_errors())


def _answered(error: errors.APIError, model: str) -> Fault:
    """An error that the provider named."""
    code, said = error.code, f"{error.code} {error.status or ''}: {error.message or error.details}"[:600]
    reasons = {str(detail.get("reason")) for detail in _details(error)}
    unknown = "API_KEY_INVALID" in reasons or "API key" in str(error.message)
    if code == 401 or (unknown and code in KEYLESS):
        return Fault(f"the key is refused ({said}). Check GEMINI_API_KEY", final=True)
    if code == 403:
        return Fault(f"the key may not do this ({said}). Check its project, region and billing", final=True)
    if code == 404:
        return Fault(
            f"there is no model {model} here ({said}). Check --model and --fast-model; some models need "
            "GOOGLE_GENAI_API_VERSION=v1beta", final=True,
        )  # fmt: skip
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
    """Seconds that the provider asked to wait, in a header or in the body; the longer."""
    headers: Mapping[str, str] = getattr(error.response, "headers", None) or {}
    found = [_seconds(headers.get("retry-after"))]
    found += [_seconds(detail.get("retryDelay")) for detail in _details(error)]
    return max((seconds for seconds in found if seconds is not None), default=None)


def _seconds(text: Any) -> float | None:
    """Of "13", "13.5s"; a date is not understood."""
    try:
        return max(0.0, float(str(text).removesuffix("s")))
    except ValueError:
        return None
