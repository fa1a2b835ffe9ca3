"""Gemini's REST wire format: what a request holds, what errors and pieces of a reply look like."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.script import Fault, Reply, role_of

STATUS = {
    "400": "INVALID_ARGUMENT",
    "401": "UNAUTHENTICATED",
    "403": "PERMISSION_DENIED",
    "404": "NOT_FOUND",
    "429": "RESOURCE_EXHAUSTED",
    "500": "INTERNAL",
    "502": "UNAVAILABLE",
    "503": "UNAVAILABLE",
    "504": "DEADLINE_EXCEEDED",
}
FILTERED = frozenset({"SAFETY", "RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII"})


@dataclass(frozen=True)
class Request:
    """What came in. `texts`: system instruction, then all parts in order; `fault`: what became of it."""

    method: str
    path: str
    model: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float = field(default_factory=time.monotonic)
    fault: str = ""

    @property
    def texts(self) -> list[str]:
        parts = [*self.body.get("systemInstruction", {}).get("parts", ())]
        parts += [part for content in self.body.get("contents", ()) for part in content.get("parts", ())]
        return [part.get("text", "") for part in parts]

    @property
    def tokens(self) -> int:
        return sum(map(len, self.texts)) // 4

    @property
    def role(self) -> str:
        return role_of(self.texts[0] if self.texts else "")

    @property
    def thinking(self) -> dict[str, Any]:
        """`level` and `thoughts` (whether they are to be told), as far as given; the SDK spells them either
        way."""
        config = self.body.get("generationConfig", {}).get("thinkingConfig", {})
        names = {
            "thinkingLevel": "level",
            "thinking_level": "level",
            "includeThoughts": "thoughts",
            "include_thoughts": "thoughts",
        }
        return {names[key]: value for key, value in config.items()}


@dataclass(frozen=True)
class Manner:
    """How a reply is sent. `pace`: seconds between pieces of `size` characters. `stamp`: pieces are words,
    and `@` is replaced by the moment it leaves, in nanoseconds of the monotonic clock. `cached`: tokens found
    in a cache."""

    pace: float = 0.0
    size: int = 24
    stamp: bool = False
    cached: int = 0


def error_of(fault: Fault, model: str, key: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Body and headers of an error; like the real one, it may say more than it should."""
    code, _, kind = fault.name.partition("-")
    details: list[dict[str, Any]] = []
    headers = {}
    words = {
        "404": f"models/{model} is not found for API version v1, or is not supported for generateContent.",
        "403": f"Permission denied: Consumer 'api_key:{key}' has been suspended.",
        "429": "You exceeded your current quota, please check your plan and billing details.",
        "503": "The model is overloaded. Please try again later.",
    }
    if fault.name == "bad-key":
        code = "400"
        words["400"] = f"API key not valid. Please pass a valid API key. (api_key:{key})"
        details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"})
    if code == "429":
        quota = "GenerateRequestsPer" + ("Day" if kind == "day" else "Minute") + "PerProjectPerModel"
        details.append(
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]}
        )
    if wait := fault.word("retry-after"):
        headers["Retry-After"] = wait
    if delay := fault.word("retry-delay"):
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{delay}s"})
    body = {
        "code": int(code),
        "message": words.get(code, f"error {code}"),
        "status": STATUS[code],
        "details": details,
    }
    return {"error": body}, headers


def chunks_of(request: Request, reply: Reply, fate: Fault | None, manner: Manner) -> Iterator[dict[str, Any]]:
    """A reply as the pieces of a stream, with usage in each."""
    name = fate.name if fate else ""
    text, thinks = reply.text, 40 * (1 + len(reply.thoughts) // 40)
    reason = name if name.isupper() else "STOP"
    if name.isupper():
        text = "" if name in FILTERED else text[: len(text) // 2]
    used = {"promptTokenCount": request.tokens, "thoughtsTokenCount": thinks}
    if manner.cached:
        used["cachedContentTokenCount"] = manner.cached
    if name in ("empty", "blocked"):
        feedback = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}} if name == "blocked" else {}
        yield {**feedback, "usageMetadata": {"promptTokenCount": request.tokens}}
        return
    if request.thinking.get("thoughts") and reply.thoughts:
        yield _chunk([{"text": reply.thoughts, "thought": True}], used, request.model)
    said = 0
    for piece in _pieces(text, manner):
        if manner.pace:
            time.sleep(manner.pace)
        said += len(piece)
        usage = {**used, "candidatesTokenCount": -(-said // 4)}
        sent = piece.replace("@", str(time.monotonic_ns())) if manner.stamp else piece
        yield _chunk([{"text": sent}], usage, request.model)
    usage = {**used, "candidatesTokenCount": -(-said // 4)}
    signed = [{"text": "", "thoughtSignature": "c2lnbmF0dXJl"}] if text else []
    yield _chunk(signed, usage, request.model, reason)


def _pieces(text: str, manner: Manner) -> list[str]:
    if manner.stamp:
        return re.findall(r"\S+\s*|\s+", text)
    return [text[start : start + manner.size] for start in range(0, len(text), manner.size)]


def _chunk(parts: list[Any], usage: dict[str, int], model: str, reason: str | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0}
    if parts:
        candidate["content"] = {"parts": parts, "role": "model"}
    if reason:
        candidate["finishReason"] = reason
    total = usage["promptTokenCount"] + usage.get("candidatesTokenCount", 0) + usage["thoughtsTokenCount"]
    return {
        "candidates": [candidate],
        "usageMetadata": {**usage, "totalTokenCount": total},
        "modelVersion": model,
    }


def joined(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The whole reply as one answer."""
    parts = [
        part
        for chunk in chunks
        for c in chunk.get("candidates", ())
        for part in c.get("content", {}).get("parts", ())
    ]
    whole = dict(chunks[-1])
    if parts:
        whole["candidates"] = [{**chunks[-1]["candidates"][0], "content": {"parts": parts, "role": "model"}}]
    return whole
