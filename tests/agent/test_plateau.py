"""When a rung of the ladder is due: from the record and the clock alone."""

from __future__ import annotations

from typing import Any

from cobra_jupyter.agent.plateau import Rung, RunProgress, TimedRecord, due, families, lines, plateau


class Tale:
    """A run built step by step; its clock advances with each step."""

    def __init__(self, budget: float = 3600.0) -> None:
        self.budget, self.now = budget, 10.0
        self.records: list[TimedRecord] = []
        self._scores: dict[str, float] = {}
        self._rungs = 0
        self.protocol(1)
        self.tell("submission", {"what": "t0"})

    def tell(self, kind: str, data: dict[str, Any], seconds: float = 1.0) -> None:
        self.now += seconds
        self.records.append(TimedRecord(self.now, kind, data))

    def protocol(self, number: int) -> None:
        self.number = number
        self.tell("protocol", {"number": number, "direction": "maximize"})

    def idea(self, family: str, score: float, progress: bool, new: bool = True, seconds: float = 1.0) -> None:
        id = f"t{len(self.records)}"
        facts = {"protocol": self.number, "score": score, "id": id}
        self.tell("trial", {**facts, "name": family, "full": True}, seconds)
        self.tell(
            "idea", {"id": id, "family": family, "protocol": self.number, "progress": progress, "new": new}, 0
        )

    def rung(self, name: str, ended: bool = True, plateau: bool = True, why: str = "stalled") -> None:
        best = [trial["id"] for trial in lines(self.progress())]
        data = {"rung": name, "why": why, "protocol": self.number, "plateau": plateau, "lines": best}
        self.tell("rung", {**data, "state": "begun"})
        if ended:
            self.tell("rung", {**data, "state": "ended"})

    def progress(self) -> RunProgress:
        left = self.budget - self.now
        return RunProgress(tuple(self.records), self.budget, self.now, 0.9 * left)

    def stall(self, family: str, ideas: int = 4) -> None:
        for _ in range(ideas):
            self.idea(family, 0.1, progress=False)


def begun(family: str = "trees") -> Tale:
    tale = Tale()
    tale.idea(family, 0.5, progress=True)
    return tale


def test_four_new_ideas_without_a_gain_are_a_plateau_and_three_are_none() -> None:
    tale = begun()
    tale.stall("trees", 3)
    assert plateau(tale.progress()) is None
    tale.stall("trees", 1)
    assert plateau(tale.progress()) == "trees: 4 new ideas without a gain"


def test_another_seed_is_not_a_new_idea_and_a_gain_restarts_the_count() -> None:
    tale = begun()
    for _ in range(6):
        tale.idea("trees", 0.1, progress=False, new=False)
    assert families(tale.progress())["trees"].since == 0
    tale.stall("trees", 3)
    tale.idea("trees", 0.6, progress=True)
    assert families(tale.progress())["trees"].since == 0


def test_a_blend_that_gains_counts_for_the_family_that_was_worked_on_last() -> None:
    tale = begun()
    tale.stall("trees")
    tale.tell("idea", {"id": "b01", "family": "blend", "protocol": 1, "progress": True, "new": True})
    assert plateau(tale.progress()) is None


def test_time_without_a_gain_is_a_plateau_once_something_was_tried() -> None:
    tale = begun()
    tale.now += 0.2 * tale.budget
    assert plateau(tale.progress()) is None
    tale.stall("trees", 1)
    assert plateau(tale.progress()) == "trees: no gain for 20% of the time"


def test_time_is_no_reason_while_a_trial_runs_in_the_background() -> None:
    tale = begun()
    job = {"id": "j01", "state": "running", "asked": {"call": "trial"}}
    tale.tell("job", job)
    tale.now += 0.2 * tale.budget
    tale.stall("trees", 1)
    assert plateau(tale.progress()) is None
    tale.tell("job", {**job, "state": "done"})
    assert plateau(tale.progress()) == "trees: no gain for 20% of the time"


def test_a_new_family_with_gains_prevents_a_plateau() -> None:
    tale = begun()
    tale.stall("trees")
    tale.idea("lines", 0.3, progress=True)
    tale.stall("lines", 3)
    assert plateau(tale.progress()) is None
    tale.stall("lines", 1)
    assert plateau(tale.progress()) == "trees: 4 new ideas without a gain; lines: 4 new ideas without a gain"


def test_the_rungs_come_in_order_each_after_a_new_chance() -> None:
    tale = begun()
    tale.idea("lines", 0.3, progress=True)
    taken = []
    for _ in range(4):
        assert due(tale.progress()) is None
        tale.stall("lines")
        tale.stall("trees")
        rung = due(tale.progress())
        assert rung is not None
        taken.append(rung.name)
        tale.rung(rung.name)
    assert taken == ["audit", "scout", "fusion", "scout"]


def test_the_same_two_lines_are_fused_once() -> None:
    tale = begun()
    tale.idea("lines", 0.3, progress=True)
    for name in ("audit", "scout", "fusion", "scout"):
        tale.rung(name)
    tale.stall("lines")
    tale.stall("trees")
    rung = due(tale.progress())
    assert rung is not None
    assert rung.name == "scout"
    tale.idea("thirds", 0.45, progress=True)
    tale.stall("thirds")
    rung = due(tale.progress())
    assert rung is not None
    assert rung.name == "fusion"


def test_families_that_were_only_ablated_are_not_fused() -> None:
    tale = begun()
    tale.tell("idea", {"id": "a01", "family": "lines", "protocol": 1, "progress": True, "new": True})
    for name in ("audit", "scout"):
        tale.rung(name)
    tale.stall("trees")
    assert [trial["name"] for trial in lines(tale.progress())] == ["trees"]
    rung = due(tale.progress())
    assert rung is not None
    assert rung.name == "scout"


def test_an_unchanged_best_score_is_a_plateau_despite_new_families() -> None:
    tale = begun()
    for number in range(5):
        tale.idea(f"family{number}", 0.3, progress=True)
    assert plateau(tale.progress()) is None
    tale.now += 0.2 * tale.budget
    assert plateau(tale.progress()) == "the best score has stood for 20% of the time and 5 new ideas"


def test_a_single_family_has_nothing_to_fuse_and_gets_another_scout() -> None:
    tale = begun()
    for name in ("audit", "scout"):
        tale.stall("trees")
        tale.rung(name)
    tale.stall("trees")
    assert due(tale.progress()) == Rung("scout", "trees: 4 new ideas without a gain", 0.08 * tale.budget)


def test_a_new_protocol_starts_anew_and_may_be_audited_again() -> None:
    tale = begun()
    tale.stall("trees")
    tale.rung("audit")
    tale.protocol(2)
    assert families(tale.progress()) == {}
    tale.idea("trees", 0.5, progress=True)
    tale.stall("trees")
    rung = due(tale.progress())
    assert rung is not None
    assert rung.name == "audit"


def test_scouts_start_from_15_and_45_per_cent_of_the_time_on_but_not_right_after_a_gain() -> None:
    tale = begun()
    tale.now = 0.15 * tale.budget - 1
    tale.idea("trees", 0.6, progress=True)
    assert due(tale.progress()) is None
    tale.idea("trees", 0.1, progress=False)
    assert due(tale.progress()) == Rung("scout", "15% of the time is used", 0.08 * tale.budget, plateau=False)
    tale.rung("scout", plateau=False, why="15% of the time is used")
    assert due(tale.progress()) is None
    tale.now = 0.46 * tale.budget
    assert due(tale.progress()) == Rung("scout", "45% of the time is used", 0.08 * tale.budget, plateau=False)


def test_the_judge_comes_once_near_the_end_if_there_are_finalists() -> None:
    tale = begun()
    for why in ("15% of the time is used", "45% of the time is used"):
        tale.rung("scout", plateau=False, why=why)
    tale.idea("trees", 0.6, progress=True)
    tale.idea("trees", 0.7, progress=True)
    tale.now = 0.86 * tale.budget
    rung = due(tale.progress())
    assert rung is not None
    assert rung.name == "judge"
    tale.rung("judge", plateau=False, why=rung.why)
    assert due(tale.progress()) is None


def test_nothing_is_due_before_a_submission_or_if_time_is_short() -> None:
    tale = begun()
    tale.stall("trees")
    early = RunProgress([m for m in tale.records if m.kind != "submission"], tale.budget, tale.now, 3000.0)
    assert due(early) is None
    assert due(tale.progress()) is not None
    short = RunProgress(tale.records, 120.0, tale.now, 100.0)
    assert due(short) is None
