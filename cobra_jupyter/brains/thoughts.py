"""Separates a model's thoughts from its reply while both stream in."""

from __future__ import annotations

from collections.abc import Iterable

OPEN = ("<think>", "<thinking>")
CLOSE = ("</think>", "</thinking>")


class Thoughts:
    """Splits the pieces of a reply; `thoughts` collects the thoughts. Marks may be split across pieces.

    After the first code fence, marks have no meaning: everything belongs to the reply."""

    def __init__(self, thinking: bool = False, others: Iterable[str] = ()) -> None:
        """`thinking`: the prompt has already opened a thought. `others` are marks to drop."""
        self.thoughts = ""
        self._thinking, self._code, self._rest = thinking, False, ""
        self._others = tuple(mark for mark in others if mark not in OPEN + CLOSE)

    def add(self, piece: str) -> str:
        """Add a piece. Returns the text that certainly belongs to the reply."""
        said, self._rest = "", self._rest + piece
        while found := self._next():
            place, mark = found
            said += self._sort(self._rest[:place])
            self._rest = self._rest[place + len(mark) :]
            if mark == "```":
                said, self._code = said + mark, True
            elif mark not in self._others:
                self._thinking = mark in OPEN
        end = len(self._rest) - self._partial()
        said += self._sort(self._rest[:end])
        self._rest = self._rest[end:]
        return said

    def end(self) -> str:
        """Returns the rest of the reply, at the end of the stream."""
        rest, self._rest = self._rest, ""
        return self._sort(rest)

    def _marks(self) -> tuple[str, ...]:
        if self._code:
            return self._others
        return (*CLOSE, *self._others) if self._thinking else (*OPEN, *CLOSE, "```", *self._others)

    def _next(self) -> tuple[int, str] | None:
        found = [(self._rest.find(mark), mark) for mark in self._marks()]
        return min((each for each in found if each[0] >= 0), default=None)

    def _partial(self) -> int:
        """How many characters at the end may be the beginning of a mark."""
        longest = max(map(len, self._marks()), default=1) - 1
        for n in range(min(longest, len(self._rest)), 0, -1):
            if any(mark.startswith(self._rest[-n:]) for mark in self._marks()):
                return n
        return 0

    def _sort(self, text: str) -> str:
        if self._thinking:
            self.thoughts += text
            return ""
        return text
