"""An entry of results.json in words, as docs/measured.md shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Figures = Mapping[str, Any]


def words(entry: Mapping[str, Any]) -> str:
    """A line on machine and commit, and a table with a row or more for each benchmark."""
    kind, found = entry["machine"], entry["figures"]
    rows = [row for name, of in _ROWS.items() if name in found for row in of(found[name])]
    head = f"Measured on {entry['date']} at {entry['commit']}, {kind['cores']} cores of {kind['cpu']}:"
    table = "\n".join(
        f"| {what} | {figure} |" for what, figure in [("what", "figure"), ("---", "---"), *rows]
    )
    return f"{head}\n\n{table}\n"


Rows = Iterator[tuple[str, str]]


def _trial_overhead(f: Figures) -> Rows:
    yield (
        "from `cobra.trial(…)` to `fit` entered, 300,000 × 30 numbers at hand",
        f"{f['median_ms']:.0f} ms; {f['ratio']:.0f} × less than a fresh process"
        " that imports the libraries and reads the csv",
    )


def _loop_overhead(f: Figures) -> Rows:
    yield (
        "what the runner adds to a cell",
        f"{f['median_ms_per_cell']} ms; the 5,000th cell costs {f['ratio_5000_to_100']} × the 100th",
    )


def _parallel(f: Figures) -> Rows:
    yield "trials of 0.5 s keep the cores busy", f"{100 * f['share']:.0f} % of {f['cores']} cores"


def _stream_latency(f: Figures) -> Rows:
    yield (
        "from a token that leaves the model's server to its text in the notebook, 50 a second",
        f"{f['p50_ms']} ms (95 %: {f['p95_ms']} ms)",
    )


def _context(f: Figures) -> Rows:
    yield "tokens of a context at turn 200, of those at turn 30", f"{f['turn_200_over_30']:.2f} ×"
    yield "tokens of a growing history, of those of all contexts", f"{f['growing_over_this']:.1f} ×"
    yield "unchanged start of a context, which a provider caches", f"{100 * f['unchanged_prefix']:.0f} %"


def _lab_latency(f: Figures) -> Rows:
    yield (
        "from a printed line to its text in the page, 20 lines a second",
        f"{f['p50_ms']} ms (95 %: {f['p95_ms']} ms)",
    )
    yield "tasks of the page above 100 ms while a person types", f"{f['tasks_over_100_ms']}"
    block = f["loop_block"]
    yield (
        "longest block of the server's event loop while the demo runs",
        f"{block['run_ms']} ms, of which it works {block['run_cpu_ms']} ms;"
        f" an idle loop: {block['idle_loop_ms']} ms",
    )


def _big_notebook(f: Figures) -> Rows:
    yield (
        f"opening a notebook of {f['cells']:,} cells and {f['mb']:.0f} MB",
        f"{f['open_ratio']:.2f} × the time without the extension",
    )
    yield (
        "from an added cell to its place in that page",
        f"{f['append_ms']} ms; with 100 cells {f['append_at_100_ms']} ms",
    )


_ROWS: dict[str, Callable[[Figures], Rows]] = {
    "trial_overhead": _trial_overhead,
    "loop_overhead": _loop_overhead,
    "parallel": _parallel,
    "stream_latency": _stream_latency,
    "context": _context,
    "lab_latency": _lab_latency,
    "big_notebook": _big_notebook,
}
