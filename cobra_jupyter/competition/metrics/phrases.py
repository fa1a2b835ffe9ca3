"""Patterns that several metrics use in their `words`."""

from __future__ import annotations

AUC = (
    r"(?:roc auc|auc roc|auroc|auc|area under (?:the )?(?:receiver operating characteristic|roc)"
    r"(?: characteristic)?(?: \(?roc\)?)?(?: curves?)?|area under the curve)"
)
LOG_LOSS = r"(?:log ?loss|logarithmic loss|cross entropy)"
RMSE = r"root (?:mean squared?|mean square|of the mean squared) (?:error|deviation)s?"
RMSLE = r"root mean squared? log(?:arithmic)? errors?"
COLUMNS = r"(?:mean )?(?:\(?over columns\)? |column ?wise |per column )"
F1 = r"f ?[_-]?1(?: ?[- ]?(?:score|measure))?"
