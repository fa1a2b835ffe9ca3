"""Which agent owns a name. Agents work in parallel: only the lead may replace what another agent made."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from typing import Any

from cobra_jupyter.workbench.rebuild import Line, Rebuilt, takes
from cobra_jupyter.workbench.turns import CALL, Call

LEAD = "lead"
NAMED = ("candidate", "shared")  # calls that define a name; only the lead may define a metric
_VERSION = re.compile(r"_v\d+$")


class NameTaken(ValueError):  # noqa: N818
    """Another agent owns the name; the message says what to do."""


class Owners(Rebuilt):
    """The owner of each name, by call and name. Thread-safe."""

    def __init__(self) -> None:
        self._owners: dict[tuple[str, str], str] = {}
        self._texts: dict[tuple[str, str], Any] = {}  # the latest definition
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def claim(self, agent: str, call: str, name: Any, text: Any) -> Iterator[None]:
        """Make the agent the owner of `name`, unless the call in this context fails. Raises NameTaken.

        An unchanged text does not change the owner."""
        key = (call, str(name))
        if call not in NAMED or (text is not None and self._texts.get(key) == text):
            yield
            return
        with self._lock:
            before = self._owners.get(key)
            self._refuse(agent, call, str(name))
            self._owners[key] = agent
        try:
            yield
        except BaseException:
            self._give_back(key, agent, before)
            raise
        self._texts[key] = text

    def _give_back(self, key: tuple[str, str], agent: str, before: str | None) -> None:
        with self._lock:
            if self._owners.get(key) != agent:  # the lead has claimed it meanwhile
                return
            del self._owners[key]
            if before:
                self._owners[key] = before

    def _refuse(self, agent: str, call: str, name: str) -> None:
        """Raise NameTaken if another agent owns the name. `boost_v2` belongs to the owner of `boost`."""
        if agent == LEAD:
            return
        for taken in (name, _VERSION.sub("", name)):
            owner = self._owners.get((call, taken), agent)
            if owner != agent:
                what = "candidate" if call == "candidate" else "artefact"
                raise NameTaken(f"the {what} {taken!r} is {owner}'s: give yours a name of its own")

    @takes(CALL)
    def take_call(self, data: Call, line: Line) -> None:
        if data["call"] in NAMED and not data["error"]:
            key = (data["call"], str(data["args"]["name"]))
            self._owners[key], self._texts[key] = data["agent"], data["args"].get("source")
