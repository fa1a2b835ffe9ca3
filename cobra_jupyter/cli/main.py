"""The `cobra` command. Progress goes to standard error, results to standard output."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cobra_jupyter.cli.parser import SETTINGS, make_parser

OK, INTERNAL, BAD_INPUT, NO_SUBMISSION, NOT_VERIFIED, INTERRUPTED = 0, 1, 2, 3, 4, 130
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `cobra` and `jupyter cobra`."""
    from cobra_jupyter.brains import keys

    if arguments is None:
        keys.start_anew()
    known = keys.take()  # for every command, so that the pipe does not stay open
    chosen = make_parser().parse_args(sys.argv[1:] if arguments is None else arguments)
    chosen.keys = known
    try:
        return COMMANDS[chosen.command](chosen)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return OK
    except Exception as error:
        code = _refuse(error)
        if getattr(chosen, "json", False):
            print(json.dumps({"submission": None, "exit": code, "reason": str(error)}))
        return code


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
    from cobra_jupyter.workbench import rebuild

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
        if resume:
            progress.take_up(rebuild.read(options.out / "ledger.jsonl"))
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
    from cobra_jupyter.workbench.display.pages import describe

    if result["submission"]:
        found = "no model"
        if result["cv"] is not None:
            found = describe.cross_validated(result["metric"], result["cv"], result["cv_se"])
        print(f"{result['competition']}: {found}")
        for reason in result["suspect"]:
            print(f"suspect     {reason}")
        print(f"proof       {result['proof']}")
    else:
        print(f"{result['competition']}: no valid submission")
    for name in ("submission", "notebook", "solution", "report"):
        if result[name]:
            print(f"{name:<11} {result[name]}")
    for assumption in result["assumed"]:
        print(f"assumed     {describe.assumption(assumption)}")
    print(f"written by  {result['written_by']}")
    print(f"time        {result['seconds']:.0f} s of {result['budget']:.0f} s, then: {result['ended']}")


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
            json.dumps(
                {
                    "run": run["folder"],
                    "holds": holds,
                    "checks": [check.record() for check in checks],
                    "proves": verify.PROVES,
                    "proves_not": verify.PROVES_NOT,
                }
            )
        )
    else:
        print(*checks, sep="\n")
        print(f"{run['run']}: everything holds" if holds else f"{run['run']}: NOT verified, see ✗")
        if holds:
            print(f"This proves {verify.PROVES}.\nIt does not prove {verify.PROVES_NOT}.")
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


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "demo": _demo,
    "resume": _resume,
    "verify": _verify,
    "status": _status,
    "export": _export,
}


if __name__ == "__main__":
    sys.exit(main())
