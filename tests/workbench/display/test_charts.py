"""Charts are well-formed, accessible, safe and legible."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from cobra_jupyter.workbench.display import svg
from cobra_jupyter.workbench.display.charts import Bar, Effect, Point, bars, forest, img, steps, strip

NASTY = '<script>alert("1")</script> & \x00\x1b] ' + "very long " * 30
SPACE = "{http://www.w3.org/2000/svg}"

EFFECTS = [
    Effect("encoding", "onehot", 0.012, 0.004, note="3 folds"),
    Effect("encoding", "target", -0.021, 0.005),
    Effect("depth", "8", 0.001, 0.004),
    Effect("depth", "9", None),
]
POINTS = [
    Point(5, 0.70, "ridge"),
    Point(30, None, "mlp"),
    Point(60, 0.80, "trees", 0.01),
    Point(90, 0.75, "trees"),
]
CHARTS: dict[str, Callable[[str], str]] = {
    "forest": lambda text: forest([*EFFECTS, Effect(text, text, 0.1, 0.01, note=text)], text, text),
    "steps": lambda text: steps([*POINTS, Point(99, 0.9, text, label=text)], text),
    "bars": lambda text: bars([Bar(text, 3.0), Bar("b", -1.0), Bar("c", 2.0, text)], text, text),
    "strip": lambda text: strip({text: [0.1, 0.2], "b": [0.3], "c": []}, text),
    "no forest": lambda text: forest([], text),
    "no steps": lambda text: steps([Point(1, None, text)], text),
    "no bars": lambda text: bars([Bar(text, math.nan)], text),
    "no strip": lambda text: strip({text: []}, text),
}


def _texts(chart: str) -> list[str]:
    return [e.text or "" for e in ElementTree.fromstring(chart).iter(f"{SPACE}text")]


@pytest.mark.parametrize("name", CHARTS)
def test_chart_is_well_formed_and_titled_whatever_the_text(name: str) -> None:
    for words in ("plain", NASTY, "", "評価" * 60):
        root = ElementTree.fromstring(CHARTS[name](words))
        assert root.tag == f"{SPACE}svg"
        assert root.get("role") == "img"
        assert root[0].tag == f"{SPACE}title"
        assert root.get("width") == "720"
        assert not list(root.iter(f"{SPACE}script"))


@pytest.mark.parametrize("name", CHARTS)
def test_no_text_leaves_the_card(name: str) -> None:
    for words in ("plain", NASTY, "W" * 200):
        root = ElementTree.fromstring(CHARTS[name](words))
        height = float(root.get("height") or 0)
        for element in root.iter(f"{SPACE}text"):
            x, size = float(element.get("x") or 0), float(element.get("font-size") or 0)
            width = svg.text_width(element.text or "", size)
            start = (
                x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[element.get("text-anchor") or "start"]
            )
            assert start >= -1, element.text
            assert start + width <= svg.WIDTH + 1, element.text
            assert 0 < float(element.get("y") or 0) <= height - 4


def test_cut_text_keeps_its_whole_in_a_tooltip() -> None:
    chart = forest([Effect("a", "long level name " * 5, 0.1, 0.1)], "t")
    cut = next(e for e in ElementTree.fromstring(chart).iter(f"{SPACE}text") if (e.text or "").endswith("…"))
    assert cut[0].tag == f"{SPACE}title"
    assert (cut[0].text or "").startswith("long level name long level name long")


def test_image_carries_the_chart_and_an_escaped_alternative() -> None:
    chart = forest(EFFECTS, "t")
    image = img(chart, 'a "chart" <b>')
    assert 'alt="a &quot;chart&quot; &lt;b&gt;"' in image
    data = re.search(r"base64,([^\"]+)", image)
    assert data is not None
    assert base64.b64decode(data[1]).decode() == chart


def test_forest_names_the_better_side_by_direction() -> None:
    assert "better →" in _texts(forest(EFFECTS, "t"))
    assert "← better" in _texts(forest(EFFECTS, "t", direction="minimize"))


def test_forest_judges_by_two_errors_unless_told() -> None:
    chart = forest([*EFFECTS, Effect("depth", "7", 0.001, 0.004, "better")], "t")
    tips = [e.text or "" for e in ElementTree.fromstring(chart).iter(f"{SPACE}title")]
    assert "encoding = onehot: +0.0120 ± 0.0040 (better) · 3 folds" in tips
    assert any(tip.startswith("encoding = target") and "(worse)" in tip for tip in tips)
    assert any(tip.startswith("depth = 8") and "(unclear)" in tip for tip in tips)
    assert any(tip.startswith("depth = 7") and "(better)" in tip for tip in tips)
    turned = forest(EFFECTS, "t", direction="minimize")
    assert "onehot: +0.0120 ± 0.0040 (worse)" in turned
    assert "failed" in _texts(chart)


def test_forest_groups_levels_and_counts_what_is_left_out() -> None:
    rows = [Effect(f"f{i % 2}", f"l{i}", i / 10, 0.1) for i in range(45)]
    texts = _texts(forest(rows, "t"))
    assert texts.count("f0") == 1
    assert "… and 5 more" in texts
    assert texts.index("l2") < texts.index("l1")  # f0 comes whole before f1


def test_steps_shows_every_trial_and_the_best() -> None:
    chart = steps(POINTS, "t")
    texts = _texts(chart)
    assert any(t.startswith("best 0.80") and "±" in t for t in texts)
    assert {"ridge", "mlp", "trees", "failed"} <= set(texts)
    assert chart.count("<circle") - chart.count('<circle class="c0"') >= 2
    assert "fill-opacity" in chart
    assert any(t.startswith("best 0.70") for t in _texts(steps(POINTS, "t", "minimize")))


def test_steps_puts_a_hopeless_score_at_the_edge() -> None:
    many = [Point(i, 0.8 + i / 1000, "a") for i in range(20)]
    texts = _texts(steps([*many, Point(25, -1e9, "b")], "t"))
    assert "off the scale" in texts
    assert "0.80" in texts or "0.800" in texts  # the axis still shows the rest
    assert "off the scale" not in _texts(steps(many, "t"))


def test_many_families_share_grey() -> None:
    texts = _texts(steps([Point(i, i / 10, f"family {i}") for i in range(12)], "t"))
    assert "other families" in texts


def test_strip_marks_the_best_mean_by_direction() -> None:
    def bold(direction: str) -> list[str]:
        root = ElementTree.fromstring(strip({"low": [1.0, 2.0], "high": [3.0, 4.0]}, "t", direction))
        return [e.text or "" for e in root.iter(f"{SPACE}text") if e.get("font-weight")]

    assert "high" in bold("maximize")
    assert "low" in bold("minimize")


@pytest.mark.parametrize("scale", [1e-9, 1e-4, 1.0, 1e9])
def test_scales_of_any_size_and_equal_values_are_drawn(scale: float) -> None:
    for chart in (
        forest([Effect("a", "b", scale, scale / 3), Effect("a", "c", 0.0)], "t"),
        steps([Point(scale, scale, "a"), Point(2 * scale, scale, "a")], "t"),
        bars([Bar("a", scale), Bar("b", 0.0)], "t"),
        strip({"a": [scale, scale]}, "t"),
    ):
        ElementTree.fromstring(chart)
        assert "nan" not in chart
        assert "inf" not in chart


def test_numbers_and_ticks_are_round() -> None:
    assert svg.number(-0.5, 2, signed=True) == "−0.50"
    assert svg.number(-0.0001, 2, signed=True) == "0.00"
    assert svg.number(1234.5, 1) == "1,234.5"
    assert [round(t, 6) for t in svg.ticks(0.71, 0.83, 5)] == [0.725, 0.75, 0.775, 0.8, 0.825]
    assert (svg.decimals(0.025), svg.decimals(0.2), svg.decimals(10)) == (3, 1, 0)
    assert (svg.duration(12), svg.duration(600), svg.duration(9000)) == ("12 s", "10 min", "2.5 h")
