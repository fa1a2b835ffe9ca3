"""Parts of a run are brought back by reading its record, each by the kinds that it takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.rebuild import Line, Rebuilt, all_of, last_of, read, replay, takes


class Scores(Rebuilt):
    def __init__(self, told: list[str]) -> None:
        self.told = told

    @takes(results.TRIAL)
    def take_trial(self, data: results.Trial, line: Line) -> None:
        self.told.append(f"trial {data['id']} of line {line.seq}")


class Everything(Scores):
    """Takes what the other takes in its own way, and one kind more."""

    @takes(results.TRIAL)
    def take_trial(self, data: results.Trial, line: Line) -> None:
        super().take_trial(data, line)
        self.told.append("again")

    @takes(results.BLEND)
    def take_blend(self, data: results.Blend, line: Line) -> None:
        self.told.append(f"blend {data['id']}")


def lines(*found: tuple[str, dict[str, Any]]) -> list[Line]:
    return [Line(seq, float(seq), kind, data) for seq, (kind, data) in enumerate(found)]


RECORD = lines(
    ("trial", {"id": "t1"}), ("note", {"id": "n1"}), ("blend", {"id": "b1"}), ("trial", {"id": "t2"})
)


def test_a_part_takes_the_kinds_that_its_methods_name_and_no_others() -> None:
    told: list[str] = []
    replay(RECORD, Scores(told))
    assert told == ["trial t1 of line 0", "trial t2 of line 3"]


def test_a_part_that_builds_on_another_takes_its_kinds_too() -> None:
    told: list[str] = []
    replay(RECORD, Everything(told))
    assert told == ["trial t1 of line 0", "again", "blend b1", "trial t2 of line 3", "again"]


def test_parts_are_brought_back_in_step() -> None:
    told: list[str] = []
    replay(RECORD[:3], Scores(told), Everything(told))
    assert told == ["trial t1 of line 0", "trial t1 of line 0", "again", "blend b1"]


def test_records_are_found_by_their_kind() -> None:
    assert [trial["id"] for trial in all_of(RECORD, results.TRIAL)] == ["t1", "t2"]
    last = last_of(RECORD, results.TRIAL)
    assert last is not None
    assert last["id"] == "t2"
    assert last_of(RECORD, results.AUDIT) is None


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    whole = [
        json.dumps({"seq": x.seq, "time": x.time, "kind": x.kind, "data": x.data, "prev": "", "hash": ""})
        for x in RECORD
    ]
    ledger.write_text("\n".join(whole) + "\n" + whole[0][:20])
    assert list(read(ledger)) == RECORD
