"""Finds words that say how far ahead of its row a label lies: "whether … within the next 30 days"."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cobra_jupyter.competition.record import Assumption

_COUNTS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10, "twelve": 12}
_DAYS = {"day": 1, "week": 7, "fortnight": 14, "month": 30, "year": 365}
_LENGTH = rf"(\d+|{'|'.join(_COUNTS)})[ -]({'|'.join(_DAYS)})s?"
_AHEAD = (
    rf"\b(?:within|in|over|during) the (?:next|following|coming) {_LENGTH}\b",
    rf"\b{_LENGTH} (?:after|later|ahead|from (?:then|now))\b",
    rf"\bwithin {_LENGTH}\b",
)
_LABEL = re.compile(r"\b(?:whether|if|probab\w+|likel\w+|chance|churn\w*|default\w*|target|label|outcome)\b")


def assumed(text: str, columns: Mapping[str, str]) -> list[Assumption]:
    """The assumption that labels are known at once, where the text says that they lie ahead. `columns`: the
    kind of each. Only with a column of dates do folds have an order."""
    if "date" not in columns.values():
        return []
    for raw in re.split(r"(?<=[.!?])\s+|\n{2,}", text.lower()):
        sentence = " ".join(raw.split())
        said = next((found for words in _AHEAD if (found := re.search(words, sentence))), None)
        if said and _LABEL.search(sentence):
            days = int(_COUNTS.get(said[1], said[1])) * _DAYS[said[2]]
            return [
                Assumption(
                    "gap",
                    "none: labels are known on the day of their row",
                    f"the description says {said[0]!r} of what is predicted; if labels are known that late, "
                    f"cobra.protocol(time=…, gap={days}) trains each fold on rows whose labels were known",
                    "",
                )
            ]
    return []
