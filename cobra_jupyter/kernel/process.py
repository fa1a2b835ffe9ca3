"""The kernel as an operating-system process: its environment, its descendants, its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "COBRA_KERNEL_MARK"  # an environment variable that all descendants inherit

_SECRET_NAME = re.compile(
    r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH|COOKIE|PRIVATE"
    r"|^(GOOGLE|GEMINI|VERTEX|GCP|GCLOUD|CLOUDSDK|AWS|AZURE|OPENAI|ANTHROPIC|KAGGLE|WANDB|JUPYTERHUB)_",
    re.IGNORECASE,
)
_NOT_SECRET = frozenset({"TOKENIZERS_PARALLELISM"})
_SECRET_VALUE = re.compile(r"://[^/\s:@]*:[^/\s@]+@")  # a URL with a password in it


def scrubbed(environment: Mapping[str, str]) -> dict[str, str]:
    """A copy without variables that look like secrets by name or value."""
    return {
        name: value
        for name, value in environment.items()
        if (name in _NOT_SECRET or not _SECRET_NAME.search(name)) and not _SECRET_VALUE.search(value)
    }


def kernel_environment(
    paths: Iterable[Path], variables: Mapping[str, str], mark: str, base: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The kernel's environment: this process's without secrets, `paths` before PYTHONPATH, plus
    `variables`."""
    environment = scrubbed(os.environ if base is None else base)
    folders = [str(path) for path in paths] + [environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(folder for folder in folders if folder)
    if not environment["PYTHONPATH"]:
        del environment["PYTHONPATH"]
    environment.update(variables)
    environment[MARK] = mark
    return environment


async def kill_marked(mark: str) -> None:
    """Kill every process that carries the mark, also those that left the group or lost their parent."""
    deadline = time.monotonic() + 3.0
    while time.monotonic() < deadline:
        found = await asyncio.to_thread(_kill_marked_once, mark)
        if not found:
            return
        await asyncio.sleep(0.02)


def started_by_us(pid: int) -> bool:
    """Whether a process descends from this one or has a kernel's mark, so that it may run an agent's code."""
    try:
        process = psutil.Process(pid)
        if os.getpid() in (parent.pid for parent in process.parents()):
            return True
        return MARK in process.environ()
    except (psutil.Error, OSError):
        return True  # it has ended or cannot be inspected: assume the worst


def kill_group(group: int) -> None:
    """Send SIGKILL to a process group, if it exists."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _kill_marked_once(mark: str) -> int:
    found = 0
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                found += process.status() != psutil.STATUS_ZOMBIE
                process.kill()
        except (psutil.Error, OSError):
            continue
    return found


def death_of(returncode: int | None, log: Path) -> str:
    """A sentence on how a kernel ended, with the end of its log."""
    if returncode is None:
        how = "the kernel's process has ended"
    elif returncode < 0:
        name = signal.Signals(-returncode).name if -returncode in set(signal.Signals) else str(-returncode)
        how = f"the kernel was ended by {name}"
        if name == "SIGKILL":
            how += " (probably out of memory)"
    else:
        how = f"the kernel exited with code {returncode}"
    with contextlib.suppress(OSError):
        tail = log.read_bytes()[-2000:].decode("utf-8", "replace").strip()
        if tail:
            how += "\n" + tail
    return how


@dataclass(frozen=True)
class Resources:
    """Current usage of a kernel and its descendants."""

    cpu_percent: float  # 100 = one core, since the last call
    rss_bytes: int
    processes: int


class Usage:
    """Measures `Resources`; keeps process objects, because CPU usage is measured between two calls."""

    def __init__(self) -> None:
        self._seen: dict[int, psutil.Process] = {}

    def of(self, pid: int) -> Resources:
        try:
            root = psutil.Process(pid)
            family = [root, *root.children(recursive=True)]
        except psutil.Error:
            return Resources(0.0, 0, 0)
        self._seen = {process.pid: self._same(process) for process in family}
        cpu, rss, alive = 0.0, 0, 0
        for process in self._seen.values():
            with contextlib.suppress(psutil.Error):
                cpu += process.cpu_percent()
                rss += process.memory_info().rss
                alive += 1
        return Resources(round(cpu, 1), rss, alive)

    def _same(self, process: psutil.Process) -> psutil.Process:
        known = self._seen.get(process.pid)
        return known if known is not None and known == process else process
