"""A kernel session: runs cells one at a time; can be interrupted, watched, restarted and ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager

from cobra_jupyter.kernel.base import Execution
from cobra_jupyter.kernel.errors import KernelDied, KernelError
from cobra_jupyter.kernel.probe import kernel_spec
from cobra_jupyter.kernel.process import (
    Resources,
    Usage,
    death_of,
    kernel_environment,
    kill_group,
    kill_marked,
)
from cobra_jupyter.kernel.wire import OnForeign, OnOutput, Request, Wire

__all__ = ["Execution", "KernelDied", "KernelError", "KernelSession", "Resources"]

_POLL = 0.1  # seconds between two checks whether the process is alive
_YOUNG = 1.0  # seconds after a cell's beginning in which an interrupt can be lost; it is then sent again
_MAX_FOLDER = 60  # an ipc path must stay below about 107 bytes
Wait = Callable[[Request, "asyncio.Future[int | None]", "float | None"], Awaitable[bool]]


class KernelSession:
    """A kernel in its own session and process group, reached over Unix sockets in a private folder."""

    def __init__(
        self,
        kernel_name: str | None,
        folder: Path,
        *,
        paths: Iterable[Path] = (),
        variables: Mapping[str, str] | None = None,
        on_foreign: OnForeign | None = None,
        startup_timeout: float = 60.0,
        grace: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """folder: the kernel's working directory; paths: put before PYTHONPATH; variables: set last.

        on_foreign(msg_id, event): events of other clients' executions, see `Wire`. grace: seconds after an
        interrupt until the kernel is terminated if it does not react. clock: measures the timeouts of
        executions; it may be stopped.
        """
        self.kernel_name, self._spec = kernel_spec(kernel_name)
        self.kernel_info: dict[str, Any] = {}
        self._folder = Path(folder)
        self._paths = tuple(Path(path) for path in paths)
        self._variables = dict(variables or {})
        self._on_foreign = on_foreign
        self._startup_timeout = startup_timeout
        self._grace = grace
        self._clock = clock
        self._mark = uuid.uuid4().hex
        self._lock = asyncio.Lock()
        self._private: Path | None = None
        self._manager: Any = None
        self._wire: Wire | None = None
        self._watch: asyncio.Task[None] | None = None
        self._death: asyncio.Future[int | None] | None = None
        self._current: Request | None = None
        self._left_running = False  # whether our cell still runs although nobody awaits it
        self._usage = Usage()

    async def __aenter__(self) -> KernelSession:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shutdown()

    @property
    def alive(self) -> bool:
        return self._death is not None and not self._death.done()

    @property
    def busy(self) -> bool:
        """Whether one of our executions runs."""
        return self._current is not None

    @property
    def pid(self) -> int | None:
        return getattr(self._manager.provisioner, "pid", None) if self._manager else None

    @property
    def connection_file(self) -> Path | None:
        """The connection file for other clients, with the kernel's key. Restarts keep it."""
        return self._private / "kernel.json" if self._private else None

    async def start(self) -> None:
        """Start the kernel and wait until it answers. Raises KernelError with the end of its log."""
        if self._manager is not None:
            raise KernelError("the kernel has been started already")
        self._private = private_folder()
        self._manager = AsyncKernelManager(
            kernel_name=self.kernel_name,
            transport="ipc",
            ip=str(self._private / "k"),
            connection_file=str(self._private / "kernel.json"),
        )
        try:
            await self._launch()
        except BaseException:
            await self.shutdown()
            raise

    async def execute(
        self, code: str, on_output: OnOutput | None = None, timeout: float | None = None
    ) -> Execution:
        """Run code; `on_output` gets each output and event as it arrives, in order. Calls queue up.

        timeout: seconds of the session's clock after the beginning; then the kernel is interrupted as by
        `interrupt`. Input requests fail in the kernel. Raises KernelDied if the kernel is dead at the start,
        and at the end whatever `on_output` raised. If the call is cancelled, the kernel continues.
        """
        async with self._lock:
            wire, death = self._connected()
            began = time.perf_counter()
            content = {
                "code": code,
                "silent": False,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": False,
                "stop_on_error": True,
            }
            request = self._current = wire.request("execute_request", content, on_output)
            try:
                await self._in_time(_begun, request, death, timeout)
                await self._in_time(_first, request, death, timeout)
                late = not request.done.done() and not death.done()
                if late:
                    await self._end(request, death, self._grace)
                if death.done() and not request.done.done():
                    await asyncio.sleep(0.05)  # its last messages may still be on their way
            finally:
                self._current = None
                self._left_running = not request.done.done() and not death.done()
                wire.forget(request)
            if request.failure is not None:
                raise request.failure
            return self._execution(request, death, late, time.perf_counter() - began)

    async def interrupt(self, grace: float | None = None) -> None:
        """Interrupt the running cell: SIGINT, after `grace` seconds SIGTERM, two seconds later SIGKILL.

        Signals go to the process group. Returns when the execution has ended. If no cell of ours runs, only
        SIGINT is sent.
        """
        _, death = self._connected()
        if self._current is None:
            await self._manager.interrupt_kernel()
        else:
            await self._end(self._current, death, self._grace if grace is None else grace)

    async def restart(self) -> None:
        """Start a new process with the same environment and connection file; a running cell ends as
        `died`."""
        if self._manager is None:
            raise KernelError("the kernel has not been started")
        await self._stop(polite=False)
        try:
            await self._launch()
        except BaseException:
            await self.shutdown()
            raise

    async def shutdown(self) -> None:
        """End the kernel and all its descendants; remove sockets and folder. May be called again."""
        if self._manager is not None:
            await self._stop(polite=not (self.busy or self._left_running))  # a busy kernel would not react
            await self._manager.cleanup_resources(restart=False)
            self._manager = None
        if self._private is not None:
            shutil.rmtree(self._private, ignore_errors=True)
            self._private = None

    def resources(self) -> Resources:
        """CPU and memory of the kernel and its descendants, zeros when it is dead; takes milliseconds."""
        return self._usage.of(self.pid) if self.alive and self.pid else Resources(0.0, 0, 0)

    def _connected(self) -> tuple[Wire, asyncio.Future[int | None]]:
        if self._wire is None or self._death is None or self._death.done():
            raise KernelDied("the kernel is dead or was not started: restart it")
        return self._wire, self._death

    async def _launch(self) -> None:
        assert self._private is not None
        variables = kernel_environment(self._paths, self._variables, self._mark)
        with (self._private / "kernel.log").open("wb") as log:
            try:
                await self._manager.start_kernel(cwd=str(self._folder), env=variables, stdout=log, stderr=log)
            except (OSError, ValueError) as error:
                raise KernelError(f"kernel {self.kernel_name!r} could not be started: {error}") from error
        self._left_running = False
        self._death = asyncio.get_running_loop().create_future()
        self._watch = asyncio.create_task(self._watch_process(self._death))
        self._wire = Wire(self._manager.get_connection_info(), self._on_foreign)
        await self._until_ready(self._wire, self._death)

    async def _watch_process(self, death: asyncio.Future[int | None]) -> None:
        provisioner = self._manager.provisioner
        while (code := await provisioner.poll()) is None:
            await asyncio.sleep(_POLL)
        if not death.done():
            death.set_result(code)

    async def _until_ready(self, wire: Wire, death: asyncio.Future[int | None]) -> None:
        deadline = time.monotonic() + self._startup_timeout
        while time.monotonic() < deadline and not death.done():
            # repeat until an "idle" arrives too: only then is our subscription active
            request = wire.request("kernel_info_request", {})
            await _first(request, death, 0.2)
            wire.forget(request)
            if request.done.done():
                self.kernel_info = request.reply or {}
                return
        why = self._how_died(death) if death.done() else f"no answer within {self._startup_timeout:.0f} s"
        raise KernelError(f"kernel {self.kernel_name!r} did not start: {why}")

    async def _in_time(
        self, wait: Wait, request: Request, death: asyncio.Future[int | None], timeout: float | None
    ) -> None:
        """Wait, at most `timeout` seconds of the session's clock."""
        if timeout is None:
            await wait(request, death, None)
            return
        end = self._clock() + timeout
        while (left := end - self._clock()) > 0 and not await wait(request, death, max(left, _POLL)):
            pass

    async def _end(self, request: Request, death: asyncio.Future[int | None], grace: float) -> None:
        """Interrupt, then terminate, then kill, until the execution has ended."""
        request.interrupted = True
        with contextlib.suppress(TimeoutError):
            # before its beginning, SIGINT would be ignored
            await asyncio.wait_for(request.begun.wait(), timeout=grace)
        acts = [
            (self._signal_interrupt, grace),
            (self._signal_terminate, 2.0),
            (self._signal_kill, 2.0),
        ]
        if request.begun.is_set() and time.monotonic() - request.since < _YOUNG:
            # between announcing a cell and running it, ipykernel only stores a SIGINT for its event loop,
            # which is blocked by then
            acts.insert(0, (self._signal_interrupt, _YOUNG))
        for act, patience in acts:
            if request.done.done() or death.done():
                return
            if act != self._signal_interrupt and not request.begun.is_set():
                return  # another client's cell runs, and must not be killed
            await act()
            await _first(request, death, patience)

    async def _signal_interrupt(self) -> None:
        await self._manager.interrupt_kernel()

    async def _signal_terminate(self) -> None:
        await self._manager.signal_kernel(signal.SIGTERM)

    async def _signal_kill(self) -> None:
        await self._manager.signal_kernel(signal.SIGKILL)

    async def _stop(self, polite: bool) -> None:
        """End the process and its descendants; keep the manager, for a restart on the same sockets."""
        group = self.pid if self.alive else None  # the number of an ended group may be reused
        if polite and self._death is not None and self.alive:
            with contextlib.suppress(Exception):
                await self._manager.request_shutdown()
                await asyncio.wait({self._death}, timeout=1.0)
        if group is not None and group != os.getpgrp():
            kill_group(group)
        if self._death is not None:
            await asyncio.wait({self._death}, timeout=2.0)
        await kill_marked(self._mark)
        if self._watch is not None:
            self._watch.cancel()
        if self._wire is not None:
            await self._wire.close()
        self._watch = self._wire = None
        if self._manager.has_kernel:
            await self._manager.provisioner.wait()
        await self._manager.cleanup_resources(restart=True)

    def _how_died(self, death: asyncio.Future[int | None]) -> str:
        log = self._private / "kernel.log" if self._private else Path(os.devnull)
        return death_of(death.result(), log)

    def _execution(
        self, request: Request, death: asyncio.Future[int | None], late: bool, seconds: float
    ) -> Execution:
        if request.reply is None or not request.done.done():
            how = self._how_died(death) if death.done() else "the kernel does not answer"
            if request.interrupted:
                how = f"killed, because it did not react to the interrupt: {how}"
            status = "timeout" if late else "died"
            return Execution(status, request.msg_id, seconds, None, "KernelDied", how)
        reply = request.reply
        status = reply.get("status", "error")
        if status not in ("ok", "error"):
            status = "aborted"
        elif status == "error" and request.interrupted:
            status = "interrupted"
        return Execution(
            "timeout" if late and status == "interrupted" else status,
            request.msg_id,
            seconds,
            reply.get("execution_count"),
            str(reply.get("ename", "")),
            str(reply.get("evalue", "")),
            tuple(reply.get("traceback") or ()),
        )


async def _begun(request: Request, death: asyncio.Future[int | None], timeout: float | None) -> bool:
    """Wait for the request to begin, after cells of other clients. Returns False at the timeout."""
    beginning = asyncio.ensure_future(request.begun.wait())
    either: set[asyncio.Future[Any]] = {beginning, request.done, death}
    over, _ = await asyncio.wait(either, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    beginning.cancel()
    return bool(over)


async def _first(request: Request, death: asyncio.Future[int | None], timeout: float | None) -> bool:
    """Wait until the request is done or the kernel dead. Returns False at the timeout."""
    either: set[asyncio.Future[Any]] = {request.done, death}
    over, _ = await asyncio.wait(either, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    return bool(over)


def private_folder() -> Path:
    base = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="cobra-", dir=base if len(base) <= _MAX_FOLDER else "/tmp"))
