"""A streamed reply: its text, its thoughts, why it ended, its usage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cobra_jupyter.brains.base import Finish, Usage
from cobra_jupyter.brains.faults import Broken
from cobra_jupyter.brains.prices import Price

# Finish reasons by the beginnings of the provider's names for them.
_REASONS = {
    "stop": ("STOP",),
    "max_tokens": ("MAX_TOKENS",),
    "malformed": ("MALFORMED_", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"),
    "blocked": (
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_",
        "MODEL_ARMOR",
        "ESCALATION",
    ),
}


@dataclass
class Answer:
    """The reply received so far. `keep` says whether its thoughts may be kept."""

    keep: bool
    thoughts: list[str] = field(default_factory=list)
    characters: int = 0
    began: bool = False
    candidate: bool = False
    reason: str | None = None
    detail: str = ""
    usage: Any = None

    def add(self, chunk: Any) -> str:
        """Add a chunk. Returns its text without thoughts."""
        self.began = True
        self.usage = chunk.usage_metadata or self.usage
        if (feedback := chunk.prompt_feedback) is not None and feedback.block_reason:
            self.reason, self.detail = "blocked", f"prompt: {_word(feedback.block_reason)}"
        if not chunk.candidates:
            return ""
        self.candidate = True
        candidate, text = chunk.candidates[0], ""
        for part in (candidate.content and candidate.content.parts) or ():
            if part.thought:
                self.thoughts.append(part.text or "")
            else:
                text += part.text or ""
        if candidate.finish_reason:
            self.detail = _word(candidate.finish_reason)
            self.reason = _reason(self.detail)
        self.characters += len(text)
        return text

    def end(self) -> None:
        """Call it when the stream ends. Raises Broken if the reply is incomplete."""
        if self.reason is None and (self.candidate or not self.began):
            raise Broken("the stream ended before the reply was whole")
        if self.reason is None:
            self.reason, self.detail = "empty", "no candidates"

    def finish(self, usage: Usage) -> Finish:
        reason = self.reason or "empty"
        if reason == "stop" and not self.characters:
            reason = "empty"
        return Finish(reason, self.detail, usage, "".join(self.thoughts) if self.keep else "")


@dataclass
class Tally:
    """The total usage of all attempts at one reply."""

    model: str
    price: Price | None
    input: int = 0
    cached: int = 0
    output: int = 0
    thoughts: int = 0
    cost: float = 0.0

    def add(self, stream: Answer, guess: int) -> tuple[int, float | None]:
        """Count an attempt, by the provider's numbers or, if they are missing, by `guess`. Returns (tokens,
        dollars)."""
        if (used := stream.usage) is not None:
            new = (
                used.prompt_token_count or 0,
                used.cached_content_token_count or 0,
                used.candidates_token_count or 0,
                used.thoughts_token_count or 0,
            )
        else:
            new = (guess, 0, stream.characters // 3, 0) if stream.began else (0, 0, 0, 0)
        input_, cached, output, thoughts = new
        self.input, self.cached = self.input + input_, self.cached + cached
        self.output, self.thoughts = self.output + output, self.thoughts + thoughts
        cost = self.price.of(input_, cached, output + thoughts) if self.price else None
        self.cost += cost or 0.0
        return input_ + output + thoughts, cost

    def usage(self, seconds: float, retries: int) -> Usage:
        cost = round(self.cost, 8) if self.price else None
        return Usage(
            self.model, self.input, self.cached, self.output, self.thoughts, cost, round(seconds, 3), retries
        )


def _word(value: Any) -> str:
    return str(getattr(value, "value", value))


def _reason(word: str) -> str:
    """Our finish reason for the provider's."""
    return next((ours for ours, theirs in _REASONS.items() if word.startswith(theirs)), "other")
