"""A live notebook of 2,000 cells with 50 MB of outputs: opening it against the same notebook where the extension is off,
and appending a cell against the same at 100 cells.

    python -m benchmarks.big_notebook [--cells 2000] [--rounds 5]"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

SIZE = 25_000  # characters of output a cell
SMALL = 100
WATCH = """nb => {
    window.cobraAdded = {}; window.cobraDrawn = {};
    const shared = nb.content.model.sharedModel, insert = shared.insertCell.bind(shared);
    shared.insertCell = (place, cell) => {
        const made = insert(place, cell);
        window.cobraAdded[cell.id] ??= Date.now() / 1000;
        return made;
    };
    nb.content.model.cells.changed.connect(cells => {
        window.cobraDrawn[cells.get(cells.length - 1).id] ??= Date.now() / 1000;
    });
}"""


def fill(run: Any, first: int, last: int) -> None:
    """Add cells with outputs, as a person's tab might."""
    for start in range(first, last, 100):
        edits = []
        for number in range(start, min(start + 100, last)):
            text = f"cell {number} " + "0123456789 " * (SIZE // 11)
            edits.append({"edit": "insert", "after": "end", "cell": {
                "cell_type": "code", "id": f"big-{number}", "source": f"print({number})", "metadata": {}, "execution_count": number,
                "outputs": [{"output_type": "stream", "name": "stdout", "text": text}],
            }})  # fmt: skip
        run.call("edit", agent="lead", client="filler", edits=edits)


def opening(page: Any, url: str, cells: int) -> float:
    """Seconds from going there until the notebook's cells are in the model and the first is drawn."""
    page.goto("about:blank")
    began = time.perf_counter()
    page.goto(url)
    page.wait_for_function(
        """cells => {
            const panel = [...window.jupyterapp?.shell.widgets('main') ?? []].find(w => w.content?.model?.cells);
            return panel && panel.content.model.cells.length >= cells && document.querySelector('.jp-Cell .cm-content');
        }""",
        arg=cells, timeout=120_000, polling=20,
    )  # fmt: skip
    return time.perf_counter() - began


def appending(run: Any, tab: Any, name: str, times: int = 12) -> tuple[float, float]:
    """Median seconds from an edit sent to the runner to the cell in another tab's shared model, and until JupyterLab's
    own listeners have made a widget of it. One a second: JupyterLab takes 0.2 s to lay a long notebook out anew."""
    tab.js(WATCH)
    sent = {}
    for number in range(times):
        cell = {
            "cell_type": "code",
            "id": f"{name}-{number}",
            "source": "1",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        sent[cell["id"]] = time.time()
        run.call(
            "edit", agent="lead", client="filler", edits=[{"edit": "insert", "after": "end", "cell": cell}]
        )
        time.sleep(1)
    added, drawn = tab.page.evaluate("() => [window.cobraAdded, window.cobraDrawn]")
    return (
        statistics.median(added[cell] - when for cell, when in sent.items()),
        statistics.median(drawn[cell] - when for cell, when in sent.items()),
    )


def measure(folder: Path, cells: int, rounds: int) -> dict[str, Any]:
    from playwright.sync_api import sync_playwright

    from benchmarks import tables
    from tests.lab.browser import TOKEN, Live, Server, Tab
    from tests.lab.conftest import chromium

    server = Server(folder / "with", ("--LabApp.expose_app_in_browser=True",))
    plain = Server(
        folder / "without",
        ("--LabApp.expose_app_in_browser=True", "--ServerApp.jpserver_extensions={'cobra_jupyter': False}"),
    )
    config = plain.folder / "home" / "config" / "labconfig"
    config.mkdir(parents=True)
    (config / "page_config.json").write_text(json.dumps({"disabledExtensions": {"cobra-jupyter": True}}))
    server.start()
    plain.start()
    run = Live(server, "big", tables.write(folder / "made", 200, 3, 50))
    try:
        run.start("--budget", "3000")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            context = browser.new_context(viewport={"width": 1400, "height": 900})
            page = context.new_page()
            fill(run, 0, SMALL)
            few = appending(run, Tab(page, server).open(run.path), "few")
            fill(run, SMALL, cells)
            path = Path(run.call("flush", agent="lead")["path"])
            (plain.root / "big.ipynb").write_bytes(path.read_bytes())
            times: dict[str, list[float]] = {"with": [], "without": []}
            for _ in range(rounds):
                for name, where, notebook in (("with", server, run.path), ("without", plain, "big.ipynb")):
                    fresh = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
                    fresh.goto(f"{where.url('lab')}?token={TOKEN}&reset")  # code is cached, as in daily use
                    fresh.locator(".jp-Launcher, .jp-Notebook").first.wait_for(timeout=60_000)
                    times[name].append(opening(fresh, f"{where.url('lab/tree/')}{notebook}?reset", cells))
                    fresh.context.close()
            many = appending(run, Tab(page, server).open(run.path), "many")
            browser.close()
        size = path.stat().st_size
    finally:
        run.stop()
        server.stop()
        plain.stop()
    opened = {name: statistics.median(seconds) for name, seconds in times.items()}
    return {
        "cells": cells, "mb": round(size / 1e6, 1), "open_s": round(opened["with"], 2), "open_without_s": round(opened["without"], 2),
        "open_ratio": round(opened["with"] / opened["without"], 3), "append_ms": round(1000 * many[0], 1),
        "append_at_100_ms": round(1000 * few[0], 1), "append_ratio": round(many[0] / few[0], 3),
        "widget_ms": round(1000 * many[1], 1), "widget_at_100_ms": round(1000 * few[1], 1),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=2000, help="of the big notebook (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="openings of each (default: %(default)s)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cobra-") as folder:
        print(json.dumps(measure(Path(folder), chosen.cells, chosen.rounds)))


if __name__ == "__main__":
    main()
