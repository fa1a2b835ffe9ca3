from __future__ import annotations

import pytest

from cobra_jupyter.competition import metric_words
from cobra_jupyter.competition.metrics import METRICS

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


# The right reading of each sentence. "?x": a question, x is the nearest metric; "+w": rows weigh.
SENTENCES = [
    ("Submissions are evaluated using balanced accuracy.", "balanced_accuracy"),
    ("The metric is weighted RMSE.", "rmse +w"),
    ("Submissions are scored by the root mean squared error of the logs.", "log_rmse"),
    ("The score is one minus the Pearson correlation.", "one_minus_pearson"),
    ("Submissions are ranked by negative log likelihood.", "log_loss"),
    ("We use the mean absolute error, averaged per group.", "?mae"),
    ("Entries are scored with the normalised Gini coefficient.", "gini"),
    ("Evaluated on top-5 accuracy.", "top_5_accuracy"),
    ("Scored by the 90 % quantile loss.", "pinball_0.9"),
    ("The metric is macro-averaged ROC AUC.", "roc_auc"),
    (
        "Unlike last year's challenge, which used log loss, submissions are evaluated on the "
        "area under the ROC curve.",
        "roc_auc",
    ),
    ("Last year we scored by accuracy; this year submissions are scored by the macro F1.", "f1_macro"),
    ("Submissions are scored by RMSE rather than MAE.", "rmse"),
    ("Submissions are not scored by accuracy but by balanced accuracy.", "balanced_accuracy"),
    ("Accuracy would be misleading here, so we use the AUC.", "roc_auc"),
    ("Submissions are evaluated on RMSE. The baseline reaches an accuracy of 0.8.", "rmse"),
    (
        "Submissions are evaluated using a balanced logarithmic loss. The overall effect is that "
        "each class is roughly equally important: the loss is averaged within each class first, "
        "then over the two classes.",
        "balanced_log_loss",
    ),
    (
        "Submissions are evaluated on Root-Mean-Squared-Error (RMSE) between the logarithm of "
        "the predicted value and the logarithm of the observed price.",
        "log_rmse",
    ),
    (
        "Submissions are evaluated on MAE. The weight of each row is given in the column `exposure`.",
        "mae +w",
    ),
    ("The metric is the weighted mean absolute error, with weights in column w.", "mae +w"),
    ("Submissions are judged by 1 - R2.", "one_minus_r2"),
    ("Submissions are judged by the negative mean squared error.", "negative_mse"),
    ("Scored on the normalized RMSE.", "?rmse"),
    ("Scored on RMSE normalised by the range of the target.", "?rmse"),
    ("Scored on the RMSE. The score is then divided by the standard deviation of the target.", "?rmse"),
    ("Scored on the pinball loss.", "?"),
    ("Scored on the mean pinball loss for the quantiles 0.1, 0.5 and 0.9.", "?"),
    ("Scored on the pinball loss at quantile 0.25.", "pinball_0.25"),
    ("Evaluated on pinball loss with tau = 0.75.", "pinball_0.75"),
    ("The score is the quantile loss for the 95th percentile.", "pinball_0.95"),
    ("Scored by top 3 categorical accuracy.", "top_3_accuracy"),
    ("Scored by top-five error rate.", "one_minus_top_5_accuracy"),
    ("Scored by accuracy@10.", "top_10_accuracy"),
    ("The metric is F2-score.", "f_beta_2"),
    ("The metric is the F-beta score with beta = 0.5.", "f_beta_0.5"),
    ("Submissions are evaluated with Cohen's kappa.", "cohen_kappa"),
    ("Submissions are evaluated with kappa using linear weights.", "linear_weighted_kappa"),
    ("Submissions are evaluated with weighted kappa.", "?"),
    (
        "Submissions are evaluated with the quadratically weighted kappa. An N-by-N matrix of "
        "weights is calculated based on the difference between ratings.",
        "quadratic_weighted_kappa",
    ),
    ("Evaluated by mean average precision.", "?"),
    ("Evaluated by the RMSPE. Rows with 0 sales are ignored in scoring.", "rmspe"),
    ("Evaluated by Root Mean Square Percentage Error (RMSPE).", "rmspe"),
    ("Evaluated by sMAPE.", "smape"),
    ("Evaluated by symmetric MAPE.", "smape"),
    ("Evaluated by weighted absolute percentage error (WAPE).", "wape"),
    ("Evaluated by Kendall's tau.", "kendall_tau"),
    ("Evaluated by the concordance correlation coefficient.", "concordance_correlation"),
    ("Evaluated by mean Poisson deviance.", "poisson_deviance"),
    ("Evaluated by the mean squared logarithmic error.", "msle"),
    ("Evaluated by the weighted F1 score.", "f1_weighted"),
    ("Evaluated by F1 (macro).", "f1_macro"),
    ("Evaluated by the partial AUC below a false positive rate of 0.1.", "?"),
    ("Evaluated on AUC at a false positive rate below 10 %.", "?roc_auc"),
    ("Evaluated on a mix: the average of AUC and F1.", "?roc_auc"),
    ("Submissions are scored on AUC and log loss.", "?log_loss"),
    ("Evaluated on the misclassification rate.", "error_rate"),
    ("Evaluated on the share of wrongly classified patients.", "error_rate"),
    ("Evaluated on the balanced error rate.", "balanced_error_rate"),
    ("Evaluated on the geometric mean of sensitivity and specificity.", "geometric_mean_recall"),
    ("Evaluated on the average of sensitivity and specificity.", "balanced_accuracy"),
    ("Evaluated on unweighted average recall.", "balanced_accuracy"),
    ("Evaluated on RMSE averaged over the three targets.", "mean_columnwise_rmse"),
    ("Evaluated on mean absolute error averaged over all targets.", "mae"),
    ("Evaluated on the AUC averaged over classes.", "roc_auc"),
    ("Evaluated on the one-vs-rest ROC AUC.", "roc_auc"),
    ("Evaluated on AUC, computed for each user and then averaged.", "?roc_auc"),
    (
        "Evaluated on the RMSE. For each store the error is computed separately and then averaged.",
        "?rmse",
    ),
    ("Evaluated on log loss. Each row has the same weight.", "log_loss"),
    (
        "Evaluated on the log loss. The predicted probabilities are rescaled to sum to one, and "
        "clipped to avoid infinities.",
        "log_loss",
    ),
    ("Evaluated on the adjusted balanced accuracy.", "?balanced_accuracy"),
    ("Evaluated on squared Pearson correlation.", "?pearson"),
    ("Evaluated on clipped RMSE.", "?rmse"),
    ("Evaluated on MAE; errors are capped at 10.", "?mae"),
    ("Evaluated on the median of the RMSEs over the sites.", "?rmse"),
    ("Evaluated on mean absolute error of the log-transformed price.", "?mae"),
    ("Evaluated on the RMSE in log space.", "log_rmse"),
    ("Evaluated on RMSE between log(1 + prediction) and log(1 + price).", "rmsle"),
    ("Evaluated on accuracy. False negatives cost five times as much as false positives.", "?accuracy"),
    ("In the first edition AUC was used. Now entries are scored by log loss.", "log_loss"),
    ("We moved from AUC to log loss: entries are scored by log loss.", "log_loss"),
    ("Ties are broken by accuracy. Submissions are scored by MCC.", "matthews_corrcoef"),
    ("Submissions are scored by MAE. We also report the RMSE for information.", "mae"),
    (
        "Whereas most competitions use accuracy, submissions here are scored by the Brier score.",
        "brier_score",
    ),
    ("While accuracy is popular, we evaluate by macro F1.", "f1_macro"),
    ("Metric: AUC (higher is better)", "roc_auc"),
    ("RMSE", "rmse"),
    ("The lower the mean squared error, the better.", "mse"),
    ("Submissions are evaluated on the class-weighted log loss.", "?log_loss +w"),
    ("Submissions are evaluated on sample-weighted log loss.", "log_loss +w"),
    ("Submissions are evaluated on micro-averaged ROC AUC.", "?"),
    ("Submissions are evaluated on the harmonic mean of precision and recall (F1).", "f1"),
    ("Submissions are evaluated on instance-level hinge-weighted AUC.", "?roc_auc +w"),
    ("Submissions are evaluated by the average log loss.", "log_loss"),
    ("Submissions are evaluated by mean RMSE over the targets.", "mean_columnwise_rmse"),
    (
        "Submissions are evaluated by the area under the ROC curve between the predicted "
        "probability and the observed target for each customer.",
        "roc_auc",
    ),
    ("Submissions are evaluated on RMSE, which penalises large errors more than MAE.", "rmse"),
    (
        "Instead of accuracy, which ignores rare classes, we score with balanced accuracy.",
        "balanced_accuracy",
    ),
    ("Submissions are evaluated on accuracy on the 20 % hardest rows only.", "?accuracy"),
    ("Submissions are evaluated on the MAE, only for the rows with positive sales.", "?mae"),
    ("Submissions are evaluated on RMSE of the sales in 2017.", "rmse"),
    ("Submissions are evaluated on AUC for users that do not churn.", "roc_auc"),
    ("In addition to the AUC, the log loss counts, and the score is their sum.", "?log_loss"),
    (
        "Submissions are evaluated on the root mean squared error between the predicted weight "
        "and the true weight of the fish.",
        "rmse",
    ),
    ("Submissions are evaluated on RMSE between predicted weights and true weights.", "rmse"),
    ("We score with max(0, 1 - RMSE).", "?one_minus_rmse"),
    ("Evaluated on macro-averaged mean absolute error.", "?mae"),
    (
        "Evaluated on the mean column-wise Spearman's rank correlation coefficient. The "
        "Spearman's rank correlation is computed for each target column, and the mean of these "
        "values is calculated for the submission score.",
        "spearman",
    ),
    (
        "Submissions are scored by two metrics. The first is AUC. The second is F1. The final "
        "score is their mean.",
        "?roc_auc",
    ),
    ("Submissions are evaluated on the average AUC across the 14 labels.", "mean_columnwise_roc_auc"),
    ("Like last year, submissions are scored by log loss.", "log_loss"),
    ("The AUC, last year's metric, has been replaced by the Gini coefficient.", "gini"),
    ("Submissions are evaluated on log loss, not accuracy.", "log_loss"),
    ("We do not use accuracy, since classes are imbalanced, but the F1 macro average.", "f1_macro"),
    ("You may know AUC from other challenges; here we score with MCC.", "matthews_corrcoef"),
    ("Submissions are evaluated on RMSE of the standardised target.", "?rmse"),
    ("Submissions are evaluated on the MAE of the square root of the price.", "?mae"),
    ("Submissions are scored by the per-sensor RMSE.", "?rmse"),
    ("Submissions are scored by the adjusted R².", "?r2"),
    (
        "Submissions are scored on weighted mean absolute error (WMAE), where weights are 5 in "
        "holiday weeks and 1 otherwise.",
        "mae +w",
    ),
    ("Submissions are evaluated on the weighted multi-label logarithmic loss.", "?"),
    ("Submissions are evaluated with Quadratic Weighted Kappa (QWK).", "quadratic_weighted_kappa"),
    (
        "Submissions are evaluated on the Cohen kappa score with quadratic weighting.",
        "quadratic_weighted_kappa",
    ),
    ("Submissions are evaluated on mean squared error; the best score is the lowest.", "mse"),
    ("As usual in these contests, the ROC AUC is used for scoring.", "roc_auc"),
    ("The competition metric is the exponential of the log loss.", "?log_loss"),
    ("Submissions are evaluated on a custom variant of the F1 score.", "?f1"),
    ("Evaluated by RMSE, after clipping predictions to the range of the labels.", "rmse"),
    ("The Log Loss is calculated for each row and averaged over all rows.", "log_loss"),
    (
        "Evaluated on multi-class logarithmic loss. Each image has been labelled with one true "
        "class. For each image, you must submit a set of predicted probabilities (one for every "
        "class).",
        "log_loss",
    ),
    ("Evaluated with the macro average of the recall over the classes.", "?balanced_accuracy"),
]


def in_short(named: metric_words.Named) -> str:
    return (named.metric or f"?{named.nearest or ''}") + (" +w" if named.weighted else "")


@pytest.mark.parametrize(("sentence", "reading"), SENTENCES)
def test_words_that_change_a_metric_are_understood_or_make_it_a_question(sentence: str, reading: str) -> None:
    assert in_short(metric_words.find(EVALUATION.format(sentence))) == reading


@pytest.mark.parametrize(
    ("phrase", "words"),
    [
        ("the MAE, averaged per shop", "averaged per shop"),
        ("the trimmed RMSE", "trimmed"),
        ("AUC and log loss", "auc"),
        ("the median of the RMSEs of all sites", "median"),
    ],
)
def test_the_words_that_are_not_understood_are_named(phrase: str, words: str) -> None:
    assert metric_words.find(EVALUATION.format(f"Scored by {phrase}.")).unread == words


@pytest.mark.parametrize(
    "phrase",
    [
        "evaluated on the word error rate",
        "evaluated on Mean Average Precision at 5 (MAP@5)",
        "evaluated on MAP@12",
        "evaluated at the mean intersection over union",
        "evaluated with the Dice coefficient",
        "evaluated on a weighted multi-label logarithmic loss",
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


def test_every_metric_has_a_sentence_and_a_direction() -> None:
    found = {name for _, name in PHRASES} | {reading for _, reading in SENTENCES}
    assert set(METRICS) - found == {"normalized_gini"}, "which a description calls Gini"
    assert metric_words.direction_of("rmse") == "minimize"
    assert metric_words.direction_of("roc_auc") == "maximize"
    assert metric_words.direction_of("negative_rmse") == "maximize"
    assert metric_words.direction_of(None) is None
