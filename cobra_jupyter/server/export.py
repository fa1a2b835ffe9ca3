"""Exports a notebook in a separate process, because nbconvert would block the server.

`python -m cobra_jupyter.server.export NOTEBOOK FORMAT` prints the path of the written file."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from cobra_jupyter.server.errors import RequestError

FORMATS = ("html", "ipynb", "py")
TIMEOUT = 300.0  # seconds


async def export(notebook: Path, to: str) -> Path:
    """Returns the path of the written file. Raises RequestError."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__, str(notebook), to),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        stdout, stderr = await asyncio.wait_for(process.communicate(), TIMEOUT)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise RequestError(504, f"the export took longer than {TIMEOUT:.0f} s; try `cobra export`") from None
    if process.returncode:
        last = stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["the export failed"]
        raise RequestError(409, last[0])
    return Path(stdout.decode().strip().splitlines()[-1])


def main(notebook: str, to: str) -> int:
    from cobra_jupyter.notebook import export as exports

    try:
        print(exports.write(Path(notebook), to))
    except exports.ExportError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
