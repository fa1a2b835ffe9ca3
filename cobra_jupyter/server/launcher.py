"""Starts and resumes runners as separate processes that survive the end of the server."""

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
START_TIMEOUT = 60.0  # seconds for a runner to register
START_WAIT = 20.0  # seconds to wait until the competition is read, before we answer `starting`
MAX_LOGS, MAX_LOG_DAYS = 100, 30  # how many log files of runners we keep, and for how long
TAIL_BYTES = 65_536  # bytes at the end of a runner's output that are searched for a message
_MESSAGE = re.compile(r"^cobra(?: \w+)?: (?:error: )?", re.MULTILINE)


class Launcher:
    """Starts runners. `command` is the command line of `cobra`."""

    def __init__(
        self, command: Sequence[str] = COMMAND, timeout: float = START_TIMEOUT, start_wait: float = START_WAIT
    ) -> None:
        self._command = tuple(command)
        self._timeout, self._start_wait = timeout, start_wait
        self._launching: set[Path] = set()  # folders of runs that are being started
        self._children: list[subprocess.Popen[bytes]] = []

    def new_folder(self, below: Path, competition: Path) -> Path:
        """Returns a run folder that neither exists nor is being created."""
        folder = folders.new_folder(below, competition)
        number = 2
        while folder in self._launching or folder.exists():
            folder = folder.with_name(f"{folder.name.partition('.')[0]}.{number}")
            number += 1
        return folder

    async def run(self, competition: Path, folder: Path, options: Sequence[str]) -> None:
        """Starts a run and waits until it runs or is starting. Raises RequestError with the runner's
        message."""
        async with self._reserve(folder):
            try:
                await self._launch(folder, ["run", str(competition), "--out", str(folder), *options])
            except RequestError as error:
                if error.status_code == 400:
                    await asyncio.to_thread(_delete_if_unused, folder)
                raise

    async def resume(self, folder: Path, options: Sequence[str]) -> None:
        """Starts a new runner for a run that ended early. Raises RequestError."""
        async with self._reserve(folder):
            await self._launch(folder, ["resume", str(folder), *options])

    @contextlib.asynccontextmanager
    async def _reserve(self, folder: Path) -> AsyncIterator[None]:
        if folder in self._launching:
            raise RequestError(409, f"{folder.name} is already being started: wait for it")
        self._launching.add(folder)
        try:
            yield
        finally:
            self._launching.discard(folder)

    async def _launch(self, folder: Path, arguments: Sequence[str]) -> None:
        process, log = await asyncio.to_thread(self._spawn, folder, arguments)
        now = asyncio.get_running_loop().time
        started = now()
        while now() < started + self._timeout:
            state = await in_thread(_state, folder)
            if state not in (None, "starting", "failed") or (
                state == "starting" and now() > started + self._start_wait
            ):
                return
            if process.poll() is not None:
                if await asyncio.to_thread(_has_run, folder, process.returncode):
                    return  # it finished between two looks
                raise RequestError(400, await asyncio.to_thread(_error_message, log, process.returncode))
            await asyncio.sleep(0.1)
        raise RequestError(
            504, f"{folder.name} has not started within {self._timeout:.0f} s; see its output in {log}"
        )

    def _spawn(self, folder: Path, arguments: Sequence[str]) -> tuple[subprocess.Popen[bytes], Path]:
        self.reap()
        with _log_file(folder.name) as log:
            # a new session: neither the end of the server nor Ctrl-C or signals to its group reach the runner
            process = subprocess.Popen(
                [*self._command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._children.append(process)
            return process, Path(log.name)

    def reap(self) -> None:
        """Collects children that ended, so that none stays a zombie."""
        self._children = [child for child in self._children if child.poll() is None]


def _log_file(name: str) -> IO[bytes]:
    from jupyter_core.paths import jupyter_runtime_dir

    folder = Path(jupyter_runtime_dir()) / "cobra" / "logs"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _delete_old_logs(folder)
    path = folder / f"{name}.log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.close(descriptor)
    return path.open("ab")


def _delete_old_logs(folder: Path) -> None:
    """Deletes logs that are too old, and the oldest ones if there are too many."""
    found = []
    for path in folder.glob("*.log"):
        with contextlib.suppress(OSError):
            found.append((path.stat().st_mtime, path))
    for number, (changed, path) in enumerate(sorted(found, reverse=True)):
        if number >= MAX_LOGS - 1 or changed < time.time() - MAX_LOG_DAYS * 86_400:
            path.unlink(missing_ok=True)


def _delete_if_unused(folder: Path) -> None:
    """Deletes a run's folder if the run never started."""
    if not stored_runs.has_started(folder):
        shutil.rmtree(folder, ignore_errors=True)


def _state(folder: Path) -> str | None:
    """Returns the run's state, or None until its runner has registered and answers."""
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


def _error_message(log: Path, code: int) -> str:
    """Returns the last message of a runner that has ended."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        text = ""
    messages = _MESSAGE.split(text)
    if len(messages) > 1 and messages[-1].strip():
        return messages[-1].strip()
    last = text.strip().splitlines()[-1:] or ["it printed nothing"]
    return f"the runner ended with exit code {code}: {last[0]}"
