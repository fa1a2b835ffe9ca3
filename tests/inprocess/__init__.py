"""A run without processes: the same client, service, harness, work and cells, in threads of the process that
tests run in.

What only a process can do stays with the real ones: to be killed, to heed a signal inside native code, to be
out of reach of agent-written code, to have an environment of its own."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache, partial
from importlib import metadata

import psutil

from cobra_jupyter.kernel import probe as real
from cobra_jupyter.kernel.probe import LIBRARIES, KernelProbe, kernel_spec
from cobra_jupyter.run.machinery import Machinery
from cobra_jupyter.run.proof import Proof, prove
from tests.inprocess.harness import InProcessHarness
from tests.inprocess.kernel import InProcessKernel


def probe(kernel_name: str | None = None) -> KernelProbe:
    """This process, as the probe of its kernel would find it, with two cores."""
    name, _ = kernel_spec(kernel_name)
    return replace(_this(), kernel_name=name, gpus=real.find_gpus())


@cache
def _this() -> KernelProbe:
    return KernelProbe(
        "python3",
        (sys.executable, "-m", "ipykernel_launcher"),
        sys.executable,
        sys.version.split()[0],
        {name: _version(name) for name in LIBRARIES},
        2,
        int(psutil.virtual_memory().total),
        None,
        (),
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


async def take_for_proven(*_: object) -> Proof:
    """For tests that are not about the proof."""
    return Proof("not run", "not asked for", 0.0, False)


MACHINERY = Machinery(probe, InProcessKernel, InProcessHarness, partial(prove, session=InProcessKernel))
UNPROVEN = replace(MACHINERY, prove=take_for_proven)
