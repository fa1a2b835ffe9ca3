"""Emits server events about runs, for other extensions and for the logs of administrators."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from jupyter_events.logger import EventLogger
from jupyter_events.schema_registry import SchemaRegistryException

from cobra_jupyter.run.registry import Entry

Json = dict[str, Any]
SCHEMA = "https://events.cobra-jupyter.org/run/v1"
FILE = Path(__file__).parent / "events" / "run.yaml"
_log = logging.getLogger(__name__)


class Lifecycle:
    """Emits an event when a run's state changes, and when its best score does."""

    def __init__(self, events: EventLogger) -> None:
        self._events = events
        self._states: dict[str, tuple[Any, Any]] = {}
        try:
            events.register_event_schema(FILE)
        except SchemaRegistryException:  # another instance in this process registered it
            _log.debug("the schema of runs is already registered")

    def on_status(self, run: str, entry: Entry | None, status: Json) -> None:
        best = (status.get("best") or {}).get("score")
        before = self._states.get(run)
        now = (status.get("state"), best)
        if before == now:
            return
        self._states[run] = now
        if entry is None:
            self._states.pop(run)
        if before is None or before[0] != now[0]:
            self._emit(run, status, "state")
        elif best is not None:
            self._emit(run, status, "score")

    def _emit(self, run: str, status: Json, what: str) -> None:
        best = status.get("best") or {}
        self._events.emit(
            schema_id=SCHEMA,
            data={
                "run": run,
                "what": what,
                "name": str(status.get("name") or ""),
                "state": str(status.get("state")),
                "why": status.get("why"),
                "score": best.get("score"),
                "se": best.get("se"),
            },
        )
