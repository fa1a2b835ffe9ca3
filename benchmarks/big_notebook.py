"""Times a live notebook of 2,000 cells with 50 MB of outputs. Opening it is compared with opening the same
notebook without the extension; appending a cell is compared with appending to 100 cells, after JupyterLab
has drawn both notebooks.

    python -m benchmarks.big_notebook [--cells 2000] [--rounds 5]"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

SIZE = 25_000  # characters of output a cell
SMALL = 100
VIEW = {"width": 1400, "height": 900}
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
            edits.append(
                {
                    "edit": "insert",
                    "after": "end",
                    "cell": {
                        "cell_type": "code",
                        "id": f"big-{number}",
                        "source": f"print({number})",
                        "metadata": {},
                        "execution_count": number,
                        "outputs": [{"output_type": "stream", "name": "stdout", "text": text}],
                    },
                }
            )
        run.call("edit", agent="lead", client="filler", edits=edits)


def opening(page: Any, url: str, cells: int) -> float:
    """Seconds from going there until the notebook's cells are in the model and the first is drawn."""
    page.goto("about:blank")
    began = time.perf_counter()
    page.goto(url)
    page.wait_for_function(
        """cells => {
            const panel = [...window.jupyterapp?.shell.widgets('main') ?? []]"""
        """.find(w => w.content?.model?.cells);
            return panel && panel.content.model.cells.length >= cells"""
        """ && document.querySelector('.jp-Cell .cm-content');
        }""",
        arg=cells,
        timeout=120_000,
        polling=20,
    )
    return time.perf_counter() - began


def drawn(tab: Any) -> None:
    """Wait until all cells are drawn: JupyterLab draws cells out of view one by one when it is idle."""
    left = "nb => nb.content.widgets.filter(widget => widget.isPlaceholder()).length"
    from tests.lab.waiting import until

    until(lambda: tab.js(left) == 0, "all cells are drawn", 900)
    time.sleep(3)


def appending(places: list[tuple[Any, Any]], name: str, times: int) -> list[tuple[float, float]]:
    """For each run and the tab that shows it, returns two medians in seconds: from an edit sent to the runner
    until the cell is in the tab's shared model, and until JupyterLab has made a widget of it. The runs take
    turns, with 1 to 2 s between edits: JupyterLab needs 0.2 s to lay a long notebook out again, and a random
    pause does not fall in step with work that other code does every second."""
    sent: dict[str, float] = {}
    pauses = random.Random(0)
    for _, tab in places:
        tab.js(WATCH)
    for number in range(times):
        for place, (run, _) in enumerate(places):
            append(run, f"{name}-{place}-{number}", sent)
            time.sleep(pauses.uniform(1, 2))
    medians = []
    for place, (_, tab) in enumerate(places):
        added, widget = tab.page.evaluate("() => [window.cobraAdded, window.cobraDrawn]")
        ours = [cell for cell in sent if cell.startswith(f"{name}-{place}-")]
        medians.append(
            (
                statistics.median(added[cell] - sent[cell] for cell in ours),
                statistics.median(widget[cell] - sent[cell] for cell in ours),
            )
        )
    return medians


def append(run: Any, cell_id: str, sent: dict[str, float]) -> None:
    cell = {
        "cell_type": "code",
        "id": cell_id,
        "source": "1",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    sent[cell_id] = time.time()
    run.call("edit", agent="lead", client="filler", edits=[{"edit": "insert", "after": "end", "cell": cell}])


def measure(folder: Path, cells: int, rounds: int) -> dict[str, Any]:
    from playwright.sync_api import sync_playwright

    from benchmarks import tables
    from tests.lab.conftest import chromium
    from tests.lab.live_run import Live
    from tests.lab.server import TOKEN, Server
    from tests.lab.tab import Tab

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
    made = tables.write(folder / "made", 200, 3, 50)
    small, big = Live(server, "small", made), Live(server, "big", made)
    try:
        for run, length in ((small, SMALL), (big, cells)):
            run.start("--budget", "3000")
            fill(run, 0, length)
        path = Path(big.call("flush", agent="lead")["path"])
        (plain.root / "big.ipynb").write_bytes(path.read_bytes())
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            times: dict[str, list[float]] = {"with": [], "without": []}
            for _ in range(rounds):
                for name, where, notebook in (("with", server, big.path), ("without", plain, "big.ipynb")):
                    fresh = browser.new_context(viewport=VIEW).new_page()
                    fresh.goto(f"{where.url('lab')}?token={TOKEN}&reset")  # code is cached, as in daily use
                    fresh.locator(".jp-Launcher, .jp-Notebook").first.wait_for(timeout=60_000)
                    times[name].append(opening(fresh, f"{where.url('lab/tree/')}{notebook}?reset", cells))
                    fresh.context.close()
            places = [
                (run, Tab(browser.new_context(viewport=VIEW).new_page(), server).open(run.path))
                for run in (small, big)
            ]
            ((_, drawing),) = appending(places[1:], "early", 10)
            for _, tab in places:
                drawn(tab)
            (few, few_widget), (many, many_widget) = appending(places, "late", 20)
            browser.close()
        size = path.stat().st_size
    finally:
        small.stop()
        big.stop()
        server.stop()
        plain.stop()
    opened = {name: statistics.median(seconds) for name, seconds in times.items()}
    return {
        "cells": cells,
        "mb": round(size / 1e6, 1),
        "open_s": round(opened["with"], 2),
        "open_without_s": round(opened["without"], 2),
        "open_ratio": round(opened["with"] / opened["without"], 3),
        "append_ms": round(1000 * many, 1),
        "append_at_100_ms": round(1000 * few, 1),
        "append_ratio": round(many / few, 3),
        "widget_ms": round(1000 * many_widget, 1),
        "widget_at_100_ms": round(1000 * few_widget, 1),
        "widget_while_drawing_ms": round(1000 * drawing, 1),
    }


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
