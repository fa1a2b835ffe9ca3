"""Interfaces of a run's kernel and harness, whether in this process or in others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cobra_jupyter.kernel.wire import OnForeign, OnOutput

Handler = Callable[[str, dict[str, Any]], Any]


@dataclass(frozen=True)
class Execution:
    """How one execution ended.

    status: ok | error | interrupted (KeyboardInterrupt after `interrupt`) | timeout | died | aborted (not
    started, because an earlier execution in the kernel's queue failed). After `died`, or a `timeout` that
    killed the kernel, the session is not `alive` and needs `restart`.
    """

    status: str
    msg_id: str
    seconds: float
    execution_count: int | None = None
    ename: str = ""
    evalue: str = ""
    traceback: tuple[str, ...] = ()


class Kernel(Protocol):
    """A kernel that runs cells one at a time. `KernelSession` documents the methods."""

    @property
    def alive(self) -> bool: ...

    @property
    def busy(self) -> bool: ...

    @property
    def connection_file(self) -> Path | None: ...

    async def __aenter__(self) -> Kernel: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def execute(
        self, code: str, on_output: OnOutput | None = None, timeout: float | None = None
    ) -> Execution: ...

    async def interrupt(self, grace: float | None = None) -> None: ...

    async def restart(self) -> None: ...


class MakeKernel(Protocol):
    """Makes a kernel without starting it; the arguments are those of `KernelSession`."""

    def __call__(
        self,
        kernel_name: str | None,
        folder: Path,
        *,
        paths: Iterable[Path] = (),
        variables: Mapping[str, str] | None = None,
        on_foreign: OnForeign | None = None,
        clock: Callable[[], float] = ...,
    ) -> Kernel: ...


class Harness(Protocol):
    """The harness of a run. `HarnessLink` documents the methods."""

    socket: Path

    @property
    def alive(self) -> bool: ...

    def start(self, on_record: Handler, on_ask: Handler) -> None: ...

    def restart(self, ledger: Path) -> bool: ...

    def restore(self, ledger: Path) -> None: ...

    def stop(self) -> None: ...

    async def listen(self, agent: str) -> Path: ...

    async def hold(self, started: float | None = None) -> None: ...

    async def call(self, name: str, **args: Any) -> dict[str, Any]: ...


class MakeHarness(Protocol):
    """Makes a harness without starting it; the arguments are those of `HarnessProcess`."""

    def __call__(
        self, python: str, pack: Path, log: Path, facts: Mapping[str, Any], environment: Mapping[str, str]
    ) -> Harness: ...
