"""Finds the metric that a description names, first in its Evaluation section."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from cobra_jupyter.competition import metric_modifiers, metrics
from cobra_jupyter.competition.metric_clauses import evidence
from cobra_jupyter.competition.metrics.phrases import AUC, F1, LOG_LOSS

METRICS = tuple(metrics.METRICS)

# phrases for metrics that this package does not compute
NOT_COMPUTED = (
    r"mean average precision(?: at \w+| ?@ ?\{?\w+\}?)?",
    r"\b(?:map|ap|recall|precision|ndcg|hit rate) ?@ ?\{?\w+\}?",
    r"average precision (?:at|@) ?\w+",
    r"(?:word|character) error rate",
    r"levenshtein(?: (?:mean|distance))*|edit distance",
    r"intersection over union|\biou\b|jaccard(?: index| score| similarity)?",
    r"(?:sorensen )?dice(?: coefficient| score)?",
    r"(?:normali[sz]ed )?discounted cumulative gain|\bndcg\b|mean reciprocal rank",
    r"\bbleu\b(?: score)?|\brouge\b",
    r"continuous ranked probability score|\bcrps\b",
    r"laplace log likelihood|kullback leibler(?: divergence)?|kl divergence",
    rf"(?:mean|sample averaged|samples averaged|row wise micro averaged) {F1}",
    r"hamming loss|hinge loss",
    rf"(?:partial|label weighted|micro averaged?|micro|one (?:vs|versus) one) {AUC}",
    rf"weighted multi ?label (?:average )*{LOG_LOSS}",
    r"(?:mean absolute|root mean squared?|mean squared?|weighted root mean squared?) scaled error"
    r"|\bw?rmsse\b|\bmase\b",
    r"weighted kappa",
    r"concordance index|c index|sharpe ratio|expected calibration error|explained variance",
)

Namer = Callable[[re.Match[str], str], str]


def _word_list() -> list[tuple[str, str, Namer]]:
    """(pattern, what it stands for, name of a match). In a sentence the longest match wins, so that a
    specific phrase hides a general one. The name "" stands for a metric that is not computed here."""
    found: list[tuple[str, str, Namer]] = []
    for metric in metrics.METRICS.values():
        found += [(pattern, metric.name, lambda m, text, name=metric.name: name) for pattern in metric.words]  # type: ignore[misc]
    for family in metrics.FAMILIES:
        if family.named is not None:
            found += [(pattern, family.name, family.named) for pattern in family.words]
    return found + [(pattern, "", lambda m, text: "") for pattern in NOT_COMPUTED]


WORDS = tuple(_word_list())
_WORDS = tuple((re.compile(rf"(?<![a-z0-9])(?:{pattern})s?(?![a-z0-9])"), name) for pattern, _, name in WORDS)
_CUE = re.compile(
    r"evaluat|scored|metric|final score|score is|measured|judged|assessed|ranked|calculated|we use|uses\b"
    r"|submissions? (?:are|is|will)"
)
_TITLE = re.compile(r"evaluat|metric|scoring|how .*scored|judg", re.I)
_FORMAT = re.compile(r"submission|format|timeline|prize|rules|faq|data|citation", re.I)
_AND = re.compile(
    r"\b(?:and|plus|or|as well as|combined with|together with|along with|alongside"
    r"|in addition to|besides|times|minus)\b|[+/×]"
)
_KIN = (  # names of one thing: a description may use both
    ("rmse", "mse", "log_rmse", "rmsle", "msle", "mean_columnwise_rmse", "mean_columnwise_rmsle"),
    ("roc_auc", "mean_columnwise_roc_auc", "gini", "average_precision"),
    ("accuracy", "error_rate", "balanced_accuracy", "balanced_error_rate", "geometric_mean_recall"),
    ("log_loss", "balanced_log_loss", "multi_column_log_loss"),
    ("mape", "smape", "wape", "rmspe"),
)


@dataclass(frozen=True)
class Named:
    """A metric found in a description: its name (None: not found, or not computed here), quote and section.

    `unread`: the words that change the metric and are not understood; then `metric` is None and `nearest`
    the metric without them. `weighted`: the description weighs rows."""

    metric: str | None
    quote: str
    section: str
    nearest: str | None = None
    unread: str = ""
    weighted: bool = False
    about_weights: str = ""  # the sentences that speak of weights, as written


@dataclass(frozen=True)
class Match:
    """A phrase for a metric at [start, end) of a plain sentence; name "": a metric not computed here."""

    name: str
    start: int
    end: int


def direction_of(metric: str | None) -> str | None:
    """The direction of a known metric: "maximize" or "minimize"; None if it is unknown."""
    known = metrics.known(metric)
    return known.direction if known else None


def wants(metric: str | None) -> str | None:
    """The prediction that a known metric needs: "label", "probability" or "value"; None if it is unknown."""
    known = metrics.known(metric)
    return known.wants if known else None


def find(description: str) -> Named:
    """Find the metric that a description names, in its first sentence about scoring that names one."""
    title, section = evaluation_section(description)
    sentences = _sentences(section if title else description)
    cued = [sentence for sentence in sentences if _CUE.search(plain(sentence))]
    where = f"section “{title}”" if title else "description"
    # outside an Evaluation section only sentences about scoring count
    for sentence in [*cued, *(sentences if title else [])]:
        text = evidence(plain(sentence))
        match = best(text)
        if match is not None:
            others = [evidence(plain(each)) for each in sentences if each != sentence] if title else []
            named = _named(text, match, others, short(sentence), where)
            weights = " ".join(each for each in sentences if "weigh" in each.lower())
            return replace(named, about_weights=weights) if named.weighted else named
    return Named(None, short((cued or sentences or [""])[0]) if title else "", where)


def _named(text: str, match: Match, others: list[str], quote: str, where: str) -> Named:
    metric = metrics.known(match.name)
    if metric is None:
        return Named(None, quote, where)
    around = metric_modifiers.read(text, match.start, match.end, metric, others)
    unread = around.unread or _second(text, match)
    turned = metric_modifiers.turned(around.turn, metric.name)
    if unread or not turned:
        return Named(None, quote, where, turned or metric.name, unread or around.turn, around.weighted)
    return Named(turned, quote, where, turned, "", around.weighted)


def _second(text: str, first: Match) -> str:
    """A second metric that is joined to the first by "and" or the like, in words; "" without one."""
    for other in matches(text):
        if other.start < first.end and first.start < other.end:
            continue
        between = text[min(first.end, other.end) : max(first.start, other.start)]
        kin = any(first.name in names and other.name in names for names in _KIN)
        if _AND.search(between) and len(between) < 40 and not kin and other.name != first.name:
            return text[other.start : other.end].strip()
    return ""


def matches(text: str) -> list[Match]:
    """Return all phrases for metrics in a plain sentence."""
    found = []
    for pattern, name in _WORDS:
        for match in pattern.finditer(text):
            lead = len(match.group()) - len(match.group().lstrip())
            found.append(
                Match(name(match, text), match.start() + lead, match.start() + len(match.group().rstrip()))
            )
    return found


def best(text: str) -> Match | None:
    """Return the longest phrase for a metric; ties go to the first in the sentence."""
    return max(matches(text), key=lambda match: (match.end - match.start, -match.start), default=None)


def best_match(sentence: str) -> str | None:
    """The metric with the longest matching phrase. "" for one not computed here, None without a match."""
    match = best(plain(sentence))
    return match.name if match else None


def evaluation_section(description: str) -> tuple[str, str]:
    """Title and text of the Evaluation section, without the submission format; ("", "") if there is none."""
    title, level, lines = "", 0, []
    for line in description.splitlines():
        heading = re.match(r"(#+)\s*(.+)", line)
        if heading and title:
            if len(heading[1]) <= level or (_FORMAT.search(heading[2]) and not _TITLE.search(heading[2])):
                break
        elif heading and _TITLE.search(heading[2]):
            title, level = heading[2].strip(" #*:"), len(heading[1])
            continue
        if title:
            lines.append(line)
    return title, "\n".join(lines)


def _sentences(text: str) -> list[str]:
    text = re.sub(r"```.*?```", " ", text, flags=re.S)
    parts = re.split(r"(?<=[.!?:])(?<!e\.g\.)(?<!i\.e\.)(?<!vs\.)\s+|\n\s*\n|\n\s*[-*]\s", text)
    return [part.strip() for part in parts if part.strip() and not part.lstrip().startswith("#")]


def plain(text: str) -> str:
    """Lower-case words without link addresses and mark-up; hyphens become spaces."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"https?://\S+|<[^>]+>", " ", text)
    text = text.lower().replace("²", "2").replace("’", "'").replace("'", " ")
    text = re.sub(r"\b1 ?[-−–] ?(?=[a-z])", "one minus ", text)
    return re.sub(r"\s+", " ", re.sub(r"[-–_*`\"“”$\\{}]", " ", text)).strip(" .")


def short(sentence: str) -> str:
    sentence = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", sentence)
    sentence = " ".join(sentence.split())
    return sentence if len(sentence) <= 200 else sentence[:199] + "…"
