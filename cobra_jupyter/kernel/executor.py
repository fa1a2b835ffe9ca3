"""Where the agent's cells run: a live kernel and its harness. Either may die; both come back as they were.

The harness is restored from the record, the kernel by running the accepted cells again: their calls get the
answers they got, so no work is done twice."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from cobra_jupyter.kernel.base import Execution, Harness, Kernel
from cobra_jupyter.kernel.errors import KernelDied
from cobra_jupyter.kernel.harness import CallError, ConnectionLost

REPLAY_SECONDS = 600.0  # most for all accepted cells
RESTARTED = "a person restarted the kernel under this cell; what earlier cells left behind is there again"


def plain(code: str) -> bool:
    """Whether a cell does not call the workbench, whose results are on record."""
    return not any(word in code for word in ("cobra", "%%candidate", "%%shared", "%%metric", "%%protocol"))


class Executor:
    """`ledger` is the record's file; `on_event` is told what was mended; `agent` is whose place it is."""

    def __init__(
        self, harness: Harness, kernel: Kernel, ledger: Path, on_event: Callable[[str], None],
        agent: str = "lead",
    ) -> None:  # fmt: skip
        self.harness, self.kernel, self.agent = harness, kernel, agent
        self._ledger, self._on_event = ledger, on_event
        self._accepted: list[tuple[int, str]] = []
        self._restarting = asyncio.Lock()
        self._restarts = 0  # by a person

    @property
    def whole(self) -> bool:
        return self.kernel.alive and self.harness.alive

    @property
    def restarting(self) -> bool:
        return self._restarting.locked()

    async def call(self, name: str, **args: Any) -> dict[str, Any]:
        """Call the harness; where it is gone it is brought back first. Raises CallError, ConnectionLost."""
        try:
            return await self.harness.call(name, **args)
        except ConnectionLost:
            await self.mend()
            return await self.harness.call(name, **args)

    async def execute(
        self, number: int, code: str, on_output: Callable[[dict[str, Any]], None], seconds: float,
        again: bool = False,
    ) -> Execution:  # fmt: skip
        """Run the cell of turn `number`; `again`: its calls of an earlier attempt get the answers they got."""
        async with self._restarting:  # until the kernel is as it was
            pass
        await self.call("turn_begins", number=number, again=again, agent=self.agent)
        restarts = self._restarts
        try:
            done = await self.kernel.execute(code, on_output, timeout=seconds)
        except KernelDied as error:  # before it could begin
            done = Execution("died", "", 0.0, None, "KernelDied", str(error))
        async with self._restarting:  # if a person has restarted the kernel under it: until that is done
            if self._restarts > restarts:
                done = replace(done, evalue=RESTARTED)
        if done.status == "ok":
            self._accepted.append((number, code))
        else:  # a harness that died under it may not have been missed yet
            with contextlib.suppress(CallError, ConnectionLost):
                await self.harness.call("jobs")
        return done

    def visited(self, code: str) -> None:
        """A cell that a person ran well: it is run again too where the kernel comes back, for its variables."""
        if plain(code):
            self._accepted.append((0, code))

    async def restart(self, seconds: float) -> None:
        """A fresh kernel with what the agent's accepted cells leave behind, as a person asked for."""
        async with self._restarting:
            self._on_event("kernel restarted by a person")
            accepted = [(number, code) for number, code in self._accepted if number]
            self._restarts += 1
            await self.kernel.restart()
            await self.replay(accepted, seconds)

    async def mend(self) -> None:
        """Start what is dead, and give the kernel its variables back."""
        async with self._restarting:
            if not self.whole:  # nobody else has seen to it
                await self._mend()

    async def _mend(self) -> None:
        if not self.harness.alive and await asyncio.to_thread(self.harness.restart, self._ledger):
            self._on_event("harness restarted")
        self._on_event("kernel restarted")
        await self.kernel.restart()
        await self.replay(self._accepted)

    async def replay(self, accepted: list[tuple[int, str]], seconds: float = REPLAY_SECONDS) -> None:
        """Run accepted cells for what they leave behind, within `seconds`; their outputs are in the notebook
        already."""
        self._accepted, end = list(accepted), time.monotonic() + seconds
        for number, code in accepted:
            left = end - time.monotonic()
            if left <= 0 or not self.whole:
                return
            with contextlib.suppress(ConnectionLost):
                if number:
                    await self.harness.call("turn_begins", number=number, again=True, agent=self.agent)
                await self.kernel.execute(code, lambda output: None, timeout=left)
