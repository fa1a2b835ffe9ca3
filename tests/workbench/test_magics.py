"""Cells that define something and go on, and what they show."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from cobra_jupyter.workbench import magics
from cobra_jupyter.workbench.client import Cobra
from cobra_jupyter.workbench.display.rendering import Live
from cobra_jupyter.workbench.result import Result

CANDIDATE = """FACTORS = {"alpha": [1.0]}
def fit(train, ctx):
    cobra = 1
    return cobra
def predict(model, rows, ctx):
    return rows
"""


def test_calls_below_a_definition_run_after_it() -> None:
    definition, calls = magics.split(f"{CANDIDATE}\n# now try it\nt = cobra.trial('ridge')\nt.score\n")
    assert definition == f"{CANDIDATE}\n# now try it\n"
    shown: list[Any] = []
    cobra = SimpleNamespace(trial=lambda name: SimpleNamespace(score=f"score of {name}"))
    shell = SimpleNamespace(user_ns={"cobra": cobra}, displayhook=shown.append)
    magics._run(shell, calls)
    assert shown == ["score of ridge"]
    assert shell.user_ns["t"].score == "score of ridge"


def test_a_cell_without_calls_is_kept_to_the_letter() -> None:
    for cell in (CANDIDATE, CANDIDATE + "\n\n", "def fit(:\n    cobra.trial('x')"):
        assert magics.split(cell) == (cell, [])


def test_a_result_is_shown_once_in_its_cell_and_again_in_a_later_one(monkeypatch: Any) -> None:
    shown: list[str] = []
    monkeypatch.setattr("cobra_jupyter.workbench.display.rendering.show", lambda *_, **__: None)
    cell = 1
    cobra = Cobra(show=lambda content, **_: shown.append(content["text/plain"]), cell=lambda: cell)
    answer = {"kind": "finish", "data": {"why": "done", "answer": "the run ends"}}
    monkeypatch.setattr(cobra, "_connect", lambda _: SimpleNamespace(call=lambda *_: answer))
    result = cobra.finish("done")
    assert len(shown) == 1
    again: list[str] = []
    monkeypatch.setattr(
        "cobra_jupyter.workbench.client.rendering.Live",
        lambda: SimpleNamespace(finish=lambda kind, data: again.append(kind)),
    )
    result._ipython_display_()
    assert again == []
    cell = 2
    result._ipython_display_()
    assert again == ["finish"]
    Result("finish", answer["data"])._ipython_display_()  # of no call
    assert again == ["finish", "finish"]


def test_a_note_stays_above_the_result_which_replaces_the_progress() -> None:
    shown: list[tuple[str, str, bool]] = []

    def show(content: dict[str, Any], display_id: str, update: bool) -> None:
        shown.append((content["text/plain"], display_id, update))

    live = Live(show)
    live.progress({"note": "submitting t001 trains nothing"})
    live.progress({"what": "ridge_v1", "done": 1, "total": 2})
    live.finish("finish", {"why": "enough", "answer": "the run ends"})
    (note, above, new), (_, place, first), (_, replaced, update) = shown
    assert (note, new) == ("submitting t001 trains nothing", False)
    assert above != place == replaced
    assert (first, update) == (False, True)
