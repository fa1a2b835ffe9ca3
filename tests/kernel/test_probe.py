from __future__ import annotations

import json
import os
import sys
from dataclasses import FrozenInstanceError
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from cobra_jupyter.kernel import probe as module
from cobra_jupyter.kernel.errors import KernelError
from cobra_jupyter.kernel.probe import Gpu, probe, python_command, read_gpus


def kernelspec(folder: Path, name: str, argv: list[str], language: str = "python") -> None:
    place = folder / "kernels" / name
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": name, "language": language}))


def fake_python(folder: Path, libraries: dict[str, str | None], python: str = "3.12.1") -> str:
    """A program that answers the probe as a Python with these libraries would."""
    answer = "COBRA" + json.dumps({"executable": "/env/bin/python", "python": python, "libraries": libraries})
    program = folder / "python-fake"
    program.write_text(f"#!/bin/sh\necho 'some warning'\necho '{answer}'\n")
    program.chmod(0o755)
    return str(program)


GOOD: dict[str, str | None] = {
    "numpy": "1.26.4",
    "pandas": "2.2.2",
    "scikit-learn": "1.5.1",
    "optuna": "4.0.0",
    "ipykernel": "6.29.5",
}


def test_the_default_kernel_is_described() -> None:
    found = probe()
    assert found.kernel_name == "python3"
    assert found.python_version == sys.version.split()[0]
    assert found.libraries["pandas"] == version("pandas")
    assert found.libraries["catboost"] is None or isinstance(found.libraries["catboost"], str)
    assert 1 <= found.cores <= (os.cpu_count() or 1)
    assert found.memory_bytes > 1 << 28
    assert json.loads(json.dumps(found.to_json()))["libraries"] == found.libraries
    with pytest.raises(FrozenInstanceError):
        found.cores = 99  # type: ignore[misc]


def test_an_unknown_kernel_names_those_that_exist() -> None:
    with pytest.raises(KernelError, match=r"no-such.*python3"):
        probe("no-such")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pandas": "2.1.4"}, r"pandas 2\.1\.4.*pip install \"pandas>=2\.2\""),
        ({"optuna": None}, r"optuna \(absent\).*/env/bin/python -m pip install \"optuna>=4\""),
        ({"scikit-learn": "1.4.2", "numpy": None}, r"pip install \"numpy>=1\.26\" \"scikit-learn>=1\.5\""),
        ({"ipykernel": None}, r"pip install ipykernel"),
    ],
)
def test_what_is_missing_or_too_old_is_named_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], said: str
) -> None:
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    kernelspec(tmp_path, "poor", [fake_python(tmp_path, {**GOOD, **change}), "-m", "ipykernel_launcher"])
    with pytest.raises(KernelError, match=said):
        probe("poor")


def test_the_oldest_supported_libraries_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    kernelspec(tmp_path, "old", [fake_python(tmp_path, GOOD), "-m", "ipykernel_launcher"])
    assert probe("old").python == "/env/bin/python"


def test_an_old_python_another_language_and_a_broken_one_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    kernelspec(tmp_path, "py39", [fake_python(tmp_path, GOOD, "3.9.1"), "-m", "ipykernel_launcher"])
    kernelspec(tmp_path, "ir", ["R"], language="R")
    kernelspec(tmp_path, "gone", ["/no/such/python", "-m", "ipykernel_launcher"])
    kernelspec(tmp_path, "mute", ["true", "-m", "ipykernel_launcher"])
    for name, said in (("py39", "3.9.1"), ("ir", "runs R"), ("gone", "cannot be run"), ("mute", "failed")):
        with pytest.raises(KernelError, match=said):
            probe(name)


def test_the_probe_hands_on_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("SOME_API_KEY", "s3cret")
    program = tmp_path / "python-env"
    program.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\nexit 3\n")
    program.chmod(0o755)
    kernelspec(tmp_path, "env", [str(program), "-m", "x"])
    with pytest.raises(KernelError):
        probe("env")
    assert "s3cret" not in (tmp_path / "seen").read_text()


def test_the_python_is_what_stands_before_the_module() -> None:
    assert python_command(["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]) == [
        sys.executable
    ]
    assert python_command(["/env/bin/python", "-Xfrozen_modules=off", "-m", "x"]) == [
        "/env/bin/python",
        "-Xfrozen_modules=off",
    ]
    assert python_command(["conda", "run", "-n", "e", "python", "-m", "x"]) == [
        "conda",
        "run",
        "-n",
        "e",
        "python",
    ]


def test_gpus_are_read_from_nvidia_smi() -> None:
    listing = "NVIDIA H100 80GB HBM3, 81559, 550.54\nOdd, [N/A], 1\nnot a gpu\n"
    assert read_gpus(listing) == (Gpu("NVIDIA H100 80GB HBM3", 81559 << 20, "550.54"), Gpu("Odd", 0, "1"))


def test_limits_of_the_control_group_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "memory.max").write_text(f"{1 << 27}\n")
    monkeypatch.setattr(module, "_cgroup_folders", lambda: [tmp_path])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert module.usable_cores() == 2
    assert module.memory_limit() == 1 << 27
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert module.usable_cores() == 8
    assert module.memory_limit() is None
