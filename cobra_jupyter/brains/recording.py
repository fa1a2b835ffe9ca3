"""Writes every reply of a run's brains to a file, for `--brain replay`.

The file has one JSON object per line. The first lists the brains in order (`{"brains"}`); one line follows
for each reply: `{"agent", "role", "turn", "brain", "text", "finish", "detail", "thoughts", "usage"}`, or
`{"agent",
"role", "turn", "brain", "gone"}` with the reason why there is none. Results and decisions are only in the
run's record.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cobra_jupyter.brains.base import Brain, BrainGone, Finish, TimeOver

if TYPE_CHECKING:
    from cobra_jupyter.brains.context import Context


class Recorder:
    """Wraps a brain and records its replies; other attributes (`check`, `recording`) pass through.

    An abandoned reply is not recorded. Raises OSError if the file cannot be written."""

    def __init__(self, brain: Brain, file: Path, secrets: Sequence[str] = ()) -> None:
        """`secrets` are replaced wherever they appear."""
        self._brain, self._file, self.name = brain, file, brain.name
        self._secrets = tuple(secret for secret in secrets if secret)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._brain, name)

    @property
    def finish(self) -> Finish:
        return self._brain.finish

    @finish.setter
    def finish(self, value: Finish) -> None:
        self._brain.finish = value

    async def reply(self, context: Context) -> AsyncIterator[str]:
        about = {
            "agent": getattr(context, "agent", "lead"),
            "role": context.role,
            "turn": len(context.turns) + 1,
            "brain": self.name,
        }
        text = ""
        try:
            async for piece in self._brain.reply(context):
                text = text + piece if piece else ""
                yield piece
        except TimeOver:
            raise
        except BrainGone as gone:
            self._write({**about, "gone": str(gone)})
            raise
        finish = self.finish
        usage = finish.usage.record() if finish.usage else None
        ended = {"finish": finish.reason, "detail": finish.detail, "thoughts": finish.thoughts}
        self._write({**about, "text": text, **ended, "usage": usage})

    def _write(self, line: Mapping[str, Any]) -> None:
        write(self._file, line, self._secrets)


def recorded(brains: Sequence[Brain], file: Path, secrets: Sequence[str] = ()) -> tuple[Recorder, ...]:
    """Returns these brains, each recorded. Raises OSError if the file cannot be written."""
    write(file, {"brains": [brain.name for brain in brains]})
    return tuple(Recorder(brain, file, secrets) for brain in brains)


def write(file: Path, line: Mapping[str, Any], secrets: Sequence[str] = ()) -> None:
    """Append one line in a single write, because several agents share the file."""
    text = json.dumps(line, ensure_ascii=False)
    for secret in secrets:
        text = text.replace(json.dumps(secret, ensure_ascii=False)[1:-1], "[secret]")
    with file.open("ab", buffering=0) as out:
        out.write(f"{text}\n".encode())
