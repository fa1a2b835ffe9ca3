"""The parts of a run besides its agents. Tests replace them with parts that need no process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from cobra_jupyter.kernel.base import MakeHarness, MakeKernel
from cobra_jupyter.kernel.harness import HarnessProcess
from cobra_jupyter.kernel.probe import KernelProbe, probe
from cobra_jupyter.kernel.session import KernelSession
from cobra_jupyter.run.proof import Proof, prove

Probe = Callable[[str | None], KernelProbe]
Prove = Callable[[Path, Path, Path, str | None, float, bool], Awaitable[Proof]]


@dataclass(frozen=True)
class Machinery:
    """How a run probes its kernel's Python, starts kernels and its harness, and proves its submission."""

    probe: Probe = probe
    kernel: MakeKernel = KernelSession
    harness: MakeHarness = HarnessProcess
    prove: Prove = prove


PROCESSES = Machinery()
