"""The time from a token that leaves the provider to its text in the notebook. A loopback server in its own
process sends 400 tokens, 50 a second; the real SDK, brain and loop put them into a document whose file is
written meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

from cobra_jupyter.agent.loop import Agent
from cobra_jupyter.agent.page import Page
from cobra_jupyter.agent.prompt import render
from cobra_jupyter.brains.context import Clock, Context
from cobra_jupyter.brains.credentials import Credentials
from cobra_jupyter.brains.gemini import Connection, Gemini
from cobra_jupyter.brains.spending import Account
from cobra_jupyter.notebook.document import Document
from cobra_jupyter.notebook.file import NotebookFile
from tests.fakes.gemini import KEY, MODELS

WORDS, LINES, PACE = 100, 300, 0.02  # tokens of Markdown and of code, seconds between two
SESSION = f"=== lead\n{'@ ' * WORDS}\n\n```python\n{'@' + chr(10)}{('@' + chr(10)) * (LINES - 1)}```\n"
_STAMP = re.compile(r"\d{9,}")


async def measure(url: str, folder: Path) -> list[float]:
    """Seconds that each token took."""
    document = Document()
    seen: dict[int, float] = {}

    def arrived(operation: Any) -> None:
        now = time.monotonic_ns()
        text = operation.data.get("text") or operation.data.get("cell", {}).get("source", "")
        for stamp in map(int, _STAMP.findall(text)):
            seen.setdefault(stamp, (now - stamp) / 1e9)

    document.subscribe(arrived)
    file = NotebookFile(document, folder / "agent.ipynb")
    brain = Gemini(Connection(Credentials(KEY, endpoint=url), Account(), {}), MODELS[0])
    nothing = cast(Any, None)  # a reply alone runs no cell
    agent = Agent(brain, document, nothing, nothing, nothing)
    await brain.check()
    await agent._stream(brain, Context(Clock(None, 0.0, 0.0), {}, render=render), Page(document, {}), 600.0)
    await file.close()
    return list(seen.values())


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "session.md").write_text(SESSION)
        words = ["-m", "tests.fakes.gemini", str(folder / "session.md"), "--pace", str(PACE), "--stamp"]
        server = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            took = asyncio.run(measure(server.stdout.readline().strip(), folder))
        finally:
            server.kill()
            server.wait()
    cuts = statistics.quantiles([seconds * 1e3 for seconds in took], n=20)
    print(
        json.dumps(
            {
                "tokens": len(took),
                "p50_ms": round(cuts[9], 2),
                "p95_ms": round(cuts[18], 2),
                "max_ms": round(max(took) * 1e3, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
    os._exit(0)
