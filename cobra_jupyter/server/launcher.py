"""Runners are processes of their own: started here, resumed here, never children that end with the server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import IO, Any

from cobra_jupyter.run import attach, folders, registry
from cobra_jupyter.run.attach import AttachError
from cobra_jupyter.server import stored_runs
from cobra_jupyter.server.errors import RequestError
from cobra_jupyter.server.runner_calls import in_thread

Json = dict[str, Any]
COMMAND = (sys.executable, "-m", "cobra_jupyter.cli")
STARTED = 60.0  # seconds in which a runner has registered
SOON = 20.0  # seconds in which one that has registered may read the competition before the answer is given without
LOGS, DAYS = 100, 30  # what runners said as they were started: so many files are kept, and so long
TAIL = 65_536  # bytes of its output in which a message is looked for
_MESSAGE = re.compile(r"^cobra(?: \w+)?: (?:error: )?", re.MULTILINE)


class Launcher:
    """Starts runners and sees them off. `command` is what `cobra` is here."""

    def __init__(
        self, command: Sequence[str] = COMMAND, seconds: float = STARTED, soon: float = SOON
    ) -> None:
        self._command = tuple(command)
        self._seconds, self._soon = seconds, soon
        self._taken: set[Path] = set()  # run folders that are being started
        self._children: list[subprocess.Popen[bytes]] = []

    def new_folder(self, below: Path, competition: Path) -> Path:
        """A run folder that neither exists nor is about to."""
        folder = folders.new_folder(below, competition)
        number = 2
        while folder in self._taken or folder.exists():
            folder = folder.with_name(f"{folder.name.partition('.')[0]}.{number}")
            number += 1
        return folder

    async def run(self, competition: Path, folder: Path, options: Sequence[str]) -> None:
        """Start a run and wait until it goes, or is about to. Raises Refusal with the runner's message."""
        async with self._one(folder):
            try:
                await self._go(folder, ["run", str(competition), "--out", str(folder), *options])
            except RequestError as refusal:
                if refusal.status_code == 400:
                    await asyncio.to_thread(_forget, folder)
                raise

    async def resume(self, folder: Path, options: Sequence[str]) -> None:
        """Start the runner of a run that ended early. Raises Refusal."""
        async with self._one(folder):
            await self._go(folder, ["resume", str(folder), *options])

    @contextlib.asynccontextmanager
    async def _one(self, folder: Path) -> AsyncIterator[None]:
        if folder in self._taken:
            raise RequestError(409, f"{folder.name} is being started already: wait for it")
        self._taken.add(folder)
        try:
            yield
        finally:
            self._taken.discard(folder)

    async def _go(self, folder: Path, words: Sequence[str]) -> None:
        process, log = await asyncio.to_thread(self._spawn, folder, words)
        now = asyncio.get_running_loop().time
        begun = now()
        while now() < begun + self._seconds:
            state = await in_thread(_state, folder)
            if state not in (None, "starting", "failed") or (
                state == "starting" and now() > begun + self._soon
            ):
                return
            if process.poll() is not None:
                if await asyncio.to_thread(_has_run, folder, process.returncode):
                    return  # it was quicker than we look
                raise RequestError(400, await asyncio.to_thread(_message, log, process.returncode))
            await asyncio.sleep(0.1)
        raise RequestError(
            504, f"{folder.name} has not begun within {self._seconds:.0f} s; what it says is in {log}"
        )

    def _spawn(self, folder: Path, words: Sequence[str]) -> tuple[subprocess.Popen[bytes], Path]:
        self._children = [child for child in self._children if child.poll() is None]  # reap those that ended
        with _log_file(folder.name) as log:
            # a session of its own: the server's end, its terminal's Ctrl-C and its group's signals do not reach it
            process = subprocess.Popen(
                [*self._command, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._children.append(process)
            return process, Path(log.name)

    def reap(self) -> None:
        """Take notice of children that ended, so that none stays as a zombie."""
        self._children = [child for child in self._children if child.poll() is None]


def _log_file(name: str) -> IO[bytes]:
    from jupyter_core.paths import jupyter_runtime_dir

    folder = Path(jupyter_runtime_dir()) / "cobra" / "logs"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _tidy(folder)
    path = folder / f"{name}.log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.close(descriptor)
    return path.open("ab")


def _tidy(folder: Path) -> None:
    """Take away logs that are old, and the oldest where there are many."""
    found = []
    for path in folder.glob("*.log"):
        with contextlib.suppress(OSError):
            found.append((path.stat().st_mtime, path))
    for number, (changed, path) in enumerate(sorted(found, reverse=True)):
        if number >= LOGS - 1 or changed < time.time() - DAYS * 86_400:
            path.unlink(missing_ok=True)


def _forget(folder: Path) -> None:
    """Take a run's folder away, if nothing has begun in it: nobody would miss it."""
    if not stored_runs.has_begun(folder):
        shutil.rmtree(folder, ignore_errors=True)


def _state(folder: Path) -> str | None:
    """What the runner says, once it has registered."""
    entry = registry.find(folder)
    if entry is None:
        return None
    try:
        return str(attach.ask(entry, "status", 5.0)["state"])
    except (AttachError, KeyError):
        return None


def _has_run(folder: Path, code: int) -> bool:
    try:
        return code in (0, 3, 4, 130) and folders.load(str(folder))["state"] in ("finished", "stopped")
    except (folders.RunError, KeyError):
        return False


def _message(log: Path, code: int) -> str:
    """What the runner said as it left."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        text = ""
    said = _MESSAGE.split(text)
    if len(said) > 1 and said[-1].strip():
        return said[-1].strip()
    last = text.strip().splitlines()[-1:] or ["it said nothing"]
    return f"the runner has ended with exit code {code}: {last[0]}"
