"""Replays a recorded run: gives its replies again, by agent and turn.

The source is the record of a run or a file written with `--record`. A record also holds the decisions that
depended on the clock; a file holds only the replies."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cobra_jupyter.brains.base import Brain, BrainGone, Finish
from cobra_jupyter.records import kinds
from cobra_jupyter.workbench.rebuild import Line, Rebuilt, replay, takes
from cobra_jupyter.workbench.turns import EXECUTION, Execution

if TYPE_CHECKING:
    from cobra_jupyter.brains.context import Context

PATIENT = 7 * 86_400.0  # seconds that a replay may take, since the record decides when time is up
_PIECE = 200  # characters at a time
Json = Mapping[str, Any]
Turn = tuple[str, int]  # agent, number


@dataclass(frozen=True)
class Said:
    """One reply of one brain, or the reason why there is none (`gone`)."""

    brain: str
    text: str
    finish: Finish
    gone: str = ""


class Recording(Rebuilt):
    """The replies of a run's brains. `ledger` is the file with the decisions, None for a file of replies;
    `asked` is the run's first line. `closing` says whether the runner made the last submission, `retrained`
    whether the proof trained again (None: unknown)."""

    def __init__(self, source: Path) -> None:
        """Raises OSError, or ValueError if there is no recording."""
        self.source = source
        self.ledger: Path | None = None
        self.names: tuple[str, ...] = ()
        self.asked: kinds.Run | None = None
        self.closing: bool | None = None
        self.retrained: bool | None = None
        self.rungs: dict[
            int, kinds.Rung
        ] = {}  # of the ladder, by the turn of the lead that follows their beginning
        self.rung_ends: set[int] = set()
        self.agents: dict[str, float] = {}  # agents that were called in, and their seconds
        self._said: dict[Turn, list[Said]] = {}
        self._gone: dict[str, list[Said]] = defaultdict(list)  # since the last reply, by agent
        self._over = self._submitted_at_last = False
        self._limits: dict[Turn, float] = {}  # seconds of cells that timed out
        path = source / "ledger.jsonl" if source.is_dir() else source
        lines = list(_lines(path))
        if lines and "hash" in lines[0]:
            self.ledger = path.resolve()
            self._read_ledger(path)
        else:
            self._read_replies(lines)
        if not self._said:
            raise ValueError("there is no reply in it")

    def said(self, turn: Turn, brain: str, nth: int) -> Said | None:
        """The `nth` reply of `brain` in a turn, or the accepted reply if it has fewer. None after the end."""
        known = self._said.get(turn, [])
        own = [said for said in known if said.brain == brain]
        accepted = [said for said in known if not said.gone][-1:]
        return next(iter(own[nth:] or accepted), None)

    def time_left(self, agent: str, turns: int) -> float:
        """Seconds for the turn after `turns`; 0 if the recording ends there."""
        turn = (agent, turns + 1)
        return self._limits.get(turn, PATIENT) if turn in self._said else 0.0

    def last(self, agent: str) -> int:
        return max((number for name, number in self._said if name == agent), default=0)

    def _read_ledger(self, path: Path) -> None:
        """Raises LedgerError if the chain is broken."""
        from cobra_jupyter.records.ledger import LedgerError, read

        try:
            replay(read(path), self)
        except LedgerError:
            if path.read_bytes().endswith(b"\n"):  # else the last line is incomplete because the run died
                raise
        self.closing = self._submitted_at_last if self._over else None

    @takes(kinds.RUN)
    def take_run(self, data: kinds.Run, line: Line) -> None:
        self.asked, self.names = data, tuple(data.get("brains") or [data["brain"]])

    @takes(kinds.REPLY)
    def take_reply(self, data: kinds.Reply, line: Line) -> None:
        agent = data.get("agent", "lead")
        every = [_said(each) for each in (*data.get("attempts", ()), data)]
        self._said[agent, data["turn"]] = [*every, *self._gone.pop(agent, ())]

    @takes(kinds.DECISION)
    def take_decision(self, data: kinds.Decision, line: Line) -> None:
        if found := data.get("set_aside"):
            self._gone[found["agent"]].append(Said(found["brain"], "", Finish(), data["why"]))
        elif data["what"] == "closing submission":
            self._submitted_at_last = True

    @takes(EXECUTION)
    def take_execution(self, data: Execution, line: Line) -> None:
        if data["status"] == "timeout":
            self._limits[data.get("agent", "lead"), data["turn"]] = max(1.0, data["seconds"])

    @takes(kinds.AGENT)
    def take_agent(self, data: kinds.Agent, line: Line) -> None:
        self.agents[data["agent"]] = data["seconds"]

    @takes(kinds.RUNG)
    def take_rung(self, data: kinds.Rung, line: Line) -> None:
        turn = self.last("lead") + 1
        if data["state"] == "begun":
            self.rungs[turn] = data
        else:
            self.rung_ends.add(turn)

    @takes(kinds.PROOF)
    def take_proof(self, data: kinds.Proof, line: Line) -> None:
        self.retrained = data["retrained"]

    @takes(kinds.STATE)
    def take_state(self, data: kinds.State, line: Line) -> None:
        self._over = data["state"] in ("finished", "stopped")
        if data["state"] == "resumed":
            self._submitted_at_last = False

    def _read_replies(self, lines: list[Json]) -> None:
        """Read replies in order. A run, started or resumed, begins with a line of its brains; the latest run
        that has a reply for a turn counts."""
        mine: set[Turn] = set()
        for data in lines:
            if "brains" in data:
                self.names, mine = tuple(data["brains"]), set()
                continue
            turn = (str(data["agent"]), int(data["turn"]))
            if turn not in mine:
                self._said[turn] = []
                mine.add(turn)
            self._said[turn].append(_said(data))


def _lines(path: Path) -> Iterator[Json]:
    """Yields the JSON objects of a file; an incomplete last line is left out."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                found = json.loads(line)
            except ValueError:
                if not line.endswith("\n"):
                    return
                raise ValueError(f"line {number} is not JSON: this is no recording") from None
            if not isinstance(found, dict):
                raise ValueError(f"line {number} is no object: this is no recording")
            yield found


def _said(data: Json) -> Said:
    try:
        finish = Finish(data.get("finish", "stop"), data.get("detail", ""), thoughts=data.get("thoughts", ""))
        return Said(data["brain"], data.get("text", ""), finish, data.get("gone", ""))
    except KeyError as error:
        raise ValueError(f"a reply without {error}: this is no recording") from None


class Replay:
    """One brain of a recorded run, with its name. A replay costs nothing, so the usage is None."""

    def __init__(self, source: Path | Recording, name: str | None = None) -> None:
        """Raises OSError, ValueError."""
        self.recording = source if isinstance(source, Recording) else Recording(source)
        self.name = self._own = name or (*self.recording.names, "replay")[0]
        self.finish = Finish()
        self._asked: Counter[Turn] = Counter()

    async def reply(self, context: Context) -> AsyncIterator[str]:
        turn = (getattr(context, "agent", "lead"), len(context.turns) + 1)
        self.name = self._own
        said = self.recording.said(turn, self.name, self._asked[turn])
        self._asked[turn] += 1
        if said is None:
            last = self.recording.last(turn[0])
            raise BrainGone(
                f"the recording {self.recording.source} ends with turn {last} of the agent {turn[0]}"
            )
        if said.gone:
            raise BrainGone(said.gone)
        self.finish, self.name = said.finish, said.brain  # of a brain that was set aside for a while
        for start in range(0, len(said.text), _PIECE):
            yield said.text[start : start + _PIECE]
            await asyncio.sleep(0)


def replays(recording: Recording) -> tuple[Brain, ...]:
    """The brains of a recorded run for one agent, the leading one first."""
    return tuple(Replay(recording, name) for name in recording.names or ("replay",))
