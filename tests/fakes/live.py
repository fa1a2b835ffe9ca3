"""A real run whose replies a test dictates, file by file, while it goes on.

python -m tests.fakes.live COMPETITION OUT REPLIES [--approval cells] [--budget 300] python -m
tests.fakes.live --starter    forks such a run for each line of JSON on its standard input

The reply of turn 3 is `REPLIES/3.md`, waited for; what the brain was told is then in `REPLIES/3.seen`. A
first line `<!-- pace: 200 -->` streams it at so many characters a second; at a `<!-- wait -->` it stands
still until `REPLIES/3.go` is there."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cobra_jupyter.brains.base import Finish
from cobra_jupyter.brains.context import Context
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
WAIT = "<!-- wait -->"
_PACE = re.compile(r"\A<!-- pace: (\d+) -->\n")


class Dictated:
    """A brain that says what lies in a folder."""

    name = "dictated"
    finish = Finish()

    def __init__(self, replies: Path) -> None:
        self._replies = replies

    async def reply(self, context: Context) -> AsyncIterator[str]:
        number = len(context.turns) + 1
        (self._replies / f"{number}.seen").write_text(context.prompt.changing, encoding="utf-8")
        path = self._replies / f"{number}.md"
        while not path.exists():
            await asyncio.sleep(0.02)
        text = path.read_text(encoding="utf-8")
        pace = _PACE.match(text)
        text = text[pace.end() :] if pace else text
        piece = max(1, int(pace[1]) // 20) if pace else 200
        before, waits, after = text.partition(WAIT)
        for part in (before, after):
            for start in range(0, len(part), piece):
                yield part[start : start + piece]
                if pace:
                    await asyncio.sleep(0.05)
            while waits and part is before and not (self._replies / f"{number}.go").exists():
                await asyncio.sleep(0.02)


def say(replies: Path, number: int, text: str) -> None:
    """Dictate a turn."""
    part = replies / f"{number}.part"
    part.write_text(text, encoding="utf-8")
    part.rename(replies / f"{number}.md")


def cell(code: str, title: str = "A step", words: str = "Words.", pace: int | None = None) -> str:
    """A reply."""
    first = f"<!-- pace: {pace} -->\n" if pace else ""
    return f"{first}## {title}\n{words}\n\n```python\n{code}\n```\n"


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    return {**given, "PYTHONPATH": os.pathsep.join([str(ROOT), given.get("PYTHONPATH", "")])}


def start(competition: Path, out: Path, replies: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start such a run in a process and session of its own; its log is beside the replies."""
    replies.mkdir(parents=True, exist_ok=True)
    with (replies / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.live", str(competition), str(out), str(replies), *options],
            cwd=ROOT,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=_environment(os.environ),
        )


@dataclass(frozen=True)
class Started:
    """The process of a run that a `Starter` forked. It leads a session of its own."""

    pid: int

    @property
    def ended(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def terminate(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


class Starter:
    """Starts runs from a process that has imported what a run needs: each start costs a fork, not 3 s of
    imports."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.live", "--starter"],
            cwd=ROOT,
            env=_environment(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def start(
        self, environment: Mapping[str, str], competition: Path, out: Path, replies: Path, *options: str
    ) -> Started:
        """As `start`, with an environment."""
        replies.mkdir(parents=True, exist_ok=True)
        assert self._process.stdin
        assert self._process.stdout
        words = [str(competition), str(out), str(replies), *options]
        asked = {"words": words, "environment": _environment(environment), "log": str(replies / "log")}
        self._process.stdin.write(json.dumps(asked) + "\n")
        return Started(int(self._process.stdout.readline()))

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()  # the starter ends with its input; the runs it forked do not
        self._process.wait(PATIENCE)


def _serve() -> None:
    """Fork a run for each line of the input; answer with its process id."""
    from cobra_jupyter.run import runner  # noqa: F401 - what takes the time

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system reaps
    for line in sys.stdin:
        asked: dict[str, Any] = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(asked["environment"], Path(asked["log"]))
            os._exit(_outcome(asked["words"]))
        print(pid, flush=True)


def _outcome(words: Sequence[str]) -> int:
    """Be a run to its end. → the exit code"""
    try:
        _run(words)
        return 0
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _become(environment: Mapping[str, str], log: Path) -> None:
    """Make a forked process what `start` makes: its own session, environment, output and signals."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    nothing, file = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for source, target in ((nothing, 0), (file, 1), (file, 2)):
        os.dup2(source, target)


def _run(words: Sequence[str]) -> None:
    from cobra_jupyter.run import folders
    from cobra_jupyter.run.options import Options
    from cobra_jupyter.run.runner import Runner

    parser = argparse.ArgumentParser()
    parser.add_argument("competition", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("replies", type=Path)
    parser.add_argument("--approval", default="none")
    parser.add_argument("--budget", type=float, default=300.0)
    parser.add_argument("--resume", action="store_true")
    chosen = parser.parse_args(words)
    if chosen.resume:
        options = folders.options_of(folders.load(str(chosen.out)), None)
    else:
        options = Options(
            chosen.competition,
            chosen.out,
            "dictated",
            chosen.budget,
            0,
            None,
            {},
            time.time(),
            approval=chosen.approval,
        )

    async def whole() -> None:
        runner = Runner(options, Dictated(chosen.replies), resume=chosen.resume)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, runner.interrupted.set)
        result = await runner.run()
        print(json.dumps(result.record()))

    asyncio.run(whole())


if __name__ == "__main__":
    if sys.argv[1:] == ["--starter"]:
        _serve()
    else:
        _run(sys.argv[1:])
