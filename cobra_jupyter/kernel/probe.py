"""Probes a kernel's Python and the machine before a run starts."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template
from typing import Any

import psutil
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpecManager

from cobra_jupyter.kernel.errors import KernelError
from cobra_jupyter.kernel.process import scrubbed

LIBRARIES = (
    "numpy",
    "pandas",
    "scikit-learn",
    "optuna",
    "lightgbm",
    "xgboost",
    "catboost",
    "torch",
    "transformers",
    "ipykernel",
)
REQUIRED = {"numpy": "1.26", "pandas": "2.2", "scikit-learn": "1.5", "optuna": "4"}
MIN_PYTHON = "3.11"

_SCRIPT = """
import json, sys
from importlib.metadata import version
def of(name):
    try:
        return version(name)
    except Exception:
        return None
found = {name: of(name) for name in sys.argv[1:]}
answer = {"executable": sys.executable, "python": sys.version.split()[0], "libraries": found}
print("COBRA" + json.dumps(answer))
"""


@dataclass(frozen=True)
class Gpu:
    name: str
    memory_bytes: int
    driver: str


@dataclass(frozen=True)
class KernelProbe:
    """A kernel's Python, its libraries (name → version, None if absent) and the machine."""

    kernel_name: str
    argv: tuple[str, ...]
    python: str  # the executable
    python_version: str
    libraries: dict[str, str | None]
    cores: int  # usable by this process
    memory_bytes: int
    memory_limit_bytes: int | None  # of the control group
    gpus: tuple[Gpu, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def probe(kernel_name: str | None = None) -> KernelProbe:
    """Probe a kernel without starting it (about 0.2 s).

    Raises KernelError if there is no such kernel, if its Python cannot be run, or if a required library is
    absent or too old; the message lists the existing kernels or gives the command to install the library.
    """
    name, spec = kernel_spec(kernel_name)
    if (spec.language or "python").lower() != "python":
        raise KernelError(f"kernel {name!r} runs {spec.language}; a Python kernel is needed")
    found = _ask(name, spec)
    result = KernelProbe(
        kernel_name=name,
        argv=tuple(spec.argv),
        python=found["executable"],
        python_version=found["python"],
        libraries=found["libraries"],
        cores=usable_cores(),
        memory_bytes=int(psutil.virtual_memory().total),
        memory_limit_bytes=memory_limit(),
        gpus=find_gpus(),
    )
    _require(result)
    return result


def kernel_spec(kernel_name: str | None) -> tuple[str, Any]:
    """The name and kernelspec of a kernel (None: Jupyter's default). Raises KernelError, with the known
    names."""
    manager = KernelSpecManager()
    name = kernel_name or NATIVE_KERNEL_NAME
    try:
        return name, manager.get_kernel_spec(name)
    except Exception as error:
        known = ", ".join(sorted(manager.find_kernel_specs())) or "none"
        raise KernelError(f"no kernel is called {name!r}; installed here: {known}") from error


def usable_cores() -> int:
    """Cores that this process may use, limited by the quota of its control group."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    for folder in _cgroup_folders():
        with contextlib.suppress(OSError, ValueError):
            quota, period = (folder / "cpu.max").read_text().split()
            if quota != "max":
                cores = min(cores, max(1, math.ceil(int(quota) / int(period))))
    return cores


def memory_limit() -> int | None:
    """The control group's memory limit in bytes; None if it is not below the machine's memory."""
    limits = []
    for folder in _cgroup_folders():
        for file in ("memory.max", "memory.limit_in_bytes"):
            with contextlib.suppress(OSError, ValueError):
                limits.append(int((folder / file).read_text()))
    limit = min(limits, default=None)
    return limit if limit is not None and limit < psutil.virtual_memory().total else None


def find_gpus() -> tuple[Gpu, ...]:
    """The GPUs listed by nvidia-smi."""
    if shutil.which("nvidia-smi") is None:
        return ()
    command = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return read_gpus(answer.stdout)


def read_gpus(listing: str) -> tuple[Gpu, ...]:
    """GPUs from nvidia-smi's lines `name, MiB, driver`."""
    gpus = []
    for line in listing.splitlines():
        fields = [part.strip() for part in line.split(",")]
        if len(fields) == 3:
            memory = int(fields[1]) << 20 if fields[1].isdigit() else 0
            gpus.append(Gpu(fields[0], memory, fields[2]))
    return tuple(gpus)


def _ask(name: str, spec: Any) -> dict[str, Any]:
    command = [*python_command(spec.argv), "-c", _SCRIPT, *LIBRARIES]
    variables = scrubbed(os.environ)
    variables |= {key: Template(value).safe_substitute(variables) for key, value in spec.env.items()}
    try:
        # an empty folder: the working directory is on the path and could shadow a library
        with tempfile.TemporaryDirectory() as folder:
            answer = subprocess.run(
                command, capture_output=True, text=True, timeout=120, env=variables, cwd=folder, check=False
            )
    except (OSError, subprocess.SubprocessError) as error:
        raise KernelError(f"the Python of kernel {name!r} cannot be run: {error}") from error
    found = re.search(r"^COBRA(\{.*\})$", answer.stdout, re.MULTILINE)
    if answer.returncode or found is None:
        raise KernelError(f"the Python of kernel {name!r} failed: {answer.stderr.strip()[-500:]}")
    result: dict[str, Any] = json.loads(found[1])
    return result


def python_command(argv: list[str]) -> list[str]:
    """The command that runs a kernelspec's Python: everything before `-m` (also `conda run … python -m
    …`)."""
    command = argv[: argv.index("-m")] if "-m" in argv[1:] else argv[:1]
    own = {"python", f"python{sys.version_info[0]}", "python{}.{}".format(*sys.version_info[:2])}
    # jupyter_client does the same when it starts the kernel
    return [sys.executable, *command[1:]] if command[0] in own else command


def _require(result: KernelProbe) -> None:
    if _below(result.python_version, MIN_PYTHON):
        raise KernelError(
            f"kernel {result.kernel_name!r} runs Python {result.python_version}; "
            f"{MIN_PYTHON} or newer is needed"
        )
    wrong = _wrong(result.libraries)
    if result.libraries.get("ipykernel") is None:
        wrong["ipykernel"] = "ipykernel (absent)"
    if not wrong:
        return
    wanted = " ".join(f'"{name}>={REQUIRED[name]}"' if name in REQUIRED else name for name in wrong)
    raise KernelError(
        f"kernel {result.kernel_name!r} lacks libraries that the workbench needs: "
        f"{', '.join(wrong.values())}. Install them: {result.python} -m pip install {wanted}"
    )


def _wrong(libraries: Mapping[str, str | None]) -> dict[str, str]:
    wrong = {}
    for name, least in REQUIRED.items():
        version = libraries.get(name)
        if version is None:
            wrong[name] = f"{name} (absent)"
        elif _below(version, least):
            wrong[name] = f"{name} {version} (needs {least} or newer)"
    return wrong


def _below(version: str, least: str) -> bool:
    def numbers(text: str) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", text)[:2]]

    return numbers(version) < numbers(least)


def _cgroup_folders() -> list[Path]:
    """Folders of the control group and its parents (version 2), and of version 1's memory controller."""
    root = Path("/sys/fs/cgroup")
    folders = [root, root / "memory"]
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            controllers, path = line.split(":", 2)[1:]
            base = root if not controllers else root / "memory" if "memory" in controllers else None
            if base is not None:
                own = base / path.strip("/")
                folders += [own, *(parent for parent in own.parents if parent.is_relative_to(base))]
    return list(dict.fromkeys(folders))
