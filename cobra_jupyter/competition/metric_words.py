"""Finds the metric that a description names, first in its Evaluation section."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cobra_jupyter.competition import metrics
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
    r"kendall(?: ?s)? tau(?: correlation)?",
    r"(?:normali[sz]ed )?discounted cumulative gain|\bndcg\b|mean reciprocal rank",
    r"(?:normali[sz]ed )?gini(?: coefficient| index)?",
    r"\bbleu\b(?: score)?|\brouge\b",
    r"pinball loss|quantile loss|continuous ranked probability score|\bcrps\b",
    r"laplace log likelihood|kullback leibler(?: divergence)?|kl divergence",
    r"\bf ?[_-]?(?:beta|2|0\.5)[ -](?:score|measure)",
    rf"(?:mean|sample averaged|samples averaged|row wise micro averaged) {F1}",
    r"hamming loss|hinge loss|top \d+ (?:accuracy|error)|misclassification (?:rate|error)|error rate",
    rf"(?:partial|weighted|label weighted) {AUC}",
    rf"weighted (?:multi ?class |multi ?label |average )*{LOG_LOSS}",
    r"weighted (?:mean absolute|root mean squared?|mean squared?) (?:scaled )?error|\bwrmsse\b|\bwmae\b",
    r"(?:cohen s )?kappa(?: score)?|linear(?:ly)? weighted kappa",
    r"concordance index|c index|sharpe ratio",
)

# In a sentence the longest match wins, so that a specific phrase hides a general one. "": not computed here.
WORDS = (
    *((pattern, metric.name) for metric in metrics.METRICS.values() for pattern in metric.words),
    *((pattern, "") for pattern in NOT_COMPUTED),
)
_WORDS = tuple((re.compile(rf"(?<![a-z0-9]){pattern}(?![a-z0-9])"), name) for pattern, name in WORDS)
_CUE = re.compile(
    r"evaluat|scored|metric|final score|score is|measured|judged|assessed|ranked|calculated"
    r"|submissions? (?:are|is|will)"
)
_TITLE = re.compile(r"evaluat|metric|scoring|how .*scored|judg", re.I)
_FORMAT = re.compile(r"submission|format|timeline|prize|rules|faq|data|citation", re.I)


@dataclass(frozen=True)
class Named:
    """A metric found in a description: its name (None: not found, or not computed here), quote and
    section."""

    metric: str | None
    quote: str
    section: str


def direction_of(metric: str | None) -> str | None:
    """The direction of a known metric: "maximize" or "minimize"; None if it is unknown."""
    return metrics.METRICS[metric].direction if metric in metrics.METRICS else None


def wants(metric: str | None) -> str | None:
    """The prediction that a known metric needs: "label", "probability" or "value"; None if it is unknown."""
    return metrics.METRICS[metric].wants if metric in metrics.METRICS else None


def find(description: str) -> Named:
    """Find the metric that a description names, in its first sentence about scoring that names one."""
    title, section = evaluation_section(description)
    sentences = _sentences(section if title else description)
    cued = [sentence for sentence in sentences if _CUE.search(_plain(sentence))]
    where = f"section “{title}”" if title else "description"
    # outside an Evaluation section only sentences about scoring count
    for sentence in [*cued, *(sentences if title else [])]:
        match = best_match(sentence)
        if match is not None:
            return Named(match or None, _short(sentence), where)
    return Named(None, _short((cued or sentences or [""])[0]) if title else "", where)


def best_match(sentence: str) -> str | None:
    """The metric with the longest matching phrase; ties go to the first in the sentence.

    Returns "" for a metric that is not computed here, None without a match."""
    text = _plain(sentence)
    best, rank = None, (0, 0)  # length of the phrase, negative position
    for pattern, name in _WORDS:
        for match in pattern.finditer(text):
            found = len(match.group().strip()), -match.start()
            if found > rank:
                best, rank = name, found
    return best


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
    parts = re.split(r"(?<=[.!?:])\s+|\n\s*\n|\n\s*[-*]\s", text)
    return [part.strip() for part in parts if part.strip() and not part.lstrip().startswith("#")]


def _plain(text: str) -> str:
    """Lower-case words without link addresses and mark-up; hyphens become spaces."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"https?://\S+|<[^>]+>", " ", text)
    text = text.lower().replace("²", "2").replace("’", "'").replace("'", " ")
    return re.sub(r"\s+", " ", re.sub(r"[-–—_*`$\\{}]", " ", text))


def _short(sentence: str) -> str:
    sentence = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", sentence)
    sentence = " ".join(sentence.split())
    return sentence if len(sentence) <= 200 else sentence[:199] + "…"
