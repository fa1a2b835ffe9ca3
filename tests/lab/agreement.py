"""What must always hold: tabs, file and record have the same notebook, and no dialog asked anything."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from cobra_jupyter.agent.history import rebuild
from cobra_jupyter.records.ledger import read
from tests.lab.live_run import Live
from tests.lab.tab import AWAY, Tab
from tests.lab.waiting import until

Cell = dict[str, Any]


def agree(going: Live, *tabs: Tab) -> list[Cell]:
    """Wait until the tabs, the file and the record hold the same cells with the same outputs, and the tabs
    have nothing to save. Returns the cells."""
    seen: dict[str, Any] = {}

    def equal() -> bool:
        seen["file"] = [plain(cell) for cell in going.file()]
        for number, tab in enumerate(tabs):
            seen[f"tab {number}"] = shown(tab)
        if any(cells != seen["file"] for name, cells in seen.items() if name != "record"):
            return False
        seen["record"] = recorded(going)
        return bool(seen["record"] == seen["file"]) and not any(tab.dirty() for tab in tabs)

    try:
        until(equal, "tabs, file and record agree")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{_differences(seen, tabs)}") from None
    ids = [cell["id"] for cell in seen["file"]]
    assert len(ids) == len(set(ids))
    for tab in tabs:
        assert not (asked := [text for text in tab.dialogs() if not text.startswith(AWAY)]), asked
        assert tab.dialog() is None
    return list(seen["file"])


def shown(tab: Tab) -> list[Cell]:
    """The cells of a tab's model."""
    found = tab.js("nb => nb.content.model.toJSON().cells")
    return [plain(cell) for cell in found]


def recorded(going: Live) -> list[Cell]:
    """The cells that can be rebuilt from the record alone."""
    document = rebuild(read(going.out / "ledger.jsonl"), going.out, {})
    return [plain(cell) for cell in document.notebook()["cells"]]


def plain(cell: Mapping[str, Any]) -> Cell:
    """What people see of a cell."""
    found = {"id": cell["id"], "kind": cell["cell_type"], "source": _text(cell["source"])}
    if cell["cell_type"] == "code":
        found |= {
            "count": cell["execution_count"],
            "outputs": [_output(output) for output in cell["outputs"]],
        }
    return found


def lines(cells: Iterable[Cell], start: str = "line ") -> list[str]:
    """The printed lines that begin so, of all cells."""
    texts = [output.get("text", "") for cell in cells for output in cell.get("outputs", ())]
    return [line for text in texts for line in text.splitlines() if line.startswith(start)]


def _output(output: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in output.items() if key not in ("transient", "data")}
    if "text" in found:
        found["text"] = _text(found["text"])
    if "data" in output:
        found["data"] = {
            mime: _text(data) if isinstance(data, list) else data for mime, data in output["data"].items()
        }
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "".join(value)


def _differences(seen: Mapping[str, list[Cell]], tabs: Iterable[Tab]) -> str:
    told = [f"dirty: {[tab.dirty() for tab in tabs]}"]
    for name, cells in seen.items():
        order = [(cell["id"], cell["kind"]) for cell in cells]
        if order != [(cell["id"], cell["kind"]) for cell in seen["file"]]:
            told.append(f"{name}: {order}")
        for one in cells:
            other = next((cell for cell in seen["file"] if cell["id"] == one["id"]), None)
            if one != other:
                told.append(f"{name}: {json.dumps(one)[:1500]}\n  file: {json.dumps(other)[:1500]}")
    return "\n".join(told)
