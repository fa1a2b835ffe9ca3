"""The `cobra` command. Progress goes to standard error, results to standard output."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

OK, INTERNAL, BAD_INPUT, NO_SUBMISSION, NOT_VERIFIED, INTERRUPTED = 0, 1, 2, 3, 4, 130
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
# Errors that a user can fix, by module. Only loaded modules can have raised one, so none is imported for
# this.
USER_ERRORS = {
    "cobra_jupyter.agent.budget": "BudgetError",
    "cobra_jupyter.agent.history": "NothingRecorded",
    "cobra_jupyter.brains.base": "BrainGone",
    "cobra_jupyter.brains.choice": "BrainRefused",
    "cobra_jupyter.competition.errors": "CompetitionError",
    "cobra_jupyter.kernel.errors": "KernelError",
    "cobra_jupyter.notebook.export": "ExportError",
    "cobra_jupyter.records.ledger": "LedgerError",
    "cobra_jupyter.run.errors": "BadInput",
    "cobra_jupyter.run.folders": "RunError",
}
SETTINGS = "id, target, metric, direction, split, groups, time, kind, task"


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `cobra` and `jupyter cobra`."""
    from cobra_jupyter.brains import keys

    if arguments is None:
        keys.start_anew()
    known = keys.take()  # for every command, so that the pipe does not stay open
    chosen = _parser().parse_args(sys.argv[1:] if arguments is None else arguments)
    chosen.keys = known
    try:
        return int(chosen.do(chosen))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return OK
    except Exception as error:
        return _refuse(error)


def _refuse(error: Exception) -> int:
    """Print a message for an error that the user can fix, else a traceback. Returns the exit code."""
    from cobra_jupyter.workbench import disk

    loaded = [(sys.modules[module], name) for module, name in USER_ERRORS.items() if module in sys.modules]
    ours = tuple(getattr(module, name) for module, name in loaded)
    if isinstance(error, ours):
        print(f"cobra: {error}", file=sys.stderr)
        return BAD_INPUT
    if isinstance(error, OSError) and error.errno in disk.NO_ROOM:
        print(
            f"cobra: {error.strerror}. The record is intact; free some space, then run `cobra resume RUN`",
            file=sys.stderr,
        )
        return BAD_INPUT
    import traceback

    traceback.print_exception(error)
    print("cobra: this is a bug in Cobra; the lines above show where", file=sys.stderr)
    return INTERNAL


def _parser() -> argparse.ArgumentParser:
    from cobra_jupyter import __version__

    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="cobra",
        formatter_class=plain,
        epilog=EPILOG,
        description="Cobra: an autonomous machine-learning engineer that lives in Jupyter.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser(
        "run",
        formatter_class=plain,
        help="work on a competition folder; write submission, notebook, proof and report",
        description=RUN,
    )
    run.add_argument("folder", type=Path, metavar="FOLDER", help="the competition's folder")
    _run_options(run)
    run.set_defaults(do=_run)

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
    demo.set_defaults(do=_demo)

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
    resume.set_defaults(do=_resume)

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
    verify.set_defaults(do=_verify)

    status = commands.add_parser("status", help="show the state of a run")
    status.add_argument(
        "run", nargs="?", default="latest", metavar="RUN", help="a run folder, or 'latest' (default)"
    )
    status.add_argument("--json", action="store_true", help="print run.json")
    status.set_defaults(do=_status)

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
    export.set_defaults(do=_export)
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

    brain = parser.add_argument_group("brain", "who writes the cells")
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


def _brain_request(chosen: argparse.Namespace) -> Any:
    from cobra_jupyter.brains.choice import BrainRequest

    return BrainRequest(
        brain=chosen.brain,
        model=chosen.model,
        fast_model=chosen.fast_model,
        thinking=chosen.thinking,
        keep_thoughts=chosen.keep_thoughts,
        max_tokens=chosen.max_tokens,
        max_cost=chosen.max_cost,
        source=chosen.replay,
        record=chosen.record,
    )


def _run(chosen: argparse.Namespace) -> int:
    result, code = _go(chosen, chosen.folder)
    _print(result, chosen.json)
    return code


def _go(chosen: argparse.Namespace, folder: Path) -> tuple[dict[str, Any] | None, int]:
    """Run a competition. Returns the record of the result (None if there is none) and the exit code."""
    from cobra_jupyter.agent import budget
    from cobra_jupyter.run import folders
    from cobra_jupyter.run.errors import BadInput
    from cobra_jupyter.run.options import Options

    if not folder.is_dir():
        raise BadInput(
            f"{folder}: no such folder; give the competition's folder, with description.md and a sample "
            "submission"
        )
    folder = folder.resolve()
    seconds, started = budget.parse(chosen.budget), _process_start()
    out = (chosen.out or folders.new_folder(Path("runs"), folder)).absolute()
    request = _brain_request(chosen)
    options = Options(
        folder=folder,
        out=out,
        brain=request.brain,
        budget=seconds,
        seed=chosen.seed,
        kernel=chosen.kernel,
        settings=_settings(chosen.settings),
        started=started,
        weights=_weights(chosen.weights),
        model=request.settings(),
        approval=chosen.approval,
    )
    return _live(_as_recorded(options), chosen.keys)


def _as_recorded(options: Any) -> Any:
    """For a replay: the options with budget, seed and settings of the recorded run."""
    from dataclasses import replace

    from cobra_jupyter.brains.replay import Recording

    if options.brain != "replay" or "source" not in options.model:
        return options
    try:
        asked = Recording(Path(options.model["source"])).asked
    except (OSError, ValueError):  # reported later, when the brain is chosen
        return options
    if asked is None:
        return options
    return replace(options, budget=asked["budget"], seed=asked["seed"], settings=asked["settings"])


def _live(options: Any, known: Mapping[str, str], resume: bool = False) -> tuple[dict[str, Any], int]:
    """Run to the end; `known` holds the keys. Returns the record of the result and the exit code."""
    from cobra_jupyter.brains import keys
    from cobra_jupyter.brains.choice import BrainRequest, choose, ready
    from cobra_jupyter.cli.progress import Progress
    from cobra_jupyter.run import folders
    from cobra_jupyter.run.runner import Runner

    spent = folders.spent(options.out) if resume else (0, 0.0)
    request = BrainRequest(options.brain, **options.model)
    chosen = choose(request, {**os.environ, **known}, spent)

    async def run() -> Any:
        brains = await ready(chosen, request)
        progress.greeting = f"brain: {brains.lead.name} ({brains.why})"
        folders.remember(options.out)
        runner = Runner(
            replace(options, brain=brains.kind),
            brains.lead,
            progress.record,
            resume=resume,
            others=brains.others,
            team=brains.team,
            secrets=keys.values(known),
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, runner.interrupted.set)
        result = await runner.run()
        return result, runner.interrupted.is_set()

    with Progress() as progress:
        result, interrupted = asyncio.run(run())
    return result.record(), _code(result, interrupted)


def _code(result: Any, interrupted: bool) -> int:
    if interrupted:
        return INTERRUPTED
    if result.submission is None:
        return NO_SUBMISSION
    return NOT_VERIFIED if result.proof.outcome in ("different", "failed") else OK


def _settings(words: Sequence[str]) -> dict[str, str]:
    from cobra_jupyter.run.errors import BadInput

    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not value:
            raise BadInput(f"--set {word}: write --set key=value; the keys are {SETTINGS}")
        found[key.strip()] = value.strip()
    return found


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"{text}: give a whole number from 0 to {2**31 - 1}")
    return int(text)


def _weights(folders: Sequence[Path]) -> tuple[str, ...]:
    from cobra_jupyter.kernel import weights
    from cobra_jupyter.run.errors import BadInput

    for folder in folders:
        if not weights.find([folder], {"HF_HUB_CACHE": os.devnull}):
            raise BadInput(
                f"--weights {folder}: no pretrained weights there; a folder with config.json, a tokenizer "
                "and *.safetensors is needed"
            )
    return tuple(str(folder.resolve()) for folder in folders)


def _process_start() -> float:
    """When this process began (epoch seconds), so that imports count towards the budget."""
    import psutil

    return min(time.time(), float(psutil.Process().create_time()))


def _print(result: dict[str, Any] | None, as_json: bool) -> None:
    if result is None:
        return
    if as_json:
        print(json.dumps(result))
        return
    if result["submission"]:
        from cobra_jupyter.workbench.display.pages.describe import cross_validated

        found = cross_validated(result["metric"], result["cv"], result["cv_se"])
        print(f"{result['competition']}: {found}")
        print(f"proof       {result['proof']}")
    else:
        print(f"{result['competition']}: no valid submission")
    for name in ("submission", "notebook", "solution", "report"):
        if result[name]:
            print(f"{name:<11} {result[name]}")
    print(f"time        {result['seconds']:.0f} s")


def _demo(chosen: argparse.Namespace) -> int:
    from cobra_jupyter.cli import demo
    from cobra_jupyter.run.errors import BadInput

    folders = {path.name: path for path in demo.write(chosen.folder)}
    if chosen.competition not in folders:
        raise BadInput(f"--competition {chosen.competition}: there are {', '.join(folders)}")
    print(f"wrote {', '.join(folders)} to {chosen.folder}", file=sys.stderr)
    result, code = _go(chosen, folders[chosen.competition])
    if result and result["submission"]:
        result["graded"] = demo.grade(chosen.folder, chosen.competition, Path(result["submission"]))
    _print(result, chosen.json)
    if result and "graded" in result and not chosen.json:
        graded = result["graded"]
        print(f"graded      {graded['metric']} {graded['score']:.5f} on answers the run never saw")
    return code


def _resume(chosen: argparse.Namespace) -> int:
    from cobra_jupyter.agent import budget
    from cobra_jupyter.run import folders

    run = folders.load(chosen.run)
    options = folders.options_of(run, budget.parse(chosen.budget) if chosen.budget else None)
    result, code = _live(options, chosen.keys, resume=True)
    _print(result, chosen.json)
    return code


def _verify(chosen: argparse.Namespace) -> int:
    from cobra_jupyter.run import folders, verify

    run = folders.load(chosen.run)
    if run["state"] in ("starting", "running"):
        raise folders.RunError(f"{run['run']} is running: verify it when it has finished")
    checks = asyncio.run(verify.verify(Path(run["folder"]), chosen.rerun))
    holds = all(check.holds is not False for check in checks)
    if chosen.json:
        print(
            json.dumps({"run": run["folder"], "holds": holds, "checks": [check.record() for check in checks]})
        )
    else:
        print(*checks, sep="\n")
        print(f"{run['run']}: everything holds" if holds else f"{run['run']}: NOT verified, see ✗")
    return OK if holds else NOT_VERIFIED


def _status(chosen: argparse.Namespace) -> int:
    from cobra_jupyter.run import folders

    run = folders.load(chosen.run)
    print(json.dumps(run) if chosen.json else folders.describe(run))
    return OK


def _export(chosen: argparse.Namespace) -> int:
    from cobra_jupyter.notebook import export
    from cobra_jupyter.run import folders

    folder = folders.find(chosen.run)
    print(export.write(folder / "agent.ipynb", chosen.to, chosen.output))
    return OK


if __name__ == "__main__":
    sys.exit(main())
