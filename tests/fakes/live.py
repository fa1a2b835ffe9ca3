"""A real run whose replies a test dictates, file by file, while it goes on.

    python -m tests.fakes.live COMPETITION OUT REPLIES [--approval cells] [--budget 300]

The reply of turn 3 is `REPLIES/3.md`, waited for; what the brain was told is then in `REPLIES/3.seen`. A first line
`<!-- pace: 200 -->` streams it at so many characters a second."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from cobra_jupyter.brains.base import Finish
from cobra_jupyter.brains.context import Context

ROOT = Path(__file__).parents[2]
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
        for start in range(0, len(text), piece):
            yield text[start : start + piece]
            if pace:
                await asyncio.sleep(0.05)


def say(replies: Path, number: int, text: str) -> None:
    """Dictate a turn."""
    part = replies / f"{number}.part"
    part.write_text(text, encoding="utf-8")
    part.rename(replies / f"{number}.md")


def cell(code: str, title: str = "A step", words: str = "Words.", pace: int | None = None) -> str:
    """A reply."""
    first = f"<!-- pace: {pace} -->\n" if pace else ""
    return f"{first}## {title}\n{words}\n\n```python\n{code}\n```\n"


def start(competition: Path, out: Path, replies: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start such a run in a process and session of its own; its log is beside the replies."""
    replies.mkdir(parents=True, exist_ok=True)
    with (replies / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.live", str(competition), str(out), str(replies), *options],
            cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        )  # fmt: skip


def main() -> None:
    import signal

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
    chosen = parser.parse_args()
    if chosen.resume:
        options = folders.options_of(folders.load(str(chosen.out)), None)
    else:
        options = Options(
            chosen.competition, chosen.out, "dictated", chosen.budget, 0, None, {}, time.time(),
            approval=chosen.approval,
        )  # fmt: skip

    async def whole() -> None:
        runner = Runner(options, Dictated(chosen.replies), resume=chosen.resume)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, runner.interrupted.set)
        result = await runner.run()
        print(json.dumps(result.record()))

    asyncio.run(whole())


if __name__ == "__main__":
    main()
