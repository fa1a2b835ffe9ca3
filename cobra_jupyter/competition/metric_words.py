"""Which metric a description means: its words, looked up in the Evaluation section first."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAXIMIZED = (
    "accuracy", "balanced_accuracy", "roc_auc", "mean_columnwise_roc_auc", "f1", "f1_macro", "f1_micro",
    "f1_weighted", "matthews_corrcoef", "quadratic_weighted_kappa", "average_precision", "r2",
    "pearson", "spearman",
)  # fmt: skip
MINIMIZED = (
    "log_loss", "multi_column_log_loss", "brier_score", "rmse", "mean_columnwise_rmse", "mse", "mae",
    "median_absolute_error", "rmsle", "mean_columnwise_rmsle", "mape", "smape",
)  # fmt: skip
METRICS = MAXIMIZED + MINIMIZED
PROBABILITY = (
    "roc_auc", "mean_columnwise_roc_auc", "log_loss", "multi_column_log_loss", "average_precision",
    "brier_score",
)  # fmt: skip
NUMERIC = (
    "rmse", "mean_columnwise_rmse", "mse", "mae", "median_absolute_error", "rmsle",
    "mean_columnwise_rmsle", "mape",
    "smape", "r2", "pearson", "spearman",
)  # fmt: skip
LABELS = (
    "accuracy", "balanced_accuracy", "f1", "f1_macro", "f1_micro", "f1_weighted", "matthews_corrcoef",
    "quadratic_weighted_kappa",
)  # fmt: skip

_AUC = (
    r"(?:roc auc|auc roc|auroc|auc|area under (?:the )?(?:receiver operating characteristic|roc)"
    r"(?: characteristic)?(?: \(?roc\)?)?(?: curves?)?|area under the curve)"
)
_LOG_LOSS = r"(?:log ?loss|logarithmic loss|cross entropy)"
_RMSE = r"root (?:mean squared?|mean square|of the mean squared) (?:error|deviation)s?"
_RMSLE = r"root mean squared? log(?:arithmic)? errors?"
_COLUMNS = r"(?:mean )?(?:\(?over columns\)? |column ?wise |per column )"
_F1 = r"f ?[_-]?1(?: ?[- ]?(?:score|measure))?"

# longest match wins in a sentence, so a specific phrase hides a general one; "": not computed here
WORDS: tuple[tuple[str, str], ...] = (
    (r"(?:classification|categori[sz]ation|prediction|overall)? ?accuracy(?: score)?", "accuracy"),
    (r"(?:percentage|percent|proportion|fraction|share) of (?:\w+ ){0,4}(?:correctly|correct)", "accuracy"),
    (
        r"(?:percentage|percent|proportion|fraction|share|number) of (?:\w+ ){0,6}"
        r"(?:are correct|correctly \w+)",
        "accuracy",
    ),
    (r"balanced (?:classification )?accuracy(?: score)?", "balanced_accuracy"),
    (r"(?:mean|average|macro averaged) (?:per class )?recall(?: over classes)?", "balanced_accuracy"),
    (_AUC, "roc_auc"),
    (rf"(?:mean|average) {_COLUMNS}{_AUC}", "mean_columnwise_roc_auc"),
    (rf"{_COLUMNS}(?:mean )?{_AUC}", "mean_columnwise_roc_auc"),
    (
        rf"(?:mean|average) of (?:the )?(?:individual )?{_AUC}s?(?: of each (?:predicted )?column)?",
        "mean_columnwise_roc_auc",
    ),
    (rf"(?:binary |average |multi ?class |mean )*{_LOG_LOSS}(?: \({_LOG_LOSS}\))?", "log_loss"),
    (r"negative log likelihood", "log_loss"),
    (
        rf"(?:mean )?(?:multi ?column|column ?wise|multi ?label) (?:mean )?{_LOG_LOSS}",
        "multi_column_log_loss",
    ),
    (rf"(?:mean|average) column ?wise {_LOG_LOSS}", "multi_column_log_loss"),
    (_F1, "f1"),
    (rf"binary {_F1}", "f1"),
    (rf"(?:macro[- ]?(?:averaged? )?|mean per class ){_F1}", "f1_macro"),
    (rf"{_F1} \(?macro\)?", "f1_macro"),
    (rf"micro[- ]?(?:averaged? )?{_F1}", "f1_micro"),
    (rf"{_F1} \(?micro\)?", "f1_micro"),
    (rf"weighted[- ]?(?:averaged? )?{_F1}", "f1_weighted"),
    (rf"{_F1} \(?weighted\)?", "f1_weighted"),
    (r"matthews? (?:'s )?correlation(?: coefficient)?(?: \(mcc\))?", "matthews_corrcoef"),
    (r"\bmcc\b", "matthews_corrcoef"),
    (r"(?:quadratic(?:ally)? )(?:weighted )?(?:cohen s )?kappa(?: score)?", "quadratic_weighted_kappa"),
    (r"(?:cohen s )?kappa (?:score )?with quadratic weights", "quadratic_weighted_kappa"),
    (r"\bqwk\b", "quadratic_weighted_kappa"),
    (r"average precision(?: score)?", "average_precision"),
    (r"area under (?:the )?precision recall(?: curve)?", "average_precision"),
    (r"\b(?:pr auc|auprc|auc pr)\b", "average_precision"),
    (r"brier(?: score)?(?: loss)?", "brier_score"),
    (rf"{_RMSE}(?: \(?rmse\)?)?", "rmse"),
    (r"\brmse\b", "rmse"),
    (rf"(?:mean )?{_COLUMNS}(?:mean )?(?:{_RMSE}|rmse)", "mean_columnwise_rmse"),
    (r"\bmcrmse\b", "mean_columnwise_rmse"),
    (r"mean squared? errors?(?: \(?mse\)?)?", "mse"),
    (r"\bmse\b", "mse"),
    (r"(?:mean|average) absolute (?:error|deviation)s?(?: \(?mae\)?)?", "mae"),
    (r"\bmae\b", "mae"),
    (r"median absolute error", "median_absolute_error"),
    (rf"{_RMSLE}(?: \(?rmsle\)?)?", "rmsle"),
    (
        r"root mean squared? error (?:\(?rmse\)? )?(?:between|of) (?:the )?(?:natural )?log(?:arithm)?s?",
        "rmsle",
    ),
    (r"\brmsle\b", "rmsle"),
    (rf"(?:mean )?{_COLUMNS}(?:mean )?(?:{_RMSLE}|rmsle)", "mean_columnwise_rmsle"),
    (r"mean absolute percentage error(?: \(?mape\)?)?", "mape"),
    (r"\bmape\b", "mape"),
    (r"symmetric mean absolute percentage error(?: \(?smape\)?)?", "smape"),
    (r"\bsmape\b", "smape"),
    (r"(?:coefficient of determination|\br ?\^? ?2\b(?: score)?|\br squared\b)", "r2"),
    (r"pearson(?: ?s)?(?: product moment)?(?: correlation(?: coefficient)?)?", "pearson"),
    (r"spearman(?: ?s)?(?: rank(?:ed)?)?(?: order)?(?: correlation(?: coefficient)?)?", "spearman"),
    # clearly named, and not computed here
    (r"mean average precision(?: at \w+| ?@ ?\{?\w+\}?)?", ""),
    (r"\b(?:map|ap|recall|precision|ndcg|hit rate) ?@ ?\{?\w+\}?", ""),
    (r"average precision (?:at|@) ?\w+", ""),
    (r"(?:word|character) error rate", ""),
    (r"levenshtein(?: (?:mean|distance))*|edit distance", ""),
    (r"intersection over union|\biou\b|jaccard(?: index| score| similarity)?", ""),
    (r"(?:sorensen )?dice(?: coefficient| score)?", ""),
    (r"kendall(?: ?s)? tau(?: correlation)?", ""),
    (r"(?:normali[sz]ed )?discounted cumulative gain|\bndcg\b|mean reciprocal rank", ""),
    (r"(?:normali[sz]ed )?gini(?: coefficient| index)?", ""),
    (r"\bbleu\b(?: score)?|\brouge\b", ""),
    (r"pinball loss|quantile loss|continuous ranked probability score|\bcrps\b", ""),
    (r"laplace log likelihood|kullback leibler(?: divergence)?|kl divergence", ""),
    (r"\bf ?[_-]?(?:beta|2|0\.5)[ -](?:score|measure)", ""),
    (rf"(?:mean|sample averaged|samples averaged|row wise micro averaged) {_F1}", ""),
    (r"hamming loss|hinge loss|top \d+ (?:accuracy|error)|misclassification (?:rate|error)|error rate", ""),
    (rf"(?:partial|weighted|label weighted) {_AUC}", ""),
    (rf"weighted (?:multi ?class |multi ?label |average )*{_LOG_LOSS}", ""),
    (
        r"weighted (?:mean absolute|root mean squared?|mean squared?) (?:scaled )?error|\bwrmsse\b|\bwmae\b",
        "",
    ),
    (r"(?:cohen s )?kappa(?: score)?|linear(?:ly)? weighted kappa", ""),
    (r"concordance index|c index|sharpe ratio", ""),
)  # fmt: skip
_WORDS = tuple((re.compile(rf"(?<![a-z0-9]){pattern}(?![a-z0-9])"), name) for pattern, name in WORDS)
_CUE = re.compile(
    r"evaluat|scored|metric|final score|score is|measured|judged|assessed|ranked|calculated"
    r"|submissions? (?:are|is|will)"
)
_TITLE = re.compile(r"evaluat|metric|scoring|how .*scored|judg", re.I)
_FORMAT = re.compile(r"submission|format|timeline|prize|rules|faq|data|citation", re.I)


@dataclass(frozen=True)
class Named:
    """A metric found in words: its name (None: not computed here or none found), the quote, and where."""

    metric: str | None
    quote: str
    section: str


def direction_of(metric: str | None) -> str | None:
    """Which way a known metric is better."""
    if metric in MAXIMIZED:
        return "maximize"
    return "minimize" if metric in MINIMIZED else None


def find(description: str) -> Named:
    """The metric a description names. The first sentence about scoring that names one decides."""
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
    """The name behind the longest phrase known; "" for a metric not computed here, None for none."""
    text = _plain(sentence)
    best, length = None, 0
    for pattern, name in _WORDS:
        for match in pattern.finditer(text):
            size = len(match.group().strip())
            if size > length:
                best, length = name, size
    return best


def evaluation_section(description: str) -> tuple[str, str]:
    """Title and text of the Evaluation section, up to the submission's format; ("", "") if there is none."""
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
    """Words only: links without addresses, no mark-up, hyphens as spaces."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"https?://\S+|<[^>]+>", " ", text)
    text = text.lower().replace("²", "2").replace("’", "'").replace("'", " ")
    return re.sub(r"\s+", " ", re.sub(r"[-–—_*`$\\{}]", " ", text))


def _short(sentence: str) -> str:
    sentence = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", sentence)
    sentence = " ".join(sentence.split())
    return sentence if len(sentence) <= 200 else sentence[:199] + "…"
