"""Finds words that change a metric: weights, averages over groups, logarithms, one minus, and the like.

A metric is only taken as it stands if nothing around it changes it. What is not understood is reported."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cobra_jupyter.competition import metrics
from cobra_jupyter.competition.metrics.accuracy import complement
from cobra_jupyter.competition.metrics.definition import VALUE, Metric, same


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_PLAIN_BEFORE = _set(
    # words that name a metric's place or kind without a change of its value
    "standard usual common well known popular classic classical ordinary simple plain overall total final "
    "following resulting predicted single test set metric metrics evaluation score scoring measure called "
    "public private leaderboard multiclass multi class binary categorical classification regression model "
    "models s official competition kaggle sklearn scikit learn python achieved obtained highest lowest best "
    "smallest largest minimum maximum good same new error row rows wise sample unweighted ordinary average "
    "averaged mean lower higher its their your our per out fold validation cross validated pooled "
    "two three four five six seven eight nine ten also aka famous resulting"
)
_MEANS = frozenset({"average", "averaged", "mean"})
_STOPS = _set(
    "on by with using use uses used via through is are was be as of the a an this that these those in for to "
    "and or from between under over based calculate calculates calculated compute computes computed evaluate "
    "evaluates evaluated evaluating measure measures measured judge judged rank ranked ranks score scores "
    "scored report reported optimise optimize optimising optimizing minimise minimize maximise maximize "
    "minimising minimizing maximising maximizing improve choose chosen we it namely i e eg ie submissions "
    "submission entries predictions prediction employ employs employed apply applies applied respect terms "
    "according against compare compared so here now instead adopt adopted take takes taken where when which "
    "will s their has have than at only"
)
_HEADS = re.compile(
    r"\b(root|square|logarithm|log|inverse|reciprocal|maximum|max|minimum|min|median|sum|product|mean|average"
    r"|half|twice|difference|ratio|combination|exponential|power|deviation|variance|percentile|quantile"
    r"|ranks?|share|variant|version|modification|generali[sz]ation|extension|smoothed \w+|approximation) of "
    r"(?:the |a |an |all |these |their |individual |each )*$"
)
_CALL = re.compile(r"\b(max|min|exp|sqrt|log|abs|mean|median|round|clip) ?\([^)]*$")
_ONE_MINUS = re.compile(r"(?:\b(?:one|1) minus|\bcomplement of) (?:the )?$")
_NEGATIVE = re.compile(r"\b(?:negative|negated|minus)(?: of)? (?:the )?$")
_BY_LABEL = frozenset({"class", "label", "category", "categorical", "target", "error"})
_ROWS = _set(
    "row rows sample samples observation observations prediction predictions instance instances example "
    "examples point points record records entry entries item items case cases image images id ids test "
    "submission submissions datum element elements data"
)
_COLUMNS = _set("column columns target targets label labels class classes output outputs category categories")
_AFTER_NAME = r"(?:the |each |every |all |all the |an? |its |their |individual |different |predicted )*(\w+)"
_GROUPED = (
    re.compile(
        rf"\b(?:averag\w+|mean|aggregat\w+|macro averag\w+|summed)(?: \w+){{0,3}}? "
        rf"(?:per|over|across|by|within|for|in) {_AFTER_NAME}"
    ),
    re.compile(
        rf"\b(?:comput\w+|calculat\w+|evaluat\w+|measured|scored|determined|separately|first)"
        rf"(?: \w+){{0,2}}? (?:per|within|(?:for|by|in) (?:each|every)|by) {_AFTER_NAME}"
        rf"(?=[^.]*\b(?:averag|then|mean\b|aggregat|summed|combined))"
    ),
    re.compile(rf"^[ ,(]*(?:per|within|grouped by|by|for each|for every|in each) {_AFTER_NAME}"),
    re.compile(
        r"\b(?:for|in|within|on) (?:each|every) (\w+)[^.]*\b(?:comput|calculat|evaluat|measur|determin"
        r"|separate)[^.]*\b(?:averag|mean\b|then|aggregat|summed|combined)"
    ),
)


@dataclass(frozen=True)
class Read:
    """What stands around a metric: `turn` is "one_minus", "negative" or ""; `weighted`, that rows weigh
    differently; `unread`, the words that change the metric and are not understood, "" if there are none."""

    turn: str = ""
    weighted: bool = False
    unread: str = ""


def _logs_matter(metric: Metric) -> bool:
    return metric.wants == VALUE and not (metric.from_zero or metric.above_zero)


def _values(metric: Metric) -> bool:
    return metric.wants == VALUE


def _always(metric: Metric) -> bool:
    return True


def _not_relative(metric: Metric) -> bool:
    return metric.name not in ("rmspe", "wape", "mape", "smape")


# (words that change a metric, for which metrics they do)
_CHANGES: tuple[tuple[str, Callable[[Metric], bool]], ...] = (
    (
        r"\blog(?:s\b|arithms?\b|1p|10\b|2\b|[ -]?transform\w*|[ -]?(?:scale|space)\b| of\b| ?\()",
        _logs_matter,
    ),
    (
        r"\b(?:score|metric|error|errors|loss|rmse|mae|mse|auc|result|value|which|and|then) "
        r"(?:is |are |was )?(?:then |finally |further )?(?:normali[sz]ed|divided|rescaled|scaled|multiplied"
        r"|exponentiated|raised|squared|clipped|capped|truncated|winsori[sz]ed|trimmed|transformed|discounted"
        r"|adjusted|standardi[sz]ed)\b",
        _always,
    ),
    (
        r"^[ ,(]*(?:normali[sz]ed|divided|scaled|multiplied|squared|clipped|capped|truncated|adjusted)\b",
        _always,
    ),
    (r"\b(?:score|metric|result) (?:is|=|equals) (?:then )?(?:given by )?(?:one|1) minus\b", _always),
    (r"^ ?(?:@|at) ?(?:k\b|\d)|\btop ?(?:k|\d+)\b|^ ?(?:at|for) (?:a )?(?:fixed |given )?threshold", _always),
    (r"\b(?:below|under|above|up to|at) (?:an? |the )?(?:fpr|tpr|false positive|true positive)", _always),
    (
        r"\bonly (?:for|on|over|rows|the (?:top|first|last|rows|positive|non)|those|non)\b"
        r"|\b(?:restricted|limited) to\b",
        _always,
    ),
    (r"\b\w+s only\b", _always),
    (
        r"\b(?:standardi[sz]ed|normali[sz]ed|scaled|transformed|rounded|binned|differenced|ranked|ranks|cube"
        r"|square[sd]?|square roots?) (?:\w+ )?(?:target|value|label|price|prediction|output|variable|of\b)",
        _values,
    ),
    (
        r"\b(?:two|three|several|both|multiple) (?:\w+ )?(?:metrics|scores|measures|criteria)\b"
        r"|\btheir (?:mean|average|sum|product)\b",
        _always,
    ),
    (r"\b(?:excluding|ignoring|ignored|omitting|except for|excluded)\b", _not_relative),
    (r"\b(?:penalty (?:of|term|for|factor)|plus an? |asymmetric\w*|cost matrix|cost sensitive)", _always),
    (r"\b(?:twice|double|triple|half|\w+ times) (?:as (?:much|heavily|strongly|costly)|more)\b", _always),
    (r"\bcosts? (?:\w+ ){0,2}(?:times|more|twice|double)\b", _always),
    (r"^[ ,(]*(?:with )?(?:micro|macro|weighted|samples?)(?: averag\w+)?\)?(?= |$)", _always),
    (
        r"\b(?:average|mean|sum|product|combination|maximum|minimum) of (?:the |these )?(?:two|both|three)\b",
        _always,
    ),
    (r"\b(?:adjusted|corrected) for\b|\bbonus\b|\bthreshold of\b|\btolerance\b", _always),
)
_WEIGHTS = re.compile(
    r"\b(?:re)?weight(?:ed|ing|s)\b(?<!predicted weights)(?<!true weights)(?<!actual weights)"
    r"(?<!observed weights)(?<!real weights)(?<!estimated weights)(?<!measured weights)"
    r"|\b(?:sample|row|case|observation|instance|importance|survey) weight\b"
    r"|\bweight (?:of|for|to) (?:each|every|an?|the) (?:row|sample|observation|instance|example|case|record"
    r"|prediction|error)|\b(?:given|gets?|has|have|carries|receives?|with) (?:an?|its|more|less|higher|lower"
    r"|different) (?:\w+ )?weight\b|\bweigh(?:s|ed)?\b.*\b(?:more|less|times|as much)\b"
)
_EQUAL = re.compile(
    r"\b(?:equal(?:ly)?|same|identical|uniform(?:ly)?) (?:\w+ )?weigh\w+|\bweigh\w+ (?:\w+ )?(?:equally"
    r"|the same|uniformly)|\bunweighted\b|\bequal weights?\b"
)
_SCORING = re.compile(
    r"scor|metric|error|loss|evaluat|averag|weigh|auc|rmse|mae\b|accuracy|f ?1|kappa|log|\bcosts?\b|count"
)


def read(text: str, start: int, end: int, metric: Metric, others: Sequence[str]) -> Read:
    """Read what stands around the metric at [start, end) of a plain sentence. `others` are the other
    sentences of the section that speak of this competition's metric."""
    turn, weighted, unread = _before(text[:start], metric)
    after = text[end:]
    unread = unread or _changes(after, metric)
    for words in (after, *(each for each in others if _SCORING.search(each))):
        weighs = _WEIGHTS.search(_EQUAL.sub(" ", words)) is not None
        weighted = weighted or (weighs and not metric.weighs)
    for sentence in others:
        if _SCORING.search(sentence):
            unread = unread or _changes(f". {sentence}", metric)
    return Read(turn, weighted, unread)


def _before(text: str, metric: Metric) -> tuple[str, bool, str]:
    """→ turn, weighted, unread: read the words before a metric, backwards from it to the verb or the stop."""
    weighted, turn = False, ""
    text = text.rstrip(" (")
    while True:
        for pattern, name in ((_ONE_MINUS, "one_minus"), (_NEGATIVE, "negative")):
            if match := pattern.search(text + " "):
                turn, text = name, text[: match.start()].rstrip()
                return turn, weighted, _before(text, metric)[2] if text else ""
        if call := _CALL.search(text):
            return turn, weighted, call[1]
        head = _HEADS.search(text + " ")
        if head and not (head[1] in _MEANS and _is_row_mean(metric)):
            return turn, weighted, head[1]
        word = re.search(r"([a-z0-9.%²ρτ]+) *$", text)
        if word is None:  # a stop, or the beginning
            return turn, weighted, ""
        if word[1] == "weighted" and not metric.weighs:
            weighted = True
        elif weighted and word[1] in _BY_LABEL:
            return turn, weighted, f"{word[1]} weighted"
        elif word[1] in _MEANS and not _is_row_mean(metric):
            return turn, weighted, word[1]
        elif word[1] in _STOPS:
            return turn, weighted, ""
        elif word[1] not in _PLAIN_BEFORE and word[1] != "weighted":
            return turn, weighted, word[1]
        text = text[: word.start()].rstrip()


def _is_row_mean(metric: Metric) -> bool:
    """Whether it is a mean over rows or columns, so that "mean" and "average" add nothing."""
    return metric.columns is not None or (metric.row_loss is not None and metric.reduce in (same, complement))


def _changes(words: str, metric: Metric) -> str:
    for pattern, applies in _CHANGES:
        if applies(metric) and (match := re.search(pattern, words)):
            return match.group().strip(" ,(.")
    for grouped in _GROUPED:
        for match in grouped.finditer(words):
            if not _harmless(match[1], metric):
                return match.group().strip(" ,(")
    return ""


def _harmless(noun: str, metric: Metric) -> bool:
    """Whether an average over these is what the metric does anyway."""
    if noun in _ROWS:
        return True
    if noun in _COLUMNS:
        return (
            metric.columns is not None
            or metric.balanced
            or metric.name.startswith(("f1_", "balanced", "mean"))
        )
    return noun in {
        "pairs",
        "folds",
        "thresholds",
        "positives",
        "squared",
        "absolute",
        "sum",
        "taking",
        "computing",
    }


def turned(turn: str, name: str) -> str:
    """The name of a metric turned round, "" if that has no name."""
    found = metrics.known(f"{turn}_{name}" if turn else name)
    return found.name if found else ""
