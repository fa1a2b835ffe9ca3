"""What a model thinks, told apart from what it says, while both stream in."""

from __future__ import annotations

from collections.abc import Iterable

OPEN = ("<think>", "<thinking>")
CLOSE = ("</think>", "</thinking>")


class Thoughts:
    """Takes pieces of a reply and gives back what is said; `thoughts` is the rest. A mark may be torn across pieces.
    Marks count outside of code only: from the first fence on all is said."""

    def __init__(self, thinking: bool = False, others: Iterable[str] = ()) -> None:
        """`thinking`: the prompt has opened a thought already; `others` are marks that are dropped."""
        self.thoughts = ""
        self._thinking, self._code, self._rest = thinking, False, ""
        self._others = tuple(mark for mark in others if mark not in OPEN + CLOSE)

    def take(self, piece: str) -> str:
        """What is said as far as it is certain."""
        said, self._rest = "", self._rest + piece
        while found := self._next():
            place, mark = found
            said += self._sort(self._rest[:place])
            self._rest = self._rest[place + len(mark) :]
            if mark == "```":
                said, self._code = said + mark, True
            elif mark not in self._others:
                self._thinking = mark in OPEN
        kept = self._torn()
        said += self._sort(self._rest[: len(self._rest) - kept])
        self._rest = self._rest[len(self._rest) - kept :]
        return said

    def end(self) -> str:
        """What is left when nothing more comes."""
        rest, self._rest = self._rest, ""
        return self._sort(rest)

    def _marks(self) -> tuple[str, ...]:
        if self._code:
            return self._others
        return (*CLOSE, *self._others) if self._thinking else (*OPEN, *CLOSE, "```", *self._others)

    def _next(self) -> tuple[int, str] | None:
        found = [(self._rest.find(mark), mark) for mark in self._marks()]
        return min((each for each in found if each[0] >= 0), default=None)

    def _torn(self) -> int:
        """How many characters at the end may be the beginning of a mark."""
        longest = max(map(len, self._marks()), default=1) - 1
        return next(
            (n for n in range(min(longest, len(self._rest)), 0, -1)
             if any(mark.startswith(self._rest[-n:]) for mark in self._marks())),
            0,
        )  # fmt: skip

    def _sort(self, text: str) -> str:
        if self._thinking:
            self.thoughts += text
            return ""
        return text
