"""The options of the `cobra` command and their help texts."""

from __future__ import annotations

import argparse
from pathlib import Path

EPILOG = """examples:
  cobra demo                                  run a small competition in about two minutes
  cobra run data/my-competition --budget 10m  write submission, notebook, proof and report
  cobra run data/x --brain gemini --max-cost 5 --budget 4h
  cobra run data/x --set metric=rmse --set target=price --json
  cobra status                                show the latest run
  cobra resume latest                         continue after a crash, from the record
  cobra verify latest --rerun                 check record, files and scores; retrain the final model
  cobra export latest --to html               write the notebook as a web page

exit codes: 0 valid submission · 1 internal error · 2 bad input · 3 no valid submission
            4 verification failed · 130 interrupted"""
RUN = """\
Work on a competition folder (MLE-bench's public/ layout, or a parent of it). The run folder
gets submission.csv, agent.ipynb, solution.ipynb, report.html and the record, ledger.jsonl."""
DEMO = """\
Write small competitions made from scikit-learn's bundled data sets, run one of them, and grade
the result afterwards with answers that the run cannot see."""
RESUME = """\
Continue a run from the end of its record: after a crash, a kill, a full disk or Ctrl-C. Finished
trials are not run again, and the time already used counts. To continue a finished run, give it
more time with --budget."""
VERIFY = """\
Check a run afterwards: the chain of the record, hashes of files, scores from stored predictions,
the choice by its rule, and what the agent saw. Prints the result of each check; the exit code is
4 if one fails."""
SETTINGS = "id, target, metric, direction, split, groups, time, kind, task, weights, positive, use"


def make_parser() -> argparse.ArgumentParser:
    from cobra_jupyter import __version__

    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="cobra",
        formatter_class=plain,
        epilog=EPILOG,
        description="Cobra: an autonomous machine-learning engineer that lives in Jupyter.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser(
        "run",
        formatter_class=plain,
        help="work on a competition folder; write submission, notebook, proof and report",
        description=RUN,
    )
    run.add_argument("folder", type=Path, metavar="FOLDER", help="the competition's folder")
    _run_options(run)

    demo = commands.add_parser(
        "demo",
        formatter_class=plain,
        help="write small competitions, run one of them and grade the result",
        description=DEMO,
    )
    demo.add_argument(
        "--competition",
        default="demo-diabetes",
        metavar="NAME",
        help="demo-tumours, demo-digits or demo-diabetes (default: %(default)s)",
    )
    demo.add_argument(
        "--folder", type=Path, default=Path("demo"), help="where to write them (default: ./demo)"
    )
    _run_options(demo, budget="100s")

    resume = commands.add_parser(
        "resume",
        formatter_class=plain,
        help="continue a run that ended early",
        description=RESUME,
    )
    _run_argument(resume)
    resume.add_argument(
        "--budget",
        metavar="TIME",
        help="new total budget, including the time already used (default: as before)",
    )
    _json_option(resume)

    verify = commands.add_parser(
        "verify",
        formatter_class=plain,
        help="check a run's record, files, scores and choice",
        description=VERIFY,
    )
    _run_argument(verify)
    verify.add_argument(
        "--rerun",
        action="store_true",
        help="also run solution.ipynb, which trains everything again (may take long)",
    )
    _json_option(verify)

    status = commands.add_parser("status", help="show the state of a run")
    status.add_argument(
        "run", nargs="?", default="latest", metavar="RUN", help="a run folder, or 'latest' (default)"
    )
    status.add_argument("--json", action="store_true", help="print run.json")

    export = commands.add_parser(
        "export", help="write a run's notebook as a web page, a notebook or a script"
    )
    _run_argument(export)
    export.add_argument(
        "--to", choices=("html", "ipynb", "py"), default="html", help="format (default: html)"
    )
    export.add_argument(
        "--output", type=Path, metavar="FILE", help="output file (default: in the run's folder)"
    )
    return parser


def _run_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder, or 'latest'")


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def _run_options(parser: argparse.ArgumentParser, budget: str = "10m") -> None:
    from cobra_jupyter.records.states import APPROVALS

    _brain_options(parser)
    parser.add_argument(
        "--budget",
        default=budget,
        metavar="TIME",
        help="time from start to exit, including the proof: 90s, 10m, 1h30m, 24h (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="run folder, new or empty (default: runs/<competition>-<time>)",
    )
    parser.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="random seed of folds and fits (default: 0)"
    )
    parser.add_argument(
        "--kernel",
        metavar="NAME",
        help="Jupyter kernel to use (default: python3); see `jupyter kernelspec list`",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="K=V",
        dest="settings",
        help=f"set what the competition folder does not say: {SETTINGS}; may be repeated",
    )
    parser.add_argument(
        "--weights",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="folder of pretrained weights (Hugging Face layout) to fine-tune, if torch and transformers are "
        "installed; may be repeated; weights in the Hugging Face cache are found automatically",
    )
    parser.add_argument(
        "--approval",
        default="none",
        choices=APPROVALS,
        help="which cells wait for approval in JupyterLab: none (default), all cells, or costly ones "
        "(ablations, scaling up, other agents, background jobs)",
    )
    _json_option(parser)


def _brain_options(parser: argparse.ArgumentParser) -> None:
    from cobra_jupyter.brains import kinds

    brain = parser.add_argument_group("brain", "the model or rules that write the cells")
    brain.add_argument(
        "--brain",
        default=kinds.AUTO,
        choices=kinds.names(),
        help="auto (default): gemini if a key is set, else the playbook, which needs no key",
    )
    brain.add_argument(
        "--model",
        metavar="NAME",
        help="the leading Gemini model (default: gemini-3.1-pro-preview), or the folder of a local "
        "chat model",
    )
    brain.add_argument(
        "--fast-model",
        metavar="NAME",
        help="the Gemini model that repairs failing cells (default: gemini-3-flash-preview)",
    )
    brain.add_argument(
        "--thinking",
        choices=("minimal", "low", "medium", "high"),
        default="high",
        help="thinking level of the leading model (default: high)",
    )
    brain.add_argument(
        "--keep-thoughts", action="store_true", help="keep the model's thought summaries in the record"
    )
    brain.add_argument(
        "--max-tokens",
        type=int,
        metavar="N",
        help="limit on tokens, input and output; after it, the playbook continues",
    )
    brain.add_argument(
        "--max-cost",
        type=float,
        metavar="DOLLARS",
        help="limit on cost, by the price table; after it, the playbook continues. Your own prices: "
        "~/.config/cobra/prices.toml",
    )
    brain.add_argument(
        "--replay", metavar="RUN", help="with --brain replay: a run folder, or a file written with --record"
    )
    brain.add_argument("--record", metavar="FILE", help="write every reply to FILE, for --replay")


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"{text}: give a whole number from 0 to {2**31 - 1}")
    return int(text)
