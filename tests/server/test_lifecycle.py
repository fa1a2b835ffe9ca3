"""The server emits events about runs that follow their schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cobra_jupyter.server.lifecycle import SCHEMA
from tests.fakes.runner import FakeRunner
from tests.patience import until
from tests.server.conftest import RUN, Ask


async def test_changes_of_a_runs_state_are_emitted_once(
    ask: Ask, run_folder: Path, jp_serverapp: Any
) -> None:
    heard: list[Any] = []

    async def listen(logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        heard.append((data["run"], data["what"], data["state"]))

    jp_serverapp.event_logger.add_listener(schema_id=SCHEMA, listener=listen)
    async with FakeRunner(run_folder) as runner:
        await until(lambda: heard)
        for _ in range(3):
            runner.tell_status()
        assert (await ask("POST", f"cobra/runs/{RUN}/pause")).code == 200
        await until(lambda: len(heard) == 2)
        await runner.die()
        await until(lambda: len(heard) == 3)
    assert heard == [(RUN, "state", "running"), (RUN, "state", "paused"), (RUN, "state", "died")]
