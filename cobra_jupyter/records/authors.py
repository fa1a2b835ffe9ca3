"""Who wrote the turns of a run, and why others did not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from cobra_jupyter.records import kinds
from cobra_jupyter.workbench.display.pages import words
from cobra_jupyter.workbench.rebuild import Line, Rebuilt, takes


@dataclass
class Authors(Rebuilt):
    """`lead` was asked to lead; `turns` counts the turns of each brain, `latest` wrote the latest one; `gone`
    holds why brains were set aside."""

    lead: str = ""
    latest: str = ""
    turns: Counter[str] = field(default_factory=Counter)
    gone: dict[str, str] = field(default_factory=dict)

    @takes(kinds.RUN)
    def take_run(self, data: kinds.Run, line: Line) -> None:
        self.lead = next(iter(data.get("brains") or ()), str(data.get("brain") or ""))

    @takes(kinds.REPLY)
    def take_reply(self, data: kinds.Reply, line: Line) -> None:
        self.latest = str(data.get("brain") or "")
        self.turns[self.latest] += 1

    @takes(kinds.DECISION)
    def take_decision(self, data: kinds.Decision, line: Line) -> None:
        if found := data.get("set_aside"):
            self.gone[found["brain"]] = data["why"]

    @property
    def mixed(self) -> bool:
        """Whether another brain than the one that was asked to lead wrote a turn."""
        return any(brain != self.lead for brain in self.turns)

    @property
    def summary(self) -> str:
        """Who wrote how much, in one sentence or two."""
        if not self.turns:
            wrote = "nobody wrote a turn"
        else:
            wrote = ", ".join(
                f"{brain} ({words.counted(count, 'turn')})" for brain, count in self.turns.most_common()
            )
        lead = self.turns[self.lead]
        if not self.lead or lead or self.lead not in self.gone:
            reasons = [f"{brain}: {why}" for brain, why in self.gone.items() if self.mixed]
        else:
            reasons = [f"{self.lead}, which was asked to lead, wrote none: {self.gone[self.lead]}"]
        return ". ".join([wrote, *(words.cut(reason, 300) for reason in reasons)])
