"""The plateau ladder: starts the rung that is due, and records its cost and gain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from cobra_jupyter.agent.plateau import BLEND, Rung, RunProgress, best_of, due, lines
from cobra_jupyter.agent.prompt import request
from cobra_jupyter.agent.team import NoAgent, Team
from cobra_jupyter.records import kinds
from cobra_jupyter.records.ledger import Ledger
from cobra_jupyter.workbench import results
from cobra_jupyter.workbench.display.pages import describe
from cobra_jupyter.workbench.display.pages.words import gained

BY = "ladder"
ROLES = {"audit": "auditor", "scout": "scout", "judge": "judge"}
PATIENCE = 6  # turns that the lead may take for a fusion


class Ladder:
    """Between two turns of the lead, `climb` ends the rung that is complete and begins the one that is
    due."""

    def __init__(
        self,
        *,
        team: Team,
        ledger: Ledger,
        progress: Callable[[], RunProgress],
        beside: bool,
        say: Callable[[str], Awaitable[Any]],
        recording: Any = None,
        turn: Callable[[], int] = lambda: 0,
    ) -> None:
        """`progress` returns the run so far. `beside`: scouts work while the lead goes on. `say` writes a
        note into the lead's notebook. `recording`: the run being replayed; rungs begin and end at the same
        turns as there.
        """
        self._team, self._ledger, self._progress = team, ledger, progress
        self._beside, self._say = beside, say
        self._recording, self._turn = recording, turn
        self._scout: asyncio.Task[results.Brief | None] | None = None
        self._turns = 0

    async def climb(self) -> None:
        """Called between two turns of the lead: end the complete rung, begin the one that is due."""
        progress = self._progress()
        begun = _open(progress)
        if begun is not None and begun["rung"] == "fusion":
            await self._look_at_fusion(begun, progress)
        elif begun is not None and self._scout is not None:
            if self._is_complete(self._scout.done()):
                brief, self._scout = await self._scout, None
                await self._end(begun, brief)
        elif begun is not None:  # it began before the run was resumed
            await self._run(begun)
        elif rung := self._due(progress):
            await self._begin(rung, progress)

    def _due(self, progress: RunProgress) -> Rung | None:
        if self._recording is None:
            return due(progress)
        known = self._recording.rungs.get(self._turn())
        return Rung(known["rung"], known["why"], 0.0) if known else None

    def _is_complete(self, now: bool) -> bool:
        return now if self._recording is None else self._turn() in self._recording.rung_ends

    async def _begin(self, rung: Rung, progress: RunProgress) -> None:
        best = best_of(progress)
        number = 1 + sum(m.data["state"] == "begun" for m in progress.of(kinds.RUNG))
        data = kinds.Rung(
            number=number,
            rung=rung.name,
            state="begun",
            why=rung.why,
            plateau=rung.plateau,
            protocol=progress.of(results.PROTOCOL)[-1].data["number"],
            best=_scored(best),
        )
        if rung.name == "fusion":
            data["lines"] = [trial["id"] for trial in lines(progress)]
        self._ledger.append(kinds.RUNG, data)
        if rung.name == "fusion":
            self._turns = 0
            await self._say(
                "## Fusion\n" + request("fusion").format(why=rung.why, lines=" and ".join(data["lines"]))
            )
        else:
            role = ROLES[rung.name]
            article = "An" if role[0] in "aeiou" else "A"
            await self._say(f"## {article} {role} is called in\nWhy: {rung.why}.")
            await self._run(data)

    async def _run(self, begun: kinds.Rung) -> None:
        work = self._delegate(begun)
        beside = self._beside if self._recording is None else self._turn() not in self._recording.rung_ends
        if beside and begun["rung"] == "scout":
            self._scout = asyncio.ensure_future(work)
        else:
            await self._end(begun, await work)

    async def _delegate(self, begun: kinds.Rung) -> results.Brief | None:
        brief = request(begun["rung"]).format(why=begun["why"])
        try:
            return await self._team.delegate(ROLES[begun["rung"]], brief, BY)
        except NoAgent:
            return None

    async def _look_at_fusion(self, begun: kinds.Rung, progress: RunProgress) -> None:
        """End a fusion once the lead has tried an idea or used up its turns."""
        at = progress.of(kinds.RUNG)[-1].at
        tried = any(m.at >= at and m.data["family"] != BLEND for m in progress.of(results.IDEA))
        self._turns += 1
        if self._is_complete(tried or self._turns > PATIENCE):
            await self._end(begun, None)

    async def _end(self, begun: kinds.Rung, brief: results.Brief | None) -> None:
        progress = self._progress()
        after, before, protocol = best_of(progress), begun["best"], progress.of(results.PROTOCOL)[-1].data
        gain = None
        if after and before and protocol["number"] == begun["protocol"]:
            sign = 1 if protocol["direction"] == "maximize" else -1
            gain = sign * (results.score_of(after) - before["score"]) + 0.0
        ended: kinds.Rung = {
            **begun,
            "state": "ended",
            "agent": brief and brief["agent"],
            "brief": brief and brief["id"],
            "seconds": brief["seconds"] if brief else 0,
            "tokens": brief["tokens"] if brief else 0,
            "cost": brief["cost"] if brief else 0,
            "gain": gain,
            "best": _scored(after),
        }
        self._ledger.append(kinds.RUNG, ended)
        if brief:
            await self._say(_returned(brief, gain))

    async def close(self) -> None:
        if self._scout is not None:
            self._scout.cancel()
            await asyncio.gather(self._scout, return_exceptions=True)


def _returned(brief: results.Brief, gain: float | None) -> str:
    """The note in the lead's notebook on an agent that has returned."""
    change = ""
    if gain is not None:
        better = f"{gained(gain, None)} better than before" if gain else "as it was"
        change = f" The best score is {better}."
    report = "\n".join(f"> {line}" for line in brief["report"].splitlines())
    notebook = f"[its notebook]({brief['notebook']})"
    return f"**{brief['agent']}** is back ({describe.effort(brief)}; {notebook}).{change}\n\n{report}"


def _scored(best: results.Trial | results.Blend | None) -> kinds.Best | None:
    return kinds.Best(id=best["id"], score=results.score_of(best)) if best else None


def _open(progress: RunProgress) -> kinds.Rung | None:
    """The rung that has begun and not ended."""
    rungs = progress.of(kinds.RUNG)
    return rungs[-1].data if rungs and rungs[-1].data["state"] == "begun" else None
