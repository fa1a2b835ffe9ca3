from __future__ import annotations

import pytest

from cobra_jupyter.competition import metric_words

EVALUATION = "# Overview\n\n## Evaluation\n\n{}\n\n## Submission File\n\nid,accuracy\n"

PHRASES = [
    ("Submissions are evaluated on accuracy.", "accuracy"),
    (
        "based on their [classification accuracy](https://x.org/log-loss), the percentage of correct labels",
        "accuracy",
    ),
    ("evaluated on the categorization accuracy of the predictions", "accuracy"),
    ("evaluated using multi-class classification accuracy", "accuracy"),
    ("Your score is the percentage of passengers you correctly predict.", "accuracy"),
    ("Submissions are evaluated by balanced accuracy.", "balanced_accuracy"),
    (
        "evaluated on [area under the ROC curve](http://w.org) between the predicted probability"
        " and the target",
        "roc_auc",
    ),
    ("evaluated on the AUC", "roc_auc"),
    ("scored on area under the receiver operating characteristic curve", "roc_auc"),
    ("evaluated on the area under the receiver operating characteristic (ROC) curve", "roc_auc"),
    ("judged on AUROC", "roc_auc"),
    (
        "evaluated on the mean column-wise ROC AUC. In other words, the score is the average of the AUCs",
        "mean_columnwise_roc_auc",
    ),
    ("evaluated on mean column-wise area under the ROC curve", "mean_columnwise_roc_auc"),
    ("Submissions are scored on log loss", "log_loss"),
    ("evaluated using the multi-class logarithmic loss", "log_loss"),
    ("evaluated using the binary cross-entropy", "log_loss"),
    ("scored with the average multi-class log loss", "log_loss"),
    ("evaluated with the multi-column log loss", "multi_column_log_loss"),
    ("evaluated using the mean column-wise log loss", "multi_column_log_loss"),
    ("scored on the root mean squared error", "rmse"),
    ("evaluated on Root-Mean-Squared-Error (RMSE) between the predicted value and the observed", "rmse"),
    ("evaluated on the root mean square error", "rmse"),
    ("evaluated using the mean column-wise root mean squared error (MCRMSE)", "mean_columnwise_rmse"),
    ("scored using MCRMSE", "mean_columnwise_rmse"),
    ("evaluated on the root mean squared logarithmic error (RMSLE)", "rmsle"),
    ("evaluated on Root Mean Squared Log Error", "rmsle"),
    ("evaluated on the column-wise root mean squared logarithmic error", "mean_columnwise_rmsle"),
    ("evaluated using the mean squared error", "mse"),
    ("evaluated on the Mean Absolute Error (MAE)", "mae"),
    ("scored on the median absolute error", "median_absolute_error"),
    ("evaluated using mean absolute percentage error", "mape"),
    ("evaluated on SMAPE between forecasts and actual values", "smape"),
    ("evaluated on the symmetric mean absolute percentage error", "smape"),
    ("evaluated on the R2 score", "r2"),
    ("evaluated on the R² value, also called coefficient of determination", "r2"),
    ("evaluated by the R^2", "r2"),
    ("evaluated on F1-Score", "f1"),
    ("scored using the $F_1$ score", "f1"),
    ("evaluated with the macro F1 score", "f1_macro"),
    ("evaluated on macro-averaged F1", "f1_macro"),
    ("evaluated on micro-averaged F1-score", "f1_micro"),
    ("evaluated with weighted F1", "f1_weighted"),
    (
        "scored based on the quadratic weighted kappa, which measures the agreement",
        "quadratic_weighted_kappa",
    ),
    ("evaluated using the Matthews correlation coefficient (MCC)", "matthews_corrcoef"),
    ("evaluated on the average precision score", "average_precision"),
    ("evaluated on the area under the precision-recall curve", "average_precision"),
    ("evaluated with the Brier score", "brier_score"),
    ("evaluated on Spearman's rank correlation coefficient", "spearman"),
    ("evaluated on Spearman’s correlation", "spearman"),
    ("scored on the Pearson correlation coefficient", "pearson"),
]


@pytest.mark.parametrize(("phrase", "metric"), PHRASES)
def test_a_metric_named_in_words_is_found(phrase: str, metric: str) -> None:
    assert metric_words.find(EVALUATION.format(phrase)).metric == metric


@pytest.mark.parametrize(
    "phrase",
    [
        "evaluated on the word error rate",
        "evaluated on Mean Average Precision at 5 (MAP@5)",
        "evaluated on MAP@12",
        "evaluated at the mean intersection over union",
        "evaluated by the [Kendall tau correlation](https://x.org)",
        "evaluated with the Dice coefficient",
        "evaluated on a weighted multi-label logarithmic loss",
        "evaluated on the normalized Gini coefficient",
        "evaluated on the Levenshtein mean",
        "evaluated on the Mean F1-Score",
        "evaluated by a secret recipe of the hosts",
    ],
)
def test_a_metric_not_computed_here_is_none_and_quoted(phrase: str) -> None:
    named = metric_words.find(EVALUATION.format(phrase))
    assert named.metric is None
    assert named.quote.startswith("evaluated")


def test_the_sentence_on_scoring_wins_over_earlier_and_later_mentions() -> None:
    text = (
        "Many use accuracy as a guide.\n\nSubmissions are evaluated using the log loss. A good AUC may help."
    )
    assert metric_words.find(EVALUATION.format(text)).metric == "log_loss"


def test_the_evaluation_section_wins_over_other_sections() -> None:
    text = (
        "# Description\n\nModels are evaluated on accuracy elsewhere.\n\n# Evaluation\n\nWe use the RMSE.\n"
    )
    named = metric_words.find(text)
    assert (named.metric, named.section) == ("rmse", "section “Evaluation”")


def test_headings_below_evaluation_belong_to_it() -> None:
    assert metric_words.find("## Evaluation\n\n### Metric\n\nThe metric is MAE.\n").metric == "mae"


def test_without_the_section_a_sentence_on_scoring_counts_and_others_do_not() -> None:
    assert metric_words.find("Entries are scored by RMSE.").metric == "rmse"
    assert metric_words.find("An article on accuracy inspired us.").metric is None


def test_a_word_within_a_word_is_no_metric() -> None:
    assert metric_words.find(EVALUATION.format("evaluated on inaccuracyx and maelstrom")).metric is None


def test_every_name_has_one_direction_and_every_phrase_a_known_name() -> None:
    assert len(set(metric_words.METRICS)) == len(metric_words.METRICS)
    assert {name for _, name in PHRASES} == set(metric_words.METRICS)
    assert {name for _, name in metric_words.WORDS if name} == set(metric_words.METRICS)
    assert metric_words.direction_of("rmse") == "minimize"
    assert metric_words.direction_of("roc_auc") == "maximize"
    assert metric_words.direction_of(None) is None
