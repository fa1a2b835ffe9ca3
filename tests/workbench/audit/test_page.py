"""The page of an audit: counts, scores with and without columns, and the call that solves the problem."""

from __future__ import annotations

import ast
import re
from typing import Any

from cobra_jupyter.workbench.display import pages
from tests.workbench.samples import results

AUDIT = results()["audit"]


def test_the_first_line_counts_findings_by_severity() -> None:
    assert pages.headline("audit", AUDIT) == "audit: 1 leak, 1 warning"
    assert pages.headline("audit", {"findings": []}) == "audit: nothing found"
    assert pages.headline("audit", {"findings": [], "probed": "ridge"}) == "audit of ridge: nothing found"


def test_a_leak_shows_its_scores_as_proportional_bars() -> None:
    html = pages.html("audit", AUDIT)
    assert "0.9999 with" in html
    assert "0.8123 without" in html
    assert [int(width) for width in re.findall(r"width:(\d+)px", html.partition("<table")[2])] == [90, 73]


def test_the_cure_is_shown_as_a_call() -> None:
    for shown in (pages.text("audit", AUDIT), pages.html("audit", AUDIT)):
        assert shown.count("cobra.protocol(leave_out=[") == 1
        assert "the next protocol leaves out what leaks" in shown


def test_the_text_contains_the_exact_call_that_solves_the_problem() -> None:
    cures: tuple[dict[str, Any], ...] = (
        {"groups": "customer"},
        {"split": "time", "time": "day", "leave_out": ["a"]},
    )
    for cure in cures:
        finding = {**AUDIT["findings"][0], "protocol": cure}
        (line,) = [x for x in pages.text("audit", {"findings": [finding]}).splitlines() if "cure: " in x]
        said = ast.parse(line.partition("cure: ")[2], mode="eval").body
        assert isinstance(said, ast.Call)
        assert {k.arg: ast.literal_eval(k.value) for k in said.keywords} == cure
    finding = {**AUDIT["findings"][0], "protocol": cures[0]}
    assert '    cure: cobra.protocol(groups="customer")' in pages.text("audit", {"findings": [finding]})
    assert "cure: " not in pages.text("audit", {"findings": [{**finding, "protocol": None}]})
