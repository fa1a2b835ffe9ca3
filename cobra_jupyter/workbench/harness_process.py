"""Starts a harness in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cobra_jupyter.workbench.rpc import ConnectionLost


def default_facts() -> dict[str, Any]:
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = int(psutil.virtual_memory().available * 0.8 / cores)
    return {
        "competition": None,
        "options": {},
        "seed": 0,
        "slots": cores,
        "memory_bytes": memory,
        "started": time.time(),
        "budget": None,
    }


def start_process(
    facts: Mapping[str, Any],
    path: Path,
    log: Path,
    python: str = sys.executable,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a harness process and wait until it listens. Raises ConnectionLost with the end of its log."""
    environment = {**(os.environ if env is None else env), "PYTHONUNBUFFERED": "1"}
    paths = [str(path), environment.get("PYTHONPATH", "")]  # workers import from where the kernel does
    environment["PYTHONPATH"] = os.pathsep.join(each for each in paths if each)
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            [python, "-m", "cobra_jupyter.workbench"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment,
            start_new_session=True,
        )
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(dict(facts)).encode() + b"\n")
    process.stdin.flush()
    if process.stdout.readline().strip() != b"ready":
        process.kill()
        raise ConnectionLost(
            f"the harness did not start; its log ends: {log.read_text(errors='replace')[-2000:]}"
        )
    return process
