"""Small competitions in MLE-bench's layout, made from scikit-learn's bundled data sets, and their grader."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SEED = 2026
TEST_SHARE = 0.25
MISSING_SHARE = 0.03
PRIVATE = Path("prepared") / "private"
PUBLIC = Path("prepared") / "public"


class DemoError(ValueError):
    """A demo cannot be written or graded; the message says why."""


@dataclass(frozen=True)
class Demo:
    """One competition: how to make its rows and a sample submission, its description and its metric."""

    id: str
    key: str
    target: str
    rows: Callable[[], pd.DataFrame]
    submission: Callable[[pd.DataFrame, Demo], pd.DataFrame]
    score: Callable[[pd.DataFrame, pd.DataFrame, Demo], float]
    metric: str
    text: str


def write(folder: Path | str) -> list[Path]:
    """Write the competitions to `folder` as ``<id>/prepared/public`` and ``…/private``; returns their
    folders.

    Files of an earlier call are replaced. Every call writes the same files.
    """
    folder = Path(folder)
    return [_write(demo, folder / demo.id) for demo in DEMOS.values()]


def grade(folder: Path | str, id: str, submission: Path | str) -> dict[str, Any]:
    """Score a submission file with the private answers: ``{"competition", "metric", "score"}``.

    Call it only after a run. Raises DemoError if the submission is not valid.
    """
    demo = DEMOS.get(id)
    if demo is None:
        raise DemoError(f"{id}: no such demo; there are {', '.join(DEMOS)}")
    answers_file = Path(folder) / id / PRIVATE / "test.csv"
    if not answers_file.exists():
        raise DemoError(f"{answers_file}: no answers there; write the demos first")
    answers = pd.read_csv(answers_file)
    given = _valid(pd.read_csv(submission), demo.submission(answers, demo), demo, Path(submission))
    return {"competition": id, "metric": demo.metric, "score": float(demo.score(answers, given, demo))}


def _valid(given: pd.DataFrame, expected: pd.DataFrame, demo: Demo, path: Path) -> pd.DataFrame:
    """Returns the submission in the order of the answers. Raises DemoError if it is not valid."""
    if list(given.columns) != list(expected.columns):
        raise DemoError(f"{path}: its columns must be {', '.join(expected.columns)}")
    if given[demo.key].duplicated().any() or set(given[demo.key]) != set(expected[demo.key]):
        raise DemoError(f"{path}: its {demo.key} must be those of the sample submission, each once")
    values = given.drop(columns=demo.key)
    if not all(pd.api.types.is_numeric_dtype(values[name].dtype) for name in values):
        raise DemoError(f"{path}: its predictions must be numbers")
    if not np.isfinite(values.to_numpy(dtype=float)).all():
        raise DemoError(f"{path}: its predictions must be finite numbers")
    return given.set_index(demo.key).loc[expected[demo.key]].reset_index()


# --- writing --------------------------------------------------------------------------------------


def _write(demo: Demo, folder: Path) -> Path:
    for part in (PUBLIC, PRIVATE):
        shutil.rmtree(folder / part, ignore_errors=True)
        (folder / part).mkdir(parents=True)
    rows = demo.rows()
    train, test = _split(rows, demo.target)
    train.to_csv(folder / PUBLIC / "train.csv", index=False)
    test.drop(columns=demo.target).to_csv(folder / PUBLIC / "test.csv", index=False)
    sample = demo.submission(test, demo)
    sample.to_csv(folder / PUBLIC / "sample_submission.csv", index=False)
    test[[demo.key, demo.target]].to_csv(folder / PRIVATE / "test.csv", index=False)
    example = sample.head(3).to_csv(index=False).strip()
    text = demo.text.format(example=example, train=len(train), test=len(test))
    (folder / PUBLIC / "description.md").write_text(text, encoding="utf-8")
    return folder


def _split(rows: pd.DataFrame, target: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    from sklearn.model_selection import train_test_split

    classes = rows[target] if rows[target].nunique() <= 20 else None
    train, test = train_test_split(rows, test_size=TEST_SHARE, random_state=SEED, stratify=classes)
    return train, test


def _with_gaps(frame: pd.DataFrame, names: list[str], random: np.random.Generator) -> pd.DataFrame:
    """The frame with a few values of the named columns missing."""
    for name in names:
        frame[name] = frame[name].astype(object if frame[name].dtype.kind == "O" else float)
        frame.loc[random.random(len(frame)) < MISSING_SHARE, name] = np.nan
    return frame


def _keys(count: int, form: str, random: np.random.Generator) -> list[str]:
    """Row keys in random order, so that they do not reveal the label."""
    return [form.format(number) for number in random.permutation(np.arange(1, count + 1))]


# --- digits ---------------------------------------------------------------------------------------


def _digits() -> pd.DataFrame:
    from sklearn.datasets import load_digits

    random = np.random.default_rng(SEED)
    pixels, digit = load_digits(return_X_y=True)
    names = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
    frame = pd.DataFrame(pixels, columns=names)
    ink = frame.sum(axis=1)
    pen = pd.cut(ink, [-1, ink.quantile(0.3), ink.quantile(0.7), np.inf], labels=["fine", "medium", "broad"])
    frame = _with_gaps(frame, ["pixel_2_3", "pixel_4_4", "pixel_6_2"], random)
    frame.insert(0, "id", _keys(len(frame), "form-{:05d}", random))
    frame["pen"] = pen.astype(str)
    frame.loc[random.random(len(frame)) < MISSING_SHARE, "pen"] = np.nan
    frame["digit"] = digit
    return frame


def _class_columns(rows: pd.DataFrame, demo: Demo) -> pd.DataFrame:
    return pd.DataFrame({demo.key: rows[demo.key], **{f"digit_{value}": 0.1 for value in range(10)}})


def _log_loss(answers: pd.DataFrame, given: pd.DataFrame, demo: Demo) -> float:
    from sklearn.metrics import log_loss

    values = np.clip(given.drop(columns=demo.key).to_numpy(dtype=float), 1e-15, None)
    values = values / values.sum(axis=1, keepdims=True)
    return float(log_loss(answers[demo.target], values, labels=list(range(10))))


DIGITS_TEXT = """# Overview

## Description

Forms filled in by hand still reach many offices. Before they can be processed, every digit on them has to
be read. In this competition you recognise single handwritten digits. Each digit was scanned, cut out, and
reduced to a grid of 8 x 8 cells; the value of a cell counts the dark pixels in it.

## Evaluation

Submissions are evaluated using the multi-class logarithmic loss. Each image has one true digit. For each
image you must submit a predicted probability for each of the ten digits. The formula is

$$\\text{{log loss}} = -\\frac{{1}}{{N}} \\sum_{{i=1}}^N \\sum_{{j=0}}^9 y_{{ij}} \\log(p_{{ij}})$$

where N is the number of images in the test set, $y_{{ij}}$ is 1 if image $i$ shows the digit $j$ and 0
otherwise, and $p_{{ij}}$ is the predicted probability. The probabilities of an image need not sum to one:
each row is divided by its sum.

## Submission File

For each `id` in the test set, predict a probability for each digit. The file should contain a header and
have the following format:

```
{example}
etc.
```

# Dataset Description

## Files

- **train.csv** - the training set ({train} images with their digit)
- **test.csv** - the test set ({test} images)
- **sample_submission.csv** - a sample submission file in the correct format

## Columns

- `id` - a unique key of the image
- `pixel_<row>_<column>` - dark pixels (0 to 16) in a cell of the grid, rows from the top; a few readings
  are missing
- `pen` - the pen the clerk noted, from the look of the line: `fine`, `medium` or `broad`; sometimes not
  noted
- `digit` - the digit that was written, 0 to 9 (in train.csv only)
"""


# --- tumours --------------------------------------------------------------------------------------


def _tumours() -> pd.DataFrame:
    from sklearn.datasets import load_breast_cancer

    random = np.random.default_rng(SEED + 1)
    bunch = load_breast_cancer(as_frame=True)
    frame = bunch.data.rename(columns=lambda name: name.replace(" ", "_"))
    site = np.where(frame["mean_texture"] + random.normal(0, 4, len(frame)) > 19, "north", "south")
    frame = _with_gaps(frame, ["mean_concavity", "worst_area", "symmetry_error"], random)
    frame.insert(0, "sample_id", _keys(len(frame), "S{:04d}", random))
    frame["laboratory"] = site
    frame.loc[random.random(len(frame)) < MISSING_SHARE, "laboratory"] = np.nan
    frame["malignant"] = 1 - bunch.target  # the bundled set counts benign as 1
    return frame


def _half(rows: pd.DataFrame, demo: Demo) -> pd.DataFrame:
    return pd.DataFrame({demo.key: rows[demo.key], demo.target: 0.5})


def _roc_auc(answers: pd.DataFrame, given: pd.DataFrame, demo: Demo) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(answers[demo.target], given[demo.target]))


TUMOURS_TEXT = """# Overview

## Description

A fine needle aspirate of a breast mass gives a slide full of cells within minutes. The shape of their
nuclei tells an experienced eye whether the mass is malignant. In this competition you predict it from
measurements of the nuclei.

## Evaluation

Submissions are evaluated on area under the ROC curve between the predicted probability and the observed
diagnosis.

### Submission File

For each `sample_id` in the test set, you must predict a probability for the `malignant` variable. The
file should contain a header and have the following format:

```
{example}
etc.
```

# Dataset Description

Ten features were measured on each nucleus of a slide. For each, the mean over the nuclei, its standard
error and the "worst" (mean of the three largest values) are given.

## Files

- **train.csv** - the training set ({train} slides with their diagnosis)
- **test.csv** - the test set ({test} slides)
- **sample_submission.csv** - a sample submission file in the correct format

## Columns

- `sample_id` - a unique key of the slide
- `mean_*`, `*_error`, `worst_*` - radius, texture, perimeter, area, smoothness, compactness, concavity,
  concave points, symmetry and fractal dimension of the nuclei; a few measurements are missing
- `laboratory` - where the slide was made, `north` or `south`; sometimes not recorded
- `malignant` - 1 if the mass is malignant, 0 if it is benign (in train.csv only)
"""


# --- diabetes -------------------------------------------------------------------------------------


def _diabetes() -> pd.DataFrame:
    from sklearn.datasets import load_diabetes

    random = np.random.default_rng(SEED + 2)
    bunch = load_diabetes(as_frame=True, scaled=False)
    serum = {"s1": "tc", "s2": "ldl", "s3": "hdl", "s4": "tch", "s5": "ltg", "s6": "glucose"}
    frame = bunch.data.rename(columns={"bp": "blood_pressure", **serum})
    weight = pd.cut(
        frame["bmi"], [0, 18.5, 25, 30, np.inf], labels=["under", "normal", "over", "obese"], right=False
    )
    frame["sex"] = frame["sex"].map({1.0: "A", 2.0: "B"})
    frame = _with_gaps(frame, ["blood_pressure", "ldl", "glucose"], random)
    frame.insert(0, "patient", _keys(len(frame), "{}", random))
    frame["weight_class"] = weight.astype(str)
    frame.loc[random.random(len(frame)) < MISSING_SHARE, "weight_class"] = np.nan
    frame["progression"] = bunch.target
    return frame


def _typical(rows: pd.DataFrame, demo: Demo) -> pd.DataFrame:
    return pd.DataFrame({demo.key: rows[demo.key], demo.target: 150.0})


def _rmse(answers: pd.DataFrame, given: pd.DataFrame, demo: Demo) -> float:
    from sklearn.metrics import mean_squared_error

    return float(np.sqrt(mean_squared_error(answers[demo.target], given[demo.target])))


DIABETES_TEXT = """# Overview

## Description

How fast will a patient's diabetes progress? A good estimate at the first visit helps a doctor to choose
how closely to follow a patient. In this competition you predict a measure of the disease's progression
one year after ten baseline measurements were taken.

## Evaluation

Submissions are scored on the root mean squared error. RMSE is defined as

$$\\text{{RMSE}} = \\sqrt{{\\frac{{1}}{{n}} \\sum_{{i=1}}^n (y_i - \\hat y_i)^2}}$$

where $\\hat y_i$ is the predicted and $y_i$ the observed progression of patient $i$.

## Submission File

For each `patient` in the test set, predict a value for `progression`. The file should contain a header
and have the following format:

```
{example}
etc.
```

# Dataset Description

## Files

- **train.csv** - the training set ({train} patients with the progression after one year)
- **test.csv** - the test set ({test} patients)
- **sample_submission.csv** - a sample submission file in the correct format

## Columns

- `patient` - a unique key of the patient
- `age` in years, `sex`, `bmi` (body mass index), `blood_pressure` (mean arterial)
- `tc`, `ldl`, `hdl`, `tch`, `ltg`, `glucose` - blood serum measurements; a few are missing
- `weight_class` - from the doctor's note: `under`, `normal`, `over` or `obese`; sometimes not noted
- `progression` - the measure of progression, a number (in train.csv only)
"""

DEMOS = {
    demo.id: demo
    for demo in (
        Demo("demo-digits", "id", "digit", _digits, _class_columns, _log_loss, "log_loss", DIGITS_TEXT),
        Demo("demo-tumours", "sample_id", "malignant", _tumours, _half, _roc_auc, "roc_auc", TUMOURS_TEXT),
        Demo("demo-diabetes", "patient", "progression", _diabetes, _typical, _rmse, "rmse", DIABETES_TEXT),
    )
}
