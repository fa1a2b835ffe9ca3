"""The report is self-contained, covers the whole run, and survives missing or hostile content."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cobra_jupyter.notebook import report
from cobra_jupyter.records.describe import heading, prose
from cobra_jupyter.records.ledger import Record
from cobra_jupyter.records.timeline import Timeline, length, merged
from tests.workbench.samples import SHA, ablation, failed, results, trial

NASTY = "</style><script>alert(1)</script>{{ 7*7 }}'\"&\x00\ud800"
START = 1_795_000_000.0
VOID = {"meta", "br", "img", "link"}
REPLY = "## Freeze *the* protocol\nRows look independent.\n\n```python\n# no heading\ncobra.protocol()\n```"


class Page(HTMLParser):
    """Parses a page: balanced tags, links, ids and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.sources: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert not [name for name in found if name.startswith("on")]
        self.tags.append(tag)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.sources += [found[key] or "" for key in ("src", "href") if key in found]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


def records(*rows: tuple[float, str, dict[str, Any]]) -> list[Record]:
    return [
        Record(i, START + when, kind, data, "0" * 64, f"{i:064x}")
        for i, (when, kind, data) in enumerate(rows)
    ]


def beginning(name: str = "ridge") -> list[tuple[float, str, dict[str, Any]]]:
    run = {
        "run": "r1",
        "folder": name,
        "brain": name,
        "budget": 600,
        "seed": 0,
        "settings": {"metric": name},
        "started": START,
        "version": "0.1",
    }
    machine = {
        "kernel_name": "python3",
        "argv": ["python"],
        "python": "/usr/bin/python",
        "python_version": "3.12.3",
        "pack": "ab" * 32,
        "libraries": {"numpy": "2.4", "torch": None},
        "cores": 2,
        "memory_bytes": 16 << 30,
        "memory_limit_bytes": None,
        "gpus": [{"name": name, "memory_bytes": 80 << 30, "driver": "1"}],
    }
    return [
        (0.1, "run", run),
        (0.2, "environment", machine),
        (0.3, "state", {"state": "running", "why": None}),
    ]


def whole(name: str = "ridge") -> list[Record]:
    """The records of a run from its start to its proof."""
    known = results(name)
    cell = {"turn": 1, "cell": "c1", "role": "lead", "source": f"cobra.protocol()\n# {name}"}
    done = {
        "turn": 1,
        "cell": "c1",
        "status": "error",
        "count": 1,
        "seconds": 1.5,
        "ename": "CobraError",
        "evalue": f"no {name}",
        "output": name,
    }
    small = trial(name, id="t003", full=False, fraction=0.1, folds=[0], seconds=4.0)
    return records(
        *beginning(name),
        (2, "card", known["card"]),
        (3, "reply", {"turn": 1, "role": "lead", "brain": name, "text": REPLY}),
        (3.1, "cell", cell),
        (4, "protocol", known["protocol"]),
        (4.5, "execution", done),
        (5, "reply", {"agent": "scout-1", "turn": 2, "role": "scout", "brain": name, "text": name}),
        (6, "candidate", known["candidate"]),
        (7, "shared", known["shared"]),
        (260, "trial", trial(name)),
        (262, "trial", failed(name)),
        (266, "trial", small),
        (280, "ablation", ablation(name)),
        (281, "job", known["job"]),
        (282, "probe", known["probe"]),
        (290, "trial", trial(name, id="t007", score=0.9, seconds=5.0)),
        (291, "blend", known["blend"]),
        (292, "selection", known["selection"]),
        (298, "submission", known["submission"]),
        (299, "audit", known["audit"]),
        (300, "decision", {"what": "closing submission", "why": name}),
        (301, "finish", {"why": name}),
        (302, "kernel", {"event": "restarted", "turn": 2}),
        (
            320,
            "proof",
            {"outcome": "identical", "detail": "byte for byte", "seconds": 18.0, "retrained": True},
        ),
        (321, "file", {"path": "submission.csv", "sha256": SHA}),
        (322, "unheard_of", {"some": name}),
    )


def facts(found: Sequence[Record], **changes: Any) -> dict[str, Any]:
    return {
        "run": "r1",
        "competition": "small-sums",
        "state": "finished",
        "why": "all was tried",
        "started": START,
        "seconds": 325.0,
        "budget": 600,
        "seed": 0,
        "brain": "playbook",
        "head": "c" * 64,
        "length": len(found),
        "environment": {},
        "result": {},
        "proof": None,
        **changes,
    }


def read(found: Sequence[Record], run: dict[str, Any] | None = None) -> Page:
    return Page(report.render(facts(found) if run is None else run, found))


@pytest.fixture(scope="module")
def page() -> Page:
    return read(whole())


def test_report_is_written_whole_and_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    report.write(path, facts(whole()), whole())
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_report_is_self_contained(page: Page) -> None:
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert all(source.startswith(("data:image/svg+xml;base64,", "#")) for source in page.sources)
    assert {source[1:] for source in page.sources if source.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_headline_shows_the_outcome(page: Page) -> None:
    head = page.words[: page.words.index("How it works")]
    for part in (
        "small-sums",
        "0.81000 ± 0.00400",
        "identical",
        "5 min 25 s",
        "54% of 10 min 00 s",
        SHA,
        "2 full-size, 1 small, 1 failed",
    ):
        assert part in head


def test_every_section_has_its_content(page: Page) -> None:
    for part in (
        "ridge has two values",
        "which is ridge?",
        "groups = train['ridge']",
        "shuffled 0.50000",
        "ridge helps",
        "A ridge on ridge.",
        "better, confirmed",
        "rank correlation 0.50",
        "Not tried: penalty=7",
        "out of memory: too much for ridge at ridge_v1.py, line 7, in fit",
        "MemoryError: 3 GB",
        "75%",
        "b01 beats ridge",
        "ties to the cheaper",
        "vault of 10 rows: ridge",
        "The vault vetoed",
        "ridge drifts",
        "Python 3.12.3",
        "numpy=2.4",
        "labels are held apart",
        "ab" * 32,
        "26 lines",
        "c" * 64,
        "metric=ridge",
    ):
        assert part in page.words.replace(f"{len(whole())} lines", "26 lines"), part
    assert "torch" not in page.words


def test_report_has_all_charts(page: Page) -> None:
    assert page.tags.count("img") == 6  # steps, phases, forest, weights, distance, strip


def test_trail_lists_turns_with_headings_and_records(page: Page) -> None:
    trail = page.words[page.words.index("Trail of decisions", 200) :]
    for part in (
        "Freeze the protocol",
        "Rows look independent.",
        "scout-1, turn 2",
        "error in 1.5 s, CobraError: no ridge",
        "restarted",
    ):
        assert part in trail
    assert "# no heading" not in trail


def test_full_trials_are_listed_best_first(page: Page) -> None:
    rows = re.search(r"Full size, best first(.*?)Failed", page.words)
    assert rows
    assert rows[1].index("t007") < rows[1].index("t001")


@pytest.mark.parametrize("lines", range(len(whole())))
def test_record_cut_anywhere_gives_a_report(lines: int) -> None:
    found = whole()[:lines]
    assert "Provenance" in read(found).text
    assert "Provenance" in read(found, {}).text


def test_early_failure_is_explained() -> None:
    found = records(*beginning(), (1, "state", {"state": "failed", "why": "no train table: add one"}))
    page = read(
        found, facts(found, state="failed", why="no train table: add one", competition=None, result=None)
    )
    for part in (
        "has failed: no train table: add one",
        "no submission",
        "not run",
        "No protocol was frozen",
        "No trial was run",
    ):
        assert part in page.words


def test_failed_trials_alone_make_no_score_chart() -> None:
    found = records(*beginning(), (5, "trial", failed()))
    assert "No trial has a score." in read(found).words


def test_different_proof_is_highlighted() -> None:
    html = report.render(
        {},
        records(
            (
                1,
                "proof",
                {"outcome": "different", "detail": "3 values of y differ", "seconds": 1, "retrained": False},
            )
        ),
    )
    assert '<b class="bad">different</b>' in html
    assert "3 values of y differ" in html


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    run = facts(whole(), competition=NASTY, why=NASTY, brain=NASTY, run=NASTY, head=NASTY)
    report.write(path, run, whole(NASTY))
    page = Page(path.read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert page.tags.count("style") == 1
    assert "{{ 7*7 }}" in page.text
    assert "alert(1)" in page.text


def test_first_heading_outside_code_names_a_turn() -> None:
    assert heading(REPLY) == "Freeze the protocol"
    assert prose(REPLY) == "Rows look independent."
    assert heading("just words\nmore") == "just words"
    assert prose("just words") == ""
    assert heading("```\n# code\n```") == "code only"


def test_overlapping_time_is_counted_once() -> None:
    assert merged([(5, 7), (0, 2), (1, 3), (4, 4)]) == [(0, 3), (5, 7)]
    assert length(merged([(0, 2), (1, 3)])) == 3
    story = Timeline(facts([]), whole())
    phases = {phase.name: phase for phase in story.phases()}
    assert sum(phase.seconds for phase in phases.values()) == pytest.approx(325)
    assert phases["ablations on small data"].seconds == pytest.approx(19.2)
    assert phases["proof"].seconds == pytest.approx(18)


def test_chart_over_time_shows_only_full_size_trials_and_blends_of_the_current_protocol() -> None:
    story = Timeline({"started": START}, whole())
    assert [point.label.split()[0] for point in story.points()] == ["t001", "t002", "t007", "b01"]
    later = records(
        *[(r.time - START, r.kind, r.data) for r in whole()],
        (400, "protocol", {**results()["protocol"], "number": 2}),
    )
    assert Timeline({"started": START}, later).points() == []
