"""The time from a line that the agent's cell prints to its text in the DOM of real Chromium, at 20 lines a
second, while a person types into another cell; and the longest block of the Jupyter server's event loop
while the playbook runs the demo.

    python -m benchmarks.lab_latency [--lines 400]"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

PACE = 0.05  # seconds between two lines
OBSERVE = """() => {
    window.cobraSeen = {}; window.cobraLong = [];
    const look = node => {
        for (const [stamp] of (node.textContent || '').matchAll(/T\\d{10}\\.\\d{6}/g)) {
            window.cobraSeen[stamp] ??= Date.now() / 1000;
        }
    };
    new MutationObserver(changes => changes.forEach(change => {
        look(change.target); change.addedNodes.forEach(look);
    })).observe(document.querySelector('.jp-Notebook'), {subtree: true, childList: true,\
 characterData: true});
    new PerformanceObserver(list => list.getEntries().forEach(entry => window.cobraLong.push(entry.duration)))
        .observe({entryTypes: ['longtask']});
}"""


async def watch(path: Path) -> None:
    """Write the longest block of the event loop so far: its seconds, and this process's CPU seconds in it
    (other processes had the cores for the rest). Starts again when the file is removed."""
    longest = 0.0
    while True:
        before, worked = time.perf_counter(), time.process_time()
        await asyncio.sleep(0.005)
        block, work = time.perf_counter() - before - 0.005, time.process_time() - worked
        if not path.exists():
            longest = 0.0
        if block >= longest:
            longest = block
            path.write_text(f"{block} {work}")


def _load_jupyter_server_extension(app: Any) -> None:
    """In the server: watch its event loop."""
    path = Path(os.environ["COBRA_LOOP_BLOCK"])
    app.io_loop.call_later(0, lambda: asyncio.ensure_future(watch(path)))


def latency(folder: Path, lines: int) -> dict[str, Any]:
    """Lines of an agent's cell against their appearance, in milliseconds."""
    from playwright.sync_api import sync_playwright

    from benchmarks import tables
    from tests.fakes import live
    from tests.lab.conftest import chromium
    from tests.lab.live_run import Live
    from tests.lab.server import Server
    from tests.lab.tab import Tab

    server = Server(folder, ("--LabApp.expose_app_in_browser=True",))
    server.start()
    run = Live(server, "latency", tables.write(folder / "made", 200, 3, 50))
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            run.start()
            tab = Tab(browser.new_page(viewport={"width": 1400, "height": 900}), server).open(run.path)
            tab.shows("Begin")
            tab.page.evaluate(OBSERVE)
            code = (
                f"for _ in range({lines}):\n"
                "    print(f'T{time.time():.6f}', flush=True)\n"
                f"    time.sleep({PACE})"
            )
            run.say(2, live.cell(code))
            tab.shows("T1")
            first = tab.cells()[2]["id"]
            while run.call("status")["agents"] and not (run.replies / "3.seen").exists():
                tab.type_into(first, "# typing on and on\n", delay=40)
            time.sleep(1)
            seen = tab.page.evaluate("() => window.cobraSeen")
            long = tab.page.evaluate("() => window.cobraLong")
            browser.close()
    finally:
        run.stop()
        server.stop()
    delays = sorted(1000 * (when - float(stamp[1:])) for stamp, when in seen.items())
    return {
        "lines": lines,
        "seen": len(delays),
        "p50_ms": round(statistics.median(delays), 1),
        "p95_ms": round(delays[int(0.95 * len(delays))], 1),
        "max_ms": round(delays[-1], 1),
        "longest_task_ms": round(max(long, default=0.0)),
        "tasks_over_100_ms": sum(task > 100 for task in long),
    }


def loop_block(folder: Path, budget: str) -> dict[str, Any]:
    """The longest block of the server's event loop while a demo runs in an open tab, from its start by REST;
    and the longest block of an idle event loop in its own process, which only the machine causes."""
    from playwright.sync_api import sync_playwright

    from cobra_jupyter.cli import demo
    from tests.lab.conftest import chromium
    from tests.lab.server import TOKEN, Server
    from tests.lab.tab import Tab
    from tests.lab.waiting import until

    block, idle = folder / "block", folder / "idle"
    os.environ["COBRA_LOOP_BLOCK"] = str(block)
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    extensions = "{'benchmarks.lab_latency': True}"
    server = Server(
        folder, ("--LabApp.expose_app_in_browser=True", f"--ServerApp.jpserver_extensions={extensions}")
    )
    server.root.mkdir(parents=True)
    demo.write(server.root / "demo")
    server.start()
    control = multiprocessing.get_context("spawn").Process(target=_idle, args=(idle,), daemon=True)
    control.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.goto(f"{server.url('lab')}?token={TOKEN}")
            page.locator(".jp-Launcher").wait_for(timeout=60_000)
            block.unlink()  # what the page's own loading took is not ours
            asked = {"folder": "demo/demo-diabetes/prepared/public", "brain": "playbook", "budget": budget}
            run = server.post("cobra/runs", asked)
            tab = Tab(page, server)
            tab.command("docmanager:open", {"path": run["agents"][0]["notebook"]})
            tab.ready()
            opened = float(
                block.read_text().split()[0]
            )  # with what Jupyter itself does as a first notebook is opened
            time.sleep(1)
            block.unlink()
            idle.unlink()
            path = f"cobra/runs/{run['id']}"
            until(lambda: server.get(path)["state"] == "finished", "the run is over", 600)
            wall, cpu = map(float, block.read_text().split())
            other, _ = map(float, idle.read_text().split())
            browser.close()
    finally:
        control.kill()
        server.stop()
    return {
        "start_and_open_ms": round(1000 * opened, 1),
        "run_ms": round(1000 * wall, 1),
        "run_cpu_ms": round(1000 * cpu, 1),
        "idle_loop_ms": round(1000 * other, 1),
    }


def _idle(path: Path) -> None:
    asyncio.run(watch(path))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--lines", type=int, default=400, help="lines that are printed (default: %(default)s)"
    )
    parser.add_argument("--budget", default="60s", help="of the demo (default: %(default)s)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cobra-") as folder:
        print(json.dumps(latency(Path(folder) / "latency", chosen.lines)), flush=True)
        print(json.dumps({"loop_block": loop_block(Path(folder) / "block", chosen.budget)}))


if __name__ == "__main__":
    main()
