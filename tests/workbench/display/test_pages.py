"""Results can be read: every kind as HTML that a sanitiser keeps, and as text; nothing is left unescaped."""

from __future__ import annotations

import base64
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cobra_jupyter.workbench.display import pages, rendering
from cobra_jupyter.workbench.display.pages import words
from tests.workbench.samples import ablation, effect, failed, results, running, trial

NASTY = '<script>alert("1")</script>\'&\x00'
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    **{kind: (kind, data) for kind, data in results().items()},
    "failed trial": ("trial", failed()),
    "running ablation": ("ablation", running()),
}


class Page(HTMLParser):
    """Tags in balance, text, attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.styles: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        self.styles += [value or "" for name, value in attrs if name == "style"]
        if tag not in ("img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("img", "br"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def charts_of(html: str) -> list[str]:
    return [
        base64.b64decode(found).decode() for found in re.findall(r"data:image/svg\+xml;base64,([^\"]+)", html)
    ]


def test_there_is_a_sample_of_every_kind() -> None:
    assert set(results()) == set(pages.KINDS)


@pytest.mark.parametrize("form", FORMS)
def test_every_kind_is_shown_as_html_and_as_text(form: str) -> None:
    kind, data = FORMS[form]
    page, text = Page(pages.html(kind, data)), pages.text(kind, data)
    assert page.tags & {"table", "div"}
    assert page.text.strip()
    assert not page.tags & {"script", "style", "svg", "link"}
    assert '": ' not in page.text + text, "a view fell back to JSON"
    assert "None" not in text.replace("None, ", "").replace(", None", "")
    assert pages.headline(kind, data) == words.cut(text.splitlines()[0], 300)


@pytest.mark.parametrize("form", FORMS)
def test_styles_survive_the_sanitiser_of_untrusted_notebooks(form: str) -> None:
    styles = Page(pages.html(*FORMS[form])).styles
    assert not [style for style in styles if re.search(r"var\(|currentcolor|url\(", style, re.IGNORECASE)]
    colours = {c for style in styles for c in re.findall(r"(?:color|background):([^;]+)", style)}
    assert all(re.fullmatch(r"#[0-9a-f]{6}|rgba\([\d.,]+\)", colour) for colour in colours)


@pytest.mark.parametrize("kind", results())
def test_names_from_data_are_escaped(kind: str) -> None:
    html = pages.html(kind, results(NASTY)[kind])
    page = Page(html)
    assert "script" not in page.tags
    assert "\x00" not in html
    assert not [svg for svg in charts_of(html) if "<script" in svg]


@pytest.mark.parametrize("kind", results())
@pytest.mark.parametrize(
    "data", [{}, {"effects": 3, "members": "x", "table": [1], "columns": [1], "fits": None}]
)
def test_data_of_another_shape_costs_no_result(kind: str, data: dict[str, Any]) -> None:
    assert Page(pages.html(kind, data)).text
    assert pages.text(kind, data)


def test_an_unknown_kind_is_shown_as_its_json() -> None:
    assert '"answer": 42' in pages.text("recall", {"answer": 42})
    assert '"answer": 42' in Page(pages.html("recall", {"answer": 42})).text


def test_the_bundle_has_all_three_forms() -> None:
    assert set(rendering.bundle("job", results()["job"])) == {
        "application/vnd.cobra.job+json",
        "text/html",
        "text/plain",
    }


def test_the_card_shows_what_was_assumed_and_why() -> None:
    card = results()["card"]
    card["assumed"] = [
        {"about": "metric", "taken": "rmse", "reason": "none is named", "option": "metric=NAME"}
    ]
    for shown in (pages.text("card", card), Page(pages.html("card", card)).text):
        assert "metric: rmse, because none is named; --set metric=NAME decides it" in shown


def test_a_failed_trial_shows_kind_place_and_tail() -> None:
    for shown in (pages.text("trial", failed()), Page(pages.html("trial", failed())).text):
        for part in (
            "out of memory",
            "too much for ridge",
            "ridge_v1.py, line 7, in fit",
            "MemoryError: 3 GB",
        ):
            assert part in shown
    assert "FAILED" in pages.headline("trial", failed())


def test_a_trial_shows_score_folds_and_time() -> None:
    assert pages.headline("trial", trial()) == (
        "trial t001 ridge(alpha=1): score 0.80698 ± 0.00451; 2 folds, all rows; 4 min 10 s; 168 MB; seed 0"
    )


def test_an_ablation_has_one_line_an_effect_the_most_important_first() -> None:
    lines = pages.text("ablation", ablation()).splitlines()
    effects = [line.split() for line in lines if " vs " in line]
    assert [line[0] for line in effects][:2] == ["scale=ranks", "scale=log"]
    assert len(effects) == len(ablation()["effects"])
    assert "+0.0310 ± 0.0040  better, confirmed" in pages.text("ablation", ablation())
    assert any(line.startswith("not tried: penalty=7 (no time left") for line in lines)


def test_an_ablation_shows_verdicts_combinations_best_and_chart() -> None:
    html = pages.html("ablation", ablation())
    text = Page(html).text
    for part in (
        "better, confirmed",
        "worse",
        "MemoryError in ridge",
        "ranks tame outliers",
        "scale=ranks, penalty=100",
        "rank correlation 0.50",
        "penalty=7 (no time left",
        "−0.0120 ± 0.0040",
    ):
        assert part in text
    forest, importance = charts_of(html)
    assert "ranks" in forest
    assert "90%" in importance


def test_a_running_ablation_says_so_and_charts_what_is_there() -> None:
    html = pages.html("ablation", running())
    assert Page(html).text.count("running") == 4  # in the title, in the tally, at each of two levels
    assert "Not tried" not in Page(html).text
    (forest,) = charts_of(html)
    assert "ranks" in forest
    assert "penalty" not in forest
    nothing = ablation(effects=[effect("penalty", 7, None, note="running")], importance={}, best={})
    assert charts_of(pages.html("ablation", nothing)) == []


def test_a_gain_of_rounding_size_is_none() -> None:
    tiny = ablation(best_gain=2.8e-17, best_se=1e-17)
    assert "as good as the baseline" in pages.text("ablation", tiny)


def test_the_selection_marks_what_was_chosen_and_the_veto() -> None:
    text = Page(pages.html("selection", results()["selection"])).text
    for part in ("● chosen", "vetoed", "+0.0030 ± 0.0010", "ties to the cheaper"):
        assert part in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.806979419, "0.80698"),
        (0.8, "0.80000"),
        (0, "0"),
        (123456.7, "123,457"),
        (0.0000012, "1.20e-06"),
        (-1.5, "-1.5000"),
        (None, "–"),
        (math.nan, "–"),
        (True, "–"),
    ],
)
def test_scores_have_five_significant_digits(value: Any, shown: str) -> None:
    assert words.score(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0.0 s"),
        (0.02, "20 ms"),
        (3.21, "3.2 s"),
        (42.4, "42 s"),
        (59.7, "1 min 00 s"),
        (250, "4 min 10 s"),
        (7500, "2 h 05 min"),
        (200_000, "2 d 7 h"),
        (None, "–"),
    ],
)
def test_seconds_are_readable(value: Any, shown: str) -> None:
    assert words.seconds(value) == shown


def test_gains_stand_aligned_at_two_digits_of_the_smallest_error() -> None:
    assert words.decimals([0.0063, 0.012, None, 1e-17]) == 4
    assert words.gained(0.0032, 0.0086, 4) == "+0.0032 ± 0.0086"
    assert words.gained(-1e-9, 0.0086, 4) == "0.0000 ± 0.0086"
    assert words.gained(None, None) == "–"


def test_a_trial_of_one_fold_says_which() -> None:
    """`folds=2` is the fold of that number; two folds are another thing."""
    assert "; fold 2 only, " in rendering.text("trial", trial(folds=[2], full=False))
    assert "; 2 folds (0, 1), " in rendering.text("trial", trial(folds=[0, 1], full=False))


def test_the_card_says_where_the_data_of_its_calls_lies() -> None:
    card = {
        **results()["card"],
        "folder": '/data/a "b"',
        "tables": {"train": 'pd.read_csv(DATA / "train.csv")'},
    }
    lines = rendering.text("card", card).splitlines()
    at = lines.index('  train = pd.read_csv(DATA / "train.csv")')
    code = compile(lines[at - 1].strip(), "card", "exec")
    names: dict[str, Any] = {"Path": Path}
    exec(code, names)
    assert names["DATA"] == Path('/data/a "b"')
