"""A kernel in this process: an IPython shell whose cells run in threads.

An interrupt is raised in the cell's thread as soon as that runs Python code; a call that stays in native code
is given up after the grace, and the kernel is dead then, as a real one would be. Working directory and
variables are the process's own, for as long as the kernel lives."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from cobra_jupyter.kernel.base import Execution
from cobra_jupyter.kernel.errors import KernelDied, KernelError
from cobra_jupyter.kernel.wire import OnForeign, OnOutput, output_from
from cobra_jupyter.workbench.client import SOCKET
from tests.inprocess import threads
from tests.inprocess.shell import Shell, shells

_POLL = 0.05
_LOOK = 0.2  # seconds after which the clock is read again: it may have been set


class _Gone(BaseException):
    """Raised in the cell of a kernel that is gone."""


class _Cell:
    """A cell that runs in a thread. `done` holds IPython's result; of a dead kernel None."""

    def __init__(self, shell: Shell, code: str, on_message: Callable[[str, dict[str, Any]], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[Any] = self._loop.create_future()
        self.interrupted = False
        self._on_message, self._over = on_message, False
        self.count = shell.execution_count
        self._thread = threading.Thread(target=self._run, args=(shell, code), name="cell", daemon=True)
        self._thread.start()

    def _run(self, shell: Shell, code: str) -> None:
        try:
            result = shell.run(code, self._say)
        except BaseException as error:  # of a kernel that is gone, or a defect of the shell
            result = error
        self._over = True
        with contextlib.suppress(RuntimeError):  # the loop may be closed
            self._loop.call_soon_threadsafe(self._finish, result)

    def _say(self, kind: str, content: dict[str, Any]) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._hear, kind, content)

    def _hear(self, kind: str, content: dict[str, Any]) -> None:
        if not self.done.done():
            self._on_message(kind, content)

    def _finish(self, result: Any) -> None:
        if not self.done.done():
            self.done.set_result(result)

    def interrupt(self) -> None:
        self.interrupted = True
        if not self._over:
            threads.raise_in(self._thread, KeyboardInterrupt)

    def kill(self) -> None:
        if not self._over:
            threads.raise_in(self._thread, _Gone)
        self._finish(None)


class InProcessKernel:
    """See `KernelSession`. `die` is its sudden end; `person` runs a cell that is not ours."""

    connection_file = None  # nobody can attach over sockets

    def __init__(
        self,
        kernel_name: str | None,
        folder: Path,
        *,
        paths: Iterable[Path] = (),
        variables: Mapping[str, str] | None = None,
        on_foreign: OnForeign | None = None,
        clock: Callable[[], float] = time.monotonic,
        grace: float = 5.0,
    ) -> None:
        self._folder, self._variables = Path(folder), dict(variables or {})
        self._on_foreign, self._clock, self._grace = on_foreign, clock, grace
        self._socket = self._variables.pop(SOCKET, "")
        self._shell: Shell | None = None
        self._lock = asyncio.Lock()
        self._cell: _Cell | None = None  # whoever's it is
        self._ours: _Cell | None = None
        self._asked = 0  # executions of ours that are awaited
        self._why = ""
        self._stack = contextlib.ExitStack()

    async def __aenter__(self) -> InProcessKernel:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shutdown()

    @property
    def alive(self) -> bool:
        return self._shell is not None

    @property
    def busy(self) -> bool:
        return self._asked > 0

    async def start(self) -> None:
        if self._shell is not None:
            raise KernelError("the kernel has been started already")
        self._stack.enter_context(shells())
        self._stack.enter_context(_environment(self._variables))
        self._stack.enter_context(_place(self._folder))
        self._shell = Shell(self._socket)

    async def execute(
        self, code: str, on_output: OnOutput | None = None, timeout: float | None = None
    ) -> Execution:
        failures: list[Exception] = []

        def hear(kind: str, content: dict[str, Any]) -> None:
            output = output_from(kind, content)
            if on_output is not None and output is not None:
                try:
                    on_output(output)
                except Exception as failure:  # the cell runs on; its caller learns of it at the end
                    failures.append(failure)

        shell, began = self._shell, time.perf_counter()
        if shell is None:
            raise KernelDied("the kernel is dead or was not started: restart it")
        self._asked += 1
        try:
            async with self._lock:
                if self._shell is not shell:  # it died of a cell before this one
                    return Execution("died", "", time.perf_counter() - began, None, "KernelDied", self._why)
                cell = self._ours = self._begin(code, hear)
                late = not await self._in_time(cell, timeout)
                if late:
                    await self._end(cell, self._grace)
        finally:
            self._asked, self._ours = self._asked - 1, None
        if failures:
            raise failures[0]
        return self._execution(cell, late, time.perf_counter() - began)

    async def person(self, code: str) -> str:
        """Run a person's cell. → the id of the request; what comes of it is told `on_foreign`."""
        msg_id, shell = uuid.uuid4().hex, self._shell
        if shell is None:
            raise KernelDied("the kernel is dead")

        def hear(kind: str, content: dict[str, Any]) -> None:
            if kind == "execute_input":
                self._tell(msg_id, {"output_type": kind, **content})
            elif (output := output_from(kind, content)) is not None:
                self._tell(msg_id, output)

        async def run() -> None:
            async with self._lock:
                if self._shell is shell:
                    await asyncio.wait({self._begin(code, hear).done})
                if self._shell is shell:  # a dead kernel says nothing
                    self._tell(msg_id, {"output_type": "idle"})

        self._persons = asyncio.ensure_future(run())  # held, so that it is not lost
        return msg_id

    async def interrupt(self, grace: float | None = None) -> None:
        if self._shell is None:
            raise KernelDied("the kernel is dead or was not started: restart it")
        if self._ours is not None:
            await self._end(self._ours, self._grace if grace is None else grace)
        elif self._cell is not None:
            self._cell.interrupt()

    async def restart(self) -> None:
        self.die("it was restarted")
        self._shell = Shell(self._socket)

    async def shutdown(self) -> None:
        self.die("it was shut down")
        self._stack.close()

    def die(self, how: str = "the kernel was ended by SIGKILL") -> None:
        self._why = how
        shell, self._shell = self._shell, None
        if self._cell is not None:
            self._cell.kill()
        if shell is not None:
            shell.close()

    # inside

    def _begin(self, code: str, hear: Callable[[str, dict[str, Any]], None]) -> _Cell:
        assert self._shell
        cell = self._cell = _Cell(self._shell, code, hear)
        cell.done.add_done_callback(lambda _: self._forget(cell))
        return cell

    def _forget(self, cell: _Cell) -> None:
        if self._cell is cell:
            self._cell = None

    def _tell(self, msg_id: str, event: dict[str, Any]) -> None:
        if self._on_foreign is not None:
            self._on_foreign(msg_id, event)

    async def _in_time(self, cell: _Cell, timeout: float | None) -> bool:
        """Wait for the cell, at most until the clock says so. → whether it is done"""
        if timeout is None:
            await asyncio.wait({cell.done})
        else:
            end = self._clock() + timeout
            while not cell.done.done() and (left := end - self._clock()) > 0:
                await asyncio.wait({cell.done}, timeout=min(max(left, _POLL), _LOOK))
        return cell.done.done()

    async def _end(self, cell: _Cell, grace: float) -> None:
        cell.interrupt()
        await asyncio.wait({cell.done}, timeout=grace)
        if not cell.done.done():
            self.die("the kernel was ended by SIGTERM")

    def _execution(self, cell: _Cell, late: bool, seconds: float) -> Execution:
        result, msg_id = cell.done.result(), uuid.uuid4().hex
        if self._shell is None or isinstance(result, BaseException):
            how = (
                f"killed, because it did not react to the interrupt: {self._why}"
                if cell.interrupted
                else self._why
            )
            status = "timeout" if late else "died"
            return Execution(status, msg_id, seconds, None, "KernelDied", how)
        error = KeyboardInterrupt() if result is None else result.error_before_exec or result.error_in_exec
        if error is None:
            return Execution("ok", msg_id, seconds, cell.count)
        status = "interrupted" if cell.interrupted else "error"
        status = "timeout" if late and status == "interrupted" else status
        lines = getattr(self._shell, "last_traceback", ())
        return Execution(status, msg_id, seconds, cell.count, type(error).__name__, str(error), lines)


@contextlib.contextmanager
def _place(folder: Path) -> Any:
    """Within, the folder is the working directory; what was imported from there is forgotten afterwards."""
    paths = list(sys.path)
    with contextlib.chdir(folder):
        sys.path.insert(0, "")
        try:
            yield
        finally:
            sys.path[:] = paths
            here = str(Path.cwd())
            for name, module in sys.modules.copy().items():  # another thread may import
                if str(getattr(module, "__file__", None) or "").startswith(here):
                    del sys.modules[name]


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Any:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
