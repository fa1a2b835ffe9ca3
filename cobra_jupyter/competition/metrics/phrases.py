"""Patterns that several metrics use in their `words`."""

from __future__ import annotations

AUC = (
    r"(?:roc auc|auc roc|auroc|auc|area under (?:the )?(?:receiver operating characteristics?|roc)"
    r"(?: characteristic)?(?: \(?roc\)?)?(?: curves?)?|area under the curve)"
    r"(?: \(?(?:roc auc|auc roc|auroc|auc)\)?)?(?: scores?)?"
)
LOG_LOSS = r"(?:log ?loss|logarithmic loss|(?:categorical |binary )?cross entropy(?: loss)?|logistic loss)"
MSE = r"(?:mean squared?|mean of (?:the )?squared) (?:error|deviation)s?"
RMSE = rf"(?:root (?:mean squared?|of the mean squared?) (?:error|deviation)s?|square root of (?:the )?{MSE})"
MAE = r"(?:(?:mean|average) absolute (?:error|deviation|difference)s?|mean of (?:the )?absolute errors)"
RMSLE = r"root mean squared? (?:log(?:arithmic)?) errors?"
COLUMNS = r"(?:mean )?(?:\(?over columns\)? |column ?wise |per column )"
OVER_COLUMNS = (
    r"(?:(?:is )?(?:averaged|computed and averaged|computed separately and averaged)|mean|average)?"
    r" ?(?:over|across|per) (?:the |all |all the |each |both )?(?:two |three |four |five |six |\d+ )?"
    r"(?:target |label |output |predicted )?(?:columns?|targets?|labels?|outputs?|properties|property)"
)
AVERAGED = r"(?:average|averaged|averaging|mean)"
LOGS = r"(?:natural )?log(?:arithm)?s?(?:[ -]transformed)?(?: values?)?"
F1 = r"f ?[_-]?1(?: ?[- ]?(?:score|measure))?"
