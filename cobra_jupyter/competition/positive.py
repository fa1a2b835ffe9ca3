"""Decides which of two classes is the positive one: from the output's name, the classes, the description."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cobra_jupyter.competition.columns import plain
from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.metric_clauses import evidence

YES = frozenset({"1", "true", "yes", "y", "t", "positive", "pos", "present", "abnormal"})
NO = frozenset({"0", "-1", "false", "no", "n", "f", "negative", "neg", "absent", "normal", "none"})
NOT = frozenset({"not", "no", "non", "un", "without", "never"})
_ASKS = re.compile(
    r"(?:probabilit(?:y|ies)|likelihood|chance|odds|risk|whether|likely|if an?|positive class|score 1|1 ?="
    r"|label(?:l?ed)? 1|(?:is|are|means?|be) 1|1 (?:means|if|for|when|is))\b(.*)"
)
_BEFORE = re.compile(r"(.*)\b(?:is|as|being) (?:the )?positive(?: class)?\b")


@dataclass(frozen=True)
class Order:
    """Two classes, the positive one last, and the reason. `sure` is False if nothing decides."""

    classes: tuple[Any, ...]
    why: str
    sure: bool = True


def order(
    classes: tuple[Any, ...], output: str, text: str, values: pd.Series, given: pd.Series, asked: str | None
) -> Order:
    """Order two classes. `output` is the submission's column, `text` the description, `values` the labels,
    `given` the sample's values, `asked` the setting. Raises CompetitionError for an unknown class."""
    if asked is not None:
        wanted = [value for value in classes if str(plain(value)) == asked]
        if not wanted:
            known = " or ".join(map(str, classes))
            raise CompetitionError(f"positive={asked}: the label is {known}; give one of them")
        return _last(classes, wanted[0], "set by option")
    for find in (_of_output, _of_words, _of_description):
        positive, why = find(classes, output, text)
        if positive is not None:
            return _last(classes, positive, why)
    return _guess(classes, values, given)


def _last(classes: tuple[Any, ...], positive: Any, why: str, sure: bool = True) -> Order:
    return Order((*(value for value in classes if value != positive), positive), why, sure)


def _of_output(classes: tuple[Any, ...], output: str, text: str) -> tuple[Any, str]:
    words = _words(output)
    named = _only(classes, lambda value: _covers(words, _words(value) - NOT) and not _words(value) & NOT)
    if named is None:
        return None, ""
    if words & NOT:
        named = next(value for value in classes if value != named)
    return named, f"the submission's column {output} is named after it"


def _of_words(classes: tuple[Any, ...], output: str, text: str) -> tuple[Any, str]:
    for first, last in (classes, classes[::-1]):
        no, yes = _spelled(first), _spelled(last)
        if (yes in YES and (no in NO or yes != "1")) or (no in NO and yes not in NO and _above(first, last)):
            return last, f"of {first} and {last} it says yes"
        if _words(first) - _words(last) and _words(first) - NOT == _words(last) and _words(first) & NOT:
            return last, f"{first} denies it"
    return None, ""


def _above(first: Any, last: Any) -> bool:
    """Whether "no" is a word, or both are numbers and the second is larger."""
    try:
        return float(last) > float(first)
    except (TypeError, ValueError):
        return not _spelled(first).lstrip("-").isdigit()


def _of_description(classes: tuple[Any, ...], output: str, text: str) -> tuple[Any, str]:
    for sentence in _sentences(text):
        for pattern in (_ASKS, _BEFORE):
            match = pattern.search(sentence)
            said = _words(evidence(match[1])) if match else set()
            named = _only(classes, lambda value, said=said: _covers(said, _words(value)))  # type: ignore[misc]
            if named is not None:
                return named, f"the description says “{sentence.strip()[:120]}”"
    return None, ""


def _guess(classes: tuple[Any, ...], values: pd.Series, given: pd.Series) -> Order:
    """The class whose share the sample holds, else the rarer one, else the last."""
    shares = [float((values == value).mean()) for value in classes]
    if pd.api.types.is_float_dtype(given.dtype) and given.nunique() == 1 and abs(given.iloc[0] - 0.5) > 0.02:
        near = [
            value for value, share in zip(classes, shares, strict=True) if abs(share - given.iloc[0]) < 0.01
        ]
        if len(near) == 1:
            return _last(classes, near[0], f"the sample holds its share, {given.iloc[0]:.3g}", sure=False)
    if abs(shares[0] - shares[1]) < 0.02:
        return _last(classes, classes[1], "it is the last in order", sure=False)
    return _last(classes, classes[shares.index(min(shares))], "it is the rarer class", sure=False)


def _only(classes: tuple[Any, ...], holds: Callable[[Any], bool]) -> Any:
    found = [value for value in classes if holds(value)]
    return found[0] if len(found) == 1 else None


def _spelled(value: Any) -> str:
    text = str(plain(value)).strip().casefold()
    return text[:-2] if re.fullmatch(r"-?\d+\.0", text) else text


def _words(value: Any) -> set[str]:
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(plain(value)))
    return set(re.findall(r"[^\W_]+", text.casefold()))


def _covers(words: set[str], wanted: set[str]) -> bool:
    return bool(wanted) and all(any(_alike(word, each) for word in words) for each in wanted)


def _alike(left: str, right: str) -> bool:
    """Whether two words are equal or forms of one: churning and churned."""
    if left == right:
        return True
    same = next(
        (i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right))
    )
    return same >= 4 and same >= max(len(left), len(right)) - 4 and same >= min(len(left), len(right)) - 3


def _sentences(text: str) -> Iterator[str]:
    for sentence in re.split(r"(?<=[.!?])\s+|\n\s*\n|\n\s*[-*|]\s", text):
        yield " ".join(re.sub(r"[`*_“”\"]", " ", sentence).lower().split())
