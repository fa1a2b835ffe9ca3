"""Runs the agent's cells in a kernel with its harness, and restores both if one dies.

The harness is restored from the record, the kernel by running the accepted cells again. Their calls get the
recorded answers, so no work is repeated."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cobra_jupyter.kernel.base import Execution, Harness, Kernel
from cobra_jupyter.kernel.errors import KernelDied
from cobra_jupyter.kernel.harness import CallError, ConnectionLost

REPLAY_SECONDS = 600.0  # limit for running all accepted cells again
SHOWN = 5  # lost cells that are named
LOAD = "__import__('cobra_jupyter').load_ipython_extension(get_ipython())"
CURE = "This cell did not run: define again what it needs from them"
RESTARTED = "a person restarted the kernel during this cell; the variables of earlier cells are restored"


def plain(code: str) -> bool:
    """Whether a cell does not call the workbench, so that it can be run again without the record."""
    return not any(word in code for word in ("cobra", "%%candidate", "%%shared", "%%metric", "%%protocol"))


@dataclass(frozen=True)
class Lost:
    """An accepted cell (of a person: turn 0) that did not run again, and how it ended."""

    number: int
    code: str
    ended: str

    @property
    def words(self) -> str:
        return f"{f'turn {self.number}' if self.number else 'a person'} ({self.ended})"


class Executor:
    """`ledger` is the record's file; `on_event` is called with a text for each restart; `agent` names the
    agent."""

    def __init__(
        self,
        harness: Harness,
        kernel: Kernel,
        ledger: Path,
        on_event: Callable[[str], None],
        agent: str = "lead",
    ) -> None:
        self.harness, self.kernel, self.agent = harness, kernel, agent
        self._ledger, self._on_event = ledger, on_event
        self._accepted: list[tuple[int, str]] = []
        self._prepares = False  # whether the workbench is loaded before the first cell
        self._lost: list[Lost] = []  # whose variables the kernel lacks, until the brain is told
        self._restarting = asyncio.Lock()
        self._restarts = 0  # by people

    @property
    def whole(self) -> bool:
        return self.kernel.alive and self.harness.alive

    @property
    def restarting(self) -> bool:
        return self._restarting.locked()

    async def call(self, name: str, **args: Any) -> dict[str, Any]:
        """Call the harness; if it is gone, restore it first. Raises CallError, ConnectionLost."""
        try:
            return await self.harness.call(name, **args)
        except ConnectionLost:
            await self.mend()
            return await self.harness.call(name, **args)

    async def execute(
        self,
        number: int,
        code: str,
        on_output: Callable[[dict[str, Any]], None],
        seconds: float,
        again: bool = False,
    ) -> Execution:
        """Run the cell of turn `number`. `again`: calls of an earlier attempt get the recorded answers."""
        async with self._restarting:  # wait until the kernel is restored
            pass
        if self._lost and not await self._restored():
            return Execution("error", "", 0.0, None, "KernelNotRestored", self._give_up())
        await self.call("turn_begins", number=number, again=again, agent=self.agent)
        restarts = self._restarts
        try:
            done = await self.kernel.execute(code, on_output, timeout=seconds)
        except KernelDied as error:  # before the cell could begin
            done = Execution("died", "", 0.0, None, "KernelDied", str(error))
        async with self._restarting:  # if a person restarted the kernel, wait for that
            if self._restarts > restarts:
                done = replace(done, evalue=RESTARTED)
        if done.status == "ok":
            self._accepted.append((number, code))
        else:  # notice now if the harness died during the cell
            with contextlib.suppress(CallError, ConnectionLost):
                await self.harness.call("jobs")
        return done

    async def _restored(self) -> bool:
        """Try once more to restore the variables of the accepted cells. → whether all are there."""
        accepted = list(self._accepted)
        if self.whole:
            async with self._restarting:
                await self.kernel.restart()
                await self.replay(accepted)
        else:
            await self.mend()
        return not self._lost

    def _give_up(self) -> str:
        """Do without the cells that cannot be run again. → what the brain is told"""
        lost, self._lost = self._lost, []
        gone = {(each.number, each.code) for each in lost}
        self._accepted = [cell for cell in self._accepted if cell not in gone]
        shown = [each.words for each in lost[:SHOWN]]
        more = [f"{len(lost) - SHOWN} more"] if len(lost) > SHOWN else []
        told = "; ".join([*shown, *more])
        return f"the kernel was started again, but these cells did not run again: {told}. {CURE}"

    async def prepare(self) -> None:
        """Load the workbench into the kernel, now and whenever it is restored."""
        self._prepares = True
        await self.kernel.execute(LOAD, lambda output: None, timeout=REPLAY_SECONDS)

    def visited(self, code: str) -> None:
        """Note a person's successful cell; it is run again too when the kernel is restored, for its
        variables."""
        if plain(code):
            self._accepted.append((0, code))

    async def restart(self, seconds: float) -> None:
        """Restart the kernel for a person, and restore the variables of the agent's accepted cells."""
        async with self._restarting:
            self._on_event("kernel restarted by a person")
            accepted = [(number, code) for number, code in self._accepted if number]
            self._restarts += 1
            await self.kernel.restart()
            await self.replay(accepted, seconds)

    async def mend(self) -> None:
        """Restart what has died, and restore the kernel's variables."""
        async with self._restarting:
            if not self.whole:  # nobody else has done it meanwhile
                await self._mend()

    async def _mend(self) -> None:
        if not self.harness.alive and await asyncio.to_thread(self.harness.restart, self._ledger):
            self._on_event("harness restarted")
        self._on_event("kernel restarted")
        await self.kernel.restart()
        await self.replay(self._accepted)

    async def replay(self, accepted: list[tuple[int, str]], seconds: float = REPLAY_SECONDS) -> None:
        """Run accepted cells again for their variables, within `seconds`; ignore their outputs, which the
        notebook already has. If some do not end well, the next cell does not run, and names them."""
        self._accepted, end, self._lost = list(accepted), time.monotonic() + seconds, []
        if self._prepares and self.whole:
            with contextlib.suppress(KernelDied):
                await self.prepare()
        for number, code in accepted:
            left = end - time.monotonic()
            if not self.whole:
                ended = "the kernel was gone"
            else:
                ended = await self._again(number, code, left) if left > 0 else "no time was left"
            if ended != "ok":
                self._lost.append(Lost(number, code, ended))
        if self._lost:
            self._on_event(f"kernel not restored: {self._lost[0].words}; {len(self._lost)} in all")

    async def _again(self, number: int, code: str, seconds: float) -> str:
        """Run an accepted cell again. → how it ended."""
        try:
            if number:
                await self.harness.call("turn_begins", number=number, again=True, agent=self.agent)
            done = await self.kernel.execute(code, lambda output: None, timeout=seconds)
        except (ConnectionLost, KernelDied) as error:
            return f"{type(error).__name__}: {error}"
        return f"{done.status} {done.ename} {done.evalue}".strip()[:300]
