"""A session with a model, written down as Markdown.

Anything before the first reply is a comment.

=== lead: looks at the competition !! 503 !! 429 retry-after=0.2 ?? A thought: what are the columns? ## Look
The first cell opens the competition.

```python %load_ext cobra_jupyter cobra.open() ```

=== debugger: …

A reply begins at `=== ROLE: title`; replies of one role are said in order, each once. A line `!! FAULT
option=value` below it is the fate of one request before the reply is said (see tests/fakes/gemini.py for the
faults), `??` a thought. A role whose replies are used up ends the run."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

ROLES = ("debugger", "scout", "auditor", "judge")
OVER = 'The script is over.\n\n```python\n%load_ext cobra_jupyter\ncobra.finish("the script is over")\n```\n'
_HEAD = re.compile(r"^=== *(\w+)(?: *: *(.*))?$")


@dataclass(frozen=True)
class Fault:
    """What happens to a request instead of an answer. Options are numbers or words."""

    name: str
    options: tuple[tuple[str, str], ...] = ()

    def number(self, option: str, default: float) -> float:
        return float(dict(self.options).get(option, default))

    def word(self, option: str, default: str = "") -> str:
        return dict(self.options).get(option, default)


@dataclass(frozen=True)
class Reply:
    role: str
    title: str
    text: str
    thoughts: str = ""
    faults: tuple[Fault, ...] = ()


def fault(words: str) -> Fault:
    """Of "NAME option=value …"."""
    name, *options = words.split()
    pairs = [option.partition("=") for option in options]
    return Fault(name, tuple((key, value) for key, _, value in pairs))


def parse(text: str) -> list[Reply]:
    replies: list[Reply] = []
    head: tuple[str, str] | None = None
    lines: list[str] = []
    for line in [*text.splitlines(), "=== end"]:
        found = _HEAD.match(line)
        if not found:
            lines.append(line)
            continue
        if head:
            replies.append(_reply(*head, lines))
        head, lines = (found[1], found[2] or ""), []
    return replies


def _reply(role: str, title: str, lines: list[str]) -> Reply:
    faults, thoughts, place = [], [], 0
    for place, line in enumerate(lines):  # noqa: B007 - where the text begins
        if line.startswith("!!"):
            faults.append(fault(line[2:]))
        elif line.startswith("??"):
            thoughts.append(line[2:].strip())
        elif line.strip():
            break
    text = "\n".join(lines[place:]).strip()
    return Reply(role, title, f"{text}\n" if text else "", "\n".join(thoughts), tuple(faults))


def role_of(system: str) -> str:
    """Whose prompt this is, by its first sentence."""
    first = re.split(r"[.:]", system, maxsplit=1)[0]
    return next((role for role in ROLES if role in first), "lead")


class Script:
    """Says the replies of each role in order, each after its faults. Thread-safe."""

    def __init__(self, replies: list[Reply]) -> None:
        self._left: dict[str, list[Reply]] = defaultdict(list)
        for reply in replies:
            self._left[reply.role].append(reply)
        self._lock = threading.Lock()
        self._met: dict[str, int] = defaultdict(int)  # faults of a role's next reply that were met

    @classmethod
    def read(cls, file: Path) -> Script:
        return cls(parse(file.read_text(encoding="utf-8")))

    @classmethod
    def of(cls, *texts: str) -> Script:
        """The lead's replies, with nothing else."""
        return cls([Reply("lead", "", text) for text in texts])

    def next(self, role: str) -> tuple[Fault | None, Reply]:
        """The fate of a request, and the reply it was for."""
        with self._lock:
            if not self._left[role]:
                return None, Reply(role, "over", OVER)
            reply, met = self._left[role][0], self._met[role]
            if met < len(reply.faults):
                self._met[role] += 1
                return reply.faults[met], reply
            self._met[role] = 0
            return None, self._left[role].pop(0)
